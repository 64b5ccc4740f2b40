// SPDX-License-Identifier: GPL-2.0-only
//! Stores in user space: a thread has them, by name, for as long as an environment holds them.

// None of this is linked into the kernel: a panic here is a failed test or a message to a user.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

extern crate std;

use core::cell::RefCell;
use core::ffi::c_void;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

/// One of them.
struct Store {
    name: Vec<u8>,
    memory: Box<[u64]>,
    /// The cookies of the environments that hold it.
    holders: Vec<usize>,
}

std::thread_local! {
    /// By handle; one that nobody holds leaves its place to another.
    static STORES: RefCell<Vec<Option<Store>>> = const { RefCell::new(Vec::new()) };
}

/// Stores that an environment may hold, as the shim has it.
const MOST: usize = 17;

/// How many stores this thread has.
pub fn stores() -> usize {
    STORES.with_borrow(|stores| stores.iter().flatten().count())
}

/// An environment goes, and with it what it alone holds.
pub(crate) fn release(cookie: *mut c_void) {
    // Where a thread ends, they may have gone before.
    let _ = STORES.try_with(|stores| {
        for place in stores.borrow_mut().iter_mut() {
            if let Some(store) = place {
                store.holders.retain(|holder| *holder != cookie.addr());
                if store.holders.is_empty() {
                    *place = None;
                }
            }
        }
    });
}

/// # Safety
///
/// `name` is readable for `len` bytes.
pub(in crate::host) unsafe fn ps_host_store_open(
    cookie: *mut c_void,
    name: *const u8,
    len: usize,
    size: u64,
) -> i32 {
    // SAFETY: the caller's promise.
    let name = unsafe { core::slice::from_raw_parts(name, len) };
    STORES.with_borrow_mut(|stores| {
        let holds = |store: &Store| store.holders.contains(&cookie.addr());
        let held = stores.iter().flatten().filter(|store| holds(store));
        let (count, again) = held.fold((0, false), |(count, again), store| {
            (count + 1, again || store.name == name)
        });
        if count >= MOST && !again {
            return -3;
        }
        let known = stores
            .iter()
            .position(|store| store.as_ref().is_some_and(|store| store.name == name));
        let place = known.unwrap_or_else(|| {
            let free = stores.iter().position(Option::is_none).unwrap_or_else(|| {
                stores.push(None);
                stores.len() - 1
            });
            stores[free] = Some(Store {
                name: name.to_vec(),
                memory: vec![0; size.div_ceil(8) as usize].into_boxed_slice(),
                holders: Vec::new(),
            });
            free
        });
        if let Some(store) = &mut stores[place]
            && !again
        {
            store.holders.push(cookie.addr());
        }
        place as i32
    })
}

/// # Safety
///
/// `len` is writable. The memory is the caller's until it opens, locks or releases a store again.
pub(in crate::host) unsafe fn ps_host_store_lock(
    cookie: *mut c_void,
    handle: u32,
    len: *mut usize,
) -> *mut u8 {
    STORES.with_borrow_mut(|stores| match stores.get_mut(handle as usize) {
        Some(Some(store)) if store.holders.contains(&cookie.addr()) => {
            // SAFETY: the caller's promise.
            unsafe { len.write(store.memory.len() * 8) };
            store.memory.as_mut_ptr().cast()
        }
        _ => core::ptr::null_mut(),
    })
}

/// # Safety
///
/// Nothing is asked of the caller: a thread needs no lock.
pub(in crate::host) unsafe fn ps_host_store_unlock(_cookie: *mut c_void, _handle: u32) {}
