// SPDX-License-Identifier: GPL-2.0-only
//! The tables of /proc as snapshots.

use crate::error::{Error, Result};
use crate::snapshot::{Counters, Hook, Rule, Snapshot};
use packetscript_abi::proc;
use std::time::Duration;

impl From<proc::Error> for Error {
    fn from(error: proc::Error) -> Self {
        match error {
            proc::Error::Absent(_) => Self::NotLoaded,
            proc::Error::Permission(path) => Self::Permission(format!("read {}", path.display())),
            proc::Error::Abi { .. } => Self::Abi(error.to_string()),
            proc::Error::Io { path, source } => Self::file(path, &source),
            proc::Error::Format { .. } => Self::Data(error.to_string()),
        }
    }
}

fn counters(counts: proc::Counts, fuel: u64, time: u64) -> Counters {
    Counters {
        packets: counts.packets,
        bytes: counts.bytes,
        accept: counts.accept,
        drop: counts.drop,
        pass: counts.r#continue,
        queue: counts.queue,
        reject: counts.reject,
        repeat: counts.repeat,
        stolen: counts.stolen,
        errors: counts.errors,
        fuel,
        time,
    }
}

fn rule(row: proc::Rule) -> Rule {
    Rule {
        counters: counters(row.counts, row.fuel, row.time),
        id: row.id,
        name: row.name,
        hash: row.hash,
        function: row.function,
        state: row.state,
        family: row.family,
        table: row.table,
        hooks: row.hooks,
        on_error: row.on_error,
        scope: row.scope,
        fuel_limit: row.fuel_limit,
    }
}

fn hook(row: proc::Hook) -> Hook {
    Hook {
        counters: counters(row.counts, 0, 0),
        family: row.family,
        hook: row.hook,
        rules: row.rules,
    }
}

/// A snapshot from the texts of the three files.
pub fn parse(
    at: Duration,
    wall: u64,
    hooks: &[u8],
    scripts: &[u8],
    rules: &[u8],
) -> Result<Snapshot> {
    Ok(Snapshot {
        at,
        wall,
        scripts: proc::parse_scripts(scripts)?,
        rules: proc::parse_rules(rules)?.into_iter().map(rule).collect(),
        hooks: proc::parse_hooks(hooks)?.into_iter().map(hook).collect(),
    })
}
