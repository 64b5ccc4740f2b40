// SPDX-License-Identifier: GPL-2.0-only
//! A matcher's memory. It lies in the machine, for it is too large for the stack of a kernel.

use super::class::Bits;
use super::{Answer, Captured, Fault};
use core::cell::Cell;

/// Captures of a pattern.
pub(super) const CAPTURES: usize = 32;
/// Entries of the backtracking stack.
pub(super) const DEPTH: usize = 199;
/// How many sets a matcher remembers.
pub(super) const SETS: usize = 8;

/// A capture's length while it is open.
pub(super) const OPEN: u32 = u32::MAX;
/// A position capture's length.
pub(super) const POSITION: u32 = u32::MAX - 1;

#[derive(Clone, Copy)]
pub(super) struct Capture {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// What to do when the rest of the pattern does not match.
#[derive(Clone, Copy)]
pub(super) enum Retry {
    /// `*` and `+`: one repetition less. The repetitions that are left to try begin at `s`.
    Greedy { s: u32, count: u32, next: u32 },
    /// `-`: one repetition more.
    Lazy { s: u32, item: u32, end: u32 },
    /// `?`: without the item.
    Without { s: u32, next: u32 },
    /// Forget the youngest capture.
    Forget,
    /// Open this capture again.
    Reopen(u32),
}

/// A set of the pattern that was read.
pub(super) struct Set {
    /// Where it begins, and in the upper half the number of the match that it belongs to.
    pub(super) start: Cell<u64>,
    /// Where it ends.
    pub(super) end: Cell<usize>,
    pub(super) bits: Cell<Bits>,
}

/// Memory of a matcher; it carries nothing from one match to the next. Its cells let a matcher use
/// it beside slices that borrow the same machine.
pub struct Scratch {
    pub(super) captures: [Cell<Capture>; CAPTURES],
    pub(super) stack: [Cell<Retry>; DEPTH],
    pub(super) sets: [Set; SETS],
    /// The number of the match at hand.
    pub(super) number: Cell<u32>,
}

impl Scratch {
    /// Ready for use.
    pub const fn new() -> Self {
        Self {
            captures: [const { Cell::new(Capture { start: 0, len: 0 }) }; CAPTURES],
            stack: [const { Cell::new(Retry::Forget) }; DEPTH],
            sets: [const {
                Set {
                    start: Cell::new(0),
                    end: Cell::new(0),
                    bits: Cell::new([0; 4]),
                }
            }; SETS],
            number: Cell::new(0),
        }
    }

    /// Capture number i, from 0, of the last match, which made `level` of them and went from `start`
    /// to `end` (that is capture 0 when the pattern has none).
    pub fn capture(&self, level: usize, i: usize, start: usize, end: usize) -> Answer<Captured> {
        if i >= level {
            return if i == 0 {
                Ok(Captured::Bytes(start, end))
            } else {
                Err(Fault::Index(i.wrapping_add(1) as u32))
            };
        }
        let capture = self.captures.get(i).map_or(
            Capture {
                start: 0,
                len: OPEN,
            },
            Cell::get,
        );
        let from = capture.start as usize;
        match capture.len {
            OPEN => Err(Fault::Malformed("unfinished capture")),
            POSITION => Ok(Captured::Position(from.wrapping_add(1) as i64)),
            len => Ok(Captured::Bytes(from, from.wrapping_add(len as usize))),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
