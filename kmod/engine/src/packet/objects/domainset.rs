// SPDX-License-Identifier: GPL-2.0-only
//! Sets of domain names: `domainset{…}`.
//!
//! A set without a name is an object with a table of its domains, and with a [`Filter`] that tells of most
//! other names that they are none of them, without a hash.

use super::named::{self, Short, put_named};
use super::{Class, new_set, shown};
use crate::host;
use crate::packet::Current;
use crate::stdlib::string;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// The longest domain name.
const LONGEST: usize = 255;

/// The bytes of a set: bits for what its domains are like.
struct Filter<'s> {
    /// One for each length, from 64 on again.
    lengths: u64,
    /// One for each name: see [`bit`].
    names: &'s [u8; 128],
}

/// How many they are.
const FILTER: usize = 8 + 128;

impl<'s> Filter<'s> {
    #[inline(always)]
    fn of(bytes: &'s [u8]) -> Option<Self> {
        let (lengths, names) = bytes.split_first_chunk()?;
        Some(Self {
            lengths: u64::from_ne_bytes(*lengths),
            names: names.first_chunk()?,
        })
    }

    /// Whether a domain may be in the set. It is for one that is.
    #[inline(always)]
    fn admits(&self, vm: &Vm, domain: &[u8]) -> bool {
        if self.lengths.wrapping_shr(domain.len() as u32) & 1 == 0 {
            return false;
        }
        let (at, bit) = bit(vm, domain);
        self.names.get(at).is_some_and(|bits| bits & bit != 0)
    }

    /// Admits a domain to the set with these bytes. It stays when the last such domain goes: then some
    /// are looked for in vain.
    fn note(vm: &mut Vm, set: Ref, domain: &[u8]) {
        let (at, bit) = bit(vm, domain);
        let bytes = vm.heap.object_bytes_mut(set);
        let Some((lengths, names)) = bytes.split_first_chunk_mut() else {
            return;
        };
        let known = u64::from_ne_bytes(*lengths) | 1_u64.wrapping_shl(domain.len() as u32);
        *lengths = known.to_ne_bytes();
        if let Some(bits) = names.get_mut(at) {
            *bits |= bit;
        }
    }
}

/// The byte of a name's bit, and the bit. It depends on the name's length, how it begins and how it ends.
#[inline(always)]
fn bit(vm: &Vm, name: &[u8]) -> (usize, u8) {
    let ends = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(5) ^ u64::from_le_bytes(*last)
        }
        _ => string::short_word(name),
    };
    let mixed = vm.heap.mix_word(ends ^ name.len() as u64);
    ((mixed >> 3) as usize & 127, 1 << (mixed & 7))
}

/// Writes a name in lower case, without a final dot; `None` if it is longer than any.
fn lower<'t>(name: &[u8], text: &'t mut [u8; LONGEST]) -> Option<&'t [u8]> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let text = text.get_mut(..name.len())?;
    string::lower(name, text);
    Some(text)
}

/// `domainset{…}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    new_set(vm, &f, Class::DomainSet, FILTER as u32)
}

pub(super) fn put(vm: &mut Vm, set: Ref, name: Value, value: Value) -> Result<(), Raise> {
    let mut text = [0; LONGEST];
    match lower(vm.bytes(name), &mut text) {
        Some(domain) if is_name(domain) => match named::handle(vm, set) {
            Some(store) => put_named(vm, store, domain, value),
            None => {
                let table = vm.heap.object_value(set).as_ref();
                vm.raw_set_str(table, domain, value)?;
                Filter::note(vm, set, domain);
                Ok(())
            }
        },
        _ => Err(no_domain(vm, name)),
    }
}

/// Whether some question may be for this name or one below it. A pattern or an address of the web would be
/// found in no question, and nobody would see why.
fn is_name(domain: &[u8]) -> bool {
    let odd = |b: &u8| *b <= b' ' || matches!(b, b'*' | b'/' | b':');
    !domain.iter().any(odd) && domain.split(|b| *b == b'.').all(|label| !label.is_empty())
}

#[cold]
#[inline(never)]
fn no_domain(vm: &mut Vm, name: Value) -> Raise {
    if !matches!(name.tag, Tag::Str | Tag::Bytes) {
        let kind = vm.type_name_of(name);
        let kind = Bytes(kind.text());
        return vm.error(format_args!(
            "a domain name is a string, and this is a {kind}"
        ));
    }
    let text = shown(vm, name);
    let name = Bytes(text.as_bytes());
    match text.as_bytes() {
        [b'*' | b'.', ..] => vm.error(format_args!(
            "'{name}' is not a domain name: write the domain alone, those below it are in the set with it"
        )),
        _ => vm.error(format_args!("'{name}' is not a domain name")),
    }
}

/// What the longest suffix of a name that is in the set holds; nil when none is, and for nil.
pub(super) fn find(vm: &mut Vm, f: &Args, set: Ref) -> Result<Value, Raise> {
    let name = vm.arg(f, 1);
    if !matches!(name.tag, Tag::Str | Tag::Bytes) || named::handle(vm, set).is_some() {
        return find_other(vm, f, set);
    }
    let bytes = vm.bytes(name);
    let (found, asked) = if !Current::is_lower(name) && string::has_upper(bytes) {
        find_lowered(vm, set, bytes)
    } else {
        find_plain(vm, set, bytes.strip_suffix(b".").unwrap_or(bytes))
    };
    vm.charge(asked.wrapping_add(2))?;
    Ok(found)
}

/// The same of a set without a name for a name without capitals. `None` says nothing.
#[inline(always)]
pub(super) fn quick(vm: &mut Vm, set: Ref, name: Value) -> Option<Value> {
    let filter = Filter::of(vm.heap.object_bytes(set))?;
    let bytes = match vm.packet.text_of(name) {
        Some(lower) => lower,
        None => plain(vm, name)?,
    };
    let (found, asked) = find_admitted(vm, set, &filter, bytes);
    // Three for the call and the function. The next loop or call sees that there is none left.
    vm.fuel = vm.fuel.wrapping_sub(asked.wrapping_add(3) as i64);
    Some(found.unwrap_or(Value::NIL))
}

/// The bytes of a string, if they need not be changed to be looked for.
#[inline(never)]
fn plain(vm: &Vm, name: Value) -> Option<&[u8]> {
    let bytes = vm.bytes(name);
    let is_plain = matches!(name.tag, Tag::Str | Tag::Bytes) && !string::has_upper(bytes);
    is_plain.then(|| bytes.strip_suffix(b".").unwrap_or(bytes))
}

/// The same for what is no string yet, or of a set with a name.
#[inline(never)]
fn find_other(vm: &mut Vm, f: &Args, set: Ref) -> Result<Value, Raise> {
    if vm.arg(f, 1).is_nil() {
        vm.charge(2)?;
        return Ok(Value::NIL);
    }
    let name = vm.check_str(f, 1)?;
    match named::handle(vm, set) {
        Some(store) => {
            vm.charge(2)?;
            find_named(vm, store, name)
        }
        // It was a number, and now is a string.
        None => {
            let (found, asked) = find_plain(vm, set, vm.bytes(name));
            vm.charge(asked.wrapping_add(2))?;
            Ok(found)
        }
    }
}

/// The same for a name with capitals.
#[inline(never)]
fn find_lowered(vm: &Vm, set: Ref, name: &[u8]) -> (Value, u64) {
    let mut text = [0; LONGEST];
    lower(name, &mut text).map_or((Value::NIL, 1), |name| find_plain(vm, set, name))
}

/// What the set's own table holds.
#[inline(never)]
fn find_plain(vm: &Vm, set: Ref, name: &[u8]) -> (Value, u64) {
    let Some(filter) = Filter::of(vm.heap.object_bytes(set)) else {
        return (Value::NIL, 0);
    };
    let (found, asked) = find_admitted(vm, set, &filter, name);
    (found.unwrap_or(Value::NIL), asked)
}

#[inline(always)]
fn find_admitted(vm: &Vm, set: Ref, filter: &Filter, name: &[u8]) -> (Option<Value>, u64) {
    find_suffix(name, |rest| {
        if !filter.admits(vm, rest) {
            return None;
        }
        let found = vm.heap.get_bytes(vm.heap.object_value(set).as_ref(), rest);
        (!found.is_nil()).then_some(found)
    })
}

/// What a set with a name holds.
#[inline(never)]
fn find_named(vm: &mut Vm, store: u32, name: Value) -> Result<Value, Raise> {
    let (mut text, mut value) = ([0; LONGEST], Short::default());
    let name = lower(vm.bytes(name), &mut text).unwrap_or(&[]);
    let now = host::now_ms();
    let (found, asked) = named::with(vm, store, |store| {
        find_suffix(name, |rest| {
            value.read(store, rest, now).then_some(rest.len())
        })
    });
    // A question costs a lock and a hash of its own.
    vm.charge(asked.wrapping_mul(2))?;
    let start = name.len().saturating_sub(found.unwrap_or(0));
    value.value(vm, store, name.get(start..).unwrap_or(&[]))
}

/// What the longest suffix of a name has, and how many were tried. A name longer than any domain's
/// has none.
#[inline(always)]
fn find_suffix<T>(name: &[u8], mut look: impl FnMut(&[u8]) -> Option<T>) -> (Option<T>, u64) {
    if name.is_empty() || name.len() > LONGEST {
        return (None, 0);
    }
    let (mut asked, mut start) = (0_u64, 0_usize);
    // Where the eight bytes begin that were looked at last, and which of them are dots that were not told.
    let (mut at, mut dots) = (0_usize, dots_of(name));
    while let Some(rest) = name.get(start..).filter(|rest| !rest.is_empty()) {
        asked = asked.wrapping_add(1).wrapping_add(rest.len() as u64 / 32);
        let found = look(rest);
        if found.is_some() {
            return (found, asked);
        }
        while dots == 0 {
            at = at.wrapping_add(8);
            match name.get(at..) {
                Some(ahead) if !ahead.is_empty() => dots = dots_of(ahead),
                _ => return (None, asked),
            }
        }
        start = at
            .wrapping_add(dots.trailing_zeros() as usize >> 3)
            .wrapping_add(1);
        dots &= dots.wrapping_sub(1);
    }
    (None, asked)
}

/// The top bits of those of the next eight bytes that are dots.
#[inline(always)]
fn dots_of(ahead: &[u8]) -> u64 {
    let word = match ahead.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => string::short_word(ahead),
    };
    string::between(word, b'.', b'.')
}
