// SPDX-License-Identifier: GPL-2.0-only
//! Tables: an array part for the keys 1…cap and a hash part of chained nodes.
//!
//! Nothing here takes long at once but copying or clearing a body. When the hash part is full a new
//! one is taken and every later insertion moves eight nodes of the old one over, so it is empty
//! before the new one is full: with C old nodes, L of them alive, the new part has at least
//! L + C/8 + 1. Until then a key is looked for in both. A key of the old part whose value is gone does
//! not come back there, for it is none of those L.
//!
//! An integer key in 1…cap may also be in the hash part (the array grew around it); then its place in
//! the array is nil. Setting it moves it; a traversal meets it at that place, wherever it is, so that it
//! may be set meanwhile. A node whose value became nil keeps its key, so that a
//! traversal can go on from it; the collector turns keys of such nodes that are garbage into
//! [`Tag::DeadKey`].
//!
//! * this file — making tables, and keys in the form of nodes
//! * `get` — looking for keys; `set` — storing; `meta` — metatables and what tables inherit
//! * `nodes` — how the hash part is filled and grows; `traverse` — borders, and one entry after the other

mod get;
mod meta;
mod nodes;
mod set;
mod traverse;

use super::cell::{Kind, TableCell};
use super::{Heap, OutOfMemory};
use crate::number::arith;
use crate::value::{Ref, Tag, Value};
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

    #[inline(always)]
    pub(crate) fn table(&self, t: Ref) -> *mut TableCell {
        self.at(t)
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
}
