// SPDX-License-Identifier: GPL-2.0-only
//! Bounded maps: `map{name =, max =, ttl =}`.
//!
//! One without a name is the environment's own: two generations of keys, and what goes with an entry
//! is the time at which it ends, in milliseconds, if it does. One with a name is a store.

use super::generations::{self, Entry, OWN};
use super::named::{self, Key, LONGEST, Short, int_bytes, may_hold};
use super::{Class, give, object};
use crate::host;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// Keys that are remembered, unless the specification says otherwise.
const MAX: i64 = 10_000;

/// `map{name =, max =, ttl =}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let spec = vm.check_table(&f, 0)?;
    super::only(vm, Class::Map, spec, &["name", "max", "ttl"])?;
    if let Some(map) = named::open(vm, spec, Class::Map)? {
        return give(vm, Value::object(Tag::Object, map));
    }
    let max = whole(vm, spec, "max", MAX)?.max(1);
    let ttl = whole(vm, spec, "ttl", 0)?;
    let map = generations::new(vm, Class::Map, max, [ttl, 0])?;
    give(vm, Value::object(Tag::Object, map))
}

/// A whole number of a specification.
fn whole(vm: &mut Vm, spec: Ref, name: &str, default: i64) -> Result<u64, Raise> {
    let v = vm.raw_get_str(spec, name.as_bytes());
    let n = if v.is_nil() {
        Some(default)
    } else {
        vm.to_int(v)
    };
    match n.map(u32::try_from) {
        Some(Ok(n)) => Ok(u64::from(n)),
        _ => Err(vm.error(format_args!(
            "map: {name} is a whole number from 0 to 4294967295"
        ))),
    }
}

/// A value that a map holds.
fn check(vm: &mut Vm, f: &Args, i: u32, what: &str) -> Result<Value, Raise> {
    let v = vm.arg(f, i);
    if may_hold(vm, v) {
        return Ok(v);
    }
    let got = vm.type_name_of(v);
    let got = Bytes(got.text());
    Err(vm.arg_error(
        f,
        i,
        format_args!(
            "a {what} is a boolean, a number, an address or a string of at most {LONGEST} bytes, and this is a {got}"
        ),
    ))
}

/// A key under which a map holds something.
fn check_key(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let key = check(vm, f, 1, "key")?;
    if generations::may_be_key(key) {
        return Ok(key);
    }
    Err(vm.arg_error(f, 1, format_args!("a key that is not a number (NaN)")))
}

/// A key's entry, without a value once its time has come.
fn find(vm: &mut Vm, map: Ref, key: Value) -> Entry {
    let mut entry = generations::find(vm, map, key);
    if entry.beside.tag == Tag::Int && host::now_ms() as i64 >= entry.beside.as_int() {
        entry.value = Value::NIL;
    }
    entry
}

/// When an entry ends that is made now.
fn end(vm: &mut Vm, f: &Args, i: u32, map: Ref) -> Result<Value, Raise> {
    let default = generations::number(vm, map, OWN) as i64;
    let ttl = vm.opt_int(f, i, default)?;
    if ttl <= 0 {
        return Ok(Value::NIL);
    }
    Ok(Value::int((host::now_ms() as i64).saturating_add(ttl)))
}

/// `m:get(key)`.
pub(super) fn get(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let map = object(vm, &f, Class::Map)?;
    let key = check_key(vm, &f)?;
    if let Some(store) = named::handle(vm, map) {
        let mut written = Key::new();
        written.write(vm, key);
        let (key, mut value) = (&written, Short::default());
        let now = host::now_ms();
        named::with(vm, store, |store| value.read(store, key.bytes(), now));
        let value = value.value(vm, store, key.bytes())?;
        return give(vm, value);
    }
    let entry = find(vm, map, key);
    give(vm, entry.value)
}

/// What a named map says that has no room.
#[cold]
fn full(vm: &mut Vm) -> Raise {
    vm.error(format_args!(
        "this entry is longer than all the memory of the map"
    ))
}

/// The milliseconds that an entry of a named map is given, if it is given some of its own.
fn own_ttl(vm: &mut Vm, f: &Args, i: u32) -> Result<Option<u32>, Raise> {
    if vm.arg(f, i).is_nil() {
        return Ok(None);
    }
    let ttl = vm.check_int(f, i)?;
    Ok(Some(ttl.clamp(0, i64::from(u32::MAX)) as u32))
}

/// `m:set(key, value [, ttl])`; a value of nil forgets the key.
pub(super) fn set(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(6)?;
    let map = object(vm, &f, Class::Map)?;
    let key = check_key(vm, &f)?;
    if vm.arg(&f, 2).is_nil() {
        return forget(vm, map, key);
    }
    let value = check(vm, &f, 2, "value")?;
    if let Some(store) = named::handle(vm, map) {
        let ttl = own_ttl(vm, &f, 3)?;
        let mut written = Key::new();
        written.write(vm, key);
        let key = &written;
        if !named::write(vm, store, key.bytes(), value, ttl) {
            return Err(full(vm));
        }
        return Ok(Step::Return(0));
    }
    let end = end(vm, &f, 3, map)?;
    let entry = generations::find(vm, map, key);
    generations::put(vm, map, key, &entry, value, end)?;
    Ok(Step::Return(0))
}

/// `m:incr(key [, n [, init [, ttl]]])`: adds n (1) to what the key has (init, 0) and gives the sum. The
/// time of an entry begins when it is made.
pub(super) fn incr(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(6)?;
    let map = object(vm, &f, Class::Map)?;
    let key = check_key(vm, &f)?;
    let n = vm.opt_int(&f, 2, 1)?;
    let init = vm.opt_int(&f, 3, 0)?;
    if let Some(store) = named::handle(vm, map) {
        let ttl = own_ttl(vm, &f, 4)?;
        let sum = incr_named(vm, store, key, [n, init], ttl);
        return match sum {
            Some(sum) => give(vm, Value::int(sum)),
            None => Err(no_number(vm)),
        };
    }
    let entry = find(vm, map, key);
    let (old, end) = match entry.value.tag {
        Tag::Int => (entry.value.as_int(), entry.beside),
        Tag::Nil => (init, end(vm, &f, 4, map)?),
        _ => return Err(no_number(vm)),
    };
    let sum = Value::int(old.wrapping_add(n));
    generations::put(vm, map, key, &entry, sum, end)?;
    give(vm, sum)
}

/// The same of a named map, apart: its key takes a part of the stack.
#[inline(never)]
fn incr_named(
    vm: &mut Vm,
    store: u32,
    key: Value,
    [n, init]: [i64; 2],
    ttl: Option<u32>,
) -> Option<i64> {
    let mut written = Key::new();
    written.write(vm, key);
    let now = host::now_ms();
    named::with(vm, store, |store| {
        let (key, mut value) = (written.bytes(), Short::default());
        let there = value.read(store, key, now);
        let old = if there { value.int()? } else { init };
        let sum = old.wrapping_add(n);
        let written = int_bytes(sum);
        if !(there && store.replace(key, &written, now)) {
            store.set(key, [&written, &[]], now, ttl).ok()?;
        }
        Some(sum)
    })
}

#[cold]
fn no_number(vm: &mut Vm) -> Raise {
    vm.error(format_args!(
        "incr: what this key has is not a whole number"
    ))
}

/// Forgets a key.
fn forget(vm: &mut Vm, map: Ref, key: Value) -> Result<Step, Raise> {
    if let Some(store) = named::handle(vm, map) {
        let mut written = Key::new();
        written.write(vm, key);
        let key = &written;
        named::with(vm, store, |store| store.remove(key.bytes()));
    } else {
        generations::remove(vm, map, key)?;
    }
    Ok(Step::Return(0))
}

/// `m:delete(key)`.
pub(super) fn delete(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(6)?;
    let map = object(vm, &f, Class::Map)?;
    let key = check_key(vm, &f)?;
    forget(vm, map, key)
}
