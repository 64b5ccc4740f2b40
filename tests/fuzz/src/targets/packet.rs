// SPDX-License-Identifier: GPL-2.0-only
//! Packets: any frame, and any statements about it. Afterwards a packet that was whole is whole, with
//! its checksums right; and nothing depends on which part of it lies in one piece.

use std::fmt::Write;
use std::net::IpAddr;

use packetscript_engine::host::Status;
use packetscript_engine::host::frame::{self, Tcp};
use packetscript_engine::host::user::{UserPacket, set_clock};
use packetscript_engine::packet::fields::{FIELDS, Field, Kind, What};

use crate::input::Input;
use crate::machine::{self, AMPLE, Machine};

/// Statements of a script, at most.
const STATEMENTS: usize = 12;

/// Values that are assigned, beside numbers.
const VALUES: [&str; 12] = [
    "true",
    "false",
    "nil",
    "'text'",
    "-1",
    "65536",
    "1.0",
    "ip '10.9.8.7'",
    "ip '2001:db8::9'",
    "('z'):rep(300)",
    "p.payload",
    "kept",
];

/// What is fuzzed: how the packet is made, how much of it is linear, its bytes, then statements.
pub fn run(input: &[u8]) {
    set_clock(Some(1_000_000));
    let mut input = Input::new(input);
    let how = input.u8();
    let flags = input.u8();
    let linear = usize::from(input.u8());
    let writes = u32::from(input.u8());
    let body = input.string();
    let packet = made(how, body);
    let refused = flags & 1 == 1;
    let given = |linear: usize| {
        let mut given = if how.is_multiple_of(8) {
            UserPacket::from_frame(&packet)?
        } else {
            UserPacket::new(&packet)
        };
        if flags & 2 != 0 {
            given = given.in_bridge();
        }
        if flags & 4 != 0 {
            given = given.with_mac([2; 6], [4; 6]).with_input(3, "eth0");
        }
        if refused {
            given = given.with_writes(writes);
        }
        Some(given.with_hook(flags >> 3 & 7).with_linear(linear))
    };
    let script = script(&mut input);
    let image = machine::compile(script.as_bytes(), machine::options(true));
    let image = image.unwrap_or_else(|diagnostic| panic!("{diagnostic}\n{script}"));
    let run = |linear: usize| {
        let mut machine = Machine::new(&image, AMPLE).expect("memory");
        machine.main().unwrap_or_else(|error| panic!("{error}"));
        let mut given = given(linear)?;
        // Twice: the second time meets what the first one kept.
        for _ in 0..2 {
            let outcome = machine
                .packet("process_packet", &mut given)
                .expect("a function");
            assert_eq!(
                outcome.status,
                Status::Ok,
                "{:?}\n{script}",
                outcome.verdict
            );
        }
        Some((machine.printed(), given.bytes()))
    };
    let Some((said, after)) = run(packet.len()) else {
        return;
    };
    if !refused {
        let other = run(linear.min(packet.len())).expect("the same packet");
        assert!(
            other == (said.clone(), after.clone()),
            "{linear} bytes linear: {} and {}\n{after:02x?}\n{:02x?}\n{script}",
            said.escape_ascii(),
            other.0.escape_ascii(),
            other.1
        );
    }
    if how % 8 > 1 {
        let faults = frame::faults(&after, false);
        assert!(faults.is_empty(), "{faults:?}\n{after:02x?}\n{script}");
    }
}

/// Frames as they come, packets as they come, and whole ones of each protocol.
fn made(how: u8, body: &[u8]) -> Vec<u8> {
    let addresses = if how & 8 == 0 {
        ["10.0.0.1", "10.0.0.2"]
    } else {
        ["2001:db8::1", "2001:db8::2"]
    };
    let [a, b] = addresses.map(|text| text.parse::<IpAddr>().expect("an address"));
    let ports = (4000, [80, 53, 69, 443][usize::from(how >> 4 & 3)]);
    let options = vec![
        2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7,
    ];
    match how % 8 {
        0 | 1 => body.to_vec(),
        2 => frame::tcp(
            a,
            b,
            ports,
            &Tcp {
                options,
                ..Tcp::default()
            },
            body,
        ),
        3 => frame::tcp(a, b, ports, &Tcp::default(), body),
        4 => frame::echo(a, b, how & 64 == 0, 1, 2, body),
        5 if how & 8 == 0 => {
            frame::with_options(&frame::udp(a, b, ports.0, ports.1, body), &[7, 3, 4])
        }
        5 => frame::with_extension(&frame::udp(a, b, ports.0, ports.1, body), 60, &[0; 14]),
        _ => frame::udp(a, b, ports.0, ports.1, body),
    }
}

/// Statements, each of which may fail; what it gives or why it fails is printed.
fn script(input: &mut Input) -> String {
    let mut script = String::from(
        "local function show(v)
           if type(v) == 'table' then return #v .. ' of ' .. type(v[1]) end
           local t = tostring(v)
           return t:find '^%l+: 0x' and type(v) or t
         end
         local function try(f, ...)
           local ok, a, b = pcall(f, ...)
           print(ok, show(a), show(b))
         end
         local s, v = ipset { '10.0.0.0/8', ['2001:db8::/32'] = 'six' }, nil
         local m, b = map { max = 4 }, bucket { rate = 2, burst = 3 }
         kept, old = nil, nil
         function process_packet(p)\n",
    );
    let mut count = 0;
    while !input.is_empty() && count < STATEMENTS {
        count += 1;
        let _ = writeln!(script, "  try(function() {} end)", statement(input));
    }
    script.push_str("  old = p\nend");
    script
}

fn statement(input: &mut Input) -> String {
    let field = field(input);
    match input.u8() % 16 {
        0..4 => format!("return {field}"),
        4..7 => {
            let value = if input.u8() & 1 == 0 {
                (input.u32() >> (input.u8() & 31)).to_string()
            } else {
                VALUES[input.below(VALUES.len())].to_string()
            };
            format!("{field} = {value} return {field}")
        }
        7 => format!("p.payload = ('y'):rep({}) return #p.payload", input.u8()),
        8 => {
            let method = ["u8", "u16", "u32", "u16le", "u32le"][input.below(5)];
            format!("return p:{method}({})", input.u16().cast_signed())
        }
        9 => format!(
            "kept = p:bytes({}, {}) return kept",
            input.u8(),
            input.u16().cast_signed()
        ),
        10 => format!("kept = {field} return kept"),
        11 => "return kept, kept and (type(kept) == 'string' and #kept or kept == p.src)".into(),
        12 => "return old.ip.ttl, old.payload".into(),
        13 => "return s:has(p.src), s:get(p.dst), p.src:within '10.0.0.0/8'".into(),
        14 => format!(
            "m:set({field}, {field}) return m:get({field}), m:incr(p.flow), b:take({field})"
        ),
        _ => format!(
            "v = {field} if v == {} then return v else return not v, 'other' end",
            input.u8()
        ),
    }
}

/// The name of a field; now and then of one that its view does not have.
fn field(input: &mut Input) -> String {
    let plain = |field: &&Field| !matches!(field.what, What::View(_) | What::Method(_));
    let fields: Vec<&Field> = FIELDS.iter().filter(plain).collect();
    let field = fields[input.below(fields.len())];
    match field.kind {
        Kind::Root => format!("p.{}", field.name),
        kind => format!("p.{}.{}", kind.name(), field.name),
    }
}
