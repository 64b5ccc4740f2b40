// SPDX-License-Identifier: GPL-2.0-only
//! Tests of a script: `NAME_test.lua` beside `NAME.lua`, a Lua program that returns runs.
//!
//! It is run by PUC Lua with its whole library, so a test may compute its cases or read them from
//! a file. Each run loads the script afresh and sends its packets in order; see examples/README.md
//! for the fields. Beyond them a packet may have `check`, a function that is called with what came
//! of it: `{ verdict, reason, fuel, mark, ct_mark, packet }`, where `packet` is the bytes after the script.

use crate::error::{Error, Result};
use mlua::{Function, Lua, Table, Value};
use packetscript_engine::host::{Conntrack, FAMILY_IPV4, FAMILY_IPV6, Tuple};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A file of tests.
pub struct Cases {
    /// The script that is tested.
    pub script: PathBuf,
    /// What it goes through.
    pub runs: Vec<Run>,
    /// Keeps the functions alive.
    lua: Lua,
}

/// One life of the script.
pub struct Run {
    /// `KEY=VALUE`.
    pub args: Vec<(String, String)>,
    /// It must not load, with an error that holds this text.
    pub fails: Option<String>,
    /// What is sent.
    pub packets: Vec<Packet>,
}

/// A packet and what is expected of it.
pub struct Packet {
    /// Load the script anew first; named maps stay.
    pub reload: bool,
    /// Move the clock on to so many milliseconds first, and run the timers that are due meanwhile.
    pub at: Option<u64>,
    /// Send it so often; 0 lets time pass and sends nothing.
    pub times: u32,
    /// The connection that it belongs to, and the connection's number.
    pub ct: Option<(Conntrack, u32)>,
    /// What is sent.
    pub frame: Frame,
    /// Its mark.
    pub mark: u32,
    /// The interface that it came in by, and the one that it leaves by.
    pub interfaces: [Option<String>; 2],
    /// The hook, as Netfilter numbers it.
    pub hook: u8,
    /// Call this global function instead of process_packet.
    pub function: Option<String>,
    /// Verdict of the last one, as the script writes it.
    pub expect: Option<String>,
    /// What came beside the verdict.
    pub reason: Option<String>,
    /// An error with this text must come of it; of a timer, when nothing is sent.
    pub error: Option<String>,
    /// A line with this text must have been printed, by a timer before it or by the packet.
    pub printed: Option<String>,
    /// Called with the outcome.
    check: Option<Function>,
}

/// What a packet is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// udp, tcp, icmp, neighbour.
    pub proto: String,
    /// From.
    pub src: IpAddr,
    /// To.
    pub dst: IpAddr,
    /// Ports, where there are some.
    pub ports: (u16, u16),
    /// The flags of TCP.
    pub flags: u8,
    /// What it carries.
    pub payload: Vec<u8>,
    /// Or all of it, from the network header on.
    pub raw: Option<Vec<u8>>,
}

/// What came of a packet, for its `check`.
pub struct Outcome<'a> {
    /// As the script writes it.
    pub verdict: &'a str,
    /// What came beside it.
    pub reason: Option<&'a str>,
    /// Fuel used.
    pub fuel: u64,
    /// The packet's mark.
    pub mark: u32,
    /// The mark of its connection.
    pub ct_mark: Option<u32>,
    /// Its bytes.
    pub packet: &'a [u8],
}

/// The script that a file of tests is about.
pub fn script_of(test: &Path) -> Result<PathBuf> {
    let name = test
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match name.strip_suffix("_test.lua") {
        Some(stem) if !stem.is_empty() => Ok(test.with_file_name(format!("{stem}.lua"))),
        _ => Err(Error::Data(format!(
            "{}: the name of a test is the script's with _test.lua",
            test.display()
        ))),
    }
}

/// Reads a file of tests.
pub fn read(path: &Path) -> Result<Cases> {
    let script = script_of(path)?;
    let text = std::fs::read(path).map_err(|why| Error::file(path, &why))?;
    let lua = Lua::new();
    let name = path.display().to_string();
    let wrong = |error: &mlua::Error| Error::Script(message(error));
    beside(&lua, path).map_err(|error| wrong(&error))?;
    let runs = lua
        .load(text)
        .set_name(format!("@{name}"))
        .eval::<Table>()
        .and_then(|list| {
            list.sequence_values::<Table>()
                .enumerate()
                .map(|(number, run)| {
                    let run = run?;
                    run_of(&run).map_err(|error| {
                        mlua::Error::runtime(format!(
                            "{name}: run {}: {}",
                            number + 1,
                            message(&error)
                        ))
                    })
                })
                .collect::<mlua::Result<Vec<Run>>>()
        })
        .map_err(|error| wrong(&error))?;
    if runs.is_empty() {
        return Err(Error::Data(format!(
            "{name}: there is no run in it, so nothing is tested"
        )));
    }
    Ok(Cases { script, runs, lua })
}

/// `require` finds helpers beside the test.
fn beside(lua: &Lua, path: &Path) -> mlua::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("")).join("?.lua");
    let package: Table = lua.globals().get("package")?;
    package.set("path", folder.to_string_lossy().into_owned())
}

/// The text of an error without PUC's traceback of the harness around it.
fn message(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::CallbackError { cause, .. } => return message(cause),
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => {
            text.clone()
        }
        other => other.to_string(),
    };
    let text = text.split("\nstack traceback:").next().unwrap_or(&text);
    text.to_owned()
}

fn run_of(run: &Table) -> mlua::Result<Run> {
    let mut args = Vec::new();
    if let Some(table) = run.get::<Option<Table>>("args")? {
        for pair in table.pairs::<String, Value>() {
            let (key, value) = pair?;
            args.push((key, value.to_string()?));
        }
        args.sort();
    }
    let fails: Option<String> = run.get("fails")?;
    let packets = run
        .sequence_values::<Table>()
        .enumerate()
        .map(|(number, packet)| {
            packet_of(&packet?).map_err(|error| {
                mlua::Error::runtime(format!("packet {}: {}", number + 1, message(&error)))
            })
        })
        .collect::<mlua::Result<Vec<Packet>>>()?;
    if packets.is_empty() && fails.is_none() {
        return Err(mlua::Error::runtime(
            "neither packets nor fails: nothing is tested",
        ));
    }
    Ok(Run {
        args,
        fails,
        packets,
    })
}

fn packet_of(packet: &Table) -> mlua::Result<Packet> {
    const FIELDS: [&str; 22] = [
        "proto", "src", "dst", "sport", "dport", "flags", "payload", "raw", "mark", "iifname",
        "oifname", "hook", "ct", "reload", "at", "times", "function", "expect", "reason", "error",
        "printed", "check",
    ];
    for pair in packet.pairs::<String, Value>() {
        let (key, _) = pair?;
        if !FIELDS.contains(&key.as_str()) {
            return Err(mlua::Error::runtime(format!(
                "unknown field {key:?}; there are {}",
                FIELDS.join(", ")
            )));
        }
    }
    let address = |field: &str, default: &str| -> mlua::Result<IpAddr> {
        let text = packet
            .get::<Option<String>>(field)?
            .unwrap_or_else(|| default.to_owned());
        text.parse()
            .map_err(|_| mlua::Error::runtime(format!("{field}: {text:?} is no address")))
    };
    let bytes = |field: &str| -> mlua::Result<Option<Vec<u8>>> {
        Ok(packet
            .get::<Option<mlua::LuaString>>(field)?
            .map(|text| text.as_bytes().to_vec()))
    };
    let proto: String = packet
        .get::<Option<String>>("proto")?
        .unwrap_or_else(|| "udp".to_owned());
    if !matches!(proto.as_str(), "udp" | "tcp" | "icmp" | "neighbour") {
        return Err(mlua::Error::runtime(format!(
            "proto: {proto:?} is none of udp, tcp, icmp, neighbour"
        )));
    }
    let src = address("src", "192.0.2.1")?;
    let dst = address(
        "dst",
        if src.is_ipv4() {
            "192.0.2.2"
        } else {
            "2001:db8::2"
        },
    )?;
    if src.is_ipv4() != dst.is_ipv4() {
        return Err(mlua::Error::runtime(format!(
            "{src} and {dst} are of different IP versions"
        )));
    }
    let frame = Frame {
        proto,
        src,
        dst,
        ports: (
            packet.get::<Option<u16>>("sport")?.unwrap_or(4000),
            packet.get::<Option<u16>>("dport")?.unwrap_or(80),
        ),
        flags: tcp_flags(packet.get::<Option<String>>("flags")?.as_deref())?,
        payload: bytes("payload")?.unwrap_or_default(),
        raw: bytes("raw")?,
    };
    let ct: Option<Table> = packet.get("ct")?;
    let out = Packet {
        reload: packet.get::<Option<bool>>("reload")?.unwrap_or(false),
        at: packet.get("at")?,
        times: packet.get::<Option<u32>>("times")?.unwrap_or(1),
        ct: ct.map(|ct| connection(&ct, &frame)).transpose()?,
        frame,
        mark: packet.get::<Option<u32>>("mark")?.unwrap_or(0),
        interfaces: [packet.get("iifname")?, packet.get("oifname")?],
        hook: hook(packet.get::<Option<String>>("hook")?.as_deref())?,
        function: packet.get("function")?,
        expect: packet.get("expect")?,
        reason: packet.get("reason")?,
        error: packet.get("error")?,
        printed: packet.get("printed")?,
        check: packet.get("check")?,
    };
    if out.times == 0 && (out.expect.is_some() || out.check.is_some()) {
        return Err(mlua::Error::runtime(
            "times = 0 sends nothing, so there is no verdict: use printed or error",
        ));
    }
    let of_packet = out.expect.is_none() && out.check.is_none();
    // Letting time pass is a step on the way to a test.
    if of_packet && out.error.is_none() && out.printed.is_none() && out.times > 0 {
        return Err(mlua::Error::runtime(
            "none of expect, error, printed, check: nothing is tested",
        ));
    }
    Ok(out)
}

/// Flags by their first letters, as packet dumps write them; an acknowledgement alone by default.
fn tcp_flags(letters: Option<&str>) -> mlua::Result<u8> {
    const LETTERS: &str = "FSRPAUEC";
    letters.unwrap_or("A").chars().try_fold(0, |flags, letter| {
        let bit = LETTERS.find(letter).ok_or_else(|| {
            mlua::Error::runtime(format!("flags: {letter:?} is none of {LETTERS}"))
        })?;
        Ok(flags | 1 << bit)
    })
}

/// The number of a hook.
fn hook(name: Option<&str>) -> mlua::Result<u8> {
    const HOOKS: [&str; 5] = ["prerouting", "input", "forward", "output", "postrouting"];
    let name = name.unwrap_or(HOOKS[0]);
    let number = HOOKS.iter().position(|hook| *hook == name).ok_or_else(|| {
        mlua::Error::runtime(format!("hook: {name:?} is none of {}", HOOKS.join(", ")))
    })?;
    Ok(number as u8)
}

/// The connection that a test puts a packet into: unless it says otherwise, the packet is the first
/// of it, and answers come back the same way.
fn connection(ct: &Table, frame: &Frame) -> mlua::Result<(Conntrack, u32)> {
    for pair in ct.pairs::<String, Value>() {
        let (key, _) = pair?;
        if !["state", "mark", "id", "orig", "reply"].contains(&key.as_str()) {
            return Err(mlua::Error::runtime(format!(
                "ct: unknown field {key:?}; there are state, mark, id, orig, reply"
            )));
        }
    }
    let state = ct
        .get::<Option<String>>("state")?
        .unwrap_or_else(|| "new".to_owned());
    let Some(number) = Conntrack::STATES.iter().position(|name| *name == state) else {
        return Err(mlua::Error::runtime(format!(
            "ct: state {state:?} is none of {}",
            Conntrack::STATES.join(", ")
        )));
    };
    let mut known = Conntrack {
        state: number as u32,
        ..Conntrack::default()
    };
    if state == "untracked" {
        return Ok((known, 0));
    }
    known.mark = ct.get::<Option<u32>>("mark")?.unwrap_or(0);
    known.family = if frame.src.is_ipv4() {
        FAMILY_IPV4
    } else {
        FAMILY_IPV6
    };
    known.proto = match (frame.proto.as_str(), frame.src.is_ipv4()) {
        ("udp", _) => 17,
        ("tcp", _) => 6,
        (_, true) => 1,
        (_, false) => 58,
    };
    let original: Option<Table> = ct.get("orig")?;
    let reply: Option<Table> = ct.get("reply")?;
    let (sport, dport) = frame.ports;
    known.tuples = [
        tuple(original.as_ref(), frame.src, frame.dst, (sport, dport))?,
        tuple(reply.as_ref(), frame.dst, frame.src, (dport, sport))?,
    ];
    Ok((known, ct.get::<Option<u32>>("id")?.unwrap_or(1)))
}

fn tuple(
    table: Option<&Table>,
    src: IpAddr,
    dst: IpAddr,
    ports: (u16, u16),
) -> mlua::Result<Tuple> {
    let address = |name: &str, default: IpAddr| -> mlua::Result<[u8; 16]> {
        let text: Option<String> = match table {
            Some(table) => table.get(name)?,
            None => None,
        };
        let address = match text {
            Some(text) => text
                .parse()
                .map_err(|_| mlua::Error::runtime(format!("ct: {name}: {text:?} is no address")))?,
            None => default,
        };
        let mut bytes = [0; 16];
        match address {
            IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes = address.octets(),
        }
        Ok(bytes)
    };
    let port = |name: &str, default: u16| -> mlua::Result<u16> {
        let port = match table {
            Some(table) => table.get::<Option<u16>>(name)?,
            None => None,
        };
        Ok(port.unwrap_or(default))
    };
    Ok(Tuple {
        src: address("src", src)?,
        dst: address("dst", dst)?,
        sport: port("sport", ports.0)?,
        dport: port("dport", ports.1)?,
    })
}

impl Cases {
    /// Calls a packet's `check`; answers what it complained about.
    pub fn check(&self, packet: &Packet, outcome: &Outcome) -> Option<String> {
        let check = packet.check.as_ref()?;
        let call = || -> mlua::Result<()> {
            let table = self.lua.create_table()?;
            table.set("verdict", outcome.verdict)?;
            table.set("reason", outcome.reason)?;
            table.set("fuel", outcome.fuel)?;
            table.set("mark", outcome.mark)?;
            table.set("ct_mark", outcome.ct_mark)?;
            table.set("packet", self.lua.create_string(outcome.packet)?)?;
            check.call::<()>(table)
        };
        call().err().map(|error| message(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(text: &str) -> Result<Cases> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x_test.lua");
        std::fs::write(folder.path().join("helper.lua"), "return { port = 53 }").unwrap();
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_test_is_a_lua_program() {
        let cases = cases(
            "local h = require 'helper'\n\
             local run = { args = { b = 2, a = true } }\n\
             for i = 1, 3 do run[i] = { dport = h.port, payload = ('x'):rep(i), expect = 'DROP' } end\n\
             return { run, { fails = 'no' } }",
        )
        .unwrap();
        assert_eq!(cases.runs.len(), 2);
        assert_eq!(
            cases.runs[0].args,
            [
                ("a".to_owned(), "true".to_owned()),
                ("b".to_owned(), "2".to_owned())
            ]
        );
        assert_eq!(cases.runs[0].packets[2].frame.payload, b"xxx");
        assert_eq!(cases.runs[0].packets[2].frame.ports, (4000, 53));
        assert_eq!(cases.runs[1].fails.as_deref(), Some("no"));
        assert!(cases.script.ends_with("x.lua"));
    }

    #[test]
    fn a_test_that_tests_nothing_is_an_error() {
        for (text, wanted) in [
            ("return {}", "nothing is tested"),
            ("return { {} }", "run 1: neither packets nor fails"),
            ("return { { {} } }", "run 1: packet 1: none of expect"),
            (
                "return { { { expct = 'DROP' } } }",
                "unknown field \"expct\"",
            ),
            (
                "return { { { src = 'x', expect = 'DROP' } } }",
                "\"x\" is no address",
            ),
            (
                "return { { { src = '::1', dst = '1.1.1.1', expect = 'DROP' } } }",
                "different IP versions",
            ),
            (
                "return { { { at = 5, times = 0, expect = 'DROP' } } }",
                "times = 0 sends nothing",
            ),
            (
                "return { { { ct = { state = 'old' }, expect = 'DROP' } } }",
                "ct: state \"old\" is none of new, established",
            ),
            (
                "return { { { ct = { orig = { src = 'x' } }, expect = 'DROP' } } }",
                "ct: src: \"x\" is no address",
            ),
            (
                "return { { { ct = { marks = 1 }, expect = 'DROP' } } }",
                "ct: unknown field \"marks\"",
            ),
            (
                "return { { { flags = 'SX', expect = 'DROP' } } }",
                "flags: 'X' is none of FSRPAUEC",
            ),
            (
                "return { { { hook = 'entry', expect = 'DROP' } } }",
                "hook: \"entry\" is none of prerouting, input",
            ),
            ("x = = 1", "x_test.lua:1: unexpected symbol near '='"),
            ("error 'away'", "x_test.lua:1: away"),
        ] {
            let error = cases(text).err().unwrap().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn check_sees_the_outcome_and_may_complain() {
        let cases = cases(
            "return { { { check = function(o) assert(o.packet == 'ab' and o.verdict == 'DROP', 'not so') end } } }",
        )
        .unwrap();
        let packet = &cases.runs[0].packets[0];
        let mut outcome = Outcome {
            verdict: "DROP",
            reason: None,
            fuel: 1,
            mark: 0,
            ct_mark: None,
            packet: b"ab",
        };
        assert_eq!(cases.check(packet, &outcome), None);
        outcome.verdict = "ACCEPT";
        assert!(cases.check(packet, &outcome).unwrap().ends_with("not so"));
    }
}
