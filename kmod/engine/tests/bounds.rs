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
use packetscript_engine::user::{Chunk, Environment, Settings, check};

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
    for n in 0..20_000 {
        let outcome = env.run(process, &mut packet(), 0);
        assert_eq!(
            outcome.status,
            Status::Ok,
            "packet {n}: {:?}",
            outcome.verdict
        );
    }
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
        assert!(text.starts_with("out of fuel"), "reported: {text}");
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
