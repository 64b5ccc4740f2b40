// SPDX-License-Identifier: GPL-2.0-only
//! The machine against PUC Lua 5.4: each script of `machine` prints the same on both, also when
//! everything is collected at every safe point, and when allocations are refused at first as if memory
//! had run out.
#![cfg(feature = "user")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

mod puc;

use packetscript_engine::user::{Chunk, Environment, Settings, check_plain};
use std::cell::RefCell;
use std::rc::Rc;

/// What PUC prints.
fn puc(name: &str, source: &str) -> String {
    let (lines, error) = puc::run(&format!("@{name}"), source);
    if let Some(e) = error {
        panic!("{name} with PUC: {e}");
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// How hard the collector's life is made.
#[derive(Clone, Copy, Debug)]
enum Life {
    Easy,
    /// Everything is collected at every safe point.
    Stress,
    /// Every so manyth allocation is refused, and has to be tried again.
    Refused(u32),
}

/// What the engine prints.
fn engine(name: &str, source: &str, life: Life) -> String {
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
    match life {
        Life::Easy => {}
        Life::Stress => env.machine().heap.set_stress(true),
        Life::Refused(n) => {
            env.machine().heap.set_refusal(n);
        }
    }
    let ended = env.machine().run_main().is_ok();
    assert!(ended, "{name} ({life:?}): {}", env.last_error());
    env.machine().finish();
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
    let first = engine(name, source, Life::Easy);
    for (n, (ours, theirs)) in first.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "{name}, line {} of what it prints", n + 1);
    }
    assert_eq!(first, expected);
    // Collecting all the time is slow where much is alive: those scripts shrink.
    let smaller = source.replace("30000", "300").replace("5000", "150");
    let easy = engine(name, &smaller, Life::Easy);
    for life in [
        Life::Stress,
        Life::Refused(1),
        Life::Refused(2),
        Life::Refused(7),
        Life::Refused(40),
    ] {
        assert_eq!(engine(name, &smaller, life), easy, "{name}, {life:?}");
    }
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
fn finalizers() {
    let (name, source) = ("finalizers.lua", include_str!("machine/finalizers.lua"));
    let expected = puc(name, source);
    assert_eq!(engine(name, source, Life::Easy), expected);
    // Their order is another where there are other collections.
    let stressed = engine(name, source, Life::Stress);
    assert_eq!(stressed.lines().count(), expected.lines().count());
}

#[test]
fn objects() {
    same("objects.lua", include_str!("machine/objects.lua"));
}

/// What a script prints, its last finalizers included.
fn printed(source: &str) -> Vec<String> {
    engine("printed", source, Life::Easy)
        .lines()
        .map(String::from)
        .collect()
}

#[test]
fn what_is_left_is_finalized_at_the_end() {
    let lines = printed(
        r#"
        local function mark(f) return setmetatable({}, { __gc = f }) end
        for i = 1, 3 do
          _G["left" .. i] = mark(function() print("end", i) mark(function() print "too late" end) end)
        end
        "#,
    );
    assert_eq!(lines, ["end\t3", "end\t2", "end\t1"]);
}

/// A finalizer that never ends costs its own fuel, not the program's, and leaves nothing behind: no
/// coroutine that runs, no variable to be closed.
#[test]
fn a_finalizer_has_fuel_of_its_own() {
    let source = br#"
        local function mark(f) return setmetatable({}, { __gc = f }) end
        mark(function()
          local x <close> = setmetatable({}, { __close = print })
          coroutine.wrap(function() pcall(function() while true do end end) end)()
        end)
        collectgarbage()
        local thread, main = coroutine.running()
        print("goes on", main)
        local n = 0
        for i = 1, 100000 do n = n + 1 end
        print(n)
        mark(function() print "none is called any more" end)
        collectgarbage()
        "#;
    let program = check_plain(&[Chunk {
        name: b"fuel",
        text: source,
    }])
    .unwrap_or_else(|d| panic!("{d}"));
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&lines);
    let settings = Settings {
        load_fuel: 300_000,
        print: Box::new(move |line| {
            sink.borrow_mut()
                .push(String::from_utf8_lossy(line).into_owned());
        }),
        ..Settings::default()
    };
    let env = Environment::new(program, settings).unwrap_or_else(|e| panic!("{e}"));
    drop(env);
    assert_eq!(*lines.borrow(), ["goes on\ttrue", "100000"]);
}

#[test]
fn the_collector_answers_as_the_manual_says() {
    let lines = printed(
        r#"
        print(collectgarbage "generational", collectgarbage "generational", collectgarbage "incremental", collectgarbage "incremental")
        print(collectgarbage("setpause", 150), collectgarbage("setpause", 200), collectgarbage("setstepmul", 300), collectgarbage("setstepmul", 100))
        print(collectgarbage(), collectgarbage "collect", math.type(collectgarbage "count"))
        print(collectgarbage "isrunning", collectgarbage "stop", collectgarbage "isrunning")
        -- While it is stopped nothing is collected, but for what is asked for.
        local weak = setmetatable({}, { __mode = "v" })
        weak[1] = {}
        for i = 1, 50000 do local garbage = {} end
        print(weak[1] ~= nil)
        local big = {}
        for i = 1, 20000 do big[i] = {} end
        local function steps(n) collectgarbage() local i = 0 repeat i = i + 1 until collectgarbage("step", n) return i end
        print(steps(10) < steps(5), steps(5) < steps(0), steps(20000), weak[1])
        print(collectgarbage "restart", collectgarbage "isrunning")
        -- It gives back what was too much.
        local before = collectgarbage "count"
        repeat local garbage = {} until collectgarbage "count" > before * 2
        repeat local garbage = {} until collectgarbage "count" < before * 1.5
        print(pcall(collectgarbage, "sometimes"))
        "#,
    );
    assert_eq!(
        lines,
        [
            "incremental\tgenerational\tgenerational\tincremental",
            "200\t150\t100\t300",
            "0\t0\tfloat",
            "true\t0\tfalse",
            "true",
            "true\ttrue\t1\tnil",
            "0\ttrue",
            "false\tbad argument #1 to 'collectgarbage' (invalid option 'sometimes')",
        ]
    );
}

#[test]
fn inspect() {
    same("inspect.lua", include_str!("machine/inspect.lua"));
}

/// A script that changes what strings do in arithmetic would be ignored.
#[test]
fn coercions() {
    same("coercions.lua", include_str!("machine/coercions.lua"));
}

#[test]
fn boundaries() {
    same("boundaries.lua", include_str!("machine/boundaries.lua"));
}

#[test]
fn hashes() {
    same("hashes.lua", include_str!("machine/hashes.lua"));
}

#[test]
fn lists() {
    same("lists.lua", include_str!("machine/lists.lua"));
}

#[test]
fn callbacks() {
    same("callbacks.lua", include_str!("machine/callbacks.lua"));
}

#[test]
fn nesting() {
    // Once: as deep as it goes, a collection at every safe point takes minutes.
    let (name, source) = ("nesting.lua", include_str!("machine/nesting.lua"));
    let expected = puc(name, source);
    assert!(expected.lines().count() > 40);
    assert_eq!(engine(name, source, Life::Easy), expected);
}

#[test]
fn calls() {
    same("calls.lua", include_str!("machine/calls.lua"));
}
