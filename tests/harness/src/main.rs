// SPDX-License-Identifier: GPL-2.0-only
//! The `cargo xtask` command: see README.md beside this crate.

mod bench;
mod cache;
mod check;
mod cli;
mod command;
mod deb;
mod debian;
mod demo;
mod deps;
mod dist;
mod engine;
mod flake;
mod fuzz;
mod image;
mod initramfs;
mod kernel;
mod layer;
mod machine;
mod matrix;

mod packaging;
mod peers;
mod profile;
mod progress;
mod root;
mod session;
mod sources;
mod stack;
mod suite;
mod terminal;
mod tools;
mod userspace;
mod vm;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(&cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(vm::HARNESS_FAILED)
        }
    }
}
