// SPDX-License-Identifier: GPL-2.0-only
//! Running other programs, with their words shown when they fail.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

/// How much of a failed program's output is shown.
const SHOWN_LINES: usize = 60;

/// A command that needs root, through sudo where we are not root ourselves.
pub fn as_root(program: impl AsRef<OsStr>) -> Command {
    if geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    command
}

/// A shell script as root in mount and process namespaces of its own: whatever it mounts or
/// leaves running is gone when it ends, however it ends.
pub fn contained_script(script: &str) -> Command {
    let mut command = as_root("unshare");
    command.args([
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
    ]);
    command.args(["--", "sh", "-euc", script, "sh"]);
    command
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let first = text.lines().next().unwrap_or_default().to_owned();
    if text.lines().count() > 1 {
        format!("{first} …")
    } else {
        first
    }
}

/// Runs a command and returns its standard output; if it fails, the error has its last words.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = describe(command);
    let result = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if result.status.success() {
        return Ok(result.stdout);
    }
    let mut said = String::from_utf8_lossy(&result.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&result.stderr));
    bail!("{name} failed ({}):\n{}", result.status, last_lines(&said));
}

/// Runs a command whose output goes to the file `log`; if it fails, the error quotes the file.
pub fn logged(command: &mut Command, log: &Path) -> Result<()> {
    let name = describe(command);
    let mut file =
        std::fs::File::create(log).with_context(|| format!("creating {}", log.display()))?;
    writeln!(file, "$ {name}")?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    bail!(
        "{name} failed ({status}); the end of {}:\n{}",
        log.display(),
        last_lines(&said)
    );
}

/// The end of a text.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
