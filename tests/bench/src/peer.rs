// SPDX-License-Identifier: GPL-2.0-only
//! Another Lua in a program of its own, which times itself: see peer/src/main.rs for what is said.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Runner;

/// A program that runs.
pub struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it; without a compiler if it is to interpret only.
    pub fn start(program: &str, interpreted: bool) -> Result<Self> {
        let mut command = Command::new(program);
        if interpreted {
            command.arg("interpreted");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        let to = child.stdin.take().context("no pipe")?;
        let from = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, to, from })
    }

    /// Loads a program, or a packet script with its packet.
    pub fn load(&mut self, path: &Path, packet: Option<&[u8]>) -> Result<()> {
        let line = match packet {
            None => format!("program {}", path.display()),
            Some(packet) => {
                let mut line = format!("packet {} ", path.display());
                for byte in packet {
                    write!(line, "{byte:02x}")?;
                }
                line
            }
        };
        let answer = self.ask(&line)?;
        ensure!(answer == "ok", "{answer}");
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.to, "{line}")?;
        self.to.flush()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "it ended");
        Ok(answer.trim_end().to_owned())
    }
}

impl Runner for Peer {
    fn run(&mut self, times: u64) -> Result<(Duration, String)> {
        let answer = self.ask(&format!("run {times}"))?;
        let (time, result) = answer.split_once(' ').context("an odd answer")?;
        Ok((Duration::from_nanos(time.parse()?), result.to_owned()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
