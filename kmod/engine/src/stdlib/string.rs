// SPDX-License-Identifier: GPL-2.0-only
//! `string`: lengths, cases, pieces. Patterns are in `matching`, `format` in `format`, `pack` in
//! `packing`.

use super::pack::MAX_SIZE;
use super::{bulk, bytewise, coercion, format, matching, packing, position_end, position_start};
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step};

/// The functions of `string`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("byte", byte),
    NativeDef::new("char", char),
    NativeDef::new("find", matching::find).quickly(matching::quick_find),
    NativeDef::new("format", format::format),
    NativeDef::new("gmatch", matching::gmatch),
    NativeDef::new("gsub", matching::gsub),
    NativeDef::new("len", len),
    NativeDef::new("lower", lower_case),
    NativeDef::new("match", matching::find_captures),
    NativeDef::new("pack", packing::pack),
    NativeDef::new("packsize", packing::packsize),
    NativeDef::new("rep", rep),
    NativeDef::new("reverse", reverse),
    NativeDef::new("sub", sub),
    NativeDef::new("unpack", packing::unpack),
    NativeDef::new("upper", upper),
    NativeDef::hidden("for iterator", matching::gmatch_next),
    NativeDef::hidden("__add", coercion::metamethod::<0>),
    NativeDef::hidden("__sub", coercion::metamethod::<1>),
    NativeDef::hidden("__mul", coercion::metamethod::<2>),
    NativeDef::hidden("__mod", coercion::metamethod::<3>),
    NativeDef::hidden("__pow", coercion::metamethod::<4>),
    NativeDef::hidden("__div", coercion::metamethod::<5>),
    NativeDef::hidden("__idiv", coercion::metamethod::<6>),
    NativeDef::hidden("__unm", coercion::metamethod::<7>),
];

/// `string`.
pub const LIBRARY: Library = Library {
    name: "string",
    natives: NATIVES,
    open: Some(open),
};

/// Strings index into `string`, and are numbers to arithmetic where they can be.
fn open(vm: &mut Vm, table: Ref) -> Result<(), OutOfMemory> {
    let meta = vm
        .heap
        .new_table(0, const { 1 + coercion::EVENTS.len() as u32 })?;
    let key = vm.shared_string(b"__index")?;
    vm.heap.set(meta, key, Value::object(Tag::Table, table))?;
    for event in coercion::EVENTS {
        let key = vm.shared_string(event.name().as_bytes())?;
        vm.heap.set(meta, key, coercion::of(event))?;
    }
    vm.set_type_metatable(Tag::Str, meta);
    Ok(())
}

fn len(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    vm.push(Value::int(len as i64))?;
    Ok(Step::Return(1))
}

fn sub(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let len = vm.bytes(s).len();
    let from = vm.check_int(&f, 1)?;
    let start = position_start(from, len);
    let to = vm.opt_int(&f, 2, -1)?;
    let end = position_end(to, len);
    let start = start.wrapping_sub(1).min(end);
    vm.charge(bulk(end.wrapping_sub(start)))?;
    let part = vm.substring(s, start, end)?;
    vm.push(part)?;
    Ok(Step::Return(1))
}

fn byte(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let from = vm.opt_int(&f, 1, 1)?;
    if f.count <= 2 && from > 0 {
        // The usual call.
        let b = vm.bytes(s).get(from.wrapping_sub(1) as usize).copied();
        let Some(b) = b else {
            return Ok(Step::Return(0));
        };
        vm.push(Value::int(i64::from(b)))?;
        return Ok(Step::Return(1));
    }
    let len = vm.bytes(s).len();
    let start = position_start(from, len);
    let to = vm.opt_int(&f, 2, from)?;
    let end = position_end(to, len);
    let count = end.saturating_sub(start.wrapping_sub(1));
    if count > 1 {
        vm.charge(bytewise(count))?;
        vm.ensure_stack(u32::try_from(count).unwrap_or(u32::MAX))?;
    }
    for i in start..start.saturating_add(count) {
        let b = vm.bytes(s).get(i.wrapping_sub(1)).copied().unwrap_or(0);
        vm.push(Value::int(i64::from(b)))?;
    }
    Ok(Step::Return(count as u32))
}

fn char(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(bytewise(f.count as usize))?;
    let mut few = [0u8; 16];
    if f.count as usize <= few.len() {
        for (i, slot) in (0..f.count).zip(&mut few) {
            *slot = code(vm, &f, i)?;
        }
        let s = vm.new_string(few.get(..f.count as usize).unwrap_or_default())?;
        vm.push(s)?;
        return Ok(Step::Return(1));
    }
    let buffer = vm.new_buffer(f.count as usize)?;
    for i in 0..f.count {
        let b = code(vm, &f, i)?;
        vm.push_bytes(buffer, &[b])?;
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

/// An argument that is a byte.
#[inline]
fn code(vm: &mut Vm, f: &Args, i: u32) -> Result<u8, Raise> {
    let code = vm.check_int(f, i)?;
    u8::try_from(code).map_err(|_| vm.arg_error(f, i, format_args!("value out of range")))
}

/// The argument's bytes made into others.
fn changed(vm: &mut Vm, f: &Args, change: fn(&[u8], &mut [u8])) -> Result<Step, Raise> {
    let s = vm.check_str(f, 0)?;
    let len = vm.bytes(s).len();
    vm.charge(bytewise(len))?;
    let s = vm.changed(s, change)?;
    vm.push(s)?;
    Ok(Step::Return(1))
}

pub(crate) use crate::memory::strings::short_word;

/// The top bits of those of eight bytes that are from `first` to `last`, which are below 128.
#[inline(always)]
pub(crate) const fn between(word: u64, first: u8, last: u8) -> u64 {
    const TOPS: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Below 128 adding this reaches the top bit from `first` on, and from behind `last` on.
    let above = ONES.wrapping_mul(128u8.wrapping_sub(first) as u64);
    let behind = ONES.wrapping_mul(127u8.wrapping_sub(last) as u64);
    let low = word & !TOPS;
    low.wrapping_add(above) & !low.wrapping_add(behind) & !word & TOPS
}

/// Whether a byte of a text is among those that `found` tells the top bits of.
#[inline(always)]
fn any(text: &[u8], found: impl Fn(u64) -> u64, slowly: impl Fn(u8) -> bool) -> bool {
    match text.last_chunk::<8>() {
        // The last eight bytes may have been looked at already.
        Some(last) => {
            let (words, _) = text.as_chunks::<8>();
            let hit = |word: &[u8; 8]| found(u64::from_le_bytes(*word)) != 0;
            words.iter().any(hit) || hit(last)
        }
        None => text.iter().any(|b| slowly(*b)),
    }
}

/// Whether ASCII text has a letter that [`lower`] changes.
#[inline]
pub fn has_upper(text: &[u8]) -> bool {
    any(
        text,
        |word| between(word, b'A', b'Z'),
        |b| b.is_ascii_uppercase(),
    )
}

/// Whether text is of visible ASCII characters, without spaces.
#[inline]
pub fn is_graphic(text: &[u8]) -> bool {
    const TOPS: u64 = 0x8080_8080_8080_8080;
    !any(
        text,
        |word| !between(word, b'!', b'~') & TOPS,
        |b| !b.is_ascii_graphic(),
    )
}

/// The bytes from `first` to `last` of each eight, with the bit flipped that tells cases apart.
#[inline(always)]
fn flip(from: &[u8], to: &mut [u8], first: u8, last: u8) {
    let change = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        (word ^ between(word, first, last) >> 2).to_le_bytes()
    };
    let (words, rest) = from.as_chunks::<8>();
    let (changed, _) = to.as_chunks_mut::<8>();
    for (word, to) in words.iter().zip(changed) {
        *to = change(word);
    }
    if rest.is_empty() {
        return;
    }
    if let (Some(end), Some(to)) = (from.last_chunk::<8>(), to.last_chunk_mut::<8>()) {
        // Some of them once more.
        *to = change(end);
        return;
    }
    for (b, to) in from.iter().zip(to) {
        *to = if (first..=last).contains(b) {
            *b ^ 32
        } else {
            *b
        };
    }
}

/// Writes ASCII text in lower case; the two are equally long.
pub fn lower(from: &[u8], to: &mut [u8]) {
    flip(from, to, b'A', b'Z');
}

fn lower_case(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, lower)
}

fn upper(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, |from, to| flip(from, to, b'a', b'z'))
}

fn reverse(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    changed(vm, &f, |from, to| {
        for (b, to) in from.iter().rev().zip(to) {
            *to = *b;
        }
    })
}

fn rep(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let count = vm.check_int(&f, 1)?;
    let separator = vm.opt_str(&f, 2)?;
    let len = vm.bytes(s).len();
    let gap = separator.map_or(0, |s| vm.bytes(s).len());
    let unit = len.saturating_add(gap);
    let Ok(count) = usize::try_from(count) else {
        return nothing(vm);
    };
    if count == 0 || unit == 0 {
        return nothing(vm);
    }
    if unit > MAX_SIZE.checked_div(count).unwrap_or(0) {
        return Err(vm.error(format_args!("resulting string too large")));
    }
    let total = unit.wrapping_mul(count).wrapping_sub(gap);
    vm.charge(bulk(total))?;
    let buffer = vm.new_buffer(total)?;
    vm.push_part(buffer, s, 0, len)?;
    if let Some(separator) = separator
        && count > 1
    {
        vm.push_part(buffer, separator, 0, gap)?;
    }
    // What is there is doubled until it is enough: it always begins a unit.
    let mut have = vm.heap.buffer_bytes(buffer).len();
    while have < total {
        let more = have.min(total.wrapping_sub(have));
        vm.allocate(|heap| heap.push_part(buffer, buffer, 0, more))?;
        have = have.wrapping_add(more);
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

fn nothing(vm: &mut Vm) -> Result<Step, Raise> {
    let empty = vm.new_string(b"")?;
    vm.push(empty)?;
    Ok(Step::Return(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    extern crate std;
    use super::{has_upper, is_graphic, lower};
    use std::vec;

    #[test]
    fn every_byte_at_every_place_of_texts_of_every_length() {
        for len in 1..=20 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    let mut lowered = vec![0; len];
                    lower(&text, &mut lowered);
                    assert_eq!(lowered, text.to_ascii_lowercase());
                    assert_eq!(has_upper(&text), text.iter().any(u8::is_ascii_uppercase));
                    assert_eq!(is_graphic(&text), text.iter().all(u8::is_ascii_graphic));
                }
            }
        }
        assert!(!has_upper(b"") && is_graphic(b""));
    }
}
