// SPDX-License-Identifier: GPL-2.0-only
//! `pstui check`: compiles a script, loads it, and gives it every kind of packet.

use super::{say, say_json};
use crate::cli;
use crate::engine::{self, Instance};
use crate::error::{Error, Result};
use crate::script;
use packetscript_abi::border::DEFAULT_FUNCTION;
use serde_json::{Value, json};
use std::path::Path;

/// Checks all files; fails if one of them is wrong.
pub fn run(args: &cli::Check) -> Result<()> {
    let pairs = arguments(&args.args)?;
    let mut reports = Vec::new();
    let mut wrong = false;
    for file in &args.files {
        let mut warnings = Vec::new();
        let checked = check(file, &pairs, args, &mut warnings);
        if !args.json.json {
            for warning in &warnings {
                eprintln!("{warning}");
            }
        }
        let report = match checked {
            Ok(packets) => {
                if !args.json.json {
                    let packets = match packets {
                        Some(count) => format!("{count} packets"),
                        None => format!("compiles and loads; it has no {DEFAULT_FUNCTION}"),
                    };
                    say(&format!("{}: ok, {packets}", file.display()))?;
                }
                json!({ "file": file.display().to_string(), "ok": true, "packets": packets, "error": Value::Null, "warnings": warnings })
            }
            Err(error) => {
                wrong = true;
                if !args.json.json {
                    super::report(&error, false);
                }
                json!({ "file": file.display().to_string(), "ok": false, "packets": Value::Null, "error": error.to_string(), "warnings": warnings })
            }
        };
        reports.push(report);
    }
    if args.json.json {
        say_json(&json!({ "schema": 1, "files": reports }))?;
    }
    if wrong { Err(Error::Told) } else { Ok(()) }
}

/// `KEY=VALUE` in two parts.
pub(super) fn arguments(args: &[String]) -> Result<Vec<(String, String)>> {
    args.iter()
        .map(|argument| {
            packetscript_abi::names::check_argument(argument).map_err(Error::Data)?;
            let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Answers how many packets it was given; none if there is no function to give them to.
fn check(
    file: &Path,
    pairs: &[(String, String)],
    args: &cli::Check,
    warnings: &mut Vec<String>,
) -> Result<Option<usize>> {
    let bundle = script::read(file)?;
    let mut instance = Instance::limited(&bundle, pairs, args.limits)?;
    *warnings = instance.warnings(&bundle)?;
    let function = args.function.as_deref();
    let name = function.unwrap_or(DEFAULT_FUNCTION);
    if !instance.has(name) {
        return match function {
            Some(name) => Err(Error::Script(format!(
                "{}: there is no global function {name}",
                file.display()
            ))),
            None => Ok(None),
        };
    }
    let zoo = engine::zoo();
    let count = zoo.len();
    for (kind, mut packet) in zoo {
        if let Err(text) = instance.run(name, &mut packet)?.verdict {
            let place = script::located(&bundle, &text)
                .unwrap_or_else(|| format!("{}: {text}", file.display()));
            return Err(Error::Script(format!(
                "{}\n  on this packet: {kind}",
                place.trim_end()
            )));
        }
    }
    Ok(Some(count))
}
