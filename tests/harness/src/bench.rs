// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench --kernel`: what packets cost, in executed instructions.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::machine::{Machine, Shape};
use crate::session::{self, Input, Job, Outcome};
use crate::suite::Suite;
use crate::vm::{self, Products};
use crate::{progress, tools};

const SUITE: &str = "bookworm";
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// What the others are compared with.
const BASELINE: &str = "baseline";

/// A case and the instructions of one packet in it.
type Row = (String, u64);

/// Measures and prints a table, or JSON.
pub fn kernel(products: Products<'_>, as_json: bool) -> Result<()> {
    let suite = Suite::by_name(SUITE)?;
    let boot = vm::boot_files(&suite, products)?;
    let shape = Shape {
        count_instructions: true,
        ..Shape::default()
    };
    let said = progress::step(
        "measuring in bookworm (about 2 minutes)",
        || -> Result<_> {
            let mut machine = Machine::boot(&boot, shape)?;
            let job = Job {
                arguments: vec!["/share/kernel".into()],
                share: Some(&tools::workspace().join("tests/bench")),
                input: Input::Nothing,
                timeout: Some(LIMIT),
            };
            let mut out = Vec::new();
            match session::run(&mut machine, job, &mut out, &mut std::io::stderr())? {
                Outcome::Exited(0) => Ok(String::from_utf8_lossy(&out).into_owned()),
                outcome => bail!(
                    "{outcome:?}\n{}\n{}",
                    String::from_utf8_lossy(&out),
                    machine.log_tail()
                ),
            }
        },
    )?;
    let rows = parse(&said)?;
    let baseline = rows
        .iter()
        .find(|(name, _)| name == BASELINE)
        .context("no baseline")?
        .1;
    print!(
        "{}",
        if as_json {
            to_json(&rows, baseline)
        } else {
            to_table(&rows, baseline)
        }
    );
    Ok(())
}

fn parse(said: &str) -> Result<Vec<Row>> {
    said.lines()
        .map(|line| {
            let (name, count) = line
                .split_once('\t')
                .with_context(|| format!("not a result: {line}"))?;
            Ok((
                name.to_owned(),
                count
                    .parse()
                    .with_context(|| format!("not a count: {line}"))?,
            ))
        })
        .collect()
}

fn to_table(rows: &[Row], baseline: u64) -> String {
    let mut out = format!(
        "{:<32} {:>12} {:>8}\n",
        "64-byte UDP, forwarded", "instructions", "added"
    );
    for (name, count) in rows {
        let _ = writeln!(
            out,
            "{name:<32} {count:>12} {:>8}",
            i128::from(*count) - i128::from(baseline)
        );
    }
    out
}

fn to_json(rows: &[Row], baseline: u64) -> String {
    let cases: Vec<_> = rows
        .iter()
        .map(|(name, count)| {
            json!({
                "case": name,
                "instructions": count,
                "added": i64::try_from(*count).unwrap_or(i64::MAX)
                    - i64::try_from(baseline).unwrap_or(i64::MAX),
            })
        })
        .collect();
    format!(
        "{:#}\n",
        json!({ "suite": SUITE, "frame_bytes": 64, "cases": cases })
    )
}

#[cfg(test)]
mod tests {
    use super::{parse, to_json, to_table};

    #[test]
    fn results() {
        let rows = parse("baseline\t6580\nlegacy empty chain\t6859\n").unwrap();
        assert!(
            to_table(&rows, 6580)
                .contains("legacy empty chain                       6859      279")
        );
        let json: serde_json::Value = serde_json::from_str(&to_json(&rows, 6580)).unwrap();
        assert_eq!(json["cases"][1]["added"], 279);
        assert!(parse("what").is_err());
    }
}
