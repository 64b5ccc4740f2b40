// SPDX-License-Identifier: GPL-2.0-only
//! Borders of tables, and their entries one after the other.

use super::{HAS_INTS, HINT, Key};
use crate::memory::cell::Node;
use crate::memory::{Heap, reference};
use crate::value::{Ref, Tag, Value};

impl Heap {
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
        let (mut low, mut high) = if hint == 0 || filled(hint) {
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
            (low, high)
        } else if hint > 1 && filled(hint - 1) {
            // The last item was taken away: the usual case, and where PUC looks first among holes.
            (hint - 1, hint)
        } else {
            (0, hint)
        };
        // The first is filled or 0, the second is not.
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            if filled(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        // SAFETY: a table's cell.
        unsafe {
            (*cell).hint = (*cell).hint & !HINT | (low.min(u64::from(HINT)) as u32);
        }
        low as i64
    }

    /// The entry that follows a key (nil: the first), `None` behind the last, an error for a key that
    /// is not in the table. `passed` becomes how many places without an entry were passed over.
    #[allow(clippy::result_unit_err, reason = "there is one way to fail")]
    pub fn next(
        &mut self,
        t: Ref,
        key: Value,
        passed: &mut u32,
    ) -> Result<Option<(Value, Value)>, ()> {
        let cell = self.table(t);
        let mut position = if key.is_nil() {
            0
        } else {
            self.position(t, key).ok_or(())?
        };
        let first = position;
        // SAFETY: a table's cell, its array part and its hash parts.
        unsafe {
            let cap = (*cell).cap;
            let ints = (*cell).hint & HAS_INTS != 0;
            while position < cap {
                let mut v = *self.at::<Value>((*cell).array).add(position as usize);
                position += 1;
                if v.is_nil() && ints {
                    v = self.get_hashed_int(t, i64::from(position));
                }
                if !v.is_nil() {
                    *passed = position - first - 1;
                    return Ok(Some((Value::int(i64::from(position)), v)));
                }
            }
            *passed = position - first;
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
                    let listed =
                        (*node).tag == Tag::Int && (*node).key.wrapping_sub(1) < u64::from(cap);
                    if !(*node).value.is_nil() && !listed {
                        return Ok(Some(((*node).key(), (*node).value)));
                    }
                    *passed += 1;
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
            if k.tag == Tag::Int && index < u64::from(cap) {
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
            None
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
