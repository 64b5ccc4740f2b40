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
use super::{Heap, OutOfMemory};
use crate::number::arith;
use crate::value::{Ref, Tag, Value};
use crate::vm::Event;
use core::mem::offset_of;

/// In `hint`: integer keys may be in the hash part.
pub(super) const HAS_INTS: u32 = 1 << 31;
/// In `hint`: integer keys may be in the hash part that is being filled.
pub(super) const NEW_INTS: u32 = 1 << 30;
/// In `hint`: where the border was last seen.
pub(super) const HINT: u32 = NEW_INTS - 1;
/// In a table's flags: on the list of tables with finalizers.
pub(super) const FINALIZABLE: u16 = 4;
/// Events whose absence a metatable remembers, one bit each from this one on in its flags.
pub(super) const ABSENT: u16 = 1 << 8;

const ARRAY_FIELD: u32 = offset_of!(TableCell, array) as u32;

/// A key in the form in which nodes hold it.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) tag: Tag,
    pub(super) key: u64,
    pub(super) hash: u32,
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

    /// The same where it is likely that there is one.
    #[inline(always)]
    pub(crate) fn known_metamethod(&self, meta: Ref, event: Event) -> Value {
        let name = self.events.get(event as usize).map_or(0, |e| e.payload);
        match self.known(self.table(meta), name) {
            Some(handler) => handler,
            None => self.metamethod(meta, event),
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

    /// The node of a string key that is found by its reference, or null.
    #[inline(always)]
    pub(crate) fn find_constant(&self, t: *const TableCell, key: u64) -> *mut Node {
        self.find_same(t, (key >> 32) as u32, Tag::Str, key)
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
        self.find_same(t, self.hash_word(word), tag, word)
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
    pub(super) fn key(&mut self, v: Value) -> Key {
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
    pub(super) fn grow_array(&mut self, t: Ref, cap: u32) -> Result<(), OutOfMemory> {
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
}
