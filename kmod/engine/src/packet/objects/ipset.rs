// SPDX-License-Identifier: GPL-2.0-only
//! Sets of networks: `ipset{…}`.

use super::{Class, new_set, shown};
use crate::packet::address::{self, Address};
use crate::packet::library::address_of;
use crate::value::{Ref, Value};
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
fn words(vm: &Vm, set: Ref) -> (u64, u128) {
    let bytes = vm.heap.object_bytes(set);
    let narrow = bytes
        .first_chunk()
        .map_or(0, |word| u64::from_ne_bytes(*word));
    let wide = bytes
        .last_chunk()
        .map_or(0, |word| u128::from_ne_bytes(*word));
    (narrow, wide)
}

/// Notes that a prefix length occurs.
fn note(vm: &mut Vm, set: Ref, address: Address, len: u8) {
    let (mut narrow, mut wide) = words(vm, set);
    match (address, len.checked_sub(1)) {
        (Address::V4(_), None) => narrow |= ZERO4,
        (Address::V6(_), None) => narrow |= ZERO6,
        (Address::V4(_), Some(bit)) => narrow |= 1_u64.unbounded_shl(u32::from(bit)),
        (Address::V6(_), Some(bit)) => wide |= 1_u128.unbounded_shl(u32::from(bit)),
    }
    let all = narrow.to_ne_bytes().into_iter().chain(wide.to_ne_bytes());
    for (to, from) in vm.heap.object_bytes_mut(set).iter_mut().zip(all) {
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
        let text = shown(vm, network);
        return Err(vm.error(format_args!(
            "'{}' is not a network such as \"10.0.0.0/8\"",
            Bytes(text.as_bytes())
        )));
    };
    let table = vm.heap.object_value(set).as_ref();
    match address {
        Address::V4(a) => vm.raw_set_int(table, narrow_key(a, len), value)?,
        Address::V6(a) => vm.raw_set_str(table, &wide_key(a, len), value)?,
    }
    note(vm, set, address, len);
    Ok(())
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
    let table = vm.heap.object_value(set).as_ref();
    let (narrow, wide) = words(vm, set);
    let (mut lengths, zero) = match address {
        Address::V4(_) => (u128::from(narrow as u32), narrow & ZERO4 != 0),
        Address::V6(_) => (wide, narrow & ZERO6 != 0),
    };
    // The longest first.
    loop {
        let len = 128_u32.wrapping_sub(lengths.leading_zeros()) as u8;
        if len == 0 && !zero {
            return Ok(Value::NIL);
        }
        vm.charge(1)?;
        let found = match address {
            Address::V4(a) => vm.heap.get_int(table, narrow_key(a, len)),
            Address::V6(a) => vm.heap.get_bytes(table, &wide_key(a, len)),
        };
        if !found.is_nil() || len == 0 {
            return Ok(found);
        }
        lengths &= !1_u128.unbounded_shl(u32::from(len).wrapping_sub(1));
    }
}
