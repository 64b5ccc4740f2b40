// SPDX-License-Identifier: GPL-2.0-only
//! The machine: any script ends by itself, within its limits, and can be used again.

use packetscript_engine::host::frame;
use packetscript_engine::host::user::{UserPacket, set_clock};

use crate::input::hash;
use crate::machine::{self, Limits, Machine};

/// Memory that an environment may have here: from too little for the library on.
const MEMORY: [u64; 4] = [4 << 10, 24 << 10, 100 << 10, 1 << 20];
/// Fuel: little where everything is collected at each step.
const FUEL: [u64; 3] = [500, 5000, 50_000];

/// Compiles the input as a packet script, runs its top level, then packets.
pub fn run(source: &[u8]) {
    let Ok(image) = machine::compile(source, machine::options(true)) else {
        return;
    };
    set_clock(Some(1_000_000));
    let choice = hash(source) as usize;
    let stress = choice & 1 == 1;
    let memory = MEMORY[(choice >> 1) % MEMORY.len()];
    let fuel = if stress {
        400
    } else {
        FUEL[(choice >> 4) % FUEL.len()]
    };
    let limits = Limits {
        memory,
        fuel,
        stress,
    };
    let Some(mut machine) = Machine::new(&image, limits) else {
        return;
    };
    let first = machine.main();
    packets(&mut machine);
    // What ended early leaves an environment that works as well as before.
    if first.is_err() {
        let _ = machine.main();
        packets(&mut machine);
    }
}

/// A packet of each kind that scripts like to look at.
pub fn samples() -> [UserPacket; 3] {
    let [a, b] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(std::net::IpAddr::from);
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    let six = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
    let get = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let tcp = frame::tcp(six[0], six[1], (4000, 80), &frame::Tcp::default(), get);
    [
        UserPacket::new(&frame::udp(a, b, 4000, 53, &query)).with_linear(30),
        UserPacket::new(&tcp).with_hook(1),
        UserPacket::new(&frame::echo(a, b, false, 1, 2, b"ping")).in_bridge(),
    ]
}

fn packets(machine: &mut Machine) {
    for mut packet in samples() {
        if machine.packet("process_packet", &mut packet).is_none() {
            return;
        }
    }
}
