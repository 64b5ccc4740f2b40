// SPDX-License-Identifier: GPL-2.0-only
//! Lua's standard library.
//!
//! What computes on bytes and numbers alone knows no VM: `pattern`, `search`, `directive`,
//! `pack`, `unicode`, `calendar`, `random`. The rest are natives: a file for each table of the library,
//! and `matching`, `format`, `packing`, `sort` and `loading` for the functions that are long. `text` is
//! `tostring`, for all of them.

// Exact comparisons and rounding to doubles are what Lua's functions do.
#![allow(clippy::float_cmp, clippy::cast_precision_loss)]

pub mod base;
mod calendar;
pub(crate) mod coercion;
pub mod coroutine;
pub mod debug;
mod directive;
mod format;
pub(crate) mod loading;
mod matching;
pub mod math;
pub mod os;
mod pack;
mod packing;
pub mod pattern;
pub mod random;
pub mod search;
pub mod sort;
pub mod string;
pub mod table;
mod text;
mod unicode;
pub mod utf8;

#[cfg(test)]
mod tests;

use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::Args;
#[cfg(feature = "user")]
pub(crate) use text::place;
use text::{text_of, text_result};

/// What the library keeps in a machine.
pub struct State {
    /// The names of types, by tag, as strings that live as long as the machine.
    pub types: [Value; TAGS],
    /// "integer" and "float".
    pub numbers: [Value; 2],
    /// The memory of pattern matching.
    pub pattern: pattern::Scratch,
    /// Whether `warn` shows anything.
    pub warnings: bool,
    /// Whether scripts were told that the collector is generational.
    pub generational: bool,
    /// The collector's pause and pace, as scripts were told.
    pub parameters: [i64; 2],
    /// The main program as a coroutine.
    pub main: Ref,
}

impl State {
    /// What a machine begins with.
    pub const fn new() -> Self {
        Self {
            types: [Value::NIL; TAGS],
            numbers: [Value::NIL; 2],
            pattern: pattern::Scratch::new(),
            warnings: false,
            generational: false,
            parameters: [200, 100],
            main: 0,
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// How many tags there are.
pub const TAGS: usize = Tag::Light as usize + 1;

/// Absolute index of a native's local number i: they lie behind its arguments.
const fn local(f: &Args, i: u32) -> u32 {
    f.base.wrapping_add(f.count).wrapping_add(i)
}

/// Makes room below the topmost `count` values for one more.
fn insert_below(vm: &mut Vm, count: u32, v: Value) -> Result<(), Raise> {
    vm.charge(u64::from(count >> 4))?;
    vm.push(Value::NIL)?;
    let mut i = vm.top().wrapping_sub(1);
    for _ in 0..count {
        let below = vm.get(i.wrapping_sub(1));
        vm.set(i, below);
        i = i.wrapping_sub(1);
    }
    vm.set(i, v);
    Ok(())
}

/// Fuel for copying or scanning so many bytes.
const fn bulk(bytes: usize) -> u64 {
    (bytes as u64 >> 8).wrapping_add(1)
}

/// Fuel for work on each of so many bytes.
const fn bytewise(bytes: usize) -> u64 {
    (bytes as u64 >> 3).wrapping_add(1)
}

/// A start position as an index from 1: negative ones count from the end, 0 is 1.
#[inline]
fn position_start(at: i64, len: usize) -> usize {
    if at > 0 {
        usize::try_from(at).unwrap_or(usize::MAX)
    } else if at == 0 || at.unsigned_abs() > len as u64 {
        1
    } else {
        len.wrapping_sub(at.unsigned_abs() as usize).wrapping_add(1)
    }
}

/// An end position as an index from 1, at most the length; 0 for what is before the start.
#[inline]
fn position_end(at: i64, len: usize) -> usize {
    if at >= 0 {
        usize::try_from(at).unwrap_or(usize::MAX).min(len)
    } else if at.unsigned_abs() > len as u64 {
        0
    } else {
        len.wrapping_sub(at.unsigned_abs() as usize).wrapping_add(1)
    }
}
