// SPDX-License-Identifier: GPL-2.0-only
//! Writes bytes of the packet and keeps its checksums right.
//!
//! Checksums are updated incrementally (RFC 1624), never made anew: one that was wrong stays wrong.
//! When the checksum of TCP or UDP is left to the interface, its field holds the sum of the pseudo
//! header alone: then addresses and length count, and nothing else.

use super::Current;
use super::fields::Bits;
use super::locate::{Network, Places, Transport, protocol};
use crate::host::at_hand::Header;
use crate::host::{Packet, Refused};

/// Which checksums see a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cover {
    /// None.
    Nothing,
    /// The IPv4 header's.
    Network,
    /// The IPv4 header's, and the transport protocol's through the pseudo header.
    Addresses,
    /// The transport protocol's.
    Transport,
}

/// A one's complement sum of 16-bit words, in network order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; `odd` says that the first is the low half of a word.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8], odd: bool) -> Self {
        let mut bytes = bytes;
        if odd && let Some((first, rest)) = bytes.split_first() {
            self = self.word(u16::from(*first));
            bytes = rest;
        }
        let mut pairs = bytes.chunks_exact(2);
        for pair in &mut pairs {
            if let [high, low] = pair {
                self = self.word(u16::from_be_bytes([*high, *low]));
            }
        }
        match pairs.remainder() {
            [last] => self.word(u16::from_be_bytes([*last, 0])),
            _ => self,
        }
    }

    /// The sum of an even number of bytes; `odd` says that the first is the low half of a word.
    #[inline]
    fn of<const N: usize>(bytes: &[u8; N], odd: bool) -> Self {
        let (words, _) = bytes.as_chunks::<2>();
        let sum = words
            .iter()
            .fold(Self(0), |sum, word| sum.word(u16::from_be_bytes(*word)));
        if odd {
            // The sum of swapped words is the swapped sum (RFC 1071).
            Self(u64::from(sum.fold().swap_bytes()))
        } else {
            sum
        }
    }

    /// Adds a word. The sum of a packet is far from the end of its 64 bits.
    #[must_use]
    #[inline]
    pub fn word(self, word: u16) -> Self {
        Self(self.0.wrapping_add(u64::from(word)))
    }

    /// The sum in 16 bits.
    #[inline]
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff).wrapping_add(sum >> 16);
        }
        sum as u16
    }
}

/// A checksum, after what it covers changed from `old` to `new`.
#[inline]
pub fn updated(check: u16, old: Sum, new: Sum) -> u16 {
    !Sum(0)
        .word(!check)
        .word(!old.fold())
        .word(new.fold())
        .fold()
}

/// The pseudo header's sum in a checksum field, after the same.
fn updated_partial(field: u16, old: Sum, new: Sum) -> u16 {
    Sum(0).word(field).word(!old.fold()).word(new.fold()).fold()
}

impl Current {
    /// The packet, for changes. The next read looks for the headers anew.
    pub fn packet_mut(&mut self) -> Option<&mut Packet> {
        self.changed();
        self.hand.packet_mut()
    }

    /// Says that the packet changed: the next read looks for the headers anew.
    pub fn changed(&mut self) {
        self.unlocate();
        self.hand.close();
    }

    /// Where the transport protocol's checksum is.
    fn transport_check(&self) -> Option<u32> {
        let offset = match self.places.transport {
            Transport::Tcp => 16,
            Transport::Udp => 6,
            Transport::Icmp | Transport::Icmp6 => 2,
            Transport::Ports | Transport::None => return None,
        };
        Some(self.places.l4.wrapping_add(offset))
    }

    /// Where the checksum is that covers a pseudo header with the packet's addresses. ICMP's covers
    /// none, and SCTP's is no sum.
    fn pseudo_check(&self) -> Option<u32> {
        match (self.places.transport, self.places.protocol) {
            (Transport::Ports, protocol::DCCP | protocol::UDPLITE) => {
                Some(self.places.l4.wrapping_add(6))
            }
            (Transport::Icmp, _) => None,
            _ => self.transport_check(),
        }
    }

    /// Whether the checksum at `field` is left to the interface.
    fn is_partial(&self, field: u32) -> bool {
        self.packet()
            .is_some_and(|packet| packet.checksum_is_partial(field))
    }

    /// Writes bytes, an even number of them, into headers, and updates the checksums that cover them.
    pub fn put<const N: usize>(
        &mut self,
        at: u32,
        bytes: [u8; N],
        cover: Cover,
    ) -> Result<(), Refused> {
        let Places {
            network,
            transport,
            l3,
            l4,
            ..
        } = self.places;
        let v4_check = match cover {
            Cover::Network | Cover::Addresses if network == Network::V4 => {
                Some(l3.wrapping_add(10))
            }
            _ => None,
        };
        let l4_check = match cover {
            Cover::Addresses => self.pseudo_check(),
            Cover::Transport => self.transport_check(),
            Cover::Nothing | Cover::Network => None,
        };
        let partial = l4_check.is_some_and(|check| self.is_partial(check));
        let l4_check = l4_check.filter(|_| !partial || cover == Cover::Addresses);
        let mut end = at.checked_add(N as u32).ok_or(Refused)?;
        for check in [v4_check, l4_check].into_iter().flatten() {
            end = end.max(check.wrapping_add(2));
        }
        let data = self.hand.writable(end)?;
        let target = data.get_mut(at as usize..).ok_or(Refused)?;
        let target = target.first_chunk_mut::<N>().ok_or(Refused)?;
        let odd = cover == Cover::Transport && at.wrapping_sub(l4) & 1 != 0;
        let (old, new) = (Sum::of(target, odd), Sum::of(&bytes, odd));
        *target = bytes;
        if let Some(check) = v4_check {
            rewrite(data, check, |field| updated(field, old, new))?;
        }
        if let Some(check) = l4_check {
            update_transport(data, check, transport, partial, old, new)?;
        }
        Ok(())
    }

    /// Writes a field of an IPv4 header that is open; false when it cannot be written.
    #[inline(never)]
    pub fn put_v4(&mut self, bits: Bits, n: u32) -> bool {
        self.put_open(bits, n).is_ok()
    }

    #[inline(always)]
    fn put_open(&mut self, bits: Bits, n: u32) -> Result<(), Refused> {
        let at = self.hand.offset(Header::V4).ok_or(Refused)?;
        self.unlocate();
        let data = self.hand.writable(at.wrapping_add(20))?;
        let header = data.get_mut(at as usize..).ok_or(Refused)?;
        let header = header.first_chunk_mut::<20>().ok_or(Refused)?;
        let (words, _) = header.as_chunks_mut::<4>();
        let word = words.get_mut(usize::from(bits.word)).ok_or(Refused)?;
        // The sum of swapped words is the swapped sum (RFC 1071): all of it stays in network order.
        let in_word = |n: u32| n.wrapping_shl(u32::from(bits.shift)).to_be();
        let old = u32::from_ne_bytes(*word);
        let new = old & !in_word(bits.mask()) | in_word(n);
        *word = new.to_ne_bytes();
        let halves = |word: u32| (word >> 16).wrapping_add(word & 0xffff);
        let check = u16::from_ne_bytes([header[10], header[11]]);
        let sum = halves(!old)
            .wrapping_add(halves(new))
            .wrapping_add(u32::from(!check));
        // Five halves: what is carried over is less than five, and then at most one.
        let check = !halves(halves(sum)) as u16;
        [header[10], header[11]] = check.to_ne_bytes();
        Ok(())
    }

    /// Writes a field that is some bits of a word; `None` when the packet has no such field that could be
    /// written.
    #[inline]
    pub fn put_bits(&mut self, bits: Bits, n: u32) -> Option<Result<(), Refused>> {
        if bits.header == Header::Ports && self.places.transport == Transport::Ports {
            return None;
        }
        let at = self.header_at(bits.header)?;
        let at = at.wrapping_add(u32::from(bits.word).wrapping_mul(4));
        let old = self.u32_at(at)?;
        let shift = u32::from(bits.shift);
        let word = old & !bits.mask().unbounded_shl(shift) | n.unbounded_shl(shift);
        let cover = match bits.header {
            Header::V4 => Cover::Network,
            Header::V6 | Header::Arp => Cover::Nothing,
            _ => Cover::Transport,
        };
        Some(self.put(at, word.to_be_bytes(), cover))
    }

    /// Replaces the payload of TCP, UDP, ICMP or ICMPv6, of any length; the caller has checked that
    /// the packet does not become too long.
    pub fn replace_payload(&mut self, new: &[u8]) -> Result<(), Refused> {
        let places = self.places;
        let (from, old_len) = self.payload_place().ok_or(Refused)?;
        let check = self.transport_check().ok_or(Refused)?;
        let partial = self.is_partial(check);
        self.packet_mut().ok_or(Refused)?.settle_checksum(from)?;
        let before = self.sum_of(from, old_len)?;
        let after = Sum(0).bytes(new, false);
        let new_len = new.len() as u32;
        let end = from.checked_add(new_len).ok_or(Refused)?;
        let packet = self.packet_mut().ok_or(Refused)?;
        if new_len != old_len {
            packet.resize(from, old_len, new_len)?;
        }
        let data = packet.writable(end)?;
        let target = data
            .get_mut(from as usize..)
            .and_then(|rest| rest.get_mut(..new.len()))
            .ok_or(Refused)?;
        target.copy_from_slice(new);
        // The lengths that say how much it is, and what they mean for the checksums.
        let grown = |len: u16| (u32::from(len).wrapping_add(new_len).wrapping_sub(old_len)) as u16;
        let segment = from.wrapping_sub(places.l4) as u16;
        let old_length = segment.wrapping_add(old_len as u16);
        let (mut old, mut new) = (Sum(0), Sum(0));
        if !partial {
            (old, new) = (before, after);
        }
        if new_len != old_len {
            let length_at =
                places
                    .l3
                    .wrapping_add(if places.network == Network::V4 { 2 } else { 4 });
            let (was, is) = rewrite(data, length_at, grown)?;
            if places.network == Network::V4 {
                let check = places.l3.wrapping_add(10);
                let (was, is) = (Sum(0).word(was), Sum(0).word(is));
                rewrite(data, check, |field| updated(field, was, is))?;
            }
            if places.transport != Transport::Icmp {
                (old, new) = (old.word(old_length), new.word(grown(old_length)));
            }
            if places.transport == Transport::Udp {
                let (was, is) = rewrite(data, places.l4.wrapping_add(4), grown)?;
                if !partial {
                    (old, new) = (old.word(was), new.word(is));
                }
            }
        }
        update_transport(data, check, places.transport, partial, old, new)
    }

    /// The sum of bytes of the packet, linear or not.
    fn sum_of(&self, from: u32, len: u32) -> Result<Sum, Refused> {
        if let Some(bytes) = self.bytes(from, len) {
            return Ok(Sum(0).bytes(bytes, false));
        }
        let mut sum = Sum(0);
        let mut piece = [0; 128];
        let mut done = 0;
        while done < len {
            let count = len.wrapping_sub(done).min(128);
            let part = piece.get_mut(..count as usize).ok_or(Refused)?;
            if !self.fetch(from.wrapping_add(done), part) {
                return Err(Refused);
            }
            sum = sum.bytes(part, false);
            done = done.wrapping_add(count);
        }
        Ok(sum)
    }
}

/// Replaces the 16-bit word at `at` by what `f` makes of it; gives both.
fn rewrite(data: &mut [u8], at: u32, f: impl FnOnce(u16) -> u16) -> Result<(u16, u16), Refused> {
    let range = at as usize..(at as usize).wrapping_add(2);
    let word = data
        .get_mut(range)
        .and_then(|bytes| bytes.first_chunk_mut::<2>())
        .ok_or(Refused)?;
    let old = u16::from_be_bytes(*word);
    let new = f(old);
    *word = new.to_be_bytes();
    Ok((old, new))
}

/// Updates the transport protocol's checksum. A UDP packet without one stays without, and one whose
/// checksum comes out as 0 carries its other form, as UDP-Lite's do.
fn update_transport(
    data: &mut [u8],
    at: u32,
    transport: Transport,
    partial: bool,
    old: Sum,
    new: Sum,
) -> Result<(), Refused> {
    rewrite(data, at, |field| match (partial, transport) {
        (true, _) => updated_partial(field, old, new),
        (false, Transport::Udp) if field == 0 => 0,
        // Where 0 means none, and where it must not be.
        (false, Transport::Udp | Transport::Ports) => match updated(field, old, new) {
            0 => 0xffff,
            check => check,
        },
        (false, _) => updated(field, old, new),
    })?;
    Ok(())
}
