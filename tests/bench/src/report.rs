// SPDX-License-Identifier: GPL-2.0-only
//! The table at the end: what criterion estimated, and how often faster than PUC that is.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Whom the columns are about, in the order of the table.
const NAMES: [&str; 4] = ["packetscript", "puc", "luajit-off", "luajit-on"];

/// A program and what one run of it took, in nanoseconds, by the columns.
pub struct Row {
    group: &'static str,
    name: &'static str,
    times: [f64; NAMES.len()],
}

impl Row {
    /// How often faster than PUC PacketScript is.
    fn ratio(&self) -> f64 {
        let [ours, puc, ..] = self.times;
        puc / ours
    }
}

/// Reads criterion's estimates of the median.
pub fn read(folder: &Path, ran: &[(&'static str, &'static str)]) -> Result<Vec<Row>> {
    ran.iter()
        .map(|&(group, name)| {
            let mut times = [0.0; NAMES.len()];
            for (time, of) in times.iter_mut().zip(NAMES) {
                let path = folder.join(format!("{group}-{name}/{of}/new/estimates.json"));
                let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
                let estimates: Value = serde_json::from_slice(&text)?;
                let median = estimates["median"]["point_estimate"].as_f64();
                *time = median.context("no median")?;
            }
            Ok(Row { group, name, times })
        })
        .collect()
}

/// The middle of the ratios of a group, and the smallest.
fn summary(rows: &[Row], group: &str) -> Option<(f64, f64)> {
    let mut ratios: Vec<f64> = rows
        .iter()
        .filter(|row| row.group == group)
        .map(Row::ratio)
        .collect();
    ratios.sort_by(f64::total_cmp);
    let count = ratios.len();
    let median = f64::midpoint(
        *ratios.get(count / 2)?,
        *ratios.get(count.checked_sub(1)? / 2)?,
    );
    Some((median, *ratios.first()?))
}

/// For people.
pub fn table(rows: &[Row]) -> String {
    let mut out = format!("\n{:<22}", "microseconds a run");
    for name in NAMES {
        let _ = write!(out, "{name:>14}");
    }
    let _ = writeln!(out, "{:>14}", "PUC / ours");
    for row in rows {
        let _ = write!(out, "{:<22}", format!("{} {}", row.group, row.name));
        for time in row.times {
            let _ = write!(out, "{:>14.3}", time / 1000.0);
        }
        let _ = writeln!(out, "{:>14.2}", row.ratio());
    }
    for group in ["programs", "packets"] {
        if let Some((median, least)) = summary(rows, group) {
            let _ = writeln!(
                out,
                "{group}: median of the ratios {median:.2}, smallest {least:.2}"
            );
        }
    }
    out
}

/// For programs.
pub fn json(rows: &[Row]) -> String {
    let programs: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut object = json!({ "group": row.group, "name": row.name, "ratio": row.ratio() });
            for (name, time) in NAMES.into_iter().zip(row.times) {
                object[name] = time.into();
            }
            object
        })
        .collect();
    let median = |group| summary(rows, group).map(|(median, _)| median);
    let all = json!({
        "unit": "ns",
        "programs": programs,
        "median": { "programs": median("programs"), "packets": median("packets") },
    });
    format!("{all:#}\n")
}
