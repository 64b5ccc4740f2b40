// SPDX-License-Identifier: GPL-2.0-only
//! Lua patterns over byte slices.
//!
//! A matcher backtracks by an explicit stack of at most [`scratch::DEPTH`] entries, as deep as PUC's
//! recursion may get, and pays for each step, so that no pattern can take longer than its fuel.
//!
//! * this file — the matcher: going through the pattern, and back
//! * `item` — what stands for one byte: `a`, `.`, `%a`, `[a-z]`; `class` — which bytes these are
//! * `capture` — what is neither an item nor its repetition: captures, `%b`, `%f`, `%1`
//! * `scratch` — a matcher's memory: captures, alternatives, sets that it has read
//! * `budget` — how many steps it may make

mod budget;
mod capture;
mod class;
mod item;
mod scratch;

use super::search;
use class::{Bits, has};
use core::cell::Cell;
use item::Single;
use scratch::{Capture, OPEN, Retry};

pub use budget::Budget;
pub use scratch::Scratch;

/// Why matching ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The steps are used up.
    Fuel,
    /// The host wants the top level to end.
    Interrupted,
    /// The pattern is wrong; the message.
    Malformed(&'static str),
    /// A capture that does not exist, by its number in the pattern.
    Index(u32),
}

type Answer<T> = Result<T, Fault>;

/// What a capture caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Captured {
    /// Bytes of the subject, from and to.
    Bytes(usize, usize),
    /// A position, counted from 1.
    Position(i64),
}

const ESCAPE: u8 = b'%';

/// One subject and one pattern (without its anchor).
pub struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    scratch: &'a Scratch,
    level: usize,
    /// How many steps may be made.
    pub budget: Budget,
}

impl<'a> Matcher<'a> {
    /// A matcher that may make so many steps.
    pub fn new(subject: &'a [u8], pattern: &'a [u8], scratch: &'a Scratch, budget: Budget) -> Self {
        let number = scratch.number.get().wrapping_add(1);
        scratch.number.set(number);
        if number == 0 {
            // Numbers begin again: what is remembered must not be taken for this match's.
            scratch.number.set(1);
            for set in &scratch.sets {
                set.start.set(0);
            }
        }
        Self {
            subject,
            pattern,
            scratch,
            level: 0,
            budget,
        }
    }

    /// How many captures the last match made.
    pub const fn captures(&self) -> usize {
        self.level
    }

    /// Looks for the first match from `from` on (there alone if `anchored`): its start and end.
    pub fn search(&mut self, from: usize, anchored: bool) -> Answer<Option<(usize, usize)>> {
        let mut s = from;
        // The pattern is read; its sets are longest in that.
        self.spend(self.pattern.len() as u64 >> 1)?;
        // Often a match begins at once.
        if let Some(end) = self.match_at(s)? {
            return Ok(Some((s, end)));
        }
        if anchored {
            return Ok(None);
        }
        let first = self.first_item();
        loop {
            s = s.wrapping_add(1);
            if s > self.subject.len() {
                return Ok(None);
            }
            if let Some(first) = first {
                // A match can only begin where this fits.
                let rest = self.subject.get(s..).unwrap_or_default();
                let skip = first.first(rest);
                let looked = skip.unwrap_or(rest.len()) as u64;
                self.spend(
                    looked
                        >> if matches!(first, Single::Byte(_)) {
                            3
                        } else {
                            1
                        },
                )?;
                match skip {
                    Some(skip) => s = s.wrapping_add(skip),
                    None => return Ok(None),
                }
            }
            if let Some(end) = self.match_at(s)? {
                return Ok(Some((s, end)));
            }
        }
    }

    /// Matches the whole pattern at `s`; the end of the match.
    pub fn match_at(&mut self, s: usize) -> Answer<Option<usize>> {
        self.level = 0;
        let mut depth = 0usize;
        let (mut s, mut p) = (s, 0usize);
        loop {
            self.spend(1)?;
            let Some(c) = self.at(p) else {
                return Ok(Some(s));
            };
            let next = p.wrapping_add(1);
            let goes_on = match c {
                b'(' => {
                    self.open(s, &mut p, &mut depth)?;
                    true
                }
                b')' => {
                    self.close(s, &mut p, &mut depth)?;
                    true
                }
                b'$' if next == self.pattern.len() => {
                    if s == self.subject.len() {
                        return Ok(Some(s));
                    }
                    false
                }
                ESCAPE if matches!(self.at(next), Some(b'b' | b'f' | b'0'..=b'9')) => {
                    match self.at(next) {
                        Some(b'b') => self.balance(&mut s, &mut p)?,
                        Some(b'f') => self.frontier(s, &mut p)?,
                        digit => self.back_reference(digit.unwrap_or(b'0'), &mut s, &mut p)?,
                    }
                }
                _ => {
                    let (single, end) = self.item(c, p)?;
                    if let Single::Text(_) = single {
                        self.spend(single.price())?;
                    }
                    let fits = self.subject.get(s).is_some_and(|c| single.fits(*c));
                    match self.at(end) {
                        Some(b'*' | b'?' | b'-') if !fits => {
                            p = end.wrapping_add(1);
                            true
                        }
                        Some(suffix @ (b'*' | b'+' | b'?' | b'-')) if fits => {
                            let at = (p, end);
                            p = end.wrapping_add(1);
                            self.repeat(suffix, single, at, &mut s, &mut depth)?
                        }
                        _ => {
                            if fits {
                                s = s.wrapping_add(1);
                                p = end;
                            }
                            fits
                        }
                    }
                }
            };
            if !goes_on {
                match self.backtrack(&mut depth)? {
                    Some(at) => (s, p) = at,
                    None => return Ok(None),
                }
            }
        }
    }

    /// An item that fits, with what says how often it may. The pattern goes on behind that.
    fn repeat(
        &mut self,
        suffix: u8,
        single: Single,
        (p, end): (usize, usize),
        s: &mut usize,
        depth: &mut usize,
    ) -> Answer<bool> {
        let after = end.wrapping_add(1);
        match suffix {
            b'?' => {
                self.push(
                    depth,
                    Retry::Without {
                        s: *s as u32,
                        next: after as u32,
                    },
                )?;
                *s = s.wrapping_add(1);
            }
            b'-' => {
                let Some(at) = self.lazily(single, *s, after)? else {
                    return Ok(false);
                };
                self.push(
                    depth,
                    Retry::Lazy {
                        s: at as u32,
                        item: p as u32,
                        end: end as u32,
                    },
                )?;
                *s = at;
            }
            _ => {
                let rest = self.subject.get(*s..).unwrap_or_default();
                let count = single.run(rest);
                self.spend((count as u64).saturating_mul(single.price()))?;
                let to = s.wrapping_add(count);
                // With `+` the first repetition is not up for discussion.
                let from = s.wrapping_add(usize::from(suffix == b'+'));
                self.push(
                    depth,
                    Retry::Greedy {
                        s: from as u32,
                        count: to.wrapping_sub(from) as u32,
                        next: after as u32,
                    },
                )?;
                *s = to;
            }
        }
        Ok(true)
    }

    /// The first place from `s` on where what follows a lazy item may begin, with nothing but the item
    /// before it.
    fn lazily(&mut self, single: Single, s: usize, after: usize) -> Answer<Option<usize>> {
        let Some(wanted) = self.literal_after(after) else {
            return Ok(Some(s));
        };
        let rest = self.subject.get(s..).unwrap_or_default();
        let found = if let Single::Any = single {
            search::byte(rest, wanted)
        } else {
            rest.iter()
                .position(|c| *c == wanted || !single.fits(*c))
                .filter(|at| rest.get(*at) == Some(&wanted))
        };
        let looked = found.unwrap_or(rest.len()) as u64;
        self.spend(looked.saturating_mul(single.price()))?;
        Ok(found.map(|at| s.wrapping_add(at)))
    }

    /// Takes up the youngest alternative: where to go on.
    fn backtrack(&mut self, depth: &mut usize) -> Answer<Option<(usize, usize)>> {
        while let Some(top) = depth.checked_sub(1) {
            let Some(entry) = self.scratch.stack.get(top).map(Cell::get) else {
                return Ok(None);
            };
            *depth = top;
            match entry {
                Retry::Greedy { s, count, next } => {
                    if let Some(count) = self.fewer(s, count, next as usize)? {
                        self.push(depth, Retry::Greedy { s, count, next })?;
                        return Ok(Some((s.wrapping_add(count) as usize, next as usize)));
                    }
                }
                Retry::Lazy { s, item, end } => {
                    let first = self.at(item as usize).unwrap_or(0);
                    let (single, _) = self.item(first, item as usize)?;
                    self.spend(single.price())?;
                    let fits = self
                        .subject
                        .get(s as usize)
                        .is_some_and(|c| single.fits(*c));
                    let next = end.wrapping_add(1) as usize;
                    if fits
                        && let Some(at) = self.lazily(single, s.wrapping_add(1) as usize, next)?
                    {
                        let s = at as u32;
                        self.push(depth, Retry::Lazy { s, item, end })?;
                        return Ok(Some((at, next)));
                    }
                }
                Retry::Without { s, next } => return Ok(Some((s as usize, next as usize))),
                Retry::Forget => self.level = self.level.saturating_sub(1),
                Retry::Reopen(l) => {
                    if let Some(capture) = self.scratch.captures.get(l as usize) {
                        capture.set(Capture {
                            len: OPEN,
                            ..capture.get()
                        });
                    }
                }
            }
        }
        Ok(None)
    }

    /// How many repetitions to try after `count` of them, which begin at `s`, were too many.
    fn fewer(&mut self, s: u32, count: u32, next: usize) -> Answer<Option<u32>> {
        let Some(wanted) = self.literal_after(next) else {
            return Ok(count.checked_sub(1));
        };
        // What follows must begin with this byte.
        let from = s as usize;
        let tried = self.subject.get(from..from.wrapping_add(count as usize));
        let tried = tried.unwrap_or_default();
        let found = tried.iter().rposition(|c| *c == wanted);
        self.spend(tried.len().wrapping_sub(found.unwrap_or(0)) as u64 >> 1)?;
        Ok(found.map(|found| found as u32))
    }

    #[inline(always)]
    fn push(&mut self, depth: &mut usize, entry: Retry) -> Answer<()> {
        let slot = self
            .scratch
            .stack
            .get(*depth)
            .ok_or(Fault::Malformed("pattern too complex"))?;
        slot.set(entry);
        *depth = depth.wrapping_add(1);
        Ok(())
    }

    #[inline(always)]
    fn at(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
    }

    #[inline(always)]
    fn spend(&mut self, steps: u64) -> Answer<()> {
        match self.budget.left.checked_sub(steps) {
            Some(left) => {
                self.budget.left = left;
                Ok(())
            }
            None => self.budget.go_on(steps),
        }
    }
}

/// The bytes that mean something in a pattern.
static SPECIALS: Bits = {
    let mut bits = [0; 4];
    let mut signs: &[u8] = b"^$*+?.([%-";
    while let [sign, rest @ ..] = signs {
        // Evaluated by the compiler, which refuses an index out of range.
        #[allow(clippy::indexing_slicing)]
        {
            bits[(*sign >> 6) as usize] |= 1 << (*sign & 63);
        }
        signs = rest;
    }
    bits
};

/// Whether a pattern is plain text.
pub fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|c| has(&SPECIALS, *c))
}
