// SPDX-License-Identifier: GPL-2.0-only
//! The `pstui` command.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    pstui::command::run(pstui::cli::Cli::parse())
}
