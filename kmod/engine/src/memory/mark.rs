// SPDX-License-Identifier: GPL-2.0-only
//! Marking: from grey cells to what they refer to, a slice at a time.

use super::cell::{
    AWAITED, BoxCell, CELL, ClosureCell, Header, ImageCell, Kind, LongCell, NativeClosureCell,
    Node, ObjectCell, PERMANENT, ProtoCell, ThreadCell,
};
use super::gc::Scan;
use super::weak::{WEAK_KEYS, WEAK_VALUES};
use super::{BARRIER_MARK, Heap, Phase, reference};
use crate::value::{Ref, Tag, Value};
use crate::vm::Event;

/// Entries of a table that are looked at before the budget is asked again.
const SLICE: u32 = 64;

impl Heap {
    /// Marks what a value refers to.
    #[inline]
    pub(super) fn shade(&mut self, v: Value) {
        if let Some(r) = reference(v) {
            self.mark(r);
        }
    }

    pub(super) fn mark(&mut self, r: Ref) {
        let header = self.at::<Header>(r);
        // SAFETY: references name cells.
        unsafe {
            if (*header).mark == self.color || (*header).mark == PERMANENT {
                return;
            }
            if (*header).mark == AWAITED {
                self.wake(r);
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

    pub(super) fn is_marked(&self, r: Ref) -> bool {
        let mark = self.header(r).mark;
        mark == self.color || mark == PERMANENT
    }

    /// Marks what grey cells refer to until the budget is used up or none is left.
    pub(super) fn propagate(&mut self, budget: u64) -> u64 {
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

    pub(super) fn end_marking(&mut self, stack: &[Value]) {
        let before = self.marked;
        for v in stack {
            self.shade(*v);
        }
        self.converge();
        self.clear_weak(false);
        self.doom();
        self.converge();
        self.clear_weak(true);
        self.begin_sweep();
        let looked = core::mem::replace(&mut self.looked, 0);
        self.account(self.marked - before + looked + 16 * stack.len() as u64);
    }

    pub(super) fn begin_sweep(&mut self) {
        self.barrier &= !BARRIER_MARK;
        self.phase = Phase::Sweep;
        self.sweep = self.cells;
        self.credit = self.stride;
        self.stepped = true;
        // Finalizers may run from now on.
        self.attention |= self.doomed != 0;
    }

    pub(super) fn drain(&mut self) {
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
}
