// SPDX-License-Identifier: GPL-2.0-only
//! What the engine asks of the world around it: the Rust twin of the packet half of
//! `kmod/engine.h`.
//!
//! [`Packet`] and [`Answer`] have the layout of `struct ps_packet` and `struct ps_result`. The
//! `ps_host_*` functions are the shim's in a kernel build; with the feature `user` they are the
//! doubles of [`user`], over packets that live in ordinary memory. Everything above this module
//! uses the safe methods here and never sees which of the two it talks to.
//!
//! * [`at_hand`] — the one packet that a run is about, and windows to its headers
//! * `user` — the host in user space; `stores` — its stores; `frame` — packets made from scratch

pub mod at_hand;
#[cfg(feature = "user")]
pub mod frame;
#[cfg(feature = "user")]
pub mod stores;
#[cfg(feature = "user")]
pub mod user;

use core::cell::UnsafeCell;
use core::ffi::c_void;

/// The functions of the shim, as `kmod/engine.h` declares them.
#[cfg(not(feature = "user"))]
mod sys {
    use super::{Packet, c_void};

    unsafe extern "C" {
        pub(super) safe fn ps_host_now_ms() -> u64;
        pub(super) safe fn ps_host_unix_time() -> i64;
        pub(super) safe fn ps_host_breathe() -> bool;
        pub(super) fn ps_host_describe(p: *const Packet);
        pub(super) fn ps_host_read(p: *const Packet, offset: u32, to: *mut u8, len: u32) -> i32;
        pub(super) fn ps_host_make_writable(p: *mut Packet, len: u32) -> i32;
        pub(super) fn ps_host_resize(p: *mut Packet, offset: u32, old: u32, new: u32) -> i32;
        pub(super) fn ps_host_set_mark(p: *mut Packet, mark: u32);
        pub(super) fn ps_host_set_priority(p: *mut Packet, priority: u32);
        pub(super) fn ps_host_ifname(p: *const Packet, which: u32, buf: *mut u8) -> usize;
        pub(super) fn ps_host_csum_partial(p: *const Packet, field: u32) -> bool;
        pub(super) fn ps_host_csum_settle(p: *mut Packet, offset: u32) -> i32;
        pub(super) fn ps_host_conntrack(p: *const Packet, to: *mut super::Conntrack) -> i32;
        pub(super) fn ps_host_conntrack_id(p: *const Packet) -> u32;
        pub(super) fn ps_host_conntrack_mark(p: *const Packet, mark: u32) -> i32;
        pub(super) fn ps_host_timer(cookie: *mut c_void, due: u64);
        pub(super) fn ps_host_store_open(
            cookie: *mut c_void,
            name: *const u8,
            len: usize,
            size: u64,
        ) -> i32;
        pub(super) fn ps_host_store_lock(
            cookie: *mut c_void,
            handle: u32,
            len: *mut usize,
        ) -> *mut u8;
        pub(super) fn ps_host_store_unlock(cookie: *mut c_void, handle: u32);
        pub(super) fn ps_host_print(
            cookie: *mut c_void,
            p: *const Packet,
            text: *const u8,
            len: usize,
        );
    }
}
#[cfg(feature = "user")]
mod sys {
    pub(super) use super::stores::*;
    pub(super) use super::user::*;
}

/// `NFPROTO_IPV4`.
pub const FAMILY_IPV4: u8 = 2;
/// `NFPROTO_ARP`.
pub const FAMILY_ARP: u8 = 3;
/// `NFPROTO_NETDEV`.
pub const FAMILY_NETDEV: u8 = 5;
/// `NFPROTO_BRIDGE`.
pub const FAMILY_BRIDGE: u8 = 7;
/// `NFPROTO_IPV6`.
pub const FAMILY_IPV6: u8 = 10;

/// `PS_PACKET_MATCH`: the caller is a match, any true value matches.
pub const PACKET_MATCH: u8 = 1;

/// The longest interface name, with its NUL.
pub const IFNAME_LEN: usize = 16;

/// `struct ps_packet`.
///
/// # Invariants
///
/// While a shared reference to it exists, `data` points to `linear` readable bytes and `mac` (when
/// not null) to `mac_len` readable ones; they move or change only by a method that takes `&mut`.
/// Values come from the shim or from [`user::UserPacket`]; nothing else can make one.
#[repr(C)]
pub struct Packet {
    skb: *mut c_void,
    data: *mut u8,
    linear: u32,
    len: u32,
    state: *const c_void,
    hook: u8,
    family: u8,
    flags: u8,
    more: UnsafeCell<More>,
}

/// The part of it that the host fills in when it is first asked for.
#[repr(C)]
struct More {
    known: u8,
    mac: *mut u8,
    mark: u32,
    priority: u32,
    iif: u32,
    oif: u32,
    vlan: u32,
    mac_len: u16,
    ethertype: u16,
    pkttype: u8,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Packet>() == 88 && align_of::<Packet>() == 8);
    assert!(offset_of!(Packet, skb) == 0 && offset_of!(Packet, data) == 8);
    assert!(offset_of!(Packet, linear) == 16 && offset_of!(Packet, len) == 20);
    assert!(offset_of!(Packet, state) == 24 && offset_of!(Packet, hook) == 32);
    assert!(offset_of!(Packet, family) == 33 && offset_of!(Packet, flags) == 34);
    assert!(offset_of!(Packet, more) == 40 && offset_of!(More, known) == 0);
    assert!(offset_of!(More, mac) == 8 && offset_of!(More, mark) == 16);
    assert!(offset_of!(More, priority) == 20 && offset_of!(More, iif) == 24);
    assert!(offset_of!(More, oif) == 28 && offset_of!(More, vlan) == 32);
    assert!(offset_of!(More, mac_len) == 36 && offset_of!(More, ethertype) == 38);
    assert!(offset_of!(More, pkttype) == 40);
};

/// `enum ps_status`: how a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Status {
    /// A verdict was returned.
    Ok = 0,
    /// A Lua error.
    Error = 1,
    /// Out of fuel.
    Fuel = 2,
    /// Out of memory.
    Memory = 3,
    /// A contained panic, now or earlier.
    Poisoned = 4,
}

/// How a run ended, part by part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunResult {
    /// How the run ended.
    pub status: Status,
    /// `enum ps_verdict`; meaningful when the status is [`Status::Ok`].
    pub verdict: u32,
    /// What the verdict carries: a queue number, the kind of a reject.
    pub operand: u32,
    /// 0, or 1 + the index of the reason that came beside the verdict.
    pub reason: u32,
    /// Fuel used.
    pub fuel: u64,
}

/// `struct ps_result`: the same in two registers. The low byte of `what` is the verdict, the next the
/// status; then 16 bits of the reason and 32 of the operand. So a plain verdict is its own number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Answer {
    /// Everything but the fuel.
    pub what: u64,
    /// Fuel used.
    pub fuel: u64,
}

impl Answer {
    /// The word for a verdict.
    pub const fn verdict(verdict: u32, operand: u32, reason: u32) -> u64 {
        (verdict as u8 as u64) | (reason as u16 as u64) << 16 | (operand as u64) << 32
    }

    /// The word for a run without a verdict.
    pub const fn failure(status: Status) -> u64 {
        (status as u64) << 8
    }

    /// Its parts.
    pub const fn parts(self) -> RunResult {
        RunResult {
            status: match (self.what >> 8) as u8 {
                0 => Status::Ok,
                1 => Status::Error,
                2 => Status::Fuel,
                3 => Status::Memory,
                _ => Status::Poisoned,
            },
            verdict: (self.what & 0xff) as u32,
            operand: (self.what >> 32) as u32,
            reason: (self.what >> 16) as u32 & 0xffff,
            fuel: self.fuel,
        }
    }
}

const _: () = assert!(size_of::<Answer>() == 16 && core::mem::offset_of!(Answer, fuel) == 8);

/// One direction of a connection, as `struct ps_tuple` has it: IPv4 addresses are the first four
/// bytes, ports are in host order (for ICMP: the identifier, and type and code).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Tuple {
    /// From.
    pub src: [u8; 16],
    /// To.
    pub dst: [u8; 16],
    /// From this port.
    pub sport: u16,
    /// To this port.
    pub dport: u16,
}

/// `struct ps_conntrack`: what is known of a packet's connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Conntrack {
    /// A place in [`Conntrack::STATES`].
    pub state: u32,
    /// The connection's mark.
    pub mark: u32,
    /// [`FAMILY_IPV4`] or [`FAMILY_IPV6`]; 0 when the packet is not tracked, and then nothing else
    /// is known.
    pub family: u8,
    /// The transport protocol.
    pub proto: u8,
    /// Nothing.
    pub pad: [u8; 2],
    /// The first packet's direction, and what its answers look like.
    pub tuples: [Tuple; 2],
}

impl Conntrack {
    /// What scripts call the states.
    pub const STATES: [&str; 4] = ["new", "established", "related", "untracked"];
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Tuple>() == 36 && size_of::<Conntrack>() == 84);
    assert!(offset_of!(Tuple, dst) == 16 && offset_of!(Tuple, sport) == 32);
    assert!(offset_of!(Tuple, dport) == 34 && offset_of!(Conntrack, mark) == 4);
    assert!(offset_of!(Conntrack, family) == 8 && offset_of!(Conntrack, proto) == 9);
    assert!(offset_of!(Conntrack, tuples) == 12);
};

/// `struct ps_timed`: what running a timer came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Timed {
    /// How it ended, if one was due.
    pub status: Status,
    /// 1 when one was due and ran.
    pub ran: u32,
    /// When the next one is due, on the clock of [`now_ms`]; [`NEVER`] when none is left.
    pub next: u64,
    /// Fuel used.
    pub fuel: u64,
}

/// No timer is left.
pub const NEVER: u64 = u64::MAX;

const _: () = assert!(
    size_of::<Timed>() == 24
        && core::mem::offset_of!(Timed, ran) == 4
        && core::mem::offset_of!(Timed, next) == 8
        && core::mem::offset_of!(Timed, fuel) == 16
);

/// Asks the host to run the environment's timers at `due` or a little later.
///
/// # Safety
///
/// `cookie` is what the maker of the environment promised its host, as in [`print`].
pub unsafe fn arm_timer(cookie: *mut c_void, due: u64) {
    // SAFETY: the caller vouches for the cookie.
    unsafe { sys::ps_host_timer(cookie, due) }
}

/// Why a store could not be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoStore {
    /// There is no memory for it, or not so much may be used.
    Memory,
    /// Stores are made while a script is loaded, and at no other time.
    NotNow,
    /// The environment has as many as it may.
    TooMany,
}

/// The store of that name, for this environment: memory of that size, all zero, unless there is one
/// already. It is there at least as long as the environment is.
///
/// # Safety
///
/// As [`arm_timer`].
pub unsafe fn open_store(cookie: *mut c_void, name: &[u8], size: u64) -> Result<u32, NoStore> {
    // SAFETY: the name is readable, and the caller vouches for the cookie.
    let handle = unsafe { sys::ps_host_store_open(cookie, name.as_ptr(), name.len(), size) };
    match handle {
        -2 => Err(NoStore::NotNow),
        -3 => Err(NoStore::TooMany),
        handle => u32::try_from(handle).map_err(|_| NoStore::Memory),
    }
}

/// Hands the memory of a store to `f`, which has it for itself meanwhile, and must open no other.
///
/// # Safety
///
/// As [`arm_timer`].
pub unsafe fn with_store<T>(
    cookie: *mut c_void,
    handle: u32,
    f: impl FnOnce(&mut [u8]) -> T,
) -> Option<T> {
    let mut len = 0;
    // SAFETY: the caller vouches for the cookie; the host checks the handle.
    let memory = unsafe { sys::ps_host_store_lock(cookie, handle, &raw mut len) };
    if memory.is_null() {
        return None;
    }
    // SAFETY: the host gives that many bytes to nobody else until they are unlocked.
    let result = f(unsafe { core::slice::from_raw_parts_mut(memory, len) });
    // SAFETY: as above; it is locked.
    unsafe { sys::ps_host_store_unlock(cookie, handle) };
    Some(result)
}

/// Milliseconds of the host's tick clock.
pub fn now_ms() -> u64 {
    sys::ps_host_now_ms()
}

/// A top level has run for a while: others may, for a moment. False when it is to end.
pub fn breathe() -> bool {
    sys::ps_host_breathe()
}

/// Seconds since the epoch.
pub fn unix_time() -> i64 {
    sys::ps_host_unix_time()
}

/// Prints a line. `cookie` is the one of the environment's configuration, `packet` is `None` at load.
///
/// # Safety
///
/// `cookie` is what the maker of the environment promised its host: opaque to the shim's
/// `ps_host_print`, and null or a `*mut user::Print` to the double of user space.
pub unsafe fn print(cookie: *mut c_void, packet: Option<&Packet>, text: &[u8]) {
    let p = packet.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the text is readable for its length, the packet is null or alive, and the caller
    // vouches for the cookie.
    unsafe { sys::ps_host_print(cookie, p, text.as_ptr(), text.len()) }
}

/// A write that the host could not do: no memory, or the range lies outside the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

impl Packet {
    /// The bytes at hand, from the network header on: all of the packet or only its start.
    #[inline]
    pub fn linear(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: the type's invariant; the slice borrows self, so nothing moves meanwhile.
        unsafe { core::slice::from_raw_parts(self.data, self.linear as usize) }
    }

    /// The first `N` bytes, if they are at hand.
    #[inline(always)]
    pub fn head<const N: usize>(&self) -> Option<&[u8; N]> {
        if (self.linear as usize) < N {
            return None;
        }
        // SAFETY: the type's invariant; the array borrows self, so nothing moves meanwhile.
        Some(unsafe { &*self.data.cast::<[u8; N]>() })
    }

    /// What the host fills in when it is asked for.
    fn more(&self) -> &More {
        // SAFETY: the host writes it once, before the only reference to it that there may be: methods
        // that give one borrow the packet, and those that change it need all of it.
        unsafe {
            if (*self.more.get()).known == 0 {
                sys::ps_host_describe(self);
            }
            &*self.more.get()
        }
    }

    /// The Ethernet header: 14 bytes, or none.
    pub fn mac(&self) -> &[u8] {
        let more = self.more();
        if more.mac.is_null() {
            return &[];
        }
        // SAFETY: the type's invariant.
        unsafe { core::slice::from_raw_parts(more.mac, usize::from(more.mac_len)) }
    }

    /// Bytes from the network header to the end of the packet.
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }
    /// A packet without a byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// The Netfilter family of the hook.
    #[inline]
    pub fn family(&self) -> u8 {
        self.family
    }
    /// The hook's number.
    pub fn hook(&self) -> u8 {
        self.hook
    }
    /// The packet mark.
    pub fn mark(&self) -> u32 {
        self.more().mark
    }
    /// The packet priority.
    pub fn priority(&self) -> u32 {
        self.more().priority
    }
    /// Index of the interface it came in by, or 0.
    pub fn iif(&self) -> u32 {
        self.more().iif
    }
    /// Index of the interface it leaves by, or 0.
    pub fn oif(&self) -> u32 {
        self.more().oif
    }
    /// The EtherType in host order.
    #[inline]
    pub fn ethertype(&self) -> u16 {
        self.more().ethertype
    }
    /// `PACKET_HOST` and the like.
    pub fn pkttype(&self) -> u8 {
        self.more().pkttype
    }
    /// `PS_PACKET_*`.
    pub fn flags(&self) -> u8 {
        self.flags
    }
    /// The tag that the interface took off: `0x10000 | tci`, or 0.
    pub fn vlan(&self) -> u32 {
        self.more().vlan
    }

    /// Copies bytes from anywhere in the packet; false when they do not all exist.
    #[must_use]
    pub fn read(&self, offset: u32, to: &mut [u8]) -> bool {
        let start = offset as usize;
        if let Some(end) = start.checked_add(to.len()) {
            if let Some(from) = self.linear().get(start..end) {
                to.copy_from_slice(from);
                return true;
            }
            if end <= self.len as usize {
                // SAFETY: `to` is writable for its length, which is at most the packet's and so
                // fits the parameter.
                return unsafe {
                    sys::ps_host_read(self, offset, to.as_mut_ptr(), to.len() as u32) == 0
                };
            }
        }
        false
    }

    /// Makes the first `len` bytes linear and private; they are then what [`Packet::writable`] is
    /// at least. What [`Packet::linear`] gave before is gone.
    pub fn make_writable(&mut self, len: u32) -> Result<(), Refused> {
        if len > self.len {
            return Err(Refused);
        }
        // SAFETY: self is a live packet of this host.
        let status = unsafe { sys::ps_host_make_writable(self, len) };
        if status == 0 && self.linear >= len {
            Ok(())
        } else {
            Err(Refused)
        }
    }

    /// The first `len` bytes for writing, made linear and private first.
    pub fn writable(&mut self, len: u32) -> Result<&mut [u8], Refused> {
        self.make_writable(len)?;
        if self.data.is_null() {
            return Err(Refused);
        }
        // SAFETY: make_writable succeeded, so `len` bytes at data are linear and nobody else's;
        // the slice borrows self mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.data, len as usize) })
    }

    /// Replaces `old` bytes at `offset` by `new` bytes of room, contents undefined.
    pub fn resize(&mut self, offset: u32, old: u32, new: u32) -> Result<(), Refused> {
        match offset.checked_add(old) {
            Some(end) if end <= self.len => {}
            _ => return Err(Refused),
        }
        // SAFETY: self is a live packet of this host and the range lies inside it.
        if unsafe { sys::ps_host_resize(self, offset, old, new) } == 0 {
            Ok(())
        } else {
            Err(Refused)
        }
    }

    /// Sets the mark.
    pub fn set_mark(&mut self, mark: u32) {
        // SAFETY: self is a live packet of this host.
        unsafe { sys::ps_host_set_mark(self, mark) }
        self.more.get_mut().mark = mark;
    }

    /// Sets the priority.
    pub fn set_priority(&mut self, priority: u32) {
        // SAFETY: self is a live packet of this host.
        unsafe { sys::ps_host_set_priority(self, priority) }
        self.more.get_mut().priority = priority;
    }

    /// The name of the interface it came in by (`out` false) or leaves by; empty for none.
    pub fn ifname<'b>(&self, out: bool, buf: &'b mut [u8; IFNAME_LEN]) -> &'b [u8] {
        // SAFETY: buf holds the 16 bytes that the host may write.
        let len = unsafe { sys::ps_host_ifname(self, u32::from(out), buf.as_mut_ptr()) };
        buf.get(..len).unwrap_or(&[])
    }

    /// What is known of the connection that the packet belongs to.
    pub fn conntrack(&self) -> Option<Conntrack> {
        let mut found = Conntrack::default();
        // SAFETY: self is a live packet of this host, and there is room for the answer.
        let status = unsafe { sys::ps_host_conntrack(self, &raw mut found) };
        (status == 0).then_some(found)
    }

    /// The connection's number, as the host lists it; of a tracked packet only.
    pub fn conntrack_id(&self) -> u32 {
        // SAFETY: self is a live packet of this host.
        unsafe { sys::ps_host_conntrack_id(self) }
    }

    /// Sets the connection's mark.
    pub fn set_conntrack_mark(&mut self, mark: u32) -> Result<(), Refused> {
        // SAFETY: self is a live packet of this host.
        match unsafe { sys::ps_host_conntrack_mark(self, mark) } {
            0 => Ok(()),
            _ => Err(Refused),
        }
    }

    /// Whether the checksum field at `field` holds only the pseudo header's sum, to be completed later.
    pub fn checksum_is_partial(&self, field: u32) -> bool {
        // SAFETY: self is a live packet of this host.
        unsafe { sys::ps_host_csum_partial(self, field) }
    }

    /// Completes a checksum that is left to somebody else, if it is among the bytes from `offset` on,
    /// which are to be replaced.
    pub fn settle_checksum(&mut self, offset: u32) -> Result<(), Refused> {
        // SAFETY: self is a live packet of this host.
        match unsafe { sys::ps_host_csum_settle(self, offset) } {
            0 => Ok(()),
            _ => Err(Refused),
        }
    }
}

/// Seconds of processor time, as C's `clock` has them; in the kernel, whose packets have no process,
/// those since boot.
#[allow(clippy::cast_precision_loss)] // thousandths of seconds do not need all bits
pub fn cpu_seconds() -> f64 {
    #[cfg(feature = "user")]
    {
        user::cpu_seconds()
    }
    #[cfg(not(feature = "user"))]
    {
        now_ms() as f64 / 1000.0
    }
}
