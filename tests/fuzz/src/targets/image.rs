// SPDX-License-Identifier: GPL-2.0-only
//! Images that somebody damaged: what the verifier takes does no harm, whatever it means.

use std::sync::OnceLock;

use packetscript_engine::bytecode::{image::Image, list};
use packetscript_engine::user::Program;

use super::vm::samples;
use crate::input::Input;
use crate::machine::{self, Limits, Machine};

/// Programs that have every kind of instruction between them.
const SOURCES: [&str; 6] = [
    "local t = { 1, 2, 3, n = 4, [5] = 6, ... } for i = 1, #t do t[i] = t[i] * 2 // 3 end
     for k, v in pairs(t) do t[k] = v .. k end for i = 3, 1, -1 do t[i] = -t[i] end return t, #t",
    "local function f(a, ...) local b <close> = nil if a then return f(nil, ...) end return select('#', ...), ... end
     local c = 0 local function g() c = c + 1 return function() c = c - 1 return c end end
     local x = { f(1, 2, 3) } while c < 3 do g()() g() c = c + 1 end return f(g), x",
    "function process_packet(p)
       if p.udp and p.udp.dport == 53 then return DROP, 'dns' end
       if p.ip and p.ip.ttl > 3 then p.ip.ttl = p.ip.ttl - 1 return ACCEPT end
       return p.tcp and p.tcp.syn and QUEUE(3) or CONTINUE
     end",
    "local P = {} P.__index = P P.__add = function(a, b) return a end P.__call = function(s, n) return n end
     local o = setmetatable({ x = 1 }, P) function P:get(n) return self.x + n end
     local s = o:get(2) + (o + 1).x s = s & 7 | 1 ~ 3 << 2 >> 1 s = ~s % 5 ^ 2 / 3 return o(s), not s, s == 1, s <= 2",
    "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) error({ b }) end)
     local r = { pcall(co, 1), pcall(co, 2), pcall(co) } goto done do r = nil end ::done::
     return r, pcall(error), ('x'):rep(3):upper(), string.format('%d %s', 3, 'a')",
    "local a, b, c = 1, 2.5, 'c' repeat local d = a + b a = a + 1 if d > 5 then break end until a > 9
     a, b, c = b, c, a if a < b == true then c = nil end _ENV.g = a g = g and g .. 'x' or c return g, (...)",
];

const LIMITS: Limits = Limits {
    memory: 64 << 10,
    fuel: 3000,
    stress: false,
};

/// The first byte chooses a program, or says that the rest is an image as it stands. Then come
/// changes: a section and a place in it, and a byte or a word to be there.
pub fn run(input: &[u8]) {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let images = IMAGES.get_or_init(|| {
        let image = |source: &&str| {
            let image = machine::compile(source.as_bytes(), machine::options(true));
            image.unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
        };
        SOURCES.iter().map(image).collect()
    });
    let mut input = Input::new(input);
    let choice = usize::from(input.u8());
    let image = match images.get(choice % (images.len() + 1)) {
        Some(image) => damaged(image.clone(), input),
        None => input.rest().to_vec(),
    };
    let Ok(program) = Program::from_image(&image) else {
        return;
    };
    let listing = program.disassemble();
    assert!(listing.len() < 1 << 20, "a listing without end");
    for stress in [false, true] {
        let fuel = if stress { 300 } else { LIMITS.fuel };
        let limits = Limits {
            fuel,
            stress,
            ..LIMITS
        };
        let Some(mut machine) = Machine::new(&image, limits) else {
            return;
        };
        let _ = machine.main();
        for mut packet in samples() {
            if machine.packet("process_packet", &mut packet).is_none() {
                break;
            }
        }
    }
    let image = Image::open(&image).unwrap_or_else(|why| panic!("{}", why.0));
    list::list(&image, &mut String::new()).expect("room for a listing");
}

fn damaged(mut image: Vec<u8>, mut input: Input) -> Vec<u8> {
    while !input.is_empty() {
        let what = input.u8();
        let place = usize::from(input.u16());
        let section = 16 + usize::from(what & 15) * 8;
        let start = match image.get(section..section + 4) {
            // Beyond the table of sections: the header.
            Some(offset) if what & 15 < 11 => {
                u32::from_le_bytes(offset.try_into().unwrap_or_default()) as usize
            }
            _ => 0,
        };
        let at = start.saturating_add(place);
        let size = if what & 16 == 0 { 1 } else { 4 };
        let with = input.bytes(size);
        if let Some(here) = image.get_mut(at..at + with.len()) {
            here.copy_from_slice(with);
        }
    }
    image
}
