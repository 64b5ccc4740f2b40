// SPDX-License-Identifier: GPL-2.0-only
//! `utf8`.

use super::bytewise;
use super::unicode::{self, continues, decode, encode};
use crate::memory::OutOfMemory;
use crate::value::{Ref, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step, index_of, native};
use crate::vm::{Vm, lib};

/// The functions of `utf8`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("char", char),
    NativeDef::new("codepoint", codepoint),
    NativeDef::new("codes", codes),
    NativeDef::new("len", len),
    NativeDef::new("offset", offset),
    NativeDef::hidden("for iterator", next_strict),
    NativeDef::hidden("for iterator (lax)", next_lax),
];

/// `utf8`.
pub const LIBRARY: Library = Library {
    name: "utf8",
    natives: NATIVES,
    open: Some(open),
};

fn open(vm: &mut Vm, table: Ref) -> Result<(), OutOfMemory> {
    let key = vm.shared_string(b"charpattern")?;
    let pattern = vm
        .heap
        .permanent_string(b"[\0-\x7F\xC2-\xFD][\x80-\xBF]*")?;
    vm.heap.set(table, key, pattern)
}

/// A position, negative ones from the end; 0 for those before the start.
fn position(at: i64, len: usize) -> i64 {
    if at >= 0 {
        at
    } else if at.unsigned_abs() > len as u64 {
        0
    } else {
        (len as i64).wrapping_add(at).wrapping_add(1)
    }
}

fn char(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(bytewise(f.count as usize))?;
    let buffer = vm.new_buffer(f.count as usize)?;
    for i in 0..f.count {
        let code = vm.check_int(&f, i)? as u64;
        if code > unicode::MAX {
            return Err(vm.arg_error(&f, i, format_args!("value out of range")));
        }
        let (bytes, len) = encode(code as u32);
        vm.push_bytes(buffer, bytes.get(..len).unwrap_or_default())?;
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

fn codepoint(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    let i = vm.opt_int(&f, 1, 1)?;
    let from = position(i, len);
    let j = vm.opt_int(&f, 2, from)?;
    let to = position(j, len);
    let strict = !vm.arg(&f, 3).is_true();
    if from < 1 {
        return Err(vm.arg_error(&f, 1, format_args!("out of bounds")));
    }
    if to > len as i64 {
        return Err(vm.arg_error(&f, 2, format_args!("out of bounds")));
    }
    let mut at = (from as usize).wrapping_sub(1);
    let mut count = 0u32;
    while (at as i64) < to {
        vm.charge(1)?;
        let Some((code, used)) = decode(vm.bytes(s).get(at..).unwrap_or_default(), strict) else {
            return Err(vm.error(format_args!("invalid UTF-8 code")));
        };
        vm.push(Value::int(i64::from(code)))?;
        at = at.wrapping_add(used);
        count = count.wrapping_add(1);
    }
    Ok(Step::Return(count))
}

fn len(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    let i = vm.opt_int(&f, 1, 1)?;
    let from = position(i, len).wrapping_sub(1);
    let j = vm.opt_int(&f, 2, -1)?;
    let to = position(j, len).wrapping_sub(1);
    if from < 0 || from > len as i64 {
        return Err(vm.arg_error(&f, 1, format_args!("initial position out of bounds")));
    }
    if to >= len as i64 {
        return Err(vm.arg_error(&f, 2, format_args!("final position out of bounds")));
    }
    let strict = !vm.arg(&f, 3).is_true();
    vm.charge(bytewise(to.saturating_sub(from).max(0) as usize).saturating_mul(2))?;
    let mut at = from as usize;
    let mut count = 0i64;
    while at as i64 <= to {
        let Some((_, used)) = decode(vm.bytes(s).get(at..).unwrap_or_default(), strict) else {
            vm.push(Value::NIL)?;
            vm.push(Value::int(at.wrapping_add(1) as i64))?;
            return Ok(Step::Return(2));
        };
        at = at.wrapping_add(used);
        count = count.wrapping_add(1);
    }
    vm.push(Value::int(count))?;
    Ok(Step::Return(1))
}

fn offset(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let n = vm.check_int(&f, 1)?;
    let len = vm.bytes(s).len();
    let default = if n >= 0 {
        1
    } else {
        (len as i64).wrapping_add(1)
    };
    let i = vm.opt_int(&f, 2, default)?;
    let at = position(i, len).wrapping_sub(1);
    if at < 0 || at > len as i64 {
        return Err(vm.arg_error(&f, 2, format_args!("position out of bounds")));
    }
    let mut walked = 0;
    let found = walk(vm.bytes(s), n, at as usize, &mut walked);
    vm.charge(bytewise(walked))?;
    match found {
        Ok(Some(at)) => vm.push(Value::int(at.wrapping_add(1) as i64))?,
        Ok(None) => vm.push(Value::NIL)?,
        Err(()) => {
            return Err(vm.error(format_args!("initial position is a continuation byte")));
        }
    }
    Ok(Step::Return(1))
}

/// Where character n from `at` on begins (0: the one that `at` is in). `walked` becomes how many bytes
/// that was.
fn walk(bytes: &[u8], n: i64, at: usize, walked: &mut usize) -> Result<Option<usize>, ()> {
    let from = at;
    let continued = |at: usize| bytes.get(at).copied().is_some_and(continues);
    let mut at = at;
    if n == 0 {
        while at > 0 && continued(at) {
            at = at.wrapping_sub(1);
        }
        *walked = from.abs_diff(at);
        return Ok(Some(at));
    }
    if continued(at) {
        return Err(());
    }
    let mut left = n;
    if n < 0 {
        while left < 0 && at > 0 {
            at = at.wrapping_sub(1);
            while at > 0 && continued(at) {
                at = at.wrapping_sub(1);
            }
            left = left.wrapping_add(1);
        }
    } else {
        left = left.wrapping_sub(1);
        while left > 0 && at < bytes.len() {
            at = at.wrapping_add(1);
            while continued(at) {
                at = at.wrapping_add(1);
            }
            left = left.wrapping_sub(1);
        }
    }
    *walked = from.abs_diff(at);
    Ok(if left == 0 { Some(at) } else { None })
}

fn codes(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    if vm.bytes(s).first().copied().is_some_and(continues) {
        return Err(vm.arg_error(&f, 0, format_args!("invalid UTF-8 code")));
    }
    let name = if vm.arg(&f, 1).is_true() { LAX } else { STRICT };
    vm.push(native(lib::UTF8, name))?;
    vm.push(s)?;
    vm.push(Value::int(0))?;
    Ok(Step::Return(3))
}

const STRICT: u32 = index_of(NATIVES, "for iterator");
const LAX: u32 = index_of(NATIVES, "for iterator (lax)");

fn next_strict(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    next(vm, &f, true)
}

fn next_lax(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    next(vm, &f, false)
}

fn next(vm: &mut Vm, f: &Args, strict: bool) -> Result<Step, Raise> {
    let s = vm.check_str(f, 0)?;
    let at = vm.check_int(f, 1)? as u64;
    let bytes = vm.bytes(s);
    let len = bytes.len();
    let mut at = usize::try_from(at).unwrap_or(usize::MAX).min(len);
    // Behind the character at hand.
    while bytes.get(at).copied().is_some_and(continues) {
        at = at.wrapping_add(1);
    }
    if at >= len {
        return Ok(Step::Return(0));
    }
    let decoded = decode(bytes.get(at..).unwrap_or_default(), strict).filter(|(_, used)| {
        // Nothing may go on with a character that is complete.
        !bytes
            .get(at.wrapping_add(*used))
            .copied()
            .is_some_and(continues)
    });
    let Some((code, _)) = decoded else {
        return Err(vm.error(format_args!("invalid UTF-8 code")));
    };
    vm.push(Value::int(at.wrapping_add(1) as i64))?;
    vm.push(Value::int(i64::from(code)))?;
    Ok(Step::Return(2))
}
