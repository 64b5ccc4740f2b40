// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask fuzz`: coverage-guided fuzzing with libFuzzer, on stable Rust.
//!
//! The compiler's own pass counts what code an input reaches, which needs no unstable flag but those
//! of LLVM; the counters are in everything that the program is built from but the standard library.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::command::output;
use crate::progress::{note, step};
use crate::{deps, tools};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Coverage as libFuzzer wants it.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Bytes of a target's corpus that are kept, about: it goes with the sources.
const KEPT: u64 = 60_000;
/// Seconds between looks at how long a fuzzer has worked.
const LOOK: Duration = Duration::from_secs(2);
/// Seconds that one input may take before it counts as endless: generous, for machines are busy.
const TIMEOUT: &str = "-timeout=60";
/// MiB that the program may use.
const MEMORY: &str = "-rss_limit_mb=2048";

/// What is to be done.
pub struct Request<'a> {
    /// Names of targets; all if there are none.
    pub targets: &'a [String],
    /// Minutes of processor time for each.
    pub minutes: u64,
    /// Targets at a time.
    pub jobs: usize,
    /// An input to run instead.
    pub replay: Option<&'a Path>,
}

/// A target, as the fuzzers' program knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    longest: String,
    about: String,
}

impl Target {
    /// Those that the program says it has.
    fn all(program: &Path) -> Result<Vec<Self>> {
        let mut command = Command::new(program);
        let said = output(command.env_remove("PACKETSCRIPT_FUZZ"))?;
        Self::read(&String::from_utf8_lossy(&said)).context("the fuzzers name no targets")
    }

    /// Lines of a name, the longest input and what it does, with tabs between them.
    fn read(said: &str) -> Option<Vec<Self>> {
        said.lines()
            .map(|line| {
                let mut parts = line.split('\t').map(str::to_owned);
                Some(Self {
                    name: parts.next()?,
                    longest: parts.next()?,
                    about: parts.next()?,
                })
            })
            .collect()
    }
}

/// Shows the targets and what they do.
pub fn list() -> Result<()> {
    for target in Target::all(&build()?)? {
        println!("{:<10} {}", target.name, target.about);
    }
    Ok(())
}

/// Fuzzes, or replays an input.
pub fn run(request: &Request) -> Result<ExitCode> {
    let revision = revision();
    let program = build()?;
    let all = Target::all(&program)?;
    let find = |name: &String| {
        all.iter()
            .find(|target| target.name == *name)
            .with_context(|| format!("no target '{name}': cargo xtask fuzz --list"))
    };
    let chosen = match request.targets {
        [] => all.iter().collect(),
        names => names.iter().map(find).collect::<Result<Vec<_>>>()?,
    };
    if let Some(input) = request.replay {
        let [target] = chosen[..] else {
            bail!("--replay wants the one target that the input is for");
        };
        return replay(&program, target, input);
    }
    let mut waiting = chosen.into_iter();
    let mut running = Vec::new();
    let mut found = 0;
    loop {
        while running.len() < request.jobs.max(1) {
            let Some(target) = waiting.next() else { break };
            running.push(Fuzzer::start(&program, target)?);
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(LOOK);
        let mut still = Vec::new();
        for mut fuzzer in running {
            if fuzzer.is_done(request.minutes * 60)? {
                found += usize::from(!fuzzer.finish(&program, &revision)?);
            } else {
                still.push(fuzzer);
            }
        }
        running = still;
    }
    Ok(if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The fuzzers' program, built with coverage counters, assertions and checks of overflow.
fn build() -> Result<PathBuf> {
    // libFuzzer is C++; mlua's Lua is C.
    deps::need(&[("g++", "g++"), ("gcc", "gcc"), ("make", "make")])?;
    let folder = tools::target_folder().join("fuzz");
    let mut command = tools::cargo();
    command
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--manifest-path", "tests/fuzz/libfuzzer/Cargo.toml"])
        .args(["--target", TRIPLE, "--target-dir"])
        .arg(&folder)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", COVERAGE.join(" "));
    step("building the fuzzers (about 2 minutes)", || {
        output(&mut command)
    })?;
    Ok(folder.join(TRIPLE).join("release/fuzz"))
}

fn folder() -> PathBuf {
    tools::workspace().join("tests/fuzz")
}

/// The program for a target, in C's locale and without anything that might change what it does.
fn fuzzer(program: &Path, target: &Target) -> Command {
    let mut command = Command::new(program);
    command
        .env("PACKETSCRIPT_FUZZ", &target.name)
        .env("LC_ALL", "C")
        .args([TIMEOUT, MEMORY])
        .arg(format!("-max_len={}", target.longest));
    command
}

fn replay(program: &Path, target: &Target, input: &Path) -> Result<ExitCode> {
    ensure!(input.is_file(), "no file {}", input.display());
    let status = fuzzer(program, target)
        .arg(input)
        .env("RUST_BACKTRACE", "1")
        .status()?;
    if status.success() {
        println!("{} does no harm to {}", input.display(), target.name);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// A target that is being fuzzed.
struct Fuzzer<'a> {
    target: &'a Target,
    child: Child,
    work: PathBuf,
    log: PathBuf,
    seconds: u64,
    asked_to_end: bool,
}

impl<'a> Fuzzer<'a> {
    fn start(program: &Path, target: &'a Target) -> Result<Self> {
        let work = tools::target_folder()
            .join("fuzz/corpus")
            .join(&target.name);
        let kept = folder().join("corpus").join(&target.name);
        let artifacts = folder().join("artifacts");
        for folder in [&work, &kept, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let log = tools::target_folder().join(format!("fuzz/{}.log", target.name));
        let file = File::create(&log)?;
        note(&format!("fuzzing {}: {}", target.name, log.display()));
        let child = fuzzer(program, target)
            .arg("-print_final_stats=1")
            .arg(format!(
                "-artifact_prefix={}/{}-",
                artifacts.display(),
                target.name
            ))
            .args([&work, &kept])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("starting a fuzzer")?;
        Ok(Self {
            target,
            child,
            work,
            log,
            seconds: 0,
            asked_to_end: false,
        })
    }

    /// Whether it has ended; when it has worked long enough it is asked to.
    fn is_done(&mut self, seconds: u64) -> Result<bool> {
        if self.child.try_wait()?.is_some() {
            return Ok(true);
        }
        self.seconds = processor_seconds(self.child.id())?;
        if self.seconds >= seconds && !self.asked_to_end {
            self.asked_to_end = true;
            kill(
                Pid::from_raw(self.child.id().cast_signed()),
                Signal::SIGUSR1,
            )?;
        }
        Ok(false)
    }

    /// Says what it came to, as a line of RUNS.md, and keeps what is worth it of its corpus. False if it
    /// found something.
    fn finish(mut self, program: &Path, revision: &str) -> Result<bool> {
        let status = self.child.wait()?;
        let said = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        let minutes = self.seconds.div_ceil(60);
        let name = &self.target.name;
        if !status.success() {
            println!("{}", crate::command::last_lines(&said));
            match artifact(&said) {
                Some(input) => println!(
                    "{name}: found {input}\nsee it again: cargo xtask fuzz {name} --replay {input}"
                ),
                None => println!("{name}: ended with {status}; see {}", self.log.display()),
            }
            return Ok(false);
        }
        let kept = keep(program, self.target, &self.work)?;
        let numbers = Numbers::read(&said);
        println!(
            "| {name} | {revision} | {minutes} | {} | {} | {} | {kept} | none |",
            numbers.executions, numbers.covered, numbers.corpus,
        );
        Ok(true)
    }
}

/// Seconds of processor time that a process has used.
fn processor_seconds(process: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100).unsigned_abs();
    Ok(ticks_of(&stat).context("an odd /proc/PID/stat")? / ticks)
}

/// User and system time in a line of /proc/PID/stat, whose second field may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

/// The file that libFuzzer wrote what it found to.
fn artifact(said: &str) -> Option<&str> {
    let (_, path) = said.rsplit_once("Test unit written to ")?;
    path.lines().next()
}

/// What a fuzzer says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Numbers {
    executions: u64,
    covered: u64,
    corpus: u64,
}

impl Numbers {
    fn read(said: &str) -> Self {
        let mut numbers = Self::default();
        for line in said.lines() {
            let mut words = line.split_whitespace();
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                numbers.executions = count.trim().parse().unwrap_or(0);
            }
            while let Some(word) = words.next() {
                let number = |word: Option<&str>| {
                    let digits = word.unwrap_or("").split('/').next().unwrap_or("");
                    digits.parse().ok()
                };
                match word {
                    "cov:" => numbers.covered = number(words.next()).unwrap_or(numbers.covered),
                    "corp:" => numbers.corpus = number(words.next()).unwrap_or(numbers.corpus),
                    _ => {}
                }
            }
        }
        numbers
    }
}

/// The commit that the work tree is at.
fn revision() -> String {
    let mut command = Command::new("git");
    command
        .current_dir(tools::workspace())
        .args(["rev-parse", "--short", "HEAD"]);
    output(&mut command).map_or_else(
        |_| "?".into(),
        |id| String::from_utf8_lossy(&id).trim().to_owned(),
    )
}

/// Puts the smallest inputs that reach everything into the corpus that goes with the sources; answers
/// how many. What was there by another name than libFuzzer's was put there by people, and stays.
fn keep(program: &Path, target: &Target, work: &Path) -> Result<usize> {
    let kept = folder().join("corpus").join(&target.name);
    let merged = tempfile::tempdir()?;
    let mut command = fuzzer(program, target);
    command
        .args(["-merge=1", "-use_counters=0"])
        .arg(merged.path())
        .args([&kept, work]);
    step(&format!("choosing what to keep of {}", target.name), || {
        output(&mut command)
    })?;
    let mut inputs = Vec::new();
    for entry in fs::read_dir(merged.path())? {
        let entry = entry?;
        inputs.push((entry.metadata()?.len(), entry.file_name()));
    }
    inputs.sort();
    for entry in fs::read_dir(&kept)? {
        let entry = entry?;
        if is_hash(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    let mut room = KEPT;
    for (size, name) in &inputs {
        if *size > room {
            break;
        }
        room -= size;
        fs::copy(merged.path().join(name), kept.join(name))?;
    }
    Ok(fs::read_dir(&kept)?.count())
}

/// Whether libFuzzer gave a file its name.
fn is_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{Numbers, Target, artifact, ticks_of};

    #[test]
    fn what_a_fuzzer_says_is_understood() {
        let said = "#2\tINITED cov: 1188 ft: 1189 corp: 1/1b exec/s: 0 rss: 31Mb
#99\tREDUCE cov: 4711 ft: 9000 corp: 321/12Kb lim: 160 exec/s: 7 rss: 31Mb L: 3/9 MS: 1
Done 145368 runs in 7 second(s)
stat::number_of_executed_units: 145368
";
        let numbers = Numbers {
            executions: 145_368,
            covered: 4711,
            corpus: 321,
        };
        assert_eq!(Numbers::read(said), numbers);
        assert_eq!(artifact(said), None);
        let said = "artifact_prefix='a/'; Test unit written to a/vm-crash-00\nBase64: Cg==\n";
        assert_eq!(artifact(said), Some("a/vm-crash-00"));
    }

    #[test]
    fn targets_are_read() {
        let targets = Target::read("vm\t64\tany script\n").unwrap();
        assert_eq!(
            (targets[0].name.as_str(), targets[0].longest.as_str()),
            ("vm", "64")
        );
        assert_eq!(Target::read("vm 64"), None);
    }

    #[test]
    fn processor_time_is_found_whatever_the_program_is_called() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(ticks_of(stat), Some(300));
        assert_eq!(ticks_of("7 (a"), None);
    }
}
