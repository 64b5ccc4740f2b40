// SPDX-License-Identifier: GPL-2.0-only
//! Reading and writing fields when it takes more than a look into a table: metamethods, packets,
//! errors; and finishing an instruction when its metamethod has returned.

use super::call::Flow;
use super::error::{Bytes, Raise};
use super::names::{Name, Operand, branches};
use super::native::Meta;
use super::{Event, FrameKind, META, Vm};
use crate::bytecode::op::{Inst, Op};
#[cfg(doc)]
use crate::memory::Heap;
use crate::memory::cell::TableCell;
use crate::packet;
use crate::value::{Ref, Tag, Value};

/// Bytes that one unit of fuel hashes.
const HASHED: usize = 32;
/// The longest chain of `__index` tables.
const CHAIN: u32 = 2000;
/// Fuel for each of them behind the first.
const TURN: i64 = 2;

impl Vm {
    /// `t[key]` where the key is bytes of the packet, which are hashed each time.
    pub(crate) fn get_by_bytes(&mut self, t: Ref, key: Value) -> Value {
        let Self {
            heap, packet, fuel, ..
        } = self;
        let bytes = packet.bytes_of(key).unwrap_or(&[]);
        // What is missing then is noticed by whoever charges next: a loop or a call.
        *fuel = fuel.saturating_sub((bytes.len() / HASHED) as i64);
        heap.get_bytes(t, bytes)
    }

    /// A key as a table may hold it, or the error that it is none.
    pub(crate) fn table_key(&mut self, key: Value) -> Result<Value, Raise> {
        match key.tag {
            Tag::Bytes => self.owned_string(key),
            Tag::Nil => Err(self.fault(format_args!("table index is nil"))),
            Tag::Float if key.as_float().is_nan() => {
                Err(self.fault(format_args!("table index is NaN")))
            }
            Tag::Packet => Err(self.fault(format_args!(
                "a packet cannot be a table key: use p.flow, an address or another of its fields"
            ))),
            _ => Ok(key),
        }
    }

    // --- reading -------------------------------------------------------------------------------------

    /// [`Heap::get_far`], with what its comparisons cost.
    #[inline(never)]
    pub(crate) fn get_far(&mut self, t: *const TableCell, key: u64, to: *mut Value) -> bool {
        let found = self.heap.get_far(t, key, to);
        self.settle_up();
        found
    }

    /// [`Heap::index_far`], with what its comparisons cost.
    #[inline(never)]
    pub(crate) fn index_far(&mut self, t: Ref, key: &Value, to: *mut Value) -> bool {
        let found = self.heap.index_far(t, key, to);
        self.settle_up();
        found
    }

    /// [`Heap::store_far`], with what its comparisons cost.
    #[inline(never)]
    pub(crate) fn store_far(&mut self, t: Ref, key: &Value, value: &Value) -> bool {
        let stored = self.heap.store_far(t, key, value);
        self.settle_up();
        stored
    }

    /// `o[key]`, with metamethods; `Meta::Call` when a function must be called for it.
    pub fn index(&mut self, o: Value, key: Value) -> Result<Meta<Value>, Raise> {
        self.index_named(o, key, Operand::None, Operand::None)
    }

    fn index_named(
        &mut self,
        o: Value,
        key: Value,
        name: Operand,
        key_name: Operand,
    ) -> Result<Meta<Value>, Raise> {
        let mut o = o;
        for turn in 0..CHAIN {
            self.fuel -= i64::from(turn > 0) * TURN;
            let handler = match o.tag {
                Tag::Table => {
                    let v = self.raw_get(o.as_ref(), key);
                    if !v.is_nil() {
                        return Ok(Meta::Done(v));
                    }
                    let meta = self.heap.meta(o.as_ref());
                    if meta == 0 {
                        return Ok(Meta::Done(Value::NIL));
                    }
                    let handler = self.heap.metamethod(meta, Event::Index);
                    if handler.is_nil() {
                        return Ok(Meta::Done(Value::NIL));
                    }
                    handler
                }
                Tag::Packet => return packet::access::get(self, o, key).map(Meta::Done),
                _ => {
                    let handler = self.metamethod(o, Event::Index);
                    if handler.is_nil() {
                        let name = if turn == 0 { name } else { Operand::None };
                        return Err(self.index_error(o, key, name, key_name));
                    }
                    handler
                }
            };
            if matches!(handler.tag, Tag::Closure | Tag::Native) {
                return self.push_meta_call(handler, &[o, key]).map(Meta::Call);
            }
            o = handler;
        }
        Err(self.fault(format_args!("'__index' chain too long; possible loop")))
    }

    /// `attempt to index a nil value (…)`.
    #[cold]
    fn index_error(&mut self, o: Value, key: Value, name: Operand, key_name: Operand) -> Raise {
        let _ = (key, key_name);
        self.type_failure("index", o, name)
    }

    /// A method of anything but tables and packets, by its name with the hash, when tables alone decide
    /// what it is.
    #[inline(never)]
    pub(crate) fn type_method(&mut self, o: Value, key: u64, to: *mut Value) -> bool {
        if o.tag == Tag::Object {
            let class = usize::from(self.heap.object_class(o.as_ref()));
            if let Some((known, method)) = self.methods.get(class)
                && *known == key
            {
                // SAFETY: a register.
                unsafe { *to = *method };
                return true;
            }
        }
        if matches!(o.tag, Tag::Str | Tag::Bytes) && self.string_method(key, to) {
            return true;
        }
        self.type_method_far(o, key, to)
    }

    /// A function that the metatable of strings has by a table.
    #[inline(always)]
    fn string_method(&self, key: u64, to: *mut Value) -> bool {
        let meta = self.type_metatable(Tag::Str);
        // SAFETY: tables' cells and nodes of them; a register.
        unsafe {
            let heap = &self.heap;
            if meta == 0 {
                return false;
            }
            let index = heap.find_constant(heap.table(meta), heap.events[0].payload);
            if index.is_null() || (*index).value.tag != Tag::Table {
                return false;
            }
            let node = heap.find_constant(heap.table((*index).value.as_ref()), key);
            if node.is_null() || (*node).value.is_nil() {
                return false;
            }
            Value::copy(&raw const (*node).value, to);
            true
        }
    }

    #[inline(never)]
    fn type_method_far(&mut self, o: Value, key: u64, to: *mut Value) -> bool {
        let meta = match o.tag {
            Tag::Table | Tag::Packet => 0,
            Tag::Object => self.heap.object_meta(o.as_ref()),
            tag => self.type_metatable(tag),
        };
        if meta == 0 {
            return false;
        }
        // Nil may be that there is no `__index` at all, which is an error.
        let Some(method) = self.heap.inherited_by(meta, key).filter(|v| !v.is_nil()) else {
            return false;
        };
        if o.tag == Tag::Object && method.tag == Tag::Native {
            // The tables of these methods are out of reach of scripts: they are what they were. A key that
            // is theirs lives as long as they do; another one of the same text may not.
            let table = self.heap.known_metamethod(meta, Event::Index);
            let class = usize::from(self.heap.object_class(o.as_ref()));
            if table.tag == Tag::Table
                && let Some(slot) = self.methods.get_mut(class)
                && !(self
                    .heap
                    .find_constant(self.heap.table(table.as_ref()), key))
                .is_null()
            {
                *slot = (key, method);
            }
        }
        // SAFETY: a register.
        unsafe { *to = method };
        true
    }

    /// The slow way of a reading instruction; the result goes to a register.
    #[inline(never)]
    pub(crate) fn get_slow(
        &mut self,
        o: Value,
        key: Value,
        dest: u32,
        name: Operand,
    ) -> Result<Flow, Raise> {
        let at = self.extent();
        self.top = at;
        match self.index_named(o, key, name, Operand::None)? {
            Meta::Done(v) => Ok(self.put(dest, v)),
            Meta::Call(n) => {
                self.call_value(at, n, 1, META)?;
                Ok(Flow::Frame)
            }
        }
    }

    /// A field of a packet value, by its id plus one, if it is one load or can be had without an error.
    #[inline(never)]
    pub(crate) fn packet_field(&mut self, o: &Value, id: u32, to: *mut Value) -> bool {
        if id == 0 {
            return false;
        }
        let Some(path) = self.packet.path_in(*o, id.wrapping_sub(1) as u16) else {
            return false;
        };
        match self.packet.open_field(path) {
            Some(v) => {
                // SAFETY: a register.
                unsafe { *to = v };
                true
            }
            None if self.packet.has_window(path) => self.packet_field_looked(o, path, to),
            None => self.packet_field_far(o, path, to),
        }
    }

    /// The same of a packet of which nothing was asked yet, or of what it does not have.
    #[inline(never)]
    fn packet_field_looked(&mut self, o: &Value, path: u16, to: *mut Value) -> bool {
        if !self.packet.look_usual() {
            return self.packet_field_unusual(o, path, to);
        }
        if let Some(v) = self.packet.open_field(path) {
            // SAFETY: a register.
            unsafe { *to = v };
            return true;
        }
        if self.packet.lacks(path) {
            // SAFETY: a register.
            unsafe { *to = Value::NIL };
            return true;
        }
        self.packet_field_far(o, path, to)
    }

    /// The same of a packet that is not of the usual form.
    #[inline(never)]
    fn packet_field_unusual(&mut self, o: &Value, path: u16, to: *mut Value) -> bool {
        match self.packet.fast_field(path) {
            Some(v) => {
                // SAFETY: a register.
                unsafe { *to = v };
                true
            }
            None => self.packet_field_far(o, path, to),
        }
    }

    /// The same of what is in no window.
    #[inline(never)]
    fn packet_field_far(&mut self, o: &Value, path: u16, to: *mut Value) -> bool {
        match packet::access::quick(self, *o, path) {
            Some(v) => {
                // SAFETY: a register.
                unsafe { *to = v };
                true
            }
            None => false,
        }
    }

    /// Writes a field of a packet value, by its id plus one, if that can be done without an error.
    #[inline(never)]
    pub(crate) fn set_packet_field(&mut self, o: &Value, id: u32, v: &Value) -> bool {
        id != 0 && packet::access::quick_set(self, *o, id.wrapping_sub(1) as u16, *v)
    }

    /// `GetField2` of anything that is not a packet, or of a field that is not one load.
    #[inline(never)]
    pub(crate) fn get_path_slow(
        &mut self,
        i: Inst,
        o: Value,
        first: Value,
        second: Value,
    ) -> Result<Flow, Raise> {
        let (dest, register) = (u32::from(i.a()), u32::from(i.b()));
        if o.tag == Tag::Packet {
            return match packet::access::get_path(self, o, i.off())? {
                Some(v) => Ok(self.put(dest, v)),
                None => {
                    Err(self.type_failure("index", Value::NIL, Operand::Field(u32::from(i.c()))))
                }
            };
        }
        let at = self.extent();
        self.top = at;
        match self.index_named(o, first, Operand::Register(register), Operand::None)? {
            Meta::Done(v) => self.get_slow(v, second, dest, Operand::Field(u32::from(i.c()))),
            Meta::Call(n) => {
                self.this_mut().failed = 1;
                self.call_value(at, n, 1, META)?;
                Ok(Flow::Frame)
            }
        }
    }

    // --- writing -------------------------------------------------------------------------------------

    /// `o[key] = v`, with metamethods; `Meta::Call` when a function must be called for it.
    pub fn set_index(&mut self, o: Value, key: Value, v: Value) -> Result<Meta<()>, Raise> {
        self.set_index_named(o, key, v, Operand::None)
    }

    fn set_index_named(
        &mut self,
        o: Value,
        key: Value,
        v: Value,
        name: Operand,
    ) -> Result<Meta<()>, Raise> {
        let mut o = o;
        for turn in 0..CHAIN {
            self.fuel -= i64::from(turn > 0) * TURN;
            let handler = match o.tag {
                Tag::Table => {
                    let t = o.as_ref();
                    let meta = self.heap.meta(t);
                    if meta == 0 {
                        return self.raw_set(t, key, v).map(Meta::Done);
                    }
                    if !self.raw_get(t, key).is_nil() {
                        return self.raw_set(t, key, v).map(Meta::Done);
                    }
                    let handler = self.heap.metamethod(meta, Event::NewIndex);
                    if handler.is_nil() {
                        return self.raw_set(t, key, v).map(Meta::Done);
                    }
                    handler
                }
                Tag::Packet => return packet::access::set(self, o, key, v).map(Meta::Done),
                _ => {
                    let handler = self.metamethod(o, Event::NewIndex);
                    if handler.is_nil() {
                        let name = if turn == 0 { name } else { Operand::None };
                        return Err(self.index_error(o, key, name, Operand::None));
                    }
                    handler
                }
            };
            if matches!(handler.tag, Tag::Closure | Tag::Native) {
                return self.push_meta_call(handler, &[o, key, v]).map(Meta::Call);
            }
            o = handler;
        }
        Err(self.fault(format_args!("'__newindex' chain too long; possible loop")))
    }

    /// The slow way of a writing instruction.
    #[inline(never)]
    pub(crate) fn set_slow(
        &mut self,
        o: Value,
        key: Value,
        v: Value,
        name: Operand,
    ) -> Result<Flow, Raise> {
        let at = self.extent();
        self.top = at;
        match self.insist(|vm| vm.set_index_named(o, key, v, name))? {
            // Which registers are in use is not known here: all of them may be.
            Meta::Done(()) => self.breathe(at),
            Meta::Call(n) => {
                self.call_value(at, n, 0, META)?;
                Ok(Flow::Frame)
            }
        }
    }

    // --- after a metamethod --------------------------------------------------------------------------

    /// A metamethod has returned to the Lua frame on top: the instruction that called it is finished.
    pub(crate) fn finish_instruction(&mut self, result: Value) -> Result<(), Raise> {
        let f = *self.this();
        if f.kind != FrameKind::Lua || f.pc == 0 {
            return Ok(());
        }
        // SAFETY: the instruction before the next one of a frame that called something.
        let word = unsafe { *self.proto(f.proto).code.wrapping_add(f.pc as usize - 1) };
        let Some((op, i)) = word
            .unpack()
            .and_then(|i| Some((Op::from_byte(i.op_byte())?, i)))
        else {
            return Ok(());
        };
        let a = u32::from(i.a());
        match op {
            Op::GetField2 if f.failed == 1 => {
                self.this_mut().failed = 0;
                // SAFETY: constants of verified instructions are inside the pool.
                let second = unsafe {
                    *self
                        .proto(f.proto)
                        .constants
                        .wrapping_add(usize::from(i.c()) + 1)
                };
                self.get_slow(result, second, a, Operand::Field(u32::from(i.c())))?;
            }
            Op::Concat => {
                let n = u32::from(f.failed);
                self.this_mut().failed = 0;
                // SAFETY: registers of the frame.
                unsafe { *self.slot(f.base + a + n - 2) = result };
                self.concat(a, n - 1)?;
            }
            op if branches(op) => {
                let negated = matches!(
                    op,
                    Op::JmpNe
                        | Op::JmpNeI
                        | Op::JmpNeK
                        | Op::JmpNLt
                        | Op::JmpNLe
                        | Op::JmpNLtI
                        | Op::JmpNLeI
                        | Op::JmpNGtI
                        | Op::JmpNGeI
                );
                if result.is_true() != negated {
                    self.this_mut().pc += u32::from(i.off());
                }
            }
            Op::SetField
            | Op::SetFieldK
            | Op::SetIndex
            | Op::SetIndexK
            | Op::SetInt
            | Op::SetTabUp
            | Op::SetTabUpK => {}
            _ => {
                self.put(a, result);
            }
        }
        Ok(())
    }

    // --- errors --------------------------------------------------------------------------------------

    #[cold]
    pub(crate) fn no_integer(&mut self, operand: Operand) -> Raise {
        let what = self.describe_operand(operand);
        self.fault(format_args!(
            "number{} has no integer representation",
            Bytes(what.text())
        ))
    }

    fn describe_operand(&self, operand: Operand) -> Name {
        if self.this().kind == FrameKind::Lua {
            self.describe(operand)
        } else {
            Name::new(b"")
        }
    }
}
