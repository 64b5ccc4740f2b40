// SPDX-License-Identifier: GPL-2.0-only
//! What `pstui run` says while it runs: lines of text, or one JSON document that is written as it grows.

use super::brief::Brief;
use crate::error::{Error, Result};
use packetscript_capture::Packet;
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::time::{Duration, Instant};

/// How long it may take without a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Packets between two looks at the clock.
const GLANCE: u64 = 256;

/// The standard output, and what was wrong with it first.
pub struct Output {
    out: BufWriter<Stdout>,
    failed: Option<io::Error>,
    json: bool,
    verbose: bool,
    /// Packets in the document.
    rows: u64,
    /// Whether each line goes out at once.
    eager: bool,
    progress: Progress,
}

/// A word on the standard error for whoever waits there.
enum Progress {
    /// Nobody would see it.
    Nobody,
    /// The next is due then.
    Due(Instant),
    /// There is one to be wiped away, and the next is due then.
    Shown(Instant),
}

/// Seconds from one time stamp to another, in either direction.
fn seconds(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e9
}

impl Output {
    /// Text or JSON, with a line a packet or without. What is `live` may come slowly.
    pub fn new(json: bool, verbose: bool, live: bool) -> Self {
        let mut output = Self {
            out: BufWriter::new(io::stdout()),
            failed: None,
            json,
            verbose,
            rows: 0,
            eager: live || io::stdout().is_terminal(),
            progress: if io::stderr().is_terminal() {
                Progress::Due(Instant::now() + PATIENCE)
            } else {
                Progress::Nobody
            },
        };
        if json && verbose {
            output.write("{\n\"packets\": [");
        }
        output
    }

    /// Whether nobody reads it any more.
    pub fn is_closed(&self) -> bool {
        self.failed.is_some()
    }

    fn write(&mut self, text: &str) {
        if let Progress::Shown(due) = self.progress {
            self.progress = Progress::Due(due);
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        let mut wrote = self.out.write_all(text.as_bytes());
        if self.eager && wrote.is_ok() {
            wrote = self.out.flush();
        }
        if let Err(why) = wrote {
            self.failed.get_or_insert(why);
        }
    }

    /// Text for people.
    pub fn text(&mut self, text: &str) {
        self.write(text);
    }

    /// What the script printed. Where the output is a document, it goes to the standard error.
    pub fn printed(&mut self, lines: &[String]) {
        for line in lines {
            if self.json {
                let _ = writeln!(io::stderr(), "{line}");
            } else {
                self.write(&format!("{line}\n"));
            }
        }
    }

    /// A packet that the script was given.
    pub fn given(
        &mut self,
        packet: &Packet,
        start: u64,
        brief: Option<Brief>,
        verdict: std::result::Result<&str, &str>,
        reason: Option<&str>,
        fuel: u64,
    ) {
        if self.json {
            let mut row = json!(brief);
            row["number"] = json!(packet.number);
            row["time"] = json!(packet.time);
            row["verdict"] = json!(verdict.ok());
            row["reason"] = json!(reason);
            row["error"] = json!(verdict.err());
            row["fuel"] = json!(fuel);
            return self.row(&row);
        }
        let what = brief.map_or(String::new(), |brief| brief.to_string());
        let mut fate = match verdict {
            Ok(verdict) => verdict.to_owned(),
            Err(error) => format!("error {error}"),
        };
        if let Some(reason) = reason {
            fate = format!("{fate} {reason:?}");
        }
        let since = seconds(start, packet.time);
        let number = packet.number;
        self.write(&format!(
            "{number:>6} {since:>12.6}  {what}  {fate}  fuel {fuel}\n"
        ));
    }

    /// A packet that no script sees, and why.
    pub fn skipped(&mut self, packet: &Packet, start: u64, why: &str) {
        if !self.verbose {
            return;
        }
        let (number, time) = (packet.number, packet.time);
        if self.json {
            return self.row(&json!({ "number": number, "time": time, "skipped": why }));
        }
        let since = seconds(start, time);
        self.write(&format!("{number:>6} {since:>12.6}  {why}\n"));
    }

    fn row(&mut self, row: &Value) {
        let comma = if self.rows == 0 { "" } else { "," };
        self.rows += 1;
        self.write(&format!("{comma}\n{row}"));
    }

    /// The document, or with a line a packet the rest of it.
    pub fn document(&mut self, document: &Value) {
        let text = format!("{document:#}\n");
        match text.strip_prefix('{') {
            Some(rest) if self.verbose => self.write(&format!("\n],{rest}")),
            _ => self.write(&text),
        }
    }

    /// Says how far it is, if it takes long and somebody looks.
    pub fn progress(&mut self, frames: u64) {
        if !frames.is_multiple_of(GLANCE) {
            return;
        }
        let (Progress::Due(due) | Progress::Shown(due)) = self.progress else {
            return;
        };
        let now = Instant::now();
        if due <= now {
            self.progress = Progress::Shown(now + PATIENCE / 2);
            let _ = write!(io::stderr(), "\r{frames} packets\x1b[K");
        }
    }

    /// Writes out what is still on its way. A reader that went away is no error.
    pub fn finish(mut self) -> Result<()> {
        self.write("");
        if let Err(why) = self.out.flush() {
            self.failed.get_or_insert(why);
        }
        match self.failed.take() {
            Some(why) if why.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::file("standard output", &why))
            }
            _ => Ok(()),
        }
    }
}
