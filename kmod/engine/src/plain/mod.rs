// SPDX-License-Identifier: GPL-2.0-only
//! What plain Lua has in user space alone, as the `lua` command has it: the standard streams, modules
//! and chunks from files, more of `debug`, `os.exit` and `os.getenv`.
//!
//! * `start` — running a program as the command does; `modules` — chunks and modules from files
//! * `streams`, `read` — `io` for the standard streams; `inspect`, `locals` — more of `debug`
//!
//! Packet scripts get none of it, nor does anything in the kernel: [`open`] looks at what the program was
//! compiled as, and the folder is part of user space's engine only.

// None of this is linked into the kernel: a panic here ends a command.
#![allow(clippy::arithmetic_side_effects)]

extern crate std;

mod inspect;
mod locals;
mod modules;
mod read;
mod start;
mod streams;

use crate::bytecode::image::FLAG_PACKET;
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step, native};
use crate::vm::{Vm, lib};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

pub use start::{CommandLine, run};

/// The functions, each with the table that it goes to; "" are globals, "-" goes nowhere.
const FUNCTIONS: &[(&str, &str)] = &[
    ("debug", "getinfo"),
    ("debug", "getlocal"),
    ("debug", "getmetatable"),
    ("debug", "getupvalue"),
    ("debug", "getuservalue"),
    ("debug", "setcstacklimit"),
    ("debug", "setlocal"),
    ("debug", "setmetatable"),
    ("debug", "setupvalue"),
    ("debug", "setuservalue"),
    ("debug", "upvalueid"),
    ("debug", "upvaluejoin"),
    ("debug", "getregistry"),
    ("", "dofile"),
    ("", "loadfile"),
    ("", "require"),
    ("package", "loadlib"),
    ("package", "searchpath"),
    ("os", "exit"),
    ("os", "getenv"),
    ("os", "setlocale"),
    ("io", "input"),
    ("io", "lines"),
    ("io", "output"),
    ("io", "read"),
    ("io", "type"),
    ("io", "write"),
];

/// The functions in the order of [`FUNCTIONS`], then those that have no name in a table.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::hidden("debug.getinfo", inspect::getinfo),
    NativeDef::hidden("debug.getlocal", locals::getlocal),
    NativeDef::hidden("debug.getmetatable", inspect::getmetatable),
    NativeDef::hidden("debug.getupvalue", locals::getupvalue),
    NativeDef::hidden("debug.getuservalue", inspect::getuservalue),
    NativeDef::hidden("debug.setcstacklimit", inspect::setcstacklimit),
    NativeDef::hidden("debug.setlocal", locals::setlocal),
    NativeDef::hidden("debug.setmetatable", inspect::setmetatable),
    NativeDef::hidden("debug.setupvalue", locals::setupvalue),
    NativeDef::hidden("debug.setuservalue", inspect::setuservalue),
    NativeDef::hidden("debug.upvalueid", locals::upvalueid),
    NativeDef::hidden("debug.upvaluejoin", locals::upvaluejoin),
    NativeDef::hidden("debug.getregistry", inspect::getregistry),
    NativeDef::hidden("dofile", modules::dofile).yieldable(),
    NativeDef::hidden("loadfile", modules::loadfile),
    NativeDef::hidden("require", modules::require),
    NativeDef::hidden("package.loadlib", modules::loadlib),
    NativeDef::hidden("package.searchpath", modules::searchpath),
    NativeDef::hidden("os.exit", exit),
    NativeDef::hidden("os.getenv", getenv),
    NativeDef::hidden("os.setlocale", setlocale),
    NativeDef::hidden("io.input", streams::input),
    NativeDef::hidden("io.lines", streams::lines),
    NativeDef::hidden("io.output", streams::output),
    NativeDef::hidden("io.read", streams::read),
    NativeDef::hidden("io.type", streams::kind),
    NativeDef::hidden("io.write", streams::write),
    NativeDef::hidden("?", modules::preload_searcher),
    NativeDef::hidden("?", modules::file_searcher),
    NativeDef::hidden("?", modules::library_searcher),
    NativeDef::hidden("flush", streams::file_flush),
    NativeDef::hidden("lines", streams::file_lines),
    NativeDef::hidden("read", streams::file_read),
    NativeDef::hidden("setvbuf", streams::file_setvbuf),
    NativeDef::hidden("write", streams::file_write),
    NativeDef::hidden("tostring", streams::file_text),
    NativeDef::hidden("__gc", streams::file_keep),
    NativeDef::hidden("__close", streams::file_keep),
    NativeDef::hidden("for iterator", streams::next_line),
    NativeDef::hidden("?", start::protected),
    NativeDef::hidden("?", start::message),
];

/// Where the functions without a table begin.
const OTHERS: u32 = FUNCTIONS.len() as u32;
const PRELOAD_SEARCHER: Value = native(lib::PLAIN, OTHERS);
const FILE_SEARCHER: Value = native(lib::PLAIN, OTHERS + 1);
const LIBRARY_SEARCHER: Value = native(lib::PLAIN, OTHERS + 2);
/// The methods of streams, in the order of [`METHODS`].
const FIRST_METHOD: u32 = OTHERS + 3;
const METHODS: [&str; 8] = [
    "flush",
    "lines",
    "read",
    "setvbuf",
    "write",
    "__tostring",
    "__gc",
    "__close",
];
const NEXT_LINE: Value = native(lib::PLAIN, OTHERS + 11);
const PROTECTED: Value = native(lib::PLAIN, OTHERS + 12);
const MESSAGE: Value = native(lib::PLAIN, OTHERS + 13);

/// All of it.
pub const LIBRARY: Library = Library {
    name: "*",
    natives: NATIVES,
    open: Some(open),
};

/// Whether the machine runs plain Lua, not a packet script.
pub fn is_plain(vm: &Vm) -> bool {
    vm.program()
        .is_some_and(|image| image.flags() & FLAG_PACKET == 0)
}

fn open(vm: &mut Vm, globals: Ref) -> Result<(), OutOfMemory> {
    if !is_plain(vm) {
        return Ok(());
    }
    let io = vm.heap.new_table(0, 8)?;
    let key = vm.shared_string(b"io")?;
    vm.heap.set(globals, key, Value::object(Tag::Table, io))?;
    vm.heap
        .set(vm.loaded(), key, Value::object(Tag::Table, io))?;
    for (i, (table, name)) in (0..).zip(FUNCTIONS) {
        let to = match vm.heap.get_bytes(globals, table.as_bytes()) {
            v if v.tag == Tag::Table => v.as_ref(),
            _ => globals,
        };
        let key = vm.shared_string(name.as_bytes())?;
        vm.heap.set(to, key, native(lib::PLAIN, i))?;
    }
    streams::open(vm, io)?;
    modules::open(vm)?;
    inspect::open(vm, globals)
}

/// A field of a library's table. A script may have put another one in its place among the globals.
fn field(vm: &Vm, table: &[u8], name: &[u8]) -> Value {
    let v = vm.raw_get_str(vm.loaded(), table);
    if v.tag == Tag::Table {
        vm.raw_get_str(v.as_ref(), name)
    } else {
        Value::NIL
    }
}

fn give(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

/// `os.exit([code [, close]])`: nothing is finalized.
fn exit(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let code = match vm.arg(&f, 0).tag {
        Tag::True | Tag::Nil => 0,
        Tag::False => 1,
        _ => vm.check_int(&f, 0)?,
    };
    crate::host::user::write(crate::host::user::Output::Flush);
    std::process::exit(code as i32)
}

fn getenv(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let name = OsString::from_vec(vm.bytes(name).to_vec());
    let value = match std::env::var_os(name) {
        Some(value) => vm.new_string(&value.into_vec())?,
        None => Value::NIL,
    };
    give(vm, value)
}

/// `os.setlocale([locale [, category]])`: there is the C locale and no other.
fn setlocale(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let locale = vm.opt_str(&f, 0)?;
    let category = vm.opt_str(&f, 1)?;
    let known: [&[u8]; 6] = [
        b"all",
        b"collate",
        b"ctype",
        b"monetary",
        b"numeric",
        b"time",
    ];
    if category.is_some_and(|category| !known.contains(&vm.bytes(category))) {
        return Err(vm.arg_error(&f, 1, format_args!("invalid option")));
    }
    let there = locale.is_none_or(|locale| matches!(vm.bytes(locale), b"" | b"C" | b"POSIX"));
    let answer = if there {
        vm.new_string(b"C")?
    } else {
        Value::NIL
    };
    give(vm, answer)
}
