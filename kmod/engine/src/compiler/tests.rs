// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the compiler.

use super::*;
use crate::bytecode::image::{Image, Section};
use crate::bytecode::list::list;
use crate::bytecode::verify::prove;
use crate::random::Random;
use std::string::{String, ToString};
use std::vec::Vec as List;

const PLAIN: Options = Options {
    packet: false,
    file: false,
    shared: false,
    seed: 7,
};

/// Compiles a text under the name that PUC would show; its image, or the message.
fn compile_text(text: &[u8], options: Options) -> std::result::Result<List<u8>, String> {
    let mut workspace = std::vec![0u8; workspace_size(text.len())];
    match compile(
        &[Chunk {
            name: b"test",
            text,
        }],
        options,
        &mut workspace,
    ) {
        Ok(image) => Ok(image.to_vec()),
        Err(diagnostic) => Err(diagnostic.to_string()),
    }
}

fn listing(text: &str, options: Options) -> String {
    let image = compile_text(text.as_bytes(), options).unwrap();
    let mut out = String::new();
    list(&Image::open(&image).unwrap(), &mut out).unwrap();
    out
}

/// What PUC Lua says to a text: nothing, or its message.
fn puc(lua: &mlua::Lua, text: &[u8]) -> Option<String> {
    match lua.load(text).set_name("=test").into_function() {
        Ok(_) => None,
        Err(mlua::Error::SyntaxError { message, .. }) => Some(message),
        Err(other) => Some(other.to_string()),
    }
}

/// Texts that are wrong, or nearly so: one a line, `\n` for a newline.
const CORPUS: &str = r#"
x =
x = }
x = 1 2
local
local 1
local x <
local x <foo> = 1
local x <const> = 1; x = 2
local x <const> = 1; function x() end
local x <const> = {}; x = 2
local x <close> = nil; x = 2
local a <close>, b <close> = 1, 2
local x <const> = 1; local function f() x = 2 end
local x <const> = {}; local function f() return function() x = 2 end end
for
for i
for i = 1 do end
for i = 1, 2
for i = 1, 2 do
for i, j = 1, 2 do end
for i in
for i in 1 do
for 1 = 1, 2 do end
for a.b in x do end
if
if x
if x then
if x then else
if x then elseif
if x then else elseif y then end
while
while x
while x do
repeat
repeat until
repeat x() until
do
do return 1 print(2) end
return 1,
return return
break
do break end
while true do local function f() break end end
goto
goto x
goto x; local a; ::x:: print(a)
do goto x; local a; ::x:: end
goto x; local a; ::x::
::x:: ::x::
::x:: do ::x:: end
do ::x:: end ::x::
::x
::x:
repeat goto x; local z; ::x:: until z
repeat if x then goto cont end; local z = 1; ::cont:: until z
function
function f
function f(
function f(a
function f(a,
function f(a,) end
function f(...,a) end
function f(1) end
function f() return ... end
function f(...) return ... end
function f.g:h.i() end
function f:g:h() end
local function f.g() end
f(
f(1
f(1,
f(1,)
f{
f{1
f{1,
f{[1] 2}
f{a = }
f{1 2}
f 1
f.
f:
f:g
f:g = 1
f() = 1
f = 1 = 2
a, b
a, b = 
a, f() = 1, 2
(a) = 1
(a).b = 1
a.b, c[1] = 1
x = "abc
x = "abc\n
x = 'a\q'
x = "\x"
x = "\xg0"
x = "\x1"
x = "\400"
x = "a\65\x42\z   \u{43}d\q"
x = 'a\65\400'
x = "a\tb\'c\n
x = "\u"
x = "\u{"
x = "\u{}"
x = "\u{110000000}"
x = "\u{7fffffff}"
x = "\u{80000000}"
x = "\u{12"
x = "\z  abc
x = [[abc
x = [==[abc]=]
x = [=abc
x = [=[abc]=]]
--[[ abc
--[==[ abc ]]
x = 1e
x = 1e+
x = 0x
x = 0xg
x = 1..2
x = 1.2.3
x = 3x
x = 0x1p
x = 0x.p1
x = 08
x = 1e5e5
x = .5.
x = 5 .. 
x = $
x = @ 
x = a!b
x = ~
x = not
x = -
x = #
x = 1 +
x = 1 + * 2
x = (1
x = (1 2)
x = ()
x = {
x = {,}
x = {;}
x = {1,,2}
x = {a.b = 1}
x = {[1]}
x = {[1] = }
x = {function}
x = function
x = function (
x = function () 
x = a.1
x = a."b"
x = a[1
x = a[]
x = a:b
x = a:b.c()
x = ...
local a, b, = 1
local a.b = 1
local function
local function 1
end
else
until x
and
x = and
x = 1 and
x = or 1
x = nil nil
x = 'a' 'b'
x = ('a') 'b'
x = a 'b' 'c'
return 1;;
return;
return; x = 1
;;;
goto continue; ::continue::
while x do goto continue; local y ::continue:: end
while x do goto continue; local y; ::continue:: ; end
while x do goto continue; local y; ::continue:: y() end
local x <const> = 5; return x + 1
local x <CONST> = 5
local function f() goto l end ::l::
::l:: local function f() goto l end
x = }=
x = 'unfinished\
x = "a\
b"
[[x]] = 1
[1] = 2
"x" = 1
1 = 1
nil = 1
true()
("x"):f()
"x":f()
{}.x = 1
({}).x = 1
({}){}
return {}
x.y:z{1}.w = 2
x = a.b:c"d".e[1](2){3}
x = function(...) local a <close> = ... end
a.b:c = 1
a = b = c
a += 1
a ++
a != b
x = \xff
\x01
a \x7f b
x = 1 // 2 ~ 3 >> 4 << 5 | 6 & 7 ^ 8 .. 9
x = a < b < c == d ~= e <= f >= g > h
x = a; (b)()
x = a
\n(b)()
x = \n\n\n }
if x then\n\n\n
(\n\n\n1
x = {\n\n\n
f(\n\n\n
function f()\n\n\n
do\n\n\n
while x do\n\n\n
repeat\n\n\n
for i = 1, 2 do\n\n\n
x = "\n"
x = '\z\n\n  a
x = [[\n\n\n
goto x\n\n
#!shebang
x = 1 --[[ a ]] y = 2 --[==[ b ]==] z = 3 -- c
x = 0xffffffffffffffffff + 9223372036854775807 + 9223372036854775808 + 1e308 + 1e309 + 0x.8p1
"#;

fn corpus() -> impl Iterator<Item = String> {
    CORPUS
        .lines()
        .skip(1)
        .map(|line| line.replace("\\n", "\n").replace("\\x01", "\x01"))
}

#[test]
fn errors_are_worded_as_puc_words_them() {
    let lua = mlua::Lua::new();
    let mut different = List::new();
    for text in corpus() {
        let ours = compile_text(text.as_bytes(), PLAIN).err();
        let theirs = puc(&lua, text.as_bytes());
        if ours != theirs {
            different.push(std::format!(
                "{text:?}\n  ours   {ours:?}\n  theirs {theirs:?}"
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Programs that are right, and use all of the grammar.
const PROGRAMS: &[&str] = &[
    "local a, b <const>, c <close> = 1, 'x', nil; a = b .. c; local function f(x, ...) \
     local t = {1, x, n = 2, [x] = ..., f(x), ...} return #t, t.n, ... end return f(a, b)",
    "for i = 1, 10, 2 do local s = i; for k, v in pairs(t) do if k == i then goto continue \
     elseif v > 3 then break else t[k] = -v + ~i // 2 end ::continue:: end end",
    "while x and not y or z do repeat local q = function() return q, x end x = x - 1 until q() < 3 \
     do local z <const> = 5; print(z, z + 1, z ^ 2, -z) end end ::top:: goto top",
    "function a.b.c:d(e, f) self.x, self[e], f = f, e, self:d(1, 2){3}'4'[[5]].y end \
     a.b['c']:d(nil, true, false) t = {} t.x.y.z = 1 t[1][2] = 0x1p4 < 3 == (2 >= 1)",
    "local x = 5 & 3 | 2 ~ 1 << 4 >> 1 .. 'z' .. 1.5e3 local y = (x and 1 or 2) + (not x and 3) \
     if x ~= y then return end local function g() return g() end return g, (g())",
    "local t = setmetatable({}, {__index = function(t, k) return k end}); a, b, t[a], t.b = b, a, 1",
];

/// Pieces of a program that tokens are made of.
fn pieces(program: &str) -> List<&str> {
    let bytes = program.as_bytes();
    let class = |c: u8| match c {
        b' ' => 0,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'\'' => 1,
        _ => 2,
    };
    let mut all = List::new();
    let mut start = 0;
    for i in 1..=bytes.len() {
        let ends =
            i == bytes.len() || class(bytes[i]) != class(bytes[i - 1]) || class(bytes[i]) == 2;
        if ends {
            all.push(&program[start..i]);
            start = i;
        }
    }
    all
}

#[test]
fn mutated_programs_fail_as_they_do_in_puc() {
    let lua = mlua::Lua::new();
    let mut random = Random(0x1234_5678_9abc_def1);
    let every: List<&str> = PROGRAMS
        .iter()
        .flat_map(|program| pieces(program))
        .collect();
    let (mut wrong, mut right) = (0, 0);
    for _ in 0..6_000 {
        let mut pieces = pieces(PROGRAMS[random.below(PROGRAMS.len())]);
        for _ in 0..=random.below(3) {
            let at = random.below(pieces.len());
            let other = every[random.below(every.len())];
            match random.below(4) {
                0 => drop(pieces.remove(at)),
                1 => pieces.insert(at, other),
                2 => pieces[at] = other,
                _ => {
                    let with = random.below(pieces.len());
                    pieces.swap(at, with);
                }
            }
        }
        let text = pieces.concat();
        let ours = compile_text(text.as_bytes(), PLAIN).err();
        let theirs = puc(&lua, text.as_bytes());
        assert_eq!(ours, theirs, "{text}");
        if ours.is_some() {
            wrong += 1;
        } else {
            right += 1;
        }
    }
    std::println!("{wrong} wrong programs with PUC's messages, {right} right ones");
    assert!(wrong > 3_000 && right > 300);
}

#[test]
fn limits_end_in_messages() {
    let many = |n: usize, f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<String>();
    let cases: List<(String, &str)> = std::vec![
        (
            many(201, &|i| std::format!("local a{i}\n")),
            "too many local variables (limit is 200)"
        ),
        (
            many(10, &|f| {
                let locals = many(30, &|i| std::format!("local a{f}_{i} = 1\n"));
                std::format!("{locals} local function f{f}()\n")
            }) + &many(10, &|f| many(30, &|i| std::format!(
                "a{f}_{i} = a{f}_{i} + 1\n"
            ))) + &"end ".repeat(10),
            "too many upvalues (limit is 255) in function at line 279",
        ),
        (
            std::format!("return {}", many(260, &|i| std::format!("x[{i}], ")) + "1"),
            "function or expression needs too many registers",
        ),
        (std::format!("x = {}", "(".repeat(1000)), "C stack overflow"),
        (std::format!("x = {}", "{".repeat(1000)), "C stack overflow"),
        ("do ".repeat(1000), "C stack overflow"),
        ("if x then else ".repeat(1000), "C stack overflow"),
        ("function f() ".repeat(1000), "C stack overflow"),
        (
            std::format!("x = {}1", "-".repeat(1000).replace('-', "- ")),
            "C stack overflow"
        ),
        (
            std::format!("x = {}1", "a ..".repeat(1000)),
            "C stack overflow"
        ),
        (
            std::format!("x = {}1", "a ^".repeat(1000)),
            "C stack overflow"
        ),
        (
            std::format!("a{} = 1", ",a".repeat(1000)),
            "C stack overflow"
        ),
        ("::a:: ".repeat(3), "label 'a' already defined on line 1"),
    ];
    let lua = mlua::Lua::new();
    for (text, message) in cases {
        let ours = compile_text(text.as_bytes(), PLAIN).unwrap_err();
        assert!(ours.contains(message), "{ours}");
        assert!(
            puc(&lua, text.as_bytes()).is_some_and(|theirs| theirs.contains(message)),
            "{ours}"
        );
    }
    let nested = |open: &str, inner: &str, close: &str| {
        std::format!("local a {}{inner}{}", open.repeat(100), close.repeat(100))
    };
    for text in [
        nested("do ", "", " end"),
        nested("while a do ", "", " end"),
        nested("if a then else ", "", " end"),
        nested("function foo () ", "", " end"),
        std::format!("return {}2{}", "(".repeat(190), ")".repeat(190)),
        std::format!("x = {}0{}", "{".repeat(100), "}".repeat(100)),
        std::format!("return a {}", " + a".repeat(100_000)),
        std::format!("return a {}", " and a".repeat(100_000)),
        many(1000, &|i| std::format!("::l{i}:: ; ")).replace(" ; ", " ; x = 1 "),
    ] {
        compile_text(text.as_bytes(), PLAIN).unwrap();
    }
}

#[test]
fn a_workspace_that_is_too_small_is_no_crash() {
    let text: String = PROGRAMS
        .iter()
        .map(|p| std::format!("do {p} end\n"))
        .collect();
    let text = text.as_bytes();
    let mut needed = 0;
    for size in (0..workspace_size(text.len())).step_by(97) {
        let mut workspace = std::vec![0u8; size];
        match compile(
            &[Chunk {
                name: b"test",
                text,
            }],
            PLAIN,
            &mut workspace,
        ) {
            Ok(_) => {
                needed = size;
                break;
            }
            Err(diagnostic) => {
                assert_eq!(
                    diagnostic.to_string(),
                    "test: not enough memory to compile it"
                );
            }
        }
    }
    std::println!(
        "{} bytes of source need {needed} bytes of workspace",
        text.len()
    );
    assert!(needed > 0);
}

#[test]
fn modules_are_in_the_image() {
    let chunks = [
        Chunk {
            name: b"main.lua",
            text: b"#!/usr/bin/lua\nlocal m = require 'net.util'\nreturn m",
        },
        Chunk {
            name: b"net.util",
            text: b"local M = {}\nfunction M.f() return 1 end\nreturn M",
        },
    ];
    let mut workspace = std::vec![0u8; 1 << 16];
    let image = compile(
        &chunks,
        Options {
            file: true,
            shared: false,
            ..PLAIN
        },
        &mut workspace,
    )
    .unwrap();
    let image = Image::open(image).unwrap();
    let main = image.find_module(b"net.util").unwrap();
    assert_eq!(
        image.chunk_name(image.proto(main).unwrap().chunk),
        b"net/util.lua"
    );
    assert_eq!(image.line(&image.proto(0).unwrap(), 0), 2);
    let bad = [
        chunks[0],
        Chunk {
            name: b"net.util",
            text: b"local M = \n\n}",
        },
    ];
    let error = compile(&bad, PLAIN, &mut workspace).unwrap_err();
    assert_eq!(error.to_string(), "main.lua:1: unexpected symbol near '#'");
    let error = compile(
        &bad,
        Options {
            file: true,
            shared: false,
            ..PLAIN
        },
        &mut workspace,
    )
    .unwrap_err();
    assert_eq!((error.chunk, error.line), (1, 3));
    assert_eq!(
        error.to_string(),
        "net/util.lua:3: unexpected symbol near '}'"
    );
}

#[test]
fn required_names_are_found() {
    let mut found = List::new();
    let text = br#"local a = require "a.b"
        local c = require('c') -- require "no"
        x.require "no"; y:require "no"; require(name); require [[d]]
        local s = 'require "no"' f = require"#;
    requires(text, true, |name, line| {
        found.push((String::from_utf8_lossy(name).into_owned(), line));
    });
    let names: List<(&str, u32)> = found.iter().map(|(n, l)| (n.as_str(), *l)).collect();
    assert_eq!(names, [("a.b", 1), ("c", 2), ("d", 3)]);
}

#[test]
fn verdicts_are_constants_of_packet_scripts() {
    let packet = Options {
        packet: true,
        ..PLAIN
    };
    assert!(listing("return DROP", packet).contains("LoadK      R0 verdict 2"));
    for (text, message) in [
        ("DROP = 1", "attempt to assign to verdict 'DROP'"),
        ("x, ACCEPT = 1", "attempt to assign to verdict 'ACCEPT'"),
        ("function DROP() end", "attempt to assign to verdict 'DROP'"),
    ] {
        assert_eq!(
            compile_text(text.as_bytes(), packet).unwrap_err(),
            std::format!("test:1: {message}")
        );
        compile_text(text.as_bytes(), PLAIN).unwrap();
    }
    for text in [
        "local DROP = 1; DROP = 2",
        "t.DROP = 1",
        "local _ENV = {}; DROP = 1",
    ] {
        compile_text(text.as_bytes(), packet).unwrap();
    }
}

#[test]
fn a_mutated_image_is_refused_or_means_something() {
    let mut random = Random(99);
    let (mut refused, mut unproven, mut taken) = (0, 0, 0);
    let mut room = std::vec![0; 1 << 16];
    for program in PROGRAMS {
        let image = compile_text(
            program.as_bytes(),
            Options {
                packet: true,
                ..PLAIN
            },
        )
        .unwrap();
        for _ in 0..3000 {
            let mut mutated = image.clone();
            for _ in 0..=random.below(2) {
                // Mostly in the code, which comes first, and there in small numbers.
                let (_, code) = Image::open(&image).unwrap().section(Section::Code);
                let in_code = random.below(4) > 0;
                let at = if in_code {
                    HEADER + random.below(code * 8)
                } else {
                    random.below(image.len())
                };
                let below = if random.below(2) == 0 { 256 } else { 8 };
                mutated[at] = random.below(below) as u8;
            }
            match crate::bytecode::verify::verify(&mutated) {
                Ok(image) => {
                    if prove(&image, &mut room).is_err() {
                        unproven += 1;
                        continue;
                    }
                    taken += 1;
                    list(&image, &mut String::new()).unwrap();
                    #[cfg(feature = "user")]
                    run_image(&mutated);
                }
                Err(_) => refused += 1,
            }
        }
    }
    std::println!("{refused} images refused, {unproven} not proven, {taken} taken and run");
    assert!(refused > 5000);
}

#[test]
fn the_workspace_is_large_enough() {
    // Pieces that make much of few bytes.
    let dense = [
        "x=a<a<a<a<a<a<a\n",
        "f{}f{}f{}f{}",
        "x()x()x()",
        "x=-a\n",
        "a=1;",
        "x=#a..b..c\n",
        "a%=b%\n",
        "x=1.%5\n",
        "function f()end ",
        "::a%::x=1 ",
        "if x then y() end\n",
        "x=a and b or c\n",
        "do local x=function()return x end end ",
    ];
    for piece in dense {
        for len in [1, 10, 1000, 30_000] {
            let mut text = String::new();
            for i in 0.. {
                text += &piece.replace('%', &i.to_string());
                if text.len() >= len {
                    break;
                }
            }
            compile_text(text.as_bytes(), PLAIN).unwrap();
        }
    }
    // Few bytes that open much, finished or broken off: what the parser has still to do counts.
    let nested = [
        ("x=", "(", "1", ")"),
        ("x=", "{", "", "}"),
        ("x=", "{[a]=", "1", "}"),
        ("x=", "f(", "", ")"),
        ("x=", "a[", "1", "]"),
        ("x=", "-", "a", ""),
        ("x=", "not(", "a", ")"),
        ("x=", "a..", "a", ""),
        ("x=", "a and(", "a", ")"),
        ("x=", "a+(b*", "a", ")"),
        ("x=", "function()return ", "1", " end"),
        ("", "do ", "", " end"),
        ("", "while(", "a", ")do end"),
        ("", "while a do ", "", " end"),
        ("", "if a then ", "", " end"),
        ("", "repeat ", "", " until a"),
        ("", "for i=1,2 do ", "", " end"),
        ("", "for k in a do ", "", " end"),
        ("", "function f()", "", " end"),
        ("", "local a<close> =function()", "", " end"),
        ("", "f{function()", "", "end}"),
        ("a", ",a", "=1", ""),
        ("f(", "(", "e 2", ")"),
    ];
    for (begin, open, middle, close) in nested {
        for levels in [1, 30, 60, 130, 190, 197] {
            let [opened, closed] = [open, close].map(|part| part.repeat(levels));
            for text in [
                std::format!("{begin}{opened}{middle}{closed}"),
                std::format!("{begin}{opened}{middle}"),
            ] {
                if let Err(diagnostic) = compile_text(text.as_bytes(), PLAIN) {
                    assert!(!diagnostic.contains("memory"), "{text}");
                }
            }
        }
    }
    // Ordinary ones fit in less.
    let domains: String = (0..5000)
        .map(|i| std::format!("\"host{i}.example.com\",\n"))
        .collect();
    let ordinary: String = PROGRAMS
        .iter()
        .map(|p| std::format!("do {p} end\n"))
        .collect();
    for text in [
        String::from("return 1"),
        std::format!("return {{{domains}}}"),
        ordinary,
    ] {
        let mut workspace = std::vec![0u8; usual_workspace(text.len())];
        compile(
            &[Chunk {
                name: b"test",
                text: text.as_bytes(),
            }],
            PLAIN,
            &mut workspace,
        )
        .unwrap();
    }
}

/// Runs an image that verified, whatever it may mean: it must end, and stay inside its memory.
#[cfg(feature = "user")]
#[allow(unsafe_code)]
fn run_image(bytes: &[u8]) {
    use crate::host::user::Print;
    use crate::vm::{Config, Layout, Vm};
    use std::alloc::{Layout as Room, alloc_zeroed, dealloc};
    let mut words = std::vec![0u64; bytes.len() / 8 + 1];
    // SAFETY: the same memory, as bytes.
    let room =
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), words.len() * 8) };
    room[..bytes.len()].copy_from_slice(bytes);
    let image = Image::open(&room[..bytes.len()]).unwrap();
    let memory = 256 << 10;
    let layout = Layout::of(&image, memory).unwrap();
    let mut print: Print = std::boxed::Box::new(|_| ());
    let config = Config {
        memory,
        load_fuel: 20_000,
        packet_fuel: 20_000,
        error_pause: 0,
        seed: *b"0123456789abcdef",
        args: &|_| None,
        cookie: (&raw mut print).cast(),
    };
    // Guard bytes behind the region: nothing may be written there.
    let size = layout.total() as usize;
    let room = Room::from_size_align(size + 4096, 4096).unwrap();
    // SAFETY: the region is as `create` wants it; the image, the cookie and the region outlive the
    // machine, which is gone when the region is given back.
    unsafe {
        let region = alloc_zeroed(room);
        if let Ok(vm) = Vm::create(region, &layout, &image, &config) {
            let _ = vm.run_main();
        }
        let guard = std::slice::from_raw_parts(region.add(size), 4096);
        assert!(guard.iter().all(|&byte| byte == 0));
        dealloc(region, room);
    }
}

#[test]
fn a_variable_that_always_holds_a_number_is_one() {
    let text = "local limit, ratio = 5, 1.5
        function f(n) if n > ratio then return n + 7 end end
        local most = 10
        function g(n) if n > most then return most * 2, most end end";
    let listed = listing(text, PLAIN);
    assert!(
        listed.contains("JmpNGtI    R0 10") && listed.contains("LoadI      R1 20"),
        "{listed}"
    );
    assert!(listing(&std::format!("{text} most = 11"), PLAIN).contains("GetUpBox"));
}

#[test]
fn a_comparison_as_key_is_finished_before_its_table_is_read() {
    // The table is an upvalue or in a box, and read behind the key.
    let text = "local t, u = {}, {} u = t
        function f(a) return t[a < 1], u[a == 2] end
        local function g() u = nil end
        return u[#t <= 16], u[#t > 3 and 1]";
    compile_text(text.as_bytes(), PLAIN).unwrap();
}

/// However deep a text nests, it is refused for that and not for want of memory: calls within calls
/// were, from 41 on.
#[test]
fn nesting_is_refused_as_such() {
    for (open, middle, close) in [
        ("f(", "", ")"),
        ("do ", "", " end"),
        ("x = {", "", ""),
        ("while x do ", "", " end"),
        ("if x then ", "", " end"),
        ("repeat ", "", " until x"),
        ("function f() ", "", " end"),
        ("for i = 1, 2 do ", "", " end"),
        ("for i in x do ", "", " end"),
        ("x = ", "x", ""),
        ("x = {{", "", "}}"),
        ("x = #", "x", ""),
        ("return (", "x", ")"),
        ("return x^", "x", ""),
        ("return x..", "x", ""),
        ("x[", "1", "] = 1"),
        ("x = function(", "", ") end"),
        ("x{", "", "}"),
        ("x,", "y = f()", ""),
        ("return {x{", "", "}}"),
    ] {
        for depth in 1..260 {
            let text = [open.repeat(depth), middle.into(), close.repeat(depth)].concat();
            let mut work = std::vec![0; workspace_size(text.len()).next_multiple_of(8)];
            let chunk = Chunk {
                name: b"deep",
                text: text.as_bytes(),
            };
            if let Err(why) = compile(&[chunk], PLAIN, &mut work) {
                assert!(!why.is_out_of_memory(), "{open} {depth}");
            }
        }
    }
}
