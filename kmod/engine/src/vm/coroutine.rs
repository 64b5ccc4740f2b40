// SPDX-License-Identifier: GPL-2.0-only
//! Coroutines.
//!
//! A running coroutine uses the one stack of values and the one stack of frames, above those of the
//! native function that resumed it. When it yields, its part of both is copied to a body of its own,
//! with indices relative to where the part began; when it is resumed, it is copied back to wherever
//! the stack ends then. Its body stays with it, so that yielding again and again allocates nothing.

use super::call::{Flow, Left, MOVED};
use super::error::Raise;
use super::{COROUTINE, FINALIZER, Frame, FrameKind, PLAIN, TAIL, Vm};
use crate::memory::cell::{Header, Kind, ThreadCell};
use crate::value::{Ref, Tag, Value};
use core::mem::offset_of;

/// What a coroutine is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Status {
    /// It has not started, or has yielded.
    Suspended = 0,
    /// It runs.
    Running = 1,
    /// It has resumed another one.
    Normal = 2,
    /// It has returned, or was closed.
    Dead = 3,
    /// It has raised an error.
    Failed = 4,
}

/// The most bytes of calls that are kept when a coroutine fails.
const SHOWN: u64 = 64 << 10;

const BODY: u32 = offset_of!(ThreadCell, body) as u32;

impl Vm {
    fn thread_cell(&self, t: Ref) -> *mut ThreadCell {
        self.heap.at(t)
    }

    /// A coroutine that will call a function.
    pub fn new_thread(&mut self, function: Value) -> Result<Value, Raise> {
        let t = self.allocate(|heap| heap.new_cell(Kind::Thread, Status::Suspended as u16))?;
        // SAFETY: the cell is a thread now.
        unsafe {
            let cell = self.thread_cell(t);
            let header = (*cell).header;
            cell.write(ThreadCell {
                header,
                body: 0,
                capacity: 0,
                values: 0,
                frames: 0,
                base: 0,
                frame_base: 0,
                resumer: 0,
                tbc: 0,
            });
        }
        self.keep_values(t, &[function])?;
        Ok(Value::object(Tag::Thread, t))
    }

    /// What a coroutine is doing.
    pub fn thread_status(&self, t: Ref) -> Status {
        match self.heap.header(t).flags {
            0 => Status::Suspended,
            1 => Status::Running,
            2 => Status::Normal,
            3 => Status::Dead,
            _ => Status::Failed,
        }
    }

    fn set_status(&mut self, t: Ref, status: Status) {
        if t != 0 {
            // SAFETY: a thread's cell.
            unsafe { (*self.heap.at::<Header>(t)).flags = status as u16 };
        }
    }

    /// Makes the body of a coroutine hold so many bytes; what it held is gone.
    fn reserve_body(&mut self, t: Ref, bytes: u64) -> Result<(), Raise> {
        // SAFETY: a thread's cell; its body is replaced as a whole.
        unsafe {
            let cell = self.thread_cell(t);
            if bytes <= u64::from((*cell).capacity) {
                return Ok(());
            }
            (*cell).values = 0;
            (*cell).frames = 0;
            (*cell).tbc = 0;
            (*cell).capacity = 0;
            let old = core::mem::replace(&mut (*cell).body, 0);
            self.heap.free_body(old);
            let body = self.allocate(|heap| heap.new_body(t, BODY, bytes))?;
            let capacity = self.heap.body_capacity(body);
            (*self.thread_cell(t)).capacity = capacity;
        }
        Ok(())
    }

    /// Saves values alone.
    fn keep_values(&mut self, t: Ref, values: &[Value]) -> Result<(), Raise> {
        self.reserve_body(t, 16 * values.len() as u64)?;
        // SAFETY: the body holds them.
        unsafe {
            let cell = self.thread_cell(t);
            for (i, &v) in values.iter().enumerate() {
                self.heap.store_barrier(t, Value::NIL, v);
                *self.heap.at::<Value>((*cell).body).add(i) = v;
            }
            (*cell).values = values.len() as u32;
            (*cell).frames = 0;
            (*cell).tbc = 0;
        }
        Ok(())
    }

    fn drop_body(&mut self, t: Ref) {
        // SAFETY: a thread's cell.
        unsafe {
            let cell = self.thread_cell(t);
            (*cell).values = 0;
            (*cell).frames = 0;
            (*cell).tbc = 0;
            (*cell).capacity = 0;
            let body = core::mem::replace(&mut (*cell).body, 0);
            self.heap.free_body(body);
        }
    }

    // --- yield ---------------------------------------------------------------------------------------

    /// The native function on top yields the topmost `n` values.
    pub(crate) fn suspend(&mut self, n: u32) -> Result<(), Raise> {
        let t = self.thread;
        if t == 0 {
            return Err(self.fault(format_args!("attempt to yield from outside a coroutine")));
        }
        // SAFETY: a thread's cell.
        let (base, frame_base) = unsafe {
            (
                (*self.thread_cell(t)).base,
                (*self.thread_cell(t)).frame_base,
            )
        };
        if !self.may_yield() {
            return Err(self.fault(format_args!("attempt to yield across a C-call boundary")));
        }
        let end = self.this().func + 1;
        self.own_range(base, end)?;
        self.this_mut().kind = FrameKind::Yielding;
        let frames = self.depth + 1 - frame_base;
        let tbc = self.tbc_from(base);
        let bytes = u64::from(end - base) * 16 + u64::from(frames) * 32 + u64::from(tbc) * 4;
        self.charge(bytes / 512 + u64::from(frames) / 8)?;
        if let Err(raise) = self.reserve_body(t, bytes) {
            self.this_mut().kind = FrameKind::Native;
            return Err(raise);
        }
        self.heap.escaped = true;
        self.save(t, base, end, frame_base, tbc);
        self.heap.shade_thread(t);
        self.set_status(t, Status::Suspended);
        self.leave(t);
        self.depth = frame_base - 1;
        let first = self.top - n;
        self.hand_over(first, n);
        Ok(())
    }

    /// Whether the coroutine that runs may yield: it is in no finalizer, is not being closed, and only
    /// those natives wait for a call of which Lua says that one may yield across them.
    pub fn may_yield(&self) -> bool {
        let t = self.thread;
        if t == 0 {
            return false;
        }
        // SAFETY: a thread's cell.
        let first = unsafe { (*self.thread_cell(t)).frame_base };
        self.frame(first.saturating_sub(1)).kind != FrameKind::Closing
            && (first..=self.depth).all(|depth| {
                let f = self.frame(depth);
                f.flags & (FINALIZER | super::HANDLER) == 0
                    && match f.kind {
                        FrameKind::Host => false,
                        FrameKind::Calling | FrameKind::Protecting => self
                            .native_of(self.get(f.func))
                            .is_some_and(|def| def.yieldable),
                        _ => true,
                    }
            })
    }

    /// Copies the coroutine's part of the stacks to its body, which is large enough.
    fn save(&mut self, t: Ref, base: u32, end: u32, frame_base: u32, tbc: u32) {
        let frames = self.depth + 1 - frame_base;
        // SAFETY: the body holds them, one after the other.
        unsafe {
            let cell = self.thread_cell(t);
            let to = self.heap.at::<Value>((*cell).body);
            to.copy_from_nonoverlapping(self.slot(base), (end - base) as usize);
            let to = to.add((end - base) as usize).cast::<Frame>();
            for i in 0..frames {
                let mut f = *self.frame(frame_base + i);
                shift(&mut f, base.wrapping_neg());
                to.add(i as usize).write(f);
            }
            let to = to.add(frames as usize).cast::<u32>();
            self.tbc_count -= tbc;
            for i in 0..tbc {
                let index = *self.tbc.wrapping_add((self.tbc_count + i) as usize);
                to.add(i as usize).write(index - base);
            }
            (*cell).values = end - base;
            (*cell).frames = frames;
            (*cell).tbc = tbc;
        }
    }

    /// How many variables to be closed lie at or above an index.
    fn tbc_from(&self, base: u32) -> u32 {
        let mut n = 0;
        while n < self.tbc_count {
            // SAFETY: the list has that many entries.
            let index = unsafe { *self.tbc.wrapping_add((self.tbc_count - n) as usize - 1) };
            if index < base {
                break;
            }
            n += 1;
        }
        n
    }

    /// Copies strings that show bytes of the packet in a range of the stack.
    fn own_range(&mut self, from: u32, to: u32) -> Result<(), Raise> {
        for i in from..to {
            let v = self.get(i);
            if v.tag == Tag::Bytes {
                let owned = self.owned_string(v)?;
                // SAFETY: inside the stack.
                unsafe { *self.slot(i) = owned };
            }
        }
        Ok(())
    }

    /// A coroutine runs instead of what ran until now.
    fn enter(&mut self, t: Ref) {
        self.set_status(self.thread, Status::Normal);
        self.set_status(t, Status::Running);
        self.thread = t;
    }

    /// Whoever resumed a coroutine runs again.
    fn leave(&mut self, t: Ref) {
        // SAFETY: a thread's cell.
        let resumer = unsafe { core::mem::replace(&mut (*self.thread_cell(t)).resumer, 0) };
        self.thread = resumer;
        self.set_status(resumer, Status::Running);
    }

    /// The native function on top, which resumed a coroutine, gets `n` values as results.
    fn hand_over(&mut self, first: u32, n: u32) {
        let f = *self.this();
        self.fuel -= i64::from(n / MOVED);
        // SAFETY: both ranges are inside the stack.
        unsafe { core::ptr::copy(self.slot(first), self.slot(f.place), n as usize) };
        self.top = f.place + n;
        let waits = f.kind == FrameKind::Resuming && f.pc == crate::stdlib::coroutine::DONE;
        if waits && f.flags & !(TAIL | PLAIN) == 0 && !self.heap.wants_safe_point() {
            // `resume` and what `wrap` made return what they have above their arguments' beginning.
            self.end_level();
            self.finish_plain(&f, f.base, self.top - f.base);
        } else {
            self.reenter(f.pc);
        }
    }

    // --- resume --------------------------------------------------------------------------------------

    /// The native function on top resumes the coroutine at its place with the `nargs` values above it, if
    /// there is a level left for it.
    pub(crate) fn resume(&mut self, nargs: u32, is_level: bool) -> Result<(), Raise> {
        let place = self.this().place;
        let t = self.get(place).as_ref();
        let message: &[u8] = match self.thread_status(t) {
            Status::Suspended => b"",
            Status::Running | Status::Normal => b"cannot resume non-suspended coroutine",
            Status::Dead | Status::Failed => b"cannot resume dead coroutine",
        };
        if !message.is_empty() {
            self.error = self.new_string(message)?;
            self.deliver_failure();
            return Ok(());
        }
        // SAFETY: a thread's cell.
        let (values, frames, tbc) = unsafe {
            let cell = self.thread_cell(t);
            ((*cell).values, (*cell).frames, (*cell).tbc)
        };
        let room = self.ensure_stack(values + 64);
        let overflow =
            self.depth + frames + 2 >= self.frame_limit || self.tbc_count + tbc >= self.frame_limit;
        if room.is_err() || overflow || !is_level {
            self.error = self.new_string(b"C stack overflow")?;
            self.deliver_failure();
            return Ok(());
        }
        self.charge(u64::from(values + frames) / 32 + u64::from(nargs / MOVED) + 1)?;
        self.heap.shade_thread(t);
        self.heap.escaped = true;
        let base = place + 1;
        let frame_base = self.depth + 1;
        // SAFETY: there is room on both stacks; the body holds what its cell says.
        unsafe {
            core::ptr::copy(self.slot(base), self.slot(base + values), nargs as usize);
            self.copy_back(t, base, values, frames);
            // Its natives count as little as in PUC, which has left the C stack that they were on.
            for depth in frame_base..=self.depth {
                (*self.frames.wrapping_add(depth as usize)).levels = self.levels;
            }
            let cell = self.thread_cell(t);
            let from = self.heap.at::<Value>((*cell).body).add(values as usize);
            let from = from.cast::<Frame>().add(frames as usize).cast::<u32>();
            for i in 0..tbc {
                let index = from.add(i as usize).read() + base;
                *self.tbc.wrapping_add(self.tbc_count as usize) = index;
                self.tbc_count += 1;
            }
            (*cell).values = 0;
            (*cell).frames = 0;
            (*cell).tbc = 0;
            (*cell).base = base;
            (*cell).frame_base = frame_base;
            (*cell).resumer = self.thread;
        }
        self.enter(t);
        self.top = base + values + nargs;
        if frames == 0 {
            return self.call_value(base, nargs, super::native::ALL as i16, COROUTINE);
        }
        self.finish_return(base + values, nargs)
    }

    /// Depth of the outermost frame of the coroutine that runs, or of the main program.
    pub(crate) fn first_depth(&self) -> u32 {
        if self.thread == 0 {
            return 1;
        }
        // SAFETY: a thread's cell.
        unsafe { (*self.thread_cell(self.thread)).frame_base.max(1) }
    }

    /// Depths of the first and the last frame of a coroutine (0: the main program) that runs or has
    /// resumed one that does.
    pub(crate) fn frames_within(&self, t: Ref) -> Option<(u32, u32)> {
        let (mut at, mut last) = (self.thread, self.depth);
        loop {
            if at == 0 {
                return (t == 0).then_some((1, last));
            }
            // SAFETY: a thread's cell.
            let (first, resumer) = unsafe {
                let cell = self.thread_cell(at);
                ((*cell).frame_base.max(1), (*cell).resumer)
            };
            if at == t {
                return Some((first, last));
            }
            (at, last) = (resumer, first - 1);
        }
    }

    /// Puts the saved frames of a coroutine on the stacks to be looked at; whoever asked takes them off
    /// again. Says where their values begin, if there are any.
    pub(crate) fn show_thread(&mut self, t: Ref) -> Option<u32> {
        // SAFETY: a thread's cell.
        let (values, frames) =
            unsafe { ((*self.thread_cell(t)).values, (*self.thread_cell(t)).frames) };
        let base = self.extent().max(self.top);
        self.fuel -= i64::from((values + frames) / MOVED);
        self.top = base;
        if frames == 0
            || self.ensure_stack(values + 64).is_err()
            || self.depth + frames + 2 >= self.frame_limit
        {
            return None;
        }
        self.copy_back(t, base, values, frames);
        // SAFETY: a thread's cell.
        unsafe { (*self.thread_cell(t)).frame_base = self.depth + 1 - frames };
        self.thread = t;
        self.top = base + values;
        Some(base)
    }

    /// Replaces a value that a suspended coroutine keeps.
    #[cfg(feature = "user")]
    pub(crate) fn set_kept(&mut self, t: Ref, index: u32, v: Value) {
        // SAFETY: a thread's cell, and a value of its body.
        unsafe {
            let cell = self.thread_cell(t);
            if index >= (*cell).values {
                return;
            }
            let slot = self.heap.at::<Value>((*cell).body).add(index as usize);
            self.heap.store_barrier(t, *slot, v);
            *slot = v;
        }
    }

    /// What [`Vm::show_thread`] changes.
    #[cfg(feature = "user")]
    pub(crate) fn place(&self) -> (u32, u32, Ref) {
        (self.depth, self.top, self.thread)
    }

    /// Forgets the coroutine that was shown.
    #[cfg(feature = "user")]
    pub(crate) fn return_to(&mut self, place: (u32, u32, Ref)) {
        (self.depth, self.top, self.thread) = place;
    }

    /// Copies saved values to the stack from `base` on and saved frames on top of the frames.
    fn copy_back(&mut self, t: Ref, base: u32, values: u32, frames: u32) {
        // SAFETY: there is room on both stacks; the body holds what its cell says.
        unsafe {
            let from = self.heap.at::<Value>((*self.thread_cell(t)).body);
            self.slot(base)
                .copy_from_nonoverlapping(from, values as usize);
            let from = from.add(values as usize).cast::<Frame>();
            for i in 0..frames {
                let mut f = from.add(i as usize).read();
                shift(&mut f, base);
                self.depth += 1;
                *self.this_mut() = f;
            }
        }
    }

    /// The outermost function of the running coroutine returned.
    pub(crate) fn coroutine_returned(&mut self, first: u32, n: u32) -> Result<(), Raise> {
        let t = self.thread;
        self.set_status(t, Status::Dead);
        self.drop_body(t);
        self.leave(t);
        self.depth -= 1;
        self.hand_over(first, n);
        Ok(())
    }

    /// The running coroutine raised an error; the frame on top resumed it. What it was to close is
    /// kept, with the error, for whoever closes it; and its calls, for tracebacks, unless they are many.
    /// `raised` is the depth of the last of them and the end of what they use of the stack.
    pub(crate) fn coroutine_failed(&mut self, raised: (u32, u32)) -> Result<(), Raise> {
        let t = self.thread;
        let error = self.error;
        self.set_status(t, Status::Failed);
        // SAFETY: a thread's cell.
        let base = unsafe { (*self.thread_cell(t)).base };
        let tbc = self.tbc_from(base);
        let closed = if tbc == 0 {
            base
        } else {
            // SAFETY: the list has that many entries.
            unsafe { *self.tbc.wrapping_add(self.tbc_count as usize - 1) + 1 }
        };
        let frame_base = self.depth + 1;
        let calls = raised.0 - self.depth;
        let all = raised.1.max(closed);
        let shown = u64::from(all - base) * 16 + u64::from(calls) * 32 <= SHOWN
            && all < self.stack_soft
            && self.keep_calls(t, (base, all), calls, tbc, error);
        if !shown {
            let bytes = u64::from(closed - base + 1) * 16 + u64::from(tbc) * 4;
            self.top = self.top.max(closed + 1);
            if self.reserve_body(t, bytes).is_ok() {
                // SAFETY: the slot behind the last variable is in use no more.
                unsafe { *self.slot(closed) = error };
                self.save(t, base, closed + 1, frame_base, tbc);
            } else {
                self.tbc_count -= tbc;
                self.set_status(t, Status::Dead);
            }
        }
        self.heap.escaped = true;
        self.heap.shade_thread(t);
        self.error = error;
        self.leave(t);
        self.deliver_failure();
        Ok(())
    }

    /// Saves the calls of a coroutine that failed; says whether there was memory for it.
    fn keep_calls(
        &mut self,
        t: Ref,
        (base, end): (u32, u32),
        calls: u32,
        tbc: u32,
        error: Value,
    ) -> bool {
        let frame_base = self.depth + 1;
        let bytes = u64::from(end - base + 1) * 16 + u64::from(calls) * 32 + u64::from(tbc) * 4;
        self.top = self.top.max(end + 1);
        // SAFETY: behind what the calls use, inside the stack.
        unsafe { *self.slot(end) = error };
        if self.own_range(base, end + 1).is_err() || self.reserve_body(t, bytes).is_err() {
            return false;
        }
        self.depth += calls;
        self.save(t, base, end + 1, frame_base, tbc);
        self.depth -= calls;
        true
    }

    /// Every running coroutine ends: the host takes over.
    pub(crate) fn leave_threads(&mut self) {
        while self.thread != 0 {
            self.abandon_thread();
        }
    }

    /// The running coroutine ends.
    pub(crate) fn abandon_thread(&mut self) {
        let t = self.thread;
        self.drop_body(t);
        self.leave(t);
        self.set_status(t, Status::Dead);
    }

    // --- close ---------------------------------------------------------------------------------------

    /// The native function on top closes the coroutine at its place, which is suspended or dead, if there
    /// is a level left for it.
    pub(crate) fn close_thread(&mut self, is_level: bool) -> Result<(), Raise> {
        let place = self.this().place;
        let t = self.get(place).as_ref();
        if !is_level {
            self.error = self.new_string(b"C stack overflow")?;
            self.deliver_failure();
            return Ok(());
        }
        let failed = self.thread_status(t) == Status::Failed;
        // SAFETY: a thread's cell.
        let (values, frames, tbc) = unsafe {
            let cell = self.thread_cell(t);
            ((*cell).values, (*cell).frames, (*cell).tbc)
        };
        self.ensure_stack(values + 64)?;
        self.heap.shade_thread(t);
        let base = place + 1;
        // SAFETY: there is room; the body holds what its cell says.
        unsafe {
            let cell = self.thread_cell(t);
            let from = self.heap.at::<Value>((*cell).body);
            self.slot(base)
                .copy_from_nonoverlapping(from, values as usize);
            let from = from
                .add(values as usize)
                .cast::<Frame>()
                .add(frames as usize)
                .cast::<u32>();
            for i in 0..tbc {
                let index = from.add(i as usize).read() + base;
                *self.tbc.wrapping_add(self.tbc_count as usize) = index;
                self.tbc_count += 1;
            }
        }
        self.top = base + values;
        self.error = if failed && values > 0 {
            self.get(base + values - 1)
        } else {
            Value::NIL
        };
        self.this_mut().proto = u32::from(failed);
        self.drop_body(t);
        // Its closing functions run as part of it.
        // SAFETY: a thread's cell.
        unsafe {
            let cell = self.thread_cell(t);
            (*cell).base = base;
            (*cell).frame_base = self.depth + 1;
            (*cell).resumer = self.thread;
        }
        self.enter(t);
        self.unwind_on()
    }

    /// All variables of the coroutine that is being closed are closed.
    pub(crate) fn thread_closed(&mut self) -> Result<(), Raise> {
        let f = *self.this();
        let t = self.thread;
        self.leave(t);
        self.set_status(t, Status::Dead);
        if f.proto != 0 {
            self.deliver_failure();
            return Ok(());
        }
        self.top = f.place;
        self.reenter(f.pc);
        Ok(())
    }

    /// An error was raised while the native function at a depth closes a coroutine.
    pub(crate) fn mark_closing_failed(&mut self, depth: u32) {
        // SAFETY: depths up to the current one are frames.
        unsafe { (*self.frames.wrapping_add(depth as usize)).proto = 1 };
    }

    /// Runs the machine until the function that the host called returns.
    pub(crate) fn run(&mut self) -> Result<Left, Raise> {
        loop {
            let result = match self.drive() {
                Ok(Flow::Leave) => return Ok(Left::LEAVE),
                Ok(_) => {
                    let left = self.interpret();
                    if left.verdict().is_some() {
                        return Ok(left);
                    }
                    left.flow()
                }
                Err(raise) => Err(raise),
            };
            match result {
                Ok(Flow::Leave) => return Ok(Left::LEAVE),
                Ok(_) => {}
                Err(raise) => self.unwind(raise)?,
            }
        }
    }
}

/// Moves the indices of a frame.
fn shift(f: &mut Frame, by: u32) {
    f.base = f.base.wrapping_add(by);
    f.func = f.func.wrapping_add(by);
    if f.kind == FrameKind::Lua {
        if f.place != 0 && f.place != u32::MAX {
            f.place = f.place.wrapping_add(by);
        }
    } else {
        f.place = f.place.wrapping_add(by);
        if f.kind == FrameKind::Protecting && f.proto != 0 {
            f.proto = f.proto.wrapping_add(by);
        }
    }
}
