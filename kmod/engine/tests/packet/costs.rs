// SPDX-License-Identifier: GPL-2.0-only
//! What examples/API.md says that packet functions cost is what they cost.

use std::net::IpAddr;

use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;

use crate::script::Script;

/// How often each is done in one packet.
const TIMES: u64 = 10;

/// Fuel that so many statements of a script may take as such: less than one each, or two.
const OWN: u64 = 12;

/// What is there beside `p`.
const SETUP: &str = r#"
    local a = ip "10.0.0.1"
    local nets = ipset { "192.0.2.0/24", "10.0.0.0/8" }
    local domains = domainset { "example.com" }
    local named = domainset { "example.org", name = "named" }
    local limit = bucket { rate = 10 }
    local seen = map { max = 100 }
    local timers = {}
    local header = proto.define { udp = 53, fields = { { "id", "u16" }, { "flags", "u16" } } }
"#;

/// A DNS query for www.example.com, as it comes or in pieces.
fn query() -> UserPacket {
    let [from, to]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    UserPacket::new(&frame::udp(from, to, 4000, 53, &message))
}

/// Fuel of a packet on which `code` is done so often.
fn fuel(code: &str, times: u64, packet: &mut UserPacket) -> u64 {
    let body = format!("{code}\n").repeat(times as usize);
    let text = format!("{SETUP}\nfunction process_packet(p)\nlocal v, t = p.dns\n{body}end");
    let mut script = Script::load("costs.lua", &text, &[]).unwrap_or_else(|e| panic!("{e}"));
    script.fuel(packet)
}

#[test]
fn what_the_reference_says() {
    let cases: &[(&str, u64)] = &[
        // A call costs 1, which the reference counts extra.
        ("v = p:u8(0)", 1),
        ("v = p:bytes(0, 20)", 1),
        ("p.ip.ttl = 63", 2),
        ("p.ip.daddr = a", 2),
        ("v = ip '10.0.0.2'", 1 + 3),
        ("v = a:within '10.0.0.0/8'", 1 + 3),
        ("v = nets:has(a)", 1 + 2 + 2),
        ("v = domains:has 'www.example.org'", 1 + 2 + 3),
        ("v = named:has 'www.example.com'", 1 + 2 + 2 * 3),
        ("v = limit:take(a)", 1 + 6),
        ("v = limit:left(a)", 1 + 4),
        ("v = seen:get(a)", 1 + 4),
        ("v = seen:set(a, 1)", 1 + 6),
        ("v = seen:incr(a)", 1 + 6),
        ("v = now()", 1 + 1),
        ("t = after(1000, print)", 1 + 10),
        ("t = after(1000, print) v = t:cancel()", 1 + 10 + 1 + 4),
        ("v = p.dns", 1),
        ("v = p.dns.id", 2),
        ("v = p.dns.qname", 1 + 3),
        ("v = p.dns.questions", 1 + 1 + 10),
        // The object is called through a metamethod.
        ("v = header(p)", 2 + 4 + 2 * 2),
    ];
    let mut wrong = Vec::new();
    for (code, cost) in cases {
        for linear in [usize::MAX, 20] {
            let packet = || match linear {
                usize::MAX => query(),
                linear => query().with_linear(linear),
            };
            let (none, all) = (
                fuel(code, 0, &mut packet()),
                fuel(code, TIMES, &mut packet()),
            );
            // What is left is the script's own instructions, which a call of it pays for.
            let own = (all - none).checked_sub(cost * TIMES);
            if own.is_none_or(|own| own > OWN) {
                let found = all - none;
                let expected = cost * TIMES;
                wrong.push(format!(
                    "{TIMES} × {code}: {found}, not {expected}, {linear} bytes linear"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A payload as a key is hashed each time: a script that does nothing else may not take longer than its
/// fuel says.
#[test]
fn a_payload_as_a_key_costs_by_its_length() {
    let [from, to]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
    let cost = |len: usize| {
        let mut packet = UserPacket::new(&frame::udp(from, to, 4000, 4000, &vec![b'x'; len]));
        let code = "v = timers[p.payload]";
        fuel(code, TIMES, &mut packet) - fuel(code, 0, &mut packet)
    };
    let (short, long) = (cost(16), cost(1456));
    assert!(
        (long - short) / TIMES == 1456 / 32,
        "16 bytes cost {short}, 1,456 {long}"
    );
}

/// Functions with a short way, which an instruction takes that wants one result, cost the same on it.
#[test]
fn a_short_way_costs_what_the_long_one_does() {
    for call in [
        "domains:has 'www.example.com'",
        "domains:has 'www.EXAMPLE.org'",
        "domains:get 'com'",
        "domains:has(nil)",
        "nets:has(a)",
        "p.payload:find('example', 1, true)",
        "p.payload:find 'nothing'",
        "p.payload:find('e.a', -20)",
    ] {
        let [short, long] = ["v", "v, t"].map(|to| {
            let code = format!("{to} = {call}");
            fuel(&code, TIMES, &mut query()) - fuel(&code, 0, &mut query())
        });
        // A place for two results takes instructions more, which the script pays for.
        assert!(
            short <= long && long - short < TIMES / 2,
            "{call}: {short}, {long}"
        );
    }
}

/// Nothing of what a function does on its short way is had without fuel, in code without a loop either.
#[test]
fn short_ways_end_with_the_fuel() {
    for (call, times) in [
        ("v = long:find('y', 1, true)", 60),
        ("v = domains:has(long_name)", 4000),
    ] {
        let body = format!("{call}\n").repeat(times);
        let text = format!(
            "{SETUP}
             local long, long_name = ('x'):rep(100000), ('a.'):rep(120) .. 'net'
             function process_packet(p)\nlocal v\n{body}end"
        );
        let mut script = Script::load("costs.lua", &text, &[]).unwrap_or_else(|e| panic!("{e}"));
        let answer = script.run(&mut query());
        assert!(
            answer.as_ref().is_err_and(|e| e.contains("out of fuel")),
            "{call}: {answer:?}"
        );
    }
}
