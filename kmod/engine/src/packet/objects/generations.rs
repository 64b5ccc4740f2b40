// SPDX-License-Identifier: GPL-2.0-only
//! Bounded tables: two generations of keys.
//!
//! New keys go to the young generation. When it is full it becomes the old one, and the old one is
//! forgotten as a whole: none of its keys was written since. So a table of at most `max` keys costs
//! a constant amount of work a key, whoever chooses the keys.
//!
//! An object that is one keeps a list of tables (young, old, and a second pair for what goes with
//! them) and four numbers in its bytes, of which the first two belong here.

use super::{Class, create};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;

/// Bytes of an object.
const BYTES: u32 = 32;
/// Places in the list.
const YOUNG: i64 = 1;
const OLD: i64 = 2;
/// From a table to the one that goes with it.
const BESIDE: i64 = 2;

/// Numbers of an object: keys in a generation at most, keys in the young one, and two of its own.
const MOST: usize = 0;
const NOW: usize = 1;
pub(super) const OWN: usize = 2;

/// A key's entry.
pub(super) struct Entry {
    /// Its value, nil when there is none.
    pub value: Value,
    /// What goes with it.
    pub beside: Value,
    /// It is in the young generation.
    young: bool,
}

/// A new object with room for about `max` keys.
pub(super) fn new(vm: &mut Vm, class: Class, max: u64, own: [u64; 2]) -> Result<Ref, Raise> {
    let list = vm.new_table(4, 0)?;
    let object = create(vm, class, BYTES, Value::object(Tag::Table, list))?;
    for place in 1..=4 {
        let table = vm.new_table(0, 0)?;
        vm.raw_set_int(list, place, Value::object(Tag::Table, table))?;
    }
    set_number(vm, object, MOST, (max / 2).max(1));
    for (i, number) in own.into_iter().enumerate() {
        set_number(vm, object, OWN.wrapping_add(i), number);
    }
    Ok(object)
}

/// A number of the object.
pub(super) fn number(vm: &Vm, object: Ref, which: usize) -> u64 {
    let mut words = vm.heap.object_bytes(object).chunks_exact(8);
    let word = words.nth(which).and_then(|word| word.first_chunk());
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

pub(super) fn set_number(vm: &mut Vm, object: Ref, which: usize, number: u64) {
    let mut words = vm.heap.object_bytes_mut(object).chunks_exact_mut(8);
    if let Some(word) = words.nth(which) {
        word.copy_from_slice(&number.to_ne_bytes());
    }
}

fn table(vm: &Vm, object: Ref, place: i64) -> Ref {
    vm.heap
        .get_int(vm.heap.object_value(object).as_ref(), place)
        .as_ref()
}

/// Looks a key up.
pub(super) fn find(vm: &mut Vm, object: Ref, key: Value) -> Entry {
    for place in [YOUNG, OLD] {
        let values = table(vm, object, place);
        let value = vm.raw_get(values, key);
        if !value.is_nil() {
            let beside = table(vm, object, place.wrapping_add(BESIDE));
            let beside = vm.raw_get(beside, key);
            return Entry {
                value,
                beside,
                young: place == YOUNG,
            };
        }
    }
    Entry {
        value: Value::NIL,
        beside: Value::NIL,
        young: false,
    }
}

/// Gives a key a value, and what goes with it; `was` is what [`find`] said, and the key
/// [may be one](may_be_key): what is refused here would have been counted.
pub(super) fn put(
    vm: &mut Vm,
    object: Ref,
    key: Value,
    was: &Entry,
    value: Value,
    beside: Value,
) -> Result<(), Raise> {
    // What was found may be in nothing but the generation that goes.
    let top = vm.top();
    for v in [value, beside] {
        vm.push(v)?;
    }
    if !was.young {
        if number(vm, object, NOW) >= number(vm, object, MOST) {
            turn(vm, object)?;
        }
        let now = number(vm, object, NOW).wrapping_add(1);
        set_number(vm, object, NOW, now);
    }
    let values = table(vm, object, YOUNG);
    vm.raw_set(values, key, value)?;
    if !beside.is_nil() || !was.beside.is_nil() {
        let besides = table(vm, object, YOUNG.wrapping_add(BESIDE));
        vm.raw_set(besides, key, beside)?;
    }
    vm.set_top(top)
}

/// Forgets a key.
pub(super) fn remove(vm: &mut Vm, object: Ref, key: Value) -> Result<(), Raise> {
    let young = table(vm, object, YOUNG);
    if !vm.raw_get(young, key).is_nil() {
        // Its place is free again: a key that comes and goes makes no other one old.
        let now = number(vm, object, NOW).saturating_sub(1);
        set_number(vm, object, NOW, now);
    }
    for place in 1..=4 {
        let table = table(vm, object, place);
        if !vm.raw_get(table, key).is_nil() {
            vm.raw_set(table, key, Value::NIL)?;
        }
    }
    Ok(())
}

/// Whether a value can be a key: nil and what is not a number cannot, nor a view of a packet.
pub(super) fn may_be_key(v: Value) -> bool {
    match v.tag {
        Tag::Nil | Tag::Packet => false,
        Tag::Float => !v.as_float().is_nan(),
        _ => true,
    }
}

/// The young generation becomes the old one.
pub(super) fn turn(vm: &mut Vm, object: Ref) -> Result<(), Raise> {
    let list = vm.heap.object_value(object).as_ref();
    for young in [YOUNG, YOUNG.wrapping_add(BESIDE)] {
        let full = vm.heap.get_int(list, young);
        let fresh = vm.new_table(0, 0)?;
        vm.raw_set_int(list, young.wrapping_add(1), full)?;
        vm.raw_set_int(list, young, Value::object(Tag::Table, fresh))?;
    }
    set_number(vm, object, NOW, 0);
    Ok(())
}
