// SPDX-License-Identifier: GPL-2.0-only
//! Ephemerons: entries of tables with weak keys. Such a value is in use when its key is.
//!
//! At the end of marking each entry whose key has not been met waits for it. The key's cell, which no
//! list holds then, heads the list of those that wait (`next`), and the upper half of a node's key,
//! which is 0 for objects, links it. Whoever marks the key wakes them. So every entry is looked at a
//! fixed number of times, however keys and values depend on each other. All of it happens within one
//! step: nobody else ever sees a list or a key that is awaited.

use super::cell::{AWAITED, Header, Node};
use super::weak::{WEAK_KEYS, WEAK_VALUES};
use super::{Heap, reference};
use crate::value::Ref;

/// Where the upper half of a node's key begins.
const LINK: u32 = 32;
/// The lower half: the key of an object.
const KEY: u64 = u32::MAX as u64;

impl Heap {
    /// Marks the values of ephemerons whose keys are marked, and what follows from that.
    pub(super) fn converge(&mut self) {
        self.drain();
        // Marking goes on meeting weak tables; they come first on the list.
        let mut known = 0;
        while self.weak != known || self.woken != 0 {
            let first = self.weak;
            self.each_ephemeron(first, known, &mut |heap, node| heap.wait(node));
            known = first;
            self.drain();
            while self.woken != 0 {
                let value = self.take_woken();
                self.shade(value);
                self.drain();
            }
        }
        let white = 3 - self.color;
        self.each_ephemeron(self.weak, 0, &mut |heap, node| {
            // SAFETY: a node with a key; what is awaited is an object's cell.
            unsafe {
                let key = (*node_at(heap, node)).key();
                let Some(key) = reference(key) else { return };
                if !heap.is_plain(key) {
                    (*node_at(heap, node)).key &= KEY;
                    let header = heap.at::<Header>(key);
                    if (*header).mark == AWAITED {
                        (*header).mark = white;
                    }
                }
            }
        });
    }

    /// The entries that have a value, of the tables with weak keys and strong values from one on the
    /// list of weak tables to before another.
    fn each_ephemeron(&mut self, first: Ref, end: Ref, f: &mut dyn FnMut(&mut Self, Ref)) {
        let mut r = first;
        while r != end && r != 0 {
            if self.header(r).flags & (WEAK_KEYS | WEAK_VALUES) == WEAK_KEYS {
                self.each_node(r, f);
            }
            r = self.header(r).next;
        }
    }

    /// An entry's value is marked if its key is; otherwise it waits for the key.
    fn wait(&mut self, node: Ref) {
        // SAFETY: a node with a value, in a table's hash part; its key's cell.
        unsafe {
            let entry = node_at(self, node);
            let (key, value) = ((*entry).key(), (*entry).value);
            if reference(value).is_none_or(|v| self.is_marked(v)) {
                return;
            }
            let Some(k) = reference(key).filter(|&k| !self.is_marked(k) && !self.is_plain(k))
            else {
                self.shade(key);
                self.shade(value);
                return;
            };
            let header = self.at::<Header>(k);
            let next = if (*header).mark == AWAITED {
                (*header).next
            } else {
                0
            };
            (*header).mark = AWAITED;
            (*header).next = node;
            (*entry).key = u64::from(k) | u64::from(next) << LINK;
        }
    }

    /// A key that entries wait for is being marked: their values are due.
    #[cold]
    pub(super) fn wake(&mut self, key: Ref) {
        let first = self.header(key).next;
        let mut last = first;
        // SAFETY: the nodes that wait for a key, of which there is at least one.
        unsafe {
            loop {
                let next = ((*node_at(self, last)).key >> LINK) as Ref;
                if next == 0 {
                    break;
                }
                last = next;
            }
            (*node_at(self, last)).key |= u64::from(self.woken) << LINK;
        }
        self.woken = first;
    }

    /// The value of an entry whose key was marked.
    fn take_woken(&mut self) -> crate::value::Value {
        // SAFETY: a node that waited.
        unsafe {
            let entry = node_at(self, self.woken);
            self.woken = ((*entry).key >> LINK) as Ref;
            (*entry).key &= KEY;
            (*entry).value
        }
    }
}

fn node_at(heap: &Heap, node: Ref) -> *mut Node {
    heap.at(node)
}
