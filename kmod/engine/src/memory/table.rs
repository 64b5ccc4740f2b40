// SPDX-License-Identifier: GPL-2.0-only
//! Tables: an array part for the keys 1…cap and a hash part of chained nodes.
//!
//! Nothing here takes long at once but copying or clearing a body. When the hash part is full a new
//! one is taken and every later insertion moves eight nodes of the old one over, so it is empty
//! before the new one is full: with C old nodes, L of them alive, the new part has at least
//! L + C/8 + 1. Until then a key is looked for in both.
//!
//! An integer key in 1…cap may also be in the hash part (the array grew around it); then its place in
//! the array is nil. Setting it moves it. A node whose value became nil keeps its key, so that a
//! traversal can go on from it; the collector turns keys of such nodes that are garbage into
//! [`Tag::DeadKey`].

use super::cell::{Header, Kind, Node, PERMANENT, TableCell};
use super::{Heap, OutOfMemory, nodes_size, reference};
use crate::number::arith;
use crate::value::{Ref, Tag, Value};
use crate::vm::Event;
use core::mem::offset_of;

/// In `hint`: integer keys may be in the hash part.
const HAS_INTS: u32 = 1 << 31;
/// In `hint`: integer keys may be in the hash part that is being filled.
const NEW_INTS: u32 = 1 << 30;
/// In `hint`: where the border was last seen.
const HINT: u32 = NEW_INTS - 1;
/// In a table's flags: on the list of tables with finalizers.
pub(super) const FINALIZABLE: u16 = 4;
/// Events whose absence a metatable remembers, one bit each from this one on in its flags.
const ABSENT: u16 = 1 << 8;
/// Nodes that an insertion moves while a hash part grows.
const MOVES: u32 = 8;
/// Hash parts up to here move at once.
const SMALL: u32 = 16;

const ARRAY_FIELD: u32 = offset_of!(TableCell, array) as u32;
const NODES_FIELD: u32 = offset_of!(TableCell, nodes) as u32;
const OLD_FIELD: u32 = offset_of!(TableCell, old_nodes) as u32;

/// A key in the form in which nodes hold it.
#[derive(Clone, Copy)]
struct Key {
    tag: Tag,
    key: u64,
    hash: u32,
}

impl Heap {
    /// A table with room for `items` list items and `fields` fields.
    pub fn new_table(&mut self, items: u32, fields: u32) -> Result<Ref, OutOfMemory> {
        let r = self.new_cell(Kind::Table, 0)?;
        // SAFETY: the cell is a table now.
        unsafe {
            let cell = self.at::<TableCell>(r);
            let header = (*cell).header;
            cell.write(TableCell {
                header,
                array: 0,
                cap: 0,
                nodes: self.empty,
                old_nodes: 0,
                meta: 0,
                mask: 0,
                old_mask: 0,
                array_live: 0,
                hash_live: 0,
                last_free: 0,
                cursor: 0,
                hint: 0,
            });
        }
        self.reserve_array(r, items)?;
        if fields > 0 {
            self.take_nodes(r, fields.next_power_of_two())?;
        }
        Ok(r)
    }

    /// Makes the array part hold at least `items`. The border is looked for behind the last of them
    /// first, so that a list that is made as a whole has its length though there are holes in it.
    pub fn reserve_array(&mut self, t: Ref, items: u32) -> Result<(), OutOfMemory> {
        // SAFETY: a table's cell.
        unsafe {
            if items > (*self.table(t)).cap {
                self.grow_array(t, items)?;
                (*self.table(t)).hint = (*self.table(t)).hint & !HINT | items.min(HINT);
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn table(&self, t: Ref) -> *mut TableCell {
        self.at(t)
    }

    // --- metatables ----------------------------------------------------------------------------------

    /// The metatable of a table, or 0.
    #[inline(always)]
    pub fn meta(&self, t: Ref) -> Ref {
        // SAFETY: a table's cell.
        unsafe { (*self.table(t)).meta }
    }

    /// Gives a table its metatable, or takes it away with 0.
    pub fn set_meta(&mut self, t: Ref, meta: Ref) {
        let old = Value::object(Tag::Table, self.meta(t));
        let new = Value::object(Tag::Table, meta);
        self.store_barrier(t, old, new);
        // SAFETY: a table's cell.
        unsafe { (*self.table(t)).meta = meta };
        if meta != 0 && !self.metamethod(meta, Event::Gc).is_nil() {
            self.make_finalizable(t);
        }
    }

    fn make_finalizable(&mut self, t: Ref) {
        let head = self.finalizable;
        // SAFETY: a table's cell; the list is linked through `hash`, which tables do not use.
        unsafe {
            let header = self.at::<Header>(t);
            if (*header).flags & FINALIZABLE != 0 {
                return;
            }
            (*header).flags |= FINALIZABLE;
            (*header).hash = head;
        }
        self.finalizable = t;
        self.escaped = true;
    }

    /// The field of a metatable for an event.
    #[inline(never)]
    pub fn metamethod(&self, meta: Ref, event: Event) -> Value {
        // SAFETY: a table's cell.
        unsafe {
            let cell = self.table(meta);
            let bit = if event.is_cached() {
                ABSENT << event as u16
            } else {
                0
            };
            if (*cell).header.flags & bit != 0 {
                return Value::NIL;
            }
            let node = self.find_str(
                cell,
                self.events.get(event as usize).map_or(0, |e| e.payload),
            );
            if node.is_null() || (*node).value.is_nil() {
                (*cell).header.flags |= bit;
                return Value::NIL;
            }
            (*node).value
        }
    }

    // --- lookups -------------------------------------------------------------------------------------

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
        // SAFETY: a table's cell; links stay inside its nodes.
        unsafe {
            let nodes = self.at::<Node>((*t).nodes);
            let mut node = nodes.add(((key >> 32) as u32 & (*t).mask) as usize);
            loop {
                if (*node).key == key && (*node).tag == Tag::Str {
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

    /// A string key that [`Heap::find_constant`] does not find, or that a table inherits: the value
    /// goes to `to`. `false` when something else has a say.
    #[inline(never)]
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

    /// A string key in the tables that whatever has this metatable, or none (0), inherits from by
    /// `__index`, as far as these are tables. `None` when something else has a say.
    #[inline]
    pub(crate) fn inherited_by(&self, meta: Ref, key: u64) -> Option<Value> {
        let mut meta = meta;
        for _ in 0..8 {
            if meta == 0 {
                return Some(Value::NIL);
            }
            let handler = match self.known(self.table(meta), self.events[0].payload) {
                Some(handler) => handler,
                None => self.metamethod(meta, Event::Index),
            };
            match handler.tag {
                Tag::Nil => return Some(Value::NIL),
                Tag::Table => {}
                _ => return None,
            }
            let t = self.table(handler.as_ref());
            if let Some(v) = self.known(t, key) {
                return Some(v);
            }
            if let Some(v) = self.field(t, key) {
                return Some(v);
            }
            // SAFETY: a table's cell.
            meta = unsafe { (*t).meta };
        }
        None
    }

    /// A field whose key is the very string that is looked for, when there is one with a value.
    #[inline(always)]
    fn known(&self, t: *const TableCell, key: u64) -> Option<Value> {
        let node = self.find_constant(t, key);
        // SAFETY: a node of the table.
        unsafe { (!node.is_null() && !(*node).value.is_nil()).then(|| (*node).value) }
    }

    /// A field that is there.
    #[inline(never)]
    fn field(&self, t: *const TableCell, key: u64) -> Option<Value> {
        let node = self.find_str(t, key);
        // SAFETY: a node of the table.
        unsafe { (!node.is_null() && !(*node).value.is_nil()).then(|| (*node).value) }
    }

    /// Whether a node's key, which has the same hash, is the same string or address.
    #[inline(never)]
    fn same_content(&self, node: &Node, tag: Tag, key: u64) -> bool {
        if node.tag != tag {
            return false;
        }
        let (a, b) = (node.key as Ref, key as Ref);
        match tag {
            Tag::Str => self.string_bytes(a) == self.string_bytes(b),
            _ => self.addr6(a) == self.addr6(b),
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
    fn find_in(&self, nodes: Ref, mask: u32, k: Key) -> *mut Node {
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

    /// A key in the hash parts, or null.
    fn find(&self, t: *const TableCell, k: Key) -> *mut Node {
        // SAFETY: a table's cell.
        unsafe {
            let node = self.find_in((*t).nodes, (*t).mask, k);
            if node.is_null() && (*t).old_nodes != 0 {
                return self.find_in((*t).old_nodes, (*t).old_mask, k);
            }
            node
        }
    }

    /// A key that is its payload, such as an IPv4 address, in the hash part that grows; or null.
    #[inline(always)]
    fn find_word(&self, t: *const TableCell, tag: Tag, word: u64) -> *mut Node {
        // SAFETY: a table's cell; links stay inside its nodes.
        unsafe {
            let nodes = self.at::<Node>((*t).nodes);
            let mut node = nodes.add((self.hash_word(word) & (*t).mask) as usize);
            loop {
                if (*node).key == word && (*node).tag == tag {
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

    #[inline(always)]
    fn int_key(&self, i: i64) -> Key {
        Key {
            tag: Tag::Int,
            key: i as u64,
            hash: self.hash_word(i as u64),
        }
    }

    /// A key in the form of nodes. Integral floats are integers; nil stays nil.
    fn key(&mut self, v: Value) -> Key {
        match v.tag {
            Tag::Int => self.int_key(v.as_int()),
            Tag::Str => {
                let hash = match (v.payload >> 32) as u32 {
                    0 => self.string_hash(v.as_ref()),
                    hash => hash,
                };
                Key {
                    tag: Tag::Str,
                    key: u64::from(v.as_ref()) | u64::from(hash) << 32,
                    hash,
                }
            }
            Tag::Addr6 => {
                let hash = self.header(v.as_ref()).hash;
                Key {
                    tag: Tag::Addr6,
                    key: u64::from(v.as_ref()) | u64::from(hash) << 32,
                    hash,
                }
            }
            Tag::Float => match arith::to_int(v.as_float()) {
                Some(i) => self.int_key(i),
                None => Key {
                    tag: Tag::Float,
                    key: v.payload,
                    hash: self.hash_word(v.payload),
                },
            },
            tag => Key {
                tag,
                key: v.payload,
                hash: self.hash_word(v.payload),
            },
        }
    }

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
    #[inline(never)]
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
    fn get_hashed_int(&self, t: Ref, i: i64) -> Value {
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
                        && self.string_bytes((*node).key as Ref) == bytes
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

    // --- stores --------------------------------------------------------------------------------------

    /// `t[key] = value`. The key is neither nil, NaN, bytes of a packet nor a view of one.
    pub fn set(&mut self, t: Ref, key: Value, value: Value) -> Result<(), OutOfMemory> {
        let k = self.key(key);
        if k.tag == Tag::Int {
            return self.set_int(t, k.key as i64, value);
        }
        let node = self.find(self.table(t), k);
        if node.is_null() {
            return if value.is_nil() {
                Ok(())
            } else {
                self.insert(t, k, value)
            };
        }
        self.store_in_node(t, node, value);
        Ok(())
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
    fn set_in_array(&mut self, t: Ref, i: i64, value: Value) -> bool {
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
            if (*cell).hint & HAS_INTS != 0 {
                let node = self.find(cell, k);
                if !node.is_null() {
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
            self.insert(t, k, value)
        }
    }

    /// `t[key] = value` when that is no more than a store: the old value is not nil, or the key's place
    /// in the array part is free and nothing else can have a say. The barrier is the caller's.
    #[inline(never)]
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

    /// Grows the array part to hold `cap` values.
    fn grow_array(&mut self, t: Ref, cap: u32) -> Result<(), OutOfMemory> {
        let bytes = u64::from(cap) * 16;
        // SAFETY: a table's cell and its array part; the old body stays until it is copied.
        unsafe {
            let cell = self.table(t);
            let before = (*cell).cap;
            let array = (*cell).array;
            let array = if array != 0 && self.extend_body(array, bytes) {
                array
            } else {
                let fresh = self.loose_body(t, ARRAY_FIELD, bytes)?;
                let old = (*cell).array;
                if old != 0 {
                    self.at::<Value>(fresh)
                        .copy_from_nonoverlapping(self.at(old), before as usize);
                    self.work += u64::from(before) * 2;
                    self.free_body(old);
                }
                fresh
            };
            self.at::<u8>(array + before * 16)
                .write_bytes(0, (cap - before) as usize * 16);
            (*cell).array = array;
            (*cell).cap = cap;
        }
        Ok(())
    }

    // --- the hash part -------------------------------------------------------------------------------

    /// Takes an empty hash part of `count` nodes, a power of two. The table has none but the one that
    /// becomes the old one.
    fn take_nodes(&mut self, t: Ref, count: u32) -> Result<(), OutOfMemory> {
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
    fn insert(&mut self, t: Ref, k: Key, value: Value) -> Result<(), OutOfMemory> {
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
        if self.barrier & super::BARRIER_MARK != 0 {
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

    // --- borders and traversal -----------------------------------------------------------------------

    /// A border: 0 or an index whose value is not nil before one whose value is.
    pub fn border(&self, t: Ref) -> i64 {
        let cell = self.table(t);
        let filled = |i: u64| !self.get_int(t, i as i64).is_nil();
        // SAFETY: a table's cell.
        let (hint, cap, ints) = unsafe {
            (
                u64::from((*cell).hint & HINT),
                u64::from((*cell).cap),
                (*cell).hint & HAS_INTS != 0,
            )
        };
        let border = if hint == 0 || filled(hint) {
            // Upwards from the hint, first by single steps.
            let mut low = hint;
            let mut high = loop {
                if !filled(low + 1) {
                    break low + 1;
                }
                low += 1;
                if low >= hint + 4 {
                    // Without integer keys in the hash part nothing is behind the array.
                    break if ints { low * 2 } else { cap + 1 };
                }
            };
            while high > low + 1 && filled(high) {
                low = high;
                if high > i64::MAX as u64 / 2 {
                    return low as i64;
                }
                high *= 2;
            }
            while high - low > 1 {
                let middle = u64::midpoint(low, high);
                if filled(middle) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        } else {
            let (mut low, mut high) = (0, hint);
            while high - low > 1 {
                let middle = u64::midpoint(low, high);
                if filled(middle) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        };
        // SAFETY: a table's cell.
        unsafe {
            (*cell).hint = (*cell).hint & !HINT | (border.min(u64::from(HINT)) as u32);
        }
        border as i64
    }

    /// The entry that follows a key (nil: the first), `None` behind the last, an error for a key that
    /// is not in the table.
    #[allow(clippy::result_unit_err, reason = "there is one way to fail")]
    pub fn next(&mut self, t: Ref, key: Value) -> Result<Option<(Value, Value)>, ()> {
        let cell = self.table(t);
        let mut position = if key.is_nil() {
            0
        } else {
            self.position(t, key).ok_or(())?
        };
        // SAFETY: a table's cell, its array part and its hash parts.
        unsafe {
            let cap = (*cell).cap;
            while position < cap {
                let v = *self.at::<Value>((*cell).array).add(position as usize);
                position += 1;
                if !v.is_nil() {
                    return Ok(Some((Value::int(i64::from(position)), v)));
                }
            }
            position -= cap;
            for (nodes, count) in [
                ((*cell).nodes, (*cell).mask + 1),
                (
                    (*cell).old_nodes,
                    if (*cell).old_nodes == 0 {
                        0
                    } else {
                        (*cell).old_mask + 1
                    },
                ),
            ] {
                while position < count {
                    let node = self.at::<Node>(nodes).add(position as usize);
                    position += 1;
                    if !(*node).value.is_nil() {
                        return Ok(Some(((*node).key(), (*node).value)));
                    }
                }
                position -= count;
            }
        }
        Ok(None)
    }

    /// One more than where a key is in the order of a traversal.
    fn position(&mut self, t: Ref, key: Value) -> Option<u32> {
        let cell = self.table(t);
        let k = self.key(key);
        // SAFETY: a table's cell, its array part and its hash parts.
        unsafe {
            let cap = (*cell).cap;
            let index = k.key.wrapping_sub(1);
            let in_array = k.tag == Tag::Int && index < u64::from(cap);
            if in_array
                && ((*cell).hint & HAS_INTS == 0
                    || !(*self.at::<Value>((*cell).array).add(index as usize)).is_nil())
            {
                return Some(index as u32 + 1);
            }
            let mut before = cap;
            for (nodes, mask) in [
                ((*cell).nodes, (*cell).mask),
                ((*cell).old_nodes, (*cell).old_mask),
            ] {
                if nodes == 0 {
                    continue;
                }
                let first = self.at::<Node>(nodes);
                let mut node = self.find_in(nodes, mask, k);
                if node.is_null() && reference(key).is_some() {
                    node = self.find_dead(nodes, mask, k);
                }
                if !node.is_null() {
                    return Some(before + node.offset_from(first) as u32 + 1);
                }
                before += mask + 1;
            }
            in_array.then(|| index as u32 + 1)
        }
    }

    /// A node whose key was this object before the collector found it unused.
    fn find_dead(&self, nodes: Ref, mask: u32, k: Key) -> *mut Node {
        let dead = Key {
            tag: Tag::DeadKey,
            ..k
        };
        self.find_in(nodes, mask, dead)
    }
}
