// SPDX-License-Identifier: GPL-2.0-only
//! What came of a capture's packets, in numbers whose memory does not grow with the packets.

use crate::cli::OnError;
use packetscript_capture::link::EtherType;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Different errors that are told apart.
const ERRORS_MAX: usize = 64;

/// The counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Packets of the capture.
    pub frames: u64,
    /// Those given to the script.
    pub given: u64,
    /// Those of other protocols, by EtherType.
    pub others: BTreeMap<u16, u64>,
    /// Those whose IP header is none.
    pub malformed: u64,
    /// Those of which the capture has not all.
    pub truncated: u64,
    /// By verdict, and by what came beside it.
    pub verdicts: BTreeMap<String, BTreeMap<Option<String>, u64>>,
    /// Packets whose function failed.
    pub errors: u64,
    /// Timers that ran.
    pub timers: u64,
    /// Stretches of time in which there were too many timers to run all.
    pub hurried: u64,
    /// Packets that were written.
    pub written: u64,
    /// The first and the latest time stamp, in nanoseconds since the epoch.
    pub times: Option<(u64, u64)>,
    /// Fuel.
    pub fuel: Histogram,
    texts: Vec<Failure>,
    /// Errors that did not fit in there.
    rest: u64,
}

/// An error, as often as it came.
#[derive(Debug)]
struct Failure {
    message: String,
    traceback: String,
    count: u64,
    /// The first packet at which it came.
    first: u64,
    timer: bool,
}

impl Tally {
    /// An error with its traceback, of a packet or of a timer that ran before it.
    pub fn failed(&mut self, text: &str, number: u64, timer: bool) {
        let (message, traceback) = split(text);
        let same = |known: &&mut Failure| known.message == message && known.timer == timer;
        if let Some(known) = self.texts.iter_mut().find(same) {
            known.count += 1;
        } else if self.texts.len() < ERRORS_MAX {
            self.texts.push(Failure {
                message: message.to_owned(),
                traceback: traceback.to_owned(),
                count: 1,
                first: number,
                timer,
            });
        } else {
            self.rest += 1;
        }
    }

    /// A verdict, and what came beside it.
    pub fn decided(&mut self, verdict: &str, reason: Option<&str>) {
        let reasons = match self.verdicts.get_mut(verdict) {
            Some(reasons) => reasons,
            None => self.verdicts.entry(verdict.to_owned()).or_default(),
        };
        let reason = reason.map(str::to_owned);
        *reasons.entry(reason).or_default() += 1;
    }

    /// A packet's time stamp.
    pub fn at(&mut self, time: u64) {
        let (first, latest) = self.times.unwrap_or((time, time));
        self.times = Some((first, latest.max(time)));
    }

    /// Errors for people, each once.
    pub fn errors_text(&self, verbose: bool) -> String {
        let mut text = String::new();
        for failure in &self.texts {
            let times = match failure.count {
                1 => String::new(),
                count => format!("{count} times, first "),
            };
            let place = if failure.timer {
                "in a timer before"
            } else {
                "at"
            };
            let _ = writeln!(
                text,
                "{} ({times}{place} packet {})",
                failure.message, failure.first
            );
            if verbose {
                for line in failure.traceback.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        if self.rest > 0 {
            let _ = writeln!(text, "and {} errors with other texts", self.rest);
        }
        text
    }

    /// The summary for people.
    pub fn text(&self, function: &str, on_error: OnError, wrote: Option<&str>) -> String {
        let mut text = String::new();
        let (first, latest) = self.times.unwrap_or_default();
        let seconds = (latest - first) as f64 / 1e9;
        let _ = writeln!(text, "{} packets in {seconds:.3} s", self.frames);
        let mut row = |name: &str, count: u64, beside: &str| {
            if count > 0 {
                let line = format!("  {name:24}{count:>9}  {beside}");
                let _ = writeln!(text, "{}", line.trim_end());
            }
        };
        let others: Vec<String> = self
            .others
            .iter()
            .map(|(kind, count)| format!("{} {count}", EtherType(*kind)))
            .collect();
        row("not IP", self.others.values().sum(), &others.join(", "));
        row("no IP header", self.malformed, "");
        row("cut by the capture", self.truncated, "");
        row(&format!("given to {function}"), self.given, "");
        for (verdict, reasons) in &self.verdicts {
            let named: Vec<String> = reasons
                .iter()
                .filter_map(|(reason, count)| Some(format!("{:?} {count}", reason.as_ref()?)))
                .collect();
            row(verdict, reasons.values().sum(), &named.join(", "));
        }
        let fate = match on_error {
            OnError::Drop => "dropped",
            OnError::Accept => "accepted",
            OnError::Continue => "to the next rule",
        };
        row("errors", self.errors, fate);
        if let Some(fuel) = self.fuel.summary() {
            let [least, median, most] = [fuel.least, fuel.median, fuel.most];
            let _ = writeln!(
                text,
                "fuel of a packet: least {least}, median {median}, most {most}"
            );
        }
        if self.timers > 0 {
            let _ = write!(text, "timers: {} runs", self.timers);
            if self.hurried > 0 {
                let hurried = self.hurried;
                let _ = write!(
                    text,
                    "; gaps between packets with too many of them, passed over: {hurried}"
                );
            }
            text.push('\n');
        }
        if let Some(name) = wrote {
            let _ = writeln!(text, "{} packets written to {name}", self.written);
        }
        text
    }

    /// The summary for programs.
    pub fn json(&self) -> Value {
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .flat_map(|(verdict, reasons)| {
                reasons.iter().map(move |(reason, count)| {
                    json!({ "verdict": verdict, "reason": reason, "packets": count })
                })
            })
            .collect();
        let failures: Vec<Value> = self
            .texts
            .iter()
            .map(|failure| {
                json!({
                    "message": failure.message, "traceback": failure.traceback, "count": failure.count,
                    "first": failure.first, "timer": failure.timer,
                })
            })
            .collect();
        let others: Vec<Value> = self
            .others
            .iter()
            .map(|(kind, count)| json!({ "ethertype": kind, "packets": count }))
            .collect();
        let fuel = self.fuel.summary().map(|fuel| {
            json!({ "least": fuel.least, "median": fuel.median, "most": fuel.most, "total": fuel.total })
        });
        json!({
            "frames": self.frames, "given": self.given, "others": others, "malformed": self.malformed,
            "truncated": self.truncated, "first": self.times.map(|times| times.0),
            "latest": self.times.map(|times| times.1), "verdicts": verdicts, "errors": self.errors,
            "failures": failures, "failures_left_out": self.rest, "fuel": fuel, "timers": self.timers,
            "hurried": self.hurried,
        })
    }
}

/// The message and the traceback of an error.
pub fn split(text: &str) -> (&str, &str) {
    let end = text.find("\nstack traceback:").unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Values below are counted each by itself.
const EXACT: u64 = 128;
/// Above, so many steps double them.
const STEPS: u64 = 64;

/// Numbers by size: what is told of the median is at most 1/64 too small.
#[derive(Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    least: u64,
    most: u64,
    total: u64,
}

/// What is told of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// The least.
    pub least: u64,
    /// Of an even number the lower one in the middle.
    pub median: u64,
    /// The most.
    pub most: u64,
    /// All together.
    pub total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; bucket(u64::MAX) + 1],
            count: 0,
            least: u64::MAX,
            most: 0,
            total: 0,
        }
    }
}

/// Where a value is counted.
fn bucket(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    // Seven bits tell the step: the first is always set.
    let shift = u64::from(value.ilog2()) - 6;
    (EXACT + (shift - 1) * STEPS + (value >> shift) - STEPS) as usize
}

/// The least value that is counted there.
fn least_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (shift, step) = ((bucket - EXACT) / STEPS + 1, (bucket - EXACT) % STEPS);
    (STEPS + step) << shift
}

impl Histogram {
    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.total = self.total.saturating_add(value);
    }

    /// What is told of them; nothing if there are none.
    pub fn summary(&self) -> Option<Summary> {
        let mut below = 0;
        let middle = self.buckets.iter().position(|count| {
            below += count;
            below > 0 && below >= self.count.div_ceil(2)
        })?;
        Some(Summary {
            least: self.least,
            median: least_of(middle).max(self.least),
            most: self.most,
            total: self.total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_exact_when_small_and_close_when_large() {
        assert_eq!(Histogram::default().summary(), None);
        let of = |values: &[u64]| {
            let mut all = Histogram::default();
            for value in values {
                all.add(*value);
            }
            all.summary().unwrap()
        };
        let small = of(&[9, 1, 5, 127]);
        assert_eq!(
            (small.least, small.median, small.most, small.total),
            (1, 5, 127, 142)
        );
        assert_eq!(of(&[100_000]).median, 100_000);
        assert_eq!(of(&[0, u64::MAX, u64::MAX]).most, u64::MAX);
        for shift in 0..64 {
            for odd in [0, 1, 12345] {
                let value = (1u64 << shift).saturating_add(odd);
                let told = of(&[0, value, u64::MAX]).median;
                assert!(
                    told <= value && value - told <= value / 64,
                    "{value} {told}"
                );
                assert_eq!(bucket(told), bucket(value));
            }
        }
    }

    #[test]
    fn errors_are_told_once_and_not_without_end() {
        let mut tally = Tally::default();
        let text = "a.lua:1: no\nstack traceback:\n\ta.lua:1: in function 'process_packet'";
        tally.failed(text, 3, false);
        tally.failed(text, 5, false);
        tally.failed("a.lua:2: late", 6, true);
        assert_eq!(
            tally.errors_text(false),
            "a.lua:1: no (2 times, first at packet 3)\na.lua:2: late (in a timer before packet 6)\n"
        );
        assert!(tally.errors_text(true).contains("  \ta.lua:1: in function"));
        for number in 0..1000 {
            tally.failed(&format!("a.lua:3: {number}"), 7 + number, false);
        }
        let told = tally.errors_text(false);
        assert_eq!(told.lines().count(), ERRORS_MAX + 1);
        assert!(
            told.ends_with("and 938 errors with other texts\n"),
            "{told}"
        );
    }
}
