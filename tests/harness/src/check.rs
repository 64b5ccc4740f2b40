// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask test`: everything that must hold, with counts at the end.

use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

use crate::dist::Packages;
use crate::sources::Sources;
use crate::suite::Suite;
use crate::{deps, dist, engine, matrix, packaging, progress, tools};

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Checks that held.
    pub passed: usize,
    /// Names of those that did not.
    pub failed: Vec<String>,
}

impl Counts {
    /// One check by its result; a failure is shown at once.
    pub fn of(name: &str, result: &Result<()>) -> Self {
        match result {
            Ok(()) => Self {
                passed: 1,
                failed: Vec::new(),
            },
            Err(error) => {
                progress::note(&format!("FAILED: {name}\n{error:#}"));
                Self {
                    passed: 0,
                    failed: vec![name.to_owned()],
                }
            }
        }
    }

    /// Adds another check's.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
    }
}

/// Packages that are not in the workspace.
const OTHERS: [&str; 3] = [
    "kmod/object/Cargo.toml",
    "tests/fuzz/libfuzzer/Cargo.toml",
    "tests/bench/Cargo.toml",
];

/// Suites that run at the same time: emulated machines are busy ones.
const SIDE_BY_SIDE: usize = 2;

/// Runs all tests; with `quick`, in one suite instead of four. True if everything holds.
pub fn run(quick: bool) -> Result<bool> {
    deps::need(deps::MACHINES)?;
    deps::need(deps::PACKAGING)?;
    deps::need(deps::COMPILE)?;
    deps::need(deps::TESTS)?;
    let mut counts = Counts::default();
    counts.add(one("format of the sources", &["fmt", "--all", "--check"]));
    for manifest in OTHERS {
        let format = ["fmt", "--all", "--manifest-path", manifest, "--check"];
        counts.add(one(&format!("format of {manifest}"), &format));
    }
    let lints = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    counts.add(one("lints (about 2 minutes)", &lints));
    counts.add(workspace_tests()?);
    match dist::packages() {
        Err(error) => counts.add(Counts::of("packages", &Err(error))),
        Ok(packages) => {
            let tried = Sources::take().and_then(|sources| engine::try_object(&sources));
            counts.add(Counts::of("the kernel's object as a program", &tried));
            let stack = Sources::take().and_then(|sources| engine::check_stack(&sources));
            counts.add(Counts::of(
                "the stack that the kernel's object uses",
                &stack,
            ));
            counts.add(packaging::check(&packages));
            let suites: &[&str] = if quick { &["bookworm"] } else { &Suite::MATRIX };
            counts.add(all_suites(suites, &packages));
        }
    }
    for name in &counts.failed {
        println!("failed: {name}");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed.len());
    Ok(counts.failed.is_empty())
}

/// A cargo command that holds or does not.
fn one(name: &str, arguments: &[&str]) -> Counts {
    let result = progress::step(name, || {
        crate::command::output(tools::cargo().args(arguments)).map(drop)
    });
    Counts::of(name, &result)
}

/// Every crate's own tests, the engine's conformance among them.
fn workspace_tests() -> Result<Counts> {
    progress::step("tests of the workspace (about 5 minutes)", || {
        let mut child = tools::cargo()
            .args(["test", "--workspace", "--no-fail-fast"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting cargo test")?;
        let errors = child.stderr.take().context("no pipe")?;
        // Both pipes are read to their ends, or cargo would wait for us.
        let errors = std::thread::spawn(move || std::io::read_to_string(errors));
        let said = std::io::read_to_string(child.stdout.take().context("no pipe")?)?;
        let status = child.wait()?;
        let mut counts = of_cargo(&said);
        if !status.success() {
            let errors = errors.join().unwrap_or_else(|_| Ok(String::new()))?;
            eprintln!(
                "{}\n{}",
                crate::command::last_lines(&errors),
                failures(&said)
            );
            if counts.failed.is_empty() {
                counts.failed.push("tests of the workspace".into());
            }
        }
        Ok(counts)
    })
}

/// Reads `test NAME ... ok` lines.
fn of_cargo(said: &str) -> Counts {
    let mut counts = Counts::default();
    for line in said.lines() {
        let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            continue;
        };
        match result {
            "ok" => counts.passed += 1,
            "FAILED" => counts.failed.push(name.to_owned()),
            _ => {}
        }
    }
    counts
}

/// What failed tests said.
fn failures(said: &str) -> String {
    let parts = said
        .split("\nfailures:\n")
        .skip(1)
        .map(|part| part.split("\ntest result:").next().unwrap_or_default());
    crate::command::last_lines(&parts.collect::<Vec<_>>().join("\n"))
}

/// The end-to-end cases, in all suites.
fn all_suites(suites: &[&str], packages: &Packages) -> Counts {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(suites.len()) {
            scope.spawn(|| {
                while let Some(name) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = matrix::run(name, packages);
                    let found = found
                        .unwrap_or_else(|error| Counts::of(&format!("suite {name}"), &Err(error)));
                    if let Ok(mut counts) = counts.lock() {
                        counts.add(found);
                    }
                }
            });
        }
    });
    counts.into_inner().unwrap_or_default()
}

/// Passes lines on with a name before each, so that suites side by side can be told apart.
pub struct Prefixed {
    prefix: String,
    pending: Vec<u8>,
    /// All that was written.
    pub whole: String,
}

impl Prefixed {
    /// Lines will begin with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            pending: Vec::new(),
            whole: String::new(),
        }
    }
}

impl Write for Prefixed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        while let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            eprint!("[{}] {line}", self.prefix);
            self.whole.push_str(&line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, failures, of_cargo};

    const SAID: &str = "running 3 tests
test a::b ... ok
test c ... FAILED
test d ... ignored

failures:

---- c stdout ----
it broke

failures:
    c

test result: FAILED. 1 passed; 1 failed; 1 ignored
";

    #[test]
    fn cargo_is_understood() {
        assert_eq!(
            of_cargo(SAID),
            Counts {
                passed: 1,
                failed: vec!["c".into()]
            }
        );
        assert!(failures(SAID).contains("it broke"));
    }
}
