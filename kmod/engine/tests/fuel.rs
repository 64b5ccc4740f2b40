// SPDX-License-Identifier: GPL-2.0-only
//! Fuel is worth what is done for it: a loop of instructions or calls whose work grows with what they are
//! given ends before it has done more than five times the work that its fuel is for.
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

/// Fuel of each loop, what comes before it included.
const FUEL: u64 = 3_000_000;

/// Two long texts that are equal and not the same, and others that several loops use.
const COMMON: &str = r"
    local a, b = ('x'):rep(100000), ('x'):rep(99999) .. 'x'
    local numeral = (' '):rep(100000) .. '1'
    local holder = { [a] = 1 }
    local list = {} for i = 1, 4000 do list[i] = i end
    local function deep(n, f) if n == 0 then return f() end local r = deep(n - 1, f) return r end
";

/// What it is, what comes before the loop, its body, and a fifth of the fuel that one turn's work is
/// worth at least, by the instructions that it takes.
const LOOPS: &[(&str, &str, &str, u64)] = &[
    ("equality", "", "local _ = a == b", 150),
    ("inequality in a test", "", "if a ~= b then return end", 150),
    ("order", "", "local _ = a < b", 150),
    ("rawequal", "", "rawequal(a, b)", 150),
    ("a key", "", "local _ = holder[b]", 150),
    ("a key that is set", "", "holder[b] = 2", 150),
    ("rawget", "", "rawget(holder, b)", 150),
    (
        "sorting texts",
        "local t = {} for i = 1, 100 do t[i] = i % 2 == 0 and a or b end",
        "table.sort(t)",
        50_000,
    ),
    ("arithmetic on a numeral", "", "local _ = numeral + 1", 2000),
    (
        "a loop from a numeral",
        "",
        "for i = numeral, 0 do end",
        2000,
    ),
    (
        "a closure with many upvalues",
        "local names = {} for i = 1, 190 do names[i] = 'v' .. i end
        local text = table.concat(names, ',')
        local make = load('local ' .. text .. ' = 1 return function() return function() return ' .. text .. ' end end')()",
        "make()",
        15,
    ),
    (
        "a long replacement that replaces nothing",
        "local long = ('x'):rep(5000)",
        "string.gsub('', 'y', long)",
        20,
    ),
    ("a numeral as an argument", "", "math.abs(numeral)", 2000),
    ("tonumber", "", "tonumber(numeral)", 2000),
    ("tonumber in a base", "", "tonumber(numeral, 10)", 2000),
    (
        "a chain of __index",
        "local t = {} for i = 1, 1900 do t = setmetatable({}, { __index = t }) end",
        "local _ = t.x",
        450,
    ),
    (
        "a chain of __newindex",
        "local t = {} for i = 1, 1900 do t = setmetatable({}, { __newindex = t }) end",
        "t.x = nil",
        450,
    ),
    (
        "a chain of __call",
        "local f = function() end for i = 1, 100 do f = setmetatable({}, { __call = f }) end",
        "f(table.unpack(list))",
        4800,
    ),
    (
        "next of an emptied list",
        "for i = 1, 4000 do list[i] = nil end",
        "next(list)",
        60,
    ),
    (
        "a traversal of an emptied table",
        "local t = {} for i = 1, 9000 do t['k' .. i] = i end for k in pairs(t) do t[k] = nil end",
        "for k in pairs(t) do end",
        140,
    ),
    (
        "separators",
        "local s, t = ('x'):rep(5000), {} for i = 1, 100 do t[i] = '' end",
        "table.concat(t, s)",
        250,
    ),
    ("a power", "", "local _ = (turns + 0.5) ^ 0.37", 10),
    (
        "the rest of floats that are far apart",
        "local x, y = 1.7e308, 3e-308",
        "local _ = x % y",
        4,
    ),
    (
        "floats as text",
        "local x = 1.1e-300",
        "local _ = x .. ''",
        3,
    ),
    (
        "a level far down",
        "",
        "deep(2000, function() for i = 1, 100 do pcall(error, 'x', 100000) end end)",
        4000,
    ),
    (
        "an error without a place, far up",
        "local function f() return '1' // 0 end",
        "deep(2000, function() for i = 1, 100 do pcall(f) end end)",
        200,
    ),
    (
        "many results through many calls",
        "local function f(n) if n == 0 then return table.unpack(list) end return pcall(f, n - 1) end",
        "f(100)",
        9600,
    ),
    (
        "many results through select",
        "local function f(n) if n == 0 then return table.unpack(list) end return select(1, f(n - 1)) end",
        "f(100)",
        9600,
    ),
    (
        "many values through coroutines",
        r"local function nest(n)
            if n == 0 then return coroutine.wrap(function() while true do coroutine.yield(table.unpack(list)) end end) end
            local inner = nest(n - 1)
            return coroutine.wrap(function() while true do coroutine.yield(inner()) end end)
          end
          local outer = nest(50)",
        "outer()",
        4800,
    ),
    (
        "a coroutine with a deep stack",
        r"local co = coroutine.wrap(function()
            deep(1000, function() while true do coroutine.yield() end end)
          end)",
        "co()",
        300,
    ),
    (
        "isyieldable",
        r"local co = coroutine.wrap(function()
            deep(2000, function()
              while true do for i = 1, 100 do coroutine.isyieldable() end coroutine.yield() end
            end)
          end)",
        "co()",
        4000,
    ),
    (
        "tracebacks among many globals",
        "for i = 1, 900 do _G['g' .. i] = i end",
        "debug.traceback()",
        150,
    ),
    (
        "tracebacks of a deep stack",
        "",
        "deep(2000, function() for i = 1, 100 do debug.traceback('', 1900) end end)",
        8000,
    ),
    (
        "replacements in a replacement",
        "local s, r = ('a'):rep(100), ('%0'):rep(100)",
        "s:gsub('.', r)",
        4000,
    ),
    (
        "long captures in a replacement",
        "local s = ('a'):rep(10000)",
        "s:gsub('^.*$', '%0%0%0%0%0%0%0%0%0%0')",
        50,
    ),
    (
        "continuation bytes",
        "local s = 'a' .. ('\\x80'):rep(100000)",
        "utf8.offset(s, 0, 100000)",
        1600,
    ),
    ("messages", "", "pcall(string.rep)", 8),
];

#[test]
fn hostile_loops_end_in_time() {
    let mut wrong = Vec::new();
    for (name, before, body, worth) in LOOPS {
        // Closing has a reserve of its own, and tells how far the loop came.
        let source = format!(
            r"{COMMON}
            {before}
            local turns = 0
            local _ <close> = setmetatable({{}}, {{ __close = function() print(turns) end }})
            while true do turns = turns + 1 {body} end"
        );
        let program = check_plain(&[Chunk {
            name: b"fuel",
            text: source.as_bytes(),
        }])
        .unwrap_or_else(|d| panic!("{name}: {d}"));
        let printed = Rc::new(RefCell::new(String::new()));
        let sink = Rc::clone(&printed);
        let settings = Settings {
            memory: 2 << 20,
            load_fuel: FUEL,
            print: Box::new(move |line| {
                sink.borrow_mut().push_str(&String::from_utf8_lossy(line));
            }),
            ..Settings::default()
        };
        let ended = Environment::new(program, settings);
        let error = ended.err().unwrap_or_default();
        assert!(error.contains("out of fuel"), "{name}: {error}");
        let turns: u64 = printed.borrow().parse().unwrap_or_else(|_| {
            panic!("{name}: {error}");
        });
        println!("{name}: {turns} turns, at most {}", FUEL / worth);
        if turns > FUEL / worth {
            wrong.push(*name);
        }
        assert!(turns > 0, "{name}: the loop began");
    }
    assert!(wrong.is_empty(), "too much for too little: {wrong:?}");
}
