// SPDX-License-Identifier: GPL-2.0-only
//! Calls that catch: `pcall` without a step of its own, and how many of them may wait for each other.

use super::{ALL_RESULTS, Flow, MOVED};
use crate::stdlib;
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::{FrameKind, Vm};

/// What [`Vm::levels`] may be at most: as many as PUC's C stack allows its main program.
const LEVELS: u16 = 197;
/// How many more there may be in a message handler.
const HANDLER_LEVELS: u16 = 20;
/// The state of `pcall` while a function runs that it called at once.
pub(super) const CALLED: u32 = stdlib::base::CALLED;

impl Vm {
    /// The native function on top, which waits, is one more level of those that catch: says whether
    /// there may be one more.
    #[inline(always)]
    pub(super) fn begin_level(&mut self) -> bool {
        let before = self.levels;
        self.this_mut().levels = before;
        self.levels = before + 1;
        before < LEVELS || self.has_last_levels()
    }

    /// Whether there are levels left beyond the limit, as for message handlers.
    #[cold]
    fn has_last_levels(&self) -> bool {
        self.nesting > 0 && self.levels <= LEVELS + HANDLER_LEVELS
    }

    /// The native function on top protects what it calls, and catches it if that is too much.
    #[inline(always)]
    pub(super) fn protect(&mut self) -> Result<(), Raise> {
        if self.begin_level() {
            return Ok(());
        }
        Err(self.fault(format_args!("C stack overflow")))
    }

    /// The native function on top waits no more.
    #[inline(always)]
    pub(in crate::vm) fn end_level(&mut self) {
        let f = self.this();
        if f.kind as u8 >= FrameKind::Protecting as u8 {
            self.levels = f.levels;
        }
    }

    /// `pcall`, whose frame is there, calls its first argument: without running, for the function is where
    /// it is called, and its results go there, behind `true`.
    #[inline(never)]
    pub(super) fn call_pcall(&mut self, func: u32, nargs: u32) -> Result<Flow, Raise> {
        let f = self.this_mut();
        (f.kind, f.pc, f.failed) = (FrameKind::Protecting, CALLED, stdlib::base::FAILED as u16);
        f.place = func + 1;
        self.protect()?;
        // SAFETY: inside the stack.
        let is_closure = unsafe { (*self.slot(func + 1)).tag == Tag::Closure };
        if is_closure && self.enter_plain(func + 1, nargs - 1, ALL_RESULTS, 0) {
            return Ok(Flow::Frame);
        }
        self.call_value(func + 1, nargs - 1, ALL_RESULTS, 0)?;
        self.drive()
    }

    /// A function that `pcall` called at once has returned, to a `pcall` that a Lua function called: it
    /// returns too.
    #[inline(always)]
    pub(super) fn pcall_returns(&mut self, first: u32, n: u32) -> bool {
        let f = self.this();
        let (func, wanted, levels) = (f.func, f.wanted, f.levels);
        if f.kind != FrameKind::Protecting
            || f.flags != 0
            || self.frame(self.depth - 1).kind != FrameKind::Lua
            || self.heap.doomed != 0
            || self.heap.wants_safe_point()
        {
            return false;
        }
        self.depth -= 1;
        self.levels = levels;
        // SAFETY: results lie above the function's slot, behind which there is room for what is wanted. They
        // move down, so the first one is never overwritten by a later one.
        unsafe {
            let (from, to) = (self.slot(first), self.slot(func));
            let count = if wanted < 0 { n + 1 } else { wanted as u32 };
            if count > 0 {
                *to = Value::boolean(true);
            }
            for i in 1..count {
                if i <= n {
                    Value::copy(from.add(i as usize - 1), to.add(i as usize));
                } else {
                    *to.add(i as usize) = Value::NIL;
                }
            }
            if wanted < 0 {
                self.top = func + count;
                self.fuel -= i64::from(count / MOVED);
            }
        }
        true
    }
}
