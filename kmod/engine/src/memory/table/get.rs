// SPDX-License-Identifier: GPL-2.0-only
//! Looking for keys.

use super::{HAS_INTS, Key};
use crate::memory::Heap;
use crate::memory::cell::{Node, PERMANENT, TableCell};
use crate::value::{Ref, Tag, Value};

impl Heap {
    /// `t[key]`.
    pub fn get(&mut self, t: Ref, key: Value) -> Value {
        let cell = self.table(t);
        match key.tag {
            Tag::Int => return self.get_int(t, key.as_int()),
            Tag::Nil => return Value::NIL,
            _ => {}
        }
        let k = self.key(key);
        if k.tag == Tag::Int {
            return self.get_int(t, k.key as i64);
        }
        let node = self.find(cell, k);
        if node.is_null() {
            Value::NIL
        } else {
            // SAFETY: a node of the table.
            unsafe { (*node).value }
        }
    }

    /// `t[i]`.
    #[inline(always)]
    pub fn get_int(&self, t: Ref, i: i64) -> Value {
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell, and an index inside its array part.
        unsafe {
            if index < u64::from((*cell).cap) {
                let v = *self.at::<Value>((*cell).array).add(index as usize);
                if !v.is_nil() || (*cell).hint & HAS_INTS == 0 {
                    return v;
                }
            }
        }
        self.get_hashed_int(t, i)
    }

    /// Where the value of `t[i]` is, if it is in the array part and not nil; otherwise null.
    #[inline(always)]
    pub(crate) fn listed(&self, t: Ref, i: i64) -> *mut Value {
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell, and an index inside its array part.
        unsafe {
            if index < u64::from((*cell).cap) {
                let slot = self.at::<Value>((*cell).array).add(index as usize);
                if !(*slot).is_nil() {
                    return slot;
                }
            }
        }
        core::ptr::null_mut()
    }

    /// `t[key]` without metamethods to `to`, where [`Heap::listed`] does not say it; `false` when it is
    /// nil and something else may have a say.
    #[inline(always)]
    pub(crate) fn index_far(&mut self, t: Ref, key: &Value, to: *mut Value) -> bool {
        let v = match key.tag {
            Tag::Int => self.get_hashed_int(t, key.as_int()),
            Tag::Bytes => return false,
            Tag::Addr4 => {
                let node = self.find_word(self.table(t), Tag::Addr4, key.payload);
                if node.is_null() {
                    self.get(t, *key)
                } else {
                    // SAFETY: a node of the table.
                    unsafe { (*node).value }
                }
            }
            _ => self.get(t, *key),
        };
        if v.is_nil() && self.meta(t) != 0 {
            return false;
        }
        // SAFETY: the caller's register.
        unsafe { *to = v };
        true
    }

    #[inline(never)]
    pub(super) fn get_hashed_int(&self, t: Ref, i: i64) -> Value {
        let cell = self.table(t);
        // SAFETY: a table's cell and a node of it.
        unsafe {
            if (*cell).hint & HAS_INTS == 0 {
                return Value::NIL;
            }
            let node = self.find(cell, self.int_key(i));
            if node.is_null() {
                Value::NIL
            } else {
                (*node).value
            }
        }
    }

    /// `t[bytes]`, without making a string of them.
    pub fn get_bytes(&self, t: Ref, bytes: &[u8]) -> Value {
        let cell = self.table(t);
        let hash = self.hash_bytes(bytes);
        // SAFETY: a table's cell and its nodes.
        unsafe {
            for (nodes, mask) in [
                ((*cell).nodes, (*cell).mask),
                ((*cell).old_nodes, (*cell).old_mask),
            ] {
                if nodes == 0 {
                    continue;
                }
                let nodes = self.at::<Node>(nodes);
                let mut node = nodes.add((hash & mask) as usize);
                loop {
                    if (*node).tag == Tag::Str
                        && (*node).key >> 32 == u64::from(hash)
                        && self.same_bytes(self.string_bytes((*node).key as Ref), bytes)
                    {
                        return (*node).value;
                    }
                    let link = (*node).link;
                    if link == 0 {
                        break;
                    }
                    node = nodes.add(link as usize - 1);
                }
            }
        }
        Value::NIL
    }

    /// A string key that [`Heap::find_constant`] does not find, or that a table inherits: the value
    /// goes to `to`. `false` when something else has a say.
    #[inline(always)]
    pub(crate) fn get_far(&self, t: *const TableCell, key: u64, to: *mut Value) -> bool {
        let node = self.find_str(t, key);
        // SAFETY: a node of the table; `to` is a register.
        unsafe {
            if !node.is_null() && !(*node).value.is_nil() {
                *to = (*node).value;
                return true;
            }
            match self.inherited_by((*t).meta, key) {
                Some(v) => {
                    *to = v;
                    true
                }
                None => false,
            }
        }
    }

    /// A field whose key is the very string that is looked for, when there is one with a value.
    #[inline(always)]
    pub(super) fn known(&self, t: *const TableCell, key: u64) -> Option<Value> {
        let node = self.find_constant(t, key);
        // SAFETY: a node of the table.
        unsafe { (!node.is_null() && !(*node).value.is_nil()).then(|| (*node).value) }
    }

    /// A field that is there.
    #[inline(never)]
    pub(super) fn field(&self, t: *const TableCell, key: u64) -> Option<Value> {
        let node = self.find_str(t, key);
        // SAFETY: a node of the table.
        unsafe { (!node.is_null() && !(*node).value.is_nil()).then(|| (*node).value) }
    }

    /// The node of a string key (payload with its hash), or null.
    #[inline(always)]
    pub(crate) fn find_str(&self, t: *const TableCell, key: u64) -> *mut Node {
        // SAFETY: a table's cell; links stay inside its nodes.
        unsafe {
            let nodes = self.at::<Node>((*t).nodes);
            let mut node = nodes.add(((key >> 32) as u32 & (*t).mask) as usize);
            loop {
                if (*node).key == key && (*node).tag == Tag::Str {
                    return node;
                }
                if (*node).key >> 32 == key >> 32 && self.same_content(&*node, Tag::Str, key) {
                    if self.header(key as Ref).mark == PERMANENT {
                        // A constant: from now on it is found at once.
                        (*node).key = key;
                    }
                    return node;
                }
                let link = (*node).link;
                if link == 0 {
                    break;
                }
                node = nodes.add(link as usize - 1);
            }
            if (*t).old_nodes == 0 {
                core::ptr::null_mut()
            } else {
                self.find_old(t, Tag::Str, key)
            }
        }
    }

    /// The node of a string key that is found by its reference, or null.
    #[inline(always)]
    pub(crate) fn find_constant(&self, t: *const TableCell, key: u64) -> *mut Node {
        self.find_same(t, (key >> 32) as u32, Tag::Str, key)
    }

    /// The node of a key that is told by its tag and payload, in the hash part that grows; or null.
    #[inline(always)]
    fn find_same(&self, t: *const TableCell, hash: u32, tag: Tag, payload: u64) -> *mut Node {
        // SAFETY: a table's cell; links stay inside its nodes.
        unsafe {
            let nodes = self.at::<Node>((*t).nodes);
            let mut node = nodes.add((hash & (*t).mask) as usize);
            loop {
                if (*node).key == payload && (*node).tag == tag {
                    return node;
                }
                let link = (*node).link;
                if link == 0 {
                    return core::ptr::null_mut();
                }
                node = nodes.add(link as usize - 1);
            }
        }
    }

    /// A key that is its payload, such as an IPv4 address, in the hash part that grows; or null.
    #[inline(always)]
    pub(super) fn find_word(&self, t: *const TableCell, tag: Tag, word: u64) -> *mut Node {
        self.find_same(t, self.hash_word(word), tag, word)
    }

    /// A key in the hash parts, or null.
    pub(super) fn find(&self, t: *const TableCell, k: Key) -> *mut Node {
        // SAFETY: a table's cell.
        unsafe {
            let node = self.find_in((*t).nodes, (*t).mask, k);
            if node.is_null() && (*t).old_nodes != 0 {
                return self.find_in((*t).old_nodes, (*t).old_mask, k);
            }
            node
        }
    }

    /// A string key in the hash part that is moving.
    #[cold]
    fn find_old(&self, t: *const TableCell, tag: Tag, key: u64) -> *mut Node {
        let hash = (key >> 32) as u32;
        // SAFETY: a table's cell.
        unsafe { self.find_in((*t).old_nodes, (*t).old_mask, Key { tag, key, hash }) }
    }

    /// A key in one hash part, or null.
    pub(super) fn find_in(&self, nodes: Ref, mask: u32, k: Key) -> *mut Node {
        // SAFETY: a hash part with `mask + 1` nodes, links stay inside.
        unsafe {
            let nodes = self.at::<Node>(nodes);
            let mut node = nodes.add((k.hash & mask) as usize);
            let by_content = matches!(k.tag, Tag::Str | Tag::Addr6);
            loop {
                if (*node).tag == k.tag
                    && ((*node).key == k.key
                        || by_content
                            && (*node).key >> 32 == k.key >> 32
                            && self.same_content(&*node, k.tag, k.key))
                {
                    return node;
                }
                let link = (*node).link;
                if link == 0 {
                    return core::ptr::null_mut();
                }
                node = nodes.add(link as usize - 1);
            }
        }
    }

    /// Whether a node's key, which has the same hash, is the same string or address.
    #[inline(never)]
    fn same_content(&self, node: &Node, tag: Tag, key: u64) -> bool {
        if node.tag != tag {
            return false;
        }
        let (a, b) = (node.key as Ref, key as Ref);
        match tag {
            Tag::Str => self.same_bytes(self.string_bytes(a), self.string_bytes(b)),
            _ => self.addr6(a) == self.addr6(b),
        }
    }
}
