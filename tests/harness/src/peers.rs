// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench`: the engine in user space, beside PUC Lua and LuaJIT.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::command::output;
use crate::progress::step;
use crate::{deps, tools};

/// Builds the benchmark with its peers and runs the programs whose names contain one of `words`, all if
/// there are none.
pub fn run(words: &[String], as_json: bool) -> Result<()> {
    deps::need(&[("gcc", "gcc"), ("make", "make")])?;
    let (program, peers) = step("building the benchmark (about 2 minutes)", build)?;
    let mut command = std::process::Command::new(program);
    command.args(peers).args(words);
    if as_json {
        command.arg("--json");
    }
    let said = step("measuring (2 minutes for everything)", || {
        command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("running the benchmark")
    })?;
    ensure!(
        said.status.success(),
        "the benchmark ended with {}",
        said.status
    );
    let said = String::from_utf8_lossy(&said.stdout);
    print!(
        "{}",
        result(&said, as_json).context("the benchmark says nothing")?
    );
    Ok(())
}

/// The benchmark, and the programs for PUC and LuaJIT.
fn build() -> Result<(PathBuf, [PathBuf; 2])> {
    let folder = tools::target_folder().join("bench");
    let cargo = |package: &str, target: &str, features: &[&str]| {
        let target = folder.join(target);
        let mut command = tools::cargo();
        command
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--manifest-path", "tests/bench/Cargo.toml"])
            .args(["--package", package, "--target-dir"])
            .arg(&target)
            .args(features);
        // As what is shipped.
        command
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", tools::dispatch_flags());
        output(&mut command).map(|_| target.join("release").join(package))
    };
    let peer = |lua: &str| cargo("packetscript-bench-peer", lua, &["--features", lua]);
    let peers = [peer("lua54")?, peer("luajit")?];
    Ok((cargo("packetscript-bench", "engine", &[])?, peers))
}

/// What comes behind criterion's own words.
fn result(said: &str, as_json: bool) -> Option<&str> {
    let begin = if as_json { "\n{\n" } else { "\nmicroseconds" };
    said.rfind(begin).and_then(|at| said.get(at + 1..))
}

#[cfg(test)]
mod tests {
    use super::result;

    #[test]
    fn only_the_result_is_shown() {
        let said = "fib time: 1\n\nmicroseconds a run\nfib 1\n";
        assert_eq!(result(said, false), Some("microseconds a run\nfib 1\n"));
        assert_eq!(result("x\n{\n}\n", true), Some("{\n}\n"));
        assert_eq!(result("x\n", true), None);
    }
}
