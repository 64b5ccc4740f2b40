// SPDX-License-Identifier: GPL-2.0-only
//! Frames: calls that have not returned, one above the other.

use super::Vm;
use super::error::Raise;
use crate::memory::cell::ProtoCell;
use crate::value::Ref;

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
/// Frames beyond the limit that message handlers may use.
pub(crate) const HANDLER_FRAMES: u32 = 64;

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

const _: () = assert!(size_of::<Frame>() == 32);

impl Frame {
    /// That of a Lua function with a fixed number of parameters, before its first instruction.
    #[inline(always)]
    pub(crate) const fn lua(func: u32, proto: Ref, wanted: i16, flags: u8) -> Self {
        Self {
            pc: 0,
            base: func + 1,
            func,
            proto,
            extra: 0,
            failed: 0,
            levels: 0,
            place: 0,
            wanted,
            kind: FrameKind::Lua,
            flags,
        }
    }

    /// Where a Lua function's arguments beyond its parameters begin: below the function's copy, which is
    /// right below its first register.
    #[inline(always)]
    pub(crate) fn first_vararg(&self) -> u32 {
        self.base - 1 - self.extra
    }

    /// Whether the function was called by a tail call.
    pub(crate) fn is_tail_call(&self) -> bool {
        self.flags & FIRST == TAIL
    }
}

impl Vm {
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

    /// Puts a frame on the stack of frames.
    #[inline(always)]
    pub(crate) fn push_frame(&mut self, frame: Frame) -> Result<(), Raise> {
        let limit = self.frame_limit + if self.nesting > 0 { HANDLER_FRAMES } else { 0 };
        if self.depth + 1 >= limit {
            return Err(self.stack_overflow());
        }
        self.depth += 1;
        *self.this_mut() = frame;
        Ok(())
    }
}
