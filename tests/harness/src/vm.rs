// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask vm`: one command in one machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::dist::Packages;
use crate::machine::{Boot, Machine, Shape};
use crate::root::Root;
use crate::session::{self, Input, Job, Outcome};
use crate::suite::Suite;
use crate::{deps, dist, layer, progress, terminal};

/// Our status when the command did not end in time.
pub const TIMED_OUT: u8 = 124;
/// Our status when it could not be run at all.
pub const HARNESS_FAILED: u8 = 125;

/// What is installed in a machine beyond the release.
#[derive(Clone, Copy, Debug)]
pub enum Products<'a> {
    /// The packages, built from these sources if need be.
    Built,
    /// The packages in this folder.
    Given(&'a Path),
    /// Nothing.
    Nothing,
}

/// What is asked for.
pub struct Request<'a> {
    /// The release.
    pub suite: &'a Suite,
    /// What is installed in it.
    pub products: Products<'a>,
    /// What the machine is like.
    pub shape: Shape,
    /// Copied to /share.
    pub share: Option<&'a Path>,
    /// A limit.
    pub timeout: Option<Duration>,
    /// The command.
    pub command: &'a [String],
}

/// What to boot for a suite, built first if need be.
pub fn boot_files(suite: &Suite, products: Products<'_>) -> Result<Boot> {
    deps::need(deps::MACHINES)?;
    match products {
        Products::Built => boot_files_with(suite, &dist::packages()?),
        Products::Given(folder) => boot_files_with(suite, &dist::given(folder)?),
        Products::Nothing => {
            let root = Root::of(suite)?;
            boot_from(suite, &root, root.image())
        }
    }
}

/// The same with packages that are built already.
pub fn boot_files_with(suite: &Suite, packages: &Packages) -> Result<Boot> {
    let root = Root::of(suite)?;
    boot_from(suite, &root, layer::image(suite, &root, packages)?)
}

fn boot_from(suite: &Suite, root: &Root, disk: PathBuf) -> Result<Boot> {
    Ok(Boot {
        name: suite.name().to_owned(),
        kernel: root.kernel(),
        initramfs: root.initramfs(suite)?,
        disk,
        more: Vec::new(),
    })
}

/// Runs the command with our own input and output; its status is ours.
pub fn run(request: &Request<'_>) -> Result<ExitCode> {
    let boot = boot_files(request.suite, request.products)?;
    let mut machine = Machine::boot(&boot, request.shape)?;
    let input = if terminal::is_present() {
        Input::Terminal
    } else {
        Input::Ours
    };
    let job = Job {
        arguments: as_arguments(request.command),
        share: request.share,
        input,
        timeout: request.timeout,
    };
    let outcome = session::run(
        &mut machine,
        job,
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    )?;
    match outcome {
        Outcome::Exited(status) => Ok(ExitCode::from(status)),
        Outcome::TimedOut => {
            progress::note("the command did not end in time; the kernel said:");
            eprintln!("{}", machine.log_tail());
            Ok(ExitCode::from(TIMED_OUT))
        }
    }
}

/// One argument with a space in it is a line for the shell, as with ssh.
fn as_arguments(command: &[String]) -> Vec<String> {
    match command {
        [line] if line.contains(char::is_whitespace) => {
            vec!["sh".into(), "-c".into(), line.clone()]
        }
        _ => command.to_vec(),
    }
}
