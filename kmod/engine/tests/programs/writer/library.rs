// SPDX-License-Identifier: GPL-2.0-only
//! Statements about the library and about control flow: strings and patterns, coroutines, errors with
//! levels and handlers, variables to be closed, loops by goto, integers among floats.

use super::Writer;
use std::fmt::Write as _;

const SUBJECTS: &[&str] = &[
    "'hello world'",
    "''",
    "'a,b,,c'",
    "'key = value; k2=v2'",
    "'aaa'",
    "('ab'):rep(5)",
    "'x^2 + (y[1])'",
    "'\\0\\1\\255'",
    "'  trim  '",
    "'THE (quick) fox'",
    "g2",
    "12.5",
    "-7",
];
const ITEMS: &[&str] = &[
    "%a", "%d", "%w", "%s", ".", "a", "b", "[a-f]", "[^,]", "%p", "(%w)", "(.)", "[%w_]", "()",
    "%A", "=", "l", "[]]", "%(", "x",
];
const REPEATS: &[&str] = &["", "", "+", "*", "-", "?"];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "3",
    "7.0",
    "-2.5",
    "0.5",
    "1e15",
    "2^53",
    "math.maxinteger",
    "math.mininteger",
    "-0.0",
    "1/0",
    "-1/0",
    "0/0",
    "'10'",
    "'0x1p1'",
    "100",
    "1e308",
    "255",
    "63",
    "64",
];

impl Writer {
    /// A pattern, mostly a good one.
    fn pattern(&mut self) -> String {
        let mut text = String::from(if self.random.below(6) == 0 { "^" } else { "" });
        for _ in 0..=self.random.below(3) {
            text.push_str(self.random.one(ITEMS));
            if !text.ends_with(')') {
                text.push_str(self.random.one(REPEATS));
            }
        }
        match self.random.below(20) {
            0 => text.push('$'),
            1 => text.push_str("%1"),
            2 => text.push('('),
            3 => text.push_str("%b()"),
            4 => text.push_str("%f[%w]"),
            _ => {}
        }
        text
    }

    /// A call of the string library.
    fn strings(&mut self) -> String {
        let subject = self.random.one(SUBJECTS);
        let pattern = self.pattern();
        let place = self
            .random
            .one(&["1", "2", "-3", "0", "100", "-100", "nil"]);
        match self.random.below(14) {
            0 => format!("string.find({subject}, '{pattern}', {place})"),
            1 => format!("string.match({subject}, '{pattern}', {place})"),
            2 => format!("string.gsub({subject}, '{pattern}', '<%0>')"),
            3 => format!("string.gsub({subject}, '{pattern}', '%1-%2')"),
            4 => format!(
                "string.gsub({subject}, '{pattern}', {{a = 1, h = 'H', [' '] = false}}, {})",
                self.random.one(&["1", "2", "nil", "0"])
            ),
            5 => {
                let result = self.expression(1);
                format!(
                    "string.gsub({subject}, '{pattern}', function(...) tick() return {result} end)"
                )
            }
            6 => format!(
                "(function() local t = {{}} for a, b in string.gmatch({subject}, '{pattern}') do tick() t[#t + 1] = tostring(a) .. tostring(b) end return table.concat(t, '|') end)()"
            ),
            7 => format!(
                "string.format('{}', {}, {})",
                self.random.one(&[
                    "%d %s",
                    "%5.2f|%-5s|",
                    "%x %q",
                    "%g %s",
                    "%s %s",
                    "%i%%%c",
                    "%5s%5d",
                    "%a %o",
                    "%q %q",
                    "%.3s %e"
                ]),
                self.expression(1),
                self.expression(1)
            ),
            8 => format!("string.sub({subject}, {place}, {})", self.expression(0)),
            9 => format!(
                "string.byte({subject}, {place}, {})",
                self.random.one(&["nil", "3", "-1"])
            ),
            10 => format!(
                "string.rep({subject}, {}, ',')",
                self.random.one(&["0", "2", "3.0", "'1'", "1.5"])
            ),
            11 => format!(
                "tonumber({}, {})",
                self.expression(1),
                self.random.one(&["10", "16", "nil", "2", "36"])
            ),
            12 => format!(
                "string.unpack('{0}', string.pack('{0}', {1}))",
                self.random
                    .one(&["<i4", ">I2", "z", "s1", "<d", "b", "<i8", "!4 b i4"]),
                self.expression(1)
            ),
            _ => format!(
                "({subject}):{}()",
                self.random
                    .one(&["upper", "lower", "reverse", "len", "byte", "none"])
            ),
        }
    }

    /// A call of the table library.
    fn tables(&mut self) -> String {
        let list = self.table(1);
        match self.random.below(8) {
            0 => format!("table.concat({list}, ',')"),
            1 => format!(
                "table.unpack({list}, 1, {})",
                self.random.one(&["2", "3", "0"])
            ),
            2 => format!("table.pack({}).n", self.list(1, 3)),
            3 => format!(
                "(function(t) table.insert(t, {}) return t end)({{1, 2}})",
                self.list(1, 2)
            ),
            4 => format!("table.remove({{1, 2, 3}}, {})", self.expression(1)),
            5 => format!(
                // A list with holes has several lengths: what is nil is left out.
                "(function(...) local t = {{}} for i = 1, select('#', ...) do t[#t + 1] = (select(i, ...)) end table.sort(t) return t end)({})",
                self.list(0, 5)
            ),
            6 => format!(
                "table.move({{1, 2, 3}}, {}, {}, {})",
                self.random.one(&["1", "2", "-1"]),
                self.random.one(&["3", "2", "1"]),
                self.random.one(&["1", "2", "4", "-1"])
            ),
            _ => format!("next({list}) ~= nil"),
        }
    }

    /// A call of the library, of coroutines too: outside of one, yielding is an error.
    pub(super) fn library(&mut self, depth: usize) -> String {
        match self.random.below(9) {
            0..=3 => self.strings(),
            4 | 5 => self.tables(),
            6 => format!("coroutine.yield({})", self.list(depth.min(1), 2)),
            7 => format!(
                "math.{}({})",
                self.random.one(&[
                    "floor",
                    "ceil",
                    "abs",
                    "tointeger",
                    "max",
                    "fmod",
                    "type",
                    "ult",
                    "modf"
                ]),
                self.list(0, 2)
            ),
            _ => self
                .random
                .one(&[
                    "coroutine.isyieldable()",
                    "select(2, coroutine.running())",
                    "coroutine.status(coroutine.running())",
                ])
                .to_string(),
        }
    }

    /// Arithmetic of integers and floats, with the subtype of what comes out.
    fn numbers(&mut self) {
        let mut text = self.random.one(NUMBERS).to_string();
        for _ in 0..=self.random.below(3) {
            let operator = self.random.one(&[
                "+", "-", "*", "/", "//", "%", "^", "&", "|", "~", "<<", ">>", "<", "<=", "==",
                "~=",
            ]);
            let other = self.random.one(NUMBERS);
            text = if self.random.below(2) == 0 {
                format!("({text}) {operator} {other}")
            } else {
                format!("{other} {operator} ({text})")
            };
        }
        let _ = writeln!(
            self.text,
            "out(pcall(function() local r = {text} return math.type(r), r == r and r end))"
        );
    }

    /// A coroutine that is resumed a few times, and perhaps closed.
    fn coroutine(&mut self, depth: usize) {
        let name = self.name();
        let body = self.function(depth.max(1));
        let yields = self.list(1, 2);
        let between = self.expression(1);
        let _ = writeln!(
            self.text,
            "local {name} = coroutine.create(function(...) local inner = {body}\nout('in', ...) out('back', coroutine.yield({yields}))"
        );
        if self.random.below(2) == 0 {
            let _ = writeln!(
                self.text,
                "local closing <close> = setmetatable({{}}, {{__close = function(_, e) out('closing', e) {} end}})",
                self.random
                    .one(&["", "coroutine.yield('in close')", "error('from close')"])
            );
        }
        let _ = writeln!(
            self.text,
            "out(pcall(inner, coroutine.yield({between}))) return {} end)",
            self.random.one(&[
                "1, 2",
                "nil",
                "coroutine.yield('last')",
                "error({})",
                "inner(1)",
                "..."
            ])
        );
        for _ in 0..2 + self.random.below(4) {
            let args = self.list(1, 2);
            let _ = writeln!(
                self.text,
                "out(coroutine.resume({name}, {args})) out(coroutine.status({name}))"
            );
        }
        if self.random.below(2) == 0 {
            let _ = writeln!(
                self.text,
                "out(coroutine.close({name})) out(coroutine.status({name}))"
            );
        }
        self.locals.push(name);
    }

    /// A generator, consumed by a loop that may be left.
    fn generator(&mut self, depth: usize) {
        let value = self.name();
        let made = self.expression(1);
        let _ = writeln!(
            self.text,
            "for {value}, second in coroutine.wrap(function(...) for i = 1, {} do tick() coroutine.yield(i, {made}) end {} end) do tick()",
            self.random.one(&["3", "1", "0", "5"]),
            self.random
                .one(&["", "error('generator')", "return nil, 1"])
        );
        self.locals.push(value);
        self.loop_body(depth);
        self.locals.pop();
        let _ = writeln!(self.text, "end");
    }

    /// Errors with levels, through handlers and closing variables.
    fn errors(&mut self, depth: usize) {
        let what = self.expression(1);
        let level = self.random.one(&["", ", 0", ", 1", ", 2", ", 3"]);
        let other = self.expression(1);
        let body = self.function(depth.max(1));
        let kind = self.random.below(4);
        let handler = self.random.one(&[
            "return m",
            "error(m)",
            "return m .. '!'",
            "return type(m), 2",
            "return m.x",
        ]);
        let closing = self.random.one(&["", "error('in a', 0)", "return 1"]);
        let _ = match kind {
            0 => writeln!(
                self.text,
                "do local function raise(...) error({what}{level}) end local function outer(...) raise() end out(pcall(outer)) end"
            ),
            1 => writeln!(
                self.text,
                "out(xpcall({body}, function(m) {handler} end, {what}))"
            ),
            2 => writeln!(
                self.text,
                "out(select('#', pcall(assert, {what}, {other})))"
            ),
            _ => writeln!(
                self.text,
                "out(pcall(function(...) local a <close> = setmetatable({{}}, {{__close = function(_, e) out('a', e) {closing} end}}) local b <close> = setmetatable({{}}, meta) local r = {what} out(pcall({body})) return r end))"
            ),
        };
    }

    /// A loop by goto whose closures keep the variables of their turns.
    fn jumps(&mut self, depth: usize) {
        let (top, out, i, list) = (self.name(), self.name(), self.name(), self.name());
        let condition = self.expression(1);
        let _ = writeln!(
            self.text,
            "do local {list}, {i} = {{}}, 0\n::{top}:: do tick() {i} = {i} + 1 local kept = {i} * 10"
        );
        if self.random.below(2) == 0 {
            let _ = writeln!(self.text, "local shut <close> = setmetatable({{}}, meta)");
        }
        let _ = writeln!(
            self.text,
            "{list}[{i}] = function(d) kept = kept + (d or 1) return kept end"
        );
        self.locals.push(i.clone());
        self.block(depth, 2);
        self.locals.pop();
        let _ = writeln!(
            self.text,
            "if {i} > 3 then goto {out} end if {condition} then goto {top} end end\n::{out}:: for _, f in ipairs({list}) do out(f(), f(5)) end end"
        );
    }

    /// One of them.
    pub(super) fn library_statement(&mut self, depth: usize) {
        match self.random.below(8) {
            0 | 1 => {
                let call = self.library(1);
                let _ = writeln!(self.text, "out(pcall(function(...) return {call} end))");
            }
            2 => self.numbers(),
            3 => self.coroutine(depth),
            4 => self.generator(depth),
            5 => self.errors(depth),
            6 => self.jumps(depth),
            _ => {
                let (name, call) = (self.name(), self.library(1));
                let _ = writeln!(self.text, "local {name} = {call}");
                self.locals.push(name);
            }
        }
    }
}
