// SPDX-License-Identifier: GPL-2.0-only
//! Metamethods that are Lua functions, called by instructions of Lua functions.
//!
//! Such a call is as short as one by `Call`: the operands are looked at where the instruction names
//! them, the function gets its frame, and the loop goes on in it. The frame says what its result is for,
//! so that a return with one value finishes the instruction there and then; all other ways in which it
//! may end find `META` in its flags, and finish the instruction as `index` says.

use super::call::Flow;
use super::{Event, Frame, META, PLAIN, Vm};
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
    ///
    /// # Safety
    ///
    /// The arguments are values that can be read.
    #[inline]
    pub(super) unsafe fn enter_meta<const N: usize>(
        &mut self,
        function: Value,
        args: [*const Value; N],
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
        // registers of the new one were made sure of; the caller's promise.
        unsafe {
            let at = self.slot(func);
            Value::copy(&raw const function, at);
            for (n, v) in (1..).zip(args) {
                Value::copy(v, at.add(n));
            }
            for n in N..parameters {
                *at.add(n + 1) = Value::NIL;
            }
        }
        self.depth += 1;
        *self.this_mut() = Frame::lua(func, proto, wanted, META | PLAIN);
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
                let x = self.operand(i.b);
                let c = Value::int(i64::from(i.c as i16));
                let less = Value::int(-i64::from(i.c as i16));
                match i.x {
                    1 => self.quick_operator(x, &raw const less, Sub),
                    2 => self.quick_operator(&raw const c, x, Add),
                    _ => self.quick_operator(x, &raw const c, Add),
                }
            }
            Op::Unm => self.quick_unary(i, Event::Unm),
            Op::BNot => self.quick_unary(i, Event::BNot),
            Op::Len => self.quick_unary(i, Event::Len),
            Op::GetField => self.quick_index(self.operand(i.b), self.constant_of(i.c)),
            // The receiver was put away before R[A], which it may have been in, is written.
            Op::SelfField => {
                self.quick_index(self.operand(i.a.wrapping_add(2)), self.constant_of(i.c))
            }
            Op::GetIndex => self.quick_index(self.operand(i.b), self.operand(i.c)),
            Op::GetInt => {
                let key = Value::int(i64::from(i.c));
                self.quick_index(self.operand(i.b), &raw const key)
            }
            Op::SetField => self.quick_set(i, true, self.operand(i.c)),
            Op::SetFieldK => self.quick_set(i, true, self.constant_of(i.c)),
            Op::SetIndex => self.quick_set(i, false, self.operand(i.c)),
            Op::SetIndexK => self.quick_set(i, false, self.constant_of(i.c)),
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
    pub(super) fn operand(&self, n: u16) -> *const Value {
        let base = self.slot(self.this().base).cast::<u64>();
        base.wrapping_add(usize::from(n)).cast()
    }

    /// A constant of its program, by its operand.
    #[inline(always)]
    pub(super) fn constant_of(&self, n: u16) -> *const Value {
        let constants = self.heap.exec.constants.cast::<u64>();
        constants.wrapping_add(usize::from(n)).cast()
    }

    /// The metamethod of a value if that is a table, else nil.
    #[inline(always)]
    fn of_table(&self, v: *const Value, event: Event) -> Value {
        // SAFETY: an operand, which verified instructions have where they name it.
        let v = unsafe { &*v };
        if v.tag != Tag::Table {
            return Value::NIL;
        }
        match self.heap.meta(v.as_ref()) {
            0 => Value::NIL,
            meta => self.heap.known_metamethod(meta, event),
        }
    }

    /// The metamethod of one of two operands, which may not be what has metamethods in a way of its own:
    /// strings, as it were, and objects.
    #[inline(always)]
    fn of_either(&self, x: *const Value, y: *const Value, event: Event) -> Value {
        // SAFETY: operands.
        let (a, b) = unsafe { ((*x).tag, (*y).tag) };
        let other = |tag| matches!(tag, Tag::Str | Tag::Bytes | Tag::Object);
        if other(a) || other(b) {
            return Value::NIL;
        }
        match self.of_table(x, event) {
            Value { tag: Tag::Nil, .. } => self.of_table(y, event),
            meta => meta,
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

    #[inline(never)]
    fn quick_operator(&mut self, x: *const Value, y: *const Value, event: Event) -> bool {
        let meta = self.of_either(x, y, event);
        // SAFETY: operands.
        unsafe { self.enter_meta(meta, [x, y], INTO) }
    }

    #[inline(never)]
    fn quick_unary(&mut self, i: Word, event: Event) -> bool {
        let x = self.operand(i.b);
        let meta = self.of_table(x, event);
        // SAFETY: an operand.
        unsafe { self.enter_meta(meta, [x, x], INTO) }
    }

    /// A test of two registers that are neither equal nor have an order by themselves.
    #[inline(never)]
    fn quick_test(&mut self, i: Word, event: Event, how: i16) -> bool {
        let (x, y) = (self.operand(i.a), self.operand(i.b));
        // SAFETY: operands.
        unsafe {
            if event == Event::Eq && ((*x).tag != Tag::Table || (*y).tag != Tag::Table) {
                return false;
            }
            let meta = self.of_either(x, y, event);
            self.enter_meta(meta, [x, y], how)
        }
    }

    /// A key that a table does not have by itself.
    #[inline(never)]
    fn quick_index(&mut self, o: *const Value, key: *const Value) -> bool {
        // SAFETY: operands.
        unsafe {
            let mut handler = self.of_table(o, Event::Index);
            if handler.tag == Tag::Closure && (*key).tag != Tag::Bytes {
                return self.enter_meta(handler, [o, key], INTO);
            }
            for _ in 0..TURNS {
                if handler.tag != Tag::Table
                    || (*key).tag == Tag::Bytes
                    || !self.heap.get(handler.as_ref(), *key).is_nil()
                {
                    return false;
                }
                let o = handler;
                handler = self.of_table(&raw const o, Event::Index);
                if handler.tag == Tag::Closure {
                    return self.enter_meta(handler, [&raw const o, key], INTO);
                }
            }
        }
        false
    }

    /// A value for a key that a table does not have.
    #[inline(never)]
    fn quick_set(&mut self, i: Word, named: bool, v: *const Value) -> bool {
        let o = self.operand(i.a);
        let meta = self.of_table(o, Event::NewIndex);
        if meta.tag != Tag::Closure {
            return false;
        }
        // SAFETY: operands; a table has a metamethod; the names of fields have their hash.
        unsafe {
            let t = (*o).as_ref();
            let key;
            if named {
                key = self.constant_of(i.b);
                let node = self.heap.find_str(self.heap.table(t), (*key).payload);
                if !node.is_null() && !(*node).value.is_nil() {
                    return false;
                }
            } else {
                key = self.operand(i.b);
                if (*key).tag == Tag::Bytes || !self.heap.get(t, *key).is_nil() {
                    return false;
                }
            }
            self.enter_meta(meta, [o, key, v], NOTHING)
        }
    }
}
