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
    BODY_HEADER, BodyHeader, BoxCell, CELL, ClosureCell, Header, ImageCell, Kind, LongCell,
    NativeClosureCell, Node, ObjectCell, PERMANENT, ProtoCell, ThreadCell,
};
use super::{BARRIER_MARK, Heap, OutOfMemory, reference};
use crate::value::{Ref, Tag, Value};
use crate::vm::Event;

/// Bytes looked at or moved in a step that small allocations pay for.
const STEP: u64 = 16 * 1024;
/// Bytes allocated between two steps, at most.
const STRIDE: i64 = 2048;
/// A cycle is not worth while below this much.
const SMALLEST: u64 = 64 * 1024;
/// Bytes looked at for each byte allocated: what keeps floating garbage small, and what always is
/// enough.
const LEAST_PACE: u64 = 6;
const MOST_PACE: u64 = 64;
/// Kilobytes that a short step on demand is worth.
const FEW: u64 = 4;
/// Entries of a table that are looked at before the budget is asked again.
const SLICE: u32 = 64;

/// Flag of a table: its keys are weak.
const WEAK_KEYS: u16 = 1;
/// Flag of a table: its values are weak.
const WEAK_VALUES: u16 = 2;

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
    cell: Ref,
    part: u8,
    index: u32,
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

    /// Takes the weak tables that this cycle has met for strong ones.
    fn strengthen(&mut self) {
        let mut r = core::mem::replace(&mut self.weak, 0);
        while r != 0 {
            let next = self.header(r).next;
            // SAFETY: a table's cell and its array part.
            unsafe {
                let cell = self.table(r);
                for i in 0..(*cell).cap {
                    let v = *self.at::<Value>((*cell).array).add(i as usize);
                    self.shade(v);
                }
            }
            self.each_node(r, &mut |heap, node| {
                heap.shade(node.key());
                heap.shade(node.value);
            });
            r = next;
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

    fn account(&mut self, bytes: u64) {
        self.work += bytes / 64 + 1;
        self.longest_step = self.longest_step.max(bytes);
    }

    /// A step of whatever is under way, because so much was allocated.
    #[cold]
    #[inline(never)]
    pub(super) fn step(&mut self) -> Result<(), OutOfMemory> {
        // What was allocated at once beyond the stride is paid for at once.
        let due = (self.stride - self.credit.min(0)) as u64;
        self.credit = self.stride;
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
                self.propagate(due.saturating_mul(self.pace));
            }
            Phase::Marked => self.attention = true,
            Phase::Sweep => {
                self.stepped = true;
                self.sweep_some(due.saturating_mul(self.pace));
            }
        }
        if self.compacting {
            self.stepped = true;
            self.slide(due.saturating_mul(self.slide_pace));
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

    // --- marking -------------------------------------------------------------------------------------

    /// Marks what a value refers to.
    #[inline]
    pub(super) fn shade(&mut self, v: Value) {
        if let Some(r) = reference(v) {
            self.mark(r);
        }
    }

    fn mark(&mut self, r: Ref) {
        let header = self.at::<Header>(r);
        // SAFETY: references name cells.
        unsafe {
            if (*header).mark == self.color || (*header).mark == PERMANENT {
                return;
            }
            (*header).mark = self.color;
            self.marked += u64::from(CELL);
            match (*header).kind {
                Kind::Free | Kind::Short | Kind::Addr6 => {}
                Kind::Long | Kind::Buffer => {
                    self.marked += u64::from((*self.at::<LongCell>(r)).capacity);
                }
                _ => {
                    (*header).next = self.gray;
                    self.gray = r;
                }
            }
        }
    }

    fn is_marked(&self, r: Ref) -> bool {
        let mark = self.header(r).mark;
        mark == self.color || mark == PERMANENT
    }

    /// Marks what grey cells refer to until the budget is used up or none is left.
    fn propagate(&mut self, budget: u64) -> u64 {
        let mut spent = 0;
        while spent < budget {
            if self.scan.cell == 0 {
                let r = self.gray;
                if r == 0 {
                    if self.phase == Phase::Mark {
                        self.phase = Phase::Marked;
                        self.attention = true;
                    }
                    break;
                }
                self.gray = self.header(r).next;
                self.scan = Scan {
                    cell: r,
                    part: 0,
                    index: 0,
                };
            }
            spent += self.scan_some();
        }
        self.account(spent);
        spent
    }

    /// Marks a part of what the cell at hand refers to; returns the bytes looked at.
    fn scan_some(&mut self) -> u64 {
        let r = self.scan.cell;
        if self.header(r).kind == Kind::Table {
            return self.scan_table(r);
        }
        self.scan = Scan::NONE;
        // SAFETY: cells of the kind that their header says.
        unsafe {
            match self.header(r).kind {
                Kind::Closure => {
                    let count = usize::from((*self.at::<ClosureCell>(r)).header.flags);
                    self.mark((*self.at::<ClosureCell>(r)).header.hash);
                    for i in 0..count {
                        let v = *self.upvalues(r).add(i);
                        self.shade(v);
                    }
                    u64::from(CELL) + 16 * count as u64
                }
                Kind::NativeClosure => {
                    for v in (*self.at::<NativeClosureCell>(r)).values {
                        self.shade(v);
                    }
                    u64::from(CELL)
                }
                Kind::Box => {
                    self.shade((*self.at::<BoxCell>(r)).value);
                    u64::from(CELL)
                }
                Kind::Thread => self.scan_thread(r),
                Kind::Proto => {
                    let image = (*self.at::<ProtoCell>(r)).image;
                    if image != 0 {
                        self.mark(image);
                    }
                    u64::from(CELL)
                }
                Kind::Image => {
                    let cell = self.at::<ImageCell>(r);
                    let count = (*cell).constant_count as usize;
                    for i in 0..count {
                        if (*cell).body != 0 {
                            let v = *self.at::<Value>((*cell).body + (*cell).constants).add(i);
                            self.shade(v);
                        }
                    }
                    let mut proto = (*cell).protos;
                    while proto != 0 {
                        self.mark(proto);
                        proto = (*self.at::<ProtoCell>(proto)).sibling;
                    }
                    u64::from(CELL) + 16 * count as u64
                }
                Kind::Object => {
                    let cell = self.at::<ObjectCell>(r);
                    self.shade((*cell).value);
                    let meta = (*cell).meta;
                    if meta != 0 {
                        self.mark(meta);
                    }
                    u64::from(CELL)
                }
                _ => u64::from(CELL),
            }
        }
    }

    /// A coroutine, its stack too unless it runs.
    fn scan_thread(&mut self, r: Ref) -> u64 {
        // SAFETY: a thread's cell and its body, which holds the saved values first.
        unsafe {
            let cell = self.at::<ThreadCell>(r);
            if (*cell).resumer != 0 {
                self.mark((*cell).resumer);
            }
            let count = (*cell).values as usize;
            for i in 0..count {
                let v = *self.at::<Value>((*cell).body).add(i);
                self.shade(v);
            }
            u64::from(CELL) + 16 * count as u64
        }
    }

    /// The stack of a suspended coroutine must be marked before it runs, and what it leaves behind
    /// when it stops: called at both ends while a cycle marks.
    pub(crate) fn shade_thread(&mut self, r: Ref) {
        if self.barrier & BARRIER_MARK != 0 {
            self.mark(r);
            let bytes = self.scan_thread(r);
            self.account(bytes);
        }
    }

    /// Which references of a table are weak.
    fn weakness(&self, meta: Ref) -> u16 {
        if meta == 0 {
            return 0;
        }
        let mode = self.metamethod(meta, Event::Mode);
        if mode.tag != Tag::Str {
            return 0;
        }
        let mode = self.string_bytes(mode.as_ref());
        let has = |c: u8, flag| if mode.contains(&c) { flag } else { 0 };
        has(b'k', WEAK_KEYS) | has(b'v', WEAK_VALUES)
    }

    /// A slice of a table.
    fn scan_table(&mut self, r: Ref) -> u64 {
        let cell = self.table(r);
        let mut scan = self.scan;
        // SAFETY: a table's cell, its array part and its hash parts; nothing here allocates.
        unsafe {
            if scan.part == 0 {
                let meta = (*cell).meta;
                let weak = if self.strong { 0 } else { self.weakness(meta) };
                if meta != 0 {
                    self.mark(meta);
                }
                (*cell).header.flags = (*cell).header.flags & !(WEAK_KEYS | WEAK_VALUES) | weak;
                if weak != 0 {
                    (*cell).header.next = self.weak;
                    self.weak = r;
                }
                scan.part = 1;
            }
            let weak = (*cell).header.flags & (WEAK_KEYS | WEAK_VALUES);
            let mut left = SLICE;
            while left > 0 && scan.part < 4 {
                let count = match scan.part {
                    1 => (*cell).cap,
                    2 => (*cell).mask + 1,
                    _ if (*cell).old_nodes == 0 => 0,
                    _ => (*cell).old_mask + 1,
                };
                if scan.index >= count || scan.part == 1 && weak & WEAK_VALUES != 0 {
                    scan.part += 1;
                    scan.index = 0;
                    continue;
                }
                left -= 1;
                if scan.part == 1 {
                    let v = *self.at::<Value>((*cell).array).add(scan.index as usize);
                    self.shade(v);
                } else {
                    let nodes = if scan.part == 2 {
                        (*cell).nodes
                    } else {
                        (*cell).old_nodes
                    };
                    let node = self.at::<Node>(nodes).add(scan.index as usize);
                    self.scan_node(node, weak);
                }
                scan.index += 1;
            }
            self.scan = if scan.part == 4 { Scan::NONE } else { scan };
            u64::from(CELL) + 24 * u64::from(SLICE - left)
        }
    }

    /// # Safety
    ///
    /// `node` is a node of a table.
    unsafe fn scan_node(&mut self, node: *mut Node, weak: u16) {
        // SAFETY: the caller's promise.
        unsafe {
            let key = (*node).key();
            if (*node).value.is_nil() {
                // The shared empty node is never written.
                if reference(key).is_some_and(|r| !self.is_marked(r)) {
                    (*node).tag = Tag::DeadKey;
                }
                return;
            }
            match weak {
                0 => {
                    self.shade(key);
                    self.shade((*node).value);
                }
                WEAK_VALUES => self.shade(key),
                // An ephemeron's value counts when its key does; the rest is found out at the end.
                WEAK_KEYS if reference(key).is_none_or(|r| self.is_marked(r)) => {
                    self.shade((*node).value);
                }
                _ => {}
            }
        }
    }

    // --- the end of marking --------------------------------------------------------------------------

    fn end_marking(&mut self, stack: &[Value]) {
        let before = self.marked;
        for v in stack {
            self.shade(*v);
        }
        self.drain();
        self.converge();
        self.clear_weak(false);
        self.doom();
        self.drain();
        self.converge();
        self.clear_weak(true);
        self.begin_sweep();
        self.account(self.marked - before + 16 * stack.len() as u64);
    }

    fn begin_sweep(&mut self) {
        self.barrier &= !BARRIER_MARK;
        self.phase = Phase::Sweep;
        self.sweep = self.cells;
        self.credit = self.stride;
        self.stepped = true;
        // Finalizers may run from now on.
        self.attention |= self.doomed != 0;
    }

    fn drain(&mut self) {
        while self.gray != 0 || self.scan.cell != 0 {
            if self.scan.cell == 0 {
                let r = self.gray;
                self.gray = self.header(r).next;
                self.scan = Scan {
                    cell: r,
                    part: 0,
                    index: 0,
                };
            }
            self.scan_some();
        }
    }

    /// Marks the values of ephemerons whose keys are marked, until nothing changes.
    fn converge(&mut self) {
        loop {
            let mut changed = false;
            let mut r = self.weak;
            while r != 0 {
                if self.header(r).flags & (WEAK_KEYS | WEAK_VALUES) == WEAK_KEYS {
                    changed |= self.mark_ephemerons(r);
                }
                r = self.header(r).next;
            }
            if !changed {
                return;
            }
            self.drain();
        }
    }

    fn mark_ephemerons(&mut self, r: Ref) -> bool {
        let mut changed = false;
        self.each_node(r, &mut |heap, node| {
            let key = node.key();
            if reference(key).is_none_or(|k| heap.is_marked(k) || heap.is_plain(k))
                && reference(node.value).is_some_and(|v| !heap.is_marked(v))
            {
                heap.shade(key);
                heap.shade(node.value);
                changed = true;
            }
        });
        changed
    }

    /// Strings and addresses are values, not objects: they never go from a weak table.
    fn is_plain(&self, r: Ref) -> bool {
        matches!(self.kind(r), Kind::Short | Kind::Long | Kind::Addr6)
    }

    fn each_node(&mut self, r: Ref, f: &mut dyn FnMut(&mut Self, &mut Node)) {
        // SAFETY: a table's cell and its hash parts; `f` marks and does not allocate.
        unsafe {
            let cell = self.table(r);
            for (nodes, mask) in [
                ((*cell).nodes, (*cell).mask),
                ((*cell).old_nodes, (*cell).old_mask),
            ] {
                if nodes == 0 {
                    continue;
                }
                for i in 0..=mask {
                    let node = self.at::<Node>(nodes).add(i as usize);
                    if !(*node).value.is_nil() {
                        f(self, &mut *node);
                    }
                }
            }
        }
    }

    /// Whether an entry goes because what it refers to weakly is garbage.
    fn is_gone(&mut self, v: Value) -> bool {
        match reference(v) {
            Some(r) if self.is_plain(r) => {
                self.mark(r);
                false
            }
            Some(r) => !self.is_marked(r),
            None => false,
        }
    }

    /// Takes entries out of weak tables: those with dead values before finalizers are looked for,
    /// those with dead keys (and what finalizers brought back) after.
    fn clear_weak(&mut self, last: bool) {
        let mut r = self.weak;
        while r != 0 {
            let weak = self.header(r).flags;
            let mut removed = 0;
            if weak & WEAK_VALUES != 0 {
                self.clear_array(r);
            }
            self.each_node(r, &mut |heap, node| {
                let key = node.key();
                let gone = weak & WEAK_VALUES != 0 && heap.is_gone(node.value)
                    || last && weak & WEAK_KEYS != 0 && heap.is_gone(key);
                if gone {
                    node.value = Value::NIL;
                    removed += 1;
                    if reference(key).is_some_and(|k| !heap.is_marked(k)) {
                        node.tag = Tag::DeadKey;
                    }
                }
            });
            // SAFETY: a table's cell.
            unsafe { (*self.table(r)).hash_live -= removed };
            r = self.header(r).next;
        }
    }

    fn clear_array(&mut self, r: Ref) {
        // SAFETY: a table's cell and its array part.
        unsafe {
            let cell = self.table(r);
            for i in 0..(*cell).cap {
                let slot = self.at::<Value>((*cell).array).add(i as usize);
                if self.is_gone(*slot) {
                    *slot = Value::NIL;
                    (*cell).array_live -= 1;
                }
            }
        }
    }

    /// Moves tables with finalizers that are garbage to the list of those to be finalized.
    fn doom(&mut self) {
        let mut r = core::mem::replace(&mut self.finalizable, 0);
        let (mut keep, mut doomed) = (0, 0);
        while r != 0 {
            let next = self.header(r).hash;
            let list = if self.is_marked(r) {
                &mut keep
            } else {
                &mut doomed
            };
            let head = core::mem::replace(list, r);
            // SAFETY: a table's cell.
            unsafe { (*self.at::<Header>(r)).hash = head };
            r = next;
        }
        // Both lists came out reversed; the one that stays is turned back.
        self.finalizable = self.reverse(keep);
        let doomed = self.reverse(doomed);
        let mut r = doomed;
        let mut tail = 0;
        while r != 0 {
            self.mark(r);
            tail = r;
            r = self.header(r).hash;
        }
        if tail != 0 {
            // What is waiting already goes first.
            if self.doomed == 0 {
                self.doomed = doomed;
            } else {
                let mut end = self.doomed;
                while self.header(end).hash != 0 {
                    end = self.header(end).hash;
                }
                // SAFETY: a table's cell.
                unsafe { (*self.at::<Header>(end)).hash = doomed };
            }
        }
    }

    fn reverse(&mut self, mut r: Ref) -> Ref {
        let mut turned = 0;
        while r != 0 {
            let next = self.header(r).hash;
            // SAFETY: a table's cell.
            unsafe { (*self.at::<Header>(r)).hash = turned };
            turned = r;
            r = next;
        }
        turned
    }

    /// The next table whose finalizer is to be called. It may be given a finalizer again.
    pub fn take_doomed(&mut self) -> Option<Ref> {
        let r = self.doomed;
        if r == 0 {
            return None;
        }
        // SAFETY: a table's cell.
        unsafe {
            let header = self.at::<Header>(r);
            self.doomed = (*header).hash;
            (*header).hash = 0;
            (*header).flags &= !super::table::FINALIZABLE;
        }
        Some(r)
    }

    /// Lets every table with a finalizer wait for it: the environment ends.
    pub fn doom_all(&mut self) {
        let all = core::mem::replace(&mut self.finalizable, 0);
        if self.doomed == 0 {
            self.doomed = all;
        } else {
            let mut end = self.doomed;
            while self.header(end).hash != 0 {
                end = self.header(end).hash;
            }
            // SAFETY: a table's cell.
            unsafe { (*self.at::<Header>(end)).hash = all };
        }
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

    // --- sliding -------------------------------------------------------------------------------------

    /// Whether the gaps between bodies are worth closing.
    fn compaction_due(&self) -> bool {
        let extent = u64::from(self.bodies_top - self.bodies);
        let gaps = extent - self.used_bodies;
        gaps > self.guarantee / 8 || gaps > (self.used_bodies / 2).max(SMALLEST)
    }

    fn begin_compaction(&mut self) {
        self.compacting = true;
        self.compact_from = self.bodies;
        self.compact_to = self.bodies;
        let extent = u64::from(self.bodies_top - self.bodies);
        let reserve = u64::from(self.bodies_end - self.bodies_top) / 2;
        self.slide_pace = (extent / reserve.max(1) + 1).clamp(4, MOST_PACE);
        self.set_stride();
        self.credit = self.credit.min(self.stride);
    }

    /// The faster the pace, the more steps, not the longer ones.
    fn set_stride(&mut self) {
        let pace = self.pace.max(self.slide_pace).max(1);
        self.stride = ((STEP / pace) as i64).min(STRIDE);
    }

    fn finish_compaction(&mut self) {
        while self.compacting {
            self.slide(u64::MAX);
        }
    }

    /// Moves bodies down until so many bytes were looked at or the pass is over.
    fn slide(&mut self, budget: u64) {
        let mut spent = 0;
        while spent < budget {
            let from = self.compact_from;
            if from >= self.bodies_top {
                self.bodies_top = self.compact_to;
                self.compacting = false;
                break;
            }
            // SAFETY: bodies and pieces of garbage follow each other without gaps, each with a header.
            unsafe {
                let BodyHeader {
                    owner, size, field, ..
                } = *self.at::<BodyHeader>(from);
                self.compact_from += size;
                spent += 32;
                if owner == 0 {
                    continue;
                }
                let to = self.compact_to;
                self.compact_to += size;
                if to != from {
                    self.at::<u8>(to).copy_from(self.at(from), size as usize);
                    *self.at::<Ref>(owner + field) = to + BODY_HEADER;
                    self.moved(owner, from, to, size);
                    spent += u64::from(size);
                }
            }
        }
        self.account(spent);
    }

    /// A body has moved: pointers into it follow.
    fn moved(&mut self, owner: Ref, from: Ref, to: Ref, size: u32) {
        let delta = (from - to) as usize;
        let (start, end) = (
            self.at::<u8>(from) as usize,
            self.at::<u8>(from + size) as usize,
        );
        let inside = |p: usize| (start..end).contains(&p);
        if inside(self.exec.pc as usize) {
            self.exec.pc = self.exec.pc.wrapping_byte_sub(delta);
        }
        if inside(self.exec.constants as usize) {
            self.exec.constants = self.exec.constants.wrapping_byte_sub(delta);
        }
        if self.header(owner).kind != Kind::Image {
            return;
        }
        // SAFETY: an image's cell and those of its prototypes.
        unsafe {
            let mut proto = (*self.at::<ImageCell>(owner)).protos;
            while proto != 0 {
                let cell = self.at::<ProtoCell>(proto);
                (*cell).code = (*cell).code.wrapping_byte_sub(delta);
                (*cell).constants = (*cell).constants.wrapping_byte_sub(delta);
                proto = (*cell).sibling;
            }
        }
    }
}
