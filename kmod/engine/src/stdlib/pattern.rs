// SPDX-License-Identifier: GPL-2.0-only
//! Lua patterns over byte slices.
//!
//! A matcher backtracks by an explicit stack of at most [`DEPTH`] entries, as deep as PUC's recursion
//! may get, and pays for each step, so that no pattern can take longer than its fuel.

use super::class::{self, Bits, class_bits, has, in_set};
use super::search;
use core::cell::Cell;

/// Captures of a pattern.
pub const CAPTURES: usize = 32;
/// Entries of the backtracking stack.
const DEPTH: usize = 199;

/// Steps between two breaths of a top level.
const SLICE: u64 = 80_000;

/// How many steps a matcher may make: so many at once, and those of a top level beyond them when it has
/// taken breath.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    reserve: u64,
    total: u64,
}

impl Budget {
    /// Steps at hand, and steps in reserve.
    pub fn new(left: u64, reserve: u64) -> Self {
        let total = left.saturating_add(reserve);
        Self {
            left,
            reserve: total.wrapping_sub(left),
            total,
        }
    }

    /// All of them together.
    pub fn all(&self) -> u64 {
        self.total
    }

    /// Steps that were made.
    pub fn spent(&self) -> u64 {
        self.total
            .wrapping_sub(self.left)
            .wrapping_sub(self.reserve)
    }

    /// Takes steps when there are not so many at hand.
    #[cold]
    fn go_on(&mut self, steps: u64) -> Answer<()> {
        while self.left < steps && self.reserve > 0 {
            if !crate::host::breathe() {
                return Err(Fault::Interrupted);
            }
            let part = self.reserve.min(SLICE);
            self.reserve = self.reserve.wrapping_sub(part);
            self.left = self.left.saturating_add(part);
        }
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Fault::Fuel)
            }
        }
    }
}

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

/// A set of the pattern that was read.
struct Set {
    /// Where it begins, and in the upper half the number of the match that it belongs to.
    start: Cell<u64>,
    /// Where it ends.
    end: Cell<usize>,
    bits: Cell<Bits>,
}

/// How many sets a matcher remembers.
const SETS: usize = 8;

/// Memory of a matcher; it carries nothing from one match to the next. Its cells let a matcher use
/// it beside slices that borrow the same machine.
pub struct Scratch {
    captures: [Cell<Capture>; CAPTURES],
    stack: [Cell<Retry>; DEPTH],
    sets: [Set; SETS],
    /// The number of the match at hand.
    number: Cell<u32>,
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
    /// How many steps may be made.
    pub budget: Budget,
}

type Answer<T> = Result<T, Fault>;

/// What stands for one byte of the subject.
#[derive(Clone, Copy)]
enum Single<'a> {
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
    fn price(self) -> u64 {
        match self {
            Single::Text(set) => (set.len() as u64 >> 1).wrapping_add(2),
            _ => 1,
        }
    }

    /// Whether it is such a byte.
    #[inline(always)]
    fn fits(self, c: u8) -> bool {
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
    fn run(self, text: &[u8]) -> usize {
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
    fn first(self, text: &[u8]) -> Option<usize> {
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
        let first = if anchored { None } else { self.first_item() };
        loop {
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
            s = s.wrapping_add(1);
            if anchored || s > self.subject.len() {
                return Ok(None);
            }
        }
    }

    /// The byte that every match begins with, if the pattern begins with an item that must be there.
    fn first_item(&self) -> Option<Single<'a>> {
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
    fn literal_after(&self, p: usize) -> Option<u8> {
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

    /// The single item at `p`, which begins with `c`, and where it ends.
    #[inline]
    fn item(&self, c: u8, p: usize) -> Answer<(Single<'a>, usize)> {
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
    fn set(&self, p: usize) -> Answer<(Single<'a>, usize)> {
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

    #[inline(always)]
    fn at(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
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

    /// `(` or `()`.
    fn open(&mut self, s: usize, p: &mut usize, depth: &mut usize) -> Answer<()> {
        let next = p.wrapping_add(1);
        let position = self.at(next) == Some(b')');
        let slot = self
            .scratch
            .captures
            .get(self.level)
            .ok_or(Fault::Malformed("too many captures"))?;
        slot.set(Capture {
            start: s as u32,
            len: if position { POSITION } else { OPEN },
        });
        self.level = self.level.wrapping_add(1);
        *p = if position { next.wrapping_add(1) } else { next };
        self.push(depth, Retry::Forget)
    }

    /// `)`.
    fn close(&mut self, s: usize, p: &mut usize, depth: &mut usize) -> Answer<()> {
        let captures = self.scratch.captures.get(..self.level).unwrap_or_default();
        let mut l = self.level;
        for capture in captures.iter().rev() {
            l = l.wrapping_sub(1);
            let Capture { start, len } = capture.get();
            if len == OPEN {
                capture.set(Capture {
                    start,
                    len: (s as u32).wrapping_sub(start),
                });
                *p = p.wrapping_add(1);
                return self.push(depth, Retry::Reopen(l as u32));
            }
        }
        Err(Fault::Malformed("invalid pattern capture"))
    }

    /// `%bxy`.
    fn balance(&mut self, s: &mut usize, p: &mut usize) -> Answer<bool> {
        let arguments = (self.at(p.wrapping_add(2)), self.at(p.wrapping_add(3)));
        let (Some(open), Some(close)) = arguments else {
            return Err(Fault::Malformed(
                "malformed pattern (missing arguments to '%b')",
            ));
        };
        if self.subject.get(*s) != Some(&open) {
            return Ok(false);
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
                    return Ok(true);
                }
            } else if c == open {
                nested = nested.wrapping_add(1);
            }
        }
        Ok(false)
    }

    /// `%f[set]`.
    fn frontier(&mut self, s: usize, p: &mut usize) -> Answer<bool> {
        let set = p.wrapping_add(2);
        if self.at(set) != Some(b'[') {
            return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
        }
        let (single, end) = self.set(set)?;
        let before = s
            .checked_sub(1)
            .and_then(|i| self.subject.get(i))
            .copied()
            .unwrap_or(0);
        let here = self.subject.get(s).copied().unwrap_or(0);
        if !single.fits(before) && single.fits(here) {
            *p = end;
            return Ok(true);
        }
        Ok(false)
    }

    /// `%1` to `%9`.
    fn back_reference(&mut self, digit: u8, s: &mut usize, p: &mut usize) -> Answer<bool> {
        let number = u32::from(digit & 15);
        let capture = (number as usize)
            .checked_sub(1)
            .filter(|l| *l < self.level)
            .and_then(|l| self.scratch.captures.get(l).map(Cell::get))
            .filter(|capture| capture.len != OPEN)
            .ok_or(Fault::Index(number))?;
        if capture.len == POSITION {
            return Ok(false);
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
            return Ok(true);
        }
        Ok(false)
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
