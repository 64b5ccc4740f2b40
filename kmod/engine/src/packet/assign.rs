// SPDX-License-Identifier: GPL-2.0-only
//! Assignments to fields: what may be written, and what the value must be.

use super::fields::{Field, Kind, What};
use super::locate::{Network, Transport};
use super::write::Cover;
use crate::host::Refused;
use crate::host::at_hand::Header;
use crate::value::{Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;

/// Writes a number or a flag of a header, if that is neither an error nor changes a string that a script
/// has. `false` says nothing: the packet is as it was, or [`assign`] will say what is wrong with it.
#[inline(always)]
pub fn quick(vm: &mut Vm, field: &Field, value: Value) -> bool {
    let n = match (field.what, value.tag) {
        (What::Int, Tag::Int) => u32::try_from(value.as_int()).ok(),
        (What::Flag, Tag::True) => Some(1),
        (What::Flag, Tag::False) => Some(0),
        _ => None,
    };
    let (Some(n), false) = (n, vm.packet.is_shown()) else {
        return false;
    };
    // As for the whole: the next loop or call sees that there is none left.
    vm.fuel = vm.fuel.wrapping_sub(2);
    if let Some(bits) = field.v4.filter(|bits| bits.header == Header::V4)
        && vm.packet.hand.has(Header::V4)
    {
        return n <= bits.mask() && vm.packet.put_v4(bits, n);
    }
    put(vm, field, n)
}

#[inline(never)]
fn put(vm: &mut Vm, field: &Field, n: u32) -> bool {
    vm.packet.locate();
    let bits = vm.packet.bits(field).filter(|bits| n <= bits.mask());
    let done = bits.and_then(|bits| vm.packet.put_bits(bits, n));
    vm.packet.changed();
    done == Some(Ok(()))
}

/// Writes a field that may be written. Strings that show bytes of the packet are copied first, so
/// that they stay what they were.
pub fn assign(vm: &mut Vm, field: &'static Field, value: Value) -> Result<(), Raise> {
    vm.charge(2)?;
    vm.packet.locate();
    match field.what {
        What::Mark | What::Priority => {
            let n = number(vm, field, value, u32::MAX)?;
            if let Some(packet) = vm.packet.packet_mut() {
                if field.what == What::Mark {
                    packet.set_mark(n);
                } else {
                    packet.set_priority(n);
                }
            }
            return Ok(());
        }
        What::Connection(_) => {
            let n = number(vm, field, value, u32::MAX)?;
            return super::conntrack::set_mark(vm, n);
        }
        What::Payload => return payload(vm, field, value),
        _ => {}
    }
    keep(vm)?;
    let done = match field.what {
        What::SourceAddress => address(vm, field, value, true)?,
        What::DestinationAddress => address(vm, field, value, false)?,
        What::EchoId | What::EchoSeq => {
            let n = number(vm, field, value, 0xffff)? as u16;
            if !vm.packet.is_echo() {
                return Err(absent(vm, field));
            }
            let at = if field.what == What::EchoId { 4 } else { 6 };
            let at = vm.packet.places.l4.wrapping_add(at);
            vm.packet.put(at, n.to_be_bytes(), Cover::Transport)
        }
        What::Mss => {
            let n = number(vm, field, value, 0xffff)? as u16;
            let Some(at) = vm.packet.tcp_option(2, 4) else {
                return Err(absent(vm, field));
            };
            vm.packet.put(at, n.to_be_bytes(), Cover::Transport)
        }
        _ => bits(vm, field, value)?,
    };
    finish(vm, done)
}

/// Writes a field that is some bits of a word.
fn bits(vm: &mut Vm, field: &Field, value: Value) -> Result<Result<(), Refused>, Raise> {
    let Some(bits) = vm.packet.bits(field) else {
        return Err(absent(vm, field));
    };
    let n = match (field.what, value.tag) {
        (What::Flag, Tag::True) => 1,
        (What::Flag, Tag::False) => 0,
        (What::Flag, _) => {
            return Err(vm.error(format_args!("field '{}' is true or false", field.name)));
        }
        _ => number(vm, field, value, bits.mask())?,
    };
    if bits.header == Header::Ports && vm.packet.places.transport == Transport::Ports {
        return Err(vm.error(format_args!(
            "the ports of this protocol cannot be written: its checksum is not TCP's or UDP's"
        )));
    }
    match vm.packet.put_bits(bits, n) {
        Some(done) => Ok(done),
        None => Err(absent(vm, field)),
    }
}

fn address(
    vm: &mut Vm,
    field: &Field,
    value: Value,
    source: bool,
) -> Result<Result<(), Refused>, Raise> {
    let l3 = vm.packet.places.l3;
    match (vm.packet.places.network, value.tag) {
        (Network::V4, Tag::Addr4) => {
            let at = l3.wrapping_add(if source { 12 } else { 16 });
            Ok(vm
                .packet
                .put(at, (value.payload as u32).to_be_bytes(), Cover::Addresses))
        }
        (Network::V6, Tag::Addr6) => {
            let bytes = vm.heap.addr6(value.as_ref());
            let at = l3.wrapping_add(if source { 8 } else { 24 });
            let cover = if !source && vm.packet.places.routed {
                Cover::Nothing
            } else {
                Cover::Addresses
            };
            Ok(vm.packet.put(at, bytes, cover))
        }
        (Network::V4, Tag::Addr6) | (Network::V6, Tag::Addr4) => Err(vm.error(format_args!(
            "field '{}' of this packet is an address of the other IP version",
            field.name
        ))),
        (Network::V4 | Network::V6, _) => Err(vm.error(format_args!(
            "field '{}' is an address; ip \"…\" makes one",
            field.name
        ))),
        _ => Err(absent(vm, field)),
    }
}

fn payload(vm: &mut Vm, field: &Field, value: Value) -> Result<(), Raise> {
    if !matches!(value.tag, Tag::Str | Tag::Bytes) {
        return Err(vm.error(format_args!("field 'payload' is a string")));
    }
    let value = vm.owned_string(value)?;
    let new_len = vm.bytes(value).len();
    keep(vm)?;
    let Some((from, old_len)) = vm.packet.payload_place() else {
        return Err(absent(vm, field));
    };
    if vm.packet.places.transport == Transport::Ports {
        return Err(vm.error(format_args!(
            "the payload of this protocol cannot be written: its checksum is not TCP's or UDP's"
        )));
    }
    if new_len != old_len as usize && vm.packet.places.fragment {
        return Err(vm.error(format_args!(
            "the payload of a fragment must keep its length"
        )));
    }
    if new_len != old_len as usize && vm.packet.places.transport == Transport::Tcp {
        // What follows in the stream would have to be renumbered, in both directions.
        return Err(vm.error(format_args!("the payload of TCP must keep its length")));
    }
    let head = from.wrapping_sub(vm.packet.places.l3) as usize;
    if new_len.saturating_add(head) > 65535 {
        return Err(vm.error(format_args!("the packet would be longer than 65535 bytes")));
    }
    vm.charge(u64::from(old_len).wrapping_add(new_len as u64) / 16)?;
    let done = vm
        .packet
        .replace_payload(vm.heap.string_bytes(value.as_ref()));
    finish(vm, done)
}

/// Copies the strings that show bytes of the packet, before they change.
fn keep(vm: &mut Vm) -> Result<(), Raise> {
    if vm.packet.is_shown() {
        vm.own_bytes()?;
        vm.packet.set_shown(false);
    }
    Ok(())
}

/// After a write: the headers are looked for anew.
fn finish(vm: &mut Vm, done: Result<(), Refused>) -> Result<(), Raise> {
    vm.packet.changed();
    done.map_err(|Refused| vm.error(format_args!("the packet cannot be written: no memory")))
}

fn number(vm: &mut Vm, field: &Field, value: Value, most: u32) -> Result<u32, Raise> {
    match vm.to_int(value).map(u32::try_from) {
        Some(Ok(n)) if n <= most => Ok(n),
        _ => Err(vm.error(format_args!(
            "field '{}' is a number from 0 to {most}",
            field.name
        ))),
    }
}

#[cold]
fn absent(vm: &mut Vm, field: &Field) -> Raise {
    let of = if field.kind == Kind::Root {
        "packet"
    } else {
        field.kind.name()
    };
    vm.error(format_args!(
        "this {of} has no field '{}' to write",
        field.name
    ))
}
