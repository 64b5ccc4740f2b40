// SPDX-License-Identifier: GPL-2.0-only
//! The packet at hand, and windows to its headers for reads of a dozen instructions.
//!
//! Where the headers lie is found once per packet, when the first field is asked for. Each header
//! that lies in the linear part gets a window: a pointer to its start and a bit in `present`. A read
//! through a [`Place`] then is: is the bit set, load the word. Whatever may move or change bytes
//! closes all windows first, so a window never outlives what it shows.

use super::{Packet, Refused};

/// A header that windows are made to. The bit and the slot of each follow from its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Header {
    /// IPv4, fixed part.
    V4,
    /// IPv6, fixed part.
    V6,
    /// ARP, fixed part.
    Arp,
    /// TCP, fixed part.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, first eight bytes.
    Icmp,
    /// ICMPv6, first eight bytes.
    Icmp6,
    /// The two ports that TCP, UDP, UDP-Lite, SCTP and DCCP start with.
    Ports,
}

impl Header {
    /// Its bit in `present`.
    const fn bit(self) -> u16 {
        1 << self as u8
    }
    /// Bytes that must be linear for a window.
    pub const fn fixed_len(self) -> u32 {
        match self {
            Self::V4 | Self::Tcp => 20,
            Self::V6 => 40,
            Self::Arp | Self::Udp | Self::Icmp | Self::Icmp6 => 8,
            Self::Ports => 4,
        }
    }
    /// Network-layer headers share one window, transport headers the other.
    const fn slot(self) -> u8 {
        match self {
            Self::V4 | Self::V6 | Self::Arp => 0,
            Self::Tcp | Self::Udp | Self::Icmp | Self::Icmp6 | Self::Ports => 1,
        }
    }
}

/// In `present`: see [`AtHand::has_text`].
const TEXT: u16 = 1 << 15;

/// The bits of the network-layer headers.
const NETWORK: u16 = Header::V4.bit() | Header::V6.bit() | Header::Arp.bit();

/// One 32-bit word of a header, known at compile time to lie in its fixed part.
///
/// # Invariants
///
/// The word at `byte` lies in the fixed part of the header that `need` and `slot` come from, and
/// `slot` is 0 or 1. An empty `need` names no header.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    need: u16,
    slot: u8,
    byte: u8,
}

impl Place {
    /// Word number `word` of `header`. A word outside its fixed part does not compile.
    pub const fn new(header: Header, word: u8) -> Self {
        assert!(
            (word as u32) < header.fixed_len() / 4,
            "not in the fixed part of the header"
        );
        Self {
            need: header.bit(),
            slot: header.slot(),
            byte: word.wrapping_mul(4),
        }
    }
    /// No place: never found.
    pub const NONE: Self = Self {
        need: 0,
        slot: 0,
        byte: 0,
    };
}

/// What was found out about the packet at hand, so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// Windows were opened.
    Windows,
    /// The same, and where the headers are.
    Places,
}

/// The packet at hand.
///
/// # Invariants
///
/// `packet` is null, or alive and used by nobody else. A bit in `present` means that `windows` at
/// the slot of that header points to at least its fixed part, in memory that stays as it is until
/// the bit is cleared.
#[derive(Debug)]
#[repr(C)]
pub struct AtHand {
    serial: u32,
    present: u16,
    /// How much was found out about it.
    pub known: Known,
    /// Every header that the packet has is open: what is not open is not there.
    pub complete: bool,
    windows: [*const u8; 2],
    packet: *mut Packet,
}

impl AtHand {
    /// No packet.
    pub const fn new() -> Self {
        Self {
            serial: 0,
            present: 0,
            known: Known::Nothing,
            complete: false,
            windows: [core::ptr::null(); 2],
            packet: core::ptr::null_mut(),
        }
    }

    /// A run begins: views of earlier packets become stale.
    ///
    /// # Safety
    ///
    /// `packet` is null, or keeps [`Packet`]'s invariants and is used by nobody else until
    /// [`AtHand::finish`].
    #[inline(always)]
    pub unsafe fn begin(&mut self, packet: *mut Packet) {
        self.serial = self.serial.wrapping_add(1);
        self.present = 0;
        self.known = Known::Nothing;
        self.complete = false;
        self.packet = packet;
    }

    /// The run ends: the packet is forgotten, and nothing is looked for any more.
    #[inline(always)]
    pub fn finish(&mut self) {
        self.present = 0;
        self.known = Known::Places;
        self.complete = false;
        self.packet = core::ptr::null_mut();
    }

    /// The number of this packet: values that show it carry it along.
    #[inline(always)]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The word at `place`, in host order, if its header is open.
    #[inline(always)]
    pub fn word(&self, place: Place) -> Option<u32> {
        if self.present & place.need == 0 {
            return None;
        }
        // SAFETY: a place's slot is 0 or 1. The bit is set, so the window there shows the fixed part
        // of that header, in which the word lies.
        let raw = unsafe {
            let window = *self.windows.get_unchecked(usize::from(place.slot));
            window
                .add(usize::from(place.byte))
                .cast::<u32>()
                .read_unaligned()
        };
        Some(u32::from_be(raw))
    }

    /// Whether the header of a place is open.
    #[inline(always)]
    pub fn shows(&self, place: Place) -> bool {
        self.present & place.need != 0
    }

    /// Whether a header is open.
    #[inline(always)]
    pub fn has(&self, header: Header) -> bool {
        self.present & header.bit() != 0
    }

    /// Where an open header begins.
    pub fn offset(&self, header: Header) -> Option<u32> {
        let window = *self.windows.get(usize::from(header.slot()))?;
        let start = self.packet()?.linear().as_ptr();
        self.has(header)
            .then(|| window.addr().wrapping_sub(start.addr()) as u32)
    }

    /// Opens a window to a header at `offset`, if its fixed part is linear.
    pub fn open(&mut self, header: Header, offset: u32) {
        let Some(packet) = self.packet() else { return };
        let start = offset as usize;
        let Some(end) = start.checked_add(header.fixed_len() as usize) else {
            return;
        };
        let Some(bytes) = packet.linear().get(start..end) else {
            return;
        };
        let at = bytes.as_ptr();
        let Some(window) = self.windows.get_mut(usize::from(header.slot())) else {
            return;
        };
        if *window != at {
            self.present &= if header.slot() == 0 {
                !NETWORK
            } else {
                NETWORK | TEXT
            };
            *window = at;
        }
        self.present |= header.bit();
    }

    /// Opens windows to the first bytes of the packet as `network` and to `transport` and its
    /// ports at `offset`, and closes all others, if all of it is linear. `offset` is at least the
    /// fixed part of `network`.
    #[inline(always)]
    pub fn open_both(&mut self, network: Header, transport: Header, offset: u32) -> bool {
        let Some(packet) = self.packet() else {
            return false;
        };
        let linear = packet.linear();
        let end = (offset as usize).wrapping_add(transport.fixed_len() as usize);
        if offset < network.fixed_len() || end > linear.len() {
            return false;
        }
        let at = linear.as_ptr();
        // SAFETY: offset < end <= the slice's length.
        let behind = unsafe { at.add(offset as usize) };
        self.windows = [at, behind];
        self.present = network.bit() | transport.bit() | Header::Ports.bit();
        true
    }

    /// Whether a text was made of the packet as it is, as it was told by [`AtHand::set_text`].
    #[inline(always)]
    pub fn has_text(&self) -> bool {
        self.present & TEXT != 0
    }

    /// Remembers that one was, until the packet changes or goes.
    #[inline(always)]
    pub fn set_text(&mut self) {
        self.present |= TEXT;
    }

    /// Closes every window.
    pub fn close(&mut self) {
        self.present = 0;
    }

    /// The packet, for reading.
    #[inline]
    pub fn packet(&self) -> Option<&Packet> {
        // SAFETY: null, or alive and nobody else's by the type's invariant.
        unsafe { self.packet.as_ref() }
    }

    /// The packet, for changes: closes every window.
    pub fn packet_mut(&mut self) -> Option<&mut Packet> {
        self.present = 0;
        // SAFETY: as above, and no window is left that could see the change.
        unsafe { self.packet.as_mut() }
    }

    /// Makes the first `len` bytes writable and gives them; closes every window.
    pub fn writable(&mut self, len: u32) -> Result<&mut [u8], Refused> {
        self.packet_mut().ok_or(Refused)?.writable(len)
    }
}

impl Default for AtHand {
    fn default() -> Self {
        Self::new()
    }
}
