// SPDX-License-Identifier: GPL-2.0-only
//! Calls: how a function gets its frame, runs, and hands over its results.
//!
//! Whatever is called is first a value in a slot with its arguments behind it. A Lua function gets a
//! frame and runs when the loop goes on; a native one gets a frame and runs where it is called from, and
//! what it asks for is done by whoever ran it, so nothing here calls itself. There are two ways: the
//! general one ([`Vm::call_value`]), and the short one of instructions ([`Vm::call_slow`]), which does
//! the same for what is usual.
//!
//! * this file — the frame of what is called; `flow` — what the loop does next
//! * `natives` — running native functions, and what they ask for
//! * `results` — returning: where results go, and what else a return may be; `closing` — variables that
//!   it closes
//! * `tail` — calls that take the place of their caller
//! * `protect` — `pcall`, and how deep calls that catch may be
//! * `iterate` — iterators that a loop calls without a frame

mod closing;
mod flow;
mod iterate;
mod natives;
mod protect;
mod results;
mod tail;

use super::error::Raise;
use super::native::ALL;
use super::{Event, Frame, FrameKind, META, PLAIN, Vm};
use crate::memory::cell::{ClosureCell, Header, Kind, ProtoCell};
use crate::value::{Ref, Tag, Value};
pub(crate) use flow::{Flow, Left};

/// Results wanted, as a frame keeps it.
const ALL_RESULTS: i16 = ALL as i16;

/// So many values are moved from one place of the stack to another for a unit of fuel.
pub(in crate::vm) const MOVED: u32 = 16;

/// Slots that a native function finds free above its arguments.
const NATIVE_ROOM: u32 = 32;

impl Vm {
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
            self.charge(1 + u64::from(nargs / MOVED))?;
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
            let mut frame = Frame::lua(func, proto_ref, wanted, flags);
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
    pub(super) fn enter_native(
        &mut self,
        func: u32,
        nargs: u32,
        wanted: i16,
        flags: u8,
    ) -> Result<(), Raise> {
        self.top = func + 1 + nargs;
        self.settle_up();
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

    /// Puts the frame of a closure that an instruction calls on top, if it is a Lua function with a fixed
    /// number of parameters and there is room.
    #[inline(always)]
    pub(super) fn enter_plain(&mut self, func: u32, nargs: u32, wanted: i16, flags: u8) -> bool {
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
            *self.this_mut() = Frame::lua(func, proto, wanted, flags);
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
                self.charge(1 + u64::from(nargs / MOVED))?;
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

    /// Calls a metamethod for the instruction of the Lua frame on top; [`Vm::finish_instruction`]
    /// gets its result.
    pub(crate) fn call_meta(&mut self, function: Value, args: &[Value]) -> Result<Flow, Raise> {
        let at = self.extent();
        self.top = at;
        self.push_meta_call(function, args)?;
        self.call_value(at, args.len() as u32, 1, META)?;
        Ok(Flow::Frame)
    }

    /// The value's reference when it is a Lua closure.
    #[inline]
    pub(crate) fn lua_closure(&self, v: Value) -> Option<Ref> {
        (v.tag == Tag::Closure && self.heap.kind(v.as_ref()) == Kind::Closure).then(|| v.as_ref())
    }
}
