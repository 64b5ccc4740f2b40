// SPDX-License-Identifier: GPL-2.0-only
//! Programs that the harness builds from this workspace for its own use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::command::output;

/// Makes LLVM end each arm of a large `match` in a loop with a jump of its own to the next arm, so
/// that the processor predicts the interpreter's instructions one by one.
const DISPATCH: [&str; 2] = [
    "-Cllvm-args=-tail-dup-pred-size=4000",
    "-Cllvm-args=-tail-dup-succ-size=4000",
];

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The top of the work tree.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Where cargo puts what it builds.
pub fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// Cargo, as it runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// `RUSTFLAGS` for release builds of what runs scripts in user space. Empty where the compiler's LLVM
/// does not know the switches, for they are LLVM's own and may change.
pub fn dispatch_flags() -> String {
    let known = Command::new("rustc")
        .args(["--crate-type", "lib", "--crate-name", "probe"])
        .args(["--emit", "obj", "-o", "/dev/null"])
        .args(DISPATCH)
        .arg("-")
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if known {
        DISPATCH.join(" ")
    } else {
        String::new()
    }
}

/// The program for the inside of machines: static, since one binary serves every release.
pub fn guest() -> Result<PathBuf> {
    let folder = target_folder().join("guest");
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "packetscript-guest",
    ]);
    command
        .args(["--target", TARGET, "--target-dir"])
        .arg(&folder);
    command.env(
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
        "-Ctarget-feature=+crt-static",
    );
    output(&mut command)?;
    Ok(folder.join(TARGET).join("release/guest"))
}
