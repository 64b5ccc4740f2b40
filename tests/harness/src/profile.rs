// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask bench --kernel --profile SCRIPT`: which functions a packet's instructions are in.
//!
//! QEMU executes one instruction at a time for a moment and logs where each one is; the kernel's
//! own symbols say whose it is.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::machine::{Machine, Shape};
use crate::session::{self, Input, Job, Outcome};
use crate::suite::Suite;
use crate::vm::{self, Products};
use crate::{progress, tools};

const SUITE: &str = "bookworm";
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Below are user space's addresses.
const KERNEL: u64 = 1 << 63;
/// Whose functions are listed.
const MODULES: [&str; 3] = ["xt_LUA", "x_tables", "ip_tables"];
/// What the kernel's own functions for memory are listed as: the packet's way uses them too.
const MEMORY: &str = "memory of the kernel, the packet's way included";
/// Functions with fewer instructions a packet than this are not.
const WORTH_LISTING: f64 = 1.0;

/// Measures and prints a table.
pub fn run(products: Products<'_>, script: &str) -> Result<()> {
    let bench = tools::workspace().join("tests/bench");
    if !bench.join(script).with_extension("lua").is_file() {
        bail!("no script {script} in {}", bench.display());
    }
    let scratch = tempfile::tempdir()?;
    let monitor = scratch.path().join("monitor");
    let trace = scratch.path().join("trace");
    let mut boot = vm::boot_files(&Suite::by_name(SUITE)?, products)?;
    boot.more = [
        "-chardev".into(),
        format!(
            "socket,id=monitor,server=on,wait=off,path={}",
            monitor.display()
        ),
        "-mon".into(),
        "chardev=monitor,mode=readline".into(),
        "-D".into(),
        trace.display().to_string(),
    ]
    .into();
    let said = progress::step("recording in bookworm (about 2 minutes)", || {
        record(&boot, &bench, script, &monitor)
    })?;
    let (packets, symbols) = parse(&said)?;
    let counts = count(BufReader::new(File::open(&trace)?), &symbols)?;
    print!("{}", table(&counts, packets));
    Ok(())
}

/// Runs the script's packets with logging on in the right moment; returns what the guest said.
fn record(
    boot: &crate::machine::Boot,
    bench: &Path,
    script: &str,
    monitor: &Path,
) -> Result<String> {
    let shape = Shape {
        count_instructions: true,
        ..Shape::default()
    };
    let mut machine = Machine::boot(boot, shape)?;
    let (input, answers) = std::io::pipe()?;
    let job = Job {
        arguments: vec!["/share/kernel".into(), "profile".into(), script.into()],
        share: Some(bench),
        input: Input::Pipe(input),
        timeout: Some(LIMIT),
    };
    let mut conductor = Conductor {
        monitor: UnixStream::connect(monitor).context("reaching QEMU's monitor")?,
        answers,
        said: Vec::new(),
        began: false,
        ended: false,
    };
    match session::run(&mut machine, job, &mut conductor, &mut std::io::stderr())? {
        Outcome::Exited(0) if conductor.ended => {
            Ok(String::from_utf8_lossy(&conductor.said).into_owned())
        }
        outcome => bail!("{outcome:?}\n{}", machine.log_tail()),
    }
}

/// Listens to the guest and switches QEMU's log on and off at its words.
struct Conductor {
    monitor: UnixStream,
    answers: PipeWriter,
    said: Vec<u8>,
    began: bool,
    ended: bool,
}

impl Conductor {
    fn switch(&mut self, commands: &[&str]) -> std::io::Result<()> {
        for command in commands {
            self.monitor.write_all(format!("{command}\n").as_bytes())?;
        }
        // The answer to a last command shows that the ones before it are done.
        self.monitor.write_all(b"info name\n")?;
        self.monitor
            .set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut sink = [0; 4096];
        while matches!(self.monitor.read(&mut sink), Ok(count) if count > 0) {}
        self.answers.write_all(b"\n")
    }
}

impl Write for Conductor {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.said.extend_from_slice(bytes);
        let heard = |word: &[u8], said: &[u8]| said.split(|&b| b == b'\n').any(|line| line == word);
        if !self.began && heard(b"READY", &self.said) {
            self.began = true;
            self.switch(&["singlestep on", "one-insn-per-tb on", "log exec,nochain"])?;
        }
        if !self.ended && heard(b"DONE", &self.said) {
            self.ended = true;
            self.switch(&["log none", "singlestep off", "one-insn-per-tb off"])?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A function: where it begins, its name, its module.
type Symbol = (u64, String, String);

/// Reads the number of packets and the symbols, sorted by address.
fn parse(said: &str) -> Result<(u32, Vec<Symbol>)> {
    let mut packets = None;
    let mut symbols = Vec::new();
    for line in said.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["PACKETS", count] => packets = Some(count.parse()?),
            [address, "t" | "T" | "w" | "W", name, rest @ ..] => {
                let module = rest
                    .first()
                    .map_or("", |text| text.trim_matches(['[', ']']));
                let address = u64::from_str_radix(address, 16)?;
                let name = format!("{:#}", rustc_demangle::demangle(name));
                symbols.push((address, name, module.to_owned()));
            }
            _ => {}
        }
    }
    symbols.sort();
    let packets = packets
        .filter(|&count| count > 0)
        .context("no packet was forwarded")?;
    Ok((packets, symbols))
}

/// Counts logged instructions by module and function.
fn count(log: impl BufRead, symbols: &[Symbol]) -> Result<HashMap<(String, String), u64>> {
    let mut counts = HashMap::new();
    for line in log.lines() {
        let Some(address) = address_of(&line?) else {
            continue;
        };
        if address < KERNEL {
            continue;
        }
        let index = symbols.partition_point(|(start, ..)| *start <= address);
        let Some((_, name, module)) = index.checked_sub(1).and_then(|index| symbols.get(index))
        else {
            continue;
        };
        let group = match module.as_str() {
            "" if is_of_memory(name) => MEMORY,
            module if MODULES.contains(&module) => module,
            _ => continue,
        };
        *counts.entry((group.to_owned(), name.clone())).or_default() += 1;
    }
    Ok(counts)
}

/// Whether a function of the kernel copies, fills or compares memory; variants have names with ends.
fn is_of_memory(name: &str) -> bool {
    let name = name.trim_start_matches('_');
    let is = |of: &&str| {
        name.strip_prefix(*of)
            .is_some_and(|end| end.is_empty() || end.starts_with('_'))
    };
    ["memcpy", "memmove", "memset", "memcmp"].iter().any(is)
}

/// `Trace 0: 0x7f… [cs_base/pc/flags/cflags] name`
fn address_of(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("Trace ")?.split_once('[')?.1;
    u64::from_str_radix(rest.split('/').nth(1)?, 16).ok()
}

fn table(counts: &HashMap<(String, String), u64>, packets: u32) -> String {
    // No trace has more lines than a u32 counts.
    let each = |count: u64| f64::from(count as u32) / f64::from(packets);
    let mut out = format!("{:>12}  function, over {packets} packets\n", "instructions");
    for module in MODULES.into_iter().chain([MEMORY]) {
        let mut own: Vec<_> = counts.iter().filter(|((of, _), _)| of == module).collect();
        own.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
        let sum: u64 = own.iter().map(|(_, count)| **count).sum();
        let _ = writeln!(out, "{:>12.1}  {module}", each(sum));
        for ((_, name), count) in own {
            if each(*count) >= WORTH_LISTING {
                let _ = writeln!(out, "{:>12.1}    {name}", each(*count));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{address_of, count, parse, table};

    #[test]
    fn profile() {
        let said = "READY\nDONE\nPACKETS 2\nffffffffc0000000 t first\t[xt_LUA]\n\
                    ffffffffc0000010 T second\t[xt_LUA]\nffffffff81000000 T __memset\n\
                    ffffffff81000010 T other\n";
        let (packets, symbols) = parse(said).unwrap();
        let line = |pc: &str| format!("Trace 0: 0x7f00 [00000000/{pc}/0000/ff] x\n");
        let log = line("ffffffffc0000004")
            + &line("ffffffffc0000010")
            + &line("ffffffffc0000012")
            + &line("00007f0000000000")
            + &line("ffffffff81000001")
            + &line("ffffffff81000002")
            + &line("ffffffff81000011")
            + &line("ffffffff81000012")
            + "IN:\n";
        let table = table(&count(log.as_bytes(), &symbols).unwrap(), packets);
        assert!(
            table.contains("         1.5  xt_LUA\n         1.0    second\n"),
            "{table}"
        );
        assert!(table.contains("         1.0    __memset\n"), "{table}");
        assert!(!table.contains("other"), "{table}");
        assert_eq!(address_of("Trace 0: 0x7f [0/ff/0/0]"), Some(255));
        assert!(parse("PACKETS 0\n").is_err());
    }
}
