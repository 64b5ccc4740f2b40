// SPDX-License-Identifier: GPL-2.0-only
//! `string`: lengths, cases, pieces. Patterns are in `matching`, `format` in `format`, `pack` in
//! `packing`.

use super::pack::MAX_SIZE;
use super::{bulk, bytewise, format, matching, packing, position_end, position_start};
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step};

/// The functions of `string`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("byte", byte),
    NativeDef::new("char", char),
    NativeDef::new("find", matching::find),
    NativeDef::new("format", format::format),
    NativeDef::new("gmatch", matching::gmatch),
    NativeDef::new("gsub", matching::gsub),
    NativeDef::new("len", len),
    NativeDef::new("lower", lower),
    NativeDef::new("match", matching::find_captures),
    NativeDef::new("pack", packing::pack),
    NativeDef::new("packsize", packing::packsize),
    NativeDef::new("rep", rep),
    NativeDef::new("reverse", reverse),
    NativeDef::new("sub", sub),
    NativeDef::new("unpack", packing::unpack),
    NativeDef::new("upper", upper),
    NativeDef::hidden("for iterator", matching::gmatch_next),
];

/// `string`.
pub const LIBRARY: Library = Library {
    name: "string",
    natives: NATIVES,
    open: Some(open),
};

/// Strings index into `string`.
fn open(vm: &mut Vm, table: Ref) -> Result<(), OutOfMemory> {
    let meta = vm.heap.new_table(0, 1)?;
    let key = vm.shared_string(b"__index")?;
    vm.heap.set(meta, key, Value::object(Tag::Table, table))?;
    vm.set_type_metatable(Tag::Str, meta);
    Ok(())
}

fn len(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    vm.push(Value::int(len as i64))?;
    Ok(Step::Return(1))
}

fn sub(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    let from = vm.check_int(&f, 1)?;
    let start = position_start(from, len);
    let to = vm.opt_int(&f, 2, -1)?;
    let end = position_end(to, len);
    let start = start.wrapping_sub(1).min(end);
    vm.charge(bulk(end.wrapping_sub(start)))?;
    let part = vm.substring(s, start, end)?;
    vm.push(part)?;
    Ok(Step::Return(1))
}

fn byte(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    let from = vm.opt_int(&f, 1, 1)?;
    let start = position_start(from, len);
    let to = vm.opt_int(&f, 2, from)?;
    let end = position_end(to, len);
    let count = end.saturating_sub(start.wrapping_sub(1));
    if count > 1 {
        vm.charge(bytewise(count))?;
        vm.ensure_stack(u32::try_from(count).unwrap_or(u32::MAX))?;
    }
    for i in start..start.saturating_add(count) {
        let b = vm.bytes(s).get(i.wrapping_sub(1)).copied().unwrap_or(0);
        vm.push(Value::int(i64::from(b)))?;
    }
    Ok(Step::Return(count as u32))
}

fn char(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(bytewise(f.count as usize))?;
    let r = vm.heap.new_buffer(f.count as usize);
    let buffer = vm.memory(r)?;
    for i in 0..f.count {
        let code = vm.check_int(&f, i)?;
        let Ok(b) = u8::try_from(code) else {
            return Err(vm.arg_error(&f, i, format_args!("value out of range")));
        };
        let r = vm.heap.push_bytes(buffer, &[b]);
        vm.memory(r)?;
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

/// A copy of the argument, changed in place.
fn changed(vm: &mut Vm, f: &Args, change: fn(&mut [u8])) -> Result<Step, Raise> {
    let s = vm.check_str(f, 0)?;
    let len = vm.bytes(s).len();
    vm.charge(bytewise(len))?;
    let r = vm.heap.new_buffer(len);
    let buffer = vm.memory(r)?;
    vm.push_part(buffer, s, 0, len)?;
    change(vm.heap.buffer_bytes_mut(buffer));
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

fn lower(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, <[u8]>::make_ascii_lowercase)
}

fn upper(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, <[u8]>::make_ascii_uppercase)
}

fn reverse(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, <[u8]>::reverse)
}

fn rep(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let count = vm.check_int(&f, 1)?;
    let separator = vm.opt_str(&f, 2)?;
    let len = vm.bytes(s).len();
    let gap = separator.map_or(0, |s| vm.bytes(s).len());
    let unit = len.saturating_add(gap);
    let Ok(count) = usize::try_from(count) else {
        return nothing(vm);
    };
    if count == 0 || unit == 0 {
        return nothing(vm);
    }
    if unit > MAX_SIZE.checked_div(count).unwrap_or(0) {
        return Err(vm.error(format_args!("resulting string too large")));
    }
    let total = unit.wrapping_mul(count).wrapping_sub(gap);
    vm.charge(bulk(total))?;
    let r = vm.heap.new_buffer(total);
    let buffer = vm.memory(r)?;
    vm.push_part(buffer, s, 0, len)?;
    if let Some(separator) = separator
        && count > 1
    {
        vm.push_part(buffer, separator, 0, gap)?;
    }
    // What is there is doubled until it is enough: it always begins a unit.
    let mut have = vm.heap.buffer_bytes(buffer).len();
    while have < total {
        let more = have.min(total.wrapping_sub(have));
        let r = vm.heap.push_part(buffer, buffer, 0, more);
        vm.memory(r)?;
        have = have.wrapping_add(more);
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

fn nothing(vm: &mut Vm) -> Result<Step, Raise> {
    let empty = vm.new_string(b"")?;
    vm.push(empty)?;
    Ok(Step::Return(1))
}
