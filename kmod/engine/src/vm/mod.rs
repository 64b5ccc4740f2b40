// SPDX-License-Identifier: GPL-2.0-only
//! The virtual machine: one context, a stack of values, a stack of frames, and a loop.
//!
//! No function of Lua, however deep, uses the processor's stack: calls of Lua and native functions,
//! metamethods, protected calls, coroutines and closing of variables are all entries of the stack of
//! frames. A coroutine that runs has its values and frames on these two stacks, above those of whoever
//! resumed it; while it is suspended they are in a body of its own (`coroutine`).
//!
//! What it is made of:
//!
//! * this file — the machine itself and the libraries; `create` — how it is made inside a region
//! * `stack`, `frame`, `event` — its stack of values, its stack of frames, the names of metamethods
//!
//! What runs:
//!
//! * `entry` — the host's way in: functions that rules call
//! * `run` — the loop over instructions; `slow` — each of them in full
//! * `call` — calls: how a function gets its frame, runs, and hands over its results
//! * `closure` — making functions
//! * `native` — what native functions see of all this
//! * `coroutine` — coroutines: stacks that wait
//! * `index`, `operate` — what instructions do when the short way is not open; `meta` — when that is to
//!   call a metamethod
//! * `sorting` — lists that are sorted without metamethods
//!
//! What else may happen:
//!
//! * `collect` — safe points, memory that has run out, finalizers
//! * `error` — raising and unwinding; `names` — what messages call things; `traceback` — tracebacks, and
//!   the last error's text
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
mod closure;
mod collect;
pub mod coroutine;
mod create;
mod entry;
pub mod error;
mod event;
mod frame;
mod index;
mod meta;
pub mod names;
pub mod native;
pub(crate) mod operate;
mod run;
mod slow;
mod sorting;
mod stack;
mod traceback;

use crate::bytecode::image::Image;
use crate::memory::Heap;
use crate::value::{Ref, Tag, Value};
use core::ffi::c_void;
use error::Raise;
use native::Library;

pub(crate) use call::Left;
pub use create::{Config, Layout};
use entry::{Ready, USUAL};
pub use event::Event;
pub use frame::FrameKind;
pub(crate) use frame::{
    CLOSING, COROUTINE, FINALIZER, FIRST, Frame, HANDLER, HANDLER_FRAMES, META, PLAIN, TAIL,
    UNWINDING,
};
pub(crate) use stack::{HANDLER_VALUES, MARGIN};
pub use traceback::ERROR_TEXT;

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

/// How many functions an environment can bind, and how many reasons a script has.
pub const HANDLES: usize = 64;

/// Places for methods, by [`crate::packet::objects::Class`].
pub(crate) const CLASSES: usize = crate::packet::objects::Class::ALL.len() + 1;

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
    /// The method of objects of a class that was asked for last: its name with the hash, and the function.
    pub(crate) methods: [(u64, Value); CLASSES],
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
