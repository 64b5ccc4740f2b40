// SPDX-License-Identifier: GPL-2.0-only
//! The stack of values, by absolute index.
//!
//! It never moves. `stack_soft` is how much of it was made use of since it was last cleared; above it
//! there is a margin, so that a few operands never need a question.

use super::Vm;
use super::error::Raise;
use crate::value::Value;

/// Free slots above every frame's own, for operands of metamethods and the like.
pub(crate) const MARGIN: u32 = 24;

/// Values beyond the limit that message handlers may use.
pub(crate) const HANDLER_VALUES: u32 = 1024;

impl Vm {
    /// A slot of the stack.
    #[inline(always)]
    pub(crate) fn slot(&self, index: u32) -> *mut Value {
        self.stack.wrapping_add(index as usize)
    }

    /// The value at an absolute index; nil above what is in use.
    #[inline]
    pub fn get(&self, index: u32) -> Value {
        if index >= self.stack_soft + MARGIN {
            return Value::NIL;
        }
        // SAFETY: inside the stack.
        unsafe { *self.slot(index) }
    }

    /// Replaces the value at an absolute index below the top.
    #[inline]
    pub fn set(&mut self, index: u32, v: Value) {
        if index < self.top {
            // SAFETY: inside the stack.
            unsafe { *self.slot(index) = v };
        }
    }

    /// The first free index.
    #[inline]
    pub fn top(&self) -> u32 {
        self.top
    }

    /// Cuts the stack to `top` slots, or fills it up with nil to there.
    pub fn set_top(&mut self, top: u32) -> Result<(), Raise> {
        if top > self.top {
            self.ensure_stack(top - self.top)?;
            for i in self.top..top {
                // SAFETY: inside the stack.
                unsafe { *self.slot(i) = Value::NIL };
            }
        }
        self.top = top;
        Ok(())
    }

    /// Takes the topmost value.
    pub fn pop(&mut self) -> Value {
        self.top -= 1;
        self.get(self.top)
    }

    /// Makes room for `n` more values.
    #[inline]
    pub fn ensure_stack(&mut self, n: u32) -> Result<(), Raise> {
        if self.top.saturating_add(n) > self.stack_soft {
            self.grow_stack(self.top, n)
        } else {
            Ok(())
        }
    }

    /// Puts a value on top of the stack where room was made before.
    #[inline(always)]
    pub(crate) fn push_unchecked(&mut self, v: Value) {
        // SAFETY: room was made.
        unsafe { *self.slot(self.top) = v };
        self.top += 1;
    }

    /// Lets the stack be used up to `from + n`, and a margin beyond.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow_stack(&mut self, from: u32, n: u32) -> Result<(), Raise> {
        // A message handler gets a little more, so that it can see an overflow.
        let limit = if self.nesting > 0 {
            self.stack_limit + HANDLER_VALUES
        } else {
            self.stack_limit
        };
        let wanted = from.saturating_add(n).saturating_add(64).min(limit);
        if from.saturating_add(n) > wanted {
            return Err(self.stack_overflow());
        }
        self.stack_soft = self.stack_soft.max(wanted);
        Ok(())
    }

    /// Forgets what is left on the stack above `from`.
    pub(crate) fn clear_stack(&mut self, from: u32) {
        let mut left = from;
        while left < self.stack_soft + MARGIN {
            // SAFETY: inside the stack, which has a margin. A word at a time: there are few of them, and the
            // kernel's memset costs more than they do.
            unsafe {
                let words = self.slot(left).cast::<u64>();
                words.write_volatile(0);
                words.add(1).write_volatile(0);
            }
            left += 1;
        }
        self.stack_soft = (from + self.stack_usual).min(self.stack_limit);
        self.standing = 0;
    }
}
