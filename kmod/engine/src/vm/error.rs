// SPDX-License-Identifier: GPL-2.0-only
//! Raising and unwinding.
//!
//! An error unwinds in steps, because each may call Lua: a message handler first, while the stack is
//! as it was; then the `__close` of every variable on the way, each a call whose return takes the next
//! step (`unwind_on`); at last the native function that protects is entered again.

use super::native::{Args, NO_HANDLER};
use super::{FINALIZER, FrameKind, HANDLER, UNWINDING, Vm};
use crate::memory::BARRIER_YOUNG;
use crate::value::{Ref, Tag, Value};
use core::fmt::{self, Write};

/// Something was raised. The error's value is the machine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raise {
    /// A Lua error.
    Error,
    /// Memory has run out: a Lua error that no message handler sees.
    Memory,
    /// Fuel has run out: nothing catches it.
    Fuel,
}

/// Message handlers and closing functions within each other before a handler is told of that.
const NESTING: u32 = 180;
/// How many more of them there may be.
const LAST_RESORT: u32 = 20;

/// The level of a message that has no position.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Fuel for a message.
const MESSAGE: i64 = 16;

/// Fuel for closing what is open when fuel has run out.
const CLOSING_FUEL: i64 = 2000;

/// Fuel between two breaths of a top level: less than a thousandth of a second.
pub(crate) const SLICE: i64 = 20_000;

/// Writes text into a buffer of the heap; what does not fit into memory is left out.
struct Writer<'a> {
    vm: &'a mut Vm,
    buffer: Ref,
}

impl Write for Writer<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        as_bytes(s, |bytes| self.vm.push_bytes(self.buffer, bytes)).map_err(|_| fmt::Error)
    }
}

/// Bytes as part of a message, as they are.
///
/// `fmt` knows only UTF-8: bytes that are none pass through it as characters that stand for them, and
/// [`as_bytes`] puts them back.
pub struct Bytes<'a>(pub &'a [u8]);

/// Stands for byte 0; the 255 characters behind it, the last of Unicode, for the others.
const STANDS_FOR_0: u32 = 0x10_ff00;

/// The byte that a character stands for.
fn stands_for(c: char) -> Option<u8> {
    u8::try_from(u32::from(c).wrapping_sub(STANDS_FOR_0)).ok()
}

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stand_in = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| {
            bytes.iter().try_for_each(|&b| {
                let c = STANDS_FOR_0.wrapping_add(u32::from(b));
                f.write_char(char::from_u32(c).unwrap_or('?'))
            })
        };
        for chunk in self.0.utf8_chunks() {
            let mut buffer = [0; 4];
            for c in chunk.valid().chars() {
                match stands_for(c) {
                    // The text has such a character of its own.
                    Some(_) => stand_in(f, c.encode_utf8(&mut buffer).as_bytes())?,
                    None => f.write_char(c)?,
                }
            }
            stand_in(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Hands over what was written through `fmt`, with the bytes that characters of [`Bytes`] stand for.
///
/// # Errors
///
/// What `push` answers.
pub fn as_bytes<E>(text: &str, mut push: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| stands_for(*c).is_some()) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        push(before.as_bytes())?;
        push(&[stands_for(c).unwrap_or(0)])?;
        rest = from.get(c.len_utf8()..).unwrap_or("");
    }
    push(rest.as_bytes())
}

impl Vm {
    // --- raising -------------------------------------------------------------------------------------

    /// Raises a value.
    pub fn raise(&mut self, v: Value) -> Raise {
        self.error = v;
        Raise::Error
    }

    /// The value that was raised: for natives that are entered with an error it is their result.
    pub fn raised(&self) -> Value {
        self.error
    }

    /// Raises a message, with the position of the Lua function that runs or called this native.
    #[cold]
    pub fn error(&mut self, message: fmt::Arguments) -> Raise {
        let level = u32::from(self.this().kind != FrameKind::Lua);
        self.error_at(level, message)
    }

    /// Raises a message of the machine's own: with the position of the function that runs, which a
    /// native function has not.
    #[cold]
    pub(crate) fn fault(&mut self, message: fmt::Arguments) -> Raise {
        self.error_at(0, message)
    }

    /// Whether the error that is to be raised now needs no text: it ends a packet, and the text of
    /// one that did is so fresh that nobody will miss this one's. What a packet that always fails
    /// costs would be mostly words.
    #[cold]
    fn is_hushed(&self) -> bool {
        if self.error_pause == 0 || self.heap.barrier & BARRIER_YOUNG == 0 || self.tbc_count > 0 {
            return false;
        }
        let (target, _) = self.catcher();
        target == 0 && crate::host::now_ms() < self.error_due
    }

    /// Raises an error without a text, if that is enough.
    #[cold]
    pub(crate) fn hush(&mut self) -> Option<Raise> {
        self.is_hushed().then(|| {
            self.hushed = true;
            self.raise(Value::NIL)
        })
    }

    /// Raises a message with the position of the function at a level: 0 is the running one.
    #[cold]
    pub fn error_at(&mut self, level: u32, message: fmt::Arguments) -> Raise {
        if let Some(raise) = self.hush() {
            return raise;
        }
        self.fuel -= MESSAGE;
        let buffer = match self.new_buffer(64) {
            Ok(buffer) => buffer,
            Err(raise) => return raise,
        };
        let written = self
            .write_position(buffer, level)
            .and_then(|()| self.write(buffer, message));
        if let Err(raise) = written {
            return raise;
        }
        self.error = self.heap.finish_buffer(buffer);
        Raise::Error
    }

    /// Writes formatted text into a buffer.
    pub fn write(&mut self, buffer: Ref, text: fmt::Arguments) -> Result<(), Raise> {
        let mut writer = Writer { vm: self, buffer };
        match writer.write_fmt(text) {
            Ok(()) => Ok(()),
            Err(fmt::Error) => Err(self.out_of_memory()),
        }
    }

    /// `chunk:line: ` of the function at a level, or nothing when it is not Lua's.
    pub fn position(&mut self, level: u32) -> Result<Value, Raise> {
        let buffer = self.new_buffer(32)?;
        self.write_position(buffer, level)?;
        Ok(self.heap.finish_buffer(buffer))
    }

    fn write_position(&mut self, buffer: Ref, level: u32) -> Result<(), Raise> {
        if level == NOWHERE {
            return Ok(());
        }
        self.charge(u64::from(level.min(self.depth)) / 8)?;
        if let Some(depth) = self.level(level)
            && let Some((chunk, line)) = self.place_of(depth)
        {
            self.push_bytes(buffer, chunk.text())?;
            return self.write(buffer, format_args!(":{line}: "));
        }
        Ok(())
    }

    /// The depth of the function at a level, 0 being the topmost.
    pub(crate) fn level(&self, level: u32) -> Option<u32> {
        self.level_within(self.first_depth(), self.depth, level)
    }

    /// The depth of the function at a level among the frames from `first` to `last`, which is topmost.
    pub(crate) fn level_within(&self, first: u32, last: u32, level: u32) -> Option<u32> {
        let mut depth = last;
        let mut level = level;
        while depth >= first {
            if self.frame(depth).kind != FrameKind::Host {
                if level == 0 {
                    return Some(depth);
                }
                level -= 1;
            }
            depth -= 1;
        }
        None
    }

    /// Memory has run out.
    #[cold]
    pub fn out_of_memory(&mut self) -> Raise {
        self.error = self.memory_message;
        Raise::Memory
    }

    /// Fuel has run out.
    #[cold]
    pub fn out_of_fuel(&mut self) -> Raise {
        self.reserve = 0;
        // What closes now has not done it.
        self.heap.owed.set(0);
        self.error = self.fuel_message;
        Raise::Fuel
    }

    /// The host wants the top level to end.
    #[cold]
    pub fn interrupted(&mut self) -> Raise {
        self.reserve = 0;
        self.error = self.interrupted_message;
        Raise::Fuel
    }

    /// The fuel at hand is used up. A top level, whose fuel is for seconds, gets the next part of it
    /// when the host has let others run; anything else has no more.
    #[cold]
    #[inline(never)]
    pub(crate) fn refuel(&mut self) -> Result<(), Raise> {
        while self.fuel < 0 && self.reserve > 0 {
            if !crate::host::breathe() {
                return Err(self.interrupted());
            }
            let part = self.reserve.min(SLICE);
            self.reserve -= part;
            self.fuel = self.fuel.saturating_add(part);
        }
        if self.fuel < 0 {
            Err(self.out_of_fuel())
        } else {
            Ok(())
        }
    }

    /// The same for the Lua function on top, which has jumped. It stands before what it jumped to; where that
    /// is not run any more, the message names the line of the loop and not of what is ahead of it.
    #[cold]
    pub(crate) fn refuel_at_jump(&mut self) -> Result<(), Raise> {
        let ended = self.refuel();
        if ended.is_err() {
            self.this_mut().pc += 1;
        }
        ended
    }

    #[cold]
    pub(crate) fn stack_overflow(&mut self) -> Raise {
        let raise = if self.handles_overflow() {
            self.raise(self.handling_message)
        } else {
            self.fault(format_args!("stack overflow"))
        };
        self.overflowed = true;
        raise
    }

    /// Whether a message handler runs that was called because a stack was full: it has a little more room,
    /// and when that ends, too, it is not told of an overflow once more.
    fn handles_overflow(&self) -> bool {
        /// How far below the limits a call may need more than there is.
        const NEAR: u32 = 320;
        self.nesting > 0
            && (1..=self.depth).rev().any(|depth| {
                let f = self.frame(depth);
                f.flags & HANDLER != 0
                    && (depth + 4 >= self.frame_limit || f.func + NEAR >= self.stack_limit)
            })
    }

    // --- unwinding -----------------------------------------------------------------------------------

    /// Something was raised: finds who catches it. `Ok` when there is something to run next.
    #[cold]
    pub(crate) fn unwind(&mut self, raise: Raise) -> Result<(), Raise> {
        let mut raise = raise;
        if core::mem::replace(&mut self.unwound, false) {
            // The last step of unwinding was a `__close` that returned.
            return Err(raise);
        }
        if raise == Raise::Fuel {
            if self.abandon_finalizer() {
                return Ok(());
            }
            if !self.fatal {
                self.keep_last_error();
            }
            if self.fatal || !self.has_tbc() {
                let raise = self.drop_to_host(raise);
                self.unwound = false;
                return Err(raise);
            }
            // What is to be closed is closed, with a little fuel for all of it together.
            self.fatal = true;
            self.fuel = CLOSING_FUEL;
        }
        loop {
            let overflowed = core::mem::replace(&mut self.overflowed, false);
            let (target, handling) = self.catcher();
            let frame = *self.frame(target);
            if frame.kind == FrameKind::Closing {
                // From here on there is an error to report.
                self.mark_closing_failed(target);
            }
            if frame.kind == FrameKind::Host && !self.fatal {
                self.keep_last_error();
            }
            if frame.kind == FrameKind::Protecting
                && frame.proto != NO_HANDLER
                && raise == Raise::Error
            {
                if self.nesting < NESTING + LAST_RESORT && !(handling && overflowed) {
                    if self.nesting == NESTING {
                        self.fault(format_args!("C stack overflow"));
                    }
                    match self.call_handler(frame.proto) {
                        Ok(()) => return Ok(()),
                        Err(again) => {
                            raise = again;
                            if core::mem::replace(&mut self.overflowed, false) {
                                self.error = self.handling_message;
                            } else {
                                continue;
                            }
                        }
                    }
                } else {
                    self.error = self.handling_message;
                }
            }
            return match self.unwind_on() {
                Ok(()) => Ok(()),
                Err(again) if core::mem::replace(&mut self.unwound, false) => Err(again),
                Err(again) => {
                    raise = again;
                    continue;
                }
            };
        }
    }

    /// The frame that catches what is raised now, and whether a message handler runs above it.
    fn catcher(&self) -> (u32, bool) {
        let mut depth = self.depth;
        let mut handling = false;
        loop {
            let f = self.frame(depth);
            if depth == 0 || f.flags & FINALIZER != 0 || f.kind == FrameKind::Host {
                return (depth, handling);
            }
            let catches = matches!(
                f.kind,
                FrameKind::Protecting | FrameKind::Resuming | FrameKind::Closing
            );
            if catches && (!self.fatal || self.within_closing(depth)) {
                return (depth, handling);
            }
            handling |= f.flags & HANDLER != 0;
            depth -= 1;
        }
    }

    /// Absolute index of the message handler that hears of errors of the function on top, which protects
    /// nothing yet; or [`NO_HANDLER`].
    pub(crate) fn outer_handler(&self) -> u32 {
        let f = self.frame(self.catcher().0);
        if f.kind == FrameKind::Protecting {
            f.proto
        } else {
            NO_HANDLER
        }
    }

    /// Whether a frame belongs to a function that closes something after fuel has run out: it may
    /// catch its own errors.
    fn within_closing(&self, depth: u32) -> bool {
        (1..=depth)
            .rev()
            .any(|d| self.frame(d).flags & UNWINDING != 0)
    }

    /// Whether anything above the host's frame is to be closed.
    fn has_tbc(&self) -> bool {
        let mut depth = self.depth;
        while depth > 0 && self.frame(depth).kind != FrameKind::Host {
            depth -= 1;
        }
        // SAFETY: the list has that many entries.
        self.tbc_count > 0
            && unsafe { *self.tbc.wrapping_add(self.tbc_count as usize - 1) }
                >= self.frame(depth).base
    }

    fn call_handler(&mut self, handler: u32) -> Result<(), Raise> {
        let at = self.extent();
        self.nesting += 1;
        self.top = at;
        let (function, error) = (self.get(handler), self.error);
        self.push_meta_call(function, &[error])?;
        self.call_value(at, 1, 1, HANDLER)
    }

    /// Takes the next step of unwinding: closes a variable, or delivers the error.
    pub(crate) fn unwind_on(&mut self) -> Result<(), Raise> {
        let (target, _) = self.catcher();
        let raised = (self.depth, self.extent().max(self.top));
        while self.depth > target {
            self.leave_handler();
            self.depth -= 1;
        }
        let f = *self.this();
        if f.flags & FINALIZER != 0 {
            if self.close_unwinding(f.func)? {
                return Ok(());
            }
            // An error in a finalizer is no more than a warning.
            self.finalizer_failed();
            self.depth -= 1;
            self.forget_error();
            self.finalizer_done();
            return Ok(());
        }
        match f.kind {
            FrameKind::Resuming => return self.coroutine_failed(raised),
            // What is closed on the way is as deep as what was protected or is closed.
            FrameKind::Protecting | FrameKind::Closing => self.levels = f.levels + 1,
            FrameKind::Host => {
                if self.close_unwinding(f.base)? {
                    return Ok(());
                }
                self.top = f.base;
                self.levels = f.levels;
                self.unwound = true;
                if self.fatal {
                    return Err(self.drop_to_host(Raise::Fuel));
                }
                let (error, memory) = (self.error, self.memory_message);
                let out_of_memory = error.tag == memory.tag && error.payload == memory.payload;
                return Err(if out_of_memory {
                    Raise::Memory
                } else {
                    Raise::Error
                });
            }
            _ => {}
        }
        if self.close_unwinding(f.place)? {
            return Ok(());
        }
        if f.kind == FrameKind::Closing {
            return self.thread_closed();
        }
        self.deliver_failure();
        Ok(())
    }

    /// The frame on top goes: if it is a message handler's, that ends.
    pub(crate) fn leave_handler(&mut self) {
        if self.this().flags & HANDLER != 0 {
            self.nesting = self.nesting.saturating_sub(1);
        }
    }

    /// The native function on top, which waits, is entered again with the error.
    pub(crate) fn deliver_failure(&mut self) {
        let f = *self.this();
        let error = core::mem::replace(&mut self.error, Value::NIL);
        // SAFETY: the place is inside the stack.
        unsafe { *self.slot(f.place) = error };
        self.top = f.place + 1;
        self.reenter(u32::from(f.failed));
    }

    /// Calls the `__close` of the last variable above a level with the error.
    pub(crate) fn close_unwinding(&mut self, level: u32) -> Result<bool, Raise> {
        if self.tbc_count == 0 {
            return Ok(false);
        }
        // SAFETY: the list has that many entries.
        let index = unsafe { *self.tbc.wrapping_add(self.tbc_count as usize - 1) };
        let Some(v) = self.pop_tbc(level) else {
            return Ok(false);
        };
        let error = self.error;
        let close = self.metamethod(v, super::Event::Close);
        self.top = index + 1;
        // The error stays on the stack while the function runs, which may raise another.
        self.push(error)?;
        let at = self.top;
        self.push_meta_call(close, &[v, error])?;
        self.call_value(at, 2, 0, UNWINDING)?;
        Ok(true)
    }

    pub(crate) fn drop_tbc(&mut self, level: u32) {
        while self.pop_tbc(level).is_some() {}
    }

    /// Leaves everything down to the host's frame at once.
    fn drop_to_host(&mut self, raise: Raise) -> Raise {
        while self.this().kind != FrameKind::Host && self.depth > 0 {
            self.depth -= 1;
        }
        let base = self.this().base;
        self.levels = self.this().levels;
        self.drop_tbc(base);
        self.leave_threads();
        if core::mem::replace(&mut self.fatal, false) {
            self.fuel = -1;
        }
        self.nesting = 0;
        self.top = base;
        raise
    }

    // --- arguments -----------------------------------------------------------------------------------

    #[cold]
    pub(crate) fn raise_arg_error(&mut self, _f: &Args, i: u32, message: fmt::Arguments) -> Raise {
        let name = self.native_name(self.depth);
        let mut number = i + 1;
        if name.is_method {
            if number == 1 {
                return self.error(format_args!(
                    "calling '{}' on bad self ({message})",
                    Bytes(name.text())
                ));
            }
            number -= 1;
        }
        self.error(format_args!(
            "bad argument #{number} to '{}' ({message})",
            Bytes(name.text())
        ))
    }

    #[cold]
    pub(crate) fn raise_type_error(&mut self, f: &Args, i: u32, expected: &str) -> Raise {
        if i >= f.count {
            return self.raise_arg_error(f, i, format_args!("{expected} expected, got no value"));
        }
        let v = self.get(f.base + i);
        let kind = self.type_name_of(v);
        let light = if v.tag == Tag::Light && kind.text() == b"userdata" {
            "light "
        } else {
            ""
        };
        self.raise_arg_error(
            f,
            i,
            format_args!("{expected} expected, got {light}{}", Bytes(kind.text())),
        )
    }

    /// The `__name` of a value's metatable, or its type.
    pub fn type_name_of(&self, v: Value) -> super::names::Name {
        let name = self.metamethod(v, super::Event::Name);
        if name.tag == Tag::Str {
            return super::names::Name::new(self.bytes(name));
        }
        super::names::Name::new(type_name(v).as_bytes())
    }
}

/// The name of a value's type.
pub const fn type_name(v: Value) -> &'static str {
    match v.tag {
        Tag::Nil | Tag::DeadKey => "nil",
        Tag::False | Tag::True => "boolean",
        Tag::Int | Tag::Float => "number",
        Tag::Str | Tag::Bytes => "string",
        Tag::Table => "table",
        Tag::Closure | Tag::Native => "function",
        Tag::Thread => "thread",
        Tag::Packet => "packet",
        Tag::Addr4 | Tag::Addr6 => "address",
        Tag::Verdict => "verdict",
        Tag::Object | Tag::Light | Tag::Box => "userdata",
    }
}
