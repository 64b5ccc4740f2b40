// SPDX-License-Identifier: GPL-2.0-only
//! The one program that the harness brings into its virtual machines.
//!
//! As process 1 it mounts the root and becomes the agent. Under any other process number it is a
//! box of tools for tests: `guest TOOL key=value…`.

mod agent;
mod blast;
mod checksum;
mod init;
mod probe;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use words::Words;

/// A tool: its name, the keys that it knows, what it does.
type Tool = (
    &'static str,
    &'static [&'static str],
    fn(&Words) -> Result<()>,
);

const TOOLS: [Tool; 2] = [
    (
        "probe",
        &[
            "proto", "from", "to", "source", "address", "port", "count", "payload",
        ],
        probe::main,
    ),
    (
        "blast",
        &[
            "dev", "mac", "length", "proto", "port", "payload", "batches", "count", "sources",
        ],
        blast::main,
    ),
];

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::main()
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((tool, rest)) = arguments.split_first() else {
        eprintln!(
            "usage: guest {} key=value…",
            TOOLS.map(|tool| tool.0).join("|")
        );
        return ExitCode::from(2);
    };
    let Some((_, known, run)) = TOOLS.iter().find(|(name, ..)| name == tool) else {
        eprintln!(
            "guest: no tool {tool}; there are {}",
            TOOLS.map(|tool| tool.0).join(", ")
        );
        return ExitCode::from(2);
    };
    match Words::parse(rest, known).and_then(|words| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest {tool}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
