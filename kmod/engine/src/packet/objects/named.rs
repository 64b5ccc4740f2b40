// SPDX-License-Identifier: GPL-2.0-only
//! Maps and sets with a name: their entries are in a store of the host, which every script that
//! declares the name shares and which outlives a reload.
//!
//! The object of one has the store's handle for its bytes. Keys and values are kept as a tag and
//! bytes, so that they mean the same to every environment.

use super::{Class, create};
use crate::host::{self, NoStore};
use crate::number::arith::to_int;
use crate::packet::access::{addr4, value_of};
use crate::packet::read::Got;
use crate::store::{Spec, Store};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};

/// The longest string in a key or a value.
pub(super) const LONGEST: usize = 255;
/// The longest name.
const NAME: usize = 31;
/// Entries, unless the specification says otherwise; and the most that it may say.
const MAX: i64 = 10_000;
const MOST: i64 = 1_000_000;
/// Bytes that an entry is given room for: a long one takes the room of others.
const ENTRY: u32 = 80;
/// Bytes that the longest entry has: there is always room for one.
const ENTRY_MOST: u32 = 2 * (LONGEST as u32 + 1);
/// Bytes of the object.
const HANDLE: u32 = 4;

/// The store of an object that has a name.
#[inline]
pub(super) fn handle(vm: &Vm, object: Ref) -> Option<u32> {
    let bytes = vm.heap.object_bytes(object);
    <[u8; HANDLE as usize]>::try_from(bytes)
        .ok()
        .map(u32::from_ne_bytes)
}

/// A whole number of a specification.
fn whole(vm: &mut Vm, spec: Ref, class: Class, field: (&str, i64, i64)) -> Result<u32, Raise> {
    let (name, default, most) = field;
    let v = vm.raw_get_str(spec, name.as_bytes());
    let n = if v.is_nil() {
        Some(default)
    } else {
        vm.to_int(v)
    };
    match n {
        Some(n) if (0..=most).contains(&n) => Ok(n as u32),
        _ => Err(vm.error(format_args!(
            "{}: {name} is a whole number from 0 to {most}",
            class.name()
        ))),
    }
}

/// The object that a specification with a name stands for; `None` if it has none.
pub(super) fn open(vm: &mut Vm, spec: Ref, class: Class) -> Result<Option<Ref>, Raise> {
    let name = vm.raw_get_str(spec, b"name");
    if name.is_nil() {
        return Ok(None);
    }
    let mut text = [0; NAME];
    let bytes = vm.bytes(name);
    let len = bytes.len();
    let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if len == 0 || len > NAME || !bytes.iter().all(good) {
        return Err(vm.error(format_args!(
            "{}: a name has 1 to {NAME} letters, digits, '_', '-' or '.'",
            class.name()
        )));
    }
    for (to, from) in text.iter_mut().zip(bytes) {
        *to = *from;
    }
    let max = whole(vm, spec, class, ("max", MAX, MOST))?;
    let ttl = whole(vm, spec, class, ("ttl", 0, i64::from(u32::MAX)))?;
    let wanted = Spec::new(class as u32, max, ttl, ENTRY).with_room_for(ENTRY_MOST);
    let name = text.get(..len).unwrap_or(&[]);
    let handle = open_store(vm, class, name, wanted)?;
    let object = create(vm, class, HANDLE, Value::NIL)?;
    let bytes = vm.heap.object_bytes_mut(object);
    for (to, from) in bytes.iter_mut().zip(handle.to_ne_bytes()) {
        *to = from;
    }
    Ok(Some(object))
}

fn open_store(vm: &mut Vm, class: Class, name: &[u8], wanted: Spec) -> Result<u32, Raise> {
    let (kind, shown) = (class.name(), Bytes(name));
    let opened = if vm.packet.loading {
        // SAFETY: the cookie is the one that the machine was made with.
        unsafe { host::open_store(vm.cookie, name, wanted.size()) }
    } else {
        Err(NoStore::NotNow)
    };
    let handle = match opened {
        Ok(handle) => handle,
        Err(NoStore::NotNow) => {
            return Err(vm.error(format_args!(
                "{kind} '{shown}': what has a name is declared when its script is loaded, not later"
            )));
        }
        Err(NoStore::TooMany) => {
            return Err(vm.error(format_args!(
                "{kind} '{shown}': the script declares too many names"
            )));
        }
        Err(NoStore::Memory) => {
            return Err(vm.error(format_args!(
                "{kind} '{shown}': there is no memory for {} entries",
                wanted.max
            )));
        }
    };
    let seed = vm.store_seed();
    // SAFETY: as above.
    let found = unsafe {
        host::with_store(vm.cookie, handle, |memory| {
            Store::open(memory, wanted, seed).map(|(_, found)| found)
        })
    };
    match found.flatten() {
        Some(found) if found == wanted => Ok(handle),
        Some(found) if found.kind == wanted.kind => Err(vm.error(format_args!(
            "{kind} '{shown}' is there with max = {} and ttl = {}, and this says max = {} and ttl = {}: a name has one specification",
            found.max, found.ttl, wanted.max, wanted.ttl
        ))),
        Some(found) => {
            let other = Class::ALL
                .into_iter()
                .find(|class| *class as u32 == found.kind)
                .map_or("store", Class::name);
            Err(vm.error(format_args!(
                "'{shown}' is the name of another script's {other}, not of {}",
                class.with_article()
            )))
        }
        None => Err(vm.error(format_args!("{kind} '{shown}' is there with another size"))),
    }
}

impl Vm {
    /// A key for the hash of a store, if this machine makes it.
    pub(in crate::packet) fn store_seed(&self) -> [u64; 2] {
        let part = |text| u64::from(self.heap.hash_bytes(text));
        [
            part(b"store a") << 32 | part(b"store b"),
            part(b"store c") << 32 | part(b"store d"),
        ]
    }
}

/// Works on a store: nothing of the machine is at hand meanwhile.
pub(in crate::packet) fn with<T: Default>(
    vm: &Vm,
    handle: u32,
    f: impl FnOnce(&mut Store) -> T,
) -> T {
    // SAFETY: the cookie is the one that the machine was made with.
    unsafe { host::with_store(vm.cookie, handle, |memory| f(&mut Store::at(memory))) }
        .unwrap_or_default()
}

/// Gives an entry of a set with a name its value; nil takes it out.
pub(super) fn put_named(vm: &mut Vm, store: u32, key: &[u8], value: Value) -> Result<(), Raise> {
    if value.is_nil() {
        with(vm, store, |store| store.remove(key));
        return Ok(());
    }
    if !may_hold(vm, value) {
        return Err(vm.error(format_args!(
            "a value is a boolean, a number, an address or a short string"
        )));
    }
    if write(vm, store, key, value, None) {
        Ok(())
    } else {
        Err(vm.error(format_args!(
            "this entry is longer than all the memory of the set"
        )))
    }
}

/// Whether a map may hold it.
pub(super) fn may_hold(vm: &Vm, v: Value) -> bool {
    match v.tag {
        Tag::False | Tag::True | Tag::Int | Tag::Float | Tag::Addr4 | Tag::Addr6 => true,
        Tag::Str | Tag::Bytes => vm.bytes(v).len() <= LONGEST,
        _ => false,
    }
}

/// A key as bytes: its tag and what it is.
pub(super) struct Key {
    bytes: [u8; LONGEST + 1],
    len: usize,
}

impl Key {
    /// Nothing yet: it is written where it lies, for it is long.
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; LONGEST + 1],
            len: 0,
        }
    }

    /// Writes a value: equal keys are the same bytes, floats that are whole numbers included.
    pub(super) fn write(&mut self, vm: &Vm, v: Value) {
        let v = match to_int(v.as_float()) {
            Some(n) if v.tag == Tag::Float => Value::int(n),
            _ => v,
        };
        let mut room = [0; NUMBER];
        let (tag, data) = parts(vm, v, &mut room);
        self.len = 0;
        for (to, from) in self.bytes.iter_mut().zip(tag.iter().chain(data)) {
            *to = *from;
            self.len = self.len.wrapping_add(1);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// The longest number or address.
const NUMBER: usize = 16;

/// The tag of a value that a map may hold, and its bytes: a string's are where they are.
pub(super) fn parts<'a>(vm: &'a Vm, v: Value, room: &'a mut [u8; NUMBER]) -> ([u8; 1], &'a [u8]) {
    let (tag, data): (Tag, &[u8]) = match v.tag {
        Tag::Int | Tag::Float | Tag::Addr4 => (v.tag, put(room, &v.payload.to_le_bytes())),
        Tag::Addr6 => (v.tag, put(room, &vm.heap.addr6(v.as_ref()))),
        Tag::Str | Tag::Bytes => (Tag::Str, vm.bytes(v)),
        tag => (tag, &[]),
    };
    ([tag as u8], data)
}

fn put<'a>(room: &'a mut [u8; NUMBER], bytes: &[u8]) -> &'a [u8] {
    for (to, from) in room.iter_mut().zip(bytes) {
        *to = *from;
    }
    room.get(..bytes.len()).unwrap_or(&[])
}

/// Gives a key a value in a store; false when there is no room.
pub(super) fn write(vm: &Vm, store: u32, key: &[u8], value: Value, ttl: Option<u32>) -> bool {
    let mut room = [0; NUMBER];
    let (tag, data) = parts(vm, value, &mut room);
    let now = host::now_ms();
    with(vm, store, |store| {
        store.set(key, [&tag, data], now, ttl).is_ok()
    })
}

/// An integer as a value is kept.
pub(super) fn int_bytes(n: i64) -> [u8; 9] {
    let mut bytes = [Tag::Int as u8; 9];
    for (to, from) in bytes.iter_mut().skip(1).zip(n.to_le_bytes()) {
        *to = from;
    }
    bytes
}

/// The value of a key that is there, as far as it needs no memory of the machine.
#[derive(Clone, Copy, Default)]
pub(super) struct Short {
    bytes: [u8; NUMBER + 1],
    len: usize,
}

impl Short {
    /// Reads it; false when there is none.
    pub(super) fn read(&mut self, store: &Store, key: &[u8], now: u64) -> bool {
        let len = store.get(key, now, &mut self.bytes);
        self.len = len.unwrap_or(0);
        len.is_some()
    }

    /// The integer that it is.
    pub(super) fn int(&self) -> Option<i64> {
        match self.bytes.get(..self.len)?.split_first()? {
            (tag, data) if *tag == Tag::Int as u8 => {
                data.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))
            }
            _ => None,
        }
    }

    /// The value; of a string, which is read anew, the key says which.
    pub(super) fn value(&self, vm: &mut Vm, store: u32, key: &[u8]) -> Result<Value, Raise> {
        const TRUE: u8 = Tag::True as u8;
        const FALSE: u8 = Tag::False as u8;
        const FLOAT: u8 = Tag::Float as u8;
        const ADDR4: u8 = Tag::Addr4 as u8;
        const ADDR6: u8 = Tag::Addr6 as u8;
        const STR: u8 = Tag::Str as u8;
        if let Some(n) = self.int() {
            return Ok(Value::int(n));
        }
        let Some((tag, data)) = self.bytes.get(..self.len).and_then(<[u8]>::split_first) else {
            return Ok(Value::NIL);
        };
        match *tag {
            TRUE | FALSE => Ok(Value::boolean(*tag == TRUE)),
            FLOAT => {
                let bits = data.first_chunk().copied().unwrap_or_default();
                Ok(Value::float(f64::from_bits(u64::from_le_bytes(bits))))
            }
            ADDR4 => {
                let bytes = data.first_chunk().copied().unwrap_or_default();
                Ok(addr4(u32::from_le_bytes(bytes)))
            }
            ADDR6 => {
                let bytes = data.first_chunk().copied().unwrap_or_default();
                value_of(vm, Got::Addr6(bytes))
            }
            STR if self.len <= NUMBER => vm.new_string(data),
            STR => long_string(vm, store, key),
            _ => Ok(Value::NIL),
        }
    }
}

/// A string that a store has under a key.
#[inline(never)]
fn long_string(vm: &mut Vm, store: u32, key: &[u8]) -> Result<Value, Raise> {
    let made = vm.heap.new_buffer(LONGEST);
    let buffer = vm.memory(made)?;
    let now = host::now_ms();
    let mut pushed = Ok(());
    // SAFETY: the cookie is the one that the machine was made with.
    unsafe {
        host::with_store(vm.cookie, store, |memory| {
            Store::at(memory).each(key, now, 1, |piece| {
                if pushed.is_ok() {
                    pushed = vm.heap.push_bytes(buffer, piece);
                }
            });
        })
    };
    vm.memory(pushed)?;
    Ok(vm.heap.finish_buffer(buffer))
}
