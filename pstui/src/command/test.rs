// SPDX-License-Identifier: GPL-2.0-only
//! `pstui test`: the cases of `NAME_test.lua` against `NAME.lua`, on the engine.

use super::{say, say_json};
use crate::cases::{self, Cases, Outcome, Packet, Run};
use crate::cli;
use crate::engine::{self, Instance};
use crate::error::{Error, Result};
use crate::script;
use packetscript_abi::border::DEFAULT_FUNCTION;
use packetscript_abi::source::Bundle;
use packetscript_engine::host::user::{UserPacket, set_clock};
use serde_json::json;
use std::path::PathBuf;

/// Runs all files; fails if a case fails.
pub fn run(args: &cli::Test) -> Result<()> {
    let mut reports = Vec::new();
    let mut failed = 0;
    for file in files(&args.files)? {
        let mut tally = Tally::default();
        let outcome = cases::read(&file).and_then(|cases| all(&cases, &mut tally));
        if let Err(error) = outcome {
            tally.failures.push(error.to_string());
        }
        failed += tally.failures.len();
        let shown = file.display().to_string();
        if args.json.json {
            reports.push(json!({
                "file": shown, "runs": tally.runs, "packets": tally.packets, "failures": tally.failures,
            }));
        } else {
            let mark = if tally.failures.is_empty() {
                "ok  "
            } else {
                "FAIL"
            };
            say(&format!(
                "{mark}  {shown}: {} runs, {} packets",
                tally.runs, tally.packets
            ))?;
            for failure in &tally.failures {
                say(&format!("      {}", failure.replace('\n', "\n      ")))?;
            }
        }
    }
    if args.json.json {
        say_json(&json!({ "schema": 1, "files": reports, "failed": failed }))?;
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Error::Told)
    }
}

/// The files that are meant: of a folder all tests in it.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|why| Error::file(path, &why))?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(std::result::Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                path.to_str()
                    .is_some_and(|name| name.ends_with("_test.lua"))
            })
            .collect();
        if inside.is_empty() {
            return Err(Error::Data(format!(
                "{}: there is no *_test.lua in it",
                path.display()
            )));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

#[derive(Default)]
struct Tally {
    runs: usize,
    packets: usize,
    failures: Vec<String>,
}

fn all(cases: &Cases, tally: &mut Tally) -> Result<()> {
    let bundle = script::read(&cases.script)?;
    for (number, run) in cases.runs.iter().enumerate() {
        tally.runs += 1;
        // Time stands still until a case moves it.
        set_clock(Some(0));
        let failures = match (Instance::new(&bundle, &run.args), &run.fails) {
            (Ok(instance), None) => packets(cases, run, &bundle, instance, tally),
            (Err(error), None) => vec![format!("does not load: {error}")],
            (Ok(_), Some(text)) => vec![format!("loads, and should fail with: {text}")],
            (Err(error), Some(text)) if error.to_string().contains(text.as_str()) => Vec::new(),
            (Err(error), Some(text)) => {
                vec![format!("should fail with: {text}\nand fails with: {error}")]
            }
        };
        // One run's clock is not another's.
        set_clock(None);
        tally.failures.extend(
            failures
                .into_iter()
                .map(|text| format!("run {}: {text}", number + 1)),
        );
    }
    Ok(())
}

fn packets(
    cases: &Cases,
    run: &Run,
    bundle: &Bundle,
    mut instance: Instance,
    tally: &mut Tally,
) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, packet) in run.packets.iter().enumerate() {
        if packet.reload {
            // The old one goes when the new one is there, so what has a name stays.
            match Instance::new(bundle, &run.args) {
                Ok(fresh) => instance = fresh,
                Err(error) => {
                    failures.push(format!("packet {}: does not load: {error}", number + 1));
                    break;
                }
            }
        }
        let late = packet.at.map_or(Vec::new(), |at| instance.advance_to(at));
        let mut complaint = timers(packet, &late);
        let bytes = engine::build(&packet.frame);
        let mut last = None;
        for _ in 0..packet.times {
            let mut sent = UserPacket::new(&bytes)
                .with_mark(packet.mark)
                .with_hook(packet.hook);
            let [input, output] = &packet.interfaces;
            if let Some(name) = input {
                sent = sent.with_input(1, name);
            }
            if let Some(name) = output {
                sent = sent.with_output(2, name);
            }
            if let Some((connection, id)) = packet.ct {
                sent = sent.with_conntrack(connection, id);
            }
            let function = packet.function.as_deref().unwrap_or(DEFAULT_FUNCTION);
            let outcome = instance.run(function, &mut sent);
            tally.packets += 1;
            last = Some((outcome, sent));
        }
        complaint = complaint.or_else(|| match last {
            Some((Ok(outcome), sent)) => judge(cases, packet, &outcome, &sent),
            Some((Err(error), _)) => Some(error.to_string()),
            None => None,
        });
        let printed = instance.printed();
        if let (None, Some(text)) = (&complaint, &packet.printed)
            && !printed.iter().any(|line| line.contains(text.as_str()))
        {
            complaint = Some(format!("it should print: {text}"));
        }
        if let Some(complaint) = complaint {
            failures.push(format!("packet {}: {complaint}", number + 1));
            for line in printed {
                failures.push(format!("packet {}: it printed: {line}", number + 1));
            }
        }
    }
    failures
}

/// What is wrong with the timers that ran before a packet.
fn timers(packet: &Packet, errors: &[String]) -> Option<String> {
    match (&packet.error, packet.times) {
        (Some(text), 0) if errors.iter().any(|error| error.contains(text.as_str())) => None,
        (Some(text), 0) => Some(format!(
            "no timer fails with: {text}{}",
            errors
                .first()
                .map_or(String::new(), |error| format!("\n{error}"))
        )),
        _ => errors.first().map(|error| format!("a timer: {error}")),
    }
}

/// What is wrong with what came of a packet.
fn judge(
    cases: &Cases,
    packet: &Packet,
    outcome: &engine::Outcome,
    sent: &UserPacket,
) -> Option<String> {
    let with = |verdict: &str, reason: Option<&str>| match reason {
        Some(reason) => format!("{verdict} \"{reason}\""),
        None => verdict.to_owned(),
    };
    let verdict = match (&outcome.verdict, &packet.error) {
        (Err(error), Some(text)) if error.contains(text.as_str()) => return None,
        (Err(error), _) => return Some(error.clone()),
        (Ok(verdict), Some(text)) => {
            return Some(format!("gives {verdict}, and should fail with: {text}"));
        }
        (Ok(verdict), None) => verdict,
    };
    if let Some(expect) = &packet.expect {
        let got = with(verdict, outcome.reason.as_deref());
        let wanted = with(expect, packet.reason.as_deref());
        if got != wanted {
            return Some(format!("gives {got}, and should give {wanted}"));
        }
    }
    cases.check(
        packet,
        &Outcome {
            verdict,
            reason: outcome.reason.as_deref(),
            fuel: outcome.fuel,
            mark: sent.mark(),
            ct_mark: sent.conntrack().map(|connection| connection.mark),
            packet: &sent.bytes(),
        },
    )
}
