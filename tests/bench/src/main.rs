// SPDX-License-Identifier: GPL-2.0-only
//! PacketScript's engine beside PUC Lua 5.4 and LuaJIT: the same programs in one run, timed by
//! criterion in processor time. See README.md.
//!
//! `packetscript-bench PUC LUAJIT [--json] [WORD…]`: the programs that run the peers, and words that the
//! names of the programs to run contain.

mod engine;
mod peer;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use criterion::Criterion;
use packetscript_engine::host::frame::{self, Tcp, flag};

/// What runs a program a number of times.
pub trait Runner {
    /// The processor time that it took, and what the last run gave.
    fn run(&mut self, times: u64) -> Result<(Duration, String)>;
}

/// Programs that any Lua runs.
const PROGRAMS: [&str; 10] = [
    "fib",
    "sieve",
    "queens",
    "strings",
    "sort",
    "sort_by",
    "patterns",
    "closures",
    "methods",
    "mandelbrot",
];

/// Packet scripts: the name, the file, and the packet that they get.
fn packets() -> [(&'static str, &'static str, Vec<u8>); 9] {
    let small = udp(4000, &[b'x'; 36]);
    [
        ("accept", "accept.lua", small.clone()),
        ("udp53", "udp53.lua", small.clone()),
        ("count", "count.lua", small.clone()),
        ("dns", "packets/dns.lua", udp(53, &query())),
        ("tls", "packets/tls.lua", hello()),
        ("find", "packets/find.lua", udp(4000, &[b'x'; 1472])),
        ("dscp", "packets/dscp.lua", small.clone()),
        ("loop", "packets/loop.lua", small.clone()),
        ("error", "error.lua", small),
    ]
}

fn addresses() -> [std::net::IpAddr; 2] {
    [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let [from, to] = addresses();
    frame::udp(from, to, 4001, port, payload)
}

/// The bytes of a file in hexadecimal with comments, such as are sent in the kernel too.
fn payload(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16);
    let bytes: Result<_, _> = digits.chunks(2).map(byte).collect();
    bytes.expect("hexadecimal digits")
}

fn query() -> Vec<u8> {
    payload(include_str!("../packets/dns.hex"))
}

/// A segment with a ClientHello.
fn hello() -> Vec<u8> {
    let [from, to] = addresses();
    let tcp = Tcp {
        flags: flag::ACK | flag::PSH,
        ..Tcp::default()
    };
    let record = payload(include_str!("../packets/tls.hex"));
    frame::tcp(from, to, (4001, 443), &tcp, &record)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let words: Vec<&String> = arguments.iter().filter(|word| *word != "--json").collect();
    let [puc, luajit, words @ ..] = &words[..] else {
        anyhow::bail!("packetscript-bench PUC LUAJIT [--json] [WORD…]");
    };
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::env::current_exe()?.with_file_name("criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .output_directory(&output);
    let mut peers = vec![
        ("puc", peer::Peer::start(puc, false)?),
        ("luajit-off", peer::Peer::start(luajit, true)?),
        ("luajit-on", peer::Peer::start(luajit, false)?),
    ];
    let mut ran = Vec::new();
    let generic = PROGRAMS.map(|name| (name, PathBuf::from(format!("programs/{name}.lua")), None));
    let packets = packets().map(|(name, file, packet)| (name, PathBuf::from(file), Some(packet)));
    for (name, file, packet) in generic.into_iter().chain(packets).filter(|it| wanted(it.0)) {
        let path = here.join(&file);
        let group = if packet.is_some() {
            "packets"
        } else {
            "programs"
        };
        let mut engine = engine::Engine::load(&path, packet.as_deref())?;
        for (_, peer) in &mut peers {
            peer.load(&path, packet.as_deref())?;
        }
        agree(name, &mut engine, &mut peers)?;
        let mut bench = criterion.benchmark_group(format!("{group}-{name}"));
        measure(&mut bench, "packetscript", &mut engine);
        for (peer_name, peer) in &mut peers {
            measure(&mut bench, peer_name, peer);
        }
        bench.finish();
        ran.push((group, name));
    }
    ensure!(!ran.is_empty(), "no program of such a name");
    let rows = report::read(&output, &ran).context("reading what criterion found")?;
    print!(
        "{}",
        if json {
            report::json(&rows)
        } else {
            report::table(&rows)
        }
    );
    Ok(())
}

type Group<'c> = criterion::BenchmarkGroup<'c, criterion::measurement::WallTime>;

fn measure(group: &mut Group, name: &str, runner: &mut dyn Runner) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| match runner.run(times) {
            Ok((time, _)) => time,
            Err(error) => panic!("{name}: {error:#}"),
        });
    });
}

/// All must come to the same result, or there is nothing to compare.
fn agree(name: &str, engine: &mut dyn Runner, peers: &mut [(&str, peer::Peer)]) -> Result<()> {
    let (_, ours) = engine.run(2)?;
    for (peer_name, peer) in peers {
        let (_, theirs) = peer.run(2)?;
        ensure!(
            ours == theirs,
            "{name}: {ours} here, {theirs} with {peer_name}"
        );
    }
    Ok(())
}
