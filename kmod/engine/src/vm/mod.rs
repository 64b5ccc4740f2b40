// SPDX-License-Identifier: GPL-2.0-only
//! The virtual machine: one context, a stack of values, a stack of frames, and a loop.
//!
//! No function of Lua, however deep, uses the processor's stack: calls of Lua and native functions,
//! metamethods, protected calls, coroutines and closing of variables are all entries of the stack of
//! frames. A coroutine that runs has its values and frames on these two stacks, above those of whoever
//! resumed it; while it is suspended they are in a body of its own (`coroutine`).
//!
//! * `run` — the loop over instructions; `slow` — each of them in full
//! * `call` — frames: calling, returning, native functions and what they ask for
//! * `index`, `operate` — what instructions do when the short way is not open; `meta` — when that is to
//!   call a metamethod
//! * `collect` — safe points, memory that has run out, finalizers
//! * `error` — raising, unwinding, messages, tracebacks
//! * `sorting` — lists that are sorted without metamethods
//! * `native` — what native functions see of all this
#![allow(unsafe_code)]
#![allow(
    clippy::many_single_char_names,
    clippy::cast_precision_loss,
    clippy::cast_ptr_alignment,
    clippy::float_cmp,
    clippy::option_option,
    reason = "operands have letters, numbers are compared and converted as Lua does, regions are aligned"
)]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "indices of the stacks stay below their limits; what Lua computes wraps explicitly"
)]

mod call;
mod collect;
pub mod coroutine;
mod create;
pub mod error;
mod index;
mod meta;
pub mod names;
pub mod native;
mod operate;
mod run;
mod slow;
mod sorting;

use crate::bytecode::image::Image;
use crate::bytecode::word::Word;
use crate::memory::Heap;
use crate::memory::cell::ProtoCell;
use crate::value::{Ref, Tag, Value};
use core::ffi::c_void;
use error::Raise;
use native::Library;

pub(crate) use call::Left;
pub use create::{Config, Layout};

/// Numbers of the libraries: their places in [`LIBRARIES`].
pub mod lib {
    /// Globals such as `print`.
    pub const BASE: u32 = 0;
    /// `string`.
    pub const STRING: u32 = 1;
    /// `table`.
    pub const TABLE: u32 = 2;
    /// `math`.
    pub const MATH: u32 = 3;
    /// `utf8`.
    pub const UTF8: u32 = 4;
    /// `coroutine`.
    pub const COROUTINE: u32 = 5;
    /// `os`.
    pub const OS: u32 = 6;
    /// `debug`.
    pub const DEBUG: u32 = 7;
    /// Packets, addresses, verdicts.
    pub const PACKET: u32 = 8;
    /// What plain Lua has in user space alone.
    #[cfg(feature = "user")]
    pub const PLAIN: u32 = 9;
}

/// How many libraries there are.
const LIBRARY_COUNT: usize = if cfg!(feature = "user") { 10 } else { 9 };

/// Every library.
pub static LIBRARIES: [&Library; LIBRARY_COUNT] = [
    &crate::stdlib::base::LIBRARY,
    &crate::stdlib::string::LIBRARY,
    &crate::stdlib::table::LIBRARY,
    &crate::stdlib::math::LIBRARY,
    &crate::stdlib::utf8::LIBRARY,
    &crate::stdlib::coroutine::LIBRARY,
    &crate::stdlib::os::LIBRARY,
    &crate::stdlib::debug::LIBRARY,
    &crate::packet::library::LIBRARY,
    #[cfg(feature = "user")]
    &crate::plain::LIBRARY,
];

/// An event that a metatable may have a field for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Event {
    /// `__index`.
    Index,
    /// `__newindex`.
    NewIndex,
    /// `__eq`.
    Eq,
    /// `__len`.
    Len,
    /// `__call`.
    Call,
    /// `__gc`.
    Gc,
    /// `__mode`.
    Mode,
    /// `__close`.
    Close,
    /// `__add`.
    Add,
    /// `__sub`.
    Sub,
    /// `__mul`.
    Mul,
    /// `__mod`.
    Mod,
    /// `__idiv`.
    IDiv,
    /// `__band`.
    BAnd,
    /// `__bor`.
    BOr,
    /// `__bxor`.
    BXor,
    /// `__shl`.
    Shl,
    /// `__shr`.
    Shr,
    /// `__div`.
    Div,
    /// `__pow`.
    Pow,
    /// `__unm`.
    Unm,
    /// `__bnot`.
    BNot,
    /// `__concat`.
    Concat,
    /// `__lt`.
    Lt,
    /// `__le`.
    Le,
    /// `__tostring`.
    ToString,
    /// `__name`.
    Name,
    /// `__pairs`.
    Pairs,
    /// `__metatable`.
    Metatable,
}

impl Event {
    /// How many there are.
    pub const COUNT: usize = Self::Metatable as usize + 1;

    /// The fields of a metatable, in the order of the events.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "__index",
        "__newindex",
        "__eq",
        "__len",
        "__call",
        "__gc",
        "__mode",
        "__close",
        "__add",
        "__sub",
        "__mul",
        "__mod",
        "__idiv",
        "__band",
        "__bor",
        "__bxor",
        "__shl",
        "__shr",
        "__div",
        "__pow",
        "__unm",
        "__bnot",
        "__concat",
        "__lt",
        "__le",
        "__tostring",
        "__name",
        "__pairs",
        "__metatable",
    ];

    /// Whether metatables remember its absence.
    #[inline(always)]
    pub const fn is_cached(self) -> bool {
        self as u8 <= Self::Close as u8
    }
}

/// What runs in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// A Lua function.
    Lua,
    /// A native function that is running.
    Native,
    /// A native function that waits for a call.
    Calling,
    /// A native function that waits for a protected call.
    Protecting,
    /// A native function that waits for a coroutine.
    Resuming,
    /// A native function that waits for a coroutine to be closed.
    Closing,
    /// `coroutine.yield`, in a suspended coroutine.
    Yielding,
    /// The outermost: whoever runs the machine.
    Host,
}

/// The frame's result is a metamethod's, and the instruction of the caller is finished with it. With
/// `PLAIN`, `wanted` says how (`meta`).
pub(crate) const META: u8 = 1;
/// The outermost function of a coroutine.
pub(crate) const COROUTINE: u8 = 2;
/// A `__close` that an instruction (`Close` or a return) called: nothing but itself is finished.
pub(crate) const CLOSING: u8 = 4;
/// A `__close` that is called while an error unwinds.
pub(crate) const UNWINDING: u8 = 8;
/// A message handler.
pub(crate) const HANDLER: u8 = 16;
/// A finalizer: its results and errors are dropped.
pub(crate) const FINALIZER: u8 = 32;
/// The function was called by a tail call.
pub(crate) const TAIL: u8 = 64;
/// A `Call` of the Lua function below called it: its results go right below its first register.
pub(crate) const PLAIN: u8 = 128;
/// The function that a packet is given to: the first frame above the outermost. No other has both.
pub(crate) const FIRST: u8 = PLAIN | TAIL;

/// A call that has not returned.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Frame {
    /// Lua: the next instruction, while the frame is not the topmost. Native: the state to come back
    /// with.
    pub pc: u32,
    /// The first register, or the first argument. The function is in the slot below it too.
    pub base: u32,
    /// The function; its results go here.
    pub func: u32,
    /// Lua: the prototype. Native that protects: index of its message handler.
    pub proto: Ref,
    /// Lua: arguments beyond the parameters. Native: arguments.
    pub extra: u32,
    /// Native: the state to come back with after an error. Lua: operands left of a concatenation, or
    /// which half of a `GetField2` a metamethod is called for.
    pub failed: u16,
    /// Native that protects, resumes or closes, and the host's: [`Vm::levels`] before it.
    pub levels: u16,
    /// Native: where the function it called is, and its results will be. Lua: end of the results that
    /// wait for variables to be closed, or 0.
    pub place: u32,
    /// Results wanted, or `ALL`.
    pub wanted: i16,
    /// What runs here.
    pub kind: FrameKind,
    /// `META` and the like.
    pub flags: u8,
}

impl Frame {
    /// Where a Lua function's arguments beyond its parameters begin: below the function's copy, which is
    /// right below its first register.
    #[inline(always)]
    pub(crate) fn first_vararg(&self) -> u32 {
        self.base - 1 - self.extra
    }
}

const _: () = assert!(size_of::<Frame>() == 32);

impl Frame {
    /// Whether the function was called by a tail call.
    pub(crate) fn is_tail_call(&self) -> bool {
        self.flags & FIRST == TAIL
    }
}

/// What it takes to call a function for a packet, made when it is bound.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Ready {
    /// Its first instruction; null when it is called the general way.
    pub code: *const Word,
    /// Its constants.
    pub constants: *const Value,
    /// The closure.
    pub closure: Ref,
    /// Fuel of the call.
    pub fuel: u32,
    /// Its frame.
    pub frame: Frame,
}

/// Free slots above every frame's own, for operands of metamethods and the like.
pub(crate) const MARGIN: u32 = 24;
/// Slots that a function may use to be called the short way.
pub(crate) const USUAL: u32 = 64;
/// Slots for the calls of such a function that are forgotten with its own.
const FURTHER: u32 = 8;
/// Values and frames beyond the limits that message handlers may use.
pub(crate) const HANDLER_VALUES: u32 = 1024;
pub(crate) const HANDLER_FRAMES: u32 = 64;
/// What [`Vm::levels`] may be at most: as many as PUC's C stack allows its main program.
pub(crate) const LEVELS: u16 = 197;
/// How many more there may be in a message handler.
pub(crate) const HANDLER_LEVELS: u16 = 20;
/// How many functions an environment can bind, and how many reasons a script has.
pub const HANDLES: usize = 64;
/// Bytes of the last error's text.
pub const ERROR_TEXT: usize = 2048;

/// The machine, at the start of its region.
#[repr(C)]
pub struct Vm {
    /// Its memory.
    pub heap: Heap,
    /// Fuel that is left, of a top level for now.
    pub fuel: i64,
    pub(crate) stack: *mut Value,
    pub(crate) frames: *mut Frame,
    /// Index of the topmost frame.
    pub(crate) depth: u32,
    /// First free slot, where native code and open results need to know it.
    pub(crate) top: u32,
    /// Slots that were in use since they were last cleared.
    pub(crate) stack_soft: u32,
    /// What that is after they were cleared: what the functions need that are called the short way.
    pub(crate) stack_usual: u32,
    pub(crate) stack_limit: u32,
    pub(crate) frame_limit: u32,
    /// Stack indices of variables to be closed, ascending.
    pub(crate) tbc: *mut u32,
    pub(crate) tbc_count: u32,
    /// Calls of message handlers and `__close` within each other.
    pub(crate) nesting: u32,
    /// Unwinding came down to the host's frame.
    pub(crate) unwound: bool,
    /// Fuel has run out: what is open is closed, and nothing catches it.
    pub(crate) fatal: bool,
    /// Native functions that wait for what they protect or resumed, within each other. Each may catch
    /// what the inner one raised and add to it, so there is a limit; each notes in its frame what this
    /// was before it, so that whoever catches puts it right.
    pub(crate) levels: u16,
    /// What was raised last is that a stack has no room.
    pub(crate) overflowed: bool,
    /// The coroutine that runs, or 0.
    pub(crate) thread: Ref,
    /// What was raised.
    pub(crate) error: Value,
    /// Messages that must be there when there is no memory to make them.
    pub(crate) memory_message: Value,
    pub(crate) fuel_message: Value,
    pub(crate) interrupted_message: Value,
    pub(crate) handling_message: Value,
    /// The table of globals.
    pub(crate) globals: Ref,
    /// The table of loaded modules.
    pub(crate) loaded: Ref,
    /// Metatables of values that have none of their own, by tag.
    pub(crate) metatables: [Ref; 20],
    /// The packet at hand.
    pub packet: crate::packet::Current,
    /// What the host's print is given.
    pub cookie: *mut c_void,
    /// The program.
    pub(crate) image: *const u8,
    pub(crate) image_len: usize,
    pub(crate) constants: *mut Value,
    /// The cell of prototype 0 of the program.
    pub(crate) protos: Ref,
    /// Functions that rules call.
    pub(crate) handles: [Value; HANDLES],
    /// How they are called.
    pub(crate) ready: [Ready; HANDLES],
    pub(crate) handle_count: u32,
    /// One more than the handle whose function and frame stand at the bottom of the stacks, 0 when
    /// something else may. Whatever changes the first slot or the frame above the host's says so.
    pub(crate) standing: u32,
    /// Texts that scripts gave as reasons.
    pub(crate) reasons: [Value; HANDLES],
    pub(crate) reason_count: u32,
    /// Fuel of a packet, unless the caller says another.
    pub packet_fuel: u64,
    /// A finalizer runs, so that no other is begun.
    pub finalizing: bool,
    /// Its frame, when it runs between two instructions; else 0.
    pub(crate) finalizer_depth: u32,
    /// The top of the stack before it.
    pub(crate) finalizer_top: u32,
    /// The coroutine that ran when it began.
    pub(crate) finalizer_thread: Ref,
    /// [`Vm::levels`] before it.
    pub(crate) finalizer_levels: u16,
    /// Fuel of finalizers that run between instructions; while one does, that of the program.
    pub(crate) finalizer_fuel: i64,
    /// The same of the reserve.
    pub(crate) finalizer_reserve: i64,
    /// What `load` compiles has every captured variable in a box.
    pub(crate) shares_variables: bool,
    /// Seeds for `math.random`, and for its use.
    pub random: [u64; 4],
    /// What the standard library keeps.
    pub library: crate::stdlib::State,
    /// Fuel that a top level gets when it has taken breath: see [`Vm::refuel`].
    pub(crate) reserve: i64,
    /// See [`Config::error_pause`].
    pub(crate) error_pause: u64,
    /// When the next uncaught error has a text again, by the host's clock.
    pub(crate) error_due: u64,
    /// What was raised last has none.
    pub(crate) hushed: bool,
    pub(crate) last_error_len: u32,
    pub(crate) last_error: [u8; ERROR_TEXT],
}

impl Vm {
    // --- the stack -----------------------------------------------------------------------------------

    /// A slot of the stack.
    #[inline(always)]
    pub(crate) fn slot(&self, index: u32) -> *mut Value {
        self.stack.wrapping_add(index as usize)
    }

    /// The value at an absolute index; nil above what is in use.
    #[inline]
    pub fn get(&self, index: u32) -> Value {
        if index >= self.stack_soft + MARGIN {
            return Value::NIL;
        }
        // SAFETY: inside the stack.
        unsafe { *self.slot(index) }
    }

    /// Replaces the value at an absolute index below the top.
    #[inline]
    pub fn set(&mut self, index: u32, v: Value) {
        if index < self.top {
            // SAFETY: inside the stack.
            unsafe { *self.slot(index) = v };
        }
    }

    /// The first free index.
    #[inline]
    pub fn top(&self) -> u32 {
        self.top
    }

    /// Cuts the stack to `top` slots, or fills it up with nil to there.
    pub fn set_top(&mut self, top: u32) -> Result<(), Raise> {
        if top > self.top {
            self.ensure_stack(top - self.top)?;
            for i in self.top..top {
                // SAFETY: inside the stack.
                unsafe { *self.slot(i) = Value::NIL };
            }
        }
        self.top = top;
        Ok(())
    }

    /// Takes the topmost value.
    pub fn pop(&mut self) -> Value {
        self.top -= 1;
        self.get(self.top)
    }

    /// Makes room for `n` more values.
    #[inline]
    pub fn ensure_stack(&mut self, n: u32) -> Result<(), Raise> {
        if self.top.saturating_add(n) > self.stack_soft {
            self.grow_stack(self.top, n)
        } else {
            Ok(())
        }
    }

    /// Puts a value on top of the stack where room was made before.
    #[inline(always)]
    pub(crate) fn push_unchecked(&mut self, v: Value) {
        // SAFETY: room was made.
        unsafe { *self.slot(self.top) = v };
        self.top += 1;
    }

    /// Lets the stack be used up to `from + n`, and a margin beyond.
    #[cold]
    #[inline(never)]
    pub(crate) fn grow_stack(&mut self, from: u32, n: u32) -> Result<(), Raise> {
        // A message handler gets a little more, so that it can see an overflow.
        let limit = if self.nesting > 0 {
            self.stack_limit + HANDLER_VALUES
        } else {
            self.stack_limit
        };
        let wanted = from.saturating_add(n).saturating_add(64).min(limit);
        if from.saturating_add(n) > wanted {
            return Err(self.stack_overflow());
        }
        self.stack_soft = self.stack_soft.max(wanted);
        Ok(())
    }

    /// Forgets what is left on the stack above `from`.
    pub(crate) fn clear_stack(&mut self, from: u32) {
        let mut left = from;
        while left < self.stack_soft + MARGIN {
            // SAFETY: inside the stack, which has a margin. A word at a time: there are few of them, and the
            // kernel's memset costs more than they do.
            unsafe {
                let words = self.slot(left).cast::<u64>();
                words.write_volatile(0);
                words.add(1).write_volatile(0);
            }
            left += 1;
        }
        self.stack_soft = (from + self.stack_usual).min(self.stack_limit);
        self.standing = 0;
    }

    // --- frames --------------------------------------------------------------------------------------

    /// A frame.
    #[inline(always)]
    pub(crate) fn frame(&self, depth: u32) -> &Frame {
        // SAFETY: depths up to the current one are frames.
        unsafe { &*self.frames.wrapping_add(depth as usize) }
    }

    /// The topmost frame.
    #[inline(always)]
    pub(crate) fn this(&self) -> &Frame {
        self.frame(self.depth)
    }

    /// The topmost frame, to be changed.
    #[inline(always)]
    pub(crate) fn this_mut(&mut self) -> &mut Frame {
        // SAFETY: the current depth is a frame.
        unsafe { &mut *self.frames.wrapping_add(self.depth as usize) }
    }

    /// A prototype's cell.
    #[inline(always)]
    pub(crate) fn proto(&self, r: Ref) -> &ProtoCell {
        // SAFETY: frames and closures name cells of prototypes.
        unsafe { &*self.heap.at(r) }
    }

    /// One beyond the last slot that the topmost frame uses.
    pub(crate) fn extent(&self) -> u32 {
        let frame = self.this();
        match frame.kind {
            FrameKind::Lua => frame.base + u32::from(self.proto(frame.proto).registers),
            _ => self.top,
        }
    }

    // --- the rest ------------------------------------------------------------------------------------

    /// The table of globals.
    pub fn globals(&self) -> Ref {
        self.globals
    }

    /// The table of modules that `require` has loaded.
    pub fn loaded(&self) -> Ref {
        self.loaded
    }

    /// The coroutine that runs, or 0 for the main program.
    pub fn running(&self) -> Ref {
        self.thread
    }

    /// The metatable that all values of a type share, or 0.
    pub fn type_metatable(&self, tag: Tag) -> Ref {
        let tag = if tag == Tag::Bytes { Tag::Str } else { tag };
        self.metatables.get(tag as usize).copied().unwrap_or(0)
    }

    /// Gives all values of a type a metatable.
    pub fn set_type_metatable(&mut self, tag: Tag, meta: Ref) {
        if let Some(slot) = self.metatables.get_mut(tag as usize) {
            *slot = meta;
        }
        self.heap.escaped = true;
    }

    /// The bytes of the packet that a value shows; empty when the packet is gone.
    pub fn packet_bytes(&self, v: Value) -> &[u8] {
        self.packet.bytes_of(v).unwrap_or(&[])
    }

    /// The program.
    pub(crate) fn program(&self) -> Option<Image<'_>> {
        // SAFETY: whoever made the environment promised that the image outlives it.
        let bytes = unsafe { core::slice::from_raw_parts(self.image, self.image_len) };
        Image::open(bytes).ok()
    }

    /// The number of a reason, from 1 on; 0 when there are too many.
    pub(crate) fn reason(&mut self, v: Value) -> u32 {
        let known = self.reasons.iter().take(self.reason_count as usize);
        for (i, r) in known.enumerate() {
            if self.bytes(*r) == self.bytes(v) {
                return i as u32 + 1;
            }
        }
        let Ok(v) = self.owned_string(v) else {
            return 0;
        };
        match self.reasons.get_mut(self.reason_count as usize) {
            Some(slot) => {
                *slot = v;
                self.reason_count += 1;
                self.heap.escaped = true;
                self.reason_count
            }
            None => 0,
        }
    }

    /// The main function of the program.
    pub fn program_main(&mut self) -> Result<Value, Raise> {
        self.main_function(0)
    }

    /// The function behind a handle.
    pub(crate) fn handle(&self, handle: u32) -> Value {
        self.handles
            .get(handle as usize)
            .copied()
            .unwrap_or(Value::NIL)
    }

    /// The first two values of the stack, where a packet's results are.
    #[inline(always)]
    pub(crate) fn first_two(&self) -> [Value; 2] {
        // SAFETY: the stack is longer than that.
        unsafe { *self.stack.cast::<[Value; 2]>() }
    }

    /// What a call of a bound function takes, if it can be short: the function of the program itself
    /// (code that was loaded may move), with one parameter at most and a usual number of registers.
    fn ready(&self, v: Value) -> Option<Ready> {
        let closure = self.lua_closure(v)?;
        let proto = self.heap.header(closure).hash;
        let p = self.proto(proto);
        if p.image != 0 || p.vararg != 0 || p.parameters > 1 || u32::from(p.registers) > USUAL - 2 {
            return None;
        }
        Some(Ready {
            code: p.code,
            constants: p.constants,
            closure,
            fuel: p.fuel,
            frame: Frame {
                pc: 0,
                base: 1,
                func: 0,
                proto,
                extra: 0,
                failed: 0,
                levels: 0,
                place: 0,
                wanted: 2,
                kind: FrameKind::Lua,
                flags: FIRST,
            },
        })
    }

    /// Pins a function.
    pub(crate) fn add_handle(&mut self, v: Value) -> u32 {
        let handle = self.handle_count;
        if let Some(ready) = self.ready(v)
            && let Some(slot) = self.ready.get_mut(handle as usize)
        {
            *slot = ready;
            let registers = u32::from(self.proto(ready.frame.proto).registers);
            self.stack_usual = self.stack_usual.max(1 + registers + FURTHER);
            self.stack_soft = self.stack_soft.max(self.stack_usual);
        }
        if let Some(slot) = self.handles.get_mut(handle as usize) {
            *slot = v;
            self.handle_count += 1;
        }
        handle
    }

    /// The last error's text.
    pub fn last_error_text(&self) -> &[u8] {
        self.last_error
            .get(..self.last_error_len as usize)
            .unwrap_or(&[])
    }

    /// The text of a reason.
    pub fn reason_text(&self, number: u32) -> &[u8] {
        self.reasons
            .get(number as usize)
            .map_or(&[], |&v| self.bytes(v))
    }

    /// What was raised is of no interest any more.
    pub(crate) fn forget_error(&mut self) {
        self.error = Value::NIL;
    }
}
