// SPDX-License-Identifier: GPL-2.0-only
//! `debug.getinfo`, the registry, user values, and metatables without asking them.

use super::{field, give};
use crate::bytecode::image::Proto;
use crate::memory::OutOfMemory;
use crate::memory::cell::Kind;
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Bytes, Raise};
use crate::vm::names::Name;
use crate::vm::native::{Args, Step, is_function};
use crate::vm::{TAIL, Vm};
use std::vec::Vec;

/// Looks at the frame of a coroutine at a level. `look` must leave the stack alone; it is given the frame's
/// depth, and, of a coroutine that does not run, where the copies of the values that it keeps begin.
pub fn in_thread<T>(
    vm: &mut Vm,
    thread: Ref,
    level: i64,
    look: impl FnOnce(&mut Vm, u32, Option<u32>) -> T,
) -> Option<T> {
    let level = u32::try_from(level).ok()?;
    let thread = if thread == vm.library.main { 0 } else { thread };
    if let Some((first, last)) = vm.frames_within(thread) {
        let depth = vm.level_within(first, last, level)?;
        return Some(look(vm, depth, None));
    }
    let place = vm.place();
    let seen = vm.show_thread(thread).and_then(|base| {
        let depth = vm.level(level)?;
        Some(look(vm, depth, Some(base)))
    });
    vm.return_to(place);
    seen
}

/// The registry's handle: the first that there is.
const REGISTRY: u32 = 0;

/// Makes the registry, with what scripts may expect to find in it.
pub fn open(vm: &mut Vm, globals: Ref) -> Result<(), OutOfMemory> {
    let registry = vm.heap.new_table(2, 2)?;
    let main = Value::object(Tag::Thread, vm.library.main);
    vm.heap.set_int(registry, 1, main)?;
    vm.heap
        .set_int(registry, 2, Value::object(Tag::Table, globals))?;
    let loaded = Value::object(Tag::Table, vm.loaded());
    for (name, v) in [
        (&b"_LOADED"[..], loaded),
        (b"_PRELOAD", field(vm, b"package", b"preload")),
    ] {
        let key = vm.shared_string(name)?;
        vm.heap.set(registry, key, v)?;
    }
    let handle = vm.add_handle(Value::object(Tag::Table, registry));
    debug_assert_eq!(handle, REGISTRY);
    Ok(())
}

/// `debug.getregistry()`.
pub fn getregistry(vm: &mut Vm, _: Args) -> Result<Step, Raise> {
    let registry = vm.handle(REGISTRY);
    give(vm, registry)
}

/// The coroutine that an optional first argument names, and how many arguments that takes.
pub fn thread_of(vm: &Vm, f: &Args) -> (Ref, u32) {
    let first = vm.arg(f, 0);
    if first.tag == Tag::Thread {
        (first.as_ref(), 1)
    } else {
        (vm.running(), 0)
    }
}

/// What is known of a function, or of a call of it.
struct Info {
    function: Value,
    name: Option<(&'static str, Name)>,
    line: i64,
    tail: bool,
}

/// `debug.getinfo([thread,] function or level [, what])`.
pub fn getinfo(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (thread, i) = thread_of(vm, &f);
    let what = match vm.opt_str(&f, i + 1)? {
        Some(what) => vm.bytes(what).to_vec(),
        None => Vec::from(*b"flnSrtu"),
    };
    if what.first() == Some(&b'>') {
        return Err(vm.arg_error(&f, i + 1, format_args!("invalid option '>'")));
    }
    let subject = vm.arg(&f, i);
    let info = if is_function(subject) {
        Some(Info {
            function: subject,
            name: None,
            line: -1,
            tail: false,
        })
    } else {
        let level = vm.check_int(&f, i)?;
        in_thread(vm, thread, level, |vm, depth, _| call_at(vm, depth))
    };
    let Some(info) = info else {
        return give(vm, Value::NIL);
    };
    if what.iter().any(|b| !b"SlnrutLf".contains(b)) {
        return Err(vm.arg_error(&f, i + 1, format_args!("invalid option")));
    }
    let t = vm.new_table(0, 16)?;
    vm.push(Value::object(Tag::Table, t))?;
    for option in what {
        fill(vm, t, &info, option)?;
    }
    Ok(Step::Return(1))
}

fn call_at(vm: &mut Vm, depth: u32) -> Info {
    let frame = *vm.frame(depth);
    Info {
        function: vm.get(frame.func),
        name: vm.called_name(depth),
        line: vm.place_of(depth).map_or(-1, |(_, line)| i64::from(line)),
        tail: frame.flags & TAIL != 0,
    }
}

/// The record of a Lua function and what its text is called.
fn lua_record(vm: &Vm, function: Value) -> Option<(Proto, Name)> {
    let closure = vm.lua_closure(function)?;
    let (image, proto) = vm.record(vm.heap.header(closure).hash)?;
    Some((proto, Name::new(image.chunk_name(proto.chunk))))
}

fn fill(vm: &mut Vm, t: Ref, info: &Info, option: u8) -> Result<(), Raise> {
    let record = lua_record(vm, info.function);
    match option {
        b'S' => source(vm, t, record),
        b'l' => vm.raw_set_str(t, b"currentline", Value::int(info.line)),
        b'u' => {
            let (ups, params, vararg) = match &record {
                Some((proto, _)) => (
                    i64::from(proto.upvalue_count),
                    i64::from(proto.params),
                    proto.vararg,
                ),
                None => (native_upvalues(vm, info.function), 0, true),
            };
            vm.raw_set_str(t, b"nups", Value::int(ups))?;
            vm.raw_set_str(t, b"nparams", Value::int(params))?;
            vm.raw_set_str(t, b"isvararg", Value::boolean(vararg))
        }
        b'n' => {
            let kind = info.name.as_ref().map_or("", |(kind, _)| kind);
            let kind = vm.new_string(kind.as_bytes())?;
            vm.raw_set_str(t, b"namewhat", kind)?;
            match &info.name {
                Some((_, name)) => {
                    let name = vm.new_string(name.text())?;
                    vm.raw_set_str(t, b"name", name)
                }
                None => Ok(()),
            }
        }
        b'r' => {
            vm.raw_set_str(t, b"ftransfer", Value::int(0))?;
            vm.raw_set_str(t, b"ntransfer", Value::int(0))
        }
        b't' => vm.raw_set_str(t, b"istailcall", Value::boolean(info.tail)),
        b'f' => vm.raw_set_str(t, b"func", info.function),
        _ => active_lines(vm, t, info.function),
    }
}

fn native_upvalues(vm: &Vm, function: Value) -> i64 {
    if function.tag == Tag::Closure && vm.heap.kind(function.as_ref()) == Kind::NativeClosure {
        i64::from(vm.heap.header(function.as_ref()).flags)
    } else {
        0
    }
}

fn source(vm: &mut Vm, t: Ref, record: Option<(Proto, Name)>) -> Result<(), Raise> {
    let (what, source, short, first, last) = match record {
        None => ("C", Vec::from(*b"=[C]"), Name::new(b"[C]"), -1, -1),
        Some((proto, short)) => {
            let what = if proto.first_line == 0 { "main" } else { "Lua" };
            (
                what,
                source_of(short.text()),
                short,
                i64::from(proto.first_line),
                i64::from(proto.last_line),
            )
        }
    };
    for (name, text) in [
        (&b"what"[..], what.as_bytes()),
        (b"source", &source),
        (b"short_src", short.text()),
    ] {
        let text = vm.new_string(text)?;
        vm.raw_set_str(t, name, text)?;
    }
    vm.raw_set_str(t, b"linedefined", Value::int(first))?;
    vm.raw_set_str(t, b"lastlinedefined", Value::int(last))
}

/// The name that a chunk was given, as far as what messages call it tells: programs keep nothing else.
fn source_of(short: &[u8]) -> Vec<u8> {
    if let Some(text) = short
        .strip_prefix(b"[string \"")
        .and_then(|rest| rest.strip_suffix(b"\"]"))
    {
        return text.to_vec();
    }
    let mark: &[u8] = if short.starts_with(b"(") || short == b"stdin" {
        b"="
    } else {
        b"@"
    };
    [mark, short].concat()
}

/// The lines of a Lua function that have code.
fn active_lines(vm: &mut Vm, t: Ref, function: Value) -> Result<(), Raise> {
    let Some((proto, _)) = lua_record(vm, function) else {
        return Ok(());
    };
    let lines = vm.new_table(0, proto.line_count)?;
    vm.raw_set_str(t, b"activelines", Value::object(Tag::Table, lines))?;
    if proto.last_line > 0 {
        // PUC has a return there always.
        vm.raw_set_int(lines, i64::from(proto.last_line), Value::boolean(true))?;
    }
    for i in 0..proto.line_count {
        let run = vm
            .lua_closure(function)
            .and_then(|closure| vm.record(vm.heap.header(closure).hash))
            .and_then(|(image, proto)| image.line_run(&proto, i));
        if let Some((_, line)) = run {
            vm.raw_set_int(lines, i64::from(line), Value::boolean(true))?;
        }
    }
    Ok(())
}

// --- metatables ---------------------------------------------------------------------------------

/// `debug.getmetatable(value)`.
pub fn getmetatable(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    let meta = vm.metatable(v);
    let meta = if meta == 0 {
        Value::NIL
    } else {
        Value::object(Tag::Table, meta)
    };
    give(vm, meta)
}

/// `debug.setmetatable(value, table)`: for all but tables it is the metatable of the type.
pub fn setmetatable(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (v, meta) = (vm.arg(&f, 0), vm.arg(&f, 1));
    if !matches!(meta.tag, Tag::Nil | Tag::Table) || f.count < 2 {
        return Err(vm.type_error(&f, 1, "nil or table"));
    }
    let meta = if meta.is_nil() { 0 } else { meta.as_ref() };
    let tags: &[Tag] = match v.tag {
        Tag::Table => {
            vm.heap.set_meta(v.as_ref(), meta);
            &[]
        }
        Tag::Nil => &[Tag::Nil],
        Tag::True | Tag::False => &[Tag::True, Tag::False],
        Tag::Int | Tag::Float => &[Tag::Int, Tag::Float],
        Tag::Str | Tag::Bytes => &[Tag::Str],
        Tag::Closure | Tag::Native => &[Tag::Closure, Tag::Native],
        Tag::Thread => &[Tag::Thread],
        Tag::Light => &[Tag::Light],
        _ => {
            let kind = vm.type_name_of(v);
            return Err(vm.arg_error(
                &f,
                0,
                format_args!("the metatable of a {} stays as it is", Bytes(kind.text())),
            ));
        }
    };
    for &tag in tags {
        vm.set_type_metatable(tag, meta);
    }
    give(vm, v)
}

/// `debug.setcstacklimit(limit)`: the limit stays as it is, as since Lua 5.4.3.
pub fn setcstacklimit(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_int(&f, 0)?;
    give(vm, Value::int(200))
}

// --- user values --------------------------------------------------------------------------------

/// `debug.getuservalue(u [, n])`: streams, the only full userdata, have none.
pub fn getuservalue(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.opt_int(&f, 1, 1)?;
    give(vm, Value::NIL)
}

/// `debug.setuservalue(udata, value [, n])`: as [`getuservalue`], it answers nil.
pub fn setuservalue(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.opt_int(&f, 2, 1)?;
    if vm.arg(&f, 0).tag != Tag::Object {
        return Err(vm.type_error(&f, 0, "userdata"));
    }
    vm.check_any(&f, 1)?;
    give(vm, Value::NIL)
}
