// SPDX-License-Identifier: GPL-2.0-only
//! Metatables, and what a table inherits by them.

use super::{ABSENT, FINALIZABLE};
use crate::memory::Heap;
use crate::memory::cell::Header;
use crate::value::{Ref, Tag, Value};
use crate::vm::Event;

impl Heap {
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
}
