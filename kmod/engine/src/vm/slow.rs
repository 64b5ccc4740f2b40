// SPDX-License-Identifier: GPL-2.0-only
//! Instructions in full, for when the loop's short way is not open.

use super::call::Flow;
use super::error::{Bytes, Raise};
use super::names::Operand;
use super::operate::{float_of, value_of};
use super::{Event, FrameKind, META, PLAIN, TAIL, Vm};
use crate::bytecode::op::{Inst, Op};
use crate::bytecode::word::Word;
use crate::memory::cell::BoxCell;
use crate::number::arith;
use crate::value::{Tag, Value};

impl Vm {
    /// Register `n` of the function that runs.
    #[inline(always)]
    fn register(&self, n: u32) -> Value {
        // SAFETY: verified operands are registers of the frame.
        unsafe { *self.slot(self.this().base + n) }
    }

    /// Constant `n` of its program.
    #[inline(always)]
    fn constant(&self, n: u32) -> Value {
        // SAFETY: verified operands are constants of the pool.
        unsafe { *self.heap.exec.constants.add(n as usize) }
    }

    /// Upvalue `n` of the function that runs.
    #[inline(always)]
    fn upvalue_value(&self, n: u32) -> Value {
        // SAFETY: verified operands are upvalues of the function.
        unsafe {
            let closure = *self.slot(self.this().base - 1);
            *self.heap.upvalues(closure.as_ref()).add(n as usize)
        }
    }

    /// Does an instruction. The frame's program counter is behind it.
    #[inline(never)]
    pub(crate) fn slow_instruction(&mut self, word: Word) -> Result<Flow, Raise> {
        self.settle_up();
        if word.op == Op::Return0 as u8 {
            return self.slow_return(0, 1, false);
        }
        if self.quick_store(word) {
            return Ok(Flow::Next);
        }
        if self.quick_meta(word) {
            return Ok(Flow::Frame);
        }
        let Some((op, i)) = word
            .unpack()
            .and_then(|i| Some((Op::from_byte(i.op_byte())?, i)))
        else {
            return Err(self.fault(format_args!("a damaged program")));
        };
        let (a, b, c) = (u32::from(i.a()), u32::from(i.b()), u32::from(i.c()));
        let flow = match op {
            Op::Return1 => return self.slow_return(a, 2, false),
            Op::GetField2 => {
                let (o, first, second) = (self.register(b), self.constant(c), self.constant(c + 1));
                self.get_path_slow(i, o, first, second)?
            }
            Op::GetField | Op::GetTabUp | Op::SelfField => self.slow_get_field(op, i)?,
            Op::GetIndex => {
                let (o, key) = (self.register(b), self.register(c));
                self.get_slow(o, key, a, Operand::Register(b))?
            }
            Op::GetInt => {
                let o = self.register(b);
                self.get_slow(o, Value::int(i64::from(c)), a, Operand::Register(b))?
            }
            Op::SetField
            | Op::SetFieldK
            | Op::SetIndex
            | Op::SetIndexK
            | Op::SetInt
            | Op::SetTabUp
            | Op::SetTabUpK => self.slow_set(op, i)?,
            Op::SetBox => {
                let (cell, v) = (self.register(a), self.register(b));
                return self.set_box(cell, v);
            }
            Op::SetUp => {
                let (cell, v) = (self.upvalue_value(a), self.register(b));
                return self.set_box(cell, v);
            }
            Op::Len => self.len_slow(b, a)?,
            Op::ForPrep => {
                if !self.prepare_loop(a)? {
                    self.jump(i.imm());
                }
                return Ok(Flow::Next);
            }
            Op::TForPrep => {
                self.add_tbc(self.this().base + a + 3)?;
                self.jump(i.imm());
                return Ok(Flow::Next);
            }
            Op::Tbc => {
                self.add_tbc(self.this().base + a)?;
                return Ok(Flow::Next);
            }
            Op::Close => return self.close_from(self.this().base + a),
            Op::JmpEq
            | Op::JmpNe
            | Op::JmpEqK
            | Op::JmpNeK
            | Op::JmpLt
            | Op::JmpNLt
            | Op::JmpLe
            | Op::JmpNLe
            | Op::JmpLtI
            | Op::JmpNLtI
            | Op::JmpLeI
            | Op::JmpNLeI
            | Op::JmpGtI
            | Op::JmpNGtI
            | Op::JmpGeI
            | Op::JmpNGeI => self.slow_compare(op, i)?,
            _ => self.slow_arithmetic(op, i)?,
        };
        self.go_on(flow)
    }

    /// After an instruction: runs what it put on top.
    #[inline]
    pub(crate) fn go_on(&mut self, flow: Flow) -> Result<Flow, Raise> {
        if flow == Flow::Frame {
            self.drive()
        } else {
            Ok(flow)
        }
    }

    /// Moves the program counter of the function that runs.
    fn jump(&mut self, distance: i32) {
        self.heap.exec.pc = self.heap.exec.pc.wrapping_offset(distance as isize);
    }

    #[inline(never)]
    fn slow_get_field(&mut self, op: Op, i: Inst) -> Result<Flow, Raise> {
        let (a, b) = (u32::from(i.a()), u32::from(i.b()));
        let key = self.constant(u32::from(i.c()));
        let (o, name) = match op {
            Op::GetTabUp => (self.upvalue_value(b), Operand::Upvalue(b)),
            // The receiver was put away before R[A], which it may have been in, is written.
            Op::SelfField => (self.register(a + 1), Operand::Register(b)),
            _ => (self.register(b), Operand::Register(b)),
        };
        if o.tag == Tag::Packet && key.aux != 0 {
            let v = crate::packet::access::get_id(self, o, (key.aux - 1) as u16)?;
            return Ok(self.put(a, v));
        }
        self.get_slow(o, key, a, name)
    }

    /// A store into a table that has a place for it, where no metatable has a say.
    #[inline(always)]
    fn quick_store(&mut self, i: Word) -> bool {
        const FIELD: u8 = Op::SetField as u8;
        const FIELD_K: u8 = Op::SetFieldK as u8;
        const INDEX: u8 = Op::SetIndex as u8;
        const INDEX_K: u8 = Op::SetIndexK as u8;
        let (key, v) = match i.op {
            FIELD => (self.constant_of(i.b), self.operand(i.c)),
            FIELD_K => (self.constant_of(i.b), self.constant_of(i.c)),
            INDEX => (self.operand(i.b), self.operand(i.c)),
            INDEX_K => (self.operand(i.b), self.constant_of(i.c)),
            _ => return false,
        };
        // SAFETY: operands, which verified instructions have where they name them.
        let (o, key, v) = unsafe { (&*self.operand(i.a), &*key, &*v) };
        o.tag == Tag::Table && v.tag != Tag::Bytes && self.heap.set_there(o.as_ref(), key, v)
    }

    #[inline(never)]
    fn slow_set(&mut self, op: Op, i: Inst) -> Result<Flow, Raise> {
        let (a, b, c) = (u32::from(i.a()), u32::from(i.b()), u32::from(i.c()));
        let (o, name) = match op {
            Op::SetTabUp | Op::SetTabUpK => (self.upvalue_value(a), Operand::Upvalue(a)),
            _ => (self.register(a), Operand::Register(a)),
        };
        let key = match op {
            Op::SetIndex | Op::SetIndexK => self.register(b),
            Op::SetInt => Value::int(i64::from(b)),
            _ => self.constant(b),
        };
        let v = match op {
            Op::SetFieldK | Op::SetIndexK | Op::SetTabUpK => self.constant(c),
            _ => self.register(c),
        };
        if o.tag == Tag::Table && v.tag != Tag::Bytes && self.heap.set_there(o.as_ref(), &key, &v) {
            return Ok(Flow::Next);
        }
        if o.tag == Tag::Packet && key.tag == Tag::Str && key.aux != 0 {
            let at = self.extent();
            self.top = at;
            let id = (key.aux - 1) as u16;
            self.insist(|vm| crate::packet::access::set_id(vm, o, id, v))?;
            return self.breathe(at);
        }
        self.set_slow(o, key, v, name)
    }

    // --- arithmetic ----------------------------------------------------------------------------------

    #[inline(never)]
    fn slow_arithmetic(&mut self, op: Op, i: Inst) -> Result<Flow, Raise> {
        let (a, b, c) = (u32::from(i.a()), u32::from(i.b()), u32::from(i.c()));
        let (event, constant) = match op {
            Op::AddI => return self.slow_add_immediate(i),
            Op::Add => (Event::Add, false),
            Op::Sub => (Event::Sub, false),
            Op::Mul => (Event::Mul, false),
            Op::Mod => (Event::Mod, false),
            Op::IDiv => (Event::IDiv, false),
            Op::BAnd => (Event::BAnd, false),
            Op::BOr => (Event::BOr, false),
            Op::BXor => (Event::BXor, false),
            Op::Shl => (Event::Shl, false),
            Op::Shr => (Event::Shr, false),
            Op::Div => (Event::Div, false),
            Op::Pow => (Event::Pow, false),
            Op::AddK => (Event::Add, true),
            Op::SubK => (Event::Sub, true),
            Op::MulK => (Event::Mul, true),
            Op::ModK => (Event::Mod, true),
            Op::IDivK => (Event::IDiv, true),
            Op::BAndK => (Event::BAnd, true),
            Op::BOrK => (Event::BOr, true),
            Op::BXorK => (Event::BXor, true),
            Op::ShlK => (Event::Shl, true),
            Op::ShrK => (Event::Shr, true),
            Op::DivK => (Event::Div, true),
            Op::PowK => (Event::Pow, true),
            Op::Unm | Op::BNot => {
                let (x, name) = (self.register(b), Operand::Register(b));
                let event = if op == Op::Unm {
                    Event::Unm
                } else {
                    Event::BNot
                };
                return self.arithmetic(event, x, x, (name, name), a);
            }
            _ => return Err(self.fault(format_args!("a damaged program"))),
        };
        let first = (self.register(b), Operand::Register(b));
        let second = if constant {
            (self.constant(c), Operand::Constant(c))
        } else {
            (self.register(c), Operand::Register(c))
        };
        // The constant may have been written on the left.
        let ((x, nx), (y, ny)) = if constant && i.off() & 2 != 0 {
            (second, first)
        } else {
            (first, second)
        };
        self.arithmetic(event, x, y, (nx, ny), a)
    }

    #[cold]
    fn slow_add_immediate(&mut self, i: Inst) -> Result<Flow, Raise> {
        let (dest, b) = (u32::from(i.a()), u32::from(i.b()));
        let c = i64::from(i.c() as i16);
        let (x, name) = (self.register(b), Operand::Register(b));
        match i.off() {
            1 => self.arithmetic(Event::Sub, x, Value::int(-c), (name, Operand::None), dest),
            2 => self.arithmetic(Event::Add, Value::int(c), x, (Operand::None, name), dest),
            _ => self.arithmetic(Event::Add, x, Value::int(c), (name, Operand::None), dest),
        }
    }

    // --- comparison ----------------------------------------------------------------------------------

    #[inline(never)]
    fn slow_compare(&mut self, op: Op, i: Inst) -> Result<Flow, Raise> {
        let x = self.register(u32::from(i.a()));
        let immediate = Value::int(i64::from(i.imm()));
        let (x, y, event, wanted) = match op {
            Op::JmpEq => (x, self.register(u32::from(i.b())), Event::Eq, true),
            Op::JmpNe => (x, self.register(u32::from(i.b())), Event::Eq, false),
            Op::JmpEqK => (x, self.constant(i.imm() as u32), Event::Eq, true),
            Op::JmpNeK => (x, self.constant(i.imm() as u32), Event::Eq, false),
            Op::JmpLt => (x, self.register(u32::from(i.b())), Event::Lt, true),
            Op::JmpNLt => (x, self.register(u32::from(i.b())), Event::Lt, false),
            Op::JmpLe => (x, self.register(u32::from(i.b())), Event::Le, true),
            Op::JmpNLe => (x, self.register(u32::from(i.b())), Event::Le, false),
            Op::JmpLtI => (x, immediate, Event::Lt, true),
            Op::JmpNLtI => (x, immediate, Event::Lt, false),
            Op::JmpLeI => (x, immediate, Event::Le, true),
            Op::JmpNLeI => (x, immediate, Event::Le, false),
            Op::JmpGtI => (immediate, x, Event::Lt, true),
            Op::JmpNGtI => (immediate, x, Event::Lt, false),
            Op::JmpGeI => (immediate, x, Event::Le, true),
            _ => (immediate, x, Event::Le, false),
        };
        match self.compare_slow(x, y, event)? {
            Ok(truth) => {
                if truth == wanted {
                    self.jump(i32::from(i.off()));
                }
                Ok(Flow::Next)
            }
            Err(flow) => Ok(flow),
        }
    }

    // --- returns -------------------------------------------------------------------------------------

    /// `Return` of `count - 1` values, 0 for those up to the top.
    #[inline(never)]
    pub(crate) fn slow_return(&mut self, a: u32, count: u32, closing: bool) -> Result<Flow, Raise> {
        let f = self.this();
        let first = f.base + a;
        if f.flags == META | PLAIN && count != 0 && !closing {
            return Ok(self.meta_returned(first, count - 1));
        }
        if f.flags == PLAIN && f.wanted >= 0 && count != 0 && !closing {
            // To a `Call` that says how many it wants.
            let (to, wanted) = (f.func, f.wanted as u32);
            self.depth -= 1;
            // SAFETY: registers of the function; behind its slot the caller has room for what it wants.
            unsafe {
                let (from, to) = (self.slot(first), self.slot(to));
                let n = wanted.min(count - 1);
                for i in 0..n as usize {
                    Value::copy(from.add(i), to.add(i));
                }
                for i in n..wanted {
                    *to.add(i as usize) = Value::NIL;
                }
            }
            return Ok(Flow::Frame);
        }
        let n = if count == 0 {
            self.top - first
        } else {
            count - 1
        };
        if f.flags == 0 && !closing && self.sort_again(first, n) {
            return Ok(Flow::Frame);
        }
        self.return_from(first, n, closing)
    }

    /// `TailCall` with `count - 1` arguments, 0 for those up to the top.
    #[inline(never)]
    pub(crate) fn slow_tail_call(
        &mut self,
        a: u32,
        count: u32,
        closing: bool,
    ) -> Result<Flow, Raise> {
        let func = self.this().base + a;
        if self.this().place != 0 {
            let n = self.top - func;
            return self.return_from(func, n, true);
        }
        let nargs = if count == 0 {
            self.top - func - 1
        } else {
            count - 1
        };
        self.tail_call(func, nargs, closing)
    }

    /// `Concat`.
    #[inline(never)]
    pub(crate) fn slow_concat(&mut self, first: u32, count: u32) -> Result<Flow, Raise> {
        let flow = self.insist(|vm| vm.concat(first, count))?;
        self.go_on(flow)
    }

    /// `SetList`.
    #[inline(never)]
    pub(crate) fn slow_set_list(&mut self, word: Word) -> Result<Flow, Raise> {
        let (a, count, mut start) = word.counts();
        if word.x == 1 {
            // SAFETY: verified code has the rest of the operand in the next instruction.
            start = unsafe { (*self.heap.exec.pc).imm() } as u32;
            self.jump(1);
        }
        self.set_list(a, count, start)
    }

    /// `Return` and its short forms in the general case.
    #[inline(never)]
    fn return_from(&mut self, first: u32, n: u32, closing: bool) -> Result<Flow, Raise> {
        if closing && self.tbc_count > 0 {
            // After each `__close` the instruction runs again.
            self.this_mut().pc -= 1;
            return self.return_slow(first, n);
        }
        let f = self.this();
        let waits = matches!(
            self.frame(self.depth - 1).kind,
            FrameKind::Calling | FrameKind::Protecting
        );
        if waits && f.flags & !TAIL == 0 {
            return self.return_to_native(first, n);
        }
        self.finish_return(first, n)?;
        self.drive()
    }

    /// `Close`: runs again after each `__close`.
    #[inline(never)]
    fn close_from(&mut self, level: u32) -> Result<Flow, Raise> {
        let keep = self.extent();
        self.this_mut().pc -= 1;
        if self.close_next(level, keep)? {
            return self.drive();
        }
        let f = self.this_mut();
        f.pc += 1;
        f.place = 0;
        Ok(Flow::Next)
    }

    #[inline(never)]
    pub(crate) fn make_table(&mut self, a: u32, items: u32, fields: u32) -> Result<Flow, Raise> {
        self.fuel -= 2;
        let t = self.insist(|vm| {
            let r = vm.heap.new_table(items, fields);
            vm.memory(r)
        })?;
        self.put(a, Value::object(Tag::Table, t));
        let flow = self.breathe(self.this().base + a + 1)?;
        self.go_on(flow)
    }

    #[inline(never)]
    fn set_list(&mut self, a: u32, count: u32, start: u32) -> Result<Flow, Raise> {
        let at = self.this().base + a;
        let count = if count == 0 { self.top - at - 1 } else { count };
        let t = self.get(at).as_ref();
        self.charge(u64::from(count) / 8)?;
        self.insist(|vm| {
            let r = vm.heap.reserve_array(t, start + count);
            vm.memory(r)
        })?;
        for n in 1..=count {
            let v = self.get(at + n);
            self.raw_set_int(t, i64::from(start + n), v)?;
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    pub(crate) fn make_box(&mut self, register: u32) -> Result<Flow, Raise> {
        let v = self.get(self.this().base + register);
        let v = self.stored(v)?;
        let b = self.insist(|vm| {
            let b = vm.heap.new_box(v);
            vm.memory(b)
        })?;
        self.put(register, Value::object(Tag::Box, b));
        // Parameters are boxed one after the other: those above are in use.
        let flow = self.breathe(self.extent())?;
        self.go_on(flow)
    }

    #[inline(never)]
    fn set_box(&mut self, cell: Value, v: Value) -> Result<Flow, Raise> {
        if cell.tag != Tag::Box {
            return Err(self.fault(format_args!("a damaged program")));
        }
        let b = cell.as_ref();
        let v = self.stored(v)?;
        // SAFETY: a box's cell.
        unsafe {
            let old = (*self.heap.at::<BoxCell>(b)).value;
            self.heap.store_barrier(b, old, v);
            (*self.heap.at::<BoxCell>(b)).value = v;
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    pub(crate) fn copy_varargs(&mut self, a: u32, wanted: u32) -> Result<Flow, Raise> {
        let f = *self.this();
        let to = f.base + a;
        let wanted = if wanted == 0 { f.extra } else { wanted - 1 };
        self.top = to;
        self.ensure_stack(wanted)?;
        let from = f.first_vararg();
        // SAFETY: further arguments lie right below the function's copy; there is room for those wanted.
        unsafe {
            core::ptr::copy(self.slot(from), self.slot(to), wanted.min(f.extra) as usize);
            for n in f.extra..wanted {
                *self.slot(to + n) = Value::NIL;
            }
        }
        self.top = to + wanted;
        self.charge(u64::from(wanted) / 16)?;
        Ok(Flow::Next)
    }

    /// `ForPrep`: whether the loop has a turn.
    #[inline(never)]
    fn prepare_loop(&mut self, register: u32) -> Result<bool, Raise> {
        let at = self.this().base + register;
        let (start, step) = (self.get(at), self.get(at + 2));
        let limit = self.loop_operand(self.get(at + 1));
        self.settle_up();
        let turns;
        if start.tag == Tag::Int && step.tag == Tag::Int {
            let (first, by) = (start.as_int(), step.as_int());
            if by == 0 {
                return Err(self.fault(format_args!("'for' step is zero")));
            }
            let Some(last) = self.loop_limit(first, limit, by)? else {
                return Ok(false);
            };
            let distance = if by > 0 {
                (last as u64).wrapping_sub(first as u64) / by as u64
            } else {
                (first as u64).wrapping_sub(last as u64)
                    / ((by.wrapping_add(1)).wrapping_neg() as u64 + 1)
            };
            turns = Value {
                tag: Tag::Int,
                aux: 0,
                payload: distance,
            };
            self.put(register + 3, start);
            self.put(register + 1, turns);
            return Ok(true);
        }
        let Some(last) = float_of(limit) else {
            return Err(self.loop_error("limit", limit));
        };
        let Some(by) = float_of(self.loop_operand(step)) else {
            return Err(self.loop_error("step", step));
        };
        let Some(first) = float_of(self.loop_operand(start)) else {
            return Err(self.loop_error("initial value", start));
        };
        if by == 0.0 {
            return Err(self.fault(format_args!("'for' step is zero")));
        }
        // Comparisons with NaN are false: such a loop has one turn.
        if if by > 0.0 { last < first } else { first < last } {
            return Ok(false);
        }
        self.put(register, Value::float(first));
        self.put(register + 1, Value::float(last));
        self.put(register + 2, Value::float(by));
        self.put(register + 3, Value::float(first));
        Ok(true)
    }

    /// A loop's operand, which may be a numeral.
    fn loop_operand(&self, v: Value) -> Value {
        self.to_number(v).map_or(v, value_of)
    }

    /// The limit of an integer loop as an integer; `None` when the loop has no turn.
    fn loop_limit(&mut self, first: i64, limit: Value, step: i64) -> Result<Option<i64>, Raise> {
        let last = match limit.tag {
            Tag::Int => limit.as_int(),
            Tag::Float => {
                let f = limit.as_float();
                let cut = if step < 0 {
                    arith::ceil_to_int(f)
                } else {
                    arith::floor_to_int(f)
                };
                match cut {
                    Some(last) => last,
                    None if f > 0.0 && step < 0 => return Ok(None),
                    None if f > 0.0 => i64::MAX,
                    None if step > 0 => return Ok(None),
                    None => i64::MIN,
                }
            }
            _ => return Err(self.loop_error("limit", limit)),
        };
        let none = if step > 0 { first > last } else { first < last };
        Ok(if none { None } else { Some(last) })
    }

    #[cold]
    fn loop_error(&mut self, what: &str, v: Value) -> Raise {
        let kind = self.type_name_of(v);
        self.fault(format_args!(
            "bad 'for' {what} (number expected, got {})",
            Bytes(kind.text())
        ))
    }
}
