// SPDX-License-Identifier: GPL-2.0-only
//! What operators do when their operands are not the usual ones: coercions, metamethods, errors.

use super::call::Flow;
use super::error::Raise;
use super::meta::INTO;
use super::names::Operand;
use super::native::Meta;
use super::{Event, Vm};
use crate::memory;
use crate::memory::cell::SHORT;
use crate::number::{self, Number, arith, format};
use crate::stdlib::coercion;
use crate::value::{Tag, Value};
use core::cmp::Ordering;

/// From so many bytes on a numeral costs more than the instruction that reads it.
const NUMERAL: usize = 32;
/// Fuel for a float as text, for `^`, and for `%` of floats that are far apart.
const FLOAT_TEXT: i64 = 16;
const POWER: i64 = 60;
const FAR_REST: i64 = 20;

/// Numbers from their values; strings are not numbers here.
#[inline(always)]
pub(crate) fn number_of(v: Value) -> Option<Number> {
    match v.tag {
        Tag::Int => Some(Number::Int(v.as_int())),
        Tag::Float => Some(Number::Float(v.as_float())),
        _ => None,
    }
}

#[inline(always)]
pub(crate) fn float_of(v: Value) -> Option<f64> {
    match v.tag {
        Tag::Int => Some(v.as_int() as f64),
        Tag::Float => Some(v.as_float()),
        _ => None,
    }
}

pub(crate) fn value_of(n: Number) -> Value {
    match n {
        Number::Int(i) => Value::int(i),
        Number::Float(f) => Value::float(f),
    }
}

/// The integer that a number is, if it is one.
pub(crate) fn int_of(v: Value) -> Option<i64> {
    match v.tag {
        Tag::Int => Some(v.as_int()),
        Tag::Float => arith::to_int(v.as_float()),
        _ => None,
    }
}

/// The result of an operator on numbers; `None` when it is an error (then [`Vm::arithmetic`] finds out
/// which).
pub(crate) fn compute(event: Event, a: Value, b: Value) -> Option<Value> {
    use Event::{Add, BAnd, BNot, BOr, BXor, Div, IDiv, Mod, Mul, Pow, Shl, Shr, Sub, Unm};
    if a.tag == Tag::Int && b.tag == Tag::Int {
        let (x, y) = (a.as_int(), b.as_int());
        let i = match event {
            Add => x.wrapping_add(y),
            Sub => x.wrapping_sub(y),
            Mul => x.wrapping_mul(y),
            IDiv if y != 0 => arith::floor_div(x, y),
            Mod if y != 0 => arith::floor_mod(x, y),
            BAnd => x & y,
            BOr => x | y,
            BXor => x ^ y,
            Shl => arith::shift_left(x, y),
            Shr => arith::shift_right(x, y),
            BNot => !x,
            Unm => x.wrapping_neg(),
            Div => return Some(Value::float(arith::div(x as f64, y as f64))),
            Pow => return Some(Value::float(power(x as f64, y as f64))),
            _ => return None,
        };
        return Some(Value::int(i));
    }
    let (x, y) = (float_of(a)?, float_of(b)?);
    let f = match event {
        Add => arith::add(x, y),
        Sub => arith::sub(x, y),
        Mul => arith::mul(x, y),
        Div => arith::div(x, y),
        IDiv => arith::float_floor_div(x, y),
        Mod => arith::float_mod(x, y),
        Pow => power(x, y),
        Unm => -x,
        BAnd | BOr | BXor | Shl | Shr | BNot => {
            return compute(event, Value::int(int_of(a)?), Value::int(int_of(b)?));
        }
        _ => return None,
    };
    Some(Value::float(f))
}

fn power(x: f64, y: f64) -> f64 {
    if y == 2.0 {
        arith::mul(x, x)
    } else {
        libm::pow(x, y)
    }
}

const fn is_bitwise(event: Event) -> bool {
    matches!(
        event,
        Event::BAnd | Event::BOr | Event::BXor | Event::Shl | Event::Shr | Event::BNot
    )
}

/// What became of operands that strings' metamethod was called for.
pub(crate) enum Coerced {
    /// They are numbers, and this is the result.
    Done(Value),
    /// They are none: this metamethod is to be called.
    Other(Value),
}

impl Vm {
    // --- conversions ---------------------------------------------------------------------------------

    /// A number, or what a string says.
    pub fn to_number(&self, v: Value) -> Option<Number> {
        match v.tag {
            Tag::Str | Tag::Bytes => number::parse(self.numeral(v)),
            _ => number_of(v),
        }
    }

    /// The bytes of a string that is to be a number.
    fn numeral(&self, v: Value) -> &[u8] {
        let bytes = self.bytes(v);
        if bytes.len() >= NUMERAL {
            self.heap.owe(bytes.len() / 8);
        }
        bytes
    }

    /// An integer, or a float or string that is one.
    pub fn to_int(&self, v: Value) -> Option<i64> {
        match self.to_number(v)? {
            Number::Int(i) => Some(i),
            Number::Float(f) => arith::to_int(f),
        }
    }

    /// A number as a string.
    pub fn number_to_string(&mut self, v: Value) -> Result<Value, Raise> {
        let mut buf = [0; format::TEXT];
        match number_of(v) {
            Some(n) => {
                if v.tag == Tag::Float {
                    self.fuel -= FLOAT_TEXT;
                }
                self.new_string(format::to_text(n, &mut buf))
            }
            None => Ok(v),
        }
    }

    /// A string of the heap for a string that may be bytes of the packet.
    pub fn owned_string(&mut self, v: Value) -> Result<Value, Raise> {
        if v.tag != Tag::Bytes {
            return Ok(v);
        }
        let len = self.packet_bytes(v).len();
        self.charge(len as u64 / 64)?;
        if len <= SHORT {
            let mut copy = [0; SHORT];
            for (to, from) in copy.iter_mut().zip(self.packet_bytes(v)) {
                *to = *from;
            }
            return self.new_string(copy.get(..len).unwrap_or(&[]));
        }
        let buffer = self.new_buffer(len)?;
        self.push_part(buffer, v, 0, usize::MAX)?;
        Ok(self.heap.finish_buffer(buffer))
    }

    /// A value as a table may hold it: bytes of the packet are copied.
    #[inline(always)]
    pub(crate) fn stored(&mut self, v: Value) -> Result<Value, Raise> {
        if v.tag == Tag::Bytes {
            self.owned_string(v)
        } else {
            Ok(v)
        }
    }

    /// Copies every string on the stack that shows bytes of the packet, before they change or go.
    pub fn own_bytes(&mut self) -> Result<(), Raise> {
        for i in 0..self.extent().max(self.top) {
            let v = self.get(i);
            if v.tag == Tag::Bytes {
                let owned = self.owned_string(v)?;
                // SAFETY: inside the stack.
                unsafe { *self.slot(i) = owned };
            }
        }
        Ok(())
    }

    // --- arithmetic ----------------------------------------------------------------------------------

    /// An arithmetic or bitwise operator with a metamethod or coercion, or its error. The operands'
    /// names are for messages.
    #[cold]
    #[inline(never)]
    pub(crate) fn arithmetic(
        &mut self,
        event: Event,
        a: Value,
        b: Value,
        names: (Operand, Operand),
        dest: u32,
    ) -> Result<Flow, Raise> {
        self.fuel -= match event {
            Event::Pow if float_of(b) != Some(2.0) => POWER,
            Event::Mod => FAR_REST,
            _ => 0,
        };
        if let Some(v) = compute(event, a, b) {
            return Ok(self.put(dest, v));
        }
        let meta = match self.metamethod(a, event) {
            Value { tag: Tag::Nil, .. } => self.metamethod(b, event),
            meta => meta,
        };
        if meta.is_nil() {
            return Err(self.arithmetic_error(event, a, b, names));
        }
        if !coercion::is_of(meta, event) {
            return self.call_meta(meta, &[a, b]);
        }
        // What strings have unless a script changes it is done without a call.
        match self.coerce(event, a, b)? {
            Coerced::Done(v) => Ok(self.put(dest, v)),
            Coerced::Other(meta) => self.call_meta(meta, &[a, b]),
        }
    }

    /// An arithmetic operator by the metamethod of strings: both operands are made numbers. When that
    /// cannot be done, the second one's metamethod has its turn, unless that is this one again.
    #[inline(never)]
    pub(crate) fn coerce(&mut self, event: Event, a: Value, b: Value) -> Result<Coerced, Raise> {
        let x = self.to_number(a);
        let y = match event {
            Event::Unm => x,
            _ => self.to_number(b),
        };
        self.settle_up();
        if let (Some(x), Some(y)) = (x, y) {
            return match compute(event, value_of(x), value_of(y)) {
                Some(v) => Ok(Coerced::Done(v)),
                // It is raised in the metamethod, which has no position.
                None => Err(self.zero_error(event, super::error::NOWHERE)),
            };
        }
        let other = match b.tag {
            Tag::Str | Tag::Bytes => Value::NIL,
            _ => self.metamethod(b, event),
        };
        if other.is_nil() {
            return Err(self.coercion_error(event, a, b));
        }
        Ok(Coerced::Other(other))
    }

    #[cold]
    fn zero_error(&mut self, event: Event, level: u32) -> Raise {
        if event == Event::Mod {
            self.error_at(level, format_args!("attempt to perform 'n%0'"))
        } else {
            self.error_at(level, format_args!("attempt to divide by zero"))
        }
    }

    /// A string that is no number, or one beside something that is none.
    #[cold]
    fn coercion_error(&mut self, event: Event, a: Value, b: Value) -> Raise {
        let name = event.name().trim_start_matches('_');
        let (x, y) = (super::error::type_name(a), super::error::type_name(b));
        self.error(format_args!("attempt to {name} a '{x}' with a '{y}'"))
    }

    #[cold]
    fn arithmetic_error(
        &mut self,
        event: Event,
        a: Value,
        b: Value,
        names: (Operand, Operand),
    ) -> Raise {
        let numbers = number_of(a).is_some() && number_of(b).is_some();
        if numbers && !is_bitwise(event) {
            return self.zero_error(event, 0);
        }
        if numbers {
            let what = if int_of(a).is_none() {
                names.0
            } else {
                names.1
            };
            return self.no_integer(what);
        }
        let (v, what) = if number_of(a).is_none() {
            (a, names.0)
        } else {
            (b, names.1)
        };
        if is_bitwise(event) {
            return self.type_failure("perform bitwise operation on", v, what);
        }
        self.type_failure("perform arithmetic on", v, what)
    }

    // --- comparison ----------------------------------------------------------------------------------

    /// Equality without metamethods.
    #[inline]
    pub fn raw_equal(&self, a: Value, b: Value) -> bool {
        if a.tag == b.tag {
            return match a.tag {
                Tag::Nil | Tag::False | Tag::True => true,
                Tag::Float => a.as_float() == b.as_float(),
                Tag::Str => self.heap.strings_equal(a, b),
                Tag::Bytes => self.heap.same_bytes(self.bytes(a), self.bytes(b)),
                Tag::Addr6 => {
                    a.as_ref() == b.as_ref()
                        || self.heap.addr6(a.as_ref()) == self.heap.addr6(b.as_ref())
                }
                Tag::Packet => a.payload == b.payload && a.aux == b.aux,
                Tag::Table | Tag::Closure | Tag::Thread | Tag::Object | Tag::Box => {
                    a.as_ref() == b.as_ref()
                }
                _ => a.payload == b.payload,
            };
        }
        match (a.tag, b.tag) {
            (Tag::Int, Tag::Float) => {
                a.as_int() as f64 == b.as_float() && int_of(b) == Some(a.as_int())
            }
            (Tag::Float, Tag::Int) => {
                b.as_int() as f64 == a.as_float() && int_of(a) == Some(b.as_int())
            }
            (Tag::Str, Tag::Bytes) | (Tag::Bytes, Tag::Str) => {
                self.heap.same_bytes(self.bytes(a), self.bytes(b))
            }
            _ => false,
        }
    }

    /// Equality, when no metamethod can have a say in it.
    #[inline(never)]
    pub(crate) fn equal_at(&mut self, a: &Value, b: &Value) -> Option<bool> {
        let same = self.raw_equal(*a, *b);
        self.settle_up();
        if same {
            return Some(true);
        }
        if a.tag == b.tag && matches!(a.tag, Tag::Table | Tag::Object) {
            None
        } else {
            Some(false)
        }
    }

    /// [`Vm::order`] of what is in memory.
    #[inline(never)]
    pub(crate) fn order_at(&mut self, a: &Value, b: &Value) -> Option<Option<Ordering>> {
        let order = self.order(*a, *b);
        self.settle_up();
        order
    }

    /// Equality; `Meta::Call` when a metamethod decides.
    pub fn equals(&mut self, a: Value, b: Value) -> Result<Meta<bool>, Raise> {
        let same = self.raw_equal(a, b);
        self.settle_up();
        if same {
            return Ok(Meta::Done(true));
        }
        if a.tag != b.tag || !matches!(a.tag, Tag::Table | Tag::Object) {
            return Ok(Meta::Done(false));
        }
        let meta = match self.metamethod(a, Event::Eq) {
            Value { tag: Tag::Nil, .. } => self.metamethod(b, Event::Eq),
            meta => meta,
        };
        if meta.is_nil() {
            return Ok(Meta::Done(false));
        }
        self.push_meta_call(meta, &[a, b]).map(Meta::Call)
    }

    /// The order of two values that need no metamethod: `Some(None)` is unordered (NaN).
    #[inline]
    pub(crate) fn order(&self, a: Value, b: Value) -> Option<Option<Ordering>> {
        if let (Some(x), Some(y)) = (number_of(a), number_of(b)) {
            return Some(arith::compare(x, y));
        }
        match (a.tag, b.tag) {
            (Tag::Str | Tag::Bytes, Tag::Str | Tag::Bytes) => {
                Some(Some(self.heap.order_bytes(self.bytes(a), self.bytes(b))))
            }
            (Tag::Addr4, Tag::Addr4) => Some(Some(a.payload.cmp(&b.payload))),
            (Tag::Addr6, Tag::Addr6) => Some(Some(
                self.heap
                    .addr6(a.as_ref())
                    .cmp(&self.heap.addr6(b.as_ref())),
            )),
            (Tag::Addr4, Tag::Addr6) => Some(Some(Ordering::Less)),
            (Tag::Addr6, Tag::Addr4) => Some(Some(Ordering::Greater)),
            _ => None,
        }
    }

    /// `a < b`; `Meta::Call` when a metamethod decides.
    pub fn less(&mut self, a: Value, b: Value) -> Result<Meta<bool>, Raise> {
        self.compare(a, b, Event::Lt)
    }

    /// `a <= b`; `Meta::Call` when a metamethod decides.
    pub fn less_equal(&mut self, a: Value, b: Value) -> Result<Meta<bool>, Raise> {
        self.compare(a, b, Event::Le)
    }

    fn compare(&mut self, a: Value, b: Value, event: Event) -> Result<Meta<bool>, Raise> {
        let order = self.order(a, b);
        self.settle_up();
        if let Some(order) = order {
            return Ok(Meta::Done(holds(event, order)));
        }
        let meta = match self.metamethod(a, event) {
            Value { tag: Tag::Nil, .. } => self.metamethod(b, event),
            meta => meta,
        };
        if meta.is_nil() {
            return Err(self.compare_error(a, b));
        }
        self.push_meta_call(meta, &[a, b]).map(Meta::Call)
    }

    #[cold]
    fn compare_error(&mut self, a: Value, b: Value) -> Raise {
        let (x, y) = (self.type_name_of(a), self.type_name_of(b));
        let (x, y) = (super::error::Bytes(x.text()), super::error::Bytes(y.text()));
        if x.0 == y.0 {
            self.fault(format_args!("attempt to compare two {x} values"))
        } else {
            self.fault(format_args!("attempt to compare {x} with {y}"))
        }
    }

    /// A comparing branch whose operands are not both plain numbers. `Ok(Ok(truth))`, or a metamethod
    /// is called.
    #[inline(never)]
    pub(crate) fn compare_slow(
        &mut self,
        a: Value,
        b: Value,
        event: Event,
    ) -> Result<Result<bool, Flow>, Raise> {
        let at = self.extent();
        self.top = at;
        let meta = match event {
            Event::Eq => self.equals(a, b)?,
            _ => self.compare(a, b, event)?,
        };
        match meta {
            Meta::Done(truth) => Ok(Ok(truth)),
            Meta::Call(n) => {
                self.call_value(at, n, 1, super::META)?;
                Ok(Err(Flow::Frame))
            }
        }
    }

    // --- length and concatenation --------------------------------------------------------------------

    /// `#v`; `Meta::Call` when a metamethod says.
    pub fn len(&mut self, v: Value) -> Result<Meta<Value>, Raise> {
        match v.tag {
            Tag::Str | Tag::Bytes => return Ok(Meta::Done(Value::int(self.bytes(v).len() as i64))),
            Tag::Table if self.heap.meta(v.as_ref()) == 0 => {
                return Ok(Meta::Done(Value::int(self.heap.border(v.as_ref()))));
            }
            _ => {}
        }
        let meta = self.metamethod(v, Event::Len);
        if meta.is_nil() {
            if v.tag == Tag::Table {
                return Ok(Meta::Done(Value::int(self.heap.border(v.as_ref()))));
            }
            return Err(self.type_failure("get length of", v, Operand::None));
        }
        self.push_meta_call(meta, &[v, v]).map(Meta::Call)
    }

    /// `Len` of a register.
    #[inline(never)]
    pub(crate) fn len_slow(&mut self, register: u32, dest: u32) -> Result<Flow, Raise> {
        let v = self.get(self.this().base + register);
        let at = self.extent();
        self.top = at;
        if !matches!(v.tag, Tag::Str | Tag::Bytes | Tag::Table)
            && self.metamethod(v, Event::Len).is_nil()
        {
            return Err(self.type_failure("get length of", v, Operand::Register(register)));
        }
        match self.len(v)? {
            Meta::Done(v) => Ok(self.put(dest, v)),
            Meta::Call(n) => {
                self.call_value(at, n, 1, super::META)?;
                Ok(Flow::Frame)
            }
        }
    }

    /// Writes a register of the frame on top.
    #[inline(always)]
    pub(crate) fn put(&mut self, register: u32, v: Value) -> Flow {
        // SAFETY: registers of verified instructions are inside the frame.
        unsafe { *self.slot(self.this().base + register) = v };
        Flow::Next
    }

    fn is_text(v: Value) -> bool {
        matches!(v.tag, Tag::Str | Tag::Bytes | Tag::Int | Tag::Float)
    }

    /// `Concat`: the registers from `first` on, `count` of them, are joined from the right.
    #[inline(never)]
    pub(crate) fn concat(&mut self, first: u32, count: u32) -> Result<Flow, Raise> {
        let base = self.this().base + first;
        let mut n = count;
        while n > 1 {
            let (a, b) = (self.get(base + n - 2), self.get(base + n - 1));
            if !(Self::is_text(a) && Self::is_text(b)) {
                let meta = match self.metamethod(a, Event::Concat) {
                    Value { tag: Tag::Nil, .. } => self.metamethod(b, Event::Concat),
                    meta => meta,
                };
                if meta.is_nil() {
                    let (v, at) = if Self::is_text(a) {
                        (b, n - 1)
                    } else {
                        (a, n - 2)
                    };
                    return Err(self.type_failure("concatenate", v, Operand::Register(first + at)));
                }
                self.this_mut().failed = n as u16;
                // The last result goes to the first register, and no more is to be done.
                let operands = [&raw const a, &raw const b];
                // SAFETY: both are here.
                if n == 2 && unsafe { self.enter_meta(meta, operands, INTO) } {
                    return Ok(Flow::Frame);
                }
                return self.call_meta(meta, &[a, b]);
            }
            let mut k = 2;
            while k < n && Self::is_text(self.get(base + n - k - 1)) {
                k += 1;
            }
            let s = self.join(base + n - k, k)?;
            // SAFETY: registers of the frame.
            unsafe { *self.slot(base + n - k) = s };
            n -= k - 1;
        }
        self.breathe(base + 1)
    }

    /// Joins `count` strings and numbers of the stack.
    fn join(&mut self, first: u32, count: u32) -> Result<Value, Raise> {
        let mut total = 0;
        let mut only = None;
        for i in first..first + count {
            // SAFETY: a slot in use.
            let mut v = unsafe { *self.slot(i) };
            if matches!(v.tag, Tag::Int | Tag::Float) {
                v = self.number_to_string(v)?;
                // SAFETY: a register of the frame that is about to be joined anyway.
                unsafe { *self.slot(i) = v };
            }
            let len = self.bytes(v).len();
            if len > 0 {
                only = if total == 0 { Some(v) } else { None };
            }
            total += len;
        }
        if let Some(v) = only
            && v.tag == Tag::Str
        {
            return Ok(v);
        }
        self.charge(total as u64 / 64)?;
        if total > crate::memory::MAX_STRING {
            return Err(self.fault(format_args!("string length overflow")));
        }
        let (r, to) = self.allocate(|heap| heap.new_raw(total))?;
        let mut at = 0;
        for i in first..first + count {
            // SAFETY: slots in use; together their bytes are as many as the new string has room for.
            unsafe {
                let bytes = self.bytes(*self.slot(i));
                memory::copy(bytes.as_ptr(), to.add(at), bytes.len());
                at += bytes.len();
            }
        }
        Ok(Value::object(Tag::Str, r))
    }
}

/// Whether an order is what an event asks for.
#[inline(always)]
pub(crate) fn holds(event: Event, order: Option<Ordering>) -> bool {
    match order {
        None => false,
        Some(order) if event == Event::Lt => order == Ordering::Less,
        Some(order) => order != Ordering::Greater,
    }
}
