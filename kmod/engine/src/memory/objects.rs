// SPDX-License-Identifier: GPL-2.0-only
//! Boxes, closures and objects of the engine.

use super::cell::{BoxCell, ClosureCell, INLINE_UPVALUES, Kind, NativeClosureCell, ObjectCell};
use super::{Heap, OutOfMemory};
use crate::value::{Ref, Tag, Value};

impl Heap {
    /// A box that holds a value.
    #[inline]
    pub fn new_box(&mut self, value: Value) -> Result<Ref, OutOfMemory> {
        let r = self.new_cell(Kind::Box, 0)?;
        self.shade_new(value);
        // SAFETY: the cell is a box now.
        unsafe { (*self.at::<BoxCell>(r)).value = value };
        Ok(r)
    }

    /// A Lua closure whose upvalues are nil.
    pub fn new_closure(&mut self, proto: Ref, upvalues: usize) -> Result<Ref, OutOfMemory> {
        let r = self.new_cell(Kind::Closure, upvalues as u16)?;
        // SAFETY: the cell is a closure now; its values are written before anything else allocates.
        unsafe {
            let cell = self.at::<ClosureCell>(r);
            (*cell).header.hash = proto;
            (*cell).values = [Value::NIL; INLINE_UPVALUES];
            if upvalues > INLINE_UPVALUES {
                // The kind is set last: a cell without its body must not look like one with.
                (*cell).header.flags = 0;
                let field = core::mem::offset_of!(ClosureCell, values) as u32 + 8;
                let body = self.new_body(r, field, 16 * upvalues as u64)?;
                for i in 0..upvalues {
                    self.at::<Value>(body).add(i).write(Value::NIL);
                }
                (*self.at::<ClosureCell>(r)).header.flags = upvalues as u16;
            }
        }
        Ok(r)
    }

    /// The upvalues of a Lua closure.
    #[inline(always)]
    pub(crate) fn upvalues(&self, closure: Ref) -> *mut Value {
        let cell = self.at::<ClosureCell>(closure);
        // SAFETY: a closure's cell; with many upvalues the first payload names their body.
        unsafe {
            if (*cell).header.flags as usize <= INLINE_UPVALUES {
                (&raw mut (*cell).values).cast()
            } else {
                self.at((*cell).values[0].payload as Ref)
            }
        }
    }

    /// A native function with values of its own.
    pub fn new_native_closure(
        &mut self,
        native: u32,
        values: &[Value],
    ) -> Result<Ref, OutOfMemory> {
        let count = values.len().min(INLINE_UPVALUES);
        let r = self.new_cell(Kind::NativeClosure, count as u16)?;
        let mut all = [Value::NIL; INLINE_UPVALUES];
        for (to, &from) in all.iter_mut().zip(values) {
            self.shade_new(from);
            *to = from;
        }
        // SAFETY: the cell is a native closure now.
        unsafe {
            let cell = self.at::<NativeClosureCell>(r);
            (*cell).header.hash = native;
            (*cell).values = all;
        }
        Ok(r)
    }

    /// Value number `i` of a native closure.
    pub fn native_upvalue(&self, r: Ref, i: u32) -> Value {
        // SAFETY: a native closure's cell.
        unsafe { (*self.at::<NativeClosureCell>(r)).values }
            .get(i as usize)
            .copied()
            .unwrap_or(Value::NIL)
    }

    /// Replaces value number `i` of a native closure.
    pub fn set_native_upvalue(&mut self, r: Ref, i: u32, v: Value) {
        let old = self.native_upvalue(r, i);
        self.store_barrier(r, old, v);
        // SAFETY: a native closure's cell.
        let values = unsafe { &mut (*self.at::<NativeClosureCell>(r)).values };
        if let Some(slot) = values.get_mut(i as usize) {
            *slot = v;
        }
    }

    /// An object of the engine with `len` zeroed bytes.
    pub fn new_object(&mut self, class: u16, len: u32) -> Result<Ref, OutOfMemory> {
        let r = self.new_cell(Kind::Object, class)?;
        // SAFETY: the cell is an object now.
        unsafe {
            let cell = self.at::<ObjectCell>(r);
            (*cell).body = 0;
            (*cell).len = 0;
            (*cell).meta = 0;
            (*cell).word = 0;
            (*cell).value = Value::NIL;
            if len > 0 {
                let field = core::mem::offset_of!(ObjectCell, body) as u32;
                let body = self.new_body(r, field, u64::from(len))?;
                self.at::<u8>(body).write_bytes(0, len as usize);
                (*self.at::<ObjectCell>(r)).len = len;
            }
        }
        Ok(r)
    }

    /// The class of an object.
    pub fn object_class(&self, r: Ref) -> u16 {
        self.header(r).flags
    }

    /// The bytes of an object.
    pub fn object_bytes(&self, r: Ref) -> &[u8] {
        // SAFETY: an object's cell and its body.
        unsafe {
            let cell = self.at::<ObjectCell>(r);
            if (*cell).body == 0 {
                return &[];
            }
            core::slice::from_raw_parts(self.at((*cell).body), (*cell).len as usize)
        }
    }

    /// The bytes of an object, to be changed.
    pub fn object_bytes_mut(&mut self, r: Ref) -> &mut [u8] {
        // SAFETY: an object's cell and its body.
        unsafe {
            let cell = self.at::<ObjectCell>(r);
            if (*cell).body == 0 {
                return &mut [];
            }
            core::slice::from_raw_parts_mut(self.at((*cell).body), (*cell).len as usize)
        }
    }

    /// The value that an object keeps alive.
    pub fn object_value(&self, r: Ref) -> Value {
        // SAFETY: an object's cell.
        unsafe { (*self.at::<ObjectCell>(r)).value }
    }

    /// Lets an object keep a value alive.
    pub fn set_object_value(&mut self, r: Ref, value: Value) {
        let old = self.object_value(r);
        self.store_barrier(r, old, value);
        // SAFETY: an object's cell.
        unsafe { (*self.at::<ObjectCell>(r)).value = value };
    }

    /// The metatable of an object, or 0.
    pub fn object_meta(&self, r: Ref) -> Ref {
        // SAFETY: an object's cell.
        unsafe { (*self.at::<ObjectCell>(r)).meta }
    }

    /// Gives an object its metatable, or takes it away with 0.
    pub fn set_object_meta(&mut self, r: Ref, meta: Ref) {
        self.store_barrier(r, Value::NIL, Value::object(Tag::Table, meta));
        // SAFETY: an object's cell.
        unsafe { (*self.at::<ObjectCell>(r)).meta = meta };
    }
}
