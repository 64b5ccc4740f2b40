// SPDX-License-Identifier: GPL-2.0-only
//! Environments: what the border calls, with the meaning that `kmod/engine.h` gives.
//!
//! An environment is a region of memory with a machine at its start. Everything here takes the region
//! as a pointer, because that is what the kernel has; `user` wraps it for user space.

#![allow(clippy::cast_ptr_alignment, reason = "regions are aligned")]

use crate::bytecode::image::Image;
use crate::bytecode::verify::verify;
use crate::host::{Answer, PACKET_MATCH, Packet, Status, Timed};
use crate::memory::Usage;
use crate::packet::dissect::split;
use crate::packet::objects::timer;
use crate::packet::verdict;
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::{HANDLES, Layout, Left, Vm};
use core::fmt::{self, Write};

pub use crate::vm::Config;

/// Text of an error, in memory that the caller gave.
pub struct Text<'b> {
    to: &'b mut [u8],
    /// How many bytes were written.
    pub len: usize,
}

impl<'b> Text<'b> {
    /// Writes to `to`; what does not fit is cut.
    pub fn new(to: &'b mut [u8]) -> Self {
        Self { to, len: 0 }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(room) = self.to.get_mut(self.len..) else {
            return;
        };
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.len = self.len.saturating_add(1);
        }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        crate::vm::error::as_bytes(s, |bytes| {
            self.push(bytes);
            Ok(())
        })
    }
}

/// It did not work; the reason is in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// Bytes of the region that an environment for an image and so much live memory needs; 0 when there is
/// no such region.
pub fn region_size(image: &[u8], memory: u64) -> u64 {
    Image::open(image)
        .ok()
        .and_then(|image| Layout::of(&image, memory))
        .map_or(0, |layout| layout.total())
}

/// Makes an environment in a region and runs the top level.
///
/// # Safety
///
/// `region` is 16-byte aligned, zeroed, exactly [`region_size`] bytes long and nobody else's for as long
/// as the environment is used; the image outlives it; the cookie is what the host's print expects.
pub unsafe fn create(
    region: *mut u8,
    image: &[u8],
    config: &Config,
    error: &mut Text,
) -> Result<(), Failed> {
    let image = match verify(image) {
        Ok(image) => image,
        Err(malformed) => {
            error.push(malformed.0.as_bytes());
            return Err(Failed);
        }
    };
    let Some(layout) = Layout::of(&image, config.memory) else {
        error.push(b"too much memory for one environment");
        return Err(Failed);
    };
    // SAFETY: the caller's promise.
    let Ok(vm) = (unsafe { Vm::create(region, &layout, &image, config) }) else {
        error.push(b"not enough memory for the program itself");
        return Err(Failed);
    };
    vm.run_main().map_err(|_| {
        error.push(vm.last_error_text());
        Failed
    })
}

/// The machine of an environment.
///
/// # Safety
///
/// `region` is that of an environment that [`create`] made, and nobody else uses it meanwhile.
pub unsafe fn machine<'r>(region: *mut u8) -> &'r mut Vm {
    // SAFETY: a machine lies at the start of the region.
    unsafe { &mut *region.cast::<Vm>() }
}

/// Looks a global function up and pins it; the same name gives the same handle.
///
/// # Safety
///
/// As [`machine`].
pub unsafe fn bind(region: *mut u8, name: &[u8], error: &mut Text) -> Result<u32, Failed> {
    // SAFETY: the caller's promise.
    let vm = unsafe { machine(region) };
    vm.bind(name, error)
}

/// Runs the function behind a handle on a packet. Fuel 0 is the environment's own limit.
///
/// # Safety
///
/// As [`machine`]; the packet keeps [`Packet`]'s invariants and is used by nobody else meanwhile.
#[inline(always)]
pub unsafe fn run(region: *mut u8, handle: u32, packet: *mut Packet, fuel: u64) -> Answer {
    // SAFETY: the caller's promise.
    let vm = unsafe { machine(region) };
    // SAFETY: the caller's promise.
    unsafe { vm.run_packet(handle, packet, fuel) }
}

/// Runs the timer that is due, if one is, with the fuel of a packet.
///
/// # Safety
///
/// As [`machine`].
pub unsafe fn run_timer(region: *mut u8) -> Timed {
    // SAFETY: the caller's promise.
    unsafe { machine(region) }.run_timer()
}

/// The last error with its traceback.
///
/// # Safety
///
/// As [`machine`].
pub unsafe fn last_error<'r>(region: *mut u8) -> &'r [u8] {
    // SAFETY: the caller's promise.
    unsafe { machine(region) }.last_error_text()
}

/// The text of a reason, empty when there is none of that number.
///
/// # Safety
///
/// As [`machine`].
pub unsafe fn reason<'r>(region: *mut u8, number: u32) -> &'r [u8] {
    // SAFETY: the caller's promise.
    unsafe { machine(region) }.reason_text(number)
}

/// How much memory is in use.
///
/// # Safety
///
/// As [`machine`].
pub unsafe fn usage(region: *mut u8) -> Usage {
    // SAFETY: the caller's promise.
    unsafe { machine(region) }.heap.usage()
}

impl Vm {
    /// Runs the program's top level.
    pub fn run_main(&mut self) -> Result<(), Raise> {
        if self.program().is_some_and(|image| split::is_asked(&image)) {
            split::prepare(self);
        }
        let main = self.main_function(0)?;
        let result = self.call_from_host(main, &[], 0, |_, _| ());
        self.reserve = 0;
        self.finalizer_reserve = 0;
        self.packet.loading = false;
        result
    }

    /// Calls a function from outside any function and hands its results over where they are: absolute
    /// indices from the given one to the top.
    pub fn call_from_host<T>(
        &mut self,
        function: Value,
        args: &[Value],
        wanted: i16,
        results: impl FnOnce(&mut Self, u32) -> T,
    ) -> Result<T, Raise> {
        let first = match self.host_call(function, args, wanted) {
            Ok(first) => first,
            Err(raise) => {
                self.host_done();
                return Err(raise);
            }
        };
        let result = results(self, first);
        self.host_done();
        Ok(result)
    }

    /// Looks a global function up and pins it.
    pub fn bind(&mut self, name: &[u8], error: &mut Text) -> Result<u32, Failed> {
        let shown = crate::vm::error::Bytes(name);
        let v = self.raw_get_str(self.globals(), name);
        if !crate::vm::native::is_function(v) {
            let _ = if v.is_nil() {
                write!(error, "the script has no global function '{shown}'")
            } else {
                write!(
                    error,
                    "the global '{shown}' is a {}, not a function",
                    crate::vm::error::type_name(v)
                )
            };
            return Err(Failed);
        }
        for handle in 0..self.handle_count {
            let known = self.handle(handle);
            if known.tag == v.tag && known.payload == v.payload {
                return Ok(handle);
            }
        }
        if self.handle_count as usize >= HANDLES {
            let _ = write!(
                error,
                "rules use more than {HANDLES} functions of one script"
            );
            return Err(Failed);
        }
        Ok(self.add_handle(v))
    }

    /// Runs the function behind a handle on a packet.
    ///
    /// # Safety
    ///
    /// The packet keeps [`Packet`]'s invariants and is used by nobody else meanwhile.
    #[inline(always)]
    pub unsafe fn run_packet(&mut self, handle: u32, packet: *mut Packet, fuel: u64) -> Answer {
        let limit = if fuel == 0 { self.packet_fuel } else { fuel };
        // More than the register holds is none at all; no caller allows so much.
        let limit = limit as i64;
        // SAFETY: the caller's promise.
        unsafe { self.packet.begin(packet) };
        self.heap.begin_packet();
        let left = self.run_handle(handle, limit);
        let what = match left.verdict() {
            // SAFETY: the caller's promise.
            Some(verdict) if unsafe { (*packet).flags() } & PACKET_MATCH == 0 => {
                Answer::verdict(verdict, 0, 0)
            }
            _ => self.conclude(handle, left),
        };
        self.depth = 0;
        self.packet.finish();
        let fuel = limit.wrapping_sub(self.fuel) as u64;
        if self.heap.end_packet() {
            self.clean_up(limit);
        }
        Answer { what, fuel }
    }

    /// A packet's end that is not one of the plain verdicts.
    #[cold]
    #[inline(never)]
    fn conclude(&mut self, handle: u32, left: Left) -> u64 {
        let ended = match left.verdict() {
            Some(code) => self.decide(verdict::value_of(code), Value::NIL),
            None => left.flow().and_then(|_| {
                let [v, why] = self.first_two();
                self.look_back(handle);
                self.decide(v, why)
            }),
        };
        self.standing = 0;
        self.fuel = self.fuel.max(0);
        ended.unwrap_or_else(|raise| {
            self.forget_error();
            Answer::failure(status_of(raise))
        })
    }

    /// What a returned value means.
    fn decide(&mut self, v: Value, why: Value) -> Result<u64, Raise> {
        match verdict::decide(self, v) {
            Ok((verdict, operand)) => {
                let reason = match why.tag {
                    Tag::Str | Tag::Bytes => self.reason(why),
                    _ => 0,
                };
                Ok(Answer::verdict(verdict, operand, reason))
            }
            Err(raise) => {
                self.keep_last_error();
                Err(raise)
            }
        }
    }

    /// After a packet that allocated, or while the collector has something to do.
    #[cold]
    #[inline(never)]
    fn clean_up(&mut self, limit: i64) {
        if self.heap.give_back() {
            self.clear_stack(0);
        }
        self.heap.settle();
        if self.heap.doomed != 0 {
            // Finalizers have fuel of their own.
            self.fuel = limit;
            self.run_finalizers();
        }
    }

    /// Runs the timer that is due, if one is: like a packet's function, but with no packet at hand.
    pub fn run_timer(&mut self) -> Timed {
        let limit = self.packet_fuel as i64;
        self.fuel = limit;
        // SAFETY: no packet.
        unsafe { self.packet.begin(core::ptr::null_mut()) };
        self.heap.begin_packet();
        let mut ran = 0;
        let ended = match timer::take_due(self) {
            Ok(None) => Ok(()),
            Ok(Some(function)) => {
                ran = 1;
                self.call_from_host(function, &[], 0, |_, _| ())
            }
            Err(raise) => Err(raise),
        };
        let status = match ended {
            Ok(()) => Status::Ok,
            Err(raise) => {
                self.forget_error();
                status_of(raise)
            }
        };
        self.packet.finish();
        let fuel = limit.wrapping_sub(self.fuel.max(0)) as u64;
        if self.heap.end_packet() {
            self.clean_up(limit);
        }
        Timed {
            status,
            ran,
            next: timer::next_due(self),
            fuel,
        }
    }
}

const fn status_of(raise: Raise) -> Status {
    match raise {
        Raise::Error => Status::Error,
        Raise::Memory => Status::Memory,
        Raise::Fuel => Status::Fuel,
    }
}
