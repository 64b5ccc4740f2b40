// SPDX-License-Identifier: GPL-2.0-only
//! `os.time`, `os.clock` and `os.date`; the rest of `os` has no meaning here. All dates are UTC.

use super::calendar::{self, Date};
use super::table::done_or_call;
use super::{bulk, local};
use crate::host;
use crate::number::format::Text;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Library, NativeDef, Step};

/// The functions of `os`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("clock", clock),
    NativeDef::new("date", date),
    NativeDef::new("difftime", difftime),
    NativeDef::new("time", time),
];

/// `os`.
pub const LIBRARY: Library = Library {
    name: "os",
    natives: NATIVES,
    open: None,
};

/// Seconds, with fractions.
fn clock(vm: &mut Vm, _: Args) -> Result<Step, Raise> {
    vm.push(Value::float(host::cpu_seconds()))?;
    Ok(Step::Return(1))
}

fn difftime(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (to, from) = (vm.check_int(&f, 0)?, vm.check_int(&f, 1)?);
    vm.push(Value::float(to.wrapping_sub(from) as f64))?;
    Ok(Step::Return(1))
}

/// The fields that `os.time` reads, in the order of their locals: name, what is subtracted in C's
/// form, and the default (-1: there is none).
const FIELDS: [(&str, i64, i64); 6] = [
    ("year", 1900, -1),
    ("month", 1, -1),
    ("day", 0, -1),
    ("hour", 0, 12),
    ("min", 0, 0),
    ("sec", 0, 0),
];

fn time(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if vm.arg(&f, 0).is_nil() {
        vm.push(Value::int(host::unix_time()))?;
        return Ok(Step::Return(1));
    }
    let t = Value::object(Tag::Table, vm.check_table(&f, 0)?);
    let mut answer = if f.state > 0 {
        Some(vm.result(&f, 0))
    } else {
        None
    };
    if f.state > 0 {
        // One local for each field that is known.
        vm.set_top(local(&f, f.state.wrapping_sub(1)))?;
    }
    for (i, (name, offset, default)) in FIELDS.iter().enumerate() {
        let i = i as u32;
        if i < f.state.saturating_sub(1) {
            continue;
        }
        let value = if let Some(value) = answer.take() {
            value
        } else {
            let key = vm.new_string(name.as_bytes())?;
            done_or_call!(vm.index(t, key)?, 1, i.wrapping_add(1))
        };
        let number = field(vm, value, name, *offset, *default)?;
        vm.push(Value::int(number))?;
    }
    let part = |vm: &Vm, i: u32| vm.get(local(&f, i)).as_int();
    vm.charge(16)?;
    let date = Date {
        year: part(vm, 0),
        month: part(vm, 1),
        day: part(vm, 2),
        hour: part(vm, 3),
        minute: part(vm, 4),
        second: part(vm, 5),
        weekday: 0,
        yearday: 0,
    };
    let time = date.time();
    let Some(date) = Date::of(time) else {
        return Err(vm.error(format_args!(
            "time result cannot be represented in this installation"
        )));
    };
    set_fields(vm, t.as_ref(), &date)?;
    vm.push(Value::int(time))?;
    Ok(Step::Return(1))
}

/// A field of a date, checked.
fn field(vm: &mut Vm, value: Value, name: &str, offset: i64, default: i64) -> Result<i64, Raise> {
    let Some(number) = vm.to_int(value) else {
        if !value.is_nil() {
            return Err(vm.error(format_args!("field '{name}' is not an integer")));
        }
        if default < 0 {
            return Err(vm.error(format_args!("field '{name}' missing in date table")));
        }
        return Ok(default);
    };
    // It must fit a C int when the offset is taken off.
    if number
        .checked_sub(offset)
        .and_then(|n| i32::try_from(n).ok())
        .is_none()
    {
        return Err(vm.error(format_args!("field '{name}' is out-of-bound")));
    }
    Ok(number)
}

fn set_fields(vm: &mut Vm, t: Ref, date: &Date) -> Result<(), Raise> {
    vm.charge(40)?;
    for (name, value) in [
        ("year", date.year),
        ("month", date.month),
        ("day", date.day),
        ("hour", date.hour),
        ("min", date.minute),
        ("sec", date.second),
        ("yday", date.yearday.wrapping_add(1)),
        ("wday", date.weekday.wrapping_add(1)),
    ] {
        vm.raw_set_str(t, name.as_bytes(), Value::int(value))?;
    }
    vm.raw_set_str(t, b"isdst", Value::boolean(false))
}

fn date(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let format = match vm.opt_str(&f, 0)? {
        Some(format) => format,
        None => vm.new_string(b"%c")?,
    };
    let now = host::unix_time();
    let time = vm.opt_int(&f, 1, now)?;
    let Some(date) = Date::of(time) else {
        return Err(vm.error(format_args!(
            "date result cannot be represented in this installation"
        )));
    };
    let utc = vm.bytes(format).first() == Some(&b'!');
    let mut at = usize::from(utc);
    if vm
        .bytes(format)
        .get(at..)
        .unwrap_or_default()
        .starts_with(b"*t")
    {
        let t = vm.new_table(0, 9)?;
        vm.push(Value::object(Tag::Table, t))?;
        set_fields(vm, t, &date)?;
        return Ok(Step::Return(1));
    }
    let zone = if utc { "GMT" } else { "UTC" };
    let buffer = vm.new_buffer(0)?;
    vm.charge(bulk(vm.bytes(format).len()))?;
    loop {
        let rest = vm.bytes(format).get(at..).unwrap_or_default();
        let Some(plain) = super::search::byte(rest, b'%') else {
            vm.push_part(buffer, format, at, usize::MAX)?;
            break;
        };
        let behind = rest.get(plain.wrapping_add(1)..).unwrap_or_default();
        let Some(len) = calendar::specifier(behind) else {
            return Err(bad_specifier(
                vm,
                &f,
                format,
                at.wrapping_add(plain).wrapping_add(1),
            ));
        };
        let conversion = behind.get(len.wrapping_sub(1)).copied().unwrap_or(b'%');
        vm.push_part(buffer, format, at, at.wrapping_add(plain))?;
        vm.charge(8)?;
        let mut room = [0u8; 64];
        let mut out = Text::new(&mut room);
        calendar::format(&mut out, &date, conversion, zone);
        vm.push_bytes(buffer, out.bytes())?;
        at = at.wrapping_add(plain).wrapping_add(len).wrapping_add(1);
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

/// The rest of the format, from the specifier on, is shown.
fn bad_specifier(vm: &mut Vm, f: &Args, format: Value, at: usize) -> Raise {
    let mut copy = [0u8; 64];
    let rest = vm.bytes(format).get(at..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(rest.len())
        .min(copy.len());
    for (slot, b) in copy.iter_mut().zip(rest) {
        *slot = *b;
    }
    let shown = Bytes(copy.get(..end).unwrap_or_default());
    vm.arg_error(
        f,
        0,
        format_args!("invalid conversion specifier '%{shown}'"),
    )
}
