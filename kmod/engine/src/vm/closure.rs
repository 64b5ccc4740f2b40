// SPDX-License-Identifier: GPL-2.0-only
//! Making closures: a function from a prototype, with what it captures of the function that makes it.

use super::Vm;
use super::call::Flow;
use super::error::Raise;
use crate::memory::cell::{CELL, ImageCell};
use crate::value::{Ref, Tag, Value};

/// So many upvalues are filled in for a unit of fuel.
const CAPTURED: usize = 8;

impl Vm {
    /// `Closure`: a new function from a prototype.
    #[inline(never)]
    pub(crate) fn make_closure(&mut self, dest: u32, index: u32) -> Result<Flow, Raise> {
        let f = *self.this();
        let proto = self.proto_cell(f.proto, index);
        let count = usize::from(self.proto(proto).upvalues);
        self.fuel -= (count / CAPTURED) as i64;
        let closure = self.insist(|vm| {
            let r = vm.heap.new_closure(proto, count);
            vm.memory(r)
        })?;
        let itself = Value::object(Tag::Closure, closure);
        for u in 0..count {
            let descriptor = self.upvalue_descriptor(proto, u);
            let from = usize::from((descriptor >> 8) as u8);
            // SAFETY: verified descriptors name registers of this frame and upvalues of its function.
            let v = unsafe {
                match descriptor as u8 {
                    0 => *self.slot(f.base + from as u32),
                    1 => {
                        let maker = (*self.slot(f.func)).as_ref();
                        *self.heap.upvalues(maker).add(from)
                    }
                    _ => itself,
                }
            };
            let v = self.stored(v)?;
            self.heap.shade_new(v);
            // SAFETY: the new closure has that many upvalues.
            unsafe { *self.heap.upvalues(closure).add(u) = v };
        }
        self.put(dest, itself);
        let flow = self.breathe(f.base + dest + 1)?;
        self.go_on(flow)
    }

    /// The cell of a prototype of the same image as the function that runs.
    pub(crate) fn proto_cell(&self, of: Ref, index: u32) -> Ref {
        let image = self.proto(of).image;
        if image == 0 {
            return self.protos + index * CELL;
        }
        // SAFETY: an image's cell; the references to its prototypes follow its constants.
        unsafe {
            let cell = self.heap.at::<ImageCell>(image);
            let table = (*cell).body + (*cell).constants + (*cell).constant_count * 16;
            *self.heap.at::<Ref>(table + index * 4)
        }
    }

    /// The eight bytes that say where an upvalue of a prototype comes from.
    fn upvalue_descriptor(&self, proto: Ref, index: usize) -> u64 {
        let cell = self.proto(proto);
        // SAFETY: the descriptors lie in the same image as the code, at this distance.
        unsafe {
            let first = cell
                .code
                .cast::<u8>()
                .wrapping_offset(cell.descriptors as isize);
            first.cast::<u64>().add(index).read_unaligned()
        }
    }
}
