// SPDX-License-Identifier: GPL-2.0-only
//! Sets of networks: `ipset{…}`.

use super::named::{self, Short, put_named};
use super::{Class, new_set, shown};
use crate::host;
use crate::packet::address::{self, Address};
use crate::packet::library::address_of;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// Bytes of an ipset: which prefix lengths occur. A word for IPv4 (lengths 1 to 32 as its low bits)
/// and the two lengths of 0, then two words for the lengths 1 to 128 of IPv6.
const LENGTHS: u32 = 24;
/// The bits of the first word that stand for a length of 0.
const ZERO4: u64 = 1 << 32;
const ZERO6: u64 = 1 << 33;

/// The words of a set.
fn words(bytes: &[u8]) -> (u64, u128) {
    let bytes = bytes.get(..LENGTHS as usize).unwrap_or(&[]);
    let narrow = bytes
        .first_chunk()
        .map_or(0, |word| u64::from_ne_bytes(*word));
    let wide = bytes
        .last_chunk()
        .map_or(0, |word| u128::from_ne_bytes(*word));
    (narrow, wide)
}

/// Notes that a prefix length occurs.
fn note(bytes: &mut [u8], address: Address, len: u8) {
    let (mut narrow, mut wide) = words(bytes);
    match (address, len.checked_sub(1)) {
        (Address::V4(_), None) => narrow |= ZERO4,
        (Address::V6(_), None) => narrow |= ZERO6,
        (Address::V4(_), Some(bit)) => narrow |= 1_u64.unbounded_shl(u32::from(bit)),
        (Address::V6(_), Some(bit)) => wide |= 1_u128.unbounded_shl(u32::from(bit)),
    }
    let all = narrow.to_ne_bytes().into_iter().chain(wide.to_ne_bytes());
    for (to, from) in bytes.iter_mut().zip(all) {
        *to = from;
    }
}

/// `ipset{…}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    new_set(vm, &f, Class::IpSet, LENGTHS)
}

/// The key under which an IPv4 network is kept.
fn narrow_key(address: u32, len: u8) -> i64 {
    let kept = address
        & u32::MAX
            .checked_shl(32_u32.saturating_sub(u32::from(len)))
            .unwrap_or(0);
    i64::from(kept) | i64::from(len) << 32 | 1 << 40
}

/// The key under which an IPv6 network is kept.
fn wide_key(address: [u8; 16], len: u8) -> [u8; 17] {
    let mask = u128::MAX
        .checked_shl(128_u32.saturating_sub(u32::from(len)))
        .unwrap_or(0);
    let kept = (u128::from_be_bytes(address) & mask).to_be_bytes();
    let mut key = [len; 17];
    for (to, from) in key.iter_mut().zip(kept) {
        *to = from;
    }
    key
}

pub(super) fn put(vm: &mut Vm, set: Ref, network: Value, value: Value) -> Result<(), Raise> {
    let parsed = match address_of(vm, network) {
        Some(address) => Some((address, address.bits())),
        None => address::parse_prefix(vm.bytes(network)),
    };
    let Some((address, len)) = parsed else {
        return Err(no_network(vm, network));
    };
    if let Some(store) = named::handle(vm, set) {
        let (key, key_len) = store_key(address, len);
        put_named(vm, store, key.get(..key_len).unwrap_or(&[]), value)?;
        named::with(vm, store, |store| {
            let mut own = store.own();
            note(&mut own, address, len);
            store.set_own(&own);
        });
        return Ok(());
    }
    let table = vm.heap.object_value(set).as_ref();
    match address {
        Address::V4(a) => vm.raw_set_int(table, narrow_key(a, len), value)?,
        Address::V6(a) => vm.raw_set_str(table, &wide_key(a, len), value)?,
    }
    note(vm.heap.object_bytes_mut(set), address, len);
    Ok(())
}

#[cold]
#[inline(never)]
fn no_network(vm: &mut Vm, network: Value) -> Raise {
    if !matches!(network.tag, Tag::Str | Tag::Bytes) {
        let kind = vm.type_name_of(network);
        let kind = Bytes(kind.text());
        return vm.error(format_args!(
            "a network is a string such as \"10.0.0.0/8\" or an address, and this is a {kind}"
        ));
    }
    let text = shown(vm, network);
    vm.error(format_args!(
        "'{}' is not a network such as \"10.0.0.0/8\"",
        Bytes(text.as_bytes())
    ))
}

/// The key of a network in a store, and how long it is.
fn store_key(address: Address, len: u8) -> ([u8; 17], usize) {
    match address {
        Address::V4(a) => {
            let mut key = [0; 17];
            for (to, from) in key.iter_mut().zip(narrow_key(a, len).to_le_bytes()) {
                *to = from;
            }
            (key, 8)
        }
        Address::V6(a) => (wide_key(a, len), 17),
    }
}

/// What the longest network around an address holds; nil when none does.
pub(super) fn find(vm: &mut Vm, f: &Args, set: Ref) -> Result<Value, Raise> {
    let v = vm.arg(f, 1);
    let address = match address_of(vm, v) {
        Some(address) => address,
        None => {
            let text = vm.check_str(f, 1)?;
            match Address::parse(vm.bytes(text)) {
                Some(address) => address,
                None => return Err(vm.type_error(f, 1, "address")),
            }
        }
    };
    if let Some(store) = named::handle(vm, set) {
        let mut value = Short::default();
        let now = host::now_ms();
        let (found, tried) = named::with(vm, store, |store| {
            let lengths = words(&store.own());
            longest(address, lengths, |len| {
                let (key, key_len) = store_key(address, len);
                let here = key.get(..key_len).unwrap_or(&[]);
                value.read(store, here, now).then_some((key, key_len))
            })
        });
        vm.charge(tried.wrapping_mul(2))?;
        let (key, key_len) = found.unwrap_or(([0; 17], 0));
        return value.value(vm, store, key.get(..key_len).unwrap_or(&[]));
    }
    let table = vm.heap.object_value(set).as_ref();
    let lengths = words(vm.heap.object_bytes(set));
    let (found, tried) = longest(address, lengths, |len| {
        let found = match address {
            Address::V4(a) => vm.heap.get_int(table, narrow_key(a, len)),
            Address::V6(a) => vm.heap.get_bytes(table, &wide_key(a, len)),
        };
        (!found.is_nil()).then_some(found)
    });
    vm.charge(tried)?;
    Ok(found.unwrap_or(Value::NIL))
}

/// Tries the lengths that occur, the longest first; gives what was found, and how many were tried.
#[inline(always)]
fn longest<T>(
    address: Address,
    (narrow, wide): (u64, u128),
    mut look: impl FnMut(u8) -> Option<T>,
) -> (Option<T>, u64) {
    let (mut lengths, zero) = match address {
        Address::V4(_) => (u128::from(narrow as u32), narrow & ZERO4 != 0),
        Address::V6(_) => (wide, narrow & ZERO6 != 0),
    };
    let mut tried = 0_u64;
    loop {
        let len = 128_u32.wrapping_sub(lengths.leading_zeros()) as u8;
        if len == 0 && !zero {
            return (None, tried);
        }
        tried = tried.wrapping_add(1);
        let found = look(len);
        if found.is_some() || len == 0 {
            return (found, tried);
        }
        lengths &= !1_u128.unbounded_shl(u32::from(len).wrapping_sub(1));
    }
}
