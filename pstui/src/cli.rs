// SPDX-License-Identifier: GPL-2.0-only
//! The command line: one table, from which help, man page and completions come as well.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

/// Lua on packets, in the kernel: the console and the command line of PacketScript.
#[derive(Debug, Parser)]
#[command(
    name = "pstui",
    version,
    after_help = "Without a command, on a terminal, pstui is the console. Exit status: 0 done, 1 refused or wrong, \
                  2 wrong command line, 3 the kernel module is not there, 4 no permission."
)]
pub struct Cli {
    /// How the console looks and what it watches.
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// What to do; nothing: the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of the console.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// Only watch: nothing can be loaded, unloaded or changed
    #[arg(long)]
    pub read_only: bool,
    /// Seconds between two looks at the kernel
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = interval)]
    pub interval: f64,
    /// Colours; the environment variable NO_COLOR means mono
    #[arg(long, value_enum, value_name = "THEME", env = "PSTUI_THEME")]
    pub theme: Option<ThemeName>,
    /// Look at a recording (see `pstui record`) instead of the running kernel
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number from 0.1 to 3600".to_owned()),
    }
}

/// The themes' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThemeName {
    /// Soft colours on a dark background
    Calm,
    /// The same for a light background
    Light,
    /// The terminal's own sixteen colours
    Basic,
    /// No colours
    Mono,
}

impl ThemeName {
    /// As the table of themes calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Light => "light",
            Self::Basic => "basic",
            Self::Mono => "mono",
        }
    }
}

/// What pstui can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show scripts, rules and hooks once
    Status(Status),
    /// Load a script, and keep it loaded until it is unloaded
    Load(Load),
    /// Forget a script that `load` keeps
    Unload(Unload),
    /// Load a script's file again and move every rule of its name to the new version at once
    Reload(Reload),
    /// Set counters to zero
    Reset(Reset),
    /// Print the text of a loaded script
    Source(Source),
    /// Compile scripts, load them in user space and give them every kind of packet
    Check(Check),
    /// Run plain Lua on the engine
    Lua(Lua),
    /// Give the packets of a capture to a script, in user space
    ///
    /// Every IPv4 and IPv6 packet goes to the script as it would from a rule, in the order of the file; its clock and its
    /// timers follow the packets' time stamps. What it prints, its errors and a summary come out. An error counts as DROP
    /// unless --on-error says otherwise. Links: Ethernet with VLAN tags, raw IP, Linux cooked, BSD loopback.
    Run(Run),
    /// Run tests written in Lua against scripts
    Test(Test),
    /// Make the kernel have what a manifest says
    Apply(Apply),
    /// Print a manifest of what the kernel has
    Export(Export),
    /// Find out what is wrong with this installation
    Doctor(Json),
    /// Record what the kernel shows, for `--replay`
    Record(Record),
    /// Print a shell's completions
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

/// The option that all reports have.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON (the schema is stable: see pstui/doc/json.md)
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Look at the beginning of a recording instead of the running kernel
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The script
    pub file: PathBuf,
    /// Its name; by default the file's
    #[arg(long)]
    pub name: Option<String>,
    /// A parameter, in the script's table args; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `unload`.
#[derive(Debug, Args)]
pub struct Unload {
    /// The script's name
    pub name: String,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `reload`.
#[derive(Debug, Args)]
pub struct Reload {
    /// The script's name
    pub name: String,
    /// Another file than the one that it came from
    pub file: Option<PathBuf>,
    /// New parameters in place of the old ones; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// Only the rules of this script
    pub name: Option<String>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `source`.
#[derive(Debug, Args)]
pub struct Source {
    /// The script's name
    pub name: String,
    /// Which version; by default the newest
    #[arg(long, value_name = "HASH")]
    pub version: Option<String>,
    /// Look into a recording instead of the running kernel
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// What bounds a script, as options of a rule do.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limits {
    /// Fuel of a packet (about 50 machine instructions each), with k, M or G
    #[arg(long, value_name = "UNITS", default_value_t = packetscript_abi::border::FUEL_DEFAULT, value_parser = fuel)]
    pub fuel: u64,
    /// Bytes of memory, with k, M or G
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = memory)]
    pub memory: u64,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The scripts
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// A parameter, in the script's table args; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// The function that gets the packets; by default process_packet, if there is one
    #[arg(long)]
    pub function: Option<String>,
    /// As a rule's.
    #[command(flatten)]
    pub limits: Limits,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `lua`.
#[derive(Debug, Args)]
pub struct Lua {
    /// Run this text; a FILE that follows runs after it
    #[arg(short = 'e', value_name = "CHUNK")]
    pub execute: Vec<String>,
    /// Print what the compiler makes of it instead of running it
    #[arg(long)]
    pub list: bool,
    /// With --list: compile it as a packet script, where verdicts are constants
    #[arg(long, requires = "list")]
    pub packet: bool,
    /// Bytes of memory, with k, M or G
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = amount)]
    pub memory: u64,
    /// Stop after so much fuel (about 50 machine instructions each); by default never
    #[arg(long, value_name = "UNITS", value_parser = amount)]
    pub fuel: Option<u64>,
    /// The script (- is the standard input; none with -e), then what it finds in its table arg
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FILE [ARG]",
        required_unless_present = "execute"
    )]
    pub rest: Vec<OsString>,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The script
    pub file: PathBuf,
    /// The capture, pcap or pcapng; - is the standard input
    #[arg(long, value_name = "IN")]
    pub pcap: PathBuf,
    /// Write a capture of what gets through (ACCEPT and CONTINUE), as the script leaves it; other protocols' frames as they are
    #[arg(long, value_name = "OUT")]
    pub write: Option<PathBuf>,
    /// The hook in which the script sees the packets
    #[arg(long, value_enum, value_name = "HOOK", default_value_t = Hook::Forward)]
    pub hook: Hook,
    /// The interface that they came in by; by default none
    #[arg(long = "in", value_name = "IF", value_parser = interface)]
    pub input: Option<String>,
    /// The interface that they leave by; by default none
    #[arg(long = "out", value_name = "IF", value_parser = interface)]
    pub output: Option<String>,
    /// The function that gets the packets
    #[arg(long, value_name = "NAME", default_value = packetscript_abi::border::DEFAULT_FUNCTION)]
    pub function: String,
    /// A parameter, in the script's table args; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// What becomes of a packet whose function fails
    #[arg(long, value_enum, value_name = "VERDICT", default_value_t = OnError::Drop)]
    pub on_error: OnError,
    /// As a rule's.
    #[command(flatten)]
    pub limits: Limits,
    /// Stop after so many packets
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Say of each packet what became of it
    #[arg(short, long)]
    pub verbose: bool,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// The hooks, as Netfilter numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hook {
    /// Before routing
    Prerouting,
    /// To this machine
    Input,
    /// Through this machine
    Forward,
    /// From this machine
    Output,
    /// After routing
    Postrouting,
}

impl Hook {
    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }
}

/// What becomes of packets whose function fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// They are dropped
    Drop,
    /// They are accepted
    Accept,
    /// The next rule decides
    Continue,
}

/// A name that the kernel would give an interface.
fn interface(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c == '/';
    if text.is_empty() || text.len() > 15 || text.contains(odd) {
        return Err("an interface has a name of 1 to 15 bytes".to_owned());
    }
    Ok(text.to_owned())
}

fn fuel(text: &str) -> Result<u64, String> {
    match amount(text)? {
        0 => Err("at least 1".to_owned()),
        fuel => Ok(fuel),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    use packetscript_abi::{border::MEMORY_MIN, names::format_amount};
    match amount(text)? {
        bytes if bytes < MEMORY_MIN => Err(format!("at least {}", format_amount(MEMORY_MIN))),
        bytes => Ok(bytes),
    }
}

fn amount(text: &str) -> Result<u64, String> {
    packetscript_abi::names::parse_amount(text)
}

/// Options of `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Files ending in _test.lua; a folder means all of them inside
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The manifest
    pub file: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// As JSON, not YAML.
    #[command(flatten)]
    pub json: Json,
}

/// Options of `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// The file to write
    pub file: PathBuf,
    /// Stop after so many seconds; by default at Ctrl-C
    #[arg(long)]
    pub seconds: Option<u64>,
}
