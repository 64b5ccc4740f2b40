// SPDX-License-Identifier: GPL-2.0-only
//! The globals: `print`, `pairs`, `pcall` and the like. `load` and `require` are in `loading`.

use super::table::done_or_call;
use super::text::{text_of, text_result};
use super::{bulk, loading, local};
use crate::host;
use crate::memory::OutOfMemory;
use crate::number::parse::is_space;
use crate::number::{Number, parse};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Bytes, Raise, type_name};
use crate::vm::native::{Args, Library, NativeDef, Step, index_of, native};
use crate::vm::{Event, Vm, lib};

/// The functions.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("assert", assert),
    NativeDef::new("collectgarbage", collectgarbage),
    NativeDef::new("error", error),
    NativeDef::new("getmetatable", getmetatable),
    NativeDef::new("ipairs", ipairs),
    NativeDef::new("load", loading::load),
    NativeDef::new("next", next),
    NativeDef::new("pairs", pairs).yieldable(),
    NativeDef::new("pcall", pcall).yieldable(),
    NativeDef::new("print", print),
    NativeDef::new("rawequal", rawequal),
    NativeDef::new("rawget", rawget),
    NativeDef::new("rawlen", rawlen),
    NativeDef::new("rawset", rawset),
    NativeDef::new("require", loading::require),
    NativeDef::new("select", select),
    NativeDef::new("setmetatable", setmetatable),
    NativeDef::new("tonumber", tonumber),
    NativeDef::new("tostring", tostring),
    NativeDef::new("type", type_),
    NativeDef::new("warn", warn),
    NativeDef::new("xpcall", xpcall).yieldable(),
    NativeDef::hidden("for iterator", ipairs_next),
];

/// The globals.
pub const LIBRARY: Library = Library {
    name: "",
    natives: NATIVES,
    open: Some(open),
};

fn open(vm: &mut Vm, globals: Ref) -> Result<(), OutOfMemory> {
    let key = vm.shared_string(b"_G")?;
    vm.heap
        .set(globals, key, Value::object(Tag::Table, globals))?;
    let key = vm.shared_string(b"_VERSION")?;
    let version = vm.heap.permanent_string(b"Lua 5.4")?;
    vm.heap.set(globals, key, version)?;
    for tag in TAGS {
        let name = type_name(Value { tag, ..Value::NIL });
        let name = vm.shared_string(name.as_bytes())?;
        if let Some(slot) = vm.library.types.get_mut(tag as usize) {
            *slot = name;
        }
    }
    loading::open(vm, globals)
}

/// The tags of values that scripts see.
const TAGS: [Tag; 17] = [
    Tag::Nil,
    Tag::False,
    Tag::True,
    Tag::Int,
    Tag::Float,
    Tag::Str,
    Tag::Table,
    Tag::Closure,
    Tag::Native,
    Tag::Thread,
    Tag::Packet,
    Tag::Bytes,
    Tag::Addr4,
    Tag::Addr6,
    Tag::Verdict,
    Tag::Object,
    Tag::Light,
];

fn return_value(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

fn assert(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if vm.arg(&f, 0).is_true() {
        return Ok(Step::Return(f.count));
    }
    vm.check_any(&f, 0)?;
    let message = if f.count > 1 {
        vm.arg(&f, 1)
    } else {
        vm.new_string(b"assertion failed!")?
    };
    raise_at(vm, message, 1)
}

fn error(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let level = vm.opt_int(&f, 1, 1)?;
    let message = vm.arg(&f, 0);
    raise_at(vm, message, level)
}

/// Raises a value; the position of the function at a level stands before a text.
fn raise_at(vm: &mut Vm, message: Value, level: i64) -> Result<Step, Raise> {
    if !matches!(message.tag, Tag::Str | Tag::Bytes) || level <= 0 {
        return Err(vm.raise(message));
    }
    if let Some(raise) = vm.hush() {
        return Err(raise);
    }
    vm.charge(bulk(vm.bytes(message).len()))?;
    let position = vm.position(u32::try_from(level).unwrap_or(u32::MAX))?;
    let buffer = vm.new_buffer(0)?;
    vm.push_part(buffer, position, 0, usize::MAX)?;
    vm.push_part(buffer, message, 0, usize::MAX)?;
    let whole = vm.heap.finish_buffer(buffer);
    Err(vm.raise(whole))
}

fn type_(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    let name = vm
        .library
        .types
        .get(v.tag as usize)
        .copied()
        .unwrap_or(Value::NIL);
    return_value(vm, name)
}

fn tostring(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state == 1 {
        let text = text_result(vm, &f)?;
        return return_value(vm, text);
    }
    let v = vm.check_any(&f, 0)?;
    let text = done_or_call!(text_of(vm, v)?, 1, 1);
    return_value(vm, text)
}

/// `print`: the locals are the line and the next argument.
fn print(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let mut answer = None;
    if f.state == 0 {
        let line = vm.new_buffer(0)?;
        vm.push(Value::object(Tag::Str, line))?;
        vm.push(Value::int(0))?;
    } else {
        answer = Some(text_result(vm, &f)?);
        vm.set_top(local(&f, 2))?;
    }
    let line = vm.get(local(&f, 0)).as_ref();
    let mut i = vm.get(local(&f, 1)).as_int() as u32;
    while i < f.count {
        let text = if let Some(text) = answer.take() {
            text
        } else {
            vm.set(local(&f, 1), Value::int(i64::from(i)));
            let v = vm.arg(&f, i);
            done_or_call!(text_of(vm, v)?, 1, 1)
        };
        if i > 0 {
            vm.push_bytes(line, b"\t")?;
        }
        vm.charge(bulk(vm.bytes(text).len()))?;
        vm.push_part(line, text, 0, usize::MAX)?;
        i = i.wrapping_add(1);
    }
    vm.print(line);
    Ok(Step::Return(0))
}

impl Vm {
    /// Gives the line in a buffer to the host.
    #[allow(unsafe_code)]
    pub fn print(&mut self, line: Ref) {
        let text = self.heap.buffer_bytes(line);
        // SAFETY: the cookie is the one that whoever made the environment gave for this.
        unsafe { host::print(self.cookie, self.packet.packet(), text) }
    }
}

impl Vm {
    /// Shows the warning in a buffer: on the standard error where there is one.
    pub(crate) fn warning(&mut self, line: Ref) -> Result<(), Raise> {
        #[cfg(feature = "user")]
        if crate::plain::is_plain(self) {
            self.push_bytes(line, b"\n")?;
            host::user::write(host::user::Output::Err(self.heap.buffer_bytes(line)));
            return Ok(());
        }
        self.print(line);
        Ok(())
    }
}

fn warn(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_str(&f, 0)?;
    for i in 1..f.count {
        vm.check_str(&f, i)?;
    }
    let first = vm.arg(&f, 0);
    if f.count == 1 && vm.bytes(first).first() == Some(&b'@') {
        match vm.bytes(first) {
            b"@on" => vm.library.warnings = true,
            b"@off" => vm.library.warnings = false,
            _ => {}
        }
        return Ok(Step::Return(0));
    }
    if vm.library.warnings {
        let line = vm.new_buffer(0)?;
        vm.push_bytes(line, b"Lua warning: ")?;
        for i in 0..f.count {
            let part = vm.arg(&f, i);
            vm.charge(bulk(vm.bytes(part).len()))?;
            vm.push_part(line, part, 0, usize::MAX)?;
        }
        vm.warning(line)?;
    }
    Ok(Step::Return(0))
}

fn next(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let t = vm.check_table(&f, 0)?;
    let key = vm.arg(&f, 1);
    match vm.next(t, key)? {
        Some((key, value)) => {
            vm.push(key)?;
            vm.push(value)?;
            Ok(Step::Return(2))
        }
        None => return_value(vm, Value::NIL),
    }
}

fn pairs(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state == 1 {
        return Ok(Step::Return(3));
    }
    let v = vm.check_any(&f, 0)?;
    let method = vm.metamethod(v, Event::Pairs);
    if !method.is_nil() {
        let nargs = vm.push_meta_call(method, &[v])?;
        return Ok(Step::Call {
            nargs,
            nresults: 3,
            state: 1,
        });
    }
    vm.push(native(lib::BASE, NEXT))?;
    vm.push(v)?;
    vm.push(Value::NIL)?;
    Ok(Step::Return(3))
}

const NEXT: u32 = index_of(NATIVES, "next");
const IPAIRS_NEXT: u32 = index_of(NATIVES, "for iterator");

fn ipairs(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    vm.push(native(lib::BASE, IPAIRS_NEXT))?;
    vm.push(v)?;
    vm.push(Value::int(0))?;
    Ok(Step::Return(3))
}

fn ipairs_next(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (t, i) = (vm.arg(&f, 0), vm.arg(&f, 1));
    if t.tag == Tag::Table && i.tag == Tag::Int && f.state == 0 {
        // The usual way: a list item that is there.
        let i = i.as_int().wrapping_add(1);
        let value = vm.raw_get_int(t.as_ref(), i);
        if !value.is_nil() {
            vm.push(Value::int(i))?;
            vm.push(value)?;
            return Ok(Step::Return(2));
        }
    }
    let i = vm.check_int(&f, 1)?.wrapping_add(1);
    let value = if f.state == 1 {
        vm.result(&f, 0)
    } else {
        let t = vm.arg(&f, 0);
        done_or_call!(vm.index(t, Value::int(i))?, 1, 1)
    };
    if value.is_nil() {
        return return_value(vm, Value::NIL);
    }
    vm.push(Value::int(i))?;
    vm.push(value)?;
    Ok(Step::Return(2))
}

fn select(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let which = vm.arg(&f, 0);
    if which.tag == Tag::Str && vm.bytes(which) == b"#" {
        return return_value(vm, Value::int(i64::from(f.count).wrapping_sub(1)));
    }
    let n = vm.check_int(&f, 0)?;
    let count = i64::from(f.count);
    let n = if n < 0 {
        count.saturating_add(n)
    } else {
        n.min(count)
    };
    if n < 1 {
        return Err(vm.arg_error(&f, 0, format_args!("index out of range")));
    }
    Ok(Step::Return(count.wrapping_sub(n) as u32))
}

fn rawequal(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = (vm.check_any(&f, 0)?, vm.check_any(&f, 1)?);
    let equal = vm.raw_equal(a, b);
    vm.settle_up();
    return_value(vm, Value::boolean(equal))
}

fn rawlen(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.arg(&f, 0);
    let len = match v.tag {
        Tag::Table => vm.raw_len(v.as_ref()),
        Tag::Str | Tag::Bytes => vm.bytes(v).len() as i64,
        _ => return Err(vm.type_error(&f, 0, "table or string")),
    };
    return_value(vm, Value::int(len))
}

fn rawget(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let t = vm.check_table(&f, 0)?;
    let key = vm.check_any(&f, 1)?;
    let v = vm.raw_get(t, key);
    return_value(vm, v)
}

fn rawset(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let t = vm.check_table(&f, 0)?;
    let (key, value) = (vm.check_any(&f, 1)?, vm.check_any(&f, 2)?);
    vm.raw_set(t, key, value)?;
    return_value(vm, Value::object(Tag::Table, t))
}

fn getmetatable(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    let meta = vm.metatable(v);
    if meta == 0 {
        return return_value(vm, Value::NIL);
    }
    let shown = vm.metamethod(v, Event::Metatable);
    let shown = if shown.is_nil() {
        Value::object(Tag::Table, meta)
    } else {
        shown
    };
    return_value(vm, shown)
}

fn setmetatable(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let t = vm.check_table(&f, 0)?;
    let meta = vm.arg(&f, 1);
    if f.count < 2 || !matches!(meta.tag, Tag::Nil | Tag::Table) {
        return Err(vm.type_error(&f, 1, "nil or table"));
    }
    let v = vm.arg(&f, 0);
    if !vm.metamethod(v, Event::Metatable).is_nil() {
        return Err(vm.error(format_args!("cannot change a protected metatable")));
    }
    vm.heap
        .set_meta(t, if meta.is_nil() { 0 } else { meta.as_ref() });
    return_value(vm, v)
}

const RETURNED: u32 = 1;
/// State: the function that was to be called raised an error.
pub(crate) const FAILED: u32 = 2;
/// State of `pcall` alone: the machine called its function for it, with nothing below the results. No
/// program counter or state of another function is as large.
pub(crate) const CALLED: u32 = u32::MAX;

/// The values from `from` on, of which the first is replaced by whether it went well.
fn outcome(vm: &mut Vm, f: &Args, from: u32) -> Result<Step, Raise> {
    if f.state == FAILED {
        let error = vm.result(f, 0);
        vm.push(Value::boolean(false))?;
        vm.push(error)?;
        return Ok(Step::Return(2));
    }
    Ok(Step::Return(vm.top().wrapping_sub(from)))
}

fn pcall(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state == CALLED {
        let count = vm.result_count(&f);
        super::insert_below(vm, count, Value::boolean(true))?;
        return Ok(Step::Return(count.wrapping_add(1)));
    }
    if f.state != 0 {
        return outcome(vm, &f, f.base);
    }
    vm.check_any(&f, 0)?;
    // `true` waits below the call for its results.
    super::insert_below(vm, f.count, Value::boolean(true))?;
    let nargs = f.count.wrapping_sub(1);
    Ok(Step::Protect {
        nargs,
        state: RETURNED,
        failed: FAILED,
        handler: crate::vm::native::NO_HANDLER,
    })
}

fn xpcall(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let handler = f.base;
    let waiting = f.base.wrapping_add(1);
    if f.state != 0 {
        return outcome(vm, &f, waiting);
    }
    let function = vm.arg(&f, 0);
    let handler_value = vm.check_function(&f, 1)?;
    super::insert_below(vm, f.count.wrapping_sub(1), Value::boolean(true))?;
    vm.set(handler, handler_value);
    vm.set(waiting.wrapping_add(1), function);
    let nargs = f.count.wrapping_sub(2);
    Ok(Step::Protect {
        nargs,
        state: RETURNED,
        failed: FAILED,
        handler,
    })
}

fn tonumber(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.arg(&f, 0);
    if vm.arg(&f, 1).is_nil() {
        let number = match v.tag {
            Tag::Int | Tag::Float => v,
            Tag::Str | Tag::Bytes => {
                vm.charge(numeral(vm.bytes(v).len()))?;
                match parse(vm.bytes(v)) {
                    Some(Number::Int(i)) => Value::int(i),
                    Some(Number::Float(x)) => Value::float(x),
                    None => Value::NIL,
                }
            }
            _ => {
                vm.check_any(&f, 0)?;
                Value::NIL
            }
        };
        return return_value(vm, number);
    }
    let base = vm.check_int(&f, 1)?;
    if !matches!(v.tag, Tag::Str | Tag::Bytes) {
        return Err(vm.type_error(&f, 0, "string"));
    }
    let Ok(base @ 2..=36) = u32::try_from(base) else {
        return Err(vm.arg_error(&f, 1, format_args!("base out of range")));
    };
    vm.charge(numeral(vm.bytes(v).len()))?;
    let number = in_base(vm.bytes(v), base).map_or(Value::NIL, Value::int);
    return_value(vm, number)
}

/// Fuel for reading a number of so many bytes.
const fn numeral(bytes: usize) -> u64 {
    (bytes as u64 >> 2).wrapping_add(1)
}

/// An integer in some base; it wraps.
fn in_base(text: &[u8], base: u32) -> Option<i64> {
    let start = text.iter().position(|b| !is_space(*b))?;
    let end = text.iter().rposition(|b| !is_space(*b))?;
    let (negative, digits) = match text.get(start..=end)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for b in digits {
        let digit = char::from(*b).to_digit(base)?;
        value = value
            .wrapping_mul(i64::from(base))
            .wrapping_add(i64::from(digit));
    }
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// What a mode or a parameter of the collector was called or was before: the collector has one mode
/// and finds its pace itself.
fn was(vm: &mut Vm, f: &Args, parameter: usize) -> Result<Value, Raise> {
    let new = vm.opt_int(f, 1, 0)?;
    let slot = vm.library.parameters.get_mut(parameter);
    Ok(Value::int(
        slot.map_or(0, |slot| core::mem::replace(slot, new)),
    ))
}

fn collectgarbage(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let option = vm.opt_str(&f, 0)?;
    let name = option.map_or(&b"collect"[..], |option| vm.bytes(option));
    let answer = match name {
        // The collector serves nobody else while it has a finalizer called.
        b"collect" | b"count" | b"step" | b"isrunning" | b"stop" | b"restart" | b"setpause"
        | b"setstepmul" | b"incremental" | b"generational"
            if vm.finalizing =>
        {
            Value::NIL
        }
        b"collect" => {
            vm.collect();
            vm.charge(0)?;
            Value::int(0)
        }
        b"count" => Value::float(vm.heap.usage().live as f64 / 1024.0),
        b"step" => {
            let kilobytes = vm.opt_int(&f, 1, 0)?;
            // A step of a generational collector is a collection, and no cycle ends with it.
            let finished = if vm.library.generational {
                vm.collect();
                false
            } else {
                vm.collect_some(u64::try_from(kilobytes).unwrap_or(0))
            };
            vm.charge(0)?;
            Value::boolean(finished)
        }
        b"isrunning" => Value::boolean(!vm.heap.is_stopped()),
        stop @ (b"stop" | b"restart") => {
            let stop = stop == b"stop";
            vm.heap.set_stopped(stop);
            Value::int(0)
        }
        b"setpause" => was(vm, &f, 0)?,
        b"setstepmul" => was(vm, &f, 1)?,
        mode @ (b"incremental" | b"generational") => {
            let new = mode == b"generational";
            let old = core::mem::replace(&mut vm.library.generational, new);
            vm.new_string(if old { b"generational" } else { b"incremental" })?
        }
        _ => {
            let mut name = [0u8; 64];
            let given = option.map_or(&b""[..], |option| vm.bytes(option));
            let len = given.len().min(name.len());
            for (slot, b) in name.iter_mut().zip(given) {
                *slot = *b;
            }
            let shown = Bytes(name.get(..len).unwrap_or_default());
            return Err(vm.arg_error(&f, 0, format_args!("invalid option '{shown}'")));
        }
    };
    return_value(vm, answer)
}
