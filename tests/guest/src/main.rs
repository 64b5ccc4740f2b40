// SPDX-License-Identifier: GPL-2.0-only
//! The one program that the harness brings into its virtual machines.
//!
//! As process 1 it mounts the root and becomes the agent. Under any other process number it is a
//! box of tools for tests.

mod agent;
mod init;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::main()
    }
    eprintln!("guest: no such tool");
    ExitCode::from(2)
}
