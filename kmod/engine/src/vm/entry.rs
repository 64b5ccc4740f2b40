// SPDX-License-Identifier: GPL-2.0-only
//! The host's way in: functions that rules call, by their handles, and calls from outside.
//!
//! A function that is called the short way stands at the bottom of the stacks, frame and all, from one
//! packet to the next: a packet sets its argument and its fuel, and the loop begins.

use super::call::{Flow, Left};
use super::error::Raise;
use super::{FIRST, Frame, FrameKind, Vm};
use crate::bytecode::word::Word;
use crate::memory::BARRIER_YOUNG;
use crate::memory::cell::Kind;
use crate::value::{Ref, Tag, Value};

/// Slots that a function may use to be called the short way.
pub(crate) const USUAL: u32 = 64;

/// Slots for the calls of such a function that are forgotten with its own.
pub(super) const FURTHER: u32 = 8;

/// What it takes to call a function for a packet, made when it is bound.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Ready {
    /// Its first instruction; null when it is called the general way.
    pub code: *const Word,
    /// Its constants.
    pub constants: *const Value,
    /// The closure.
    pub closure: Ref,
    /// Fuel of the call.
    pub fuel: u32,
    /// Its frame.
    pub frame: Frame,
}

impl Vm {
    /// The function behind a handle.
    pub(crate) fn handle(&self, handle: u32) -> Value {
        self.handles
            .get(handle as usize)
            .copied()
            .unwrap_or(Value::NIL)
    }

    /// Pins a function.
    pub(crate) fn add_handle(&mut self, v: Value) -> u32 {
        let handle = self.handle_count;
        if let Some(ready) = self.ready(v)
            && let Some(slot) = self.ready.get_mut(handle as usize)
        {
            *slot = ready;
            let registers = u32::from(self.proto(ready.frame.proto).registers);
            self.stack_usual = self.stack_usual.max(1 + registers + FURTHER);
            self.stack_soft = self.stack_soft.max(self.stack_usual);
        }
        if let Some(slot) = self.handles.get_mut(handle as usize) {
            *slot = v;
            self.handle_count += 1;
        }
        handle
    }

    /// What a call of a bound function takes, if it can be short: the function of the program itself
    /// (code that was loaded may move), with one parameter at most and a usual number of registers.
    fn ready(&self, v: Value) -> Option<Ready> {
        let closure = self.lua_closure(v)?;
        let proto = self.heap.header(closure).hash;
        let p = self.proto(proto);
        if p.image != 0 || p.vararg != 0 || p.parameters > 1 || u32::from(p.registers) > USUAL - 2 {
            return None;
        }
        Some(Ready {
            code: p.code,
            constants: p.constants,
            closure,
            fuel: p.fuel,
            frame: Frame::lua(0, proto, 2, FIRST),
        })
    }

    /// The first two values of the stack, where a packet's results are.
    #[inline(always)]
    pub(crate) fn first_two(&self) -> [Value; 2] {
        // SAFETY: the stack is longer than that.
        unsafe { *self.stack.cast::<[Value; 2]>() }
    }

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

    /// What is said from here on about what a handle's function returned is said as if it had not yet,
    /// so that messages name the line: the frame is as it was left, with a result in the function's slot.
    pub(crate) fn look_back(&mut self, handle: u32) {
        let f = *self.frame(1);
        // Code that was loaded may be gone by now; the program's own stays.
        if self.depth != 0
            || f.kind != FrameKind::Lua
            || !self.heap.is_permanent(f.proto, Kind::Proto)
        {
            return;
        }
        let bound = self.handle(handle);
        let tail_called = self
            .lua_closure(bound)
            .is_none_or(|closure| self.heap.header(closure).hash != f.proto);
        // SAFETY: the bottom of the stack.
        unsafe { *self.slot(0) = if tail_called { Value::NIL } else { bound } };
        self.depth = 1;
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
}
