// SPDX-License-Identifier: GPL-2.0-only
//! Local variables and upvalues by their numbers.
//!
//! A captured variable that nothing assigns is copied into closures, not shared. A program that names
//! one of the functions to which that makes a difference is compiled with all of them shared
//! (`compiler::Options::shared`).

use super::give;
use super::inspect::{in_thread, thread_of};
use crate::memory::cell::{BoxCell, Kind};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::Raise;
use crate::vm::names::Name;
use crate::vm::native::{Args, Step, is_function};
use crate::vm::{FrameKind, Vm};
use std::vec::Vec;

// --- local variables ----------------------------------------------------------------------------

/// A local variable of a call: its name and the index of its slot.
fn find(vm: &Vm, depth: u32, number: i64) -> Option<(Name, u32)> {
    let frame = *vm.frame(depth);
    let number = u32::try_from(number.unsigned_abs()).ok()?;
    if frame.kind != FrameKind::Lua {
        return None;
    }
    let (image, proto) = vm.record(frame.proto)?;
    let pc = vm.pc_of(depth) + 1;
    // They lie in registers in the order of their declarations.
    let mut active: Vec<_> = (0..proto.local_count)
        .filter_map(|i| image.local(&proto, i))
        .filter(|local| local.start <= pc && pc < local.end)
        .collect();
    active.sort_by_key(|local| local.register);
    let local = active.get(number.checked_sub(1)? as usize)?;
    let name = Name::new(image.name(local.name)?);
    Some((name, frame.base + local.register))
}

/// An argument beyond the parameters.
fn find_vararg(vm: &Vm, depth: u32, number: i64) -> Option<(Name, u32)> {
    let frame = *vm.frame(depth);
    let number = u32::try_from(number.unsigned_abs()).ok()?;
    (frame.kind == FrameKind::Lua && number > 0 && number <= frame.extra)
        .then(|| (Name::new(b"(vararg)"), frame.first_vararg() + number - 1))
}

/// An argument of a native function.
fn find_argument(vm: &Vm, depth: u32, number: i64) -> Option<(Name, u32)> {
    let frame = *vm.frame(depth);
    let index = u32::try_from(number.checked_sub(1)?).ok()?;
    (frame.kind != FrameKind::Host && index < frame.extra)
        .then(|| (Name::new(b"(C temporary)"), frame.base + index))
}

fn slot(vm: &Vm, depth: u32, number: i64) -> Option<(Name, u32)> {
    if vm.frame(depth).kind != FrameKind::Lua {
        find_argument(vm, depth, number)
    } else if number < 0 {
        find_vararg(vm, depth, number)
    } else {
        find(vm, depth, number)
    }
}

#[allow(unsafe_code)]
fn contents(vm: &Vm, v: Value) -> Value {
    if v.tag == Tag::Box {
        // SAFETY: the value is a box.
        unsafe { (*vm.heap.at::<BoxCell>(v.as_ref())).value }
    } else {
        v
    }
}

#[allow(unsafe_code)]
fn put_into(vm: &mut Vm, b: Ref, v: Value) {
    vm.heap.store_barrier(b, Value::NIL, v);
    // SAFETY: the caller has seen that it is a box.
    unsafe { (*vm.heap.at::<BoxCell>(b)).value = v };
}

fn pair(vm: &mut Vm, found: Option<(Name, Value)>) -> Result<Step, Raise> {
    match found {
        None => give(vm, Value::NIL),
        Some((name, v)) => {
            let name = vm.new_string(name.text())?;
            vm.push(name)?;
            vm.push(v)?;
            Ok(Step::Return(2))
        }
    }
}

/// `debug.getlocal([thread,] level or function, number)`.
pub fn getlocal(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (thread, i) = thread_of(vm, &f);
    let number = vm.check_int(&f, i + 1)?;
    let subject = vm.arg(&f, i);
    if is_function(subject) {
        let name = parameter(vm, subject, number);
        let name = match name {
            Some(name) => vm.new_string(name.text())?,
            None => Value::NIL,
        };
        return give(vm, name);
    }
    let level = vm.check_int(&f, i)?;
    let found = in_thread(vm, thread, level, |vm, depth, _| {
        slot(vm, depth, number).map(|(name, at)| (name, contents(vm, vm.get(at))))
    });
    match found {
        Some(found) => pair(vm, found),
        None => Err(vm.arg_error(&f, i, format_args!("level out of range"))),
    }
}

fn parameter(vm: &Vm, function: Value, number: i64) -> Option<Name> {
    let closure = vm.lua_closure(function)?;
    let (image, proto) = vm.record(vm.heap.header(closure).hash)?;
    let number = u32::try_from(number).ok()?.checked_sub(1)?;
    if number >= u32::from(proto.params) {
        return None;
    }
    let local = (0..proto.local_count)
        .filter_map(|i| image.local(&proto, i))
        .find(|local| local.start == 0 && local.register == number)?;
    Some(Name::new(image.name(local.name)?))
}

/// `debug.setlocal([thread,] level, number, value)`.
pub fn setlocal(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (thread, i) = thread_of(vm, &f);
    let level = vm.check_int(&f, i)?;
    let number = vm.check_int(&f, i + 1)?;
    let v = vm.check_any(&f, i + 2)?;
    let found = in_thread(vm, thread, level, |vm, depth, kept| {
        slot(vm, depth, number).map(|(name, at)| (name, at, kept, vm.get(at)))
    });
    let Some(found) = found else {
        return Err(vm.arg_error(&f, i, format_args!("level out of range")));
    };
    let Some((name, at, kept, old)) = found else {
        return give(vm, Value::NIL);
    };
    match kept {
        _ if old.tag == Tag::Box => put_into(vm, old.as_ref(), v),
        Some(base) => vm.set_kept(thread, at - base, v),
        None => vm.set(at, v),
    }
    let name = vm.new_string(name.text())?;
    give(vm, name)
}

// --- upvalues -----------------------------------------------------------------------------------

/// Name and contents of an upvalue; natives' have no names.
fn upvalue(vm: &Vm, function: Value, number: i64) -> Option<(Name, Value)> {
    let number = u32::try_from(number).ok()?.checked_sub(1)?;
    if let Some(closure) = vm.lua_closure(function) {
        let (image, proto) = vm.record(vm.heap.header(closure).hash)?;
        let name = image.name(image.upvalue(&proto, number)?.name)?;
        return Some((Name::new(name), raw_upvalue(vm, closure, number)));
    }
    let is_native =
        function.tag == Tag::Closure && vm.heap.kind(function.as_ref()) == Kind::NativeClosure;
    if is_native && number < u32::from(vm.heap.header(function.as_ref()).flags) {
        let v = vm.heap.native_upvalue(function.as_ref(), number);
        return Some((Name::new(b""), v));
    }
    None
}

/// What the closure has: the variable's box, or its value.
#[allow(unsafe_code)]
fn raw_upvalue(vm: &Vm, closure: Ref, number: u32) -> Value {
    // SAFETY: the caller has seen that the closure has so many.
    unsafe { *vm.heap.upvalues(closure).add(number as usize) }
}

#[allow(unsafe_code)]
fn set_raw_upvalue(vm: &mut Vm, closure: Ref, number: u32, v: Value) {
    let old = raw_upvalue(vm, closure, number);
    vm.heap.store_barrier(closure, old, v);
    // SAFETY: the caller has seen that the closure has so many.
    unsafe { *vm.heap.upvalues(closure).add(number as usize) = v };
}

/// `debug.getupvalue(function, number)`.
pub fn getupvalue(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let number = vm.check_int(&f, 1)?;
    let function = vm.check_function(&f, 0)?;
    match upvalue(vm, function, number) {
        None => Ok(Step::Return(0)),
        Some((name, v)) => {
            let v = contents(vm, v);
            pair(vm, Some((name, v)))
        }
    }
}

/// `debug.setupvalue(function, number, value)`.
pub fn setupvalue(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 2)?;
    let number = vm.check_int(&f, 1)?;
    let function = vm.check_function(&f, 0)?;
    let (Some((name, old)), Some(closure)) =
        (upvalue(vm, function, number), vm.lua_closure(function))
    else {
        return Ok(Step::Return(0));
    };
    if old.tag == Tag::Box {
        put_into(vm, old.as_ref(), v);
    } else {
        set_raw_upvalue(vm, closure, number as u32 - 1, v);
    }
    let name = vm.new_string(name.text())?;
    give(vm, name)
}

/// `debug.upvalueid(function, number)`: a light userdata, the same for variables that are shared.
pub fn upvalueid(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let number = vm.check_int(&f, 1)?;
    let function = vm.check_function(&f, 0)?;
    let id = match upvalue(vm, function, number) {
        None => Value::NIL,
        Some((_, v)) if v.tag == Tag::Box => light(u64::from(v.as_ref())),
        // Nobody shares it: the closure and the number tell it apart. A function has at most 255.
        Some(_) => light(u64::from(function.as_ref()) | (number as u64) << 32),
    };
    give(vm, id)
}

const fn light(payload: u64) -> Value {
    Value {
        tag: Tag::Light,
        aux: 0,
        payload,
    }
}

/// `debug.upvaluejoin(f1, n1, f2, n2)`.
pub fn upvaluejoin(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let mut found = [(0, 0, Value::NIL); 2];
    for (i, slot) in [(0, 0), (1, 2)] {
        let number = vm.check_int(&f, slot + 1)?;
        let function = vm.check_function(&f, slot)?;
        let Some((_, v)) = upvalue(vm, function, number) else {
            return Err(vm.arg_error(&f, slot + 1, format_args!("invalid upvalue index")));
        };
        let Some(closure) = vm.lua_closure(function) else {
            return Err(vm.arg_error(&f, slot, format_args!("Lua function expected")));
        };
        if let Some(place) = found.get_mut(i) {
            *place = (closure, number as u32 - 1, v);
        }
    }
    let [(closure, number, mine), (.., theirs)] = found;
    let joined = match (mine.tag == Tag::Box, theirs.tag == Tag::Box) {
        (true, true) | (false, false) => theirs,
        (false, true) => contents(vm, theirs),
        (true, false) => {
            let made = vm.allocate(|heap| heap.new_box(theirs))?;
            Value::object(Tag::Box, made)
        }
    };
    set_raw_upvalue(vm, closure, number, joined);
    Ok(Step::Return(0))
}
