// SPDX-License-Identifier: GPL-2.0-only
//! Sets of domain names: `domainset{…}`.

use super::{Class, create, fill, give, object, shown};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step};

/// A name in lower case without a final dot, at most as long as DNS allows.
struct Domain {
    bytes: [u8; 255],
    len: usize,
}

impl Domain {
    fn new(name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut domain = Self {
            bytes: [0; 255],
            len: name.len(),
        };
        for (to, from) in domain.bytes.get_mut(..name.len())?.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        Some(domain)
    }
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// `domainset{…}`.
pub(super) fn new(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_table(&f, 0)?;
    let table = vm.new_table(0, 0)?;
    let set = create(vm, Class::DomainSet, 0, Value::object(Tag::Table, table))?;
    let v = Value::object(Tag::Object, set);
    vm.push(v)?;
    fill(vm, &f, set, put)?;
    give(vm, v)
}

fn put(vm: &mut Vm, set: Ref, name: Value, value: Value) -> Result<(), Raise> {
    let domain = Domain::new(vm.bytes(name));
    match domain {
        Some(domain) if domain.len > 0 && matches!(name.tag, Tag::Str | Tag::Bytes) => {
            let table = vm.heap.object_value(set).as_ref();
            vm.raw_set_str(table, domain.as_bytes(), value)
        }
        _ => {
            let text = shown(vm, name);
            Err(vm.error(format_args!(
                "'{}' is not a domain name",
                Bytes(text.as_bytes())
            )))
        }
    }
}

/// What the longest suffix of a name that is in the set holds; nil when none is.
fn find(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let set = object(vm, f, Class::DomainSet)?;
    if vm.arg(f, 1).is_nil() {
        return Ok(Value::NIL);
    }
    let name = vm.check_str(f, 1)?;
    let table = vm.heap.object_value(set).as_ref();
    let bytes = vm.bytes(name);
    let (found, asked) = if bytes.iter().any(u8::is_ascii_uppercase) {
        let Some(domain) = Domain::new(bytes) else {
            return Ok(Value::NIL);
        };
        find_suffix(vm, table, domain.as_bytes())
    } else {
        find_suffix(vm, table, bytes.strip_suffix(b".").unwrap_or(bytes))
    };
    vm.charge(asked)?;
    Ok(found)
}

/// What the longest suffix of a name that is a key of the table holds, and how many were tried. A
/// name longer than any domain's has none.
fn find_suffix(vm: &Vm, table: Ref, name: &[u8]) -> (Value, u64) {
    let mut asked = 0_u64;
    let mut rest = if name.len() <= 255 { name } else { &[] };
    while !rest.is_empty() {
        asked = asked.wrapping_add(1).wrapping_add(rest.len() as u64 / 32);
        let found = vm.heap.get_bytes(table, rest);
        if !found.is_nil() {
            return (found, asked);
        }
        let Some(dot) = rest.iter().position(|b| *b == b'.') else {
            break;
        };
        rest = rest.get(dot.wrapping_add(1)..).unwrap_or(&[]);
    }
    (Value::NIL, asked)
}

pub(super) fn has(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = find(vm, &f)?;
    give(vm, Value::boolean(!found.is_nil()))
}

pub(super) fn get(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = find(vm, &f)?;
    give(vm, found)
}

/// `s:add(name [, value])`; a value of nil takes the name out.
pub(super) fn add(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let set = object(vm, &f, Class::DomainSet)?;
    let name = vm.check_any(&f, 1)?;
    let value = if f.count < 3 {
        Value::boolean(true)
    } else {
        vm.arg(&f, 2)
    };
    put(vm, set, name, value)?;
    Ok(Step::Return(0))
}
