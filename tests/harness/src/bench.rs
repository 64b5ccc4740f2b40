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

/// What a packet costs in one case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    instructions: u64,
    /// What the case adds to the way of the same packet without a table.
    added: i64,
}

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
    print!(
        "{}",
        if as_json {
            to_json(&rows)
        } else {
            to_table(&rows)
        }
    );
    Ok(())
}

/// Lines of a case, its instructions, and the case that it is compared with, with tabs between them.
fn parse(said: &str) -> Result<Vec<Row>> {
    let mut counts = Vec::new();
    for line in said.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, count, baseline] = fields[..] else {
            bail!("not a result: {line}");
        };
        let count: i64 = count
            .parse()
            .with_context(|| format!("not a count: {line}"))?;
        counts.push((name, count, baseline));
    }
    let row = |&(name, count, baseline): &(&str, i64, &str)| {
        let without = counts.iter().find(|other| other.0 == baseline);
        let (_, without, _) = without.with_context(|| format!("no case '{baseline}'"))?;
        Ok(Row {
            name: name.to_owned(),
            instructions: count.unsigned_abs(),
            added: count - without,
        })
    };
    counts.iter().map(row).collect()
}

fn to_table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<32} {:>12} {:>8}\n",
        "a packet, forwarded", "instructions", "added"
    );
    for row in rows {
        let _ = writeln!(
            out,
            "{:<32} {:>12} {:>8}",
            row.name, row.instructions, row.added
        );
    }
    out
}

fn to_json(rows: &[Row]) -> String {
    let cases: Vec<_> = rows
        .iter()
        .map(
            |row| json!({ "case": row.name, "instructions": row.instructions, "added": row.added }),
        )
        .collect();
    format!("{:#}\n", json!({ "suite": SUITE, "cases": cases }))
}

#[cfg(test)]
mod tests {
    use super::{parse, to_json, to_table};

    #[test]
    fn results_are_compared_with_their_own_baseline() {
        let rows = parse(
            "baseline\t6580\tbaseline\nlong\t7000\tlong\n\
             legacy empty chain\t6859\tbaseline\nlegacy find\t9000\tlong\n",
        )
        .unwrap();
        assert!(to_table(&rows).contains("legacy empty chain                       6859      279"));
        let json: serde_json::Value = serde_json::from_str(&to_json(&rows)).unwrap();
        assert_eq!(json["cases"][2]["added"], 279);
        assert_eq!(json["cases"][3]["added"], 2000);
        for odd in ["what", "case\tmany\tcase", "case\t1\tother"] {
            assert!(parse(odd).is_err());
        }
    }
}
