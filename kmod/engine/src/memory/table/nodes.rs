// SPDX-License-Identifier: GPL-2.0-only
//! The hash part of a table: how it is filled and how it grows.

use super::{ABSENT, HAS_INTS, Key, NEW_INTS};
use crate::memory::cell::{Node, TableCell};
use crate::memory::{Heap, OutOfMemory, nodes_size};
use crate::value::{Ref, Tag, Value};
use core::mem::offset_of;

/// Nodes that an insertion moves while a hash part grows.
const MOVES: u32 = 8;
/// Hash parts up to here move at once.
const SMALL: u32 = 16;

const NODES_FIELD: u32 = offset_of!(TableCell, nodes) as u32;
const OLD_FIELD: u32 = offset_of!(TableCell, old_nodes) as u32;

impl Heap {
    /// Takes an empty hash part of `count` nodes, a power of two. The table has none but the one that
    /// becomes the old one.
    pub(super) fn take_nodes(&mut self, t: Ref, count: u32) -> Result<(), OutOfMemory> {
        let mask = count - 1;
        let fresh = self.loose_body(t, NODES_FIELD, nodes_size(mask))?;
        // SAFETY: a table's cell; the new body holds the nodes.
        unsafe {
            self.at::<u8>(fresh)
                .write_bytes(0, nodes_size(mask) as usize);
            let cell = self.table(t);
            if (*cell).nodes != self.empty {
                let old = (*cell).nodes;
                (*self.body(old)).field = OLD_FIELD;
                (*cell).old_nodes = old;
                (*cell).old_mask = (*cell).mask;
                (*cell).cursor = (*cell).mask + 1;
                (*cell).hint &= !NEW_INTS;
            }
            (*cell).nodes = fresh;
            (*cell).mask = mask;
            (*cell).last_free = count;
        }
        Ok(())
    }

    /// A new key, whose value is not nil.
    pub(super) fn insert(&mut self, t: Ref, k: Key, value: Value) -> Result<(), OutOfMemory> {
        let key = Value {
            tag: k.tag,
            aux: 0,
            payload: k.key,
        };
        self.store_barrier(t, key, value);
        self.store_barrier(t, Value::NIL, key);
        // SAFETY: a table's cell, also after its bodies were replaced.
        unsafe {
            (*self.table(t)).header.flags &= ABSENT - 1;
            if (*self.table(t)).old_nodes != 0 {
                self.migrate(t, MOVES);
            }
            if (*self.table(t)).nodes == self.empty || !self.place(t, k, value) {
                self.rehash(t, k)?;
                // The array may have grown to where the key belongs.
                if k.tag == Tag::Int && self.set_in_array(t, k.key as i64, value) {
                    return Ok(());
                }
                if !self.place(t, k, value) {
                    return Err(OutOfMemory);
                }
            }
            (*self.table(t)).hash_live += 1;
        }
        Ok(())
    }

    /// A new string key, with its hash, whose value is not nil, if a node is free and nothing is moving.
    pub(super) fn insert_there(&mut self, t: Ref, key: &Value, value: &Value) -> bool {
        let cell = self.table(t);
        let k = Key {
            tag: key.tag,
            key: key.payload,
            hash: (key.payload >> 32) as u32,
        };
        // SAFETY: a table's cell.
        unsafe {
            if (*cell).old_nodes != 0 || (*cell).nodes == self.empty || !self.place(t, k, *value) {
                return false;
            }
            (*cell).header.flags &= ABSENT - 1;
            (*cell).hash_live += 1;
        }
        self.store_barrier(t, *key, *value);
        self.store_barrier(t, Value::NIL, *key);
        true
    }

    /// Puts a key that is not there into the hash part, if a node is free.
    fn place(&mut self, t: Ref, k: Key, value: Value) -> bool {
        // SAFETY: a table's cell and its nodes; indices are masked or come from links.
        unsafe {
            let cell = self.table(t);
            if k.tag == Tag::Int {
                (*cell).hint |= HAS_INTS | NEW_INTS;
            }
            let nodes = self.at::<Node>((*cell).nodes);
            let home = k.hash & (*cell).mask;
            let node = nodes.add(home as usize);
            if (*node).value.is_nil() {
                // Free, or left behind: it stays in whatever chain it is in.
                (*node).tag = k.tag;
                (*node).key = k.key;
                (*node).value = value;
                return true;
            }
            let free = loop {
                if (*cell).last_free == 0 {
                    return false;
                }
                (*cell).last_free -= 1;
                if (*nodes.add((*cell).last_free as usize)).tag == Tag::Nil {
                    break (*cell).last_free;
                }
            };
            let free_node = nodes.add(free as usize);
            let other = self.home(&*node) & (*cell).mask;
            if other == home {
                free_node.write(Node {
                    tag: k.tag,
                    link: (*node).link,
                    key: k.key,
                    value,
                });
                (*node).link = free + 1;
                return true;
            }
            // The node there belongs to another chain: it moves to the free one.
            let mut before = nodes.add(other as usize);
            while (*before).link != home + 1 {
                before = nodes.add((*before).link as usize - 1);
            }
            (*before).link = free + 1;
            free_node.write(*node);
            self.shade_node(&*free_node);
            node.write(Node {
                tag: k.tag,
                link: 0,
                key: k.key,
                value,
            });
            true
        }
    }

    /// The hash of a node's key.
    #[inline(always)]
    fn home(&self, node: &Node) -> u32 {
        match node.tag {
            Tag::Str | Tag::Addr6 => (node.key >> 32) as u32,
            _ => self.hash_word(node.key),
        }
    }

    /// A node that moves may move behind the collector's back.
    #[inline(always)]
    fn shade_node(&mut self, node: &Node) {
        if self.barrier & crate::memory::BARRIER_MARK != 0 {
            self.shade(node.key());
            self.shade(node.value);
        }
    }

    /// Takes a hash part that has room for one more key, and begins to fill it.
    #[cold]
    fn rehash(&mut self, t: Ref, extra: Key) -> Result<(), OutOfMemory> {
        // SAFETY: a table's cell, also after its bodies were replaced.
        unsafe {
            if (*self.table(t)).old_nodes != 0 {
                self.migrate(t, u32::MAX);
            }
            let cell = self.table(t);
            let count = if (*cell).nodes == self.empty {
                0
            } else {
                (*cell).mask + 1
            };
            if (*cell).hint & HAS_INTS != 0 && extra.tag == Tag::Int {
                let wanted = self.array_size(t, extra);
                if wanted > (*cell).cap {
                    self.grow_array(t, wanted)?;
                }
            }
            let slack = if count <= SMALL { 0 } else { count / 8 };
            let wanted = ((*self.table(t)).hash_live + 1 + slack).next_power_of_two();
            self.take_nodes(t, wanted)?;
            if count != 0 {
                self.migrate(t, if count <= SMALL { u32::MAX } else { MOVES });
            }
        }
        Ok(())
    }

    /// How long the array part should be with the integer keys of the hash part: the largest power of
    /// two of which more than half would be in use.
    fn array_size(&self, t: Ref, extra: Key) -> u32 {
        let mut bins = [0u32; 28];
        let mut count = |key: u64| {
            let bin = 64 - key.wrapping_sub(1).leading_zeros();
            if let Some(bin) = bins.get_mut(bin as usize) {
                *bin += 1;
            }
        };
        count(extra.key);
        // SAFETY: a table's cell and its nodes.
        let (cap, live) = unsafe {
            let cell = self.table(t);
            let nodes = self.at::<Node>((*cell).nodes);
            for i in 0..=(*cell).mask {
                let node = nodes.add(i as usize);
                if (*node).tag == Tag::Int && !(*node).value.is_nil() {
                    count((*node).key);
                }
            }
            ((*cell).cap, (*cell).array_live)
        };
        let mut best = cap;
        let mut sum = live;
        for (bin, &n) in bins.iter().enumerate() {
            sum += n;
            let size = 1u32 << bin;
            if size > cap && sum > size / 2 {
                best = size;
            }
        }
        best
    }

    /// Moves up to `count` nodes of the old hash part.
    fn migrate(&mut self, t: Ref, count: u32) {
        // SAFETY: a table's cell and its two hash parts; nothing here allocates.
        unsafe {
            let cell = self.table(t);
            let old = self.at::<Node>((*cell).old_nodes);
            for _ in 0..count {
                if (*cell).cursor == 0 {
                    break;
                }
                (*cell).cursor -= 1;
                let node = old.add((*cell).cursor as usize);
                let (tag, key, value) = ((*node).tag, (*node).key, (*node).value);
                if value.is_nil() {
                    continue;
                }
                self.shade_node(&*node);
                let index = key.wrapping_sub(1);
                if tag == Tag::Int && index < u64::from((*cell).cap) {
                    *self.at::<Value>((*cell).array).add(index as usize) = value;
                    (*cell).array_live += 1;
                    (*cell).hash_live -= 1;
                } else {
                    let hash = self.home(&*node);
                    self.place(t, Key { tag, key, hash }, value);
                }
                (*node).value = Value::NIL;
                (*node).tag = Tag::DeadKey;
            }
            self.work += u64::from(count.min(MOVES));
            if (*cell).cursor == 0 {
                let old = (*cell).old_nodes;
                (*cell).old_nodes = 0;
                if (*cell).hint & NEW_INTS == 0 {
                    (*cell).hint &= !HAS_INTS;
                }
                self.free_body(old);
            }
        }
    }
}
