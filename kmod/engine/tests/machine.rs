// SPDX-License-Identifier: GPL-2.0-only
//! The machine against PUC Lua 5.4: each script of `machine` prints the same on both, also when
//! everything is collected at every safe point.
#![cfg(feature = "user")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use packetscript_engine::user::{Chunk, Environment, Settings, check_plain};
use std::cell::RefCell;
use std::rc::Rc;

/// What PUC prints.
fn puc(name: &str, source: &str) -> String {
    // SAFETY: the scripts are ours; `debug.traceback` is why the whole library is there.
    let lua = unsafe { mlua::Lua::unsafe_new() };
    let out = Rc::new(RefCell::new(String::new()));
    let sink = Rc::clone(&out);
    let print = lua
        .create_function(move |lua, values: mlua::Variadic<mlua::Value>| {
            let tostring: mlua::Function = lua.globals().get("tostring")?;
            let mut line = Vec::new();
            for v in values {
                line.push(tostring.call::<String>(v)?);
            }
            sink.borrow_mut().push_str(&(line.join("\t") + "\n"));
            Ok(())
        })
        .unwrap();
    lua.globals().set("print", print).unwrap();
    if let Err(e) = lua.load(source).set_name(format!("@{name}")).exec() {
        panic!("{name} with PUC: {e}");
    }
    drop(lua);
    out.take()
}

/// What the engine prints.
fn engine(name: &str, source: &str, stress: bool) -> String {
    let chunks = [Chunk {
        name: name.as_bytes(),
        text: source.as_bytes(),
    }];
    let program = check_plain(&chunks).unwrap_or_else(|d| panic!("{d}"));
    let out = Rc::new(RefCell::new(String::new()));
    let sink = Rc::clone(&out);
    let settings = Settings {
        memory: 16 << 20,
        load_fuel: u64::MAX / 4,
        print: Box::new(move |line| {
            sink.borrow_mut().push_str(&String::from_utf8_lossy(line));
            sink.borrow_mut().push('\n');
        }),
        ..Settings::default()
    };
    let mut env = Environment::prepare(program, settings).unwrap();
    env.machine().heap.set_stress(stress);
    let ended = env.machine().run_main().is_ok();
    assert!(ended, "{name} (stress: {stress}): {}", env.last_error());
    drop(env);
    without_addresses(&out.take())
}

/// The text with every address the same.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split(": 0x");
    let mut plain = String::from(parts.next().unwrap_or(""));
    for part in parts {
        plain.push_str(": address");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    plain
}

fn same(name: &str, source: &str) {
    let expected = without_addresses(&puc(name, source));
    assert!(expected.lines().count() > 10);
    let first = engine(name, source, false);
    for (n, (ours, theirs)) in first.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "{name}, line {} of what it prints", n + 1);
    }
    assert_eq!(first, expected);
    // Collecting all the time is slow where much is alive: those scripts shrink.
    let smaller = source.replace("30000", "300").replace("5000", "150");
    assert_eq!(
        engine(name, &smaller, true),
        engine(name, &smaller, false),
        "{name} under stress"
    );
}

#[test]
fn errors() {
    same("errors.lua", include_str!("machine/errors.lua"));
}

#[test]
fn coroutines() {
    same("coroutines.lua", include_str!("machine/coroutines.lua"));
}

#[test]
fn close() {
    same("close.lua", include_str!("machine/close.lua"));
}

#[test]
fn objects() {
    same("objects.lua", include_str!("machine/objects.lua"));
}
