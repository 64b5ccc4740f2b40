// SPDX-License-Identifier: GPL-2.0-only
//! Any value as text.

use crate::memory::cell::Kind;
use crate::number::format::{self, Spec, Text};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Meta};
use crate::vm::{Event, Vm};

/// The longest string that is equal to another one by being the same one in PUC.
const INTERNED: usize = 40;

/// What `tostring` gives. For `Meta::Call` the answer is [`text_result`].
pub fn text_of(vm: &mut Vm, v: Value) -> Result<Meta<Value>, Raise> {
    match v.tag {
        Tag::Str | Tag::Bytes => return Ok(Meta::Done(v)),
        Tag::Int | Tag::Float => return vm.number_to_string(v).map(Meta::Done),
        _ => {}
    }
    let method = vm.metamethod(v, Event::ToString);
    if !method.is_nil() {
        return vm.push_meta_call(method, &[v]).map(Meta::Call);
    }
    let text = match v.tag {
        Tag::Nil => vm.new_string(b"nil")?,
        Tag::True => vm.new_string(b"true")?,
        Tag::False => vm.new_string(b"false")?,
        _ => named(vm, v)?,
    };
    Ok(Meta::Done(text))
}

/// What a `__tostring` returned, which must be a string.
pub fn text_result(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let text = vm.result(f, 0);
    match text.tag {
        Tag::Str | Tag::Bytes => Ok(text),
        Tag::Int | Tag::Float => vm.number_to_string(text),
        _ => Err(vm.error(format_args!("'__tostring' must return a string"))),
    }
}

/// `type: 0x…`.
fn named(vm: &mut Vm, v: Value) -> Result<Value, Raise> {
    let buffer = vm.new_buffer(32)?;
    let name = vm.metamethod(v, Event::Name);
    if matches!(name.tag, Tag::Str | Tag::Bytes) {
        vm.push_part(buffer, name, 0, usize::MAX)?;
    } else {
        put(vm, buffer, crate::vm::error::type_name(v).as_bytes())?;
    }
    put(vm, buffer, b": ")?;
    let mut room = [0; 24];
    let mut out = Text::new(&mut room);
    place(&mut out, identity(vm, v).unwrap_or(0));
    put(vm, buffer, out.bytes())?;
    Ok(vm.heap.finish_buffer(buffer))
}

fn put(vm: &mut Vm, buffer: Ref, bytes: &[u8]) -> Result<(), Raise> {
    vm.push_bytes(buffer, bytes)
}

/// A place as C shows a pointer.
pub fn place(out: &mut Text, place: u64) {
    out.put(b"0x");
    let spec = Spec {
        precision: Some(14),
        ..Spec::default()
    };
    format::int(out, spec, b'x', place as i64);
}

/// What tells a value with an identity apart from all others: its place in the environment's own
/// memory, never an address.
pub fn identity(vm: &mut Vm, v: Value) -> Option<u64> {
    // Kept apart by their upper bits.
    const HASHED: u64 = 1 << 40;
    const NATIVE: u64 = 2 << 40;
    const LIGHT: u64 = 4 << 40;
    match v.tag {
        Tag::Str if vm.bytes(v).len() > INTERNED => Some(u64::from(v.as_ref())),
        Tag::Str | Tag::Bytes => {
            let hash = vm.heap.hash_bytes(vm.bytes(v));
            Some(HASHED | u64::from(hash))
        }
        Tag::Native => Some(NATIVE | v.payload),
        Tag::Light => Some(LIGHT | v.payload),
        Tag::Closure | Tag::Table | Tag::Thread | Tag::Object => {
            debug_assert!(vm.heap.kind(v.as_ref()) != Kind::Free);
            Some(u64::from(v.as_ref()))
        }
        _ => None,
    }
}
