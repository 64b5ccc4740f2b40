// SPDX-License-Identifier: GPL-2.0-only
//! The way into a script and out of it: what a packet finds prepared is what it would find otherwise.
#![cfg(feature = "user")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use std::fmt::Write as _;

use packetscript_engine::host::Status;
use packetscript_engine::host::frame;
use packetscript_engine::host::user::{UserPacket, breaths, set_breaths, set_clock};
use packetscript_engine::packet::verdict::Verdict;
use packetscript_engine::user::{Chunk, Environment, Settings, check};

fn environment(text: &str, settings: Settings) -> Result<Environment, String> {
    let chunks = [Chunk {
        name: b"test.lua",
        text: text.as_bytes(),
    }];
    let program = check(&chunks).unwrap_or_else(|d| panic!("{d}"));
    Environment::new(program, settings)
}

fn udp() -> UserPacket {
    let ip = |text: &str| text.parse().unwrap();
    UserPacket::new(&frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 5, 53, b"hello"))
}

/// The verdict's name, or the first line of the error.
fn run(env: &mut Environment, handle: u32) -> String {
    match env.run(handle, &mut udp(), 0).verdict {
        Ok(result) => Verdict::from_code(result.verdict).unwrap().name().into(),
        Err(error) => error.lines().next().unwrap_or_default().into(),
    }
}

/// Functions of every shape, each with what it answers.
const SHAPES: &[(&str, &str)] = &[
    ("function () end", "CONTINUE"),
    ("function (p) return DROP end", "DROP"),
    ("function (p) return p.udp and ACCEPT end", "ACCEPT"),
    ("function (p, more) return more == nil and DROP end", "DROP"),
    (
        "function (...) return select('#', ...) == 1 and ACCEPT end",
        "ACCEPT",
    ),
    (
        "function (p) return p.udp.dport end",
        "test.lua:6: the number 53 is not a verdict: ",
    ),
    ("function (p) return QUEUE(7) end", "QUEUE"),
    ("function (p) return nil, 'nothing' end", "CONTINUE"),
    ("function (p) return DROP, 'reason' end", "DROP"),
    ("function (p) p = nil return ACCEPT end", "ACCEPT"),
    (
        "function (p) local t = {} for i = 1, 60 do t[i] = i end return #t == 60 and DROP end",
        "DROP",
    ),
    ("function (p) return one(p, {}) end", "DROP"),
    (
        "function (p) if one(p, {}) == DROP then return ACCEPT end end",
        "ACCEPT",
    ),
    (
        "function (p) return a + b + c + d == 10 and DROP end",
        "DROP",
    ),
    (
        "function (p) kept = {p, kept and #kept} return ACCEPT end",
        "ACCEPT",
    ),
    ("function (p) error 'no' end", "test.lua:16: no"),
    (
        "function (p) local t <close> = setmetatable({}, {__close = close}) return DROP end",
        "DROP",
    ),
    (
        "function (p) return coroutine.wrap(function() return ACCEPT end)() end",
        "ACCEPT",
    ),
    ("load 'local p = ... return p.udp and DROP'", "DROP"),
    (
        "setmetatable({}, {__gc = function() end}) and function (p) s = 'x' .. p.len return DROP end",
        "DROP",
    ),
    (
        "function (p) while true do end end",
        "test.lua:21: out of fuel",
    ),
    (
        "function (p) return pcall(error) and ACCEPT or DROP end",
        "DROP",
    ),
];

fn shapes() -> (Environment, Vec<u32>) {
    let mut text = String::new();
    for (i, (function, _)) in SHAPES.iter().enumerate() {
        writeln!(text, "f{i} = {function}").unwrap();
    }
    let text = text.replacen('\n', " local a, b, c, d = 1, 2, 3, 4\n", 1)
        + "function one(p, t) t.x = {} return DROP end function close() n = (n or 0) + 1 end";
    let text = text.replace("a + b + c + d", "(a or 0) + (b or 0) + (c or 0) + (d or 0)");
    let mut env = environment(&text, Settings::default()).unwrap();
    let handles = (0..SHAPES.len())
        .map(|i| env.bind(&format!("f{i}")).unwrap())
        .collect();
    (env, handles)
}

fn answers(env: &mut Environment, handles: &[u32], i: usize) {
    let said = run(env, handles[i]);
    let (function, expected) = SHAPES[i];
    assert!(said.starts_with(expected), "{function}: {said}");
}

/// A function that is bound stands ready at the bottom of the stacks. If something that ran in between
/// were not noticed, another function would run, or with another's registers.
#[test]
fn every_function_runs_after_every_other() {
    let (mut env, handles) = shapes();
    for i in 0..SHAPES.len() {
        for j in 0..SHAPES.len() {
            answers(&mut env, &handles, i);
            answers(&mut env, &handles, j);
            answers(&mut env, &handles, j);
        }
    }
}

/// What a packet allocated is given back at its end, whatever ran before it: if the marks of how things
/// stood were stale, cells would be lost or given out twice.
#[test]
fn memory_is_as_it_was() {
    let (mut env, handles) = shapes();
    let quiet: Vec<usize> = (0..SHAPES.len())
        .filter(|&i| i != 14 && i != 15 && i != 20)
        .collect();
    for &i in &quiet {
        answers(&mut env, &handles, i);
    }
    env.machine().collect();
    let before = env.usage().live;
    for round in 0..50 {
        for &i in &quiet {
            answers(&mut env, &handles, i);
            answers(&mut env, &handles, (i + round) % 14);
        }
    }
    env.machine().collect();
    let after = env.usage().live;
    assert!(
        after <= before + 512,
        "{before} bytes before, {after} after"
    );
}

/// A packet that always fails would cost mostly words.
#[test]
fn of_many_errors_few_have_a_text() {
    let text = "n = 0 function f(p) n = n + 1 error('number ' .. n) end
        function g(p) n = n + 1 local x = nil return x.y end
        function h(p) local ok, why = pcall(f, p) if why:find 'number' then return DROP end end
        function i(p) local t <close> = setmetatable({}, {__close = function(_, e) e:len() end}) f(p) end";
    let settings = Settings {
        error_pause: 100,
        ..Settings::default()
    };
    set_clock(Some(1000));
    let mut env = environment(text, settings).unwrap();
    let [f, g, h, i] = ["f", "g", "h", "i"].map(|name| env.bind(name).unwrap());
    assert_eq!(run(&mut env, f), "test.lua:1: number 1");
    set_clock(Some(1099));
    assert_eq!(run(&mut env, f), "test.lua:1: number 1");
    assert_eq!(run(&mut env, g), "test.lua:1: number 1");
    assert_eq!(env.run(g, &mut udp(), 0).status, Status::Error);
    // Who catches an error sees its text, and so does who closes something.
    assert_eq!(run(&mut env, h), "DROP");
    assert_eq!(run(&mut env, i), "test.lua:1: number 6");
    set_clock(Some(1300));
    assert!(run(&mut env, g).starts_with("test.lua:2: attempt to index a nil value (local 'x')"));
    set_clock(Some(1500));
    assert_eq!(run(&mut env, f), "test.lua:1: number 8");
    set_clock(None);
}

/// Fuel of a top level is for seconds; others must get their turns, and an end must be possible.
#[test]
fn top_levels_take_breath() {
    let load = |text: &str, fuel| {
        let settings = Settings {
            load_fuel: fuel,
            ..Settings::default()
        };
        environment(text, settings).map(drop)
    };
    let used = |text: &str, fuel| {
        set_breaths(Some(1_000_000));
        let ended = load(text, fuel);
        (1_000_000 - breaths().unwrap(), ended)
    };
    let (breaths, ended) = used("for i = 1, 1000000 do end", 100_000_000);
    assert!(ended.is_ok() && breaths > 20, "{breaths} {ended:?}");
    // A pattern that backtracks is one call of a native function.
    let bomb = "string.rep('a', 25):find(('a?'):rep(25) .. ('a'):rep(25))";
    let (breaths, ended) = used(bomb, 20_000_000);
    assert!(breaths > 20, "{breaths} {ended:?}");
    let finalizer =
        "setmetatable({}, {__gc = function() while true do end end}) collectgarbage() x = 1";
    let (breaths, ended) = used(finalizer, 2_000_000);
    assert!(ended.is_ok() && breaths > 20, "{breaths} {ended:?}");
    // Fuel in parts is as much as fuel at once.
    let (_, ended) = used("while true do end", 2_000_000);
    assert!(ended.unwrap_err().starts_with("test.lua:1: out of fuel"));

    for text in [
        "while true do end",
        "pcall(function() while true do end end)",
        bomb,
    ] {
        set_breaths(Some(3));
        let error = load(text, 100_000_000).unwrap_err();
        assert!(error.starts_with("interrupted"), "{text}: {error}");
    }
    let text = "function f() for i = 1, 50000 do end return DROP end";
    set_breaths(Some(0));
    let mut env = environment(text, Settings::default()).unwrap();
    let handle = env.bind("f").unwrap();
    assert_eq!(run(&mut env, handle), "DROP", "a packet takes no breath");
    set_breaths(None);
}
