// SPDX-License-Identifier: GPL-2.0-only
//! Runs programs on another Lua, as it is told on standard input:
//!
//! ```text
//! program PATH          loads a program: its global function `run` is what is timed
//! packet PATH HEX       loads a packet script and a packet: `process_packet` is what is timed
//! run N                 runs it N times; answers "NANOSECONDS RESULT"
//! ```
//!
//! The only argument is "interpreted", which turns LuaJIT's compiler off.

mod accessors;
mod lua;

use std::io::{BufRead, Write};

fn main() {
    let interpreted = std::env::args().nth(1).as_deref() == Some("interpreted");
    let mut loaded = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["program", path] => {
                loaded = Some(lua::Loaded::new(path, "run", None, interpreted));
                "ok".to_string()
            }
            ["packet", path, hex] => {
                let bytes = (0..hex.len() / 2)
                    .map(|i| u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).expect("hex"))
                    .collect();
                loaded = Some(lua::Loaded::new(
                    path,
                    "process_packet",
                    Some(bytes),
                    interpreted,
                ));
                "ok".to_string()
            }
            ["run", times] => {
                let loaded = loaded.as_mut().expect("something to run");
                let (nanoseconds, result) = loaded.run(times.parse().expect("a number"));
                format!("{nanoseconds} {result}")
            }
            _ => panic!("what is '{line}'?"),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").expect("somebody who listens");
        out.flush().expect("somebody who listens");
    }
}
