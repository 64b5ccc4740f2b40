// SPDX-License-Identifier: GPL-2.0-only
//! Objects for packet scripts: sets of networks and of domain names, token buckets, maps,
//! dissectors.
//!
//! Each is an object of the heap with a Lua table for its entries, so their memory is counted and
//! bounded like any other. Looking something up allocates nothing.

mod bucket;
mod dissector;
mod domainset;
mod generations;
mod ipset;
mod map;

use super::read::Text;
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, NativeDef, Step};

/// Classes of objects; each is a place in the table of their metatables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Class {
    /// `ipset{…}`.
    IpSet = 1,
    /// `domainset{…}`.
    DomainSet = 2,
    /// `bucket{…}`.
    Bucket = 3,
    /// `map{…}`.
    Map = 4,
    /// `proto.define{…}`.
    Dissector = 5,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::IpSet,
        Self::DomainSet,
        Self::Bucket,
        Self::Map,
        Self::Dissector,
    ];

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpSet => "ipset",
            Self::DomainSet => "domainset",
            Self::Bucket => "bucket",
            Self::Map => "map",
            Self::Dissector => "dissector",
        }
    }
}

/// The functions, for the library's list.
pub const NATIVES: [NativeDef; 18] = [
    NativeDef::new("ipset", ipset::new),
    NativeDef::new("domainset", domainset::new),
    NativeDef::new("bucket", bucket::new),
    NativeDef::new("map", map::new),
    NativeDef::hidden("proto.define", dissector::define),
    NativeDef::hidden("dissector.call", dissector::call),
    NativeDef::hidden("ipset.has", ipset::has),
    NativeDef::hidden("ipset.get", ipset::get),
    NativeDef::hidden("ipset.add", ipset::add),
    NativeDef::hidden("domainset.has", domainset::has),
    NativeDef::hidden("domainset.get", domainset::get),
    NativeDef::hidden("domainset.add", domainset::add),
    NativeDef::hidden("bucket.take", bucket::take),
    NativeDef::hidden("bucket.left", bucket::left),
    NativeDef::hidden("map.get", map::get),
    NativeDef::hidden("map.set", map::set),
    NativeDef::hidden("map.incr", map::incr),
    NativeDef::hidden("map.delete", map::delete),
];

/// Keeps the metatable of a class; the metatables live in the one of the type.
pub fn register(vm: &mut Vm, class: Class, meta: Ref) -> Result<(), OutOfMemory> {
    let mut all = vm.type_metatable(Tag::Object);
    if all == 0 {
        all = vm.heap.new_table(4, 0)?;
        vm.set_type_metatable(Tag::Object, all);
    }
    vm.heap
        .set_int(all, class as i64, Value::object(Tag::Table, meta))
}

/// A new object with `len` bytes and a value to keep.
fn create(vm: &mut Vm, class: Class, len: u32, value: Value) -> Result<Ref, Raise> {
    let made = vm.heap.new_object(class as u16, len);
    let r = vm.memory(made)?;
    vm.heap.set_object_value(r, value);
    let meta = vm
        .heap
        .get_int(vm.type_metatable(Tag::Object), class as i64);
    if meta.tag == Tag::Table {
        vm.heap.set_object_meta(r, meta.as_ref());
    }
    Ok(r)
}

/// The object that a method was called on.
fn object(vm: &mut Vm, f: &Args, class: Class) -> Result<Ref, Raise> {
    let v = vm.arg(f, 0);
    if v.tag == Tag::Object && vm.heap.object_class(v.as_ref()) == class as u16 {
        return Ok(v.as_ref());
    }
    Err(vm.type_error(f, 0, class.name()))
}

fn give(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

/// What a text looks like in a message.
fn shown(vm: &Vm, v: Value) -> Text {
    let mut text = Text::new();
    text.push(vm.bytes(v));
    text
}

/// Calls `add` for each entry of the table that a set is made of: a list of texts, or texts with what
/// is to be found there.
fn fill(
    vm: &mut Vm,
    f: &Args,
    set: Ref,
    add: fn(&mut Vm, Ref, Value, Value) -> Result<(), Raise>,
) -> Result<(), Raise> {
    let entries = vm.check_table(f, 0)?;
    let mut key = Value::NIL;
    while let Some((k, v)) = vm.next(entries, key)? {
        vm.charge(4)?;
        if k.tag == Tag::Int {
            add(vm, set, v, Value::boolean(true))?;
        } else {
            add(vm, set, k, v)?;
        }
        key = k;
    }
    Ok(())
}
