// SPDX-License-Identifier: GPL-2.0-only
//! Metamethods that are Lua functions, called by instructions of Lua functions.
//!
//! Such a call is as short as one by `Call`: the operands are looked at where the instruction names
//! them, the function gets its frame, and the loop goes on in it. The frame says what its result is for,
//! so that a return with one value finishes the instruction there and then; all other ways in which it
//! may end find `META` in its flags, and finish the instruction as `index` says.

use super::call::Flow;
use super::{Event, Frame, FrameKind, META, PLAIN, Vm};
use crate::bytecode::op::Op;
use crate::bytecode::word::Word;
use crate::memory::cell::{Header, Kind, ProtoCell};
use crate::value::{Tag, Value};

/// The result goes nowhere.
const NOTHING: i16 = 0;
/// It goes to register A of the instruction.
pub(super) const INTO: i16 = 1;
/// It is the truth of a test that skips when it is true.
const WHEN_TRUE: i16 = 2;
/// It is the truth of a test that skips when it is false.
const WHEN_FALSE: i16 = 3;

/// Turns of a chain of `__index` that are short.
const TURNS: u32 = 4;

impl Vm {
    /// Calls a metamethod that is a Lua function for the instruction of the function on top. `false` when
    /// it takes more than that; nothing has happened then.
    #[inline]
    pub(super) fn enter_meta<const N: usize>(
        &mut self,
        function: Value,
        args: [Value; N],
        wanted: i16,
    ) -> bool {
        if function.tag != Tag::Closure || self.heap.doomed != 0 {
            return false;
        }
        let func = self.extent();
        // SAFETY: a closure's cell, whose header names its prototype unless it is a native function's.
        let (kind, proto) = unsafe {
            let closure: *const Header = self.heap.at(function.as_ref());
            ((*closure).kind, (*closure).hash)
        };
        if kind != Kind::Closure {
            return false;
        }
        let (need, fuel, parameters) = {
            let p = self.proto(proto);
            (p.need, i64::from(p.fuel), usize::from(p.parameters))
        };
        if func + need >= self.stack_soft || self.depth + 2 >= self.frame_limit || self.fuel < fuel
        {
            return false;
        }
        self.fuel -= fuel;
        // SAFETY: above the registers of a function there is room for its metamethods' operands; the
        // registers of the new one were made sure of.
        unsafe {
            let at = self.slot(func);
            *at = function;
            for (n, v) in (1..).zip(args) {
                *at.add(n) = v;
            }
            for n in N..parameters {
                *at.add(n + 1) = Value::NIL;
            }
        }
        self.depth += 1;
        *self.this_mut() = Frame {
            pc: 0,
            base: func + 1,
            func,
            proto,
            extra: 0,
            failed: 0,
            place: 0,
            wanted,
            kind: FrameKind::Lua,
            flags: META | PLAIN,
        };
        true
    }

    /// Does an instruction whose operands leave it to a metamethod, if that is a Lua function; whether
    /// it was.
    #[inline(never)]
    pub(super) fn quick_meta(&mut self, i: Word) -> bool {
        use Event::{Add, BAnd, BOr, BXor, Div, Eq, IDiv, Le, Lt, Mod, Mul, Pow, Shl, Shr, Sub};
        let Some(op) = Op::from_byte(i.op) else {
            return false;
        };
        match op {
            Op::Add => self.quick_arithmetic(i, Add, false),
            Op::AddK => self.quick_arithmetic(i, Add, true),
            Op::Sub => self.quick_arithmetic(i, Sub, false),
            Op::SubK => self.quick_arithmetic(i, Sub, true),
            Op::Mul => self.quick_arithmetic(i, Mul, false),
            Op::MulK => self.quick_arithmetic(i, Mul, true),
            Op::Mod => self.quick_arithmetic(i, Mod, false),
            Op::ModK => self.quick_arithmetic(i, Mod, true),
            Op::IDiv => self.quick_arithmetic(i, IDiv, false),
            Op::IDivK => self.quick_arithmetic(i, IDiv, true),
            Op::BAnd => self.quick_arithmetic(i, BAnd, false),
            Op::BAndK => self.quick_arithmetic(i, BAnd, true),
            Op::BOr => self.quick_arithmetic(i, BOr, false),
            Op::BOrK => self.quick_arithmetic(i, BOr, true),
            Op::BXor => self.quick_arithmetic(i, BXor, false),
            Op::BXorK => self.quick_arithmetic(i, BXor, true),
            Op::Shl => self.quick_arithmetic(i, Shl, false),
            Op::ShlK => self.quick_arithmetic(i, Shl, true),
            Op::Shr => self.quick_arithmetic(i, Shr, false),
            Op::ShrK => self.quick_arithmetic(i, Shr, true),
            Op::Div => self.quick_arithmetic(i, Div, false),
            Op::DivK => self.quick_arithmetic(i, Div, true),
            Op::Pow => self.quick_arithmetic(i, Pow, false),
            Op::PowK => self.quick_arithmetic(i, Pow, true),
            Op::AddI => {
                let (x, c) = (self.operand(i.b), i64::from(i.c as i16));
                match i.x {
                    1 => self.quick_operator(x, Value::int(-c), Sub),
                    2 => self.quick_operator(Value::int(c), x, Add),
                    _ => self.quick_operator(x, Value::int(c), Add),
                }
            }
            Op::Unm => self.quick_unary(i, Event::Unm),
            Op::BNot => self.quick_unary(i, Event::BNot),
            Op::Len => self.quick_unary(i, Event::Len),
            Op::GetField => {
                let (o, key) = (self.operand(i.b), self.constant_of(i.c));
                self.quick_index(o, key)
            }
            Op::SelfField => {
                // The receiver was put away before R[A], which it may have been in, is written.
                let (o, key) = (self.operand(i.a.wrapping_add(2)), self.constant_of(i.c));
                self.quick_index(o, key)
            }
            Op::GetIndex => {
                let (o, key) = (self.operand(i.b), self.operand(i.c));
                key.tag != Tag::Bytes && self.quick_index(o, key)
            }
            Op::GetInt => self.quick_index(self.operand(i.b), Value::int(i64::from(i.c))),
            Op::SetField => {
                let (o, key) = (self.operand(i.a), self.constant_of(i.b));
                self.quick_set(o, key, self.operand(i.c))
            }
            Op::SetFieldK => {
                let (o, key) = (self.operand(i.a), self.constant_of(i.b));
                self.quick_set(o, key, self.constant_of(i.c))
            }
            Op::SetIndex => {
                let (o, key) = (self.operand(i.a), self.operand(i.b));
                self.quick_set(o, key, self.operand(i.c))
            }
            Op::SetIndexK => {
                let (o, key) = (self.operand(i.a), self.operand(i.b));
                self.quick_set(o, key, self.constant_of(i.c))
            }
            Op::SetInt => {
                let key = Value::int(i64::from(i.b));
                self.quick_set(self.operand(i.a), key, self.operand(i.c))
            }
            Op::JmpEq => self.quick_test(i, Eq, WHEN_TRUE),
            Op::JmpNe => self.quick_test(i, Eq, WHEN_FALSE),
            Op::JmpLt => self.quick_test(i, Lt, WHEN_TRUE),
            Op::JmpNLt => self.quick_test(i, Lt, WHEN_FALSE),
            Op::JmpLe => self.quick_test(i, Le, WHEN_TRUE),
            Op::JmpNLe => self.quick_test(i, Le, WHEN_FALSE),
            _ => false,
        }
    }

    /// A metamethod's function on top, which was called the short way, returns `n` values from `first` on:
    /// the instruction that called it is finished.
    #[inline]
    pub(super) fn meta_returned(&mut self, first: u32, n: u32) -> Flow {
        let wanted = self.this().wanted;
        self.depth -= 1;
        let f: *mut Frame = self.this_mut();
        // SAFETY: the instruction before the next one of a frame that called something; its operand is a
        // register of that frame; the value is one of the function that returns.
        unsafe {
            if n == 0 {
                *self.slot(first) = Value::NIL;
            }
            let v = self.slot(first);
            let code = (*self.heap.at::<ProtoCell>((*f).proto)).code;
            let i = &*code.add((*f).pc as usize - 1);
            if wanted == INTO {
                let to = self.slot((*f).base).cast::<u64>().add(usize::from(i.a));
                Value::copy(v, to.cast());
            } else if wanted != NOTHING && (*v).is_true() == (wanted == WHEN_TRUE) {
                (*f).pc += u32::from(i.c);
            }
        }
        Flow::Frame
    }

    /// A register of the function on top, by its operand.
    #[inline(always)]
    fn operand(&self, n: u16) -> Value {
        // SAFETY: verified operands are registers of the frame.
        unsafe {
            *self
                .slot(self.this().base)
                .cast::<u64>()
                .add(usize::from(n))
                .cast()
        }
    }

    /// A constant of its program, by its operand.
    #[inline(always)]
    fn constant_of(&self, n: u16) -> Value {
        // SAFETY: verified operands are constants of the pool.
        unsafe {
            *self
                .heap
                .exec
                .constants
                .cast::<u64>()
                .add(usize::from(n))
                .cast()
        }
    }

    /// The metamethod of a table, nil of anything else.
    #[inline(always)]
    fn of_table(&self, v: Value, event: Event) -> Value {
        if v.tag != Tag::Table {
            return Value::NIL;
        }
        match self.heap.meta(v.as_ref()) {
            0 => Value::NIL,
            meta => self.heap.metamethod(meta, event),
        }
    }

    /// An operator of two registers, or of a register and a constant, which may have been written on the
    /// left.
    #[inline]
    fn quick_arithmetic(&mut self, i: Word, event: Event, constant: bool) -> bool {
        let x = self.operand(i.b);
        if !constant {
            return self.quick_operator(x, self.operand(i.c), event);
        }
        let y = self.constant_of(i.c);
        let (x, y) = if i.x & 2 != 0 { (y, x) } else { (x, y) };
        self.quick_operator(x, y, event)
    }

    /// Strings have metamethods of their own, as it were.
    #[inline(never)]
    fn quick_operator(&mut self, x: Value, y: Value, event: Event) -> bool {
        let text = |v: Value| matches!(v.tag, Tag::Str | Tag::Bytes | Tag::Object);
        if text(x) || text(y) {
            return false;
        }
        let meta = match self.of_table(x, event) {
            Value { tag: Tag::Nil, .. } => self.of_table(y, event),
            meta => meta,
        };
        self.enter_meta(meta, [x, y], INTO)
    }

    fn quick_unary(&mut self, i: Word, event: Event) -> bool {
        let x = self.operand(i.b);
        let meta = self.of_table(x, event);
        self.enter_meta(meta, [x, x], INTO)
    }

    /// A test of two registers that are neither equal nor have an order by themselves.
    fn quick_test(&mut self, i: Word, event: Event, how: i16) -> bool {
        let (x, y) = (self.operand(i.a), self.operand(i.b));
        if event == Event::Eq && (x.tag != y.tag || x.tag != Tag::Table) {
            return false;
        }
        if x.tag == Tag::Object || y.tag == Tag::Object {
            return false;
        }
        let meta = match self.of_table(x, event) {
            Value { tag: Tag::Nil, .. } => self.of_table(y, event),
            meta => meta,
        };
        self.enter_meta(meta, [x, y], how)
    }

    /// A key that a table does not have by itself.
    fn quick_index(&mut self, o: Value, key: Value) -> bool {
        let mut o = o;
        for turn in 0..TURNS {
            if o.tag != Tag::Table || turn > 0 && !self.heap.get(o.as_ref(), key).is_nil() {
                return false;
            }
            let handler = self.of_table(o, Event::Index);
            if handler.tag == Tag::Closure {
                return self.enter_meta(handler, [o, key], INTO);
            }
            o = handler;
        }
        false
    }

    fn quick_set(&mut self, o: Value, key: Value, v: Value) -> bool {
        if o.tag != Tag::Table || key.tag == Tag::Bytes {
            return false;
        }
        let meta = self.of_table(o, Event::NewIndex);
        meta.tag == Tag::Closure
            && self.heap.get(o.as_ref(), key).is_nil()
            && self.enter_meta(meta, [o, key, v], NOTHING)
    }
}
