// SPDX-License-Identifier: GPL-2.0-only
//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::sources::Sources;
use crate::suite::Suite;
use crate::vm::Products;
use crate::{bench, check, demo, dist, engine, flake, fuzz, peers, profile, stack, vm};

/// Builds, runs, tests and packages PacketScript.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Boots a Debian release in a virtual machine and runs a command in it as root.
    Vm(VmArgs),
    /// Shows a script deciding about real packets in a real kernel, with the console over it.
    Demo {
        /// bullseye, bookworm, trixie, backports, or any other Debian release by name.
        #[arg(long, default_value = "bookworm")]
        suite: String,
        /// With the .deb files in this folder instead of packages built now.
        #[arg(long, value_name = "DIR")]
        packages: Option<PathBuf>,
    },
    /// Runs every test and ends with counts.
    Test {
        /// The end-to-end cases in one suite instead of four.
        #[arg(long)]
        quick: bool,
    },
    /// Measures the engine beside PUC Lua and LuaJIT, or what packets cost in a kernel.
    Bench {
        /// Programs whose names contain one of these; all of them if there is none.
        #[arg(value_name = "WORD", conflicts_with = "kernel")]
        words: Vec<String>,
        /// In a kernel, in executed instructions.
        #[arg(long)]
        kernel: bool,
        /// What one packet's instructions are spent on, with a script of tests/bench: accept, count, packets/dns…
        #[arg(
            long,
            value_name = "SCRIPT",
            conflicts_with = "json",
            requires = "kernel"
        )]
        profile: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// With the .deb files in this folder instead of packages built now.
        #[arg(long, value_name = "DIR")]
        packages: Option<PathBuf>,
    },
    /// Fuzzes what must take anything: sources, images, packets, patterns, what the kernel says.
    Fuzz {
        /// Targets by name; all of them if none is named.
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
        /// Minutes of processor time for each target.
        #[arg(long, value_name = "N", default_value_t = 1)]
        minutes: u64,
        /// Targets at the same time.
        #[arg(long, value_name = "N", default_value_t = 1)]
        jobs: usize,
        /// Shows the targets.
        #[arg(long)]
        list: bool,
        /// Runs one input instead, such as one that was found.
        #[arg(long, value_name = "FILE")]
        replay: Option<PathBuf>,
    },
    /// Shows how much stack the engine uses in a kernel, function by function.
    Stack {
        /// Of this object instead of one built now.
        object: Option<PathBuf>,
    },
    /// Builds the Debian packages into dist/.
    Dist,
    /// Builds the flake in Nix's sandbox, as far as this machine lets it.
    Nix,
}

#[derive(Args)]
struct VmArgs {
    /// bullseye, bookworm, trixie, backports, or any other Debian release by name.
    #[arg(long)]
    suite: String,
    /// Without PacketScript's packages: the release alone.
    #[arg(long, conflicts_with = "packages")]
    bare: bool,
    /// With the .deb files in this folder instead of packages built now.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// One CPU whose time-stamp counter counts executed instructions.
    #[arg(long)]
    icount: bool,
    /// A folder whose contents are copied to /share.
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// Ends the machine after so many seconds, with status 124.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Processors.
    #[arg(long, value_name = "N", default_value_t = 1)]
    cpus: u32,
    /// Memory in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u32,
    /// The command and its arguments; one argument with spaces in it is run by sh.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Does what the command line asks.
pub fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.command {
        Task::Test { quick } => Ok(if check::run(*quick)? {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        Task::Bench {
            words,
            kernel: false,
            json,
            ..
        } => peers::run(words, *json).map(|()| ExitCode::SUCCESS),
        Task::Bench {
            words: _,
            kernel: true,
            profile,
            json,
            packages,
        } => {
            let products = packages.as_deref().map_or(Products::Built, Products::Given);
            match profile {
                Some(script) => profile::run(products, script),
                None => bench::kernel(products, *json),
            }
            .map(|()| ExitCode::SUCCESS)
        }
        Task::Demo { suite, packages } => demo::run(
            suite,
            packages.as_deref().map_or(Products::Built, Products::Given),
        ),
        Task::Fuzz { list: true, .. } => fuzz::list().map(|()| ExitCode::SUCCESS),
        Task::Fuzz {
            targets,
            minutes,
            jobs,
            replay,
            list: false,
        } => fuzz::run(&fuzz::Request {
            targets,
            minutes: *minutes,
            jobs: *jobs,
            replay: replay.as_deref(),
        }),
        Task::Nix => flake::run().map(|()| ExitCode::SUCCESS),
        Task::Stack { object } => {
            let object = match object {
                Some(object) => object.clone(),
                None => engine::object(&Sources::take()?)?,
            };
            print!("{}", stack::check(&object)?);
            Ok(ExitCode::SUCCESS)
        }
        Task::Dist => dist::run().map(|()| ExitCode::SUCCESS),
        Task::Vm(args) => {
            let suite = Suite::by_name(&args.suite)?;
            vm::run(&vm::Request {
                suite: &suite,
                products: match &args.packages {
                    Some(folder) => Products::Given(folder),
                    None if args.bare => Products::Nothing,
                    None => Products::Built,
                },
                shape: crate::machine::Shape {
                    cpus: args.cpus,
                    memory: args.memory,
                    count_instructions: args.icount,
                },
                share: args.share.as_deref(),
                timeout: args.timeout.map(Duration::from_secs),
                command: &args.command,
            })
        }
    }
}
