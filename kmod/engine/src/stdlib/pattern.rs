// SPDX-License-Identifier: GPL-2.0-only
//! Lua patterns over byte slices.
//!
//! A matcher backtracks by an explicit stack of at most [`DEPTH`] entries, as deep as PUC's recursion
//! may get, and pays for each step, so that no pattern can take longer than its fuel.

use super::class::{self, matches_class};
use core::cell::Cell;

/// Captures of a pattern.
pub const CAPTURES: usize = 32;
/// Entries of the backtracking stack.
const DEPTH: usize = 199;

/// Why matching ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The steps are used up.
    Fuel,
    /// The pattern is wrong; the message.
    Malformed(&'static str),
    /// A capture that does not exist, by its number in the pattern.
    Index(u32),
}

const ESCAPE: u8 = b'%';
/// A capture's length while it is open.
const OPEN: u32 = u32::MAX;
/// A position capture's length.
const POSITION: u32 = u32::MAX - 1;

#[derive(Clone, Copy)]
struct Capture {
    start: u32,
    len: u32,
}

/// What to do when the rest of the pattern does not match.
#[derive(Clone, Copy)]
enum Retry {
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

/// Memory of a matcher; it carries nothing from one match to the next. Its cells let a matcher use
/// it beside slices that borrow the same machine.
pub struct Scratch {
    captures: [Cell<Capture>; CAPTURES],
    stack: [Cell<Retry>; DEPTH],
}

impl Scratch {
    /// Ready for use.
    pub const fn new() -> Self {
        Self {
            captures: [const { Cell::new(Capture { start: 0, len: 0 }) }; CAPTURES],
            stack: [const { Cell::new(Retry::Forget) }; DEPTH],
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

/// What a capture caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Captured {
    /// Bytes of the subject, from and to.
    Bytes(usize, usize),
    /// A position, counted from 1.
    Position(i64),
}

/// One subject and one pattern (without its anchor).
pub struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    scratch: &'a Scratch,
    level: usize,
    /// How many steps may still be made.
    pub steps: u64,
}

type Answer<T> = Result<T, Fault>;

impl<'a> Matcher<'a> {
    /// A matcher that may make so many steps.
    pub fn new(subject: &'a [u8], pattern: &'a [u8], scratch: &'a Scratch, steps: u64) -> Self {
        Self {
            subject,
            pattern,
            scratch,
            level: 0,
            steps,
        }
    }

    /// How many captures the last match made.
    pub const fn captures(&self) -> usize {
        self.level
    }

    /// Looks for the first match from `from` on (there alone if `anchored`): its start and end.
    pub fn search(&mut self, from: usize, anchored: bool) -> Answer<Option<(usize, usize)>> {
        let mut s = from;
        let first = self.literal_start();
        loop {
            if let Some(first) = first
                && !anchored
            {
                // The match can only begin where this byte is.
                let rest = self.subject.get(s..).unwrap_or_default();
                let skip = super::search::byte(rest, first);
                self.spend((skip.unwrap_or(rest.len()) as u64) >> 3)?;
                match skip {
                    Some(skip) => s = s.wrapping_add(skip),
                    None => return Ok(None),
                }
            }
            if let Some(end) = self.match_at(s)? {
                return Ok(Some((s, end)));
            }
            s = s.wrapping_add(1);
            if anchored || s > self.subject.len() {
                return Ok(None);
            }
        }
    }

    /// The byte that every match begins with, if the pattern begins with a plain one.
    fn literal_start(&self) -> Option<u8> {
        let (&first, rest) = self.pattern.split_first()?;
        if matches!(first, b'(' | b')' | b'.' | b'[' | b'%' | b'$') {
            return None;
        }
        match rest.first() {
            Some(b'*' | b'?' | b'-') => None,
            _ => Some(first),
        }
    }

    /// Matches the whole pattern at `s`; the end of the match.
    pub fn match_at(&mut self, s: usize) -> Answer<Option<usize>> {
        self.level = 0;
        let mut depth = 0usize;
        let (mut s, mut p) = (s, 0usize);
        loop {
            self.spend(1)?;
            match self.step(&mut s, &mut p, &mut depth)? {
                Outcome::Go => {}
                Outcome::Done => return Ok(Some(s)),
                Outcome::Fail => match self.backtrack(&mut depth)? {
                    Some(at) => (s, p) = at,
                    None => return Ok(None),
                },
            }
        }
    }

    fn spend(&mut self, steps: u64) -> Answer<()> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        if left.is_some() {
            Ok(())
        } else {
            Err(Fault::Fuel)
        }
    }

    fn at(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
    }

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

    /// Takes up the youngest alternative: where to go on.
    fn backtrack(&mut self, depth: &mut usize) -> Answer<Option<(usize, usize)>> {
        while let Some(top) = depth.checked_sub(1) {
            let Some(entry) = self.scratch.stack.get(top).map(Cell::get) else {
                return Ok(None);
            };
            *depth = top;
            match entry {
                Retry::Greedy { s, count, next } => {
                    if let Some(count) = count.checked_sub(1) {
                        self.push(depth, Retry::Greedy { s, count, next })?;
                        return Ok(Some((s.wrapping_add(count) as usize, next as usize)));
                    }
                }
                Retry::Lazy { s, item, end } => {
                    self.spend(price(item as usize, end as usize))?;
                    if self.single(s as usize, item as usize, end as usize) {
                        let s = s.wrapping_add(1);
                        self.push(depth, Retry::Lazy { s, item, end })?;
                        return Ok(Some((s as usize, end.wrapping_add(1) as usize)));
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

    /// One item of the pattern.
    fn step(&mut self, s: &mut usize, p: &mut usize, depth: &mut usize) -> Answer<Outcome> {
        let Some(c) = self.at(*p) else {
            return Ok(Outcome::Done);
        };
        let next = p.wrapping_add(1);
        match c {
            b'(' => {
                let position = self.at(next) == Some(b')');
                let slot = self
                    .scratch
                    .captures
                    .get(self.level)
                    .ok_or(Fault::Malformed("too many captures"))?;
                slot.set(Capture {
                    start: *s as u32,
                    len: if position { POSITION } else { OPEN },
                });
                self.level = self.level.wrapping_add(1);
                *p = if position { next.wrapping_add(1) } else { next };
                self.push(depth, Retry::Forget)?;
                Ok(Outcome::Go)
            }
            b')' => {
                let captures = self.scratch.captures.get(..self.level).unwrap_or_default();
                let open = captures
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, c)| c.get().len == OPEN);
                let Some((l, capture)) = open else {
                    return Err(Fault::Malformed("invalid pattern capture"));
                };
                let start = capture.get().start;
                capture.set(Capture {
                    start,
                    len: (*s as u32).wrapping_sub(start),
                });
                *p = next;
                self.push(depth, Retry::Reopen(l as u32))?;
                Ok(Outcome::Go)
            }
            b'$' if next == self.pattern.len() => Ok(if *s == self.subject.len() {
                Outcome::Done
            } else {
                Outcome::Fail
            }),
            ESCAPE => match self.at(next) {
                Some(b'b') => self.balance(s, p),
                Some(b'f') => self.frontier(*s, p),
                Some(digit) if digit.is_ascii_digit() => self.back_reference(digit, s, p),
                _ => self.plain(s, p, depth),
            },
            _ => self.plain(s, p, depth),
        }
    }

    /// A single-character class with what may follow it.
    fn plain(&mut self, s: &mut usize, p: &mut usize, depth: &mut usize) -> Answer<Outcome> {
        let end = class::end(self.pattern, *p).map_err(Fault::Malformed)?;
        let after = end.wrapping_add(1);
        let cost = price(*p, end);
        self.spend(cost)?;
        let suffix = self.at(end);
        if !self.single(*s, *p, end) {
            if !matches!(suffix, Some(b'*' | b'?' | b'-')) {
                return Ok(Outcome::Fail);
            }
            *p = after;
            return Ok(Outcome::Go);
        }
        match suffix {
            Some(b'?') => {
                self.push(
                    depth,
                    Retry::Without {
                        s: *s as u32,
                        next: after as u32,
                    },
                )?;
                *s = s.wrapping_add(1);
                *p = after;
            }
            Some(b'*' | b'+') => {
                // With `+` the first repetition is not up for discussion.
                let from = if suffix == Some(b'+') {
                    s.wrapping_add(1)
                } else {
                    *s
                };
                let mut to = s.wrapping_add(1);
                while self.single(to, *p, end) {
                    to = to.wrapping_add(1);
                    self.spend(cost)?;
                }
                let (first, count) = (from as u32, to.wrapping_sub(from) as u32);
                self.push(
                    depth,
                    Retry::Greedy {
                        s: first,
                        count,
                        next: after as u32,
                    },
                )?;
                *s = to;
                *p = after;
            }
            Some(b'-') => {
                self.push(
                    depth,
                    Retry::Lazy {
                        s: *s as u32,
                        item: *p as u32,
                        end: end as u32,
                    },
                )?;
                *p = after;
            }
            _ => {
                *s = s.wrapping_add(1);
                *p = end;
            }
        }
        Ok(Outcome::Go)
    }

    /// Whether the byte at `s` is in the class at `p`, which ends before `end`.
    #[inline]
    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&c) = self.subject.get(s) else {
            return false;
        };
        match self.at(p) {
            Some(b'.') => true,
            Some(ESCAPE) => self
                .at(p.wrapping_add(1))
                .is_some_and(|class| matches_class(c, class)),
            Some(b'[') => {
                let set = self.pattern.get(p.wrapping_add(1)..end.wrapping_sub(1));
                class::in_set(c, set.unwrap_or_default())
            }
            other => other == Some(c),
        }
    }

    /// `%bxy`.
    fn balance(&mut self, s: &mut usize, p: &mut usize) -> Answer<Outcome> {
        let arguments = (self.at(p.wrapping_add(2)), self.at(p.wrapping_add(3)));
        let (Some(open), Some(close)) = arguments else {
            return Err(Fault::Malformed(
                "malformed pattern (missing arguments to '%b')",
            ));
        };
        if self.subject.get(*s) != Some(&open) {
            return Ok(Outcome::Fail);
        }
        let mut nested = 1usize;
        let rest = self.subject.get(s.wrapping_add(1)..).unwrap_or_default();
        for (i, &c) in rest.iter().enumerate() {
            self.spend(1)?;
            if c == close {
                nested = nested.wrapping_sub(1);
                if nested == 0 {
                    *s = s.wrapping_add(i).wrapping_add(2);
                    *p = p.wrapping_add(4);
                    return Ok(Outcome::Go);
                }
            } else if c == open {
                nested = nested.wrapping_add(1);
            }
        }
        Ok(Outcome::Fail)
    }

    /// `%f[set]`.
    fn frontier(&mut self, s: usize, p: &mut usize) -> Answer<Outcome> {
        let set = p.wrapping_add(2);
        if self.at(set) != Some(b'[') {
            return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
        }
        let end = class::end(self.pattern, set).map_err(Fault::Malformed)?;
        self.spend(price(set, end).wrapping_mul(2))?;
        let set = self
            .pattern
            .get(set.wrapping_add(1)..end.wrapping_sub(1))
            .unwrap_or_default();
        let before = s
            .checked_sub(1)
            .and_then(|i| self.subject.get(i))
            .copied()
            .unwrap_or(0);
        let here = self.subject.get(s).copied().unwrap_or(0);
        if !class::in_set(before, set) && class::in_set(here, set) {
            *p = end;
            return Ok(Outcome::Go);
        }
        Ok(Outcome::Fail)
    }

    /// `%1` to `%9`.
    fn back_reference(&mut self, digit: u8, s: &mut usize, p: &mut usize) -> Answer<Outcome> {
        let number = u32::from(digit & 15);
        let capture = (number as usize)
            .checked_sub(1)
            .filter(|l| *l < self.level)
            .and_then(|l| self.scratch.captures.get(l).map(Cell::get))
            .filter(|capture| capture.len != OPEN)
            .ok_or(Fault::Index(number))?;
        if capture.len == POSITION {
            return Ok(Outcome::Fail);
        }
        self.spend(u64::from(capture.len) >> 2)?;
        let start = capture.start as usize;
        let caught = self
            .subject
            .get(start..start.wrapping_add(capture.len as usize));
        let end = s.wrapping_add(capture.len as usize);
        if caught.is_some() && self.subject.get(*s..end) == caught {
            *s = end;
            *p = p.wrapping_add(2);
            return Ok(Outcome::Go);
        }
        Ok(Outcome::Fail)
    }
}

/// What one item came to.
enum Outcome {
    Go,
    Done,
    Fail,
}

/// Whether a pattern is plain text.
pub fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|c| b"^$*+?.([%-".contains(c))
}

/// Steps that one comparison with the item from `p` to before `end` is worth.
const fn price(p: usize, end: usize) -> u64 {
    1u64.wrapping_add((end.wrapping_sub(p) as u64) >> 2)
}
