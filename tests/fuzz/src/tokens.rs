// SPDX-License-Identifier: GPL-2.0-only
//! Mutation of sources by their tokens: what comes out is still nearly a program.

/// What stands for itself in a program.
const WORDS: &[&str] = &[
    "and",
    "break",
    "do",
    "else",
    "elseif",
    "end",
    "false",
    "for",
    "function",
    "goto",
    "if",
    "in",
    "local",
    "nil",
    "not",
    "or",
    "repeat",
    "return",
    "then",
    "true",
    "until",
    "while",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "^",
    "#",
    "&",
    "~",
    "|",
    "<<",
    ">>",
    "==",
    "~=",
    "<=",
    ">=",
    "<",
    ">",
    "=",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "::",
    ";",
    ":",
    ",",
    ".",
    "..",
    "...",
    "<const>",
    "<close>",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "0.5",
    "1e308",
    "255",
    "256",
    "65536",
    "0x7fffffffffffffff",
    "0x8000000000000000",
    "9007199254740993",
    "0x1p-1074",
    "''",
    "'a'",
    "\"%s\"",
    "[[x]]",
    "a",
    "b",
    "t",
    "f",
    "self",
    "_ENV",
    "_G",
    "p",
    "ACCEPT",
    "DROP",
    "CONTINUE",
    "QUEUE",
    "pcall",
    "error",
    "select",
    "setmetatable",
    "getmetatable",
    "rawget",
    "rawset",
    "rawlen",
    "rawequal",
    "next",
    "pairs",
    "ipairs",
    "tostring",
    "tonumber",
    "type",
    "load",
    "print",
    "assert",
    "xpcall",
    "collectgarbage",
    "string.rep",
    "string.sub",
    "string.gsub",
    "string.gmatch",
    "string.find",
    "string.format",
    "string.pack",
    "string.unpack",
    "string.byte",
    "string.char",
    "table.concat",
    "table.insert",
    "table.remove",
    "table.sort",
    "table.move",
    "table.unpack",
    "table.pack",
    "math.floor",
    "math.tointeger",
    "math.maxinteger",
    "math.mininteger",
    "math.huge",
    "utf8.char",
    "utf8.codes",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.yield",
    "coroutine.wrap",
    "coroutine.close",
    "coroutine.running",
    "debug.traceback",
    "__index",
    "__newindex",
    "__call",
    "__close",
    "__gc",
    "__mode",
    "__eq",
    "__lt",
    "__le",
    "__concat",
    "__len",
    "__unm",
    "__add",
    "__band",
    "__name",
    "__pairs",
    "__tostring",
    "__metatable",
    "p.ip",
    "p.udp",
    "p.tcp",
    "p.payload",
    "p.udp.dport",
    "p.ip.ttl",
    "p.src",
    "p.dns.qname",
    "p:u8(0)",
    "p:bytes(0,4)",
    "ip'10.0.0.1'",
    "ipset",
    "domainset",
    "bucket",
    "map",
    "now",
    "proto.define",
    "p.ct",
    "p.ct.state",
    "p.tls.sni",
    "p.http.host",
    "p.flow",
    "after",
    "every",
    "name = 'n'",
    "map { name = 'm', max = 2 }",
    "p.ct",
    "p.ct.state",
    "p.tls.sni",
    "p.http.host",
    "p.tftp.file",
    "p.flow",
    "after",
    "every",
    "name = 'n'",
    "max = 3",
    "map { name = 'm', max = 2 }",
];

/// Whole statements.
const STATEMENTS: &[&str] = &[
    "local a = ",
    "for i = 1, 3 do t[i] = i end",
    "for k, v in pairs(t) do t[k] = nil end",
    "for i = math.maxinteger - 1, math.maxinteger do a = i end",
    "while a do a = nil end",
    "repeat local x <close> = nil until true",
    "local function f(...) return ... end",
    "function process_packet(p) return p.udp and DROP or ACCEPT, 'why' end",
    "t = setmetatable({}, { __index = function(t, k) return k end, __gc = function() a = t end })",
    "t = setmetatable({}, { __mode = 'kv' })",
    "local x <close> = setmetatable({}, { __close = function(_, e) error(e) end })",
    "a = coroutine.wrap(function(...) for i = 1, 3 do coroutine.yield(i, ...) end end)",
    "a = pcall(function() error({}) end)",
    "goto l ::l::",
    "t = { n = 1, [1] = 2, 'x', f() }",
    "a, b = b, a",
    "a = a .. b .. 'x'",
    "table.sort(t, function(a, b) return true end)",
    "a = ('x'):rep(1000)",
    "a = a:gsub('.', function(c) return c:rep(3) end)",
    "p.payload = ('z'):rep(9)",
    "collectgarbage()",
    "do local a <const> = 5 b = a end",
];

/// Random numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }
}

/// Where tokens begin, roughly, and where the last one ends.
fn places(text: &[u8]) -> Vec<usize> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut places: Vec<usize> = (0..text.len())
        .filter(|&at| at == 0 || !(is_word(text[at]) && is_word(text[at - 1])))
        .collect();
    places.push(text.len());
    places
}

/// Changes a source: one to four times a token or a run of tokens is put in, taken out, doubled, moved
/// or replaced.
pub fn mutate(text: &mut Vec<u8>, seed: u32) {
    let mut random = Random(u64::from(seed) ^ 0x5851_f42d);
    random.below(1);
    for _ in 0..=random.below(4) {
        let places = places(text);
        let count = places.len() - 1;
        let from = random.below(count + 1);
        let longest = if random.below(4) == 0 { 40 } else { 4 };
        let to = (from + random.below(longest)).min(count);
        let (start, end) = (places[from], places[to]);
        let run = text[start..end].to_vec();
        let space = |word: &str| format!(" {word} ").into_bytes();
        match random.below(8) {
            0 => drop(text.drain(start..end)),
            1 => drop(text.splice(end..end, run)),
            2 => {
                let at = places[random.below(count + 1)];
                drop(text.splice(at..at, run));
            }
            3 | 4 => {
                let word = space(random.one(WORDS));
                drop(text.splice(start..end.min(places[(from + 1).min(count)]), word));
            }
            5 | 6 => {
                let word = space(random.one(WORDS));
                drop(text.splice(start..start, word));
            }
            _ => {
                let statement = space(random.one(STATEMENTS));
                drop(text.splice(start..start, statement));
            }
        }
    }
}
