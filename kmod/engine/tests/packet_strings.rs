// SPDX-License-Identifier: GPL-2.0-only
//! The string library on bytes of the packet: every function answers as it does for a copy.
#![cfg(feature = "user")]

use packetscript_engine::compiler::Chunk;
use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::user::{Environment, Settings, check};

const SCRIPT: &str = r##"
local function same(a, b, what)
  if a.n ~= b.n then error(what .. ": " .. a.n .. " is not " .. b.n) end
  for i = 1, a.n do
    if a[i] ~= b[i] then error(what .. ": " .. tostring(a[i]) .. " is not " .. tostring(b[i])) end
  end
end
local calls = {
  { "len" }, { "sub", 2, 5 }, { "sub", -4 }, { "sub", 0 }, { "byte", 1, -1 }, { "upper" }, { "lower" },
  { "reverse" }, { "rep", 3 }, { "rep", 2, ", " }, { "find", "lo" }, { "find", "l+()" }, { "find", "zz" },
  { "find", "o", 6, true }, { "match", "(%a+) (%a+)" }, { "match", "%d+" }, { "gsub", "o", "0" },
  { "gsub", "%w+", "<%0>" }, { "gsub", "%w+", string.upper }, { "gsub", "%w", { h = "J", o = false } },
  { "gsub", "x*", "-" }, { "format" }, { "unpack", 1 },
}
function process_packet(p)
  local view = p.payload
  local copy = view .. ""
  assert(view == copy and copy == view and #view == #copy and type(view) == "string")
  for _, call in ipairs(calls) do
    local name = call[1]
    if name == "unpack" then
      same(table.pack(string.unpack("<I2 >I3 c4 B", view)), table.pack(string.unpack("<I2 >I3 c4 B", copy)), name)
    else
      local f = string[name]
      same(table.pack(f(view, table.unpack(call, 2))), table.pack(f(copy, table.unpack(call, 2))), name)
    end
  end
  local words = {}
  for word in view:gmatch("%a+") do words[#words + 1] = word end
  assert(table.concat(words, "|") == "Hello|packet|world|return|loaded")
  assert(table.concat({ view, view:sub(1, 5) }, "/") == copy .. "/Hello")
  assert(("%s|%.5s|%20s|%q"):format(view, view, view:sub(1, 5), view:sub(1, 5))
    == ("%s|%.5s|%20s|%q"):format(copy, copy, copy:sub(1, 5), copy:sub(1, 5)))
  assert(string.pack("s1z", view, view:sub(1, 3)) == string.pack("s1z", copy, copy:sub(1, 3)))
  assert(tonumber(view:sub(20, 21)) == 42 and view:sub(20, 21) + 1 == 43 and tonumber(view:sub(20, 21), 16) == 0x42)
  assert(utf8.len(view) == utf8.len(copy) and view:sub(1, 5) < "Hellp" and view:sub(1, 5) .. "!" == "Hello!")
  local t = { [view:sub(1, 5)] = "key" }
  assert(t.Hello == "key" and t[view:sub(1, 5)] == "key" and ({ Hello = 1 })[view:sub(1, 5)] == 1)
  assert(load(view:sub(23))() == "loaded" and select("#", view:byte(1, 3)) == 3)
  -- A part of the packet stays what it was when the packet is written.
  local part = view:sub(7, 12)
  local captured = view:match("w%a+")
  p.payload = "other"
  assert(part == "packet" and captured == "world" and view == copy and p.payload == "other")
  kept = view:sub(1, 5)
  return ACCEPT
end
function later(p)
  assert(kept == "Hello" and p.payload == "other packet")
  return ACCEPT
end
"##;

#[test]
fn library_functions_take_bytes_of_the_packet() {
    let program = check(&[Chunk {
        name: b"strings.lua",
        text: SCRIPT.as_bytes(),
    }])
    .expect("a program");
    let mut env = Environment::new(program, Settings::default()).expect("an environment");
    let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let first = b"Hello packet world 42 return 'loaded'";
    // Also when only the headers lie in one piece.
    for linear in [usize::MAX, 28, 40] {
        for (function, payload) in [("process_packet", &first[..]), ("later", b"other packet")] {
            let handle = env.bind(function).expect("a function");
            let mut packet = UserPacket::new(&frame::udp(a, b, 1, 53, payload)).with_linear(linear);
            let outcome = env.run(handle, &mut packet, 0);
            assert!(
                outcome.verdict.is_ok(),
                "{function}, {linear}: {:?}",
                outcome.verdict
            );
        }
    }
}
