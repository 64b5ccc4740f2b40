// SPDX-License-Identifier: GPL-2.0-only
//! Frames: calling, returning, native functions and what they ask for.

use super::error::Raise;
use super::native::{ALL, Args, Step, index_of, native};
use super::{
    CLOSING, COROUTINE, Event, FINALIZER, Frame, FrameKind, HANDLER, HANDLER_FRAMES,
    HANDLER_LEVELS, LEVELS, LIBRARIES, META, PLAIN, TAIL, UNWINDING, Vm, lib,
};
use crate::memory::BARRIER_YOUNG;
use crate::memory::cell::{ClosureCell, Header, Kind, ProtoCell};
use crate::packet::verdict::Verdict;
use crate::stdlib;
use crate::stdlib::sort::{ANSWERED_DOWN, ANSWERED_UP};
use crate::value::{Ref, Tag, Value};

/// What the loop over instructions does after a slow path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// Goes on with the next instruction of the same frame.
    Next,
    /// Goes on with whatever is the topmost frame.
    Frame,
    /// Leaves: the function that the host called has returned.
    Leave,
}

/// How the loop over instructions was left: a [`Flow`], a [`Raise`], or the plain verdict that the
/// function which a packet was given to has returned. One number, for every packet looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Left(u32);

impl Left {
    const FLOW: u32 = 8;
    const RAISE: u32 = 16;
    /// The function that the host called has returned.
    pub(crate) const LEAVE: Self = Self::with(Flow::Leave);

    /// A flow.
    pub(crate) const fn with(flow: Flow) -> Self {
        Self(Self::FLOW + flow as u32)
    }

    /// Something was raised.
    pub(crate) const fn raised(raise: Raise) -> Self {
        Self(Self::RAISE + raise as u32)
    }

    /// The end with a plain verdict, by its code, if it is one.
    #[inline(always)]
    pub(crate) const fn plain(code: u64) -> Option<Self> {
        if code <= Verdict::Drop as u64 {
            Some(Self(code as u32))
        } else {
            None
        }
    }

    /// The plain verdict's code.
    #[inline(always)]
    pub(crate) const fn verdict(self) -> Option<u32> {
        if self.0 <= Verdict::Drop as u32 {
            Some(self.0)
        } else {
            None
        }
    }

    /// What it is otherwise.
    pub(crate) const fn flow(self) -> Result<Flow, Raise> {
        match self.0 {
            9 => Ok(Flow::Frame),
            16 => Err(Raise::Error),
            17 => Err(Raise::Memory),
            18 => Err(Raise::Fuel),
            _ => Ok(Flow::Leave),
        }
    }
}

const _: () = {
    assert!(matches!(Left::with(Flow::Frame).flow(), Ok(Flow::Frame)));
    assert!(matches!(Left::LEAVE.flow(), Ok(Flow::Leave)));
    assert!(matches!(
        Left::raised(Raise::Error).flow(),
        Err(Raise::Error)
    ));
    assert!(matches!(
        Left::raised(Raise::Memory).flow(),
        Err(Raise::Memory)
    ));
    assert!(matches!(Left::raised(Raise::Fuel).flow(), Err(Raise::Fuel)));
    assert!(Left::LEAVE.verdict().is_none());
};

/// Results wanted, as a frame keeps it.
const ALL_RESULTS: i16 = ALL as i16;

/// The state of `pcall` while a function runs that it called at once.
const CALLED: u32 = stdlib::base::CALLED;

/// Slots that a native function finds free above its arguments.
const NATIVE_ROOM: u32 = 32;

/// The native function of a number.
#[inline]
fn definition(number: u32) -> Option<&'static super::native::NativeDef> {
    LIBRARIES
        .get((number >> 16) as usize)?
        .natives
        .get((number & 0xffff) as usize)
}

impl Vm {
    /// Puts a frame on the stack of frames.
    #[inline(always)]
    pub(crate) fn push_frame(&mut self, frame: Frame) -> Result<(), Raise> {
        let limit = self.frame_limit + if self.nesting > 0 { HANDLER_FRAMES } else { 0 };
        if self.depth + 1 >= limit {
            return Err(self.stack_overflow());
        }
        self.depth += 1;
        *self.this_mut() = frame;
        Ok(())
    }

    /// Calls the value at `func` with the `nargs` arguments that follow it: its frame is put on top.
    /// Native functions do not run yet: see [`Vm::drive`].
    pub(crate) fn call_value(
        &mut self,
        func: u32,
        nargs: u32,
        wanted: i16,
        flags: u8,
    ) -> Result<(), Raise> {
        let mut nargs = nargs;
        loop {
            // SAFETY: inside the stack.
            let f = unsafe { *self.slot(func) };
            match f.tag {
                Tag::Closure if self.heap.kind(f.as_ref()) == Kind::Closure => {
                    return self.enter_lua(func, nargs, wanted, flags);
                }
                Tag::Native | Tag::Closure => return self.enter_native(func, nargs, wanted, flags),
                _ => {}
            }
            let handler = self.metamethod(f, Event::Call);
            if handler.is_nil() {
                return Err(self.call_error(func, f));
            }
            self.charge(1)?;
            self.top = func + 1 + nargs;
            self.ensure_stack(2)?;
            // SAFETY: there is room for one more.
            unsafe {
                core::ptr::copy(self.slot(func), self.slot(func + 1), nargs as usize + 1);
                *self.slot(func) = handler;
            }
            nargs += 1;
            self.top = func + 1 + nargs;
        }
    }

    /// Puts the frame of a Lua closure on top.
    pub(crate) fn enter_lua(
        &mut self,
        func: u32,
        nargs: u32,
        wanted: i16,
        flags: u8,
    ) -> Result<(), Raise> {
        // SAFETY: `func` is a Lua closure's slot; its header names its prototype. Slots written lie
        // below the limit that was made sure of.
        unsafe {
            let closure = (*self.slot(func)).as_ref();
            let proto_ref = (*self.heap.at::<ClosureCell>(closure)).header.hash;
            let (registers, parameters, vararg, fuel) = {
                let p = self.proto(proto_ref);
                (
                    u32::from(p.registers),
                    u32::from(p.parameters),
                    p.vararg != 0,
                    p.fuel,
                )
            };
            self.fuel -= i64::from(fuel);
            if self.fuel < 0 {
                self.refuel()?;
            }
            let end = func + 1 + nargs;
            let need = registers + parameters + 2;
            if end + need > self.stack_soft {
                self.grow_stack(end, need)?;
            }
            let mut frame = Frame {
                pc: 0,
                base: func + 1,
                func,
                proto: proto_ref,
                extra: 0,
                failed: 0,
                levels: 0,
                place: 0,
                wanted,
                kind: FrameKind::Lua,
                flags,
            };
            for i in nargs..parameters {
                *self.slot(func + 1 + i) = Value::NIL;
            }
            if vararg {
                // The function is found below the first register.
                let nargs = nargs.max(parameters);
                frame.base = func + 2 + nargs;
                frame.extra = nargs - parameters;
                *self.slot(frame.base - 1) = *self.slot(func);
                for i in 0..parameters {
                    *self.slot(frame.base + i) = *self.slot(func + 1 + i);
                    *self.slot(func + 1 + i) = Value::NIL;
                }
            }
            self.push_frame(frame)
        }
    }

    #[inline]
    fn enter_native(&mut self, func: u32, nargs: u32, wanted: i16, flags: u8) -> Result<(), Raise> {
        self.top = func + 1 + nargs;
        self.fuel -= 1;
        if self.fuel < 0 {
            self.refuel()?;
        }
        self.ensure_stack(NATIVE_ROOM)?;
        self.push_frame(Frame {
            pc: 0,
            base: func + 1,
            func,
            proto: 0,
            extra: nargs,
            failed: 0,
            levels: 0,
            place: func + 1 + nargs,
            wanted,
            kind: FrameKind::Native,
            flags,
        })
    }

    /// The definition of the native function in a slot.
    #[inline]
    pub(crate) fn native_of(&self, f: Value) -> Option<&'static super::native::NativeDef> {
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

    /// The native function on top, which waits, is one more level of those that catch: says whether
    /// there may be one more.
    #[inline(always)]
    fn begin_level(&mut self) -> bool {
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
    fn protect(&mut self) -> Result<(), Raise> {
        if self.begin_level() {
            return Ok(());
        }
        Err(self.fault(format_args!("C stack overflow")))
    }

    /// The native function on top waits no more.
    #[inline(always)]
    pub(super) fn end_level(&mut self) {
        let f = self.this();
        if f.kind as u8 >= FrameKind::Protecting as u8 {
            self.levels = f.levels;
        }
    }

    /// The native function on top is entered again, with results from its place to the top.
    pub(crate) fn reenter(&mut self, state: u32) {
        self.end_level();
        let f = self.this_mut();
        f.kind = FrameKind::Native;
        f.pc = state;
    }

    /// A native function is replaced by the one that it calls.
    fn tail_call_native(&mut self, nargs: u32) -> Result<(), Raise> {
        let f = *self.this();
        let from = self.top - nargs - 1;
        // SAFETY: both ranges are inside the stack.
        unsafe { core::ptr::copy(self.slot(from), self.slot(f.func), nargs as usize + 1) };
        self.depth -= 1;
        self.top = f.func + 1 + nargs;
        self.call_value(f.func, nargs, f.wanted, f.flags)
    }

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
    pub(super) fn finish_plain(&mut self, f: &Frame, first: u32, n: u32) {
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
    fn move_results(&mut self, to: u32, first: u32, n: u32, wanted: i16) -> u32 {
        let count = if wanted == ALL_RESULTS {
            n
        } else {
            u32::from(wanted as u16)
        };
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

    /// Calls a metamethod for the instruction of the Lua frame on top; [`Vm::finish_instruction`]
    /// gets its result.
    pub(crate) fn call_meta(&mut self, function: Value, args: &[Value]) -> Result<Flow, Raise> {
        let at = self.extent();
        self.top = at;
        self.push_meta_call(function, args)?;
        self.call_value(at, args.len() as u32, 1, META)?;
        Ok(Flow::Frame)
    }

    /// Puts the frame of a closure that an instruction calls on top, if it is a Lua function with a fixed
    /// number of parameters and there is room.
    #[inline(always)]
    fn enter_plain(&mut self, func: u32, nargs: u32, wanted: i16, flags: u8) -> bool {
        // SAFETY: `func` is a closure's slot; its header names its prototype, unless its kind is another.
        // Slots written lie below the limit that is made sure of.
        unsafe {
            let header: *const Header = self.heap.at((*self.slot(func)).as_ref());
            if (*header).kind != Kind::Closure {
                return false;
            }
            let proto = (*header).hash;
            let p: *const ProtoCell = self.heap.at(proto);
            if func + (*p).need >= self.stack_soft
                || self.depth + 2 >= self.frame_limit
                || self.fuel < i64::from((*p).fuel)
                || self.heap.doomed != 0
            {
                return false;
            }
            self.fuel -= i64::from((*p).fuel);
            for n in nargs..u32::from((*p).parameters) {
                *self.slot(func + 1 + n) = Value::NIL;
            }
            self.depth += 1;
            *self.this_mut() = Frame {
                pc: 0,
                base: func + 1,
                func,
                proto,
                extra: 0,
                failed: 0,
                levels: 0,
                place: 0,
                wanted,
                kind: FrameKind::Lua,
                flags,
            };
        }
        true
    }

    /// The `Call` instruction where the function is not a Lua closure or the stack is short.
    #[inline(never)]
    pub(crate) fn call_slow(&mut self, func: u32, nargs: u32, wanted: i16) -> Result<Flow, Raise> {
        // SAFETY: inside the stack.
        let f = unsafe { *self.slot(func) };
        if f.tag == Tag::Closure && self.enter_plain(func, nargs, wanted, PLAIN) {
            return Ok(Flow::Frame);
        }
        if f.tag == Tag::Native {
            return self.call_native(func, nargs, wanted, f.payload as u32);
        }
        if f.tag == Tag::Closure && self.heap.kind(f.as_ref()) == Kind::NativeClosure {
            let number = self.heap.header(f.as_ref()).hash;
            return self.call_native(func, nargs, wanted, number);
        }
        if matches!(f.tag, Tag::Table | Tag::Object) {
            let handler = self.metamethod(f, Event::Call);
            if self.lua_closure(handler).is_some() {
                self.charge(1)?;
                self.top = func + 1 + nargs;
                self.ensure_stack(2)?;
                // SAFETY: there is room for one more.
                unsafe {
                    for i in (0..=nargs).rev() {
                        Value::copy(self.slot(func + i), self.slot(func + i + 1));
                    }
                    *self.slot(func) = handler;
                }
                if self.enter_plain(func, nargs + 1, wanted, PLAIN) {
                    return Ok(Flow::Frame);
                }
                self.enter_lua(func, nargs + 1, wanted, 0)?;
                return self.drive();
            }
        }
        self.call_value(func, nargs, wanted, 0)?;
        self.drive()
    }

    /// `pcall`, whose frame is there, calls its first argument: without running, for the function is where
    /// it is called, and its results go there, behind `true`.
    #[inline(never)]
    fn call_pcall(&mut self, func: u32, nargs: u32) -> Result<Flow, Raise> {
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
        if matches!(waiting, ANSWERED_UP | ANSWERED_DOWN) && self.sort_again(first, n) {
            return Ok(Flow::Frame);
        }
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

    /// A function that `pcall` called at once has returned, to a `pcall` that a Lua function called: it
    /// returns too.
    #[inline(always)]
    fn pcall_returns(&mut self, first: u32, n: u32) -> bool {
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
            }
        }
        true
    }

    /// The iterator of `ipairs` on a table, as [`Vm::next_inline`] does it.
    ///
    /// # Safety
    ///
    /// As for the places that a generic loop has for a call.
    #[inline]
    unsafe fn item_inline(&mut self, at: *mut Value, t: Ref, wanted: u16) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let control = *at.add(2);
            if control.tag != Tag::Int || wanted > 2 {
                return false;
            }
            let i = control.as_int().wrapping_add(1);
            let v = self.heap.get_int(t, i);
            if v.is_nil() && self.heap.meta(t) != 0 {
                return false;
            }
            self.fuel -= 1;
            *at = if v.is_nil() { v } else { Value::int(i) };
            if wanted == 2 {
                *at.add(1) = v;
            }
        }
        true
    }

    /// `next` or the iterator of `ipairs` called by a generic loop, without a frame: `at` is where it was
    /// copied to, with its two arguments behind it. Says whether it was one of them on a table, and is
    /// done.
    #[inline(never)]
    pub(crate) fn next_inline(&mut self, at: *mut Value, wanted: u16) -> bool {
        // SAFETY: the loop has three registers there and room for its results.
        unsafe {
            let next = const { native(lib::BASE, index_of(stdlib::base::NATIVES, "next")) };
            let list = const { native(lib::BASE, index_of(stdlib::base::NATIVES, "for iterator")) };
            let t = *at.add(1);
            if t.tag != Tag::Table || wanted == 0 {
                return false;
            }
            if (*at).payload == list.payload {
                return self.item_inline(at, t.as_ref(), wanted);
            }
            if (*at).payload != next.payload {
                return false;
            }
            let Ok(entry) = self.heap.next(t.as_ref(), *at.add(2)) else {
                return false;
            };
            self.fuel -= 1;
            let (key, value) = entry.unwrap_or((Value::NIL, Value::NIL));
            *at = key;
            if wanted > 1 {
                *at.add(1) = value;
            }
            for n in 2..usize::from(wanted) {
                *at.add(n) = Value::NIL;
            }
        }
        true
    }

    /// `TailCall`: the callee takes the place of the function on top.
    pub(crate) fn tail_call(
        &mut self,
        func: u32,
        nargs: u32,
        closing: bool,
    ) -> Result<Flow, Raise> {
        // SAFETY: inside the stack.
        let f = unsafe { *self.slot(func) };
        let is_lua = f.tag == Tag::Closure && self.heap.kind(f.as_ref()) == Kind::Closure;
        if is_lua && !closing && self.replace_plain(func, nargs) {
            return Ok(Flow::Frame);
        }
        if !is_lua || closing {
            // An ordinary call; when it has returned, the instruction runs again and returns.
            let caller = self.depth;
            self.call_value(func, nargs, ALL_RESULTS, 0)?;
            // SAFETY: depths up to the current one are frames.
            unsafe {
                let f = self.frames.wrapping_add(caller as usize);
                (*f).place = u32::MAX;
                (*f).pc -= 1;
            }
            return self.drive();
        }
        let this = *self.this();
        // SAFETY: both ranges are inside the stack.
        unsafe { core::ptr::copy(self.slot(func), self.slot(this.func), nargs as usize + 1) };
        self.depth -= 1;
        self.enter_lua(this.func, nargs, this.wanted, this.flags & !PLAIN | TAIL)?;
        Ok(Flow::Frame)
    }

    /// Puts a Lua function with a fixed number of parameters in the place of the one on top, if there is
    /// room.
    #[inline]
    fn replace_plain(&mut self, from: u32, nargs: u32) -> bool {
        // SAFETY: `from` is a Lua closure's slot, with its arguments behind it; slots written lie below them
        // or below the limit that is made sure of.
        unsafe {
            let from = self.slot(from);
            let proto = (*self.heap.at::<ClosureCell>((*from).as_ref())).header.hash;
            let p: *const ProtoCell = self.heap.at(proto);
            let f: *mut Frame = self.this_mut();
            let fuel = i64::from((*p).fuel);
            if (*f).func + (*p).need >= self.stack_soft || self.fuel < fuel {
                return false;
            }
            self.fuel -= fuel;
            let to = self.slot((*f).func);
            for n in 0..=nargs as usize {
                Value::copy(from.add(n), to.add(n));
            }
            for n in nargs..u32::from((*p).parameters) {
                *to.add(n as usize + 1) = Value::NIL;
            }
            (*f).pc = 0;
            (*f).base = (*f).func + 1;
            (*f).proto = proto;
            (*f).extra = 0;
            (*f).failed = 0;
            (*f).flags = (*f).flags & !PLAIN | TAIL;
        }
        true
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

    // --- the host's side -----------------------------------------------------------------------------

    /// Calls the function behind a handle for a packet. A plain verdict comes back as such; other
    /// results are the first two values of the stack then.
    #[inline(always)]
    pub(crate) fn run_handle(&mut self, handle: u32, fuel: i64) -> Left {
        if self.standing != handle.wrapping_add(1) && !self.stand(handle) {
            return self.run_any(handle, fuel);
        }
        // SAFETY: a function stands at the bottom of the stacks, and so its handle is one that is ready;
        // the stack has room for the registers of such functions.
        let (code, constants, price) = unsafe {
            let ready = self.ready.as_ptr().add(handle as usize);
            *self.slot(1) = self.packet.root();
            ((*ready).code, (*ready).constants, (*ready).fuel)
        };
        self.depth = 1;
        self.top = 2;
        self.fuel = fuel.wrapping_sub(i64::from(price));
        if self.fuel < 0 {
            let raise = self.out_of_fuel();
            return self.run_on(Err(raise));
        }
        let left = self.execute(code, self.slot(1), constants);
        if left.verdict().is_some() {
            return left;
        }
        self.run_on(left.flow())
    }

    /// Puts the function behind a handle and its frame at the bottom of the stacks; false when it is
    /// none that is called the short way.
    #[inline(never)]
    fn stand(&mut self, handle: u32) -> bool {
        let known = self.ready.get(handle as usize).copied();
        let Some(ready) = known.filter(|ready| !ready.code.is_null()) else {
            return false;
        };
        // SAFETY: the bottom of the stack, and the frame above the host's.
        unsafe {
            *self.slot(0) = Value::object(Tag::Closure, ready.closure);
            *self.frames.wrapping_add(1) = ready.frame;
        }
        self.standing = handle.wrapping_add(1);
        true
    }

    /// Calls any function behind a handle.
    #[cold]
    #[inline(never)]
    fn run_any(&mut self, handle: u32, fuel: i64) -> Left {
        self.fuel = fuel;
        self.depth = 0;
        self.standing = 0;
        // SAFETY: the bottom of the stack.
        unsafe {
            *self.slot(0) = self.handle(handle);
            *self.slot(1) = self.packet.root();
        }
        self.top = 2;
        let flow = self.call_value(0, 1, 2, 0).map(|()| Flow::Frame);
        self.run_on(flow)
    }

    /// Goes on with what did not return a plain verdict at once.
    #[inline(never)]
    fn run_on(&mut self, flow: Result<Flow, Raise>) -> Left {
        let left = match flow {
            Ok(Flow::Leave) => Ok(Left::LEAVE),
            Ok(_) => self.run(),
            Err(raise) => self.unwind(raise).and_then(|()| self.run()),
        };
        left.unwrap_or_else(Left::raised)
    }

    /// Calls a function from outside: `args` are given, `wanted` results stay on the stack from the
    /// index that comes back. The caller cuts the stack again ([`Vm::host_done`]).
    pub(crate) fn host_call(
        &mut self,
        function: Value,
        args: &[Value],
        wanted: i16,
    ) -> Result<u32, Raise> {
        let at = self.extent();
        self.top = at;
        self.standing = 0;
        self.push_frame(Frame {
            pc: 0,
            base: at,
            func: at,
            proto: 0,
            extra: 0,
            failed: 0,
            levels: self.levels,
            place: 0,
            wanted: 0,
            kind: FrameKind::Host,
            flags: 0,
        })?;
        let depth = self.depth;
        let entered = self
            .push_meta_call(function, args)
            .and_then(|n| self.call_value(at, n, wanted, 0));
        let result = match entered {
            Ok(()) => self.run(),
            Err(raise) => self.unwind(raise).and_then(|()| self.run()),
        };
        if result.is_err() {
            self.depth = depth;
            self.levels = self.this().levels;
        }
        result.map(|_| at)
    }

    /// Ends a call from outside.
    pub(crate) fn host_done(&mut self) {
        self.top = self.this().base;
        self.depth -= 1;
        if self.heap.barrier & BARRIER_YOUNG == 0 {
            self.heap.settle();
        }
    }

    /// The value's reference when it is a Lua closure.
    #[inline]
    pub(crate) fn lua_closure(&self, v: Value) -> Option<Ref> {
        (v.tag == Tag::Closure && self.heap.kind(v.as_ref()) == Kind::Closure).then(|| v.as_ref())
    }
}
