// SPDX-License-Identifier: GPL-2.0-only
//! `proto.define`: the fields that it reads are those that a decoder of another kind reads.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;

use crate::input::Input;
use crate::machine::{AMPLE, Machine};

/// Types and their lengths; that of "bytes" comes from the input.
const TYPES: [(&str, usize); 11] = [
    ("u8", 1),
    ("u16", 2),
    ("u32", 4),
    ("u64", 8),
    ("u16le", 2),
    ("u32le", 4),
    ("u64le", 8),
    ("ip4", 4),
    ("ip6", 16),
    ("mac", 6),
    ("bytes", 0),
];

/// How many fields, which ones, then the bytes that are read by them.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let count = input.below(70);
    let mut fields = Vec::new();
    for _ in 0..count {
        let (name, size) = TYPES[input.below(TYPES.len())];
        fields.push(if size == 0 {
            let size = usize::from(input.u8() & 63);
            (format!("bytes:{size}"), size)
        } else {
            (name.to_string(), size)
        });
    }
    let message = input.rest();
    let mut script = String::from("local ok, d = pcall(proto.define, { udp = 4000, fields = {\n");
    for (i, (kind, _)) in fields.iter().enumerate() {
        let _ = writeln!(script, "{{ 'f{i}', '{kind}' }},");
    }
    let _ = writeln!(
        script,
        "}} }})
         function process_packet(p)
           if not ok then print 'refused' return end
           for _, of in ipairs {{ p.payload, p }} do
             local t = d(of)
             if t then for i = 0, {count} - 1 do print(t['f' .. i]) end else print 'short' end
           end
         end"
    );
    let mut machine = Machine::load(script.as_bytes(), true, AMPLE);
    let [a, b] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(std::net::IpAddr::from);
    let packet = frame::udp(a, b, 4000, 5000, message);
    let mut packet = UserPacket::new(&packet).with_linear(28 + message.len() / 2);
    let outcome = machine
        .packet("process_packet", &mut packet)
        .expect("a function");
    assert!(outcome.verdict.is_ok(), "{:?}", outcome.verdict);
    let expected = expected(&fields, message);
    let printed = machine.printed();
    assert!(
        printed == expected,
        "{fields:?}\nours     {}\nexpected {}",
        printed.escape_ascii(),
        expected.escape_ascii()
    );
}

fn expected(fields: &[(String, usize)], message: &[u8]) -> Vec<u8> {
    if fields.len() > 64 {
        return b"refused\n".to_vec();
    }
    let mut once = Vec::new();
    let mut rest = message;
    for (kind, size) in fields {
        let Some((part, behind)) = rest.split_at_checked(*size) else {
            return b"short\nshort\n".to_vec();
        };
        rest = behind;
        once.extend(shown(kind, part));
        once.push(b'\n');
    }
    once.repeat(2)
}

fn shown(kind: &str, part: &[u8]) -> Vec<u8> {
    let text = match (kind, part.len()) {
        ("ip4", _) => Ipv4Addr::from_octets(part.try_into().expect("4 bytes")).to_string(),
        ("ip6", _) => Ipv6Addr::from_octets(part.try_into().expect("16 bytes")).to_string(),
        ("mac", _) => {
            let bytes: Vec<String> = part.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.join(":")
        }
        _ if kind.starts_with("bytes") => return part.to_vec(),
        _ => {
            let mut wide = [0; 8];
            if kind.ends_with("le") {
                wide[..part.len()].copy_from_slice(part);
            } else {
                for (to, from) in wide.iter_mut().zip(part.iter().rev()) {
                    *to = *from;
                }
            }
            i64::from_le_bytes(wide).to_string()
        }
    };
    text.into_bytes()
}
