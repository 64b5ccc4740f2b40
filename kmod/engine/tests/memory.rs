// SPDX-License-Identifier: GPL-2.0-only
//! The memory guarantee: `--memory` bytes of live data fit, whatever sizes they have and in whatever
//! order they come and go.
//!
//! Each trace fills an environment up to the guarantee, frees by a pattern that leaves gaps of the
//! wrong size, and fills again with other sizes; no allocation may fail. What would break if this failed: fragmentation or a collection that ends too late would take
//! memory from a script that it was promised.
#![cfg(feature = "user")]

use packetscript_engine::user::{Chunk, Environment, Settings, check_plain};
use std::cell::RefCell;
use std::rc::Rc;

/// The guarantee under test: the default of `--memory`.
const MEMORY: u64 = 1 << 20;

/// Objects of one kind each; the number is the most bytes that making one may ask for at once.
const TRACES: &str = r##"
local memory, seed = ...
local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return seed // 65536 % n + 1 end
local function letters(n) return ("x"):rep(n - 8) .. ("%08d"):format(rnd(30000)) end
local kinds = {
    box = { 256, function() local v = {} return function() v = v return v end end },
    short = { 256, function() return letters(30) end },
    line = { 1024, function() return letters(60 + rnd(200)) end },
    page = { 16384, function() return letters(4096) end },
    block = { 150000, function() return letters(40000 + rnd(20000)) end },
    list = { 4096, function() local t = {} for i = 1, 40 do t[i] = i end return t end },
    record = { 2048, function() return { name = rnd(9), port = 53, next = 7, a = 1, b = 2 } end },
    array = { 150000, function() local t = {} for i = 1, 2000 do t[i] = i end return t end },
    set = { 150000, function() local t = {} for i = 1, 700 do t["k" .. i % 100 .. i] = i end return t end },
    thread = { 8192, function() local c = coroutine.create(function() coroutine.yield() end) coroutine.resume(c) return c end },
}
local names = { "box", "short", "line", "page", "block", "list", "record", "array", "set", "thread" }
local shapes = {
    function(i) return i % 2 == 0 end,          -- every other one
    function(i) return i % 16 == 0 end,         -- one of sixteen stays
    function() return rnd(3) == 1 end,          -- a random third
    function(i) return i % 8 < 4 end,           -- runs of four
    function() return false end,                -- nothing
}
local function count() return collectgarbage "count" * 1024 end

collectgarbage()
local base = count()
local cost, trace = {}, 0

-- What one object of a kind takes, with the small table that it hangs on: the most that was seen.
local chain
for _, name in ipairs(names) do
    local most = 0
    for _ = 1, 8 do
        collectgarbage()
        local before = count()
        chain = { kinds[name][2](), chain }
        collectgarbage()
        most = math.max(most, count() - before)
    end
    chain = nil
    cost[name] = most + 192
end

-- Objects hang on a chain of small tables, so that keeping them needs no large allocation. What is
-- alive, with what making the next object may need for a moment, never is more than the guarantee.
local alive, most = 0, 0
local function fill(what, pick)
    while true do
        local name = pick()
        if base + alive + cost[name] + kinds[name][1] > memory then return end
        local ok, message = pcall(function() chain = { kinds[name][2](), chain, name } end)
        if not ok then
            error(("%s: %s at %d bytes alive of %d, %s"):format(what, message, base + alive, memory, name), 0)
        end
        alive = alive + cost[name]
        most = math.max(most, base + alive)
    end
end
local function thin(keep)
    local i, kept = 0, nil
    while chain do
        local this = chain
        chain = this[2]
        i = i + 1
        if keep(i) then this[2] = kept kept = this else alive = alive - cost[this[3]] end
    end
    chain = kept
end
local function round(what, pick)
    fill(what, pick)
    thin(shapes[rnd(#shapes)])
    trace = trace + 1
end
for _, name in ipairs(names) do round("only " .. name, function() return name end) end
for i = 1, 30 do
    local a, b = names[rnd(#names)], names[rnd(#names)]
    round(a .. " and " .. b, function() return rnd(2) == 1 and a or b end)
end
for i = 1, 20 do round("all", function() return names[rnd(#names)] end) end
print(("%d fillings, up to %d bytes alive"):format(trace, most))
"##;

#[test]
fn live_data_of_every_mix_of_sizes_fits() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let mut longest = 0;
    let mut region = 0;
    for seed in 1..=6 {
        let text = format!("local function main(...) {TRACES} end main({MEMORY}, {seed})");
        let program = check_plain(&[Chunk {
            name: b"traces",
            text: text.as_bytes(),
        }])
        .unwrap_or_else(|e| panic!("{e}"));
        let sink = Rc::clone(&lines);
        let settings = Settings {
            memory: MEMORY,
            load_fuel: u64::MAX >> 1,
            print: Box::new(move |line| {
                sink.borrow_mut()
                    .push(String::from_utf8_lossy(line).into_owned());
            }),
            ..Settings::default()
        };
        match Environment::new(program, settings) {
            Ok(env) => {
                longest = longest.max(env.usage().longest_step);
                region = env.region_bytes();
            }
            Err(message) => panic!("seed {seed}: {message}\n{}", lines.borrow().join("\n")),
        }
    }
    println!(
        "memory {MEMORY}, region {region} (factor {:.2}), longest step {longest} bytes, {}",
        region as f64 / MEMORY as f64,
        lines.borrow().join(", "),
    );
}
