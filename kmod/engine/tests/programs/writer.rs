// SPDX-License-Identifier: GPL-2.0-only
//! Writes random programs: half of each may fail anywhere, half cannot.

mod library;

use std::fmt::Write;

/// Functions that every program has: they show any value in a way that does not depend on addresses
/// or on the order of tables.
const PRELUDE: &str = r##"
local function show(v, depth)
    local t = type(v)
    if t == "table" then
        if (depth or 0) > 2 then return "{...}" end
        local out = {}
        for i = 1, 5 do out[i] = show(v[i], (depth or 0) + 1) end
        for i, k in ipairs{"x", "y", "n"} do out[#out + 1] = k .. "=" .. show(v[k], (depth or 0) + 1) end
        return "{" .. table.concat(out, ",") .. "}"
    elseif t == "function" or t == "thread" then
        return t
    elseif t == "string" then
        v = v:gsub("0x%x+", "0x")
        return #v > 90 and v:sub(1, 90) .. "#" .. #v or "'" .. v .. "'"
    end
    return tostring(v)
end
local function out(...)
    local t = {}
    for i = 1, select("#", ...) do t[i] = show((select(i, ...))) end
    print(table.concat(t, " "))
end
local steps = 0
local function tick() steps = steps + 1; if steps > 300 then error("enough", 0) end end
local meta = {
    __add = function(a, b) return "add" end, __sub = function(a, b) return type(a) .. type(b) end,
    __lt = function(a, b) return type(a) == "table" end, __le = function() return nil end,
    __eq = function() return 1 end, __index = function(t, k) return k end,
    __call = function(self, ...) return select("#", ...), ... end, __concat = function(a, b) return "cat" end,
    __unm = function() return 7 end, __len = function() return 3 end, __idiv = function(a, b) return a end,
    __band = function(a, b) return b end, __shl = function() return nil end,
    __close = function(v, e) out("close", e) end,
}
g1, g2, g3 = 10, "str", {1, 2, 3, x = 4}
"##;

/// The random numbers of a program.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// A program in the making.
struct Writer {
    random: Random,
    text: String,
    /// Local variables in scope.
    locals: Vec<String>,
    /// Those that always hold integers, and those that hold functions from integers to integers.
    integers: Vec<String>,
    functions: Vec<String>,
    named: usize,
    loops: usize,
    vararg: bool,
    depth: usize,
}

const GLOBALS: &[&str] = &["g1", "g2", "g3", "g4"];
const BINARY: &[&str] = &[
    "+", "-", "*", "/", "//", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or", "and",
    "or", "&", "|", "~", "<<", ">>", "+", "-", "==",
];
const LITERALS: &[&str] = &[
    "nil",
    "true",
    "false",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "255",
    "256",
    "65536",
    "100000",
    "1.5",
    "0.0",
    "2.0",
    "1e100",
    "0x10",
    "'a'",
    "'10'",
    "'x'",
    "''",
    "9007199254740993",
    "0x7fffffffffffffff",
    "math.mininteger",
    "3.0",
    "-0.0",
    "1 << 62",
    "'abc'",
    "0x1p-2",
    "32767",
    "-32768",
    "2147483648",
];

impl Writer {
    fn name(&mut self) -> String {
        let i = self.named;
        self.named += 1;
        format!("v{i}")
    }

    fn variable(&mut self) -> String {
        if !self.locals.is_empty() && self.random.below(5) > 0 {
            // Mostly a recent one.
            let recent = self.locals.len().min(1 + self.random.below(10));
            let back = 1 + self.random.below(recent);
            return self.locals[self.locals.len() - back].clone();
        }
        self.random.one(GLOBALS).to_string()
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return if self.random.below(2) == 0 {
                self.random.one(LITERALS).to_string()
            } else {
                self.variable()
            };
        }
        let d = depth - 1;
        match self.random.below(22) {
            0..=2 => self.expression(0),
            3..=8 => {
                let op = self.random.one(BINARY);
                format!("{} {op} {}", self.operand(d), self.operand(d))
            }
            9 => format!("not {}", self.operand(d)),
            10 => format!("-{}", self.operand(d)),
            11 => self.random.one(&["#", "~", "- -", "not not "]).to_string() + &self.operand(d),
            12 => format!("({})", self.expression(d)),
            13 => format!(
                "{}.{}",
                self.prefix(d),
                self.random.one(&["x", "y", "n", "z"])
            ),
            14 => format!("{}[{}]", self.prefix(d), self.expression(d)),
            15 => self.table(d),
            16 => self.call(d),
            17 => {
                let list = self.list(d, 3);
                format!(
                    "({}) and {} or {}",
                    list.split(", ").next().unwrap_or("1"),
                    self.operand(d),
                    self.operand(d)
                )
            }
            18 if depth > 1 => self.function(d),
            19 if self.vararg => self
                .random
                .one(&["...", "(...)", "select('#', ...)"])
                .to_string(),
            20 => format!("setmetatable({{{}}}, meta)", self.expression(0)),
            _ => format!(
                "{} {} {}",
                self.variable(),
                self.random.one(BINARY),
                self.operand(0)
            ),
        }
    }

    /// An expression that is an integer.
    fn integer(&mut self, depth: usize) -> String {
        if depth == 0 || self.random.below(6) == 0 {
            let known = self.integers.len();
            return if known > 0 && self.random.below(3) > 0 {
                self.integers[self.random.below(known)].clone()
            } else {
                self.random
                    .one(&[
                        "0",
                        "1",
                        "2",
                        "5",
                        "100",
                        "-1",
                        "70000",
                        "0x7fffffff",
                        "1 << 40",
                        "#'abc'",
                    ])
                    .to_string()
            };
        }
        let d = depth - 1;
        let a = self.integer(d);
        let b = self.integer(d);
        match self.random.below(12) {
            0..=2 => format!(
                "({a} {} {b})",
                self.random.one(&["+", "-", "*", "&", "|", "~", "<<", ">>"])
            ),
            3 => format!("{a} {} {b}", self.random.one(&["+", "-", "*"])),
            4 => format!(
                "({a} {} {})",
                self.random.one(&["//", "%"]),
                self.random.one(&["3", "-7", "1000"])
            ),
            5 => format!("(- ({a}))"),
            6 => format!("(~ ({a}))"),
            7 | 8 => {
                let compare = self.random.one(&["<", "<=", ">", ">=", "==", "~="]);
                let logic = self.random.one(&["and", "or", "and not"]);
                let c = self.integer(0);
                if self.random.below(2) == 0 {
                    format!("({a} {compare} {c} and {b} or {c})")
                } else {
                    format!("(({a} {compare} {b} {logic} {c} {compare} {a}) and {a} or {c})")
                }
            }
            _ if !self.functions.is_empty() => {
                let f = self.functions[self.random.below(self.functions.len())].clone();
                format!("{f}({a}, {b})")
            }
            _ => format!(
                "({{{a}, {b}, x = {a}}})[{}]",
                self.random.one(&["1", "2", "'x'"])
            ),
        }
    }

    /// A statement that cannot fail.
    fn safe_statement(&mut self, depth: usize) {
        let d = depth.saturating_sub(1);
        match self.random.below(if depth == 0 { 5 } else { 11 }) {
            0 | 1 => {
                let value = self.integer(3);
                let name = self.name() + "n";
                let _ = writeln!(self.text, "local {name} = {value}");
                self.integers.push(name);
            }
            2 if self.integers.len() > 1 => {
                let n = self.integers.len();
                let a = self.integers[self.random.below(n)].clone();
                let b = self.integers[self.random.below(n)].clone();
                let values = (self.integer(2), self.integer(2));
                if a == b {
                    let _ = writeln!(self.text, "{a} = {}", values.0);
                } else {
                    let _ = writeln!(self.text, "{a}, {b} = {}, {}", values.0, values.1);
                }
            }
            3 | 2 => {
                let list = [self.integer(2), self.integer(2)].join(", ");
                let _ = writeln!(self.text, "out({list})");
            }
            4 => {
                let (key, value) = (self.integer(1), self.integer(2));
                let _ = writeln!(
                    self.text,
                    "do local t = {{{value}, [{key} & 3] = {value}, n = {key}}} t[{key} & 3], t.n = {value}, t.n + 1 out(t) end"
                );
            }
            5 | 6 => {
                let condition = self.condition();
                let _ = writeln!(self.text, "if {condition} then");
                self.safe_block(d);
                if self.random.below(2) == 0 {
                    let _ = writeln!(self.text, "else");
                    self.safe_block(d);
                }
                let _ = writeln!(self.text, "end");
            }
            7 => {
                let name = self.name() + "n";
                let (from, to) = (self.integer(1), self.integer(1));
                let _ = writeln!(
                    self.text,
                    "for {name} = ({from}) & 7, ({to}) & 7, {} do tick()",
                    self.random.one(&["1", "2", "-1"])
                );
                self.integers.push(name);
                self.safe_block(d);
                self.integers.pop();
                if self.random.below(2) == 0 {
                    let condition = self.condition();
                    let _ = writeln!(self.text, "if {condition} then break end");
                }
                let _ = writeln!(self.text, "end");
            }
            8 => {
                let name = self.name() + "n";
                let _ = writeln!(self.text, "local {name} = 0");
                self.integers.push(name.clone());
                let condition = self.condition();
                let last = self.random.below(2);
                if last == 0 {
                    let _ = writeln!(
                        self.text,
                        "while {name} < 4 and ({condition}) do tick() {name} = {name} + 1"
                    );
                } else {
                    let _ = writeln!(self.text, "repeat tick() {name} = {name} + 1");
                }
                let outer = self.integers.len();
                for _ in 0..2 {
                    self.safe_statement(d);
                }
                if last == 0 {
                    let _ = writeln!(self.text, "end");
                } else {
                    let condition = self.condition();
                    let _ = writeln!(self.text, "until {name} >= 3 or {condition}");
                }
                self.integers.truncate(outer);
            }
            _ => {
                let (name, a, b) = (self.name() + "f", self.name() + "n", self.name() + "n");
                let _ = writeln!(self.text, "local function {name}({a}, {b}) tick()");
                let outer = self.integers.len();
                self.integers.extend([a, b]);
                let outer_functions = self.functions.len();
                self.safe_block(d.min(2));
                let value = self.integer(2);
                let _ = writeln!(self.text, "return {value} end");
                self.integers.truncate(outer);
                self.functions.truncate(outer_functions);
                self.functions.push(name);
            }
        }
    }

    fn condition(&mut self) -> String {
        let (a, b) = (self.integer(1), self.integer(1));
        let first = format!(
            "{a} {} {b}",
            self.random.one(&["<", "<=", ">", ">=", "==", "~="])
        );
        match self.random.below(4) {
            0 => first,
            1 => format!("not ({first})"),
            n => {
                let c = self.integer(0);
                let logic = self.random.one(&["and", "or", "and not"]);
                let compare = self.random.one(&["<", ">=", "=="]);
                format!("{first} {logic} ({c} {compare} {})", n * 40)
            }
        }
    }

    fn safe_block(&mut self, depth: usize) {
        let (integers, functions) = (self.integers.len(), self.functions.len());
        for _ in 0..=self.random.below(4) {
            self.safe_statement(depth);
        }
        self.integers.truncate(integers);
        self.functions.truncate(functions);
    }

    fn operand(&mut self, depth: usize) -> String {
        let e = self.expression(depth);
        if e.contains(' ') && self.random.below(3) > 0 {
            format!("({e})")
        } else {
            e
        }
    }

    fn prefix(&mut self, depth: usize) -> String {
        match self.random.below(5) {
            0 => format!("({})", self.expression(depth)),
            1 => "g3".into(),
            _ => self.variable(),
        }
    }

    fn list(&mut self, depth: usize, most: usize) -> String {
        let n = 1 + self.random.below(most);
        let items: Vec<String> = (0..n).map(|_| self.expression(depth)).collect();
        items.join(", ")
    }

    fn table(&mut self, depth: usize) -> String {
        let n = self.random.below(5);
        let mut items = Vec::new();
        for _ in 0..n {
            let value = self.expression(depth);
            items.push(match self.random.below(5) {
                0 => format!("x = {value}"),
                1 => format!(
                    "[{}] = {value}",
                    self.random
                        .one(&["1", "'y'", "2.0", "3", "true", "g1", "'n'"])
                ),
                _ => value,
            });
        }
        if self.vararg && self.random.below(3) == 0 {
            items.push("...".into());
        }
        format!(
            "{{{}}}",
            items.join(if self.random.below(2) == 0 {
                ", "
            } else {
                "; "
            })
        )
    }

    fn call(&mut self, depth: usize) -> String {
        let args = if self.random.below(4) == 0 {
            String::new()
        } else {
            self.list(depth, 3)
        };
        match self.random.below(9) {
            8 => self.library(depth),
            0 => format!("tostring({})", self.expression(depth)),
            1 => format!(
                "select({}, {args}{}1)",
                self.random.one(&["1", "2", "-1"]),
                if args.is_empty() { "" } else { ", " }
            ),
            2 => format!(
                "g2:{}({args})",
                self.random.one(&["rep", "sub", "upper", "len", "nope"])
            ),
            3 => format!(
                "pcall({}{}{args})",
                self.variable(),
                if args.is_empty() { "" } else { ", " }
            ),
            4 => format!("type({})", self.expression(depth)),
            5 => format!("math.type({})", self.expression(depth)),
            _ => format!("{}({args})", self.variable()),
        }
    }

    fn function(&mut self, depth: usize) -> String {
        let params = self.random.below(3);
        let names: Vec<String> = (0..params).map(|_| self.name()).collect();
        let vararg = self.random.below(3) == 0;
        let mut list = names.clone();
        if vararg {
            list.push("...".into());
        }
        let outer_vararg = std::mem::replace(&mut self.vararg, vararg);
        let outer_loops = std::mem::replace(&mut self.loops, 0);
        let outer = self.locals.len();
        self.locals.extend(names);
        let text = std::mem::take(&mut self.text);
        self.text.push_str("tick() ");
        self.block(depth.min(2), 3);
        let last = match self.random.below(4) {
            0 => format!("return {}", self.call(1)),
            1 => String::new(),
            _ => format!("return {}", self.list(1, 3)),
        };
        let body = std::mem::replace(&mut self.text, text);
        self.locals.truncate(outer);
        self.vararg = outer_vararg;
        self.loops = outer_loops;
        format!("function({}) {body} {last} end", list.join(", "))
    }

    fn block(&mut self, depth: usize, statements: usize) {
        let outer = self.locals.len();
        for _ in 0..=self.random.below(statements) {
            self.statement(depth);
        }
        self.locals.truncate(outer);
    }

    fn target(&mut self) -> String {
        match self.random.below(6) {
            0 => format!("g3.{}", self.random.one(&["x", "y", "n"])),
            1 => format!("g3[{}]", self.expression(1)),
            2 => format!("{}[{}]", self.variable(), self.variable()),
            _ => {
                // Constant variables end in c.
                let v = self.variable();
                if v.ends_with('c') { "g4".into() } else { v }
            }
        }
    }

    fn statement(&mut self, depth: usize) {
        let d = depth.saturating_sub(1);
        let kind = if depth == 0 {
            self.random.below(8)
        } else {
            self.random.below(25)
        };
        match kind {
            0 | 1 => {
                let n = 1 + self.random.below(3);
                let values = self.list(2, 3);
                let names: Vec<String> = (0..n).map(|_| self.name()).collect();
                let _ = writeln!(self.text, "local {} = {values}", names.join(", "));
                self.locals.extend(names);
            }
            2 => {
                let value = self.expression(2);
                let name = self.name() + "c";
                let close = self.random.below(4) == 0;
                let (attribute, value) = if close {
                    ("close", "setmetatable({}, meta)".to_string())
                } else {
                    ("const", value)
                };
                let _ = writeln!(self.text, "local {name} <{attribute}> = {value}");
                self.locals.push(name);
            }
            3 | 4 => {
                let n = 1 + self.random.below(3);
                let targets: Vec<String> = (0..n).map(|_| self.target()).collect();
                let values = self.list(2, 3);
                let _ = writeln!(self.text, "{} = {values}", targets.join(", "));
            }
            5 => {
                let list = self.list(2, 4);
                let _ = writeln!(self.text, "out({list})");
            }
            6 => {
                let call = self.call(2);
                let _ = writeln!(self.text, "{call}");
            }
            7 => {
                let v = self.variable();
                let _ = writeln!(self.text, "out({v})");
            }
            8 | 9 => {
                let condition = self.expression(2);
                let _ = writeln!(self.text, "if {condition} then");
                self.block(d, 3);
                if self.random.below(3) == 0 {
                    let condition = self.expression(1);
                    let _ = writeln!(self.text, "elseif {condition} then");
                    self.block(d, 2);
                }
                if self.random.below(2) == 0 {
                    let _ = writeln!(self.text, "else");
                    self.block(d, 2);
                }
                let _ = writeln!(self.text, "end");
            }
            10 => {
                let condition = self.expression(1);
                let _ = writeln!(self.text, "while {condition} do tick()");
                self.loop_body(d);
                let _ = writeln!(self.text, "end");
            }
            11 => {
                let _ = writeln!(self.text, "repeat tick()");
                let outer = self.locals.len();
                self.loops += 1;
                for _ in 0..2 {
                    self.statement(d);
                }
                self.loops -= 1;
                let condition = self.expression(1);
                let _ = writeln!(self.text, "until {condition}");
                self.locals.truncate(outer);
            }
            12 | 13 => {
                let name = self.name();
                let range = self.random.one(&[
                    "1, 3",
                    "3, 1, -1",
                    "1, 2, 0.5",
                    "g1, 12",
                    "1.0, 2",
                    "2, 1",
                    "-1, 1",
                ]);
                let _ = writeln!(self.text, "for {name} = {range} do tick()");
                self.locals.push(name);
                self.loop_body(d);
                self.locals.pop();
                let _ = writeln!(self.text, "end");
            }
            14 => {
                let (k, v) = (self.name(), self.name());
                let over = self.random.one(&[
                    "ipairs(g3)",
                    "ipairs{5, 6}",
                    "next, {7}",
                    "string.gmatch('a b', '%a')",
                ]);
                let _ = writeln!(self.text, "for {k}, {v} in {over} do tick()");
                self.locals.push(k);
                self.locals.push(v);
                self.loop_body(d);
                self.locals.truncate(self.locals.len() - 2);
                let _ = writeln!(self.text, "end");
            }
            15 => {
                let name = self.name();
                if self.random.below(2) == 0 {
                    self.locals.push(name.clone());
                    let body = self.function(d);
                    let _ = writeln!(
                        self.text,
                        "local function {name}{}",
                        &body["function".len()..]
                    );
                } else {
                    let body = self.function(d);
                    let _ = writeln!(self.text, "local {name} = {body}");
                    self.locals.push(name);
                }
            }
            16 => {
                let _ = writeln!(self.text, "do");
                self.block(d, 3);
                let _ = writeln!(self.text, "end");
            }
            17 if self.loops > 0 => {
                let condition = self.expression(1);
                let _ = writeln!(self.text, "if {condition} then break end");
            }
            18 => {
                let label = self.name();
                let condition = self.expression(1);
                let _ = writeln!(self.text, "do if {condition} then goto {label} end");
                self.block(d, 2);
                let _ = writeln!(self.text, "::{label}:: end");
            }
            20..=23 => self.library_statement(d),
            _ => {
                let body = self.function(d);
                let _ = writeln!(self.text, "out(pcall({body}))");
            }
        }
    }

    fn loop_body(&mut self, depth: usize) {
        self.loops += 1;
        let goes_on = self.random.below(3) == 0;
        let label = self.name();
        if goes_on {
            let condition = self.expression(1);
            let _ = writeln!(self.text, "if {condition} then goto {label} end do");
        }
        self.block(depth, 3);
        if goes_on {
            let _ = writeln!(self.text, "end ::{label}::");
        }
        self.loops -= 1;
    }
}

/// The program of a seed.
pub fn program(seed: u64) -> String {
    let mut w = Writer {
        random: Random(seed),
        text: String::new(),
        locals: Vec::new(),
        integers: Vec::new(),
        functions: Vec::new(),
        named: 0,
        loops: 0,
        vararg: true,
        depth: 0,
    };
    w.depth = 2 + w.random.below(3);
    let mut text = String::from(PRELUDE);
    for part in 0..4 {
        w.locals.clear();
        w.integers.clear();
        w.functions.clear();
        if part % 2 == 0 {
            w.block(w.depth, 8);
        } else {
            for _ in 0..8 {
                w.safe_statement(3);
            }
        }
        let body = std::mem::take(&mut w.text);
        let _ = writeln!(
            text,
            "steps = 0 out(pcall(function(...)\n{body}end, 1, 'two', nil))"
        );
    }
    text
}
