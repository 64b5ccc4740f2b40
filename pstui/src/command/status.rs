// SPDX-License-Identifier: GPL-2.0-only
//! `pstui status`: the state once, for people or, with exact keys, for programs.

use super::{say, say_json};
use crate::error::Result;
use crate::format;
use crate::snapshot::Snapshot;
use crate::source::Source;
use packetscript_abi::border::ABI;
use serde_json::json;

/// The number of the `--json` schema: it goes up when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// Prints it.
pub fn run(source: Result<Box<dyn Source>>, json: bool) -> Result<()> {
    let mut source = source?;
    let snapshot = source.snapshot()?;
    let about = source.about();
    if json {
        return say_json(&json!({
            "schema": SCHEMA,
            "abi": ABI,
            "time": snapshot.wall,
            "host": about.host,
            "kernel": about.kernel,
            "module": about.module,
            "scripts": snapshot.scripts,
            "rules": snapshot.rules,
            "hooks": snapshot.hooks,
        }));
    }
    say(&text(&snapshot))
}

/// A table with aligned columns: numbers to the right.
fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(titles[column].chars().count())
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let number = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()))
    };
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let blank = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            let (before, after) = if number(column) {
                (&*blank, "")
            } else {
                ("", &*blank)
            };
            text.push_str("  ");
            text.push_str(before);
            text.push_str(cell);
            text.push_str(after);
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(
        &titles
            .iter()
            .map(|&title| title.to_owned())
            .collect::<Vec<_>>(),
    )];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// What people get: exact counters, short hashes, only the hooks that matter.
pub fn text(snapshot: &Snapshot) -> String {
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut parts = Vec::new();
    if snapshot.scripts.is_empty() {
        return "no script is loaded".to_owned();
    }
    let scripts: Vec<Vec<String>> = snapshot
        .scripts
        .iter()
        .map(|s| {
            vec![
                s.name.clone(),
                format::short_hash(&s.hash).to_owned(),
                s.rules.to_string(),
                s.packets.to_string(),
                s.errors.to_string(),
                format::bytes(s.memory),
                s.path.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    let titles = [
        "NAME", "VERSION", "RULES", "PACKETS", "ERRORS", "MEMORY", "PATH",
    ];
    parts.push(format!("scripts\n{}", table(&titles, &scripts)));
    for script in &snapshot.scripts {
        if let Some(error) = script
            .last_error
            .as_ref()
            .and_then(|error| error.lines().next())
        {
            parts.push(format!("last error of {}\n  {error}", script.name));
        }
    }
    if !snapshot.rules.is_empty() {
        let rules: Vec<Vec<String>> = snapshot
            .rules
            .iter()
            .map(|r| {
                let c = &r.counters;
                let mut row = vec![
                    r.id.to_string(),
                    r.name.clone(),
                    r.function.clone(),
                    r.family.clone(),
                    r.table.clone(),
                    or_dash(&r.hooks.join(",")),
                ];
                let counts = [c.packets, c.accept, c.drop, c.pass, c.queue, c.errors];
                row.extend(counts.iter().map(u64::to_string));
                row
            })
            .collect();
        let titles = [
            "ID", "SCRIPT", "FUNCTION", "FAMILY", "TABLE", "HOOKS", "PACKETS", "ACCEPT", "DROP",
            "CONTINUE", "QUEUE", "ERRORS",
        ];
        parts.push(format!("rules\n{}", table(&titles, &rules)));
    }
    let hooks: Vec<Vec<String>> = snapshot
        .hooks
        .iter()
        .filter(|h| h.rules > 0 || h.counters.packets > 0)
        .map(|h| {
            let c = &h.counters;
            let mut row = vec![h.family.clone(), h.hook.clone()];
            let counts = [
                h.rules, c.packets, c.accept, c.drop, c.pass, c.queue, c.errors,
            ];
            row.extend(counts.iter().map(u64::to_string));
            row
        })
        .collect();
    if !hooks.is_empty() {
        let titles = [
            "FAMILY", "HOOK", "RULES", "PACKETS", "ACCEPT", "DROP", "CONTINUE", "QUEUE", "ERRORS",
        ];
        parts.push(format!("hooks\n{}", table(&titles, &hooks)));
    }
    parts.join("\n\n")
}
