// SPDX-License-Identifier: GPL-2.0-only
//! The machine's side of memory: safe points, allocations that try again when memory has run out, and
//! finalizers.
//!
//! At a *safe point* everything in use is on the stack, below an index that the instruction or the
//! return knows: registers are taken and given back like a stack, so what lies above is left over. It
//! is forgotten there, or else what it refers to would live until something else is put in its place.
//!
//! A native function that meets the end of memory is in the midst of its work: nobody knows what it
//! holds. [`Vm::allocate`] then collects what neither was in use when the function's step began nor was
//! allocated since, and tries once more. So a native function may keep in a variable what it allocated
//! or what it read from somewhere; only what it took *out* of its place it must put on the stack before
//! it allocates.

use super::call::Flow;
use super::error::Raise;
use super::operate::number_of;
use super::{Event, FINALIZER, FrameKind, MARGIN, Vm};
use crate::memory::{BARRIER_YOUNG, Heap, OutOfMemory, Phase, Roots};
use crate::number::format;
use crate::value::{Ref, Tag, Value};

/// Slots above the top that a native function may have taken values from in its step.
const TAKEN: u32 = 64;

/// What a collector is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// What is due.
    Due,
    /// What so many kilobytes would pay for, from a safe point.
    Some(u64),
    /// Everything, from a safe point.
    Whole,
    /// Everything, in the midst of a native function.
    Within,
}

impl Vm {
    // --- safe points ---------------------------------------------------------------------------------

    /// Between two instructions: lets the collector have its safe point, and a finalizer its turn.
    /// Slots from `live` on are not in use.
    #[inline]
    pub(crate) fn breathe(&mut self, live: u32) -> Result<Flow, Raise> {
        if self.heap.wants_safe_point() {
            return self.pause(live);
        }
        Ok(Flow::Next)
    }

    #[cold]
    #[inline(never)]
    fn pause(&mut self, live: u32) -> Result<Flow, Raise> {
        self.safe_point(live);
        if self.heap.doomed != 0 && self.finalizes_now() && self.start_finalizer()? {
            return Ok(Flow::Frame);
        }
        Ok(Flow::Next)
    }

    /// Gives the collector its safe point.
    #[cold]
    #[inline(never)]
    pub(crate) fn safe_point(&mut self, live: u32) {
        self.heap.begin_step();
        self.collector(How::Due, live);
        self.pay();
    }

    /// A full collection, from a safe point.
    pub fn collect(&mut self) {
        self.collector(How::Whole, self.in_use());
        self.pay();
    }

    /// A step of the collector, worth so many kilobytes allocated (0: a short one), from a safe point.
    /// Says whether it ended a cycle.
    pub fn collect_some(&mut self, kilobytes: u64) -> bool {
        self.collector(How::Some(kilobytes), self.in_use());
        self.pay();
        self.heap.phase() == Phase::Idle
    }

    /// Charges the collector's work. That fuel has run out is found by whoever charges next.
    fn pay(&mut self) {
        self.fuel -= (core::mem::take(&mut self.heap.work) / 4) as i64;
    }

    /// The first slot that is not in use, as far as it can be told at any time.
    pub(crate) fn in_use(&self) -> u32 {
        // Results "up to the top" may lie above the frame that waits for them.
        self.extent().max(self.top)
    }

    /// Shows the collector everything that is in use.
    fn collector(&mut self, how: How, live: u32) {
        let end = self.stack_soft + MARGIN;
        let fixed = [Value::object(Tag::Thread, self.thread), self.error];
        let tables = [self.globals, self.loaded];
        let roots = Roots {
            values: [&fixed, &self.handles, &self.reasons],
            tables: [&tables, &self.metatables],
        };
        let live = if how == How::Within {
            live.saturating_add(TAKEN).min(end)
        } else {
            live
        };
        // SAFETY: the stack is allocated to its limit and a margin beyond; the two parts do not overlap.
        let (stack, rest) = unsafe {
            (
                core::slice::from_raw_parts(self.stack, live as usize),
                core::slice::from_raw_parts_mut(self.slot(live), end.saturating_sub(live) as usize),
            )
        };
        match how {
            How::Due => self.heap.safe_point(&roots, stack, rest),
            How::Some(kilobytes) => self.heap.collect_some(&roots, stack, rest, kilobytes),
            How::Whole => self.heap.collect(&roots, stack, rest),
            How::Within => self.heap.collect_within(&roots, stack),
        }
    }

    // --- memory that has run out ---------------------------------------------------------------------

    /// Does something that allocates, and that leaves everything as it was when it fails: once more
    /// after a collection, when memory has run out.
    #[inline]
    pub fn allocate<T>(
        &mut self,
        mut what: impl FnMut(&mut Heap) -> Result<T, OutOfMemory>,
    ) -> Result<T, Raise> {
        match what(&mut self.heap) {
            Ok(made) => Ok(made),
            Err(OutOfMemory) => {
                let refusal = self.make_room();
                let made = what(&mut self.heap);
                self.heap.set_refusal(refusal);
                self.memory(made)
            }
        }
    }

    /// Collects in the midst of a native function, and lets nothing be refused until the caller says.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> u32 {
        let refusal = self.heap.set_refusal(0);
        self.collector(How::Within, self.in_use());
        self.pay();
        refusal
    }

    /// Does an instruction that allocates, and that can be done again from its beginning: once more
    /// after a collection, when memory has run out.
    #[inline(always)]
    pub(crate) fn insist<T>(
        &mut self,
        mut what: impl FnMut(&mut Self) -> Result<T, Raise>,
    ) -> Result<T, Raise> {
        match what(self) {
            Err(Raise::Memory) => {
                // Here everything in use is on the stack.
                let refusal = self.heap.set_refusal(0);
                self.collect();
                let done = what(self);
                self.heap.set_refusal(refusal);
                done
            }
            done => done,
        }
    }

    /// Whether the collector waits for a safe point: see [`super::native::Step::Again`].
    pub fn is_due(&self) -> bool {
        self.heap.wants_safe_point()
    }

    /// A string under construction, with room for so many bytes.
    pub fn new_buffer(&mut self, capacity: usize) -> Result<Ref, Raise> {
        self.allocate(|heap| heap.new_buffer(capacity))
    }

    /// Appends bytes to a buffer.
    pub fn push_bytes(&mut self, buffer: Ref, bytes: &[u8]) -> Result<(), Raise> {
        self.allocate(|heap| heap.push_bytes(buffer, bytes))
    }

    /// Appends `count` times the same byte to a buffer.
    pub fn push_fill(&mut self, buffer: Ref, byte: u8, count: usize) -> Result<(), Raise> {
        self.allocate(|heap| heap.push_fill(buffer, byte, count))
    }

    /// Appends a string or a number as text.
    pub fn push_text(&mut self, buffer: Ref, v: Value) -> Result<(), Raise> {
        let mut room = [0; format::TEXT];
        match number_of(v) {
            Some(n) => self.push_bytes(buffer, format::to_text(n, &mut room)),
            None => self.push_part(buffer, v, 0, usize::MAX),
        }
    }

    /// Makes a result of the heap one of the machine: memory that has run out is a Lua error. To be
    /// used where [`Vm::allocate`] cannot be.
    #[inline]
    pub fn memory<T>(&mut self, r: Result<T, OutOfMemory>) -> Result<T, Raise> {
        match r {
            Ok(v) => Ok(v),
            Err(OutOfMemory) => Err(self.out_of_memory()),
        }
    }

    // --- finalizers ----------------------------------------------------------------------------------

    /// Whether finalizers run between instructions: not while a packet waits for its verdict, and not
    /// within each other.
    pub(crate) fn finalizes_now(&self) -> bool {
        !self.finalizing
            && !self.fatal
            && self.finalizer_fuel.max(self.finalizer_reserve) > 0
            && self.heap.barrier & BARRIER_YOUNG == 0
    }

    /// Whether a finalizer was called between two instructions of a coroutine, which then cannot yield.
    pub fn finalizes_in(&self, thread: Ref) -> bool {
        self.finalizer_depth != 0 && self.finalizer_thread == thread
    }

    /// The next object to be finalized, with the function that does it.
    fn next_finalizer(&mut self) -> Option<(Value, Value)> {
        while let Some(t) = self.heap.take_doomed() {
            let object = Value::object(Tag::Table, t);
            let finalizer = self.metamethod(object, Event::Gc);
            if super::native::is_function(finalizer) {
                return Some((finalizer, object));
            }
        }
        None
    }

    /// Puts the call of a finalizer on top of the Lua function that runs, if there is one to be called.
    pub(crate) fn start_finalizer(&mut self) -> Result<bool, Raise> {
        let top = self.top;
        let at = self.in_use();
        self.top = at;
        if at + 2 * MARGIN > self.stack_limit {
            // There will be room when the program returns.
            self.top = top;
            return Ok(false);
        }
        let Some((finalizer, object)) = self.next_finalizer() else {
            self.top = top;
            return Ok(false);
        };
        self.push_meta_call(finalizer, &[object])?;
        self.finalizer_top = top;
        self.finalizer_thread = self.thread;
        self.finalizer_levels = self.levels;
        self.finalizer_depth = self.depth + 1;
        self.finalizing = true;
        self.swap_fuel();
        match self.call_value(at, 1, 0, FINALIZER) {
            Ok(()) => Ok(true),
            Err(_) => {
                self.finalizer_failed();
                self.forget_error();
                self.finalizer_done();
                Ok(false)
            }
        }
    }

    fn swap_fuel(&mut self) {
        core::mem::swap(&mut self.fuel, &mut self.finalizer_fuel);
        core::mem::swap(&mut self.reserve, &mut self.finalizer_reserve);
    }

    /// A finalizer that ran between instructions has returned or failed; its frame is gone.
    pub(crate) fn finalizer_done(&mut self) {
        self.finalizing = false;
        self.finalizer_depth = 0;
        self.levels = self.finalizer_levels;
        self.top = self.finalizer_top;
        self.swap_fuel();
    }

    /// Fuel has run out: when that is a finalizer's own, it ends, and the program goes on.
    pub(crate) fn abandon_finalizer(&mut self) -> bool {
        let depth = self.finalizer_depth;
        if depth == 0 || self.frames_of_host() >= depth {
            return false;
        }
        self.finalizer_failed();
        while self.depth >= depth {
            self.leave_handler();
            self.depth -= 1;
        }
        let func = self.frame(depth).func;
        self.drop_tbc(func);
        while self.thread != self.finalizer_thread {
            self.abandon_thread();
        }
        self.forget_error();
        self.finalizer_done();
        true
    }

    /// Depth of the host's frame that is nearest to the top.
    fn frames_of_host(&self) -> u32 {
        let mut depth = self.depth;
        while depth > 0 && self.frame(depth).kind != FrameKind::Host {
            depth -= 1;
        }
        depth
    }

    /// A finalizer has raised an error: a warning, as far as there is memory to tell it.
    pub(crate) fn finalizer_failed(&mut self) {
        if self.library.warnings {
            let error = self.error;
            let _ = self.warn_of(error);
        }
    }

    fn warn_of(&mut self, error: Value) -> Result<(), Raise> {
        let line = self.new_buffer(64)?;
        self.push_bytes(line, b"Lua warning: error in __gc (")?;
        if matches!(error.tag, Tag::Str | Tag::Bytes) {
            self.push_part(line, error, 0, usize::MAX)?;
        } else {
            self.push_bytes(line, b"error object is not a string")?;
        }
        self.push_bytes(line, b")")?;
        self.warning(line)
    }

    /// Calls every finalizer that waits, from outside any function.
    pub(crate) fn run_finalizers(&mut self) {
        if core::mem::replace(&mut self.finalizing, true) {
            return;
        }
        while self.fuel >= 0
            && let Some((finalizer, object)) = self.next_finalizer()
        {
            if self
                .call_from_host(finalizer, &[object], 0, |_, _| ())
                .is_err()
            {
                self.finalizer_failed();
                self.forget_error();
            }
        }
        self.finalizing = false;
    }

    /// The environment ends: everything with a finalizer is finalized.
    pub fn finish(&mut self) {
        self.heap.doom_all();
        if self.finalizer_reserve.max(self.finalizer_fuel) > self.reserve.max(self.fuel) {
            self.swap_fuel();
        }
        self.run_finalizers();
    }
}
