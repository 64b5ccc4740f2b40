// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel shows at one moment. These types are also the stable `--json` schema, so a
//! field is added at the end and never renamed: see `doc/json.md`.

pub use packetscript_abi::proc::Script;
use serde::Serialize;
use std::time::Duration;

/// Counters that rules and hooks share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Packets seen.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Verdict ACCEPT.
    pub accept: u64,
    /// Verdict DROP.
    pub drop: u64,
    /// Verdict CONTINUE.
    #[serde(rename = "continue")]
    pub pass: u64,
    /// Verdict QUEUE.
    pub queue: u64,
    /// Verdict REJECT.
    pub reject: u64,
    /// Verdict REPEAT.
    pub repeat: u64,
    /// Verdict STOLEN.
    pub stolen: u64,
    /// Packets that ended in an error.
    pub errors: u64,
    /// Fuel used.
    pub fuel: u64,
    /// Nanoseconds used, sampled.
    pub time: u64,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Given by the kernel; stays when other rules change.
    pub id: u64,
    /// Name of its script.
    pub name: String,
    /// Version of its script.
    pub hash: String,
    /// The Lua function it calls.
    pub function: String,
    /// Which environment of the version.
    pub state: u64,
    /// ipv4, ipv6, arp or bridge.
    pub family: String,
    /// filter, mangle, …
    pub table: String,
    /// The hooks that can reach it; empty where the kernel does not know (nft user chains).
    pub hooks: Vec<String>,
    /// drop, accept or continue.
    pub on_error: String,
    /// shared or cpu.
    pub scope: String,
    /// Fuel for a packet.
    pub fuel_limit: u64,
    /// What it did so far.
    pub counters: Counters,
}

/// A hook of a family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// ipv4, ipv6, arp or bridge.
    pub family: String,
    /// PREROUTING, INPUT, …
    pub hook: String,
    /// Rules that can be reached from it.
    pub rules: u64,
    /// What went on there.
    pub counters: Counters,
}

/// All of it, read at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// A clock that only goes forward: what rates are computed with.
    pub at: Duration,
    /// Seconds since the epoch: what ages are computed with.
    pub wall: u64,
    /// A row for each version.
    pub scripts: Vec<Script>,
    /// A row for each rule.
    pub rules: Vec<Rule>,
    /// A row for each family and hook.
    pub hooks: Vec<Hook>,
}

/// What a snapshot was taken of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// Name of the machine.
    pub host: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Version of the module; none where it is not known.
    pub module: Option<String>,
}

/// The text of a loaded script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScriptText {
    /// Name of the script.
    pub name: String,
    /// Its version.
    pub hash: String,
    /// Where it came from.
    pub path: Option<String>,
    /// `KEY=VALUE`, in the order given.
    pub args: Vec<String>,
    /// The script first, then its modules: name and text.
    pub chunks: Vec<(String, String)>,
}
