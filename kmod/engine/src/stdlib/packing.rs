// SPDX-License-Identifier: GPL-2.0-only
//! `string.pack`, `packsize` and `unpack`.

use super::pack::{self, Fault, Format, Item, Kind, MAX_SIZE, WIDEST};
use super::{bulk, position_start, search};
use crate::value::{Ref, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// The next item of the format in argument 0.
fn next(vm: &mut Vm, f: &Args, format: &mut Format, total: usize) -> Result<Option<Item>, Raise> {
    vm.charge(1)?;
    match format.next(vm.bytes(vm.arg(f, 0)), total) {
        Ok(item) => Ok(item),
        Err(Fault::Option(b)) => {
            let shown = [b];
            let shown = Bytes(&shown);
            Err(vm.error(format_args!("invalid format option '{shown}'")))
        }
        Err(Fault::Limit(n)) => Err(vm.error(format_args!(
            "integral size ({n}) out of limits [1,{WIDEST}]"
        ))),
        Err(Fault::NoSize) => Err(vm.error(format_args!("missing size for format option 'c'"))),
        Err(Fault::Format(message)) => Err(vm.arg_error(f, 0, format_args!("{message}"))),
    }
}

fn put(vm: &mut Vm, buffer: Ref, bytes: &[u8]) -> Result<(), Raise> {
    vm.push_bytes(buffer, bytes)
}

fn fill(vm: &mut Vm, buffer: Ref, count: usize) -> Result<(), Raise> {
    vm.charge(bulk(count))?;
    vm.push_fill(buffer, 0, count)
}

fn put_int(
    vm: &mut Vm,
    buffer: Ref,
    value: i64,
    signed: bool,
    item: &Item,
    little: bool,
) -> Result<(), Raise> {
    let mut room = [0; WIDEST];
    put(
        vm,
        buffer,
        pack::put_int(&mut room, value, signed, item.size, little),
    )
}

/// `string.pack`.
pub fn pack(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_str(&f, 0)?;
    // As in PUC, a nil stands behind the arguments: a missing one is nil in messages.
    vm.push(Value::NIL)?;
    let f = Args {
        count: f.count.wrapping_add(1),
        ..f
    };
    let buffer = vm.new_buffer(0)?;
    let mut format = Format::default();
    let mut i = 0u32;
    loop {
        let total = vm.heap.buffer_bytes(buffer).len();
        let Some(item) = next(vm, &f, &mut format, total)? else {
            break;
        };
        fill(vm, buffer, item.align)?;
        match item.kind {
            Kind::Padding => fill(vm, buffer, 1)?,
            Kind::Align | Kind::None => {}
            _ => {
                i = i.wrapping_add(1);
                put_item(vm, &f, i, buffer, item, format.little)?;
            }
        }
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

/// Appends argument number i.
fn put_item(
    vm: &mut Vm,
    f: &Args,
    i: u32,
    buffer: Ref,
    item: Item,
    little: bool,
) -> Result<(), Raise> {
    match item.kind {
        Kind::Int | Kind::Unsigned => {
            let signed = item.kind == Kind::Int;
            let value = vm.check_int(f, i)?;
            if !pack::fits(value, item.size, signed) {
                let what = if signed { "integer" } else { "unsigned" };
                return Err(vm.arg_error(f, i, format_args!("{what} overflow")));
            }
            put_int(vm, buffer, value, signed, &item, little)
        }
        Kind::Float => {
            let mut raw = (vm.check_float(f, i)? as f32).to_le_bytes();
            if !little {
                raw.reverse();
            }
            put(vm, buffer, &raw)
        }
        Kind::Double => {
            let mut raw = vm.check_float(f, i)?.to_le_bytes();
            if !little {
                raw.reverse();
            }
            put(vm, buffer, &raw)
        }
        _ => put_string(vm, f, i, buffer, item, little),
    }
}

fn put_string(
    vm: &mut Vm,
    f: &Args,
    i: u32,
    buffer: Ref,
    item: Item,
    little: bool,
) -> Result<(), Raise> {
    let s = vm.check_str(f, i)?;
    let len = vm.bytes(s).len();
    vm.charge(bulk(len))?;
    match item.kind {
        Kind::Chars => {
            let Some(missing) = item.size.checked_sub(len) else {
                return Err(vm.arg_error(f, i, format_args!("string longer than given size")));
            };
            vm.push_part(buffer, s, 0, len)?;
            fill(vm, buffer, missing)
        }
        Kind::Counted => {
            if !pack::fits(len as i64, item.size, false) {
                return Err(vm.arg_error(
                    f,
                    i,
                    format_args!("string length does not fit in given size"),
                ));
            }
            put_int(vm, buffer, len as i64, false, &item, little)?;
            vm.push_part(buffer, s, 0, len)
        }
        _ => {
            if search::byte(vm.bytes(s), 0).is_some() {
                return Err(vm.arg_error(f, i, format_args!("string contains zeros")));
            }
            vm.push_part(buffer, s, 0, len)?;
            fill(vm, buffer, 1)
        }
    }
}

/// `string.packsize`.
pub fn packsize(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_str(&f, 0)?;
    let mut format = Format::default();
    let mut total = 0usize;
    while let Some(item) = next(vm, &f, &mut format, total)? {
        if matches!(item.kind, Kind::Counted | Kind::Terminated) {
            return Err(vm.arg_error(&f, 0, format_args!("variable-length format")));
        }
        let size = item.size.saturating_add(item.align);
        if total > MAX_SIZE.saturating_sub(size) {
            return Err(vm.arg_error(&f, 0, format_args!("format result too large")));
        }
        total = total.saturating_add(size);
    }
    vm.push(Value::int(total as i64))?;
    Ok(Step::Return(1))
}

/// `string.unpack`.
pub fn unpack(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_str(&f, 0)?;
    let data = vm.check_str(&f, 1)?;
    let len = vm.bytes(data).len();
    let init = vm.opt_int(&f, 2, 1)?;
    let mut at = position_start(init, len).wrapping_sub(1);
    if at > len {
        return Err(vm.arg_error(&f, 2, format_args!("initial position out of string")));
    }
    let mut format = Format::default();
    let mut count = 1u32;
    while let Some(item) = next(vm, &f, &mut format, at)? {
        if item.size.saturating_add(item.align) > len.wrapping_sub(at) {
            return Err(too_short(vm, &f));
        }
        at = at.wrapping_add(item.align);
        let end = at.wrapping_add(item.size);
        if matches!(item.kind, Kind::Padding | Kind::Align | Kind::None) {
            at = end;
            continue;
        }
        let (value, next) = get_item(vm, &f, data, at, item, format.little)?;
        vm.push(value)?;
        count = count.wrapping_add(1);
        at = next;
    }
    vm.push(Value::int(at.wrapping_add(1) as i64))?;
    Ok(Step::Return(count))
}

fn too_short(vm: &mut Vm, f: &Args) -> Raise {
    vm.arg_error(f, 1, format_args!("data string too short"))
}

/// Reads an item at `at`, of which `item.size` bytes are there: the value, and where it ends.
fn get_item(
    vm: &mut Vm,
    f: &Args,
    data: Value,
    at: usize,
    item: Item,
    little: bool,
) -> Result<(Value, usize), Raise> {
    let end = at.wrapping_add(item.size);
    let raw = vm.bytes(data).get(at..end).unwrap_or_default();
    Ok(match item.kind {
        Kind::Int | Kind::Unsigned => match pack::get_int(raw, little, item.kind == Kind::Int) {
            Some(value) => (Value::int(value), end),
            None => return Err(misfit(vm, item.size)),
        },
        Kind::Float => {
            let bits = pack::get_int(raw, little, false).unwrap_or(0);
            (Value::float(f64::from(f32::from_bits(bits as u32))), end)
        }
        Kind::Double => {
            let bits = pack::get_int(raw, little, false).unwrap_or(0);
            (Value::float(f64::from_bits(bits as u64)), end)
        }
        Kind::Chars => {
            vm.charge(bulk(item.size))?;
            (vm.substring(data, at, end)?, end)
        }
        Kind::Counted => {
            let Some(count) = pack::get_int(raw, little, false) else {
                return Err(misfit(vm, item.size));
            };
            let left = vm.bytes(data).len().wrapping_sub(end);
            let Some(count) = usize::try_from(count).ok().filter(|count| *count <= left) else {
                return Err(too_short(vm, f));
            };
            vm.charge(bulk(count))?;
            let behind = end.wrapping_add(count);
            (vm.substring(data, end, behind)?, behind)
        }
        _ => {
            let rest = vm.bytes(data).get(at..).unwrap_or_default();
            let Some(count) = search::byte(rest, 0) else {
                return Err(vm.arg_error(f, 1, format_args!("unfinished string for format 'z'")));
            };
            vm.charge(bulk(count))?;
            let behind = at.wrapping_add(count);
            (vm.substring(data, at, behind)?, behind.wrapping_add(1))
        }
    })
}

fn misfit(vm: &mut Vm, size: usize) -> Raise {
    vm.error(format_args!(
        "{size}-byte integer does not fit into Lua Integer"
    ))
}
