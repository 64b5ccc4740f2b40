// SPDX-License-Identifier: GPL-2.0-only
//! Token buckets: `bucket{rate =, burst =, max =}`.
//!
//! A key's entry is one integer: thousandths of a token in the high half, and since when it has them,
//! in milliseconds, in the low one. That half is the clock's low one too: a key that is not asked for so
//! long that it could not be told from a fresh one is forgotten before (see [`settle`]).

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

/// The object's own numbers: what a key gains in a second, and what it saves up to, in thousandths.
const RATE: usize = OWN;
/// In the high half of this one is the [`age`] of the clock in which a key was last asked for.
const BURST: usize = OWN + 1;

/// `bucket{rate =, burst =, max =}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let spec = vm.check_table(&f, 0)?;
    super::only(vm, Class::Bucket, spec, &["rate", "burst", "max"])?;
    let rate = thousandths(vm, spec, "rate", None)?;
    let burst = thousandths(vm, spec, "burst", Some(rate.max(1000)))?;
    let max = thousandths(vm, spec, "max", Some(MAX))?;
    let burst = burst | age(host::now_ms()) << 32;
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

/// The age of a clock: half the time in which the low half of its milliseconds comes round.
fn age(now: u64) -> u64 {
    (now >> 31) & u64::from(u32::MAX)
}

/// Before keys are looked at: those that were not asked for in this age of the clock or the one before
/// are forgotten.
fn settle(vm: &mut Vm, bucket: Ref, now: u64) -> Result<(), Raise> {
    let number = generations::number(vm, bucket, BURST);
    let (was, is) = (number >> 32, age(now));
    if was != is {
        // Nothing in the young generation is older than the last age in which a key was asked for.
        generations::turn(vm, bucket)?;
        if was.wrapping_add(1) != is {
            generations::turn(vm, bucket)?;
        }
        let burst = u64::from(number as u32);
        generations::set_number(vm, bucket, BURST, burst | is << 32);
    }
    Ok(())
}

/// A key that is asked for.
fn key(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let key = vm.check_any(f, 1)?;
    if generations::may_be_key(key) {
        return Ok(key);
    }
    Err(vm.type_error(f, 1, "an address, a string, a number or another key"))
}

/// How many thousandths a key has now, and since when it has them.
fn level(vm: &Vm, bucket: Ref, entry: &Entry, now: u64) -> (u64, u32) {
    let rate = generations::number(vm, bucket, RATE);
    let burst = u64::from(generations::number(vm, bucket, BURST) as u32);
    let now = now as u32;
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
    let key = key(vm, &f)?;
    let n = vm.opt_int(&f, 2, 1)?;
    let Ok(n) = u32::try_from(n) else {
        return Err(vm.arg_error(&f, 2, format_args!("a number of tokens expected")));
    };
    let wanted = u64::from(n).wrapping_mul(1000);
    let now = host::now_ms();
    settle(vm, bucket, now)?;
    let entry = generations::find(vm, bucket, key);
    let (mut saved, since) = level(vm, bucket, &entry, now);
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
    let key = key(vm, &f)?;
    let now = host::now_ms();
    settle(vm, bucket, now)?;
    let entry = generations::find(vm, bucket, key);
    let (saved, _) = level(vm, bucket, &entry, now);
    give(vm, Value::int((saved / 1000) as i64))
}
