// SPDX-License-Identifier: GPL-2.0-only
//! Packet values in the machine: what indexing and assigning to them does.

use super::fields::{self, Field, Kind, What};
use super::read::Got;
use super::{library, suggestion};
use crate::value::{Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};

/// Reads the field behind a path of a value that shows the packet at hand, if that is neither an error
/// nor takes memory that must be collected first. `None` says nothing.
#[inline(always)]
pub fn quick(vm: &mut Vm, v: Value, path: u16) -> Option<Value> {
    vm.packet.packet()?;
    let field = fields::field(path)?;
    if field.what == What::Payload
        && let Some(payload) = vm.packet.payload_in_windows()
    {
        return Some(payload);
    }
    if field.dissected {
        // As for the whole: the next loop or call sees that there is none left.
        vm.fuel = vm.fuel.wrapping_sub(1);
        return super::dissect::quick(vm, v, field);
    }
    quick_plain(vm, field)
}

/// The same of what no dissector answers.
#[inline(never)]
fn quick_plain(vm: &mut Vm, field: &Field) -> Option<Value> {
    match field.what {
        What::Method(method) => Some(library::method(method)),
        // Texts that are made anew; what connection tracking is asked for.
        What::InputName
        | What::OutputName
        | What::EthSource
        | What::EthDestination
        | What::Connection(_)
        | What::View(Kind::Ct) => None,
        _ => match vm.packet.read(field) {
            Got::Nil => Some(Value::NIL),
            Got::Flag(flag) => Some(Value::boolean(flag)),
            Got::Int(n) => Some(Value::int(n)),
            Got::Addr4(address) => Some(addr4(address)),
            Got::View(kind, offset) => Some(vm.packet.view(kind, offset)),
            Got::Bytes(offset, len) => {
                vm.packet.bytes(offset, len)?;
                Some(vm.packet.show(offset, len))
            }
            Got::Addr6(_) | Got::Name(_) | Got::Text(_) | Got::Dissected => None,
        },
    }
}

/// `v.name` for a packet value, by the name's field id.
pub fn get_id(vm: &mut Vm, v: Value, field_id: u16) -> Result<Value, Raise> {
    // The first field that is asked for: from here on the headers are known.
    vm.packet.locate();
    let path = vm.packet.path_in(v, field_id);
    if let Some(value) = path.and_then(|path| vm.packet.fast_field(path)) {
        return Ok(value);
    }
    let kind = check(vm, v)?;
    let field = by_id(vm, kind, field_id)?;
    get_field(vm, v, field)
}

/// The field of a view that a name means, by the name's field id.
fn by_id(vm: &mut Vm, kind: Kind, field_id: u16) -> Result<&'static Field, Raise> {
    fields::field(fields::path_of(kind as u8, field_id)).ok_or_else(|| {
        let name = fields::names().get(usize::from(field_id));
        unknown(vm, kind, name.copied().unwrap_or("").as_bytes())
    })
}

/// `v[key]` for a packet value.
pub fn get(vm: &mut Vm, v: Value, key: Value) -> Result<Value, Raise> {
    let field = lookup(vm, v, key)?;
    get_field(vm, v, field)
}

/// `v.first.second` for a packet value and a path of it. `None` when the packet does not have the
/// first: then it is nil that is indexed.
pub fn get_path(vm: &mut Vm, v: Value, path: u16) -> Result<Option<Value>, Raise> {
    vm.packet.locate();
    if let Some(value) = vm.packet.fast_path(v, path) {
        return Ok(Some(value));
    }
    let Some(field) = fields::field(path) else {
        return Ok(None);
    };
    let kind = check(vm, v)?;
    if kind != Kind::Root {
        // A view has no views of its own.
        return Err(unknown(vm, kind, field.kind.name().as_bytes()));
    }
    let view = part(vm, field.kind)?;
    if view.is_nil() {
        Ok(None)
    } else {
        get_field(vm, view, field).map(Some)
    }
}

/// `v.name = value` for a packet value by the name's field id, if that is neither an error nor changes a
/// string that a script has. `false` says nothing.
#[inline(never)]
pub fn quick_set(vm: &mut Vm, v: Value, field_id: u16, value: Value) -> bool {
    if v.tag != Tag::Packet || v.aux != vm.packet.serial() || vm.packet.packet().is_none() {
        return false;
    }
    match fields::field(fields::path_of(v.payload as u8, field_id)) {
        Some(field) if field.writable => super::assign::quick(vm, field, value),
        _ => false,
    }
}

/// `v.name = value` for a packet value, by the name's field id.
pub fn set_id(vm: &mut Vm, v: Value, field_id: u16, value: Value) -> Result<(), Raise> {
    let kind = check(vm, v)?;
    let field = by_id(vm, kind, field_id)?;
    write(vm, field, value)
}

/// `v[key] = value` for a packet value.
pub fn set(vm: &mut Vm, v: Value, key: Value, value: Value) -> Result<(), Raise> {
    let field = lookup(vm, v, key)?;
    write(vm, field, value)
}

fn write(vm: &mut Vm, field: &'static Field, value: Value) -> Result<(), Raise> {
    if !field.writable {
        let kind = field.kind.name();
        return Err(vm.error(format_args!(
            "field '{}' of {kind} cannot be written",
            field.name
        )));
    }
    super::assign::assign(vm, field, value)
}

/// The kind of a packet value, if it shows the packet at hand.
pub fn check(vm: &mut Vm, v: Value) -> Result<Kind, Raise> {
    let kind = Kind::from_payload(v.payload);
    match (kind, vm.packet.packet()) {
        (Some(kind), Some(_)) if v.tag == Tag::Packet && v.aux == vm.packet.serial() => Ok(kind),
        _ => Err(vm.error(format_args!(
            "this packet is gone: keep its fields, not the packet, from one call to the next"
        ))),
    }
}

/// The field of a packet value that a key names.
fn lookup(vm: &mut Vm, v: Value, key: Value) -> Result<&'static Field, Raise> {
    let kind = check(vm, v)?;
    let id = match key.tag {
        // A constant of the program knows its field.
        Tag::Str if key.aux != 0 => Some(key.aux.wrapping_sub(1) as u16),
        Tag::Str | Tag::Bytes => fields::field_id(vm.bytes(key)),
        _ => {
            return Err(vm.error(format_args!("the fields of {} have names", kind.name())));
        }
    };
    if let Some(field) = id.and_then(|id| fields::field(fields::path_of(kind as u8, id))) {
        Ok(field)
    } else {
        let mut name = super::read::Text::new();
        name.push(vm.bytes(key));
        Err(unknown(vm, kind, name.as_bytes()))
    }
}

#[cold]
fn unknown(vm: &mut Vm, kind: Kind, name: &[u8]) -> Raise {
    let of = if kind == Kind::Root { "" } else { kind.name() };
    let (of, gap) = if of.is_empty() {
        ("", "")
    } else {
        (of, " of ")
    };
    let name_shown = Bytes(name);
    match suggestion(kind, name) {
        Some(known) => vm.error(format_args!(
            "no field '{name_shown}'{gap}{of}; did you mean '{known}'?"
        )),
        None => vm.error(format_args!("no field '{name_shown}'{gap}{of}")),
    }
}

/// A part of the packet at hand, nil if it has none.
fn part(vm: &mut Vm, kind: Kind) -> Result<Value, Raise> {
    let id = fields::field_id(kind.name().as_bytes()).unwrap_or(u16::MAX);
    let root = vm.packet.root();
    match fields::field(fields::path_of(Kind::Root as u8, id)) {
        Some(field) => get_field(vm, root, field),
        None => Ok(Value::NIL),
    }
}

fn get_field(vm: &mut Vm, v: Value, field: &'static Field) -> Result<Value, Raise> {
    if let What::Method(method) = field.what {
        return Ok(library::method(method));
    }
    match vm.packet.read(field) {
        Got::Dissected => match field.what {
            What::Connection(part) => super::conntrack::get(vm, v, part),
            What::View(Kind::Ct) => super::conntrack::view(vm),
            _ => super::dissect::get(vm, v, field),
        },
        got => value_of(vm, got),
    }
}

/// Makes a value of what was read.
pub fn value_of(vm: &mut Vm, got: Got) -> Result<Value, Raise> {
    Ok(match got {
        Got::Nil | Got::Dissected => Value::NIL,
        Got::Flag(flag) => Value::boolean(flag),
        Got::Int(n) => Value::int(n),
        Got::Addr4(address) => addr4(address),
        Got::Addr6(bytes) => vm.allocate(|heap| heap.new_addr6(bytes))?,
        Got::View(kind, offset) => vm.packet.view(kind, offset),
        Got::Bytes(offset, len) => bytes(vm, offset, len)?,
        Got::Name(name) => vm.new_string(name.as_bytes())?,
        Got::Text(text) => vm.new_string(text.as_bytes())?,
    })
}

/// An IPv4 address as a value.
pub const fn addr4(address: u32) -> Value {
    Value {
        tag: Tag::Addr4,
        aux: 0,
        payload: address as u64,
    }
}

/// Bytes of the packet as a string: where they are, or copied if they are not linear.
pub fn bytes(vm: &mut Vm, offset: u32, len: u32) -> Result<Value, Raise> {
    if vm.packet.bytes(offset, len).is_some() {
        return Ok(vm.packet.show(offset, len));
    }
    vm.charge(u64::from(len) / 64)?;
    let buffer = vm.new_buffer(len as usize)?;
    let mut piece = [0; 128];
    let mut done = 0;
    while done < len {
        let count = len.wrapping_sub(done).min(128);
        let part = piece.get_mut(..count as usize).unwrap_or_default();
        if !vm.packet.fetch(offset.wrapping_add(done), part) {
            return Ok(Value::NIL);
        }
        vm.push_bytes(buffer, part)?;
        done = done.wrapping_add(count);
    }
    Ok(vm.heap.finish_buffer(buffer))
}
