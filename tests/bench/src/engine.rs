// SPDX-License-Identifier: GPL-2.0-only
//! PacketScript's engine, over the user-space host.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::packet::verdict::Verdict;
use packetscript_engine::user::{Chunk, Environment, Settings, check, check_plain};
use packetscript_engine::value::{Tag, Value};

use crate::Runner;

/// Live memory of an environment: more than any program has alive at once.
const MEMORY: u64 = 4 << 20;
/// Fuel that does not end.
const ENDLESS: i64 = i64::MAX / 4;

/// A script that is ready to run.
pub struct Engine {
    environment: Environment,
    function: Value,
    packet: Option<(u32, UserPacket)>,
}

impl Engine {
    /// Runs the top level of a script and takes its function.
    pub fn load(path: &Path, packet: Option<&[u8]>) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        let chunks = [Chunk {
            name: b"bench.lua",
            text: &text,
        }];
        let compile = if packet.is_some() { check } else { check_plain };
        let program = compile(&chunks).map_err(|diagnostic| anyhow!("{diagnostic}"))?;
        let settings = Settings {
            memory: MEMORY,
            ..Settings::default()
        };
        let mut environment =
            Environment::new(program, settings).map_err(|error| anyhow!("{error}"))?;
        let packet = match packet {
            Some(bytes) => {
                let handle = environment.bind("process_packet");
                Some((
                    handle.map_err(|error| anyhow!("{error}"))?,
                    UserPacket::new(bytes),
                ))
            }
            None => None,
        };
        let machine = environment.machine();
        let globals = machine.globals();
        let function = machine.raw_get_str(globals, b"run");
        Ok(Self {
            environment,
            function,
            packet,
        })
    }

    /// Runs the function once and answers its result.
    fn once(&mut self) -> Result<Value> {
        let machine = self.environment.machine();
        machine.fuel = ENDLESS;
        let result = machine.call_from_host(self.function, &[], 1, |machine, at| machine.get(at));
        result.map_err(|_| anyhow!("{}", self.environment.last_error()))
    }
}

impl Runner for Engine {
    fn run(&mut self, times: u64) -> Result<(Duration, String)> {
        let mut result = String::new();
        let begin = now();
        if let Some((handle, packet)) = &mut self.packet {
            let mut last = None;
            for _ in 0..times {
                last = Some(self.environment.run(*handle, packet, 0));
            }
            let time = now() - begin;
            let last = last.context("nothing was run")?;
            let name = match last.verdict {
                Ok(result) => Verdict::from_code(result.verdict).map_or("", Verdict::name),
                Err(_) => "error",
            };
            result.push_str(name);
            return Ok((time, result.to_ascii_lowercase()));
        }
        for left in (0..times).rev() {
            let value = self.once()?;
            if left == 0 {
                result = match value.tag {
                    Tag::Int => value.as_int().to_string(),
                    _ => value.as_float().to_string(),
                };
            }
        }
        Ok((now() - begin, result))
    }
}

/// Processor time of this thread.
fn now() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}
