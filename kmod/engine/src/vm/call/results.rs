// SPDX-License-Identifier: GPL-2.0-only
//! Returns: a frame goes, and its caller gets the results, or whatever else the frame's flags say.

use super::{ALL_RESULTS, MOVED};
use crate::value::Value;
use crate::vm::error::Raise;
use crate::vm::{
    CLOSING, COROUTINE, FINALIZER, Frame, FrameKind, HANDLER, META, PLAIN, TAIL, UNWINDING, Vm,
};

impl Vm {
    /// The topmost frame returns `n` values from `first` on: it goes, and its caller gets them.
    pub(crate) fn finish_return(&mut self, first: u32, n: u32) -> Result<(), Raise> {
        let f = *self.this();
        if f.flags & !(TAIL | PLAIN) != 0 {
            return self.finish_special(f, first, n);
        }
        self.finish_plain(&f, first, n);
        Ok(())
    }

    /// The same of one that no flag says more about.
    #[inline(always)]
    pub(in crate::vm) fn finish_plain(&mut self, f: &Frame, first: u32, n: u32) {
        self.depth -= 1;
        let count = self.move_results(f.func, first, n, f.wanted);
        let caller = *self.this();
        if caller.kind == FrameKind::Lua {
            if f.wanted == ALL_RESULTS {
                self.top = f.func + count;
            }
            return;
        }
        self.top = f.func + count;
        if caller.kind != FrameKind::Host {
            self.reenter(caller.pc);
        }
    }

    /// Moves results down, cut or filled up to what is wanted; returns how many there are then.
    pub(super) fn move_results(&mut self, to: u32, first: u32, n: u32, wanted: i16) -> u32 {
        let count = if wanted == ALL_RESULTS {
            n
        } else {
            u32::from(wanted as u16)
        };
        self.fuel -= i64::from(n.min(count) / MOVED);
        // SAFETY: both ranges are inside the stack: wanted results have a place in the caller's frame.
        unsafe {
            core::ptr::copy(self.slot(first), self.slot(to), n.min(count) as usize);
            for i in n..count {
                *self.slot(to + i) = Value::NIL;
            }
        }
        count
    }

    /// A return that is more than handing over results.
    #[cold]
    fn finish_special(&mut self, f: Frame, first: u32, n: u32) -> Result<(), Raise> {
        let result = if n > 0 { self.get(first) } else { Value::NIL };
        if f.flags & COROUTINE != 0 {
            return self.coroutine_returned(first, n);
        }
        self.depth -= 1;
        if f.flags & META != 0 {
            return self.finish_instruction(result);
        }
        if f.flags & HANDLER != 0 {
            self.nesting -= 1;
            self.error = result;
            return self.unwind_on();
        }
        if f.flags & UNWINDING != 0 {
            // It may have caught errors of its own; the one that unwinds was kept below it.
            self.error = self.get(f.func - 1);
            return self.unwind_on();
        }
        if f.flags & CLOSING != 0 {
            self.top = self.this().place;
            return Ok(());
        }
        if f.flags & FINALIZER != 0 {
            self.finalizer_done();
        }
        Ok(())
    }
}
