// SPDX-License-Identifier: GPL-2.0-only
//! A user's own dissector: `proto.define { udp =, tcp =, fields = { {name, type}, … } }`.
//!
//! Fields lie one behind the other. The object keeps their names in a list, and four bytes for each
//! in its bytes: what it is, nothing, and how long it is.

use super::{Class, create, give, object, shown};
use crate::packet::access::{self, addr4, value_of};
use crate::packet::dissect::piece;
use crate::packet::fields::Kind;
use crate::packet::locate::Transport;
use crate::packet::read::{Got, mac_text};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// Fields of a dissector, at most.
const FIELDS: usize = 64;
/// Bytes in front of the fields: the ports, and how many fields there are.
const HEAD: usize = 6;
/// Bytes of a field.
const FIELD: usize = 4;
/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Shape {
    /// A number, high byte first.
    Big,
    /// A number, low byte first.
    Little,
    /// An address, of 4 or 16 bytes.
    Address,
    /// A hardware address.
    Mac,
    /// Bytes as they are.
    Bytes,
}

/// The shape and the length of a type.
fn shape(name: &[u8]) -> Option<(Shape, u16)> {
    Some(match name {
        b"u8" => (Shape::Big, 1),
        b"u16" => (Shape::Big, 2),
        b"u32" => (Shape::Big, 4),
        b"u64" => (Shape::Big, 8),
        b"u16le" => (Shape::Little, 2),
        b"u32le" => (Shape::Little, 4),
        b"u64le" => (Shape::Little, 8),
        b"ip4" => (Shape::Address, 4),
        b"ip6" => (Shape::Address, 16),
        b"mac" => (Shape::Mac, 6),
        _ => {
            let digits = name.strip_prefix(b"bytes:")?;
            if digits.is_empty() || digits.len() > 4 {
                return None;
            }
            let len = digits.iter().try_fold(0_u16, |n, digit| {
                let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
                n.checked_mul(10)?.checked_add(u16::from(digit))
            })?;
            (Shape::Bytes, len)
        }
    })
}

fn port(vm: &mut Vm, spec: Ref, name: &str) -> Result<u16, Raise> {
    let v = vm.raw_get_str(spec, name.as_bytes());
    match vm.to_int(v).map(u16::try_from) {
        _ if v.is_nil() => Ok(0),
        Some(Ok(port)) if port > 0 => Ok(port),
        _ => Err(vm.error(format_args!("proto.define: {name} is a port"))),
    }
}

/// `proto.define {…}`.
pub(in crate::packet) fn define(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let spec = vm.check_table(&f, 0)?;
    super::only(vm, Class::Dissector, spec, &["udp", "tcp", "fields"])?;
    let (udp, tcp) = (port(vm, spec, "udp")?, port(vm, spec, "tcp")?);
    let fields = vm.raw_get_str(spec, b"fields");
    if fields.tag != Tag::Table {
        return Err(vm.error(format_args!(
            "proto.define: fields is a list of {{name, type}}"
        )));
    }
    let names = vm.new_table(0, 0)?;
    let mut count = 0_u16;
    let mut lengths = [[0_u8; FIELD]; FIELDS];
    loop {
        let next = i64::from(count).wrapping_add(1);
        let field = vm.raw_get_int(fields.as_ref(), next);
        if field.is_nil() {
            break;
        }
        vm.charge(4)?;
        let (name, kind) = if field.tag == Tag::Table {
            (
                vm.raw_get_int(field.as_ref(), 1),
                vm.raw_get_int(field.as_ref(), 2),
            )
        } else {
            (Value::NIL, Value::NIL)
        };
        let Some((shape, len)) = shape(vm.bytes(kind)).filter(|_| name.tag == Tag::Str) else {
            return Err(odd_field(vm, next, kind));
        };
        let Some(slot) = lengths.get_mut(usize::from(count)) else {
            return Err(vm.error(format_args!("proto.define: more than {FIELDS} fields")));
        };
        let [high, low] = len.to_be_bytes();
        *slot = [shape as u8, 0, high, low];
        vm.raw_set_int(names, next, name)?;
        count = count.wrapping_add(1);
    }
    let size = HEAD.wrapping_add(usize::from(count).wrapping_mul(FIELD)) as u32;
    let made = create(vm, Class::Dissector, size, Value::object(Tag::Table, names))?;
    let head = [udp, tcp, count].map(u16::to_be_bytes);
    let all = head.as_flattened().iter().chain(lengths.as_flattened());
    for (to, from) in vm.heap.object_bytes_mut(made).iter_mut().zip(all) {
        *to = *from;
    }
    give(vm, Value::object(Tag::Object, made))
}

#[cold]
#[inline(never)]
fn odd_field(vm: &mut Vm, number: i64, kind: Value) -> Raise {
    let text = shown(vm, kind);
    let kind = Bytes(text.as_bytes());
    vm.error(format_args!(
        "proto.define: field {number} is no {{name, type}} of a known type ('{kind}'); there are u8, u16, u32, u64, u16le, u32le, u64le, ip4, ip6, mac and bytes:N"
    ))
}

/// Two bytes of the object.
fn word(vm: &Vm, object: Ref, at: usize) -> u16 {
    let bytes = vm
        .heap
        .object_bytes(object)
        .get(at..)
        .and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// `d(p)`, `d(string)`: a table of the fields; nil when the ports are others or it is too short.
pub(in crate::packet) fn call(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let object = object(vm, &f, Class::Dissector)?;
    let count = word(vm, object, 4);
    vm.charge(u64::from(count).wrapping_mul(2).wrapping_add(4))?;
    let Some(message) = message(vm, &f, object)? else {
        return give(vm, Value::NIL);
    };
    let names = vm.heap.object_value(object).as_ref();
    let table = vm.new_table(0, u32::from(count))?;
    let mut at = 0_usize;
    for i in 0..count {
        let entry = HEAD.wrapping_add(usize::from(i).wrapping_mul(FIELD));
        let shape = word(vm, object, entry) >> 8;
        let len = usize::from(word(vm, object, entry.wrapping_add(2)));
        let end = at.wrapping_add(len);
        let Some(part) = vm.bytes(message).get(at..end) else {
            return give(vm, Value::NIL);
        };
        let big = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        let value = if shape == Shape::Big as u16 {
            Value::int(part.iter().fold(0, big) as i64)
        } else if shape == Shape::Little as u16 {
            Value::int(part.iter().rev().fold(0, big) as i64)
        } else if shape == Shape::Mac as u16 {
            let text = mac_text(part);
            vm.new_string(text.as_bytes())?
        } else if shape == Shape::Address as u16 {
            match (part.first_chunk::<16>(), part.first_chunk::<4>()) {
                (Some(wide), _) => {
                    let wide = *wide;
                    value_of(vm, Got::Addr6(wide))?
                }
                (None, Some(narrow)) => addr4(u32::from_be_bytes(*narrow)),
                (None, None) => Value::NIL,
            }
        } else {
            piece(vm, message, Some((at, end)))?
        };
        let name = vm.raw_get_int(names, i64::from(i).wrapping_add(1));
        vm.raw_set(table, name, value)?;
        at = end;
    }
    give(vm, Value::object(Tag::Table, table))
}

/// What is to be dissected: a string, or what the packet carries if the ports are right.
fn message(vm: &mut Vm, f: &Args, object: Ref) -> Result<Option<Value>, Raise> {
    let v = vm.arg(f, 1);
    if v.tag != Tag::Packet {
        return vm.check_str(f, 1).map(Some);
    }
    if access::check(vm, v)? != Kind::Root {
        return Err(vm.type_error(f, 1, "packet or string"));
    }
    vm.packet.locate();
    let Some((from, len)) = vm.packet.payload_place() else {
        return Ok(None);
    };
    let wanted = match vm.packet.places.transport {
        Transport::Udp => word(vm, object, 0),
        Transport::Tcp => word(vm, object, 2),
        _ => 0,
    };
    let any = word(vm, object, 0) == 0 && word(vm, object, 2) == 0;
    let ports = vm.packet.ports().unwrap_or(0);
    let here = wanted != 0 && [ports >> 16, ports & 0xffff].contains(&u32::from(wanted));
    if any || here {
        access::bytes(vm, from, len).map(Some)
    } else {
        Ok(None)
    }
}
