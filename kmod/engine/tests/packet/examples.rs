// SPDX-License-Identifier: GPL-2.0-only
//! Runs what examples/ promises: each script over the cases beside it, and each block of API.md.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mlua::{Lua, Table};
use packetscript_engine::host::frame::{self, Tcp, flag};
use packetscript_engine::host::user::{UserPacket, set_clock};

use crate::script::Script;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The packet that a case describes.
fn packet(case: &Table) -> mlua::Result<UserPacket> {
    let ip = |name: &str| -> mlua::Result<IpAddr> {
        let text: String = case.get(name)?;
        text.parse().map_err(mlua::Error::external)
    };
    let (src, dst) = (ip("src")?, ip("dst")?);
    let payload: Option<mlua::LuaString> = case.get("payload")?;
    let payload = payload
        .map(|text| text.as_bytes().to_vec())
        .unwrap_or_default();
    let port = |name: &str| case.get::<Option<u16>>(name).map(Option::unwrap_or_default);
    let (sport, dport) = (port("sport")?, port("dport")?);
    let bytes = match case.get::<String>("proto")?.as_str() {
        "udp" => frame::udp(src, dst, sport, dport, &payload),
        "tcp" => {
            let flags = match case.get::<Option<String>>("flags")?.as_deref() {
                None | Some("A") => flag::ACK,
                Some("S") => flag::SYN,
                Some("SA") => flag::SYN | flag::ACK,
                Some(other) => panic!("no flags are called '{other}'"),
            };
            let tcp = Tcp {
                flags,
                window: 1000,
                ..Tcp::default()
            };
            frame::tcp(src, dst, (sport, dport), &tcp, &payload)
        }
        "icmp" => frame::echo(src, dst, false, 1, 1, &payload),
        "neighbour" => {
            let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
            message.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
            frame::ip(src, dst, 58, message)
        }
        other => panic!("no packet is called '{other}'"),
    };
    Ok(UserPacket::new(&bytes))
}

/// Runs the cases of one file; gives how many packets were sent.
fn run_cases(script: &Path, cases: &Path) -> usize {
    let name = script.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(script).unwrap();
    let lua = Lua::new();
    let runs: Table = lua
        .load(std::fs::read_to_string(cases).unwrap())
        .eval()
        .unwrap();
    let mut sent = 0;
    for (number, run) in runs.sequence_values::<Table>().enumerate() {
        let run = run.unwrap();
        let args: Vec<(String, String)> = match run.get::<Option<Table>>("args").unwrap() {
            Some(args) => args.pairs().collect::<mlua::Result<_>>().unwrap(),
            None => vec![],
        };
        // Time stands still until a case moves it.
        set_clock(Some(0));
        let loaded = Script::load(name, &text, &args);
        if let Some(fails) = run.get::<Option<String>>("fails").unwrap() {
            let message = loaded
                .err()
                .unwrap_or_else(|| panic!("{name}: run {number} loads"));
            assert!(message.contains(&fails), "{name}: run {number}: {message}");
            continue;
        }
        let mut script = loaded.unwrap_or_else(|e| panic!("{name}: run {number}: {e}"));
        for (step, case) in run.sequence_values::<Table>().enumerate() {
            let case = case.unwrap();
            if let Some(at) = case.get::<Option<u64>>("at").unwrap() {
                assert_eq!(script.advance_to(at), Vec::<String>::new());
            }
            let mut last = None;
            for _ in 0..case.get::<Option<u32>>("times").unwrap().unwrap_or(1) {
                last = Some(script.run(&mut packet(&case).unwrap()));
                sent += 1;
            }
            let (verdict, _, reason) = last.unwrap().unwrap_or_else(|e| panic!("{name}: {e}"));
            let place = format!("{name}: run {number}, packet {step}");
            assert_eq!(verdict, case.get::<String>("expect").unwrap(), "{place}");
            assert_eq!(
                reason,
                case.get::<Option<String>>("reason").unwrap(),
                "{place}"
            );
        }
    }
    set_clock(None);
    sent
}

#[test]
fn every_example_does_what_its_cases_say() {
    let mut scripts = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let Some(stem) = name.strip_suffix(".lua") else {
            continue;
        };
        if stem.ends_with("_test") {
            continue;
        }
        let cases = path.with_file_name(format!("{stem}_test.lua"));
        assert!(cases.exists(), "{name} has no cases");
        assert!(run_cases(&path, &cases) > 0, "{name} was sent nothing");
        scripts += 1;
    }
    assert!(scripts >= 4);
}

#[test]
fn the_blocks_of_the_reference_run() {
    let text = std::fs::read_to_string(examples().join("API.md")).unwrap();
    let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(b"\x03www\x07example\x03com\x00\x00\x01\x00\x01");
    let mut bytes = frame::udp(a, b, 4000, 53, b"payload");
    let mut blocks = 0;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.starts_with("Given the DNS query") {
            bytes = frame::udp(a, b, 4000, 53, &query);
        }
        if line != "```lua" {
            continue;
        }
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        // The lines of messages are those of the page.
        let (before, body) = ("\n".repeat(number), body.join("\n"));
        let source = format!("{before}function process_packet(p)\n{body}\nend");
        let mut script = Script::load("API.md", &source, &[]).unwrap();
        if let Err(message) = script.run(&mut UserPacket::new(&bytes)) {
            panic!("{message}");
        }
        blocks += 1;
    }
    assert!(blocks >= 9, "{blocks}");
}

/// The reference and the editors' definitions name every field, and which may be written.
#[test]
fn every_field_is_described() {
    use packetscript_engine::packet::fields::{FIELDS, Kind, What};
    let types = std::fs::read_to_string(examples().join("types/packetscript.lua")).unwrap();
    let reference = std::fs::read_to_string(examples().join("API.md")).unwrap();
    for field in FIELDS {
        let (name, root) = (field.name, field.kind == Kind::Root);
        let class = if root {
            "packet".into()
        } else {
            format!("packet.{}", field.kind.name())
        };
        let start = types.find(&format!("---@class {class}\n")).expect(&class);
        let class = types[start..].split("\n\n").next().unwrap();
        let shown = if root {
            format!("`p.{name}`")
        } else {
            format!("`{name}`")
        };
        if matches!(field.what, What::Method(_)) {
            assert!(
                types.contains(&format!("function packet:{name}(")),
                "{name}"
            );
            assert!(reference.contains(&format!("`p:{name}(")), "{name}");
            continue;
        }
        let line = class
            .lines()
            .find(|line| line.starts_with(&format!("---@field {name} ")));
        let line = line.unwrap_or_else(|| panic!("{class}\nlacks {name}"));
        assert_eq!(line.contains("writable"), field.writable, "{line}");
        assert!(reference.contains(&shown), "API.md lacks {shown}");
    }
}

/// Every function that a script finds: its library ("" for globals) and its name.
fn functions() -> Vec<(&'static str, &'static str)> {
    use packetscript_engine::vm::LIBRARIES;
    let mut all = Vec::new();
    for library in LIBRARIES {
        let name = if library.name == "*" {
            ""
        } else {
            library.name
        };
        all.extend(
            library
                .natives
                .iter()
                .filter(|native| native.public)
                .map(|native| (name, native.name)),
        );
    }
    all
}

/// The reference has a line and an example for every function of every library, and the editors'
/// definitions know those that Lua's own do not.
#[test]
fn every_function_is_described_and_tried() {
    let types = std::fs::read_to_string(examples().join("types/packetscript.lua")).unwrap();
    let reference = std::fs::read_to_string(examples().join("API.md")).unwrap();
    let tried: String = reference
        .split("```lua\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let all = functions();
    assert!(all.len() > 90, "{}", all.len());
    let ours = packetscript_engine::packet::library::LIBRARY.natives;
    for (library, name) in all {
        let full = if library.is_empty() {
            name.to_string()
        } else {
            format!("{library}.{name}")
        };
        let described = [format!("`{full}("), format!("`{full}{{")];
        assert!(
            described.iter().any(|text| reference.contains(text)),
            "API.md does not describe {full}"
        );
        // Functions of strings are methods too.
        let as_method = format!(":{name}");
        let used = tried.match_indices(name).any(|(at, _)| {
            let before = &tried[..at];
            let behind = tried[at + name.len()..].chars().next();
            let ends = !behind.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let begins = if library.is_empty() {
                !before.ends_with(|c: char| c.is_alphanumeric() || ".:_".contains(c))
            } else {
                before.ends_with(&format!("{library}."))
                    || library == "string" && before.ends_with(as_method.trim_end_matches(name))
            };
            ends && begins
        });
        assert!(used, "no example of API.md uses {full}");
        if ours
            .iter()
            .any(|native| native.public && native.name == name)
            && library.is_empty()
        {
            let known = types.contains(&format!("function {name}("));
            assert!(known, "types/packetscript.lua does not have {name}");
        }
    }
}

/// Each global that a packet script has and Lua has not is in the editors' definitions, with the
/// methods of what it makes.
#[test]
fn every_global_and_method_is_in_the_definitions() {
    let types = std::fs::read_to_string(examples().join("types/packetscript.lua")).unwrap();
    let text = "
      local lua = {}
      for name in ('_G _VERSION assert collectgarbage error getmetatable ipairs load next pairs pcall print rawequal '
        .. 'rawget rawlen rawset require select setmetatable tonumber tostring type warn xpcall string table math '
        .. 'utf8 coroutine os debug package process_packet'):gmatch '%S+' do lua[name] = true end
      function process_packet(p)
        local names = {}
        for name, v in pairs(_G) do
          if not lua[name] then
            names[#names + 1] = name
            if type(v) == 'table' then for field in pairs(v) do names[#names + 1] = name .. '.' .. field end end
          end
        end
        table.sort(names)
        print(table.concat(names, ' '))
      end";
    let mut script = Script::load("globals.lua", text, &[]).unwrap();
    let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    script
        .run(&mut UserPacket::new(&frame::udp(a, b, 1, 2, b"")))
        .unwrap();
    let names = script.printed.borrow().join("");
    assert!(names.split(' ').count() > 15, "{names}");
    for name in names.split(' ') {
        let known = [format!("function {name}("), format!("\n{name} = ")];
        assert!(
            known.iter().any(|text| types.contains(text)),
            "types/packetscript.lua does not have {name}"
        );
    }
    for (class, methods) in packetscript_engine::packet::library::methods() {
        let Some((_, rest)) = types.split_once(&format!("---@class {class}\nlocal ")) else {
            assert!(
                methods.is_empty(),
                "types/packetscript.lua has no class {class}"
            );
            continue;
        };
        let local = rest.split(' ').next().unwrap();
        for (method, _) in methods {
            assert!(
                types.contains(&format!("function {local}:{method}(")),
                "types/packetscript.lua does not have {class}:{method}"
            );
        }
    }
}
