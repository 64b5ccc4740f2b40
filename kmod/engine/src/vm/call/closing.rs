// SPDX-License-Identifier: GPL-2.0-only
//! Variables to be closed: they are on a list while they live, and a return that meets one calls its
//! `__close` and runs again.

use super::Flow;
use crate::value::Value;
use crate::vm::error::Raise;
use crate::vm::{CLOSING, Event, Vm};

impl Vm {
    /// A variable becomes to-be-closed.
    pub(crate) fn add_tbc(&mut self, index: u32) -> Result<(), Raise> {
        // SAFETY: inside the stack.
        let v = unsafe { *self.slot(index) };
        if !v.is_true() {
            return Ok(());
        }
        if self.metamethod(v, Event::Close).is_nil() {
            return Err(self.not_closable(index));
        }
        if self.tbc_count >= self.frame_limit {
            return Err(self.stack_overflow());
        }
        // SAFETY: the list has as many entries as there may be frames.
        unsafe { *self.tbc.wrapping_add(self.tbc_count as usize) = index };
        self.tbc_count += 1;
        Ok(())
    }

    /// Takes the last variable to be closed at or above a level off the list.
    pub(crate) fn pop_tbc(&mut self, level: u32) -> Option<Value> {
        if self.tbc_count == 0 {
            return None;
        }
        // SAFETY: the list has that many entries, each the index of a slot in use.
        unsafe {
            let index = *self.tbc.wrapping_add(self.tbc_count as usize - 1);
            if index < level {
                return None;
            }
            self.tbc_count -= 1;
            Some(*self.slot(index))
        }
    }

    /// Calls the `__close` of the last variable at or above `level`, if there is one. `keep` is the end
    /// of what must stay on the stack.
    pub(crate) fn close_next(&mut self, level: u32, keep: u32) -> Result<bool, Raise> {
        let Some(v) = self.pop_tbc(level) else {
            return Ok(false);
        };
        let at = self.extent().max(keep);
        self.this_mut().place = keep;
        self.top = at;
        let close = self.metamethod(v, Event::Close);
        self.push_meta_call(close, &[v, Value::NIL])?;
        self.call_value(at, 2, 0, CLOSING)?;
        Ok(true)
    }

    /// A return while variables of the frame may have to be closed. `pc` of the frame is the return's
    /// own: after each `__close` it runs again.
    pub(crate) fn return_slow(&mut self, first: u32, n: u32) -> Result<Flow, Raise> {
        let base = self.this().base;
        if self.close_next(base, first + n)? {
            return self.drive();
        }
        self.finish_return(first, n)?;
        self.drive()
    }
}
