// SPDX-License-Identifier: GPL-2.0-only
//! The end of marking: entries of weak tables that go, objects that are to be finalized.

use super::cell::{Header, Kind, Node};
use super::{Heap, reference};
use crate::value::{Ref, Tag, Value};

/// Flag of a table: its keys are weak.
pub(super) const WEAK_KEYS: u16 = 1;
/// Flag of a table: its values are weak.
pub(super) const WEAK_VALUES: u16 = 2;
/// Bytes of a node.
const NODE: u32 = size_of::<Node>() as u32;

impl Heap {
    /// Strings and addresses are values, not objects: they never go from a weak table.
    pub(super) fn is_plain(&self, r: Ref) -> bool {
        matches!(self.kind(r), Kind::Short | Kind::Long | Kind::Addr6)
    }

    /// The nodes of a table that have a value. The others forget keys that are not marked: the value may
    /// have gone when the key was none of this cycle's any more, and then nothing has kept it.
    pub(super) fn each_node(&mut self, r: Ref, f: &mut dyn FnMut(&mut Self, Ref)) {
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
                self.looked += u64::from(mask + 1) * u64::from(NODE);
                for i in 0..=mask {
                    let node = nodes + i * NODE;
                    let entry = self.at::<Node>(node);
                    if !(*entry).value.is_nil() {
                        f(self, node);
                    } else if reference((*entry).key()).is_some_and(|k| !self.is_marked(k)) {
                        (*entry).tag = Tag::DeadKey;
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
    pub(super) fn clear_weak(&mut self, last: bool) {
        let mut r = self.weak;
        while r != 0 {
            let weak = self.header(r).flags;
            let mut removed = 0;
            if weak & WEAK_VALUES != 0 {
                self.clear_array(r);
            }
            self.each_node(r, &mut |heap, node| {
                // SAFETY: a node of the table.
                let node = unsafe { &mut *heap.at::<Node>(node) };
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
            self.looked += u64::from((*cell).cap) * 16;
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
    pub(super) fn doom(&mut self) {
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

    /// Takes the weak tables that this cycle has met for strong ones.
    pub(super) fn strengthen(&mut self) {
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
                // SAFETY: a node of the table.
                let node = unsafe { *heap.at::<Node>(node) };
                heap.shade(node.key());
                heap.shade(node.value);
            });
            r = next;
        }
    }
}
