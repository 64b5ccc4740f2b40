// SPDX-License-Identifier: GPL-2.0-only
//! The host in user space: packets in ordinary memory, the clock of the process.
//!
//! A [`UserPacket`] keeps its bytes in two buffers, as a socket buffer does: a linear part, which
//! the engine reads directly, and the rest, which it must ask for. Making more of it linear moves
//! the linear part, so an engine that kept a pointer too long is found out by the tests.

// None of this is linked into the kernel: a panic here is a failed test or a message to a user.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

extern crate std;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::ffi::c_void;
use std::boxed::Box;
use std::io::Write as _;
use std::string::String;
use std::vec::Vec;

use super::{
    Conntrack, FAMILY_ARP, FAMILY_BRIDGE, FAMILY_IPV4, FAMILY_IPV6, FAMILY_NETDEV, IFNAME_LEN,
    More, Packet,
};

/// What `print` and `p:log` write to: the `cookie` of an environment is a `*mut Print`.
pub type Print = Box<dyn FnMut(&[u8])>;

/// What plain Lua writes to the standard streams.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Bytes for the standard output.
    Out(&'a [u8]),
    /// Bytes for the standard error.
    Err(&'a [u8]),
    /// What was written goes out now.
    Flush,
}

/// Who takes it.
pub type Writer = Box<dyn FnMut(Output)>;

std::thread_local! {
    static WRITER: RefCell<Option<Writer>> = const { RefCell::new(None) };
}

/// Makes `writer` take what plain Lua writes in this thread, in place of the process's own streams.
/// Answers the one before.
pub fn set_writer(writer: Option<Writer>) -> Option<Writer> {
    WRITER.with(|slot| slot.replace(writer))
}

/// Writes for plain Lua. Whoever reads it may be gone: that is no error of the program's.
pub fn write(output: Output) {
    WRITER.with(|slot| {
        if let Some(writer) = &mut *slot.borrow_mut() {
            return writer(output);
        }
        let _ = match output {
            Output::Out(bytes) => std::io::stdout().write_all(bytes),
            Output::Err(bytes) => std::io::stderr().write_all(bytes),
            Output::Flush => std::io::stdout().flush(),
        };
    });
}

std::thread_local! {
    static CLOCK: Cell<Option<u64>> = const { Cell::new(None) };
    static EPOCH: Cell<Option<u64>> = const { Cell::new(None) };
    static BREATHS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets top levels of this thread breathe so many times, then ends them; `None` for ever.
pub fn set_breaths(breaths: Option<u64>) {
    BREATHS.with(|left| left.set(breaths));
}

/// How many breaths are left.
pub fn breaths() -> Option<u64> {
    BREATHS.with(Cell::get)
}

pub(super) fn ps_host_breathe() -> bool {
    BREATHS.with(|left| match left.get() {
        None => true,
        Some(0) => false,
        Some(n) => {
            left.set(Some(n - 1));
            true
        }
    })
}

/// Stops this thread's clock at `ms`, for tests of time-outs; `None` lets it run again.
pub fn set_clock(ms: Option<u64>) {
    CLOCK.with(|clock| clock.set(ms));
}

/// Says what time of day it was when this thread's clock stood at 0, in milliseconds since the epoch, for captures that
/// are played back: `os.time` and `os.date` go with the clock then. `None`: the system knows the time.
pub fn set_epoch(ms: Option<u64>) {
    EPOCH.with(|epoch| epoch.set(ms));
}

/// A packet with everything the shim would know about it.
pub struct UserPacket {
    state: Box<State>,
}

/// Behind `skb`: at an address of its own, so that a `UserPacket` may be moved.
struct State {
    raw: Packet,
    linear: Vec<u8>,
    rest: Vec<u8>,
    mac: Vec<u8>,
    names: [String; 2],
    /// Where the checksum begins that is left to the interface, and where it is to be.
    partial: Option<(usize, usize)>,
    refuse: u32,
    /// What is known of its connection, and the connection's number.
    conntrack: Option<(Conntrack, u32)>,
    /// Bytes that are linear and nobody else's by now: writing them needs nothing that may be refused.
    private: usize,
}

impl UserPacket {
    /// A packet from its network header on. The family follows from its version; a packet that
    /// has none is ARP.
    pub fn new(bytes: &[u8]) -> Self {
        let (family, ethertype) = match bytes.first().map(|b| b >> 4) {
            Some(4) => (FAMILY_IPV4, 0x0800),
            Some(6) => (FAMILY_IPV6, 0x86dd),
            _ => (FAMILY_ARP, 0x0806),
        };
        let null = core::ptr::null_mut();
        let raw = Packet {
            skb: null,
            data: null.cast(),
            linear: 0,
            len: 0,
            state: core::ptr::null(),
            family,
            hook: 0,
            flags: 0,
            more: UnsafeCell::new(More {
                known: 0,
                mac: null.cast(),
                mark: 0,
                priority: 0,
                iif: 0,
                oif: 0,
                vlan: 0,
                mac_len: 0,
                ethertype,
                pkttype: 0,
            }),
        };
        let state = State {
            raw,
            linear: bytes.to_vec(),
            rest: Vec::new(),
            mac: Vec::new(),
            names: [String::new(), String::new()],
            partial: None,
            refuse: u32::MAX,
            conntrack: None,
            private: 0,
        };
        let mut packet = Self {
            state: Box::new(state),
        };
        packet.refresh();
        packet
    }

    /// A packet from its Ethernet header on, as a capture file has it. An 802.1Q tag is taken off,
    /// as interfaces do. `None` when the frame ends before its network header.
    pub fn from_frame(frame: &[u8]) -> Option<Self> {
        let mac = frame.get(..14)?;
        let mut ethertype = u16::from_be_bytes([mac[12], mac[13]]);
        let mut at = 14;
        let mut vlan = 0;
        if ethertype == 0x8100 {
            let tag = frame.get(14..18)?;
            vlan = 0x10000 | u32::from(u16::from_be_bytes([tag[0], tag[1]]));
            ethertype = u16::from_be_bytes([tag[2], tag[3]]);
            at = 18;
        }
        let mut packet = Self::new(frame.get(at..)?);
        packet.state.mac = mac.to_vec();
        packet.state.mac[12..].copy_from_slice(&ethertype.to_be_bytes());
        packet.state.raw.family = match ethertype {
            0x0800 => FAMILY_IPV4,
            0x86dd => FAMILY_IPV6,
            0x0806 => FAMILY_ARP,
            _ => FAMILY_NETDEV,
        };
        packet.state.raw.more.get_mut().ethertype = ethertype;
        packet.state.raw.more.get_mut().vlan = vlan;
        packet.refresh();
        Some(packet)
    }

    /// Keeps only the first `linear` bytes where the engine can read them directly.
    #[must_use]
    pub fn with_linear(mut self, linear: usize) -> Self {
        let mut bytes = self.bytes();
        self.state.rest = bytes.split_off(linear.min(bytes.len()));
        self.state.linear = bytes;
        self.refresh();
        self
    }
    /// Gives it an Ethernet header.
    #[must_use]
    pub fn with_mac(mut self, src: [u8; 6], dst: [u8; 6]) -> Self {
        self.state.mac = [
            &dst[..],
            &src[..],
            &self.state.raw.ethertype().to_be_bytes()[..],
        ]
        .concat();
        self.refresh();
        self
    }
    /// Sets the hook (`NF_INET_*`).
    #[must_use]
    pub fn with_hook(mut self, hook: u8) -> Self {
        self.state.raw.hook = hook;
        self
    }
    /// Sees it in the bridge family.
    #[must_use]
    pub fn in_bridge(mut self) -> Self {
        self.state.raw.family = FAMILY_BRIDGE;
        self
    }
    /// Sets the mark.
    #[must_use]
    pub fn with_mark(mut self, mark: u32) -> Self {
        self.state.raw.more.get_mut().mark = mark;
        self
    }
    /// Sets the tag that the interface took off.
    #[must_use]
    pub fn with_vlan(mut self, tci: u16) -> Self {
        self.state.raw.more.get_mut().vlan = 0x10000 | u32::from(tci);
        self
    }
    /// Sets to whom it was sent (`PACKET_*`).
    #[must_use]
    pub fn with_kind(mut self, pkttype: u8) -> Self {
        self.state.raw.more.get_mut().pkttype = pkttype;
        self
    }
    /// Sets the interface that it came in by.
    #[must_use]
    pub fn with_input(mut self, index: u32, name: &str) -> Self {
        self.state.raw.more.get_mut().iif = index;
        self.state.names[0] = name.into();
        self
    }
    /// Sets the interface that it leaves by.
    #[must_use]
    pub fn with_output(mut self, index: u32, name: &str) -> Self {
        self.state.raw.more.get_mut().oif = index;
        self.state.names[1] = name.into();
        self
    }
    /// Sets `PS_PACKET_*`.
    #[must_use]
    pub fn with_flags(mut self, flags: u8) -> Self {
        self.state.raw.flags = flags;
        self
    }
    /// Declares that the L4 checksum is left to the interface (`CHECKSUM_PARTIAL`); put the pseudo
    /// header's sum there with [`super::frame::make_partial`].
    #[must_use]
    pub fn with_partial_checksum(self) -> Self {
        let place = super::frame::checksum_place(&self.bytes());
        match place {
            Some((start, field)) => self.with_partial_checksum_at(start, field),
            None => self,
        }
    }
    /// Declares that the checksum over what begins at `start`, to be at `field`, is left to the
    /// interface: that of a packet in a tunnel, perhaps.
    #[must_use]
    pub fn with_partial_checksum_at(mut self, start: usize, field: usize) -> Self {
        self.state.partial = Some((start, field));
        self
    }
    /// Puts it into a connection, which has a number.
    #[must_use]
    pub fn with_conntrack(mut self, conntrack: Conntrack, id: u32) -> Self {
        self.state.conntrack = Some((conntrack, id));
        self
    }
    /// Refuses writes and resizes after the first `n`, as a host without memory would.
    #[must_use]
    pub fn with_writes(mut self, n: u32) -> Self {
        self.state.refuse = n;
        self
    }

    /// The bytes from the network header on.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.state.linear[..], &self.state.rest[..]].concat()
    }
    /// The Ethernet header, if it has one.
    pub fn mac(&self) -> &[u8] {
        &self.state.mac
    }
    /// The packet mark.
    pub fn mark(&self) -> u32 {
        self.state.raw.mark()
    }
    /// The packet priority.
    pub fn priority(&self) -> u32 {
        self.state.raw.priority()
    }
    /// What is known of its connection.
    pub fn conntrack(&self) -> Option<&Conntrack> {
        self.state
            .conntrack
            .as_ref()
            .map(|(conntrack, _)| conntrack)
    }
    /// The packet as the engine takes it; alive while `self` is and is not moved from.
    pub fn raw(&mut self) -> *mut Packet {
        self.refresh();
        &raw mut self.state.raw
    }

    /// Makes the pointers in `raw` agree with the buffers.
    fn refresh(&mut self) {
        let state: *mut State = &raw mut *self.state;
        // SAFETY: the state is alive and nobody else's: self is borrowed mutably.
        unsafe { State::refresh(state, &raw mut (*state).raw) }
    }
}

impl State {
    /// Says in `raw` where the buffers are. It is written by that pointer alone: whoever calls the host has
    /// the packet to itself, and is not to miss that its bytes moved.
    ///
    /// # Safety
    ///
    /// `this` is alive, `raw` is its packet, and nobody else uses them meanwhile.
    unsafe fn refresh(this: *mut Self, raw: *mut Packet) {
        // SAFETY: the caller's promise; the buffers are no part of the packet.
        unsafe {
            let (linear, rest, mac) = (&mut (*this).linear, &mut (*this).rest, &mut (*this).mac);
            (*raw).skb = this.cast();
            (*raw).data = linear.as_mut_ptr();
            (*raw).linear = linear.len() as u32;
            (*raw).len = (linear.len() + rest.len()) as u32;
            if mac.len() == 14 {
                let more = (*raw).more.get();
                (*more).mac = mac.as_mut_ptr();
                (*more).mac_len = 14;
            }
        }
    }

    /// Counts a write; false when the host is to refuse it.
    fn may_write(&mut self) -> bool {
        self.refuse = match self.refuse {
            0 => return false,
            u32::MAX => u32::MAX,
            n => n - 1,
        };
        true
    }
}

pub(in crate::host) fn ps_host_now_ms() -> u64 {
    CLOCK.with(Cell::get).unwrap_or_else(|| {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START
            .get_or_init(std::time::Instant::now)
            .elapsed()
            .as_millis() as u64
    })
}

/// Seconds of processor time that this process has used.
#[allow(clippy::cast_precision_loss)]
pub(super) fn cpu_seconds() -> f64 {
    unsafe extern "C" {
        safe fn clock() -> core::ffi::c_long;
    }
    // POSIX fixes CLOCKS_PER_SEC.
    clock() as f64 / 1_000_000.0
}

pub(in crate::host) fn ps_host_unix_time() -> i64 {
    if let Some(epoch) = EPOCH.with(Cell::get) {
        return (epoch.saturating_add(ps_host_now_ms()) / 1000) as i64;
    }
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64)
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`], and nobody looks at its second part.
pub(super) unsafe fn ps_host_describe(p: *const Packet) {
    // SAFETY: the caller's promise. All of it was filled in when the packet was made.
    unsafe { (*(*p).more.get()).known = 1 }
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`], and `to` is writable for `len` bytes.
pub(in crate::host) unsafe fn ps_host_read(
    p: *const Packet,
    offset: u32,
    to: *mut u8,
    len: u32,
) -> i32 {
    // SAFETY: the caller's promise; the buffers are only read.
    let (linear, rest, to) = unsafe {
        let state = (*p).skb.cast::<State>();
        (
            &(*state).linear,
            &(*state).rest,
            core::slice::from_raw_parts_mut(to, len as usize),
        )
    };
    for (i, byte) in to.iter_mut().enumerate() {
        let at = offset as usize + i;
        match linear
            .get(at)
            .or_else(|| rest.get(at.wrapping_sub(linear.len())))
        {
            Some(b) => *byte = *b,
            None => return -1,
        }
    }
    0
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`] that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_make_writable(p: *mut Packet, len: u32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        let state = (*p).skb.cast::<State>();
        let linear = &mut (*state).linear;
        if len as usize <= (*state).private.min(linear.len()) && !cfg!(debug_assertions) {
            return 0;
        }
        if len as usize > (*state).private && !(*state).may_write() {
            return -1;
        }
        let rest = &mut (*state).rest;
        let missing = (len as usize).saturating_sub(linear.len());
        if missing > rest.len() {
            return -1;
        }
        // At a new address, as a socket buffer may be; where it is tested, always.
        let mut moved = linear.clone();
        moved.extend(rest.drain(..missing));
        linear.fill(0xdb);
        *linear = moved;
        (*state).private = (*state).private.max(len as usize);
        State::refresh(state, p);
    }
    0
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`] that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_resize(
    p: *mut Packet,
    offset: u32,
    old: u32,
    new: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        let state = (*p).skb.cast::<State>();
        if !(*state).may_write() {
            return -1;
        }
        let (linear, rest) = (&(*state).linear, &(*state).rest);
        let mut all = [&linear[..], &rest[..]].concat();
        let (start, end) = (offset as usize, offset as usize + old as usize);
        if end > all.len() {
            return -1;
        }
        all.splice(start..end, core::iter::repeat_n(0xdb, new as usize));
        (*state).linear.fill(0xdb);
        (*state).rest = all.split_off(all.len().min(start + new as usize));
        (*state).linear = all;
        (*state).private = (*state).linear.len();
        State::refresh(state, p);
    }
    0
}

/// # Safety
///
/// `p` is a packet that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_set_mark(p: *mut Packet, mark: u32) {
    // SAFETY: the caller's promise.
    unsafe { (*p).more.get_mut().mark = mark }
}

/// # Safety
///
/// `p` is a packet that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_set_priority(p: *mut Packet, priority: u32) {
    // SAFETY: the caller's promise.
    unsafe { (*p).more.get_mut().priority = priority }
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`], and `buf` holds 16 bytes.
pub(in crate::host) unsafe fn ps_host_ifname(p: *const Packet, which: u32, buf: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let state = (*p).skb.cast::<State>();
        let name = &(&(*state).names)[usize::from(which != 0)];
        let len = name.len().min(IFNAME_LEN - 1);
        core::ptr::copy_nonoverlapping(name.as_ptr(), buf, len);
        len
    }
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`].
pub(in crate::host) unsafe fn ps_host_csum_partial(p: *const Packet, field: u32) -> bool {
    // SAFETY: the caller's promise.
    let partial = unsafe { (*(*p).skb.cast::<State>()).partial };
    partial.is_some_and(|(_, at)| at == field as usize)
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`] that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_csum_settle(p: *mut Packet, offset: u32) -> i32 {
    // SAFETY: the caller's promise.
    let (partial, len) = unsafe { ((*(*p).skb.cast::<State>()).partial, (*p).len) };
    let Some((start, field)) = partial.filter(|(_, field)| *field >= offset as usize) else {
        return 0;
    };
    // SAFETY: as above.
    if unsafe { ps_host_make_writable(p, len) } != 0 {
        return -1;
    }
    // SAFETY: as above.
    let state = unsafe { &mut *(*p).skb.cast::<State>() };
    let sum = super::frame::sum(&state.linear[start..]);
    state.linear[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    state.partial = None;
    0
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`], and `to` is writable.
pub(in crate::host) unsafe fn ps_host_conntrack(p: *const Packet, to: *mut Conntrack) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        let state = (*p).skb.cast::<State>();
        match (*state).conntrack {
            Some((conntrack, _)) => {
                to.write(conntrack);
                0
            }
            None => -1,
        }
    }
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`].
pub(in crate::host) unsafe fn ps_host_conntrack_id(p: *const Packet) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { (*(*p).skb.cast::<State>()).conntrack }.map_or(0, |(_, id)| id)
}

/// # Safety
///
/// `p` is the raw packet of a live [`UserPacket`] that nobody else uses meanwhile.
pub(in crate::host) unsafe fn ps_host_conntrack_mark(p: *const Packet, mark: u32) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        let state = (*p).skb.cast::<State>();
        match &mut (*state).conntrack {
            Some((conntrack, _)) if conntrack.family != 0 => {
                conntrack.mark = mark;
                0
            }
            _ => -1,
        }
    }
}

/// Timers of user space are run by whoever asks the environment for them.
///
/// # Safety
///
/// Nothing is asked of the caller: the shim's function is unsafe to call, and so its double.
pub(in crate::host) unsafe fn ps_host_timer(_cookie: *mut c_void, _due: u64) {}

/// # Safety
///
/// `cookie` is null or a live `*mut Print` that nobody else uses meanwhile; `text` is readable for
/// `len` bytes.
pub(in crate::host) unsafe fn ps_host_print(
    cookie: *mut c_void,
    _packet: *const Packet,
    text: *const u8,
    len: usize,
) {
    if cookie.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { (*cookie.cast::<Print>())(core::slice::from_raw_parts(text, len)) }
}
