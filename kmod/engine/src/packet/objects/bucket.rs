// SPDX-License-Identifier: GPL-2.0-only
//! Token buckets: `bucket{rate =, burst =, max =}`.
//!
//! A key's entry is one integer: thousandths of a token in the high half, and since when it has them,
//! in milliseconds, in the low one.

use super::generations::{self, Entry, OWN};
use super::{Class, give, object};
use crate::host;
use crate::number::Number;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Step};

/// Keys that are remembered, in thousandths.
const MAX: u64 = 10_000_000;

/// `bucket{rate =, burst =, max =}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let spec = vm.check_table(&f, 0)?;
    let rate = thousandths(vm, spec, "rate", None)?;
    let burst = thousandths(vm, spec, "burst", Some(rate.max(1000)))?;
    let max = thousandths(vm, spec, "max", Some(MAX))?;
    let bucket = generations::new(vm, Class::Bucket, max / 1000, [rate, burst])?;
    give(vm, Value::object(Tag::Object, bucket))
}

/// A positive number of a specification, in thousandths.
fn thousandths(vm: &mut Vm, spec: Ref, name: &str, default: Option<u64>) -> Result<u64, Raise> {
    let v = vm.raw_get_str(spec, name.as_bytes());
    if let (true, Some(default)) = (v.is_nil(), default) {
        return Ok(default);
    }
    let n = match vm.to_number(v) {
        Some(Number::Int(n)) => u64::try_from(n).unwrap_or(0).saturating_mul(1000),
        Some(Number::Float(n)) => (n * 1000.0) as u64,
        None => 0,
    };
    if n == 0 || n > 4_000_000_000 {
        return Err(vm.error(format_args!(
            "bucket: {name} is a number from 0.001 to 4000000"
        )));
    }
    Ok(n)
}

/// How many thousandths a key has now, and since when it has them.
fn level(vm: &Vm, bucket: Ref, entry: &Entry) -> (u64, u32) {
    let rate = generations::number(vm, bucket, OWN);
    let burst = generations::number(vm, bucket, OWN.wrapping_add(1));
    let now = host::now_ms() as u32;
    if entry.value.is_nil() {
        return (burst, now);
    }
    let packed = entry.value.as_int() as u64;
    let (saved, since) = (packed >> 32, packed as u32);
    let elapsed = u64::from(now.wrapping_sub(since));
    let gained = elapsed.wrapping_mul(rate) / 1000;
    if saved.wrapping_add(gained) >= burst {
        return (burst, now);
    }
    // Time that did not make a whole thousandth stays to the key's credit.
    let used = gained.wrapping_mul(1000).checked_div(rate).unwrap_or(0);
    (saved.wrapping_add(gained), since.wrapping_add(used as u32))
}

/// `b:take(key [, n])`: takes n tokens of the key if it has so many.
pub(super) fn take(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(6)?;
    let bucket = object(vm, &f, Class::Bucket)?;
    let key = vm.check_any(&f, 1)?;
    let n = vm.opt_int(&f, 2, 1)?;
    let Ok(n) = u32::try_from(n) else {
        return Err(vm.arg_error(&f, 2, format_args!("a number of tokens expected")));
    };
    let wanted = u64::from(n).wrapping_mul(1000);
    let entry = generations::find(vm, bucket, key);
    let (mut saved, since) = level(vm, bucket, &entry);
    let enough = saved >= wanted;
    if enough {
        saved = saved.wrapping_sub(wanted);
    }
    let packed = Value::int((saved << 32 | u64::from(since)) as i64);
    generations::put(vm, bucket, key, &entry, packed, Value::NIL)?;
    give(vm, Value::boolean(enough))
}

/// `b:left(key)`: how many whole tokens a key has.
pub(super) fn left(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let bucket = object(vm, &f, Class::Bucket)?;
    let key = vm.check_any(&f, 1)?;
    let entry = generations::find(vm, bucket, key);
    let (saved, _) = level(vm, bucket, &entry);
    give(vm, Value::int((saved / 1000) as i64))
}
