// SPDX-License-Identifier: GPL-2.0-only
//! Tail calls: the callee takes the place of its caller on both stacks.

use super::{ALL_RESULTS, Flow, MOVED};
use crate::memory::cell::{ClosureCell, Kind, ProtoCell};
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::{Frame, PLAIN, TAIL, Vm};

impl Vm {
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
        self.fuel -= i64::from(nargs / MOVED);
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
            let fuel = i64::from((*p).fuel) + i64::from(nargs / MOVED);
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

    /// A native function is replaced by the one that it calls.
    pub(super) fn tail_call_native(&mut self, nargs: u32) -> Result<(), Raise> {
        let f = *self.this();
        self.fuel -= i64::from(nargs / MOVED);
        let from = self.top - nargs - 1;
        // SAFETY: both ranges are inside the stack.
        unsafe { core::ptr::copy(self.slot(from), self.slot(f.func), nargs as usize + 1) };
        self.depth -= 1;
        self.top = f.func + 1 + nargs;
        self.call_value(f.func, nargs, f.wanted, f.flags)
    }
}
