// SPDX-License-Identifier: GPL-2.0-only
//! A script with its environment, for the tests.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::packet::verdict::Verdict;
use packetscript_engine::user::{Chunk, Environment, Settings, check};

/// A loaded script, and what it printed.
pub struct Script {
    environment: Environment,
    handle: u32,
    pub printed: Rc<RefCell<Vec<String>>>,
}

/// Verdict, operand and reason; or the message.
pub type Answer = Result<(&'static str, u32, Option<String>), String>;

impl Script {
    pub fn load(name: &str, text: &str, args: &[(String, String)]) -> Result<Self, String> {
        let chunks = [Chunk {
            name: name.as_bytes(),
            text: text.as_bytes(),
        }];
        let program = check(&chunks).map_err(|diagnostic| diagnostic.to_string())?;
        let printed = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&printed);
        let print = Box::new(move |line: &[u8]| {
            sink.borrow_mut()
                .push(String::from_utf8_lossy(line).into_owned());
        });
        let settings = Settings {
            args: args.to_vec(),
            print,
            ..Settings::default()
        };
        let mut environment = Environment::new(program, settings)?;
        let handle = environment.bind("process_packet")?;
        Ok(Self {
            environment,
            handle,
            printed,
        })
    }

    pub fn next_timer(&mut self) -> Option<u64> {
        self.environment.next_timer()
    }

    pub fn run_timer(&mut self) -> Option<Result<u64, String>> {
        self.environment.run_timer()
    }

    /// Runs the function, which must not fail, and gives the fuel that it took.
    pub fn fuel(&mut self, packet: &mut UserPacket) -> u64 {
        let outcome = self.environment.run(self.handle, packet, 0);
        if let Err(error) = outcome.verdict {
            panic!("{error}");
        }
        outcome.fuel
    }

    /// Lets time pass; gives the errors of timers.
    pub fn advance_to(&mut self, ms: u64) -> Vec<String> {
        self.environment.advance_to(ms)
    }

    pub fn run(&mut self, packet: &mut UserPacket) -> Answer {
        let result = self.environment.run(self.handle, packet, 0).verdict?;
        let name = Verdict::from_code(result.verdict)
            .expect("a code of a verdict")
            .name();
        let reason = result
            .reason
            .checked_sub(1)
            .map(|i| self.environment.reason(i));
        Ok((name, result.operand, reason))
    }
}

/// Runs `body` as process_packet over packets, one after another; gives the last answer.
pub fn run(text: &str, packets: &mut [UserPacket]) -> Answer {
    let mut script = Script::load("test.lua", text, &[])?;
    packets
        .iter_mut()
        .map(|packet| script.run(packet))
        .last()
        .expect("a packet")
}

/// UDP over IPv4 from 10.0.0.1 port 5 to 10.0.0.2 port 53, a hundred bytes `n`.
pub fn udp(n: u8) -> UserPacket {
    let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
    UserPacket::new(&frame::udp(
        ip("10.0.0.1"),
        ip("10.0.0.2"),
        5,
        53,
        &[n; 100],
    ))
}

/// UDP over IPv6 from 2001:db8::1 port 5 to 2001:db8::2 port 53, one byte "x".
pub fn udp6() -> UserPacket {
    let ip = |n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n));
    UserPacket::new(&frame::udp(ip(1), ip(2), 5, 53, b"x"))
}
