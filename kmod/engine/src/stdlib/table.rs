// SPDX-License-Identifier: GPL-2.0-only
//! `table`. Every access heeds metamethods, as in PUC, so most functions are loops that may be left
//! for a call at each access and are entered again with its result.

use super::pack::MAX_SIZE;
use super::{bulk, local, sort};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Raise, type_name};
use crate::vm::native::{Args, Library, Meta, NativeDef, Step};
use crate::vm::{Event, Vm};

/// The functions of `table`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("concat", concat),
    NativeDef::new("insert", insert),
    NativeDef::new("move", move_),
    NativeDef::new("pack", pack),
    NativeDef::new("remove", remove),
    NativeDef::new("sort", sort::sort),
    NativeDef::new("unpack", unpack),
];

/// `table`.
pub const LIBRARY: Library = Library {
    name: "table",
    natives: NATIVES,
    open: None,
};

/// Events that something needs to be used as a table.
pub const READ: &[Event] = &[Event::Index];
/// With assignments.
pub const WRITE: &[Event] = &[Event::NewIndex];
/// With its length.
pub const READ_LEN: &[Event] = &[Event::Index, Event::Len];
/// With all of it.
pub const ALL: &[Event] = &[Event::Index, Event::NewIndex, Event::Len];

/// Checks that an argument is a table, or behaves like one.
pub fn check(vm: &mut Vm, f: &Args, i: u32, events: &[Event]) -> Result<Value, Raise> {
    let v = vm.arg(f, i);
    if v.tag == Tag::Table
        || (vm.metatable(v) != 0 && events.iter().all(|e| !vm.metamethod(v, *e).is_nil()))
    {
        return Ok(v);
    }
    Err(vm.type_error(f, i, "table"))
}

/// A table without metatable, for which the short ways are the right ones.
pub fn raw(vm: &Vm, v: Value) -> Option<Ref> {
    (v.tag == Tag::Table && vm.heap.meta(v.as_ref()) == 0).then(|| v.as_ref())
}

/// Asks for a length as state `state`; `None`: a call was pushed.
pub fn length(vm: &mut Vm, v: Value) -> Result<Meta<i64>, Raise> {
    if let Some(t) = raw(vm, v) {
        return Ok(Meta::Done(vm.raw_len(t)));
    }
    match vm.len(v)? {
        Meta::Done(n) => length_value(vm, n).map(Meta::Done),
        Meta::Call(nargs) => Ok(Meta::Call(nargs)),
    }
}

/// A length that a metamethod gave.
pub fn length_value(vm: &mut Vm, v: Value) -> Result<i64, Raise> {
    match vm.to_int(v).filter(|_| v.tag != Tag::Str) {
        Some(n) => Ok(n),
        None => Err(vm.error(format_args!("object length is not an integer"))),
    }
}

/// Ends a step with the call of a metamethod that was pushed.
macro_rules! done_or_call {
    ($meta:expr, $results:expr, $state:expr) => {
        match $meta {
            $crate::vm::native::Meta::Done(value) => value,
            $crate::vm::native::Meta::Call(nargs) => {
                return Ok($crate::vm::native::Step::Call {
                    nargs,
                    nresults: $results,
                    state: $state,
                });
            }
        }
    };
}
pub(super) use done_or_call;

/// `table.insert`: locals are the position and the last index.
fn insert(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const LEN: u32 = 1;
    const GOT: u32 = 2;
    const MOVED: u32 = 3;
    const DONE: u32 = 4;
    let t = vm.arg(&f, 0);
    let mut state = f.state;
    let mut answer = Value::NIL;
    if state == 0 {
        check(vm, &f, 0, ALL)?;
        if let Some(t) = raw(vm, t)
            && f.count == 2
        {
            // The usual call.
            let next = vm.raw_len(t).wrapping_add(1);
            let v = vm.arg(&f, 1);
            vm.raw_set_int(t, next, v)?;
            return Ok(Step::Return(0));
        }
        let len = done_or_call!(length(vm, t)?, 1, LEN);
        answer = Value::int(len);
    } else {
        answer = if f.state == LEN || f.state == GOT {
            vm.result(&f, 0)
        } else {
            answer
        };
        if state == LEN {
            answer = Value::int(length_value(vm, answer)?);
        }
    }
    if state <= LEN {
        let end = answer.as_int().wrapping_add(1);
        let position = match f.count {
            2 => end,
            3 => {
                let position = vm.check_int(&f, 1)?;
                // As unsigned: 1 <= position <= end.
                if (position as u64).wrapping_sub(1) >= end as u64 {
                    return Err(vm.arg_error(&f, 1, format_args!("position out of bounds")));
                }
                position
            }
            _ => return Err(vm.error(format_args!("wrong number of arguments to 'insert'"))),
        };
        vm.set_top(f.base.wrapping_add(f.count))?;
        vm.push(Value::int(position))?;
        vm.push(Value::int(end))?;
        if let Some(t) = raw(vm, t) {
            let v = vm.arg(&f, 2);
            let moved = end.wrapping_sub(position).max(0) as u64;
            vm.charge((moved >> 1).wrapping_add(1))?;
            let mut i = end;
            while i > position {
                let below = vm.raw_get_int(t, i.wrapping_sub(1));
                vm.raw_set_int(t, i, below)?;
                i = i.wrapping_sub(1);
            }
            vm.raw_set_int(t, position, v)?;
            return Ok(Step::Return(0));
        }
        state = MOVED;
    }
    // Local 1 counts down from the end; what is below it moves up.
    loop {
        vm.charge(1)?;
        let position = vm.get(local(&f, 0)).as_int();
        let i = vm.get(local(&f, 1)).as_int();
        if state == DONE {
            return Ok(Step::Return(0));
        }
        if state == MOVED {
            vm.set_top(local(&f, 2))?;
            if i <= position {
                let v = vm.arg(&f, f.count.wrapping_sub(1));
                done_or_call!(vm.set_index(t, Value::int(position), v)?, 0, DONE);
                return Ok(Step::Return(0));
            }
            let below = Value::int(i.wrapping_sub(1));
            answer = done_or_call!(vm.index(t, below)?, 1, GOT);
        }
        vm.set_top(local(&f, 2))?;
        vm.set(local(&f, 1), Value::int(i.wrapping_sub(1)));
        state = MOVED;
        done_or_call!(vm.set_index(t, Value::int(i), answer)?, 0, MOVED);
    }
}

/// `table.remove`: locals are the position, the length and what was removed.
fn remove(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const LEN: u32 = 1;
    const TAKEN: u32 = 2;
    const GOT: u32 = 3;
    const MOVED: u32 = 4;
    const DONE: u32 = 5;
    let t = vm.arg(&f, 0);
    let mut state = f.state;
    let mut answer = vm.result(&f, 0);
    if state == 0 {
        check(vm, &f, 0, ALL)?;
        let len = done_or_call!(length(vm, t)?, 1, LEN);
        answer = Value::int(len);
        state = LEN;
    } else if state == LEN {
        answer = Value::int(length_value(vm, answer)?);
    }
    if state == LEN {
        let len = answer.as_int();
        let position = vm.opt_int(&f, 1, len)?;
        // As unsigned: 1 <= position <= len + 1.
        if position != len && position.wrapping_sub(1) as u64 > len as u64 {
            return Err(vm.arg_error(&f, 1, format_args!("position out of bounds")));
        }
        vm.set_top(f.base.wrapping_add(f.count))?;
        if let Some(t) = raw(vm, t) {
            return remove_raw(vm, t, position, len);
        }
        vm.push(Value::int(position))?;
        vm.push(Value::int(len))?;
        vm.push(Value::NIL)?;
        answer = done_or_call!(vm.index(t, Value::int(position))?, 1, TAKEN);
        state = TAKEN;
    }
    if state == TAKEN {
        vm.set_top(local(&f, 3))?;
        vm.set(local(&f, 2), answer);
        state = MOVED;
    }
    loop {
        vm.charge(1)?;
        let i = vm.get(local(&f, 0)).as_int();
        let len = vm.get(local(&f, 1)).as_int();
        if state == MOVED {
            vm.set_top(local(&f, 3))?;
            if i >= len {
                done_or_call!(vm.set_index(t, Value::int(i), Value::NIL)?, 0, DONE);
                state = DONE;
            } else {
                answer = done_or_call!(vm.index(t, Value::int(i.wrapping_add(1)))?, 1, GOT);
                state = GOT;
            }
        }
        if state == DONE {
            vm.set_top(local(&f, 3))?;
            return Ok(Step::Return(1));
        }
        vm.set_top(local(&f, 3))?;
        vm.set(local(&f, 0), Value::int(i.wrapping_add(1)));
        state = MOVED;
        done_or_call!(vm.set_index(t, Value::int(i), answer)?, 0, MOVED);
    }
}

fn remove_raw(vm: &mut Vm, t: Ref, position: i64, len: i64) -> Result<Step, Raise> {
    let taken = vm.raw_get_int(t, position);
    vm.push(taken)?;
    vm.charge((len.saturating_sub(position).max(0) as u64 >> 1).wrapping_add(1))?;
    let mut i = position;
    while i < len {
        let above = vm.raw_get_int(t, i.wrapping_add(1));
        vm.raw_set_int(t, i, above)?;
        i = i.wrapping_add(1);
    }
    // Nothing is made where nothing was.
    if !vm.raw_get_int(t, i).is_nil() {
        vm.raw_set_int(t, i, Value::NIL)?;
    }
    Ok(Step::Return(1))
}

/// `table.move`: the local counts what was moved.
fn move_(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const GOT: u32 = 1;
    const MOVED: u32 = 2;
    let into = u32::from(!vm.arg(&f, 4).is_nil()).wrapping_mul(4);
    let (from, to, at) = (
        vm.check_int(&f, 1)?,
        vm.check_int(&f, 2)?,
        vm.check_int(&f, 3)?,
    );
    let (source, target) = (vm.arg(&f, 0), vm.arg(&f, into));
    let mut state = f.state;
    let mut answer = vm.result(&f, 0);
    if state == 0 {
        check(vm, &f, 0, READ)?;
        check(vm, &f, into, WRITE)?;
        if to >= from {
            if !(from > 0 || to < i64::MAX.wrapping_add(from)) {
                return Err(vm.arg_error(&f, 2, format_args!("too many elements to move")));
            }
            let count = to.wrapping_sub(from).wrapping_add(1);
            if at > i64::MAX.wrapping_sub(count).wrapping_add(1) {
                return Err(vm.arg_error(&f, 3, format_args!("destination wrap around")));
            }
        }
        vm.push(Value::int(0))?;
        state = MOVED;
    }
    if f.state == 0
        && let (Some(s), Some(t)) = (raw(vm, source), raw(vm, target))
    {
        // Nothing but the two tables has a say.
        vm.set_top(local(&f, 0))?;
        move_raw(vm, (s, from), to, (t, at))?;
        vm.push(target)?;
        return Ok(Step::Return(1));
    }
    let same = into == 0 || (source.tag == target.tag && source.payload == target.payload);
    // Overlapping ranges that move up are copied from their end.
    let backward = at > from && at <= to && same;
    let last = to.wrapping_sub(from);
    loop {
        let done = vm.get(local(&f, 0)).as_int();
        let offset = if backward {
            last.wrapping_sub(done)
        } else {
            done
        };
        if state == MOVED {
            vm.set_top(local(&f, 1))?;
            if to < from || done as u64 > last as u64 {
                vm.push(target)?;
                return Ok(Step::Return(1));
            }
            vm.charge(1)?;
            let key = Value::int(from.wrapping_add(offset));
            answer = done_or_call!(vm.index(source, key)?, 1, GOT);
        }
        vm.set_top(local(&f, 1))?;
        vm.set(local(&f, 0), Value::int(done.wrapping_add(1)));
        state = MOVED;
        done_or_call!(
            vm.set_index(target, Value::int(at.wrapping_add(offset)), answer)?,
            0,
            MOVED
        );
    }
}

/// `table.move` between tables without metatables: items from and to an index, and where they go.
fn move_raw(
    vm: &mut Vm,
    (source, from): (Ref, i64),
    to: i64,
    (target, at): (Ref, i64),
) -> Result<(), Raise> {
    let backward = at > from && at <= to && source == target;
    let last = to.wrapping_sub(from);
    if to < from {
        return Ok(());
    }
    let mut done = 0i64;
    loop {
        // A unit of fuel pays for two of them.
        if done & 1 == 0 {
            vm.charge(1)?;
        }
        let offset = if backward {
            last.wrapping_sub(done)
        } else {
            done
        };
        let v = vm.raw_get_int(source, from.wrapping_add(offset));
        vm.raw_set_int(target, at.wrapping_add(offset), v)?;
        if done as u64 >= last as u64 {
            return Ok(());
        }
        done = done.wrapping_add(1);
    }
}

/// `table.concat`: locals are the buffer, the index and the last one.
fn concat(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const LEN: u32 = 1;
    const GOT: u32 = 2;
    let t = vm.arg(&f, 0);
    let mut answer = vm.result(&f, 0);
    let mut state = f.state;
    if state == 0 {
        check(vm, &f, 0, READ_LEN)?;
        let len = done_or_call!(length(vm, t)?, 1, LEN);
        answer = Value::int(len);
        state = LEN;
    } else if state == LEN {
        answer = Value::int(length_value(vm, answer)?);
    }
    if state == LEN {
        vm.opt_str(&f, 1)?;
        let from = vm.opt_int(&f, 2, 1)?;
        let to = vm.opt_int(&f, 3, answer.as_int())?;
        vm.set_top(f.base.wrapping_add(f.count))?;
        let buffer = vm.new_buffer(0)?;
        vm.push(Value::object(Tag::Str, buffer))?;
        vm.push(Value::int(from))?;
        vm.push(Value::int(to))?;
    }
    let buffer = vm.get(local(&f, 0)).as_ref();
    let separator = vm.arg(&f, 1);
    let to = vm.get(local(&f, 2)).as_int();
    let mut i = vm.get(local(&f, 1)).as_int();
    let plain = raw(vm, t);
    while i <= to {
        let value = if state == GOT {
            state = LEN;
            vm.set_top(local(&f, 3))?;
            answer
        } else if let Some(t) = plain {
            vm.raw_get_int(t, i)
        } else {
            vm.set(local(&f, 1), Value::int(i));
            done_or_call!(vm.index(t, Value::int(i))?, 1, GOT)
        };
        append(vm, buffer, value, i)?;
        if i == to {
            break;
        }
        if !separator.is_nil() {
            vm.charge(vm.bytes(separator).len() as u64 >> 8)?;
            vm.push_part(buffer, separator, 0, usize::MAX)?;
        }
        if vm.heap.buffer_bytes(buffer).len() > MAX_SIZE {
            return Err(vm.error(format_args!("resulting string too large")));
        }
        i = i.wrapping_add(1);
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

fn append(vm: &mut Vm, buffer: Ref, value: Value, i: i64) -> Result<(), Raise> {
    if !matches!(value.tag, Tag::Str | Tag::Bytes | Tag::Int | Tag::Float) {
        let name = type_name(value);
        return Err(vm.error(format_args!(
            "invalid value ({name}) at index {i} in table for 'concat'"
        )));
    }
    vm.charge(bulk(vm.bytes(value).len()))?;
    vm.push_text(buffer, value)
}

fn pack(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(u64::from(f.count >> 1).wrapping_add(1))?;
    let t = vm.new_table(f.count, 1)?;
    vm.push(Value::object(Tag::Table, t))?;
    for i in 0..f.count {
        let v = vm.arg(&f, i);
        vm.raw_set_int(t, i64::from(i).wrapping_add(1), v)?;
    }
    vm.raw_set_str(t, b"n", Value::int(i64::from(f.count)))?;
    Ok(Step::Return(1))
}

/// `table.unpack`: the locals are the next index, the last one, and then the values so far.
fn unpack(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const LEN: u32 = 1;
    const GOT: u32 = 2;
    let t = vm.arg(&f, 0);
    if f.state <= LEN {
        let from = vm.opt_int(&f, 1, 1)?;
        let to = if !vm.arg(&f, 2).is_nil() {
            vm.check_int(&f, 2)?
        } else if f.state == LEN {
            let n = vm.result(&f, 0);
            length_value(vm, n)?
        } else {
            done_or_call!(length(vm, t)?, 1, LEN)
        };
        vm.set_top(f.base.wrapping_add(f.count))?;
        if from > to {
            return Ok(Step::Return(0));
        }
        let count = (to as u64).wrapping_sub(from as u64);
        if count >= i32::MAX as u64 || vm.ensure_stack(count.wrapping_add(3) as u32).is_err() {
            return Err(vm.error(format_args!("too many results to unpack")));
        }
        vm.charge((count >> 1).wrapping_add(1))?;
        vm.push(Value::int(from))?;
        vm.push(Value::int(to))?;
    }
    // After a call its one result is on top of the values, where it belongs.
    let to = vm.get(local(&f, 1)).as_int();
    let from = vm.get(local(&f, 0)).as_int();
    let mut i = from;
    if f.state == GOT {
        if i == to {
            return Ok(Step::Return(unpacked(vm, &f)));
        }
        i = i.wrapping_add(1);
    }
    let plain = raw(vm, t);
    loop {
        let value = if let Some(t) = plain {
            vm.raw_get_int(t, i)
        } else {
            vm.set(local(&f, 0), Value::int(i));
            done_or_call!(vm.index(t, Value::int(i))?, 1, GOT)
        };
        vm.push(value)?;
        if i == to {
            return Ok(Step::Return(unpacked(vm, &f)));
        }
        i = i.wrapping_add(1);
    }
}

/// How many values are on the stack above the locals.
fn unpacked(vm: &Vm, f: &Args) -> u32 {
    vm.top().wrapping_sub(local(f, 2))
}
