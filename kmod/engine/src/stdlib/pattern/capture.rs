// SPDX-License-Identifier: GPL-2.0-only
//! Captures, and what a pattern can say beyond items and their repetition: `%b`, `%f`, `%1`.

use super::scratch::{Capture, OPEN, POSITION, Retry};
use super::{Answer, Fault, Matcher};
use core::cell::Cell;

impl Matcher<'_> {
    /// `(` or `()`.
    pub(super) fn open(&mut self, s: usize, p: &mut usize, depth: &mut usize) -> Answer<()> {
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
    pub(super) fn close(&mut self, s: usize, p: &mut usize, depth: &mut usize) -> Answer<()> {
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
    pub(super) fn balance(&mut self, s: &mut usize, p: &mut usize) -> Answer<bool> {
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
    pub(super) fn frontier(&mut self, s: usize, p: &mut usize) -> Answer<bool> {
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
    pub(super) fn back_reference(
        &mut self,
        digit: u8,
        s: &mut usize,
        p: &mut usize,
    ) -> Answer<bool> {
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
