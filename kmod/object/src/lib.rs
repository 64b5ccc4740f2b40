// SPDX-License-Identifier: GPL-2.0-only
//! The engine as the shim calls it: `kmod/engine.h`, function by function.
//!
//! A region begins with an [`Entry`]; the engine's environment lies behind it. Every call goes through
//! [`contained`] (packets through the assembly of [`contain`]), so that a panic ends the call and not
//! the machine. What each function promises is said in the header.

#![no_std]
// Each function's safety contract is the header's; saying it twice would let the two drift apart.
#![allow(clippy::missing_safety_doc)]

pub mod contain;
mod panic;

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::slice;

use packetscript_engine::compiler::{self, Chunk, Options};
use packetscript_engine::env::{self, Config, Text};
use packetscript_engine::host::{Answer, NEVER, Packet, Status, Timed};

use contain::{ENTRY_SIZE, Entry, contained};

/// `PS_CHUNKS_MAX` and `PS_ARGS_MAX`.
const CHUNKS: usize = 64;
const ARGS: usize = 64;
/// Bytes for as many chunks.
const CHUNK_ROOM: usize = CHUNKS * size_of::<Chunk<'static>>();

unsafe extern "C" {
    safe fn ps_host_entry() -> *mut c_void;
}

/// `struct ps_chunk`, and `struct ps_arg`: two texts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Pair {
    first: *const u8,
    first_len: usize,
    second: *const u8,
    second_len: usize,
}

impl Pair {
    /// # Safety
    ///
    /// The two texts are readable for their lengths, for as long as the result is used.
    unsafe fn texts<'a>(self) -> (&'a [u8], &'a [u8]) {
        // SAFETY: the caller's promise.
        unsafe {
            (
                bytes(self.first, self.first_len),
                bytes(self.second, self.second_len),
            )
        }
    }
}

/// `struct ps_env_config`.
#[repr(C)]
pub struct EnvConfig {
    memory: u64,
    load_fuel: u64,
    packet_fuel: u64,
    error_pause: u64,
    seed: [u8; 16],
    args: *const Pair,
    arg_count: usize,
    cookie: *mut c_void,
}

/// `struct ps_env_usage`.
#[repr(C)]
pub struct EnvUsage {
    live_bytes: u64,
    peak_bytes: u64,
    limit_bytes: u64,
    region_bytes: u64,
    collections: u64,
    poisoned: u32,
    pad: u32,
}

const _: () =
    assert!(size_of::<Pair>() == 32 && size_of::<EnvConfig>() == 72 && size_of::<EnvUsage>() == 48);

/// # Safety
///
/// `len` bytes are readable there for as long as the result is used; a null pointer is no bytes.
unsafe fn bytes<'a>(at: *const u8, len: usize) -> &'a [u8] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(at, len) }
}

/// Where the caller wants the text of an error.
struct Reply {
    to: *mut u8,
    len: usize,
    used: *mut usize,
}

impl Reply {
    /// Hands a text to `f` and tells the caller how much of it there is.
    fn write(&self, f: impl FnOnce(&mut Text)) {
        // SAFETY: the caller of the seam gave a buffer of this length, and a place for the count.
        unsafe {
            let mut text = Text::new(slice::from_raw_parts_mut(self.to, self.len));
            f(&mut text);
            *self.used = text.len;
        }
    }

    /// A panic's place, in words for whoever loads the script.
    fn panicked(&self, entry: &Entry) {
        self.write(|text| {
            text.push(b"the engine stopped at a mistake of its own (please report it): ");
            text.push(entry.text());
        });
    }
}

/// The entry at a region's beginning.
///
/// # Safety
///
/// `region` is one of the shim's, and nobody else uses it meanwhile.
unsafe fn entry_of<'r>(region: *mut u8) -> &'r mut Entry {
    // SAFETY: zeroed memory is an entry, and every region has room for one.
    unsafe { &mut *region.cast::<Entry>() }
}

/// The engine's part of a region.
fn inside(region: *mut u8) -> *mut u8 {
    region.wrapping_add(ENTRY_SIZE)
}

/// Bytes of workspace to compile in.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_compile_workspace(chunks: *const Pair, count: usize) -> usize {
    // SAFETY: as the header says.
    let chunks = unsafe { slice::from_raw_parts(chunks, count) };
    let source = chunks.iter().fold(0usize, |sum, chunk| {
        sum.saturating_add(chunk.first_len)
            .saturating_add(chunk.second_len)
    });
    compiler::workspace_size(source).saturating_add(CHUNK_ROOM + 8)
}

/// Compiles a program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_compile(
    chunks: *const Pair,
    count: usize,
    seed: u64,
    work: *mut u8,
    work_len: usize,
    err: *mut u8,
    err_len: usize,
    err_used: *mut usize,
) -> i64 {
    let answer = Reply {
        to: err,
        len: err_len,
        used: err_used,
    };
    // SAFETY: the shim noted this call, with room for an entry.
    let entry = unsafe { &mut *ps_host_entry().cast::<Entry>() };
    // SAFETY: as the header says; the room for chunks is the workspace's end.
    let (pairs, work, chunks) = unsafe {
        let room = work_len.saturating_sub(CHUNK_ROOM) & !7;
        (
            slice::from_raw_parts(chunks, count),
            slice::from_raw_parts_mut(work, room),
            slice::from_raw_parts_mut(work.add(room).cast::<MaybeUninit<Chunk>>(), CHUNKS),
        )
    };
    let compiled = contained(entry, || {
        let mut count = 0;
        for (chunk, pair) in chunks.iter_mut().zip(pairs) {
            // SAFETY: as the header says.
            let (name, text) = unsafe { pair.texts() };
            chunk.write(Chunk { name, text });
            count += 1;
        }
        // SAFETY: so many were written.
        let chunks = unsafe { slice::from_raw_parts(chunks.as_ptr().cast::<Chunk>(), count) };
        let options = Options {
            packet: true,
            file: true,
            shared: false,
            seed,
        };
        match compiler::compile_within(chunks, options, work) {
            Ok(len) => len as i64,
            Err(fault) => {
                answer.write(|text| {
                    if fault.line == 0 {
                        text.push(chunks.first().map_or(&b""[..], |chunk| chunk.name));
                        text.push(b": ");
                    }
                    text.push(fault.message(work));
                });
                -1
            }
        }
    });
    compiled.unwrap_or_else(|| {
        answer.panicked(entry);
        -1
    })
}

/// Bytes of an environment's region; 0 when there can be none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_region(image: *const u8, image_len: usize, memory: u64) -> usize {
    // SAFETY: as the header says.
    let size = env::region_size(unsafe { bytes(image, image_len) }, memory);
    if size == 0 {
        0
    } else {
        (size as usize).saturating_add(ENTRY_SIZE)
    }
}

/// Makes an environment and runs the top level.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_create(
    region: *mut u8,
    _region_len: usize,
    image: *const u8,
    image_len: usize,
    config: *const EnvConfig,
    err: *mut u8,
    err_len: usize,
    err_used: *mut usize,
) -> i32 {
    let answer = Reply {
        to: err,
        len: err_len,
        used: err_used,
    };
    // SAFETY: as the header says.
    let (entry, image, config) = unsafe { (entry_of(region), bytes(image, image_len), &*config) };
    let made = contained(entry, || {
        let pairs: &[Pair] = match config.arg_count.min(ARGS) {
            0 => &[],
            // SAFETY: as the header says.
            count => unsafe { slice::from_raw_parts(config.args, count) },
        };
        let config = Config {
            memory: config.memory,
            load_fuel: config.load_fuel,
            packet_fuel: config.packet_fuel,
            error_pause: config.error_pause,
            seed: config.seed,
            // SAFETY: as the header says.
            args: &|i| pairs.get(i).map(|pair: &Pair| unsafe { pair.texts() }),
            cookie: config.cookie,
        };
        let mut done = false;
        answer.write(|text| {
            // SAFETY: the region is as the header says, and the engine's part of it as aligned as the
            // whole, for an entry's size is a multiple of that.
            done = unsafe { env::create(inside(region), image, &config, text) }.is_ok();
        });
        done
    });
    match made {
        Some(true) => 0,
        Some(false) => -1,
        None => {
            answer.panicked(entry);
            -1
        }
    }
}

/// Looks a function up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_bind(
    region: *mut u8,
    name: *const u8,
    name_len: usize,
    err: *mut u8,
    err_len: usize,
    err_used: *mut usize,
) -> i32 {
    let answer = Reply {
        to: err,
        len: err_len,
        used: err_used,
    };
    // SAFETY: as the header says.
    let (entry, name) = unsafe { (entry_of(region), bytes(name, name_len)) };
    if entry.poisoned() {
        answer.panicked(entry);
        return -1;
    }
    let handle = contained(entry, || {
        #[cfg(feature = "mistake")]
        assert!(name != b"ps_mistake", "a mistake on demand");
        let mut handle = -1;
        answer.write(|text| {
            // SAFETY: as the header says.
            if let Ok(found) = unsafe { env::bind(inside(region), name, text) } {
                handle = found as i32;
            }
        });
        handle
    });
    handle.unwrap_or_else(|| {
        answer.panicked(entry);
        -1
    })
}

/// Copies a text out; its length.
///
/// # Safety
///
/// `len` bytes are writable at `to`.
unsafe fn copy_out(text: &[u8], to: *mut u8, len: usize) -> usize {
    let len = text.len().min(len);
    // SAFETY: the caller's promise; the texts are in a region, the buffers are not.
    unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), to, len) };
    len
}

/// The last error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_last_error(region: *mut u8, buf: *mut u8, len: usize) -> usize {
    // SAFETY: as the header says.
    let entry = unsafe { entry_of(region) };
    if entry.poisoned() {
        // SAFETY: as the header says.
        return unsafe { copy_out(entry.text(), buf, len) };
    }
    // SAFETY: as the header says.
    contained(entry, || unsafe {
        copy_out(env::last_error(inside(region)), buf, len)
    })
    .unwrap_or(0)
}

/// The text of a reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_reason(region: *mut u8, i: u32, buf: *mut u8, len: usize) -> usize {
    // SAFETY: as the header says.
    let entry = unsafe { entry_of(region) };
    if entry.poisoned() {
        return 0;
    }
    // SAFETY: as the header says.
    contained(entry, || unsafe {
        copy_out(env::reason(inside(region), i), buf, len)
    })
    .unwrap_or(0)
}

/// Runs the timer that is due.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_timer(region: *mut u8, out: *mut Timed) {
    // SAFETY: as the header says.
    let entry = unsafe { entry_of(region) };
    let timed = if entry.poisoned() {
        None
    } else {
        // SAFETY: as the header says.
        contained(entry, || unsafe { env::run_timer(inside(region)) })
    };
    let timed = timed.unwrap_or(Timed {
        status: Status::Poisoned,
        ran: 1,
        next: NEVER,
        fuel: 0,
    });
    // SAFETY: as the header says.
    unsafe { out.write(timed) };
}

/// What an environment uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_env_usage(region: *mut u8, out: *mut EnvUsage) {
    // SAFETY: as the header says.
    let entry = unsafe { entry_of(region) };
    let known = if entry.poisoned() {
        None
    } else {
        // SAFETY: as the header says.
        contained(entry, || unsafe { env::usage(inside(region)) })
    };
    let answer = match known {
        Some(usage) => EnvUsage {
            live_bytes: usage.live,
            peak_bytes: usage.peak,
            limit_bytes: 0,
            region_bytes: 0,
            collections: usage.collections,
            poisoned: 0,
            pad: 0,
        },
        None => EnvUsage {
            live_bytes: 0,
            peak_bytes: 0,
            limit_bytes: 0,
            region_bytes: 0,
            collections: 0,
            poisoned: 1,
            pad: 0,
        },
    };
    // SAFETY: as the header says.
    unsafe { out.write(answer) };
}

/// The inside of `ps_run`, which [`contain`] defines.
#[unsafe(no_mangle)]
unsafe extern "C" fn ps_run_inside(
    region: *mut u8,
    handle: i32,
    packet: *mut Packet,
    fuel: u64,
) -> Answer {
    #[cfg(feature = "mistake")]
    assert!(handle >= 0, "a mistake on demand");
    // SAFETY: as the header says.
    unsafe { env::run(inside(region), handle as u32, packet, fuel) }
}
