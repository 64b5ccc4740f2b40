// SPDX-License-Identifier: GPL-2.0-only
//! Storing.

use super::{ABSENT, HAS_INTS, HINT, Key};
use crate::memory::cell::{Node, TableCell};
use crate::memory::{Heap, OutOfMemory};
use crate::value::{Ref, Tag, Value};

impl Heap {
    /// `t[key] = value`. The key is neither nil, NaN, bytes of a packet nor a view of one.
    pub fn set(&mut self, t: Ref, key: Value, value: Value) -> Result<(), OutOfMemory> {
        let k = self.key(key);
        if k.tag == Tag::Int {
            return self.set_int(t, k.key as i64, value);
        }
        let node = self.find(self.table(t), k);
        self.set_hashed(t, k, node, value)
    }

    /// Sets a key that belongs into the hash part, where it has this node or, if that is null, none.
    fn set_hashed(
        &mut self,
        t: Ref,
        k: Key,
        node: *mut Node,
        value: Value,
    ) -> Result<(), OutOfMemory> {
        if value.is_nil() && node.is_null() {
            return Ok(());
        }
        if !node.is_null() {
            // SAFETY: a node of the table.
            unsafe {
                if value.is_nil() || !self.is_left_behind(t, node) {
                    self.store_in_node(t, node, value);
                    return Ok(());
                }
                (*node).tag = Tag::DeadKey;
            }
        }
        self.insert(t, k, value)
    }

    /// Whether a node without a value is in the hash part that is being emptied. What comes back there
    /// would have no room in the new one: that was made for what was alive when it was taken.
    ///
    /// # Safety
    ///
    /// `node` is a node of the table.
    unsafe fn is_left_behind(&self, t: Ref, node: *const Node) -> bool {
        // SAFETY: a table's cell; the caller's promise.
        unsafe {
            let cell = self.table(t);
            if !(*node).value.is_nil() || (*cell).old_nodes == 0 {
                return false;
            }
            let old = self.at::<Node>((*cell).old_nodes).cast_const();
            (old..=old.add((*cell).old_mask as usize)).contains(&node)
        }
    }

    /// `t[key] = value` for a string or an integer that the table has a place for, be it a free one, when
    /// no metatable has a say. Says whether that was so.
    #[inline(never)]
    pub(crate) fn set_there(&mut self, t: Ref, key: &Value, value: &Value) -> bool {
        let cell = self.table(t);
        // SAFETY: a table's cell, a node of it, and an index inside its array part.
        unsafe {
            match key.tag {
                Tag::Str if key.payload >> 32 != 0 => {
                    let node = self.find_str(cell, key.payload);
                    if node.is_null() {
                        return (*cell).meta == 0
                            && (value.is_nil() || self.insert_there(t, key, value));
                    }
                    if (*node).value.is_nil() && ((*cell).meta != 0 || (*cell).old_nodes != 0) {
                        return false;
                    }
                    self.store_in_node(t, node, *value);
                    true
                }
                Tag::Int => {
                    let index = (key.as_int() as u64).wrapping_sub(1);
                    if index >= u64::from((*cell).cap) {
                        return false;
                    }
                    let slot = self.at::<Value>((*cell).array).add(index as usize);
                    if (*slot).is_nil() && (*cell).meta != 0 {
                        return false;
                    }
                    self.set_in_array(t, key.as_int(), *value)
                }
                _ => false,
            }
        }
    }

    /// Replaces the value of a node.
    pub(crate) fn store_in_node(&mut self, t: Ref, node: *mut Node, value: Value) {
        // SAFETY: a table's cell and a node of it.
        unsafe {
            let cell = self.table(t);
            let old = (*node).value;
            self.store_barrier(t, old, value);
            if old.is_nil() != value.is_nil() {
                if old.is_nil() {
                    (*cell).hash_live += 1;
                    (*cell).header.flags &= ABSENT - 1;
                    // The collector may have met the key while the node was empty.
                    let key = (*node).key();
                    self.store_barrier(t, Value::NIL, key);
                } else {
                    (*cell).hash_live -= 1;
                }
            }
            (*node).value = value;
        }
    }

    /// `t[i] = value` when that is in the array part; says whether it is.
    pub(super) fn set_in_array(&mut self, t: Ref, i: i64, value: Value) -> bool {
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell, and an index inside its array part.
        unsafe {
            if index >= u64::from((*cell).cap) {
                return false;
            }
            let slot = self.at::<Value>((*cell).array).add(index as usize);
            let old = *slot;
            self.store_barrier(t, old, value);
            if old.is_nil() {
                if (*cell).hint & HAS_INTS != 0 {
                    self.forget_hashed(cell, i);
                }
                if !value.is_nil() {
                    (*cell).array_live += 1;
                    if (*cell).hint & HINT == index as u32 {
                        (*cell).hint += 1;
                    }
                }
            } else if value.is_nil() {
                (*cell).array_live -= 1;
                if (*cell).hint & HINT == index as u32 + 1 {
                    (*cell).hint -= 1;
                }
            }
            *slot = value;
        }
        true
    }

    /// `t[i] = value`.
    pub fn set_int(&mut self, t: Ref, i: i64, value: Value) -> Result<(), OutOfMemory> {
        if self.set_in_array(t, i, value) {
            return Ok(());
        }
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell.
        unsafe {
            let k = self.int_key(i);
            let mut node = core::ptr::null_mut();
            if (*cell).hint & HAS_INTS != 0 {
                node = self.find(cell, k);
                if !node.is_null() && !self.is_left_behind(t, node) {
                    self.store_in_node(t, node, value);
                    return Ok(());
                }
            }
            if value.is_nil() {
                return Ok(());
            }
            // The next power of two, when a quarter of it would be in use.
            let wanted = ((*cell).cap * 2).max(4);
            if index < u64::from(wanted) && (*cell).array_live + 1 >= wanted / 4 {
                self.grow_array(t, wanted)?;
                self.set_in_array(t, i, value);
                return Ok(());
            }
            if (*cell).array_live == 0 && (*cell).cap > 0 {
                // Everything in it is gone, and what comes now does not fit there.
                let array = (*cell).array;
                (*cell).array = 0;
                (*cell).cap = 0;
                self.free_body(array);
                return self.set_int(t, i, value);
            }
            self.set_hashed(t, k, node, value)
        }
    }

    /// An integer key moves from the hash part to the array: its node forgets it.
    fn forget_hashed(&mut self, cell: *mut TableCell, i: i64) {
        let node = self.find(cell, self.int_key(i));
        if node.is_null() {
            return;
        }
        // SAFETY: a table's cell and a node of it. An integer needs no barrier as a key, and the
        // value is being replaced by the caller, who has told the collector about the new one.
        unsafe {
            let old = (*node).value;
            self.shade_new(old);
            if !old.is_nil() {
                (*cell).hash_live -= 1;
            }
            (*node).value = Value::NIL;
            (*node).tag = Tag::DeadKey;
        }
    }

    /// `t[key] = value` when that is no more than a store: the old value is not nil, or the key's place
    /// in the array part is free and nothing else can have a say. The barrier is the caller's.
    #[inline(always)]
    pub(crate) fn store_far(&mut self, t: Ref, key: &Value, value: &Value) -> bool {
        if value.is_nil() || matches!(key.tag, Tag::Nil | Tag::Bytes) {
            return false;
        }
        if key.tag == Tag::Addr4 {
            let node = self.find_word(self.table(t), Tag::Addr4, key.payload);
            // SAFETY: a node of the table.
            unsafe {
                if !node.is_null() && !(*node).value.is_nil() {
                    (*node).value = *value;
                    return true;
                }
            }
        }
        self.store_any(t, key, value)
    }

    #[inline(never)]
    fn store_any(&mut self, t: Ref, key: &Value, value: &Value) -> bool {
        let k = self.key(*key);
        if k.tag == Tag::Int {
            return self.list(t, k.key as i64, value);
        }
        let node = self.find(self.table(t), k);
        // SAFETY: a node of the table.
        unsafe {
            if node.is_null() || (*node).value.is_nil() {
                return false;
            }
            (*node).value = *value;
        }
        true
    }

    /// The same for an integer key.
    #[inline(never)]
    pub(crate) fn list(&mut self, t: Ref, i: i64, value: &Value) -> bool {
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell, and an index inside its array part.
        unsafe {
            if index >= u64::from((*cell).cap) || value.is_nil() {
                return false;
            }
            let slot = self.at::<Value>((*cell).array).add(index as usize);
            if (*slot).is_nil() {
                if (*cell).meta != 0 || (*cell).hint & HAS_INTS != 0 {
                    return false;
                }
                (*cell).array_live += 1;
                if (*cell).hint & HINT == index as u32 {
                    (*cell).hint += 1;
                }
            }
            *slot = *value;
        }
        true
    }
}
