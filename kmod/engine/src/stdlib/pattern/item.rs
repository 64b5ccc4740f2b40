// SPDX-License-Identifier: GPL-2.0-only
//! Single items of a pattern: what stands for one byte of the subject.

use super::class::{self, Bits, class_bits, has, in_set};
use super::scratch::{CAPTURES, OPEN, SETS};
use super::{Answer, ESCAPE, Fault, Matcher};
use crate::stdlib::search;
use core::cell::Cell;

/// What stands for one byte of the subject.
#[derive(Clone, Copy)]
pub(super) enum Single<'a> {
    Byte(u8),
    Any,
    Class(&'static Bits),
    Set(&'a Cell<Bits>),
    /// A set that is not remembered, between its brackets.
    Text(&'a [u8]),
}

impl Single<'_> {
    /// Steps for each byte that is looked at.
    #[inline(always)]
    pub(super) fn price(self) -> u64 {
        match self {
            Single::Text(set) => (set.len() as u64 >> 1).wrapping_add(2),
            _ => 1,
        }
    }

    /// Whether it is such a byte.
    #[inline(always)]
    pub(super) fn fits(self, c: u8) -> bool {
        match self {
            Single::Byte(b) => b == c,
            Single::Any => true,
            Single::Class(bits) => has(bits, c),
            Single::Set(bits) => has(&bits.get(), c),
            Single::Text(set) => in_set(c, set),
        }
    }

    /// How many bytes are such ones from the start.
    #[inline]
    pub(super) fn run(self, text: &[u8]) -> usize {
        let end = match self {
            Single::Byte(b) => text.iter().position(|c| *c != b),
            Single::Any => None,
            Single::Class(bits) => text.iter().position(|c| !has(bits, *c)),
            Single::Set(bits) => {
                let bits = bits.get();
                text.iter().position(|c| !has(&bits, *c))
            }
            Single::Text(set) => text.iter().position(|c| !in_set(*c, set)),
        };
        end.unwrap_or(text.len())
    }

    /// Where the first such byte is.
    #[inline]
    pub(super) fn first(self, text: &[u8]) -> Option<usize> {
        match self {
            Single::Byte(b) => search::byte(text, b),
            Single::Any => (!text.is_empty()).then_some(0),
            Single::Class(bits) => text.iter().position(|c| has(bits, *c)),
            Single::Set(bits) => {
                let bits = bits.get();
                text.iter().position(|c| has(&bits, *c))
            }
            Single::Text(set) => text.iter().position(|c| in_set(*c, set)),
        }
    }
}

impl<'a> Matcher<'a> {
    /// The single item at `p`, which begins with `c`, and where it ends.
    #[inline]
    pub(super) fn item(&self, c: u8, p: usize) -> Answer<(Single<'a>, usize)> {
        let next = p.wrapping_add(1);
        Ok(match c {
            b'.' => (Single::Any, next),
            ESCAPE => {
                let Some(class) = self.at(next) else {
                    return Err(Fault::Malformed("malformed pattern (ends with '%')"));
                };
                let single = class_bits(class).map_or(Single::Byte(class), Single::Class);
                (single, next.wrapping_add(1))
            }
            b'[' => self.set(p)?,
            _ => (Single::Byte(c), next),
        })
    }

    /// The set at `p`. Its place in the memory of sets stays its own for the whole match; a set that
    /// finds it taken is read again each time.
    pub(super) fn set(&self, p: usize) -> Answer<(Single<'a>, usize)> {
        let scratch = self.scratch;
        let start = p.wrapping_add(1);
        let place = (p ^ p.wrapping_shr(3)) & SETS.wrapping_sub(1);
        let remembered = scratch.sets.get(place);
        let number = u64::from(scratch.number.get()) << 32;
        let key = number | start as u64;
        if let Some(set) = remembered
            && set.start.get() == key
        {
            return Ok((Single::Set(&set.bits), set.end.get()));
        }
        let end = class::end(self.pattern, p).map_err(Fault::Malformed)?;
        let text = self.pattern.get(start..end.wrapping_sub(1));
        let text = text.unwrap_or_default();
        match remembered {
            Some(set) if set.start.get() < number => {
                set.bits.set(class::set_bits(text));
                set.start.set(key);
                set.end.set(end);
                Ok((Single::Set(&set.bits), end))
            }
            _ => Ok((Single::Text(text), end)),
        }
    }

    /// The byte that every match begins with, if the pattern begins with an item that must be there.
    pub(super) fn first_item(&self) -> Option<Single<'a>> {
        let mut p = 0usize;
        // Captures that begin here take nothing.
        while p < CAPTURES && self.at(p) == Some(b'(') && self.at(p.wrapping_add(1)) != Some(b')') {
            p = p.wrapping_add(1);
        }
        self.required(p)
    }

    /// The single item at `p`, if there is one that must fit once.
    fn required(&self, p: usize) -> Option<Single<'a>> {
        let c = self.at(p)?;
        let special = match c {
            b'(' | b')' => true,
            b'$' => p.wrapping_add(1) == self.pattern.len(),
            ESCAPE => matches!(self.at(p.wrapping_add(1)), Some(b'b' | b'f' | b'0'..=b'9')),
            _ => false,
        };
        if special {
            return None;
        }
        // What is wrong with it is told when it is matched.
        let (single, end) = self.item(c, p).ok()?;
        match self.at(end) {
            Some(b'*' | b'?' | b'-') => None,
            _ => Some(single),
        }
    }

    /// The byte that must follow what ends before `p`, if it is a plain one. A capture may end there.
    pub(super) fn literal_after(&self, p: usize) -> Option<u8> {
        let mut p = p;
        if self.at(p) == Some(b')') {
            let last = self.level.checked_sub(1)?;
            if self.scratch.captures.get(last)?.get().len != OPEN {
                return None;
            }
            p = p.wrapping_add(1);
        }
        match self.required(p) {
            Some(Single::Byte(b)) => Some(b),
            _ => None,
        }
    }
}
