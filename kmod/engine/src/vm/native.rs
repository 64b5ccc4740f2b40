// SPDX-License-Identifier: GPL-2.0-only
//! What a native function sees of the virtual machine.
//!
//! A native function never calls Lua: it says in a [`Step`] what it wants called, and is entered again
//! with the results and the `state` that it chose. So a native is a state machine, and pcall, sort,
//! callbacks and coroutines need no native recursion. A coroutine might yield across any of them, but
//! may only where Lua lets it: `NativeDef::yieldable`.
//!
//! ```ignore
//! // assert-like helper: f(x) must be true
//! fn check(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
//!     match f.state {
//!         0 => {
//!             vm.push(vm.arg(&f, 0))?;
//!             vm.push(vm.arg(&f, 1))?;
//!             Ok(Step::Call { nargs: 1, nresults: 1, state: 1 })
//!         }
//!         _ if vm.result(&f, 0).is_true() => Ok(Step::Return(0)),
//!         _ => Err(vm.error(format_args!("check failed"))),
//!     }
//! }
//! ```
//!
//! The function's window on the stack begins at `f.base` with its arguments. Above them it may push
//! what it likes; slots from `f.base` up to what it pushed for a call survive the call, and can be read
//! and set by absolute index (`vm.get`, `vm.set`). A value that is on the stack is safe from the
//! collector. One that is not (in a Rust variable) is safe until the function returns a [`Step`],
//! whatever it allocates: collections begin only between steps, but for the one that makes room where
//! memory has run out, which keeps what the function allocated and what it read from somewhere. What
//! it took out of its place it must put on the stack before it allocates (see `collect`).
//!
//! Slices (`vm.bytes(v)`) borrow the machine, so they end where something is allocated. To build
//! strings out of strings use a buffer (`vm.heap.new_buffer`, `push_part`, …).

use super::error::Raise;
use super::{Event, Vm};
use crate::memory::OutOfMemory;
use crate::memory::cell::{INLINE_UPVALUES, Kind};
use crate::number::Number;
use crate::value::{Ref, Tag, Value};
use core::fmt;

/// "All results", where a number of results is asked for.
pub const ALL: i32 = -1;

/// "No message handler", in [`Step::Protect`].
pub const NO_HANDLER: u32 = 0;

/// A unit of fuel pays for `1 << PASSED` places of a table that a traversal passes over.
pub(crate) const PASSED: u32 = 2;

/// The window of a native function's call.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// Absolute index of the first argument.
    pub base: u32,
    /// How many arguments there are.
    pub count: u32,
    /// 0 when the function is entered first, then what its last [`Step`] said.
    pub state: u32,
    /// On entry after a call: absolute index of the first result. The results end at the top.
    pub results: u32,
}

/// What a native function wants done next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Return the topmost n values of the stack.
    Return(u32),
    /// Call a function: it and its `nargs` arguments are on top of the stack and are replaced by
    /// `nresults` results (or [`ALL`]). Then enter this function again with `state`. An error in the
    /// call passes through.
    Call {
        /// Arguments on the stack.
        nargs: u32,
        /// Results wanted.
        nresults: i32,
        /// The state to come back with.
        state: u32,
    },
    /// Like `Call` with all results, but an error in it comes back as a single result with `failed` as
    /// the state.
    Protect {
        /// Arguments on the stack.
        nargs: u32,
        /// The state to come back with when it returned.
        state: u32,
        /// The state to come back with when it raised.
        failed: u32,
        /// Absolute index of a message handler, which is called with the error before the stack
        /// unwinds; or [`NO_HANDLER`].
        handler: u32,
    },
    /// Enter this function again with `state`, after a safe point: a long loop that allocates asks for
    /// one now and then (see [`Vm::is_due`]), so that what it has dropped can be collected. Everything
    /// it needs is on the stack.
    Again {
        /// The state to come back with.
        state: u32,
    },
    /// Call a function in place of this one: it and its arguments are on top of the stack.
    TailCall {
        /// Arguments on the stack.
        nargs: u32,
    },
    /// Suspend the running coroutine with the topmost n values. When it is resumed, the values that
    /// `resume` was given are this function's results.
    Yield(u32),
    /// Run a coroutine: it and what it is given are on top of the stack and are replaced by what it
    /// yields or returns (`state`), or by the error (`failed`).
    Resume {
        /// Values on the stack above the coroutine.
        nargs: u32,
        /// The state to come back with when it yielded or returned.
        state: u32,
        /// The state to come back with when it raised, or cannot be resumed.
        failed: u32,
    },
    /// Close a suspended or dead coroutine, which is on top of the stack. Comes back with no result
    /// (`state`), or with the error (`failed`).
    CloseThread {
        /// The state to come back with when it was closed.
        state: u32,
        /// The state to come back with when it was dead by an error, or closing raised.
        failed: u32,
    },
}

/// A native function.
pub type Native = fn(&mut Vm, Args) -> Result<Step, Raise>;

/// The call of a native function by an instruction that wants one result, before anything was done for it.
///
/// # Invariants
///
/// The slot `func` of the stack has the function, and `count` arguments are in those behind it.
#[derive(Clone, Copy, Debug)]
pub struct Called {
    func: u32,
    count: u32,
}

/// What a native function does most of the time. It [answers](Vm::answer) and has paid, for the call too;
/// or it is false and has done nothing. It calls nothing, allocates nothing and never fails.
pub type Quick = fn(&mut Vm, Called) -> bool;

/// A native function with its name.
#[derive(Clone, Copy)]
pub struct NativeDef {
    /// Its field in the library's table, as messages and tracebacks call it.
    pub name: &'static str,
    /// The function.
    pub call: Native,
    /// Whether it gets a field at all; helpers (iterators and the like) do not.
    pub public: bool,
    /// Whether a coroutine may yield while this function waits for a call.
    pub yieldable: bool,
    /// The short way, which an instruction that wants one result tries first.
    pub quick: Option<Quick>,
}

impl NativeDef {
    /// A function that scripts see.
    pub const fn new(name: &'static str, call: Native) -> Self {
        Self {
            name,
            call,
            public: true,
            yieldable: false,
            quick: None,
        }
    }
    /// A function that scripts only get from another one.
    pub const fn hidden(name: &'static str, call: Native) -> Self {
        Self {
            name,
            call,
            public: false,
            yieldable: false,
            quick: None,
        }
    }
    /// The same function, across whose calls a coroutine may yield.
    #[must_use]
    pub const fn yieldable(self) -> Self {
        Self {
            yieldable: true,
            ..self
        }
    }
    /// The same function with a short way.
    #[must_use]
    pub const fn quickly(self, quick: Quick) -> Self {
        Self {
            quick: Some(quick),
            ..self
        }
    }
}

/// Adds to a library's table what is no function.
pub type Opener = fn(&mut Vm, table: Ref) -> Result<(), OutOfMemory>;

/// A library: a table of functions, made when an environment is.
pub struct Library {
    /// Its global name; "" puts the functions among the globals, "*" nowhere.
    pub name: &'static str,
    /// Its functions.
    pub natives: &'static [NativeDef],
    /// Called last.
    pub open: Option<Opener>,
}

/// The function value of a native: `library` is its library's number in [`super::LIBRARIES`], `index`
/// its place in the library's list. To be used for constants: `native(lib::STRING, index_of(NATIVES,
/// "gmatch iterator"))`.
pub const fn native(library: u32, index: u32) -> Value {
    Value {
        tag: Tag::Native,
        aux: 0,
        payload: (library << 16 | index) as u64,
    }
}

#[allow(clippy::panic, reason = "only ever evaluated by the compiler")]
/// The place of a native in a list, at compile time. A name that is not there does not compile.
pub const fn index_of(list: &[NativeDef], name: &str) -> u32 {
    let name = name.as_bytes();
    let mut rest = list;
    let mut index = 0;
    while let [first, others @ ..] = rest {
        if same(first.name.as_bytes(), name) {
            return index;
        }
        rest = others;
        index += 1;
    }
    panic!("no native function of that name")
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, left @ ..], [y, right @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        a = left;
        b = right;
    }
    a.is_empty() && b.is_empty()
}

/// What an operation that may need a metamethod came to.
#[derive(Clone, Copy, Debug)]
pub enum Meta<T> {
    /// The result.
    Done(T),
    /// A metamethod must be called: it and this many arguments have been pushed. Return
    /// [`Step::Call`] with one result, which is the operation's (for comparisons: its truth).
    Call(u32),
}

impl Called {
    /// # Safety
    ///
    /// The type's invariant.
    #[inline(always)]
    pub(in crate::vm) const unsafe fn new(func: u32, count: u32) -> Self {
        Self { func, count }
    }
}

impl Vm {
    /// Argument number `i` of a call, from 0; nil when there is none.
    #[inline(always)]
    pub fn given(&self, f: Called, i: u32) -> Value {
        if i < f.count {
            // SAFETY: the type's invariant.
            unsafe { *self.slot(f.func + 1 + i) }
        } else {
            Value::NIL
        }
    }

    /// The call's result, which takes the function's place.
    #[inline(always)]
    pub fn answer(&mut self, f: Called, v: Value) {
        // SAFETY: the type's invariant.
        unsafe { *self.slot(f.func) = v };
    }

    // --- arguments -----------------------------------------------------------------------------------

    /// Argument number `i`, from 0; nil when there is none.
    #[inline(always)]
    pub fn arg(&self, f: &Args, i: u32) -> Value {
        if i < f.count {
            // SAFETY: the arguments of a call are on the stack.
            unsafe { *self.slot(f.base + i) }
        } else {
            Value::NIL
        }
    }

    /// Whether argument number `i` is absent (not even nil).
    pub fn is_none(&self, f: &Args, i: u32) -> bool {
        i >= f.count
    }

    /// Result number `i` of the call that this entry follows; nil when there is none.
    pub fn result(&self, f: &Args, i: u32) -> Value {
        if f.results + i < self.top() {
            self.get(f.results + i)
        } else {
            Value::NIL
        }
    }

    /// How many results the call before this entry had.
    pub fn result_count(&self, f: &Args) -> u32 {
        self.top().saturating_sub(f.results)
    }

    /// Any value: an error when the argument is absent.
    #[inline]
    pub fn check_any(&mut self, f: &Args, i: u32) -> Result<Value, Raise> {
        if i < f.count {
            return Ok(self.arg(f, i));
        }
        Err(self.arg_error(f, i, format_args!("value expected")))
    }

    /// An integer, or a float or numeral with an integer value.
    #[inline]
    pub fn check_int(&mut self, f: &Args, i: u32) -> Result<i64, Raise> {
        let v = self.arg(f, i);
        if v.tag == Tag::Int {
            return Ok(v.as_int());
        }
        self.convert_int(f, i)
    }

    #[inline(never)]
    fn convert_int(&mut self, f: &Args, i: u32) -> Result<i64, Raise> {
        let v = self.arg(f, i);
        let n = self.to_int(v);
        self.settle_up();
        if let Some(n) = n {
            return Ok(n);
        }
        if self.to_number(v).is_some() {
            return Err(self.arg_error(f, i, format_args!("number has no integer representation")));
        }
        Err(self.type_error(f, i, "number"))
    }

    /// The same, or `default` when the argument is nil or absent.
    #[inline]
    pub fn opt_int(&mut self, f: &Args, i: u32, default: i64) -> Result<i64, Raise> {
        if self.arg(f, i).is_nil() {
            Ok(default)
        } else {
            self.check_int(f, i)
        }
    }

    /// A number, or a numeral.
    #[inline]
    pub fn check_number(&mut self, f: &Args, i: u32) -> Result<Number, Raise> {
        let v = self.arg(f, i);
        match v.tag {
            Tag::Int => Ok(Number::Int(v.as_int())),
            Tag::Float => Ok(Number::Float(v.as_float())),
            _ => self.convert_number(f, i),
        }
    }

    #[inline(never)]
    fn convert_number(&mut self, f: &Args, i: u32) -> Result<Number, Raise> {
        let v = self.arg(f, i);
        let n = self.to_number(v);
        self.settle_up();
        match n {
            Some(n) => Ok(n),
            None => Err(self.type_error(f, i, "number")),
        }
    }

    /// A number as a float.
    #[inline]
    pub fn check_float(&mut self, f: &Args, i: u32) -> Result<f64, Raise> {
        Ok(match self.check_number(f, i)? {
            Number::Int(i) => i as f64,
            Number::Float(x) => x,
        })
    }

    /// A string value. A number becomes a string, also in its slot, so that `vm.bytes(vm.arg(f, i))`
    /// works from now on. Bytes of a packet are strings.
    #[inline]
    pub fn check_str(&mut self, f: &Args, i: u32) -> Result<Value, Raise> {
        let v = self.arg(f, i);
        if matches!(v.tag, Tag::Str | Tag::Bytes) {
            return Ok(v);
        }
        self.convert_str(f, i)
    }

    #[inline(never)]
    fn convert_str(&mut self, f: &Args, i: u32) -> Result<Value, Raise> {
        let v = self.arg(f, i);
        match v.tag {
            Tag::Int | Tag::Float => {
                let s = self.number_to_string(v)?;
                self.set(f.base + i, s);
                Ok(s)
            }
            _ => Err(self.type_error(f, i, "string")),
        }
    }

    /// The same, or `None` when the argument is nil or absent.
    #[inline]
    pub fn opt_str(&mut self, f: &Args, i: u32) -> Result<Option<Value>, Raise> {
        if self.arg(f, i).is_nil() {
            Ok(None)
        } else {
            self.check_str(f, i).map(Some)
        }
    }

    /// A table.
    #[inline]
    pub fn check_table(&mut self, f: &Args, i: u32) -> Result<Ref, Raise> {
        let v = self.arg(f, i);
        if v.tag == Tag::Table {
            Ok(v.as_ref())
        } else {
            Err(self.type_error(f, i, "table"))
        }
    }

    /// A function, Lua's or native.
    #[inline]
    pub fn check_function(&mut self, f: &Args, i: u32) -> Result<Value, Raise> {
        let v = self.arg(f, i);
        if is_function(v) {
            Ok(v)
        } else {
            Err(self.type_error(f, i, "function"))
        }
    }

    /// A coroutine.
    pub fn check_thread(&mut self, f: &Args, i: u32) -> Result<Ref, Raise> {
        let v = self.arg(f, i);
        if v.tag == Tag::Thread {
            Ok(v.as_ref())
        } else {
            Err(self.type_error(f, i, "thread"))
        }
    }

    /// Value number `i` of the native closure that runs; nil for a plain native.
    pub fn upvalue(&self, f: &Args, i: u32) -> Value {
        let function = self.get(f.base.wrapping_sub(1));
        if function.tag == Tag::Closure && self.heap.kind(function.as_ref()) == Kind::NativeClosure
        {
            return self.heap.native_upvalue(function.as_ref(), i);
        }
        Value::NIL
    }

    /// Replaces value number `i` of the native closure that runs.
    pub fn set_upvalue(&mut self, f: &Args, i: u32, v: Value) {
        let function = self.get(f.base.wrapping_sub(1));
        if function.tag == Tag::Closure && self.heap.kind(function.as_ref()) == Kind::NativeClosure
        {
            self.heap.set_native_upvalue(function.as_ref(), i, v);
        }
    }

    /// A native function with up to three values of its own.
    pub fn new_native_closure(
        &mut self,
        function: Value,
        values: &[Value],
    ) -> Result<Value, Raise> {
        let mut owned = [Value::NIL; INLINE_UPVALUES];
        for (to, &from) in owned.iter_mut().zip(values) {
            *to = self.stored(from)?;
        }
        let owned = owned
            .get(..values.len().min(INLINE_UPVALUES))
            .unwrap_or(&[]);
        let function = function.payload as u32;
        let r = self.allocate(|heap| heap.new_native_closure(function, owned))?;
        Ok(Value::object(Tag::Closure, r))
    }

    // --- errors --------------------------------------------------------------------------------------

    /// `bad argument #i to 'name' (message)`, worded for methods too.
    pub fn arg_error(&mut self, f: &Args, i: u32, message: fmt::Arguments) -> Raise {
        self.raise_arg_error(f, i, message)
    }

    /// `bad argument #i to 'name' (expected expected, got …)`.
    pub fn type_error(&mut self, f: &Args, i: u32, expected: &str) -> Raise {
        self.raise_type_error(f, i, expected)
    }

    // --- strings -------------------------------------------------------------------------------------

    /// A new string.
    pub fn new_string(&mut self, bytes: &[u8]) -> Result<Value, Raise> {
        self.allocate(|heap| heap.new_string(bytes))
    }

    /// The bytes of a string value, or of the packet's bytes that a value shows; empty for all else.
    #[inline]
    pub fn bytes(&self, v: Value) -> &[u8] {
        match v.tag {
            Tag::Str => self.heap.string_bytes(v.as_ref()),
            Tag::Bytes => self.packet_bytes(v),
            _ => &[],
        }
    }

    /// A string value with part of the bytes of another; of the packet's bytes, a smaller view.
    pub fn substring(&mut self, of: Value, start: usize, end: usize) -> Result<Value, Raise> {
        if of.tag == Tag::Bytes {
            let end = end.min(self.packet_bytes(of).len());
            let start = start.min(end);
            let offset = u64::from(of.payload as u32) + start as u64;
            return Ok(Value {
                payload: offset | ((end - start) as u64) << 32,
                ..of
            });
        }
        self.allocate(|heap| heap.substring(of.as_ref(), start, end))
    }

    /// A string as long as another one, made of its bytes by `change`, which gets those and the new ones.
    pub fn changed(&mut self, of: Value, change: fn(&[u8], &mut [u8])) -> Result<Value, Raise> {
        // Bytes of the packet are few and rarely changed.
        let of = self.owned_string(of)?;
        self.allocate(|heap| heap.changed(of.as_ref(), change))
    }

    /// Appends part of a string to a buffer.
    pub fn push_part(
        &mut self,
        buffer: Ref,
        of: Value,
        start: usize,
        end: usize,
    ) -> Result<(), Raise> {
        if of.tag != Tag::Bytes {
            return self.allocate(|heap| heap.push_part(buffer, of.as_ref(), start, end));
        }
        let end = end.min(self.packet_bytes(of).len());
        let start = start.min(end);
        // When there is room, nothing can fail.
        self.allocate(|heap| heap.reserve_buffer(buffer, end - start))?;
        let Self { heap, packet, .. } = self;
        let bytes = packet.bytes_of(of).unwrap_or(&[]);
        let r = heap.push_bytes(buffer, bytes.get(start..end).unwrap_or(&[]));
        self.memory(r)
    }

    // --- tables --------------------------------------------------------------------------------------

    /// A new table with room for so many list items and fields.
    pub fn new_table(&mut self, items: u32, fields: u32) -> Result<Ref, Raise> {
        self.allocate(|heap| heap.new_table(items, fields))
    }

    /// `t[key]` without metamethods.
    pub fn raw_get(&mut self, t: Ref, key: Value) -> Value {
        if key.tag == Tag::Bytes {
            return self.get_by_bytes(t, key);
        }
        let v = self.heap.get(t, key);
        self.settle_up();
        v
    }

    /// `t[i]` without metamethods.
    pub fn raw_get_int(&self, t: Ref, i: i64) -> Value {
        self.heap.get_int(t, i)
    }

    /// `t[name]` without metamethods.
    pub fn raw_get_str(&self, t: Ref, name: &[u8]) -> Value {
        self.heap.get_bytes(t, name)
    }

    /// `t[key] = value` without metamethods. An error for nil, NaN and packet views as keys.
    pub fn raw_set(&mut self, t: Ref, key: Value, value: Value) -> Result<(), Raise> {
        let key = self.table_key(key)?;
        let value = self.stored(value)?;
        let set = self.allocate(|heap| heap.set(t, key, value));
        self.settle_up();
        set
    }

    /// `t[i] = value` without metamethods.
    pub fn raw_set_int(&mut self, t: Ref, i: i64, value: Value) -> Result<(), Raise> {
        let value = self.stored(value)?;
        self.allocate(|heap| heap.set_int(t, i, value))
    }

    /// `t[name] = value` without metamethods.
    pub fn raw_set_str(&mut self, t: Ref, name: &[u8], value: Value) -> Result<(), Raise> {
        let key = self.new_string(name)?;
        self.raw_set(t, key, value)
    }

    /// A border of a table.
    pub fn raw_len(&self, t: Ref) -> i64 {
        self.heap.border(t)
    }

    /// The entry behind `key` (nil: the first one), or `None` at the end.
    pub fn next(&mut self, t: Ref, key: Value) -> Result<Option<(Value, Value)>, Raise> {
        let mut passed = 0;
        match self.heap.next(t, key, &mut passed) {
            Ok(entry) => {
                self.charge(u64::from(passed >> PASSED))?;
                Ok(entry)
            }
            Err(()) => Err(self.fault(format_args!("invalid key to 'next'"))),
        }
    }

    // --- metatables ----------------------------------------------------------------------------------

    /// A value's metatable, or 0.
    pub fn metatable(&self, v: Value) -> Ref {
        match v.tag {
            Tag::Table => self.heap.meta(v.as_ref()),
            Tag::Object => self.heap.object_meta(v.as_ref()),
            _ => self.type_metatable(v.tag),
        }
    }

    /// The field of a value's metatable for an event, nil when there is none.
    pub fn metamethod(&self, v: Value, event: Event) -> Value {
        match self.metatable(v) {
            0 => Value::NIL,
            meta => self.heap.metamethod(meta, event),
        }
    }

    // --- stack ---------------------------------------------------------------------------------------

    /// Puts a value on top of the stack.
    #[inline(always)]
    pub fn push(&mut self, v: Value) -> Result<(), Raise> {
        if self.top >= self.stack_soft {
            self.grow_stack(self.top, 1)?;
        }
        self.push_unchecked(v);
        Ok(())
    }

    /// Pushes the call of a metamethod and says so.
    pub fn push_meta_call(&mut self, function: Value, args: &[Value]) -> Result<u32, Raise> {
        self.ensure_stack(args.len() as u32 + 1)?;
        self.push_unchecked(function);
        for &arg in args {
            self.push_unchecked(arg);
        }
        Ok(args.len() as u32)
    }

    // --- fuel ----------------------------------------------------------------------------------------

    /// Fuel that is left, with what a top level gets when it has taken breath. To be charged when it is
    /// known how much of it was used.
    pub fn available(&self) -> u64 {
        self.fuel.saturating_add(self.reserve).max(0) as u64
    }

    /// Charges for texts that were compared and read where that could not be done. That fuel has run
    /// out is found by whoever charges next.
    #[inline(always)]
    pub(crate) fn settle_up(&mut self) {
        if self.heap.owed.get() != 0 {
            self.pay_owed();
        }
    }

    #[cold]
    #[inline(never)]
    fn pay_owed(&mut self) {
        self.fuel -= i64::from(self.heap.owed.replace(0));
    }

    /// Pays for work: 1 is about 50 machine instructions. An error that cannot be caught when the fuel
    /// has run out.
    #[inline(always)]
    pub fn charge(&mut self, fuel: u64) -> Result<(), Raise> {
        // Nothing costs so much; less than nothing is left then, not more than everything.
        self.fuel = self.fuel.wrapping_sub(fuel.min(1 << 40) as i64);
        if self.fuel < 0 { self.refuel() } else { Ok(()) }
    }
}

/// Whether a value is a function, Lua's or native.
pub const fn is_function(v: Value) -> bool {
    matches!(v.tag, Tag::Closure | Tag::Native)
}
