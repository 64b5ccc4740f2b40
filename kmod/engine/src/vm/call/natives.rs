// SPDX-License-Identifier: GPL-2.0-only
//! Native functions: running them, and doing what they ask for by a [`Step`].
//!
//! [`Vm::drive`] runs whatever native functions are on top until it is a Lua function's turn.
//! [`Vm::call_native`] and [`Vm::return_to_native`] are the short ways in: from the instruction that calls
//! one, and from the return of a Lua function that one waits for.

use super::protect::CALLED;
use super::{ALL_RESULTS, Flow, MOVED};
use crate::memory::cell::Kind;
use crate::stdlib;
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Called, NativeDef, Step, index_of, native};
use crate::vm::{Frame, FrameKind, LIBRARIES, TAIL, Vm, lib};

/// The native function of a number.
#[inline]
fn definition(number: u32) -> Option<&'static NativeDef> {
    LIBRARIES
        .get((number >> 16) as usize)?
        .natives
        .get((number & 0xffff) as usize)
}

impl Vm {
    /// The definition of the native function in a slot.
    #[inline]
    pub(crate) fn native_of(&self, f: Value) -> Option<&'static NativeDef> {
        let number = match f.tag {
            Tag::Native => f.payload as u32,
            Tag::Closure if self.heap.kind(f.as_ref()) == Kind::NativeClosure => {
                self.heap.header(f.as_ref()).hash
            }
            _ => return None,
        };
        definition(number)
    }

    /// Runs native functions until a Lua function is on top, or the host's frame.
    pub(crate) fn drive(&mut self) -> Result<Flow, Raise> {
        loop {
            let f = *self.this();
            match f.kind {
                FrameKind::Lua if self.heap.doomed == 0 || !self.finalizes_now() => {
                    return Ok(Flow::Frame);
                }
                FrameKind::Lua => {
                    if !self.start_finalizer()? {
                        return Ok(Flow::Frame);
                    }
                }
                FrameKind::Native => {
                    let args = Args {
                        base: f.base,
                        count: f.extra,
                        state: f.pc,
                        results: f.place,
                    };
                    let Some(def) = self.native_of(self.get(f.func)) else {
                        return Err(
                            self.fault(format_args!("a native function that does not exist"))
                        );
                    };
                    self.heap.begin_step();
                    let step = (def.call)(self, args)?;
                    self.perform(step)?;
                    if self.heap.wants_safe_point() {
                        let live = self.live_after(step, &f);
                        self.safe_point(live);
                    }
                }
                _ => return Ok(Flow::Leave),
            }
        }
    }

    /// The first slot that is not in use after a native function's step: when it returned to a Lua
    /// function, the one behind its results.
    fn live_after(&self, step: Step, f: &Frame) -> u32 {
        let returned = matches!(step, Step::Return(_)) && f.flags & !TAIL == 0;
        if returned && self.this().kind == FrameKind::Lua {
            return match u32::try_from(f.wanted) {
                Ok(wanted) => f.func + wanted,
                Err(_) => self.top,
            };
        }
        self.in_use()
    }

    /// Does what the native function on top asks for.
    fn perform(&mut self, step: Step) -> Result<(), Raise> {
        let top = self.top;
        match step {
            Step::Return(n) => self.finish_return(top - n, n),
            Step::Call {
                nargs,
                nresults,
                state,
            } => {
                self.wait(FrameKind::Calling, state, 0, top - nargs - 1);
                self.call_value(top - nargs - 1, nargs, nresults as i16, 0)
            }
            Step::Protect {
                nargs,
                state,
                failed,
                handler,
            } => {
                self.wait(FrameKind::Protecting, state, failed, top - nargs - 1);
                self.this_mut().proto = handler;
                self.protect()?;
                self.call_value(top - nargs - 1, nargs, ALL_RESULTS, 0)
            }
            Step::TailCall { nargs } => self.tail_call_native(nargs),
            Step::Again { state } => {
                self.this_mut().pc = state;
                Ok(())
            }
            Step::Yield(n) => self.suspend(n),
            Step::Resume {
                nargs,
                state,
                failed,
            } => {
                self.wait(FrameKind::Resuming, state, failed, top - nargs - 1);
                let room = self.begin_level();
                self.resume(nargs, room)
            }
            Step::CloseThread { state, failed } => {
                self.wait(FrameKind::Closing, state, failed, top - 1);
                let room = self.begin_level();
                self.close_thread(room)
            }
        }
    }

    /// The native function on top waits for something whose results will be at `place`.
    fn wait(&mut self, kind: FrameKind, state: u32, failed: u32, place: u32) {
        let f = self.this_mut();
        f.kind = kind;
        f.pc = state;
        f.failed = failed as u16;
        f.place = place;
    }

    /// The native function on top is entered again, with results from its place to the top.
    pub(crate) fn reenter(&mut self, state: u32) {
        self.end_level();
        let f = self.this_mut();
        f.kind = FrameKind::Native;
        f.pc = state;
    }

    /// The short way of a native function, where one result is wanted of it; false when it has none, or
    /// says nothing.
    ///
    /// # Safety
    ///
    /// The function is in the slot `func`, and `nargs` arguments are in those behind it.
    #[inline(never)]
    pub(crate) unsafe fn call_quick(&mut self, func: u32, nargs: u32, number: u32) -> bool {
        match definition(number) {
            Some(NativeDef {
                quick: Some(quick), ..
            }) if self.fuel > 0 => {
                // SAFETY: the caller's promise.
                quick(self, unsafe { Called::new(func, nargs) })
            }
            _ => false,
        }
    }

    /// A native function that the Lua function on top calls. It runs at once, and when it does nothing
    /// but return, its results are put where they are wanted and the instruction is done. Its frame is
    /// there meanwhile: errors and tracebacks speak of it, and it stays if the function waits.
    #[inline(never)]
    pub(crate) fn call_native(
        &mut self,
        func: u32,
        nargs: u32,
        wanted: i16,
        number: u32,
    ) -> Result<Flow, Raise> {
        let pcall = const { native(lib::BASE, index_of(stdlib::base::NATIVES, "pcall")) };
        // What is below stays as it is where the native function only returns.
        let standing = core::mem::take(&mut self.standing);
        self.enter_native(func, nargs, wanted, 0)?;
        if u64::from(number) == pcall.payload && nargs > 0 && self.heap.doomed == 0 {
            return self.call_pcall(func, nargs);
        }
        let Some(def) = definition(number) else {
            return Err(self.fault(format_args!("a native function that does not exist")));
        };
        let args = Args {
            base: func + 1,
            count: nargs,
            state: 0,
            results: func + 1 + nargs,
        };
        self.heap.begin_step();
        let answer = (def.call)(self, args);
        if let Ok(Step::Return(n)) = answer
            && n > 0
            && wanted == 1
            && self.heap.doomed == 0
            && !self.heap.wants_safe_point()
        {
            self.depth -= 1;
            self.standing = standing;
            // SAFETY: the first result, which lies on top of the stack with the others, and the function's
            // slot.
            unsafe { Value::copy(self.slot(self.top - n), self.slot(func)) };
            return Ok(Flow::Next);
        }
        self.answered(func, wanted, &answer)
    }

    /// The rest of the ways in which a native function answers the Lua function that called it.
    #[inline(never)]
    fn answered(
        &mut self,
        func: u32,
        wanted: i16,
        answer: &Result<Step, Raise>,
    ) -> Result<Flow, Raise> {
        let step = (*answer)?;
        if let Step::Call {
            nargs,
            nresults,
            state,
        } = step
        {
            return self.call_back(FrameKind::Calling, nargs, nresults as i16, state);
        }
        if let Step::Protect {
            nargs,
            state,
            failed,
            handler,
        } = step
        {
            let f = self.this_mut();
            f.failed = failed as u16;
            f.proto = handler;
            return self.call_back(FrameKind::Protecting, nargs, ALL_RESULTS, state);
        }
        let Step::Return(n) = step else {
            self.perform(step)?;
            if self.heap.wants_safe_point() {
                self.safe_point(self.in_use());
            }
            return self.drive();
        };
        self.depth -= 1;
        let first = self.top - n;
        let count = if wanted == ALL_RESULTS {
            self.top = func + n;
            self.fuel -= i64::from(n / MOVED);
            n
        } else {
            u32::from(wanted as u16)
        };
        // SAFETY: results lie on top of the stack, and wanted ones have a place in the caller's frame. They
        // move down, so the first one is never overwritten by a later one.
        unsafe {
            let (from, to) = (self.slot(first), self.slot(func));
            for i in 0..n.min(count) as usize {
                Value::copy(from.add(i), to.add(i));
            }
            for i in n..count {
                *to.add(i as usize) = Value::NIL;
            }
        }
        if self.heap.wants_safe_point() {
            // Nothing is in use above the results.
            self.safe_point(func + count);
        }
        if self.heap.doomed != 0 {
            return self.drive();
        }
        Ok(Flow::Next)
    }

    /// The native function on top calls a function, the usual one being Lua's, and waits as `kind` says.
    #[inline]
    fn call_back(
        &mut self,
        kind: FrameKind,
        nargs: u32,
        wanted: i16,
        state: u32,
    ) -> Result<Flow, Raise> {
        let func = self.top - nargs - 1;
        let f = self.this_mut();
        f.kind = kind;
        f.pc = state;
        f.place = func;
        if kind == FrameKind::Protecting {
            self.protect()?;
        }
        // SAFETY: inside the stack.
        let function = unsafe { *self.slot(func) };
        if self.lua_closure(function).is_some() {
            self.enter_lua(func, nargs, wanted, 0)?;
        } else {
            self.call_value(func, nargs, wanted, 0)?;
        }
        if self.heap.wants_safe_point() {
            self.safe_point(self.in_use());
        } else if self.heap.doomed == 0 && self.this().kind == FrameKind::Lua {
            return Ok(Flow::Frame);
        }
        self.drive()
    }

    /// A Lua function, which is on top, returns `n` values from `first` on to a native function that
    /// waits for them: it goes on at once.
    #[inline(never)]
    pub(crate) fn return_to_native(&mut self, first: u32, n: u32) -> Result<Flow, Raise> {
        let (func, wanted) = {
            let f = self.this();
            (f.func, f.wanted)
        };
        let waiting = self.frame(self.depth - 1).pc;
        self.depth -= 1;
        if waiting == CALLED && self.pcall_returns(first, n) {
            return Ok(Flow::Frame);
        }
        if n == 1 && wanted == 1 {
            // SAFETY: the result and the function's slot.
            unsafe { Value::copy(self.slot(first), self.slot(func)) };
            self.top = func + 1;
        } else {
            self.top = func + self.move_results(func, first, n, wanted);
        }
        self.end_level();
        let f = self.this_mut();
        f.kind = FrameKind::Native;
        let args = Args {
            base: f.base,
            count: f.extra,
            state: f.pc,
            results: f.place,
        };
        let function = f.func;
        // SAFETY: inside the stack.
        let Some(def) = self.native_of(unsafe { *self.slot(function) }) else {
            return Err(self.fault(format_args!("a native function that does not exist")));
        };
        self.heap.begin_step();
        // Looked at where it lies (no `?`): it was written in parts, and is not to be loaded as one.
        match (def.call)(self, args) {
            Ok(Step::Call {
                nargs,
                nresults,
                state,
            }) => self.call_back(FrameKind::Calling, nargs, nresults as i16, state),
            Err(raise) => Err(raise),
            Ok(step) => {
                let f = *self.this();
                self.perform(step)?;
                if self.heap.wants_safe_point() {
                    let live = self.live_after(step, &f);
                    self.safe_point(live);
                }
                self.drive()
            }
        }
    }
}
