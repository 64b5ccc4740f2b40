// SPDX-License-Identifier: GPL-2.0-only
//! What bounds an environment: fuel that runs out at any point, memory that runs out at any point, and
//! the promise that so much live memory always fits, whatever was allocated and freed before.
#![cfg(feature = "user")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use packetscript_engine::host::Status;
use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::user::{Chunk, Environment, Settings, check, check_plain};
use std::cell::RefCell;
use std::rc::Rc;

/// A script that does a little of everything, in a function so that it can be cut off anywhere.
const CORPUS: &str = r##"
local kept = {}
local function close(f) return setmetatable({}, { __close = f }) end
local object = setmetatable({}, {
  __index = function(_, k) return k .. "!" end,
  __add = function(a, b) return 7 end,
  __lt = function() return true end,
  __concat = function() return "joined" end,
  __call = function(_, x) return x end,
  __tostring = function() return "object" end,
  __gc = function() kept.gone = (kept.gone or 0) + 1 end,
})

function everything(p)
  local t = {}
  for i = 1, 40 do t[i] = { i, name = "n" .. i, [i * 1000] = true } end
  for k, v in pairs(t) do t["k" .. k] = v.name end
  table.sort(t, function(a, b) return a[1] > b[1] end)
  local s = string.rep("abc", 30) .. table.concat({ 1, 2, 3 }, ",") .. tostring(object)
  s = s:gsub("b", { b = "[%1]" }):gsub("%[", function(c) return c .. c end)
  local _ = object.field .. object, object + 1, object < object, object(5)
  local co = coroutine.wrap(function(a)
    local x <close> = close(function() kept.closed = true end)
    for i = 1, 5 do a = a + coroutine.yield(a, string.format("%5d|%-8s|%g", i, "x", i / 3)) end
    return a
  end)
  co(1) co(2) co(3)
  local ok, e = pcall(function()
    local x <close> = close(function(_, err) kept.err = err end)
    error({ code = 5 })
  end)
  assert(not ok and e.code == 5)
  ok, e = xpcall(function() local n = nil; return n.field end, function(m) return "handled: " .. m end)
  assert(not ok and e:find("^handled: "))
  local f = load("local a, b = ... return a * b + #'" .. s:sub(1, 20) .. "'")
  assert(f(6, 7) == 42 + 20)
  local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
  assert(deep(50) == 50)
  kept[#kept + 1] = setmetatable({ #s, select("#", table.unpack(t, 1, 20)) }, getmetatable(object))
  if #kept > 20 then kept = {} end
  collectgarbage("step")
  return ACCEPT, "did everything"
end

function little(p)
  return p.udp and p.udp.dport == 53 and DROP or ACCEPT
end
"##;

fn packet() -> UserPacket {
    let bytes = frame::udp(
        "10.0.0.1".parse().unwrap(),
        "10.0.0.2".parse().unwrap(),
        1,
        53,
        b"payload",
    );
    UserPacket::new(&bytes)
}

fn environment(source: &str, memory: u64) -> Result<Environment, String> {
    let chunks = [Chunk {
        name: b"corpus.lua",
        text: source.as_bytes(),
    }];
    let program = check(&chunks).map_err(|d| d.to_string())?;
    Environment::new(
        program,
        Settings {
            memory,
            ..Settings::default()
        },
    )
}

/// So many packets, each without an error.
fn run_packets(env: &mut Environment, function: u32, count: u32) {
    for n in 0..count {
        let outcome = env.run(function, &mut packet(), 0);
        assert_eq!(
            outcome.status,
            Status::Ok,
            "packet {n}: {:?}",
            outcome.verdict
        );
    }
}

/// After whatever happened, another packet runs as if nothing had.
fn still_works(env: &mut Environment, what: &str) {
    let little = env.bind("little").expect("bound");
    let outcome = env.run(little, &mut packet(), 0);
    let verdict = outcome.verdict.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(verdict.verdict, 2, "{what}: DROP");
}

#[test]
fn fuel_may_run_out_anywhere() {
    let mut env = environment(CORPUS, 1 << 20).unwrap();
    let everything = env.bind("everything").unwrap();
    let whole = env.run(everything, &mut packet(), 0);
    let cost = whole.fuel;
    assert_eq!(whole.status, Status::Ok, "{:?}", whole.verdict);
    let mut cut = 0;
    for fuel in 1..cost {
        let outcome = env.run(everything, &mut packet(), fuel);
        if outcome.status == Status::Fuel {
            cut += 1;
            assert!(outcome.verdict.unwrap_err().contains("out of fuel"));
        }
        still_works(&mut env, &format!("after {fuel} fuel"));
    }
    println!("{cost} fuel in all, cut off at {cut} different points");
    assert!(cut > cost * 9 / 10);
    env.machine().collect();
    let settled = env.usage().live;
    for _ in 0..200 {
        env.run(everything, &mut packet(), cost / 2);
    }
    env.machine().collect();
    let after = env.usage().live;
    println!("{settled} bytes in use before, {after} after 200 packets that were cut off");
    assert!(after < settled + 40_000, "a leak");
}

/// Takes a little more memory away at every call: of bodies, or of cells.
const BALLAST: &str = r##"
local size, weight, made = 0, nil, {}
function bodies(p)
  size = size + 509
  weight = nil
  collectgarbage()
  weight = string.rep("x", size)
  return ACCEPT
end
function cells(p)
  for i = 1, 3 do weight = { weight } end
  return ACCEPT
end
function release(p)
  weight = nil
  collectgarbage()
  return ACCEPT
end
"##;

#[test]
fn memory_may_run_out_anywhere() {
    for kind in ["bodies", "cells"] {
        let mut env = environment(&format!("{BALLAST}{CORPUS}"), 64 << 10).unwrap();
        let ballast = env.bind(kind).unwrap();
        let release = env.bind("release").unwrap();
        let everything = env.bind("everything").unwrap();
        let (mut passed, mut failed) = (0, 0);
        loop {
            if env.run(ballast, &mut packet(), u64::MAX / 4).status != Status::Ok {
                break;
            }
            let outcome = env.run(everything, &mut packet(), u64::MAX / 4);
            match outcome.status {
                Status::Ok => passed += 1,
                Status::Memory | Status::Error => {
                    failed += 1;
                    let text = outcome.verdict.unwrap_err();
                    assert!(
                        text.contains("not enough memory") || text.contains("assertion failed"),
                        "{kind}, {passed}: {text}"
                    );
                }
                other => panic!("{kind}: {other:?}"),
            }
            still_works(&mut env, kind);
        }
        println!("{kind}: {passed} runs had enough memory, {failed} had not");
        assert!(failed > 20 && passed > 20);
        assert_eq!(
            env.run(release, &mut packet(), u64::MAX / 4).status,
            Status::Ok
        );
        let outcome = env.run(everything, &mut packet(), 0);
        assert_eq!(outcome.status, Status::Ok, "{:?}", outcome.verdict);
    }
}

/// Live strings of many sizes, replaced at random, at exactly the guaranteed memory.
const SIZES: &str = r##"
local M, seed, kind = tonumber(args.memory), tonumber(args.seed), args.kind
math.randomseed(seed)
local random = math.random
local SLOTS = kind == "small" and M // 160 or 512
local live, cost, total = table.move({}, 1, 0, 1), {}, 0
for i = 1, SLOTS do live[i] = false cost[i] = 0 end
-- What the two lists themselves take, and a little for this loop.
local budget = M - 2 * (2 * SLOTS * 16 + 96) - 8192
local function price(n) return n <= 48 and 64 or (n + 15) // 16 * 16 + 16 + 64 end
local function size(step)
  if kind == "small" then return random(0, 60) end
  if kind == "powers" then return 1 << random(0, 16) end
  if kind == "phases" then
    -- Many of one size, then every other one goes for one a little larger.
    return 64 + (step // 400 % 40) * 113
  end
  if kind == "large" then return random(budget // 8, budget // 3) end
  return random(0, 3000)
end
local made = 0
for step = 1, tonumber(args.steps) do
  local i = kind == "phases" and (step * 2 + step // SLOTS) % SLOTS + 1 or random(1, SLOTS)
  local n = size(step)
  local price = price(n)
  -- The old one may only be garbage when the new one is there.
  if total + price <= budget then
    live[i] = string.rep("x", n) .. ""
    total = total - cost[i] + price
    cost[i] = price
    made = made + 1
  else
    total = total - cost[i]
    live[i], cost[i] = false, 0
  end
end
print(kind, made, "strings, live", total, "of", M)
"##;

#[test]
fn the_guaranteed_memory_always_fits() {
    let memory: u64 = 1 << 20;
    for kind in ["small", "powers", "phases", "large", "mixed"] {
        let chunks = [Chunk {
            name: b"sizes.lua",
            text: SIZES.as_bytes(),
        }];
        let program = check(&chunks).unwrap_or_else(|d| panic!("{d}"));
        let args = [
            ("memory", memory.to_string()),
            ("seed", "1".into()),
            ("kind", kind.into()),
            ("steps", "60000".into()),
        ];
        let args = args.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        let settings = Settings {
            memory,
            load_fuel: u64::MAX / 4,
            args,
            print: Box::new(|line| println!("{}", String::from_utf8_lossy(line))),
            ..Settings::default()
        };
        let env = Environment::new(program, settings).unwrap_or_else(|e| panic!("{kind}: {e}"));
        let usage = env.usage();
        println!(
            "  region {:.2} times the memory, peak {:.2}, {} collections, longest step {} bytes",
            env.region_bytes() as f64 / memory as f64,
            usage.peak as f64 / memory as f64,
            usage.collections,
            usage.longest_step
        );
    }
}

#[test]
fn packets_that_keep_nothing_leave_nothing() {
    let mut env = environment(
        "function process_packet(p) local t = {} for i = 1, 20 do t[i] = {tostring(i), ('x'):rep(60)} end return ACCEPT end",
        1 << 20,
    )
    .unwrap();
    let process = env.bind("process_packet").unwrap();
    env.run(process, &mut packet(), 0);
    let before = env.usage();
    for _ in 0..10_000 {
        assert_eq!(env.run(process, &mut packet(), 0).status, Status::Ok);
    }
    let after = env.usage();
    assert_eq!(before.live, after.live);
    assert_eq!(
        after.collections, before.collections,
        "no collection was needed"
    );
}

#[test]
fn what_a_packet_keeps_survives_it() {
    let mut env = environment(
        r#"
        local seen, last = {}, nil
        function process_packet(p)
          local entry = { text = "packet " .. #seen, inner = { #seen } }
          seen[#seen + 1] = entry
          if #seen > 100 then
            assert(seen[1].text == "packet 0" or last)
            assert(seen[57].inner[1] == 56)
            seen, last = {}, seen
          end
          local co = coroutine.wrap(function(a) while true do a = coroutine.yield({ a }) end end)
          assert(co(5)[1] == 5)
          keep = co
          return ACCEPT
        end
        "#,
        1 << 20,
    )
    .unwrap();
    let process = env.bind("process_packet").unwrap();
    run_packets(&mut env, process, 20_000);
    assert!(env.usage().collections > 3);
}

#[test]
fn closing_has_a_reserve_of_fuel() {
    let mut env = environment(
        r##"
        closed = 0
        local function forever() while true do end end
        function process_packet(p)
          local a <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
          local b <close> = setmetatable({}, { __close = function() pcall(error, "x") closed = closed + 1 end })
          coroutine.wrap(function()
            local c <close> = setmetatable({}, { __close = function() closed = closed + 1 error("dropped") end })
            pcall(forever)
            closed = -1000
          end)()
        end
        function greedy(p)
          local a <close> = setmetatable({}, { __close = function() closed = -1 end })
          local b <close> = setmetatable({}, { __close = forever })
          forever()
        end
        function count(p)
          if closed == 3 then closed = 0 return DROP end
          return ACCEPT
        end
        "##,
        1 << 20,
    )
    .unwrap();
    let process = env.bind("process_packet").unwrap();
    let greedy = env.bind("greedy").unwrap();
    let count = env.bind("count").unwrap();
    for _ in 0..3 {
        let outcome = env.run(process, &mut packet(), 10_000);
        assert_eq!(outcome.status, Status::Fuel);
        let text = outcome.verdict.unwrap_err();
        assert!(
            text.starts_with("corpus.lua:3: out of fuel"),
            "reported: {text}"
        );
        assert_eq!(
            env.run(count, &mut packet(), 0).verdict.unwrap().verdict,
            2,
            "all three were closed"
        );
        let outcome = env.run(greedy, &mut packet(), 10_000);
        assert_eq!(outcome.status, Status::Fuel);
        assert_eq!(outcome.fuel, 10_000);
        assert_eq!(
            env.run(count, &mut packet(), 0).verdict.unwrap().verdict,
            1,
            "the reserve ends"
        );
    }
}

/// Every library function that allocates, again and again with little room above what is alive: no
/// garbage ever is in the way of an allocation, and nothing that a function holds is collected.
const NATIVES: &str = r##"
local memory = tonumber(args.memory)
local alive = {}
local function count() return collectgarbage "count" * 1024 end
collectgarbage()
while count() < memory * 0.55 do alive[#alive + 1] = { #alive, ("%d"):format(#alive) } end
local text = ("key=value; "):rep(1000)
local words = {} for w in text:gmatch "%a+" do words[#words + 1] = w end
local function sum(s) local n = 0 for i = 1, #s, 97 do n = n + s:byte(i) end return n end
local natives = {
  rep = function(i) local s = ("abc"):rep(3000 + i % 7) return #s end,
  upper = function() return sum(text:upper()) end,
  reverse = function() return sum(text:reverse()) end,
  sub = function(i) return #text:sub(i % 100 + 1) end,
  concat = function() return #table.concat(words, ", ") end,
  numbers = function() local t = {} for i = 1, 300 do t[i] = i + 0.5 end return #table.concat(t, "/") end,
  operator = function(i) local s = "" for k = 1, 60 do s = s .. k .. "|" end return #s end,
  gsub = function() return select(2, text:gsub("%a+", "<%0>")) end,
  gsub_table = function() return select(2, text:gsub("%a", { k = "K", v = false, e = 7 })) end,
  gsub_function = function() return select(2, text:gsub("%a+", function(w) return w .. w end)) end,
  gsub_positions = function() return #text:gsub("()=", "%1") end,
  gmatch = function() local n = 0 for k, v in text:gmatch "(%a+)=(%a+)" do n = n + #k end return n end,
  find = function() return select("#", text:find "(%a+)=(%a+); (%a+)") end,
  format = function(i) return #("%s|%q|%10.3f|%x"):format(text, text:sub(1, 50), 1.5, i) end,
  long = function(i) return #("%s%s"):format(text, text) end,
  char = function() return #string.char(("x"):rep(200):byte(1, -1)) end,
  utf8 = function() return #utf8.char(table.unpack({ 228, 8364, 128512 }, 1, 3)) + utf8.len(text) end,
  pack = function(i) return #string.pack("s4s2z", text, "x", "y") end,
  unpack = function(i) return #string.unpack("s4", string.pack("s4", text)) end,
  table_pack = function() return table.pack(table.unpack(words, 1, 200)).n end,
  insert = function() local t = {} for i = 1, 500 do table.insert(t, 1 + #t // 2, { i }) end return #t end,
  append = function() local t = {} for i = 1, 1000 do table.insert(t, i .. "") end return #t end,
  move = function() return #table.move(words, 1, 800, 1, {}) end,
  sort = function() local t = table.move(words, 1, 200, 1, {}) table.sort(t, function(a, b) local u = { a, b } return u[1] < u[2] end) return t[1] end,
  rawset = function() local t = {} for i = 1, 300 do rawset(t, i .. "k", { i }) end return t["7k"][1] end,
  load = function(i) return load("local a = ... return function() return a + " .. i .. " end")(1)() end,
  coroutine = function()
    local n = 0
    for v in coroutine.wrap(function() for i = 1, 50 do coroutine.yield({ i }, ("x"):rep(50)) end end) do n = n + v[1] end
    return n
  end,
  errors = function(i) local ok, e = pcall(error, "message " .. i .. ("x"):rep(500)) return #e end,
  faults = function() local ok, e = pcall(function() local missing = {} return missing.field.name end) return e end,
  handlers = function() return #select(2, xpcall(error, function(m) return debug.traceback(m) .. ("y"):rep(100) end, "no")) end,
  tostring = function(i) return #tostring(i + 0.25) + #tostring({}) end,
  dates = function() return #os.date("!%Y-%m-%d %H:%M:%S", 0) end,
  select = function() return select("#", table.unpack(words, 1, 100)) end,
  varargs = function(...) local t = { ... } for i = 1, 200 do t[i] = { i } end return #t end,
  closures = function() local t = {} for i = 1, 200 do local n = i t[i] = function() n = n + 1 return n end end return t[200]() end,
}
local names = {}
for name in pairs(natives) do names[#names + 1] = name end
table.sort(names)
local total = 0
for _, name in ipairs(names) do
  local native, first = natives[name], nil
  for i = 1, tonumber(args.turns) do
    local ok, got = pcall(native, i)
    if not ok then error(name .. " in turn " .. i .. ": " .. tostring(got), 0) end
    total = total + 1
  end
end
for i, t in ipairs(alive) do assert(t[1] == i - 1 and t[2] == ("%d"):format(i - 1)) end
print(total)
"##;

fn natives_under_pressure(memory: u64, turns: u32, refusal: u32) -> (String, u64) {
    let chunks = [Chunk {
        name: b"natives.lua",
        text: NATIVES.as_bytes(),
    }];
    let program = check_plain(&chunks).unwrap_or_else(|d| panic!("{d}"));
    let args = [
        ("memory".to_string(), memory.to_string()),
        ("turns".to_string(), turns.to_string()),
    ];
    let lines = Rc::new(RefCell::new(String::new()));
    let sink = Rc::clone(&lines);
    let settings = Settings {
        memory,
        load_fuel: u64::MAX / 4,
        args: args.into(),
        print: Box::new(move |line| sink.borrow_mut().push_str(&String::from_utf8_lossy(line))),
        ..Settings::default()
    };
    let mut env = Environment::prepare(program, settings).unwrap();
    env.machine().heap.set_refusal(refusal);
    let ran = env.machine().run_main();
    assert!(
        ran.is_ok(),
        "refusing one of {refusal}: {}",
        env.last_error()
    );
    let collections = env.usage().collections;
    drop(env);
    (lines.take(), collections)
}

#[test]
fn library_functions_collect_before_they_give_up() {
    let (total, collections) = natives_under_pressure(1 << 20, 100, 0);
    println!("{total} calls with little room, {collections} collections");
    assert!(collections > 100);
    let (expected, _) = natives_under_pressure(512 << 10, 1, 0);
    for refusal in [7, 50] {
        let (total, _) = natives_under_pressure(512 << 10, 1, refusal);
        assert_eq!(total, expected, "refusing one of {refusal}");
    }
}

#[test]
fn a_table_that_grows_with_every_packet_ends_in_an_error_and_nothing_else() {
    let mut env = environment(
        r#"
        local t = {}
        function grow(p) for i = #t + 1, 1e9 do t[i] = i end end
        local h = {}
        function spread(p) for i = 1, 1e9 do h["k" .. i .. #h] = i h[#h + 1] = i end end
        function release(p) t, h = {}, {} collectgarbage() return ACCEPT end
        function little(p) return DROP end
        "#,
        1 << 20,
    )
    .unwrap();
    let release = env.bind("release").unwrap();
    for name in ["grow", "spread"] {
        let function = env.bind(name).unwrap();
        let (mut by_fuel, mut by_memory) = (0, 0);
        for _ in 0..400 {
            let outcome = env.run(function, &mut packet(), 20_000);
            match outcome.status {
                Status::Fuel => by_fuel += 1,
                Status::Memory => by_memory += 1,
                other => panic!("{name}: {other:?}"),
            }
            assert!(outcome.fuel <= 20_000);
            still_works(&mut env, name);
        }
        println!("{name}: {by_fuel} packets ended by fuel, {by_memory} by memory");
        assert!(by_fuel > 3 && by_memory > 3);
        assert_eq!(env.run(release, &mut packet(), 0).status, Status::Ok);
        assert!(env.usage().live < 300_000, "{}", env.usage().live);
    }
}

/// The hash is keyed for each environment: keys that meet in one place of a table there are spread in
/// any other.
#[test]
fn keys_that_collide_in_one_environment_do_not_in_another() {
    let text = "function little(p) return DROP end";
    let mut one = environment(text, 1 << 20).unwrap();
    let mut other = environment(text, 1 << 20).unwrap();
    let places = 1 << 12;
    let numbers: Vec<u64> = (0..2_000_000u64)
        .filter(|&n| one.machine().heap.hash_word(n) % places == 7)
        .take(400)
        .collect();
    let strings: Vec<String> = (0..2_000_000u64)
        .map(|n| format!("host{n}.example"))
        .filter(|s| one.machine().heap.hash_bytes(s.as_bytes()) % places == 7)
        .take(400)
        .collect();
    assert!(numbers.len() == 400 && strings.len() == 400);
    let spread = |hashes: Vec<u32>| {
        let mut places: Vec<u32> = hashes.iter().map(|h| h % places).collect();
        places.sort_unstable();
        places.dedup();
        places.len()
    };
    let heap = &other.machine().heap;
    let numbers = spread(numbers.iter().map(|&n| heap.hash_word(n)).collect());
    let strings = spread(
        strings
            .iter()
            .map(|s| heap.hash_bytes(s.as_bytes()))
            .collect(),
    );
    println!("400 colliding numbers are at {numbers} places elsewhere, 400 strings at {strings}");
    assert!(numbers > 300 && strings > 300);
}

#[test]
fn nested_pcalls_without_fuel_end_at_once() {
    let mut env = environment(
        r#"
        caught = 0
        local function nest(n)
          if n == 0 then while true do end end
          pcall(nest, n - 1)
          caught = caught + 1
          pcall(nest, n - 1)
        end
        function pcalls(p) nest(50) end
        function handlers(p)
          local function deep(n)
            xpcall(function() if n > 0 then deep(n - 1) end while true do end end, function(m) caught = caught + 1 return m end)
            caught = caught + 1
          end
          deep(30)
        end
        function coroutines(p)
          local function deep(n)
            local co = coroutine.wrap(function() if n > 0 then pcall(deep, n - 1) end while true do end end)
            pcall(co)
            caught = caught + 1
          end
          deep(30)
        end
        function close(p)
          local function deep(n)
            local x <close> = setmetatable({}, { __close = function() pcall(function() while true do end end) caught = caught + 1 end })
            if n > 0 then pcall(deep, n - 1) end
            while true do end
          end
          deep(30)
        end
        function none_caught(p) local n = caught caught = 0 return n == 0 and DROP or ACCEPT end
        function little(p) return DROP end
        "#,
        1 << 20,
    )
    .unwrap();
    let none_caught = env.bind("none_caught").unwrap();
    for name in ["pcalls", "handlers", "coroutines", "close"] {
        let function = env.bind(name).unwrap();
        for fuel in [1, 10, 100, 1000, 20_000] {
            let outcome = env.run(function, &mut packet(), fuel);
            assert_eq!(outcome.status, Status::Fuel, "{name} with {fuel}");
            assert_eq!(outcome.fuel, fuel, "{name}");
            let verdict = env.run(none_caught, &mut packet(), 0).verdict.unwrap();
            assert_eq!(verdict.verdict, 2, "{name} with {fuel}: nothing caught it");
            still_works(&mut env, name);
        }
    }
}

/// Entries of a weak table whose keys are held by nothing but other entries' values cost a step that
/// grows with their number and not with its square, whatever order they lie in.
#[test]
fn a_chain_of_ephemerons_costs_what_it_is_long() {
    let longest = |entries: u32| {
        let source = format!(
            "local e, first = setmetatable({{}}, {{ __mode = 'k' }}), {{}}
            local k = first
            for i = 1, {entries} do local v = {{}} e[k] = v k = v end
            k = nil
            collectgarbage()
            local n = 0
            for _ in pairs(e) do n = n + 1 end
            assert(n == {entries})
            first = nil
            collectgarbage()
            assert(next(e) == nil)
            function process_packet() end"
        );
        let env = environment(&source, 1 << 20).unwrap_or_else(|e| panic!("{e}"));
        env.usage().longest_step
    };
    let (few, many) = (longest(1000), longest(8000));
    println!("1,000 entries: {few} bytes, 8,000: {many}");
    assert!(many < 12 * few, "{many} is not in proportion to {few}");
}

/// Weak caches and finalizers while everything that is not alive is needed back.
#[test]
fn weak_tables_and_finalizers_under_pressure() {
    let mut env = environment(
        r#"
        local cache = setmetatable({}, { __mode = "v" })
        local names = setmetatable({}, { __mode = "k" })
        local both = setmetatable({}, { __mode = "kv" })
        local ring, at = {}, 0
        made, finalized, revived = 0, 0, 0
        local meta
        meta = { __gc = function(o)
          finalized = finalized + 1
          assert(o.id and names[o] == "object " .. o.id)
          if o.id % 3 == 0 and not o.revived then
            o.revived = true
            revived = revived + 1
            made = made + 1
            ring[o.id % 50 + 1] = setmetatable(o, meta)
          end
        end }
        function process_packet(p)
          for i = 1, 40 do
            made = made + 1
            local o = setmetatable({ id = made, text = ("x"):rep(made % 300) }, meta)
            names[o] = "object " .. made
            cache[made % 500] = o
            cache["k" .. made % 100] = o
            both[o] = { o }
            at = at % 200 + 1
            ring[at] = o
          end
          local alive = 0
          for k, o in pairs(cache) do
            assert(o.id and #o.text == o.id % 300)
            alive = alive + 1
          end
          for o, name in pairs(names) do assert(name == "object " .. o.id) end
          return alive > 0 and DROP or ACCEPT
        end
        function settle(p) ring, at = {}, 0 collectgarbage() return ACCEPT end
        function result(p) return finalized == made and DROP or ACCEPT, made .. " made, " .. finalized .. " finalized, " .. revived .. " revived" end
        function little(p) return DROP end
        "#,
        512 << 10,
    )
    .unwrap();
    let process = env.bind("process_packet").unwrap();
    for refusal in [0, 2000] {
        env.machine().heap.set_refusal(refusal);
        for n in 0..1000 {
            let outcome = env.run(process, &mut packet(), 1_000_000);
            assert_eq!(
                outcome.status,
                Status::Ok,
                "packet {n}: {:?}",
                outcome.verdict
            );
        }
    }
    env.machine().heap.set_refusal(0);
    let settle = env.bind("settle").unwrap();
    for _ in 0..5 {
        env.run(settle, &mut packet(), 1_000_000);
    }
    let result = env.bind("result").unwrap();
    let verdict = env.run(result, &mut packet(), 0).verdict.unwrap();
    println!("{}", env.reason(verdict.reason - 1));
    assert_eq!(verdict.verdict, 2, "everything that was made is finalized");
}

/// Strings that only a weak table has as keys, whose values go while a cycle marks and has met the
/// table: what is left of such an entry must not be taken for a string when something else is in its
/// place. (The checked build tells what is no string.)
#[test]
fn weak_keys_that_lose_their_value_while_a_cycle_marks() {
    let mut env = environment(
        r#"
        local big = {}
        for i = 1, 3000 do big[i] = { i } end
        local function name(i, round) return "key " .. round * 1000 + i end
        function try(p)
          collectgarbage() collectgarbage("stop")
          for round = 1, 20 do
            for _, mode in ipairs { "k", "kv", "v" } do
              local t = setmetatable({}, { __mode = mode })
              local values = {}
              for i = 1, 50 do values[i] = {} t[name(i, round)] = values[i] end
              for step = 1, round do collectgarbage("step", 1) end
              for i = 1, 50 do t[name(i, round)] = nil end
              repeat until collectgarbage("step", 100)
              local others = {}
              for i = 1, 500 do local x = i others[i] = function() x = x + 1 return x end end
              for i = 1, 50 do assert(t[name(i, round)] == nil) end
              for i = 1, 50 do t[name(i, round)] = i end
              for i = 1, 50 do assert(t[name(i, round)] == i) end
              local n = 0
              for k, v in pairs(t) do n = n + 1 assert(k == name(v, round)) end
              assert(n == 50)
            end
          end
          collectgarbage("restart")
          return DROP
        end
        "#,
        2 << 20,
    )
    .unwrap();
    let try_it = env.bind("try").unwrap();
    let outcome = env.run(try_it, &mut packet(), 1_000_000_000);
    assert_eq!(outcome.status, Status::Ok, "{}", env.last_error());
}

/// Garbage of every kind as fast as it can be made, with as much alive as was promised.
#[test]
fn garbage_at_the_limit_is_collected_in_time() {
    let mut env = environment(
        r#"
        local memory = 1 << 20
        local alive = {}
        while collectgarbage "count" * 1024 < memory - 180000 do alive[#alive + 1] = { tostring(#alive) } end
        local function nothing() end
        function process_packet(p)
          for i = 1, 100 do
            local t = { i, { i }, name = "n" }
            local s = "a" .. i .. ("b"):rep(i)
            local f = function() return t, s end
            local c = coroutine.wrap(nothing)
            c()
            t[i .. ""] = f
          end
          kept = { kept and kept[1] or 1, ("x"):rep(2000) }
          return DROP
        end
        function check(p)
          for i = 1, #alive do assert(alive[i][1] == tostring(i - 1)) end
          return DROP
        end
        function little(p) return DROP end
        "#,
        1 << 20,
    )
    .unwrap();
    let process = env.bind("process_packet").unwrap();
    let check = env.bind("check").unwrap();
    run_packets(&mut env, process, 2000);
    assert_eq!(env.run(check, &mut packet(), 10_000_000).status, Status::Ok);
    let usage = env.usage();
    println!(
        "{} collections, longest step {} bytes",
        usage.collections, usage.longest_step
    );
    assert!(usage.collections > 20);
}
