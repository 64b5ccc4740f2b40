// SPDX-License-Identifier: GPL-2.0-only
//! Finds the headers of a packet, once, when its first field is asked for.
//!
//! A header counts as there when its fixed part lies within the packet and says nothing impossible;
//! anything truncated or malformed is absent, and so is all that it would carry. Extension headers
//! of IPv6 are skipped. A fragment that is not the first has no transport header.

use super::Current;
use super::fields::{HOT, Hot};
use crate::host::at_hand::{Header, Known, Place};
use crate::host::{FAMILY_ARP, FAMILY_IPV4, FAMILY_IPV6};

/// IP protocol numbers.
pub mod protocol {
    #![allow(missing_docs)]
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const DCCP: u8 = 33;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
    pub const UDPLITE: u8 = 136;
}

/// IPv6 extension headers that are looked behind; what comes after more is absent.
const EXTENSIONS: u32 = 8;

/// The network header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// None that is known, or a broken one.
    None,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// ARP for IPv4 over Ethernet.
    Arp,
}

/// The transport header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// None that is known, a broken one, or in another fragment.
    None,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// A protocol that starts with two ports: UDP-Lite, SCTP, DCCP.
    Ports,
}

/// Where everything is: offsets from the network header of the packet as the hook saw it.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Which network header, and where: behind VLAN tags that are still in the packet.
    pub network: Network,
    /// Which transport header.
    pub transport: Transport,
    /// The transport protocol's number, where an IP header says it.
    pub protocol: u8,
    /// Whether this is a fragment, the first included.
    pub fragment: bool,
    /// Offset of the network header.
    pub l3: u32,
    /// Offset of the transport header, or of what the IP header carries when there is none.
    pub l4: u32,
    /// Offset of what the transport header carries; `end` when there is no transport header.
    pub payload: u32,
    /// The end of the IP packet: not of what Ethernet padded it with.
    pub end: u32,
    /// IPv6: a routing header says that the destination is a stage on the way: the pseudo header has
    /// the last one's address.
    pub routed: bool,
    /// IPv6: offset of the fragment header, or 0.
    pub fragment_header: u32,
    /// The tag control information of a VLAN tag that is still in the packet, plus 0x10000; or 0.
    pub vlan: u32,
    /// The EtherType behind such tags.
    pub ethertype: u16,
}

impl Places {
    /// Nothing found.
    pub const NONE: Self = Self {
        network: Network::None,
        transport: Transport::None,
        protocol: 0,
        fragment: false,
        routed: false,
        l3: 0,
        l4: 0,
        payload: 0,
        end: 0,
        fragment_header: 0,
        vlan: 0,
        ethertype: 0,
    };
}

impl Current {
    /// Whether it is known where the headers are.
    #[inline(always)]
    pub fn is_located(&self) -> bool {
        self.hand.known == Known::Places
    }

    /// Finds the headers and opens windows to those that are linear. Costs nothing a second time.
    #[inline]
    pub fn locate(&mut self) {
        if !self.is_located() {
            self.find();
        }
    }

    /// The headers are to be found anew.
    pub(super) fn unlocate(&mut self) {
        self.hand.known = Known::Nothing;
        self.hand.complete = false;
    }

    /// Opens windows, where none was tried yet, of a packet of IPv4 in its usual form; false when it is none.
    #[inline(always)]
    pub fn look_usual(&mut self) -> bool {
        self.hand.known != Known::Nothing || self.open_usual_v4().is_some()
    }

    /// Opens windows for the first field that is asked for. Where everything is, a usual packet need
    /// not know for that.
    #[inline(never)]
    pub(super) fn try_windows(&mut self) {
        if self.open_usual().is_none() {
            self.find();
        }
    }

    /// Opens the windows of whole TCP or UDP whose headers are linear, over IPv4 without options or
    /// IPv6 without extensions; `None` for anything else, and for anything odd. [`Current::find`] opens
    /// the same.
    #[inline(always)]
    fn open_usual(&mut self) -> Option<()> {
        if self.hand.packet()?.family() == FAMILY_IPV4 {
            self.open_usual_v4()
        } else {
            self.open_usual_v6()
        }
    }

    #[inline(always)]
    fn open_usual_v4(&mut self) -> Option<()> {
        let packet = self.hand.packet()?;
        let head = packet.head::<28>()?;
        let total = u32::from(u16::from_be_bytes([head[2], head[3]]));
        if packet.family() != FAMILY_IPV4
            || head[0] != 0x45
            || u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0
            || total > packet.len()
        {
            return None;
        }
        let opened = if head[9] == protocol::UDP {
            let said = u32::from(u16::from_be_bytes([head[24], head[25]]));
            if said < 8 || said.wrapping_add(20) > total {
                return None;
            }
            self.hand.open_both(Header::V4, Header::Udp, 20)
        } else if head[9] == protocol::TCP {
            let head = packet.head::<40>()?;
            let carried = u32::from(head[32] >> 4).wrapping_mul(4);
            if carried < 20 || carried.wrapping_add(20) > total {
                return None;
            }
            self.hand.open_both(Header::V4, Header::Tcp, 20)
        } else {
            false
        };
        self.opened(opened, &HOT[0])
    }

    #[inline(never)]
    fn open_usual_v6(&mut self) -> Option<()> {
        let packet = self.hand.packet()?;
        let head = packet.head::<48>()?;
        let carried = u32::from(u16::from_be_bytes([head[4], head[5]]));
        if packet.family() != FAMILY_IPV6
            || head[0] >> 4 != 6
            || carried.wrapping_add(40) > packet.len()
        {
            return None;
        }
        let opened = if head[6] == protocol::UDP {
            let said = u32::from(u16::from_be_bytes([head[44], head[45]]));
            if said < 8 || said > carried {
                return None;
            }
            self.hand.open_both(Header::V6, Header::Udp, 40)
        } else if head[6] == protocol::TCP {
            let head = packet.head::<60>()?;
            let size = u32::from(head[52] >> 4).wrapping_mul(4);
            if size < 20 || size > carried {
                return None;
            }
            self.hand.open_both(Header::V6, Header::Tcp, 40)
        } else {
            false
        };
        self.opened(opened, &HOT[1])
    }

    /// Every window that the packet can have was opened, if they were.
    #[inline(always)]
    fn opened(&mut self, opened: bool, hot: &'static [Hot; 256]) -> Option<()> {
        if !opened {
            return None;
        }
        self.hot = hot;
        self.hand.known = Known::Windows;
        self.hand.complete = true;
        Some(())
    }

    #[inline(never)]
    fn find(&mut self) {
        self.hand.known = Known::Places;
        if self.find_usual().is_some() {
            self.hand.complete = true;
        } else {
            self.find_unusual();
        }
    }

    #[inline(never)]
    fn find_unusual(&mut self) {
        self.find_any();
        self.hand.complete = self.is_complete();
    }

    /// Whether each header that was found is open.
    fn is_complete(&self) -> bool {
        let network = match self.places.network {
            Network::None => true,
            Network::V4 => self.hand.has(Header::V4),
            Network::V6 => self.hand.has(Header::V6),
            Network::Arp => self.hand.has(Header::Arp),
        };
        network
            && match self.places.transport {
                Transport::None => true,
                Transport::Tcp => self.hand.has(Header::Tcp),
                Transport::Udp => self.hand.has(Header::Udp),
                Transport::Icmp => self.hand.has(Header::Icmp),
                Transport::Icmp6 => self.hand.has(Header::Icmp6),
                Transport::Ports => self.hand.has(Header::Ports),
            }
    }

    /// The general way.
    fn find_any(&mut self) {
        self.hand.close();
        self.places = Places::NONE;
        let Some(packet) = self.hand.packet() else {
            return;
        };
        let (len, mut ethertype) = (packet.len(), packet.ethertype());
        match packet.family() {
            FAMILY_IPV4 => ethertype = 0x0800,
            FAMILY_IPV6 => ethertype = 0x86dd,
            FAMILY_ARP => ethertype = 0x0806,
            _ => self.skip_tags(&mut ethertype),
        }
        self.places.ethertype = ethertype;
        self.places.end = len;
        self.places.payload = len;
        match ethertype {
            0x0800 => self.find_v4(len),
            0x86dd => self.find_v6(len),
            0x0806 => self.find_arp(),
            _ => {}
        }
    }

    /// The usual packet in one go: whole TCP or UDP over IPv4 with linear headers. Anything else,
    /// and anything odd, is `None` and left to the general way, which this must agree with.
    #[inline(always)]
    fn find_usual(&mut self) -> Option<()> {
        let packet = self.hand.packet()?;
        let linear = packet.linear();
        let head = linear.first_chunk::<20>()?;
        let total = u32::from(u16::from_be_bytes([head[2], head[3]]));
        let l4 = u32::from(head[0] & 15).wrapping_mul(4);
        let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
        if packet.family() != FAMILY_IPV4
            || head[0] >> 4 != 4
            || l4 < 20
            || total > packet.len()
            || fragment != 0
        {
            return None;
        }
        let protocol = head[9];
        let segment = linear.get(l4 as usize..)?;
        let (transport, payload, end);
        if protocol == protocol::UDP {
            let udp = segment.first_chunk::<8>()?;
            let said = u32::from(u16::from_be_bytes([udp[4], udp[5]]));
            end = l4.wrapping_add(said);
            if said < 8 || end > total || !self.hand.open_both(Header::V4, Header::Udp, l4) {
                return None;
            }
            transport = Transport::Udp;
            payload = l4.wrapping_add(8);
        } else if protocol == protocol::TCP {
            let tcp = segment.first_chunk::<20>()?;
            let carried = u32::from(tcp[12] >> 4).wrapping_mul(4);
            payload = l4.wrapping_add(carried);
            end = total;
            if carried < 20 || payload > end || !self.hand.open_both(Header::V4, Header::Tcp, l4) {
                return None;
            }
            transport = Transport::Tcp;
        } else {
            return None;
        }
        self.hot = &HOT[0];
        self.places = Places {
            network: Network::V4,
            transport,
            protocol,
            fragment: false,
            routed: false,
            l3: 0,
            l4,
            payload,
            end,
            fragment_header: 0,
            vlan: 0,
            ethertype: 0x0800,
        };
        Some(())
    }

    /// The word at `place` if its header is open, else the one at `offset` if it exists.
    #[inline(always)]
    fn word_or(&self, place: Place, offset: u32) -> Option<u32> {
        self.hand.word(place).or_else(|| self.u32_at(offset))
    }

    /// Steps over VLAN tags that are still in front of the network header, two at most.
    fn skip_tags(&mut self, ethertype: &mut u16) {
        for _ in 0..2 {
            if *ethertype != 0x8100 && *ethertype != 0x88a8 {
                return;
            }
            let Some(tag) = self.u32_at(self.places.l3) else {
                return;
            };
            if self.places.vlan == 0 {
                self.places.vlan = 0x10000 | tag >> 16;
            }
            *ethertype = tag as u16;
            self.places.l3 = self.places.l3.wrapping_add(4);
        }
    }

    fn find_v4(&mut self, len: u32) {
        let l3 = self.places.l3;
        self.hand.open(Header::V4, l3);
        let (Some(word0), Some(word1), Some(word2)) = (
            self.word_or(Place::new(Header::V4, 0), l3),
            self.word_or(Place::new(Header::V4, 1), l3.wrapping_add(4)),
            self.word_or(Place::new(Header::V4, 2), l3.wrapping_add(8)),
        ) else {
            return;
        };
        let header = (word0 >> 22) & 0x3c;
        let room = len.saturating_sub(l3);
        // A total length of 0 stands for a segment too large for the field.
        let total = match word0 & 0xffff {
            0 => room,
            total => total.min(room),
        };
        if word0 >> 28 != 4 || header < 20 || total < header {
            self.hand.close();
            return;
        }
        self.hot = &HOT[0];
        self.places.network = Network::V4;
        self.places.protocol = (word2 >> 16) as u8;
        self.places.fragment = word1 & 0x3fff != 0;
        self.places.l4 = l3.wrapping_add(header);
        self.places.end = l3.wrapping_add(total);
        self.places.payload = self.places.end;
        // A fragment offset of 0.
        if word1.unbounded_shl(19) == 0 {
            self.find_transport();
        }
    }

    fn find_v6(&mut self, len: u32) {
        let l3 = self.places.l3;
        self.hand.open(Header::V6, l3);
        let (Some(word0), Some(word1)) = (
            self.word_or(Place::new(Header::V6, 0), l3),
            self.word_or(Place::new(Header::V6, 1), l3.wrapping_add(4)),
        ) else {
            return;
        };
        let room = len.saturating_sub(l3);
        // A payload length of 0 stands for a jumbogram or a segment too large for the field.
        let total = match word1 >> 16 {
            0 => room,
            payload => payload.wrapping_add(40).min(room),
        };
        if word0 >> 28 != 6 || total < 40 {
            self.hand.close();
            return;
        }
        self.hot = &HOT[1];
        self.places.network = Network::V6;
        self.places.end = l3.wrapping_add(total);
        self.places.payload = self.places.end;
        let mut next = (word1 >> 8) as u8;
        let mut at = l3.wrapping_add(40);
        for _ in 0..EXTENSIONS {
            // What each kind says about its length: in units of 8 bytes beyond the first 8, in
            // units of 4 beyond 8 for authentication, always 8 for a fragment.
            let (unit, fragment) = match next {
                0 | 43 | 60 | 135 | 139 | 140 => (8, false),
                51 => (4, false),
                44 => (0, true),
                _ => break,
            };
            let Some(head) = self.u32_at(at) else { break };
            let size = (head >> 16 & 0xff).wrapping_mul(unit).wrapping_add(8);
            let behind = at.wrapping_add(size);
            if behind > self.places.end {
                break;
            }
            if fragment {
                self.places.fragment = head & 0xfff9 != 0;
                self.places.fragment_header = at;
            }
            // Segments left.
            self.places.routed |= next == 43 && head & 0xff != 0;
            next = (head >> 24) as u8;
            at = behind;
            if fragment && head & 0xfff8 != 0 {
                self.places.protocol = next;
                self.places.l4 = at;
                return;
            }
        }
        self.places.protocol = next;
        self.places.l4 = at;
        self.find_transport();
    }

    fn find_arp(&mut self) {
        let l3 = self.places.l3;
        let (Some(word0), Some(word1)) = (self.u32_at(l3), self.u32_at(l3.wrapping_add(4))) else {
            return;
        };
        let whole = self.places.end.saturating_sub(l3) >= 28;
        if whole && word0 == 0x0001_0800 && word1 >> 16 == 0x0604 {
            self.places.network = Network::Arp;
            self.hand.open(Header::Arp, l3);
        }
    }

    fn find_transport(&mut self) {
        let l4 = self.places.l4;
        let room = self.places.end.saturating_sub(l4);
        let (transport, header, size) = match self.places.protocol {
            protocol::TCP => (Transport::Tcp, Header::Tcp, 20),
            protocol::UDP => (Transport::Udp, Header::Udp, 8),
            protocol::ICMP if self.places.network == Network::V4 => {
                (Transport::Icmp, Header::Icmp, 8)
            }
            protocol::ICMPV6 if self.places.network == Network::V6 => {
                (Transport::Icmp6, Header::Icmp6, 8)
            }
            protocol::SCTP | protocol::DCCP => (Transport::Ports, Header::Ports, 12),
            protocol::UDPLITE => (Transport::Ports, Header::Ports, 8),
            _ => return,
        };
        if room < size {
            return;
        }
        let mut carried = size;
        if transport == Transport::Tcp {
            let Some(word) = self.u32_at(l4.wrapping_add(12)) else {
                return;
            };
            carried = word >> 26 & 0x3c;
            if carried < 20 || carried > room {
                return;
            }
        } else if transport == Transport::Udp {
            // The UDP length bounds what is carried.
            let Some(word) = self.u32_at(l4.wrapping_add(4)) else {
                return;
            };
            let said = word >> 16;
            if said < 8 {
                return;
            }
            if !self.places.fragment {
                self.places.end = l4.wrapping_add(said.min(room));
            }
        }
        self.places.transport = transport;
        self.places.payload = l4.wrapping_add(carried);
        self.hand.open(header, l4);
        if matches!(transport, Transport::Tcp | Transport::Udp) {
            self.hand.open(Header::Ports, l4);
        }
    }
}
