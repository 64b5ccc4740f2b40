// SPDX-License-Identifier: GPL-2.0-only
//! Objects for packet scripts: sets of networks and of domain names, token buckets, maps,
//! dissectors, timers. Each has a module of its own.
//!
//! Each is an object of the heap with a Lua table for its entries, so their memory is counted and
//! bounded like any other; `generations` bounds those that grow. Those with a name (`named`) have their
//! entries in a store instead, which scripts share. Looking something up allocates nothing.

mod bucket;
mod dissector;
mod domainset;
mod generations;
mod ipset;
mod map;
pub(super) mod named;
pub mod timer;

use super::read::Text;
use super::suggest;
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Called, NativeDef, Step};

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
    /// `after(…)`, `every(…)`.
    Timer = 6,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::IpSet,
        Self::DomainSet,
        Self::Bucket,
        Self::Map,
        Self::Dissector,
        Self::Timer,
    ];

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpSet => "ipset",
            Self::DomainSet => "domainset",
            Self::Bucket => "bucket",
            Self::Map => "map",
            Self::Dissector => "dissector",
            Self::Timer => "timer",
        }
    }
}

impl Class {
    /// Its name in a sentence.
    const fn with_article(self) -> &'static str {
        match self {
            Self::IpSet => "an ipset",
            Self::DomainSet => "a domainset",
            Self::Bucket => "a bucket",
            Self::Map => "a map",
            Self::Dissector => "a dissector",
            Self::Timer => "a timer",
        }
    }
}

/// The functions, for the library's list.
pub const NATIVES: [NativeDef; 19] = [
    NativeDef::new("ipset", ipset::new),
    NativeDef::new("domainset", domainset::new),
    NativeDef::new("bucket", bucket::new),
    NativeDef::new("map", map::new),
    NativeDef::hidden("proto.define", dissector::define),
    NativeDef::hidden("dissector.call", dissector::call),
    NativeDef::hidden("set.has", has).quickly(quick_has),
    NativeDef::hidden("set.get", get).quickly(quick_get),
    NativeDef::hidden("set.add", add),
    NativeDef::new("after", timer::after),
    NativeDef::new("every", timer::every),
    NativeDef::hidden("timer.cancel", timer::cancel),
    NativeDef::hidden("bucket.take", bucket::take),
    NativeDef::hidden("bucket.left", bucket::left),
    NativeDef::hidden("map.get", map::get),
    NativeDef::hidden("map.set", map::set),
    NativeDef::hidden("map.incr", map::incr),
    NativeDef::hidden("map.delete", map::delete),
    NativeDef::hidden("object.absent", absent),
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
    let r = vm.allocate(|heap| heap.new_object(class as u16, len))?;
    vm.heap.set_object_value(r, value);
    let meta = vm
        .heap
        .get_int(vm.type_metatable(Tag::Object), class as i64);
    if meta.tag == Tag::Table {
        vm.heap.set_object_meta(r, meta.as_ref());
    }
    Ok(r)
}

/// What an object or an address is indexed with that is none of its methods: entries are no fields.
fn absent(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    // The table of the methods was asked; it bears the name of those whose methods they are.
    let of = vm.type_name_of(vm.arg(&f, 0));
    let how = match of.text() {
        b"map" => ": m:get(key) reads an entry, m:set(key, value) writes one",
        b"ipset" | b"domainset" => ": s:has(…) and s:get(…) ask for an entry",
        _ => "",
    };
    let text = shown(vm, vm.arg(&f, 1));
    let (of, name) = (Bytes(of.text()), Bytes(text.as_bytes()));
    Err(if text.as_bytes().is_empty() {
        vm.error(format_args!("{of} has methods and no fields{how}"))
    } else {
        vm.error(format_args!("{of} has no method '{name}'{how}"))
    })
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

/// Refuses options that a specification does not have: one that is misspelt would mean its default.
fn only(vm: &mut Vm, class: Class, spec: Ref, known: &[&'static str]) -> Result<(), Raise> {
    let mut key = Value::NIL;
    while let Some((k, _)) = vm.next(spec, key)? {
        vm.charge(4)?;
        let name = vm.bytes(k);
        if !known.iter().any(|known| known.as_bytes() == name) {
            return Err(no_option(vm, class, k, known));
        }
        key = k;
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn no_option(vm: &mut Vm, class: Class, key: Value, known: &[&'static str]) -> Raise {
    let (class, text) = (class.name(), shown(vm, key));
    let name = Bytes(text.as_bytes());
    match suggest::nearest(text.as_bytes(), known.iter().copied()) {
        Some(meant) => vm.error(format_args!(
            "{class}: no option '{name}'; did you mean '{meant}'?"
        )),
        None if text.as_bytes().is_empty() => {
            vm.error(format_args!("{class}: every option has a name"))
        }
        None => vm.error(format_args!("{class}: no option '{name}'")),
    }
}

/// What a text looks like in a message.
fn shown(vm: &Vm, v: Value) -> Text {
    let mut text = Text::new();
    text.push(vm.bytes(v));
    text
}

// --- sets --------------------------------------------------------------------------------------------

/// A new set, filled with the entries of the table that it is made of: a list of texts, or texts with
/// what is to be found there. One with a name may be there already, and gets them in addition.
fn new_set(vm: &mut Vm, f: &Args, class: Class, len: u32) -> Result<Step, Raise> {
    let entries = vm.check_table(f, 0)?;
    let set = if let Some(set) = named::open(vm, entries, class)? {
        set
    } else {
        let table = vm.new_table(0, 0)?;
        create(vm, class, len, Value::object(Tag::Table, table))?
    };
    let is_named = named::handle(vm, set).is_some();
    let v = Value::object(Tag::Object, set);
    vm.push(v)?;
    let mut key = Value::NIL;
    while let Some((k, v)) = vm.next(entries, key)? {
        vm.charge(4)?;
        if is_named && matches!(vm.bytes(k), b"name" | b"max" | b"ttl") {
            // The specification's own.
        } else if k.tag == Tag::Int {
            put(vm, class, set, v, Value::boolean(true))?;
        } else {
            put(vm, class, set, k, v)?;
        }
        key = k;
    }
    give(vm, v)
}

fn put(vm: &mut Vm, class: Class, set: Ref, key: Value, value: Value) -> Result<(), Raise> {
    match class {
        Class::DomainSet => domainset::put(vm, set, key, value),
        _ => ipset::put(vm, set, key, value),
    }
}

/// The set that a method was called on, and which of the two it is.
fn set_of(vm: &mut Vm, f: &Args) -> Result<(Class, Ref), Raise> {
    let v = vm.arg(f, 0);
    if v.tag == Tag::Object {
        for class in [Class::DomainSet, Class::IpSet] {
            if vm.heap.object_class(v.as_ref()) == class as u16 {
                return Ok((class, v.as_ref()));
            }
        }
    }
    Err(vm.type_error(f, 0, "ipset or domainset"))
}

/// What a set holds for what it is asked about; nil when nothing, and for nil.
#[inline(always)]
fn look_up(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let v = vm.arg(f, 0);
    if v.tag == Tag::Object && vm.heap.object_class(v.as_ref()) == Class::DomainSet as u16 {
        return domainset::find(vm, f, v.as_ref());
    }
    look_up_address(vm, f)
}

#[inline(never)]
fn look_up_address(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    vm.charge(2)?;
    let (_, set) = set_of(vm, f)?;
    if vm.arg(f, 1).is_nil() {
        return Ok(Value::NIL);
    }
    ipset::find(vm, f, set)
}

/// `s:has(what)`.
fn has(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let found = look_up(vm, &f)?;
    give(vm, Value::boolean(!found.is_nil()))
}

/// `s:get(what)`.
fn get(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let found = look_up(vm, &f)?;
    give(vm, found)
}

/// What a set holds, in the usual case.
#[inline(always)]
fn quick_look_up(vm: &mut Vm, f: Called) -> Option<Value> {
    let (set, what) = (vm.given(f, 0), vm.given(f, 1));
    if set.tag != Tag::Object || vm.heap.object_class(set.as_ref()) != Class::DomainSet as u16 {
        return None;
    }
    domainset::quick(vm, set.as_ref(), what)
}

fn quick_has(vm: &mut Vm, f: Called) -> bool {
    let found = quick_look_up(vm, f);
    if let Some(found) = found {
        vm.answer(f, Value::boolean(!found.is_nil()));
    }
    found.is_some()
}

fn quick_get(vm: &mut Vm, f: Called) -> bool {
    let found = quick_look_up(vm, f);
    if let Some(found) = found {
        vm.answer(f, found);
    }
    found.is_some()
}

/// `s:add(what [, value])`; a value of nil takes it out.
fn add(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let (class, set) = set_of(vm, &f)?;
    let key = vm.check_any(&f, 1)?;
    let value = if f.count < 3 {
        Value::boolean(true)
    } else {
        vm.arg(&f, 2)
    };
    put(vm, class, set, key, value)?;
    Ok(Step::Return(0))
}
