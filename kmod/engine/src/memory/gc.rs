// SPDX-License-Identifier: GPL-2.0-only
//! The collector: incremental mark and sweep for cells, incremental sliding for bodies.
//!
//! A cycle takes a snapshot: its roots are marked when it begins, and whatever a store overwrites
//! while it marks is marked too, so all that was in use at the beginning survives; what is new
//! survives because it is born in the colour of the cycle. Hence no step ever has to look at
//! everything: beginning a cycle costs the roots and the stack, each further step what its budget
//! says. What a weak table gives away while a cycle marks may be outside of the snapshot: stores mark
//! what they store, and the stack is looked at once more when marking ends.
//!
//! Work is paid for by allocation: `pace` bytes looked at for each byte allocated, so that the cycle
//! ends before the reserve does. Bodies slide towards the start of their space in passes of their
//! own, paid for in the same way.

use super::cell::{
    CELL, ClosureCell, ImageCell, Kind, LongCell, ObjectCell, PERMANENT, ThreadCell,
};
use super::{BARRIER_MARK, Heap, OutOfMemory};
use crate::value::{Ref, Value};

/// Bytes looked at or moved in a step that small allocations pay for.
pub(super) const STEP: u64 = 16 * 1024;
/// Bytes allocated between two steps, at most.
pub(super) const STRIDE: i64 = 2048;
/// A cycle is not worth while below this much.
pub(super) const SMALLEST: u64 = 256 * 1024;
/// Bytes looked at for each byte allocated: what keeps floating garbage small, and what always is
/// enough.
const LEAST_PACE: u64 = 12;
pub(super) const MOST_PACE: u64 = 64;
/// Kilobytes that a short step on demand is worth.
const FEW: u64 = 4;

/// What the collector is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Waiting for garbage.
    Idle,
    /// Marking.
    Mark,
    /// All is marked that can be found from the heap; the machine must show its stack once more.
    Marked,
    /// Giving back what was not marked.
    Sweep,
}

/// Where marking a large object has come to.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    pub(super) cell: Ref,
    pub(super) part: u8,
    pub(super) index: u32,
}

impl Scan {
    /// Nothing half done.
    pub const NONE: Self = Self {
        cell: 0,
        part: 0,
        index: 0,
    };
}

/// What is in use beside the stack.
#[derive(Clone, Copy)]
pub struct Roots<'a> {
    /// Values.
    pub values: [&'a [Value]; 3],
    /// Tables; 0 is none.
    pub tables: [&'a [Ref]; 2],
}

/// When the first cycle begins.
pub(super) fn first_threshold(guarantee: u64) -> u64 {
    guarantee.min(1 << 20)
}

impl Heap {
    /// What the collector is at.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the machine should call [`Heap::safe_point`].
    #[inline(always)]
    pub fn wants_safe_point(&self) -> bool {
        self.attention
    }

    /// A safe point: `stack` holds everything that is in use beside `roots`, `rest` is the part of the
    /// stack above it that may hold stale values. Begins a cycle or ends its marking, when due.
    pub fn safe_point(&mut self, roots: &Roots, stack: &[Value], rest: &mut [Value]) {
        self.attention = false;
        if self.stress {
            self.collect(roots, stack, rest);
            self.attention = true;
            return;
        }
        match self.phase {
            Phase::Idle if self.used_cells + self.used_bodies >= self.threshold => {
                self.begin_cycle(roots, stack, rest);
            }
            Phase::Marked => self.end_marking(stack),
            _ => {}
        }
    }

    /// Collects all garbage at once, from a safe point.
    pub fn collect(&mut self, roots: &Roots, stack: &[Value], rest: &mut [Value]) {
        self.finish_cycle(stack);
        self.begin_cycle(roots, stack, rest);
        self.finish_cycle(stack);
        self.finish_compaction();
        self.begin_compaction();
        self.finish_compaction();
    }

    /// Does what the allocation of so many kilobytes (0: a few) would pay for, from a safe point, beginning
    /// a cycle if none is under way.
    pub fn collect_some(
        &mut self,
        roots: &Roots,
        stack: &[Value],
        rest: &mut [Value],
        kilobytes: u64,
    ) {
        let mut left = kilobytes.max(FEW).saturating_mul(2048);
        if self.phase == Phase::Idle {
            self.begin_cycle(roots, stack, rest);
        }
        while left > 0 {
            let spent = match self.phase {
                Phase::Idle => return,
                Phase::Mark => self.propagate(left),
                Phase::Marked => {
                    self.end_marking(stack);
                    0
                }
                Phase::Sweep => self.sweep_some(left),
            };
            left = left.saturating_sub(spent);
        }
    }

    /// Collects all garbage in the midst of a native function, where memory has run out. `stack` holds
    /// what was in use when its step began; what it has allocated since survives, and so does whatever
    /// it may have read out of a weak table.
    pub fn collect_within(&mut self, roots: &Roots, stack: &[Value]) {
        self.strong = true;
        for again in [false, true] {
            if matches!(self.phase, Phase::Mark | Phase::Marked) {
                for v in stack {
                    self.shade(*v);
                }
                self.shade_step();
                self.strengthen();
                self.drain();
                self.doom();
                self.drain();
                self.begin_sweep();
            }
            while self.phase == Phase::Sweep {
                self.sweep_some(u64::MAX);
            }
            if !again {
                self.begin_cycle(roots, stack, &mut []);
            }
        }
        self.strong = false;
        self.finish_compaction();
        self.begin_compaction();
        self.finish_compaction();
    }

    /// Marks what was allocated in the step at hand.
    fn shade_step(&mut self) {
        let mut r = self.cells;
        while r < self.cells_top {
            let header = self.header(r);
            if header.kind != Kind::Free && header.serial == self.serial {
                self.mark(r);
            }
            r += CELL;
        }
    }

    /// Refuses every `n`th allocation as if memory had run out; 0 refuses none. Tests find out with it
    /// whether everybody tries again. Returns what was set before.
    pub fn set_refusal(&mut self, n: u32) -> u32 {
        self.refuse_in = n;
        self.credit = 0;
        core::mem::replace(&mut self.refuse_every, n)
    }

    /// Whether this allocation is to be refused.
    fn refuses(&mut self) -> bool {
        if self.refuse_every == 0 {
            return false;
        }
        // The next allocation is asked about, too.
        self.credit = 0;
        self.refuse_in = self.refuse_in.saturating_sub(1);
        if self.refuse_in > 0 {
            return false;
        }
        self.refuse_in = self.refuse_every;
        true
    }

    /// Runs the cycle that is under way to its end, from a safe point.
    fn finish_cycle(&mut self, stack: &[Value]) {
        while self.phase == Phase::Mark {
            self.propagate(u64::MAX);
        }
        if self.phase == Phase::Marked {
            self.end_marking(stack);
        }
        while self.phase == Phase::Sweep {
            self.sweep_some(u64::MAX);
        }
    }

    /// Collects everything at every safe point, so that a test meets whatever is not rooted.
    pub fn set_stress(&mut self, stress: bool) {
        self.stress = stress;
        self.attention = true;
    }

    /// Stops cycles from beginning by themselves, or lets them again.
    pub fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
        self.credit = 0;
    }

    /// Whether cycles begin by themselves.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn begin_cycle(&mut self, roots: &Roots, stack: &[Value], rest: &mut [Value]) {
        let used = self.used_cells + self.used_bodies;
        let reserve = (self.guarantee + self.guarantee / 2).saturating_sub(used);
        // Sweeping looks at one header a cell.
        let cells = u64::from(self.cells_top - self.cells);
        self.pace = ((used + cells / 4) / reserve.max(self.guarantee / 16).max(1) + 1)
            .clamp(LEAST_PACE, MOST_PACE);
        self.set_stride();
        self.color = 3 - self.color;
        self.phase = Phase::Mark;
        self.barrier |= BARRIER_MARK;
        self.gray = 0;
        self.weak = 0;
        self.scan = Scan::NONE;
        self.marked = 0;
        self.stepped = true;
        self.credit = self.stride;
        for v in roots.values.into_iter().flatten().chain(stack) {
            self.shade(*v);
        }
        for &t in roots.tables.into_iter().flatten() {
            if t != 0 {
                self.mark(t);
            }
        }
        let mut r = self.doomed;
        while r != 0 {
            self.mark(r);
            r = self.header(r).hash;
        }
        for v in rest {
            *v = Value::NIL;
        }
        self.account(stack.len() as u64 * 16);
    }

    pub(super) fn account(&mut self, bytes: u64) {
        self.work += bytes / 64 + 1;
        self.longest_step = self.longest_step.max(bytes);
    }

    /// A step of whatever is under way, because so much was allocated, `asked` bytes of it just now.
    #[cold]
    #[inline(never)]
    pub(super) fn step(&mut self, asked: u32) -> Result<(), OutOfMemory> {
        let due = (self.stride - self.credit.min(0)) as u64;
        // What is asked for at once is used by as much work of the program's own, and pays for twice as
        // much of the collector's; what is owed beyond that the next allocations pay for.
        let most = STEP + 2 * u64::from(asked);
        let mut pace = if self.compacting { self.slide_pace } else { 1 };
        if matches!(self.phase, Phase::Mark | Phase::Sweep) {
            pace = pace.max(self.pace);
        }
        let debt = due.saturating_mul(pace).saturating_sub(most) / pace.max(1);
        self.credit = self.stride - debt as i64;
        self.peak = self.peak.max(self.used_cells + self.used_bodies);
        match self.phase {
            Phase::Idle => {
                let used = self.used_cells + self.used_bodies;
                if self.stopped {
                    self.credit = i64::MAX / 2;
                } else if used >= self.threshold {
                    self.attention = true;
                } else if !self.compacting {
                    self.credit = (self.threshold - used) as i64;
                }
            }
            Phase::Mark => {
                self.stepped = true;
                self.propagate(due.saturating_mul(self.pace).min(most));
            }
            Phase::Marked => self.attention = true,
            Phase::Sweep => {
                self.stepped = true;
                self.sweep_some(due.saturating_mul(self.pace).min(most));
            }
        }
        if self.compacting {
            self.stepped = true;
            self.slide(due.saturating_mul(self.slide_pace).min(most));
        } else if self.compaction_due() {
            self.begin_compaction();
        }
        if self.refuses() {
            return Err(OutOfMemory);
        }
        Ok(())
    }

    /// Memory has run out between two safe points: does what can be done there.
    #[cold]
    pub(super) fn collect_now(&mut self) {
        self.stepped = true;
        while self.phase == Phase::Sweep {
            self.sweep_some(u64::MAX);
        }
        self.finish_compaction();
        self.begin_compaction();
        self.finish_compaction();
        self.attention = true;
    }

    // --- sweeping ------------------------------------------------------------------------------------

    fn sweep_some(&mut self, budget: u64) -> u64 {
        let mut spent = 0;
        while spent < budget {
            let r = self.sweep;
            if r >= self.cells_top {
                self.end_cycle();
                break;
            }
            self.sweep += CELL;
            spent += 16;
            let header = *self.header(r);
            if header.kind != Kind::Free && header.mark != self.color && header.mark != PERMANENT {
                self.release_bodies(r, header.kind);
                self.free_cell(r);
                spent += 32;
            }
        }
        self.account(spent);
        spent
    }

    /// Gives back the bodies of a cell that is garbage.
    fn release_bodies(&mut self, r: Ref, kind: Kind) {
        // SAFETY: cells of the kind that their header says.
        unsafe {
            match kind {
                Kind::Long | Kind::Buffer => self.free_body((*self.at::<LongCell>(r)).body),
                Kind::Table => {
                    let cell = self.table(r);
                    let (array, nodes, old) = ((*cell).array, (*cell).nodes, (*cell).old_nodes);
                    self.free_body(array);
                    self.free_body(nodes);
                    self.free_body(old);
                }
                Kind::Closure => {
                    let cell = self.at::<ClosureCell>(r);
                    if usize::from((*cell).header.flags) > super::INLINE_UPVALUES {
                        self.free_body((*cell).values[0].payload as Ref);
                    }
                }
                Kind::Thread => self.free_body((*self.at::<ThreadCell>(r)).body),
                Kind::Image => self.free_body((*self.at::<ImageCell>(r)).body),
                Kind::Object => self.free_body((*self.at::<ObjectCell>(r)).body),
                _ => {}
            }
        }
    }

    fn end_cycle(&mut self) {
        self.phase = Phase::Idle;
        self.collections += 1;
        let used = self.used_cells + self.used_bodies;
        let latest = self.guarantee + self.guarantee / 4;
        self.threshold = (used * 2)
            .max(SMALLEST.min(self.guarantee / 4))
            .min(latest)
            .max(used + (self.guarantee / 64).min(SMALLEST / 2));
        self.credit = 0;
    }
}
