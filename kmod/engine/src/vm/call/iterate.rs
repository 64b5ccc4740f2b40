// SPDX-License-Identifier: GPL-2.0-only
//! The iterators of `pairs` and `ipairs`, called by a generic loop: without a frame.

use crate::stdlib;
use crate::value::{Ref, Tag, Value};
use crate::vm::native::{PASSED, index_of, native};
use crate::vm::{Vm, lib};

impl Vm {
    /// `next` or the iterator of `ipairs` called by a generic loop, without a frame: `at` is where it was
    /// copied to, with its two arguments behind it. Says whether it was one of them on a table, and is
    /// done.
    #[inline(never)]
    pub(crate) fn next_inline(&mut self, at: *mut Value, wanted: u16) -> bool {
        // SAFETY: the loop has three registers there and room for its results.
        unsafe {
            let next = const { native(lib::BASE, index_of(stdlib::base::NATIVES, "next")) };
            let list = const { native(lib::BASE, index_of(stdlib::base::NATIVES, "for iterator")) };
            let t = *at.add(1);
            if t.tag != Tag::Table || wanted == 0 {
                return false;
            }
            if (*at).payload == list.payload {
                return self.item_inline(at, t.as_ref(), wanted);
            }
            if (*at).payload != next.payload {
                return false;
            }
            let mut passed = 0;
            let Ok(entry) = self.heap.next(t.as_ref(), *at.add(2), &mut passed) else {
                return false;
            };
            self.fuel -= 1 + i64::from(passed >> PASSED);
            let (key, value) = entry.unwrap_or((Value::NIL, Value::NIL));
            *at = key;
            if wanted > 1 {
                *at.add(1) = value;
            }
            for n in 2..usize::from(wanted) {
                *at.add(n) = Value::NIL;
            }
        }
        true
    }

    /// The iterator of `ipairs` on a table, as [`Vm::next_inline`] does it.
    ///
    /// # Safety
    ///
    /// As for the places that a generic loop has for a call.
    #[inline]
    unsafe fn item_inline(&mut self, at: *mut Value, t: Ref, wanted: u16) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let control = *at.add(2);
            if control.tag != Tag::Int || wanted > 2 {
                return false;
            }
            let i = control.as_int().wrapping_add(1);
            let v = self.heap.get_int(t, i);
            if v.is_nil() && self.heap.meta(t) != 0 {
                return false;
            }
            self.fuel -= 1;
            *at = if v.is_nil() { v } else { Value::int(i) };
            if wanted == 2 {
                *at.add(1) = v;
            }
        }
        true
    }
}
