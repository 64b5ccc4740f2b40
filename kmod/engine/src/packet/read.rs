// SPDX-License-Identifier: GPL-2.0-only
//! Reads fields of the packet at hand: everything that needs no memory of the environment.

use super::Current;
use super::fields::{Bits, Field, Kind, What};
use super::locate::{Network, Transport};
use crate::host::at_hand::{Header, Known, Place};
use crate::host::{FAMILY_ARP, FAMILY_BRIDGE, FAMILY_IPV4, FAMILY_IPV6, FAMILY_NETDEV, IFNAME_LEN};
use crate::value::Value;

/// What a field holds. The environment makes a value of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Got {
    /// The packet does not have it.
    Nil,
    /// A boolean.
    Flag(bool),
    /// An integer.
    Int(i64),
    /// An IPv4 address.
    Addr4(u32),
    /// An IPv6 address.
    Addr6([u8; 16]),
    /// A view of a part, at an offset.
    View(Kind, u32),
    /// Bytes of the packet: offset and length.
    Bytes(u32, u32),
    /// A text from a fixed list.
    Name(&'static str),
    /// A short text made for the purpose.
    Text(Text),
    /// A field that [`Current::read`] leaves to the dissector of its view.
    Dissected,
}

/// A short text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    bytes: [u8; 40],
    len: u8,
}

impl Text {
    /// The empty text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; 40],
            len: 0,
        }
    }
    /// What it says.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
    /// Appends bytes, as many as fit.
    pub fn push(&mut self, more: &[u8]) {
        for byte in more {
            if let Some(to) = self.bytes.get_mut(usize::from(self.len)) {
                *to = *byte;
                self.len = self.len.wrapping_add(1);
            }
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

/// Six bytes as `02:00:00:00:00:01`.
pub(super) fn mac_text(mac: &[u8]) -> Text {
    let mut text = Text::new();
    for (i, byte) in mac.iter().enumerate() {
        if i > 0 {
            text.push(b":");
        }
        text.push(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
    text
}

/// The hexadecimal digit of a number below 16.
pub(super) const fn hex_digit(n: u8) -> u8 {
    if n < 10 {
        b'0'.wrapping_add(n)
    } else {
        b'a'.wrapping_sub(10).wrapping_add(n)
    }
}

fn int(n: impl Into<i64>) -> Got {
    Got::Int(n.into())
}

fn int_or_nil(n: Option<impl Into<i64>>) -> Got {
    n.map_or(Got::Nil, int)
}

impl Current {
    /// Reads a field of the packet at hand. The view that the field belongs to is there: it was
    /// made by reading a field of this packet.
    pub fn read(&mut self, field: &Field) -> Got {
        self.locate();
        let Some(packet) = self.packet() else {
            return Got::Nil;
        };
        match field.what {
            What::Len => int(packet.len()),
            What::Family => Got::Name(match packet.family() {
                FAMILY_IPV4 => "ipv4",
                FAMILY_IPV6 => "ipv6",
                FAMILY_ARP => "arp",
                FAMILY_BRIDGE => "bridge",
                FAMILY_NETDEV => "netdev",
                _ => "other",
            }),
            What::Hook => Got::Name(hook_name(packet.family(), packet.hook())),
            What::InputName => self.interface(false),
            What::OutputName => self.interface(true),
            What::InputIndex => index(packet.iif()),
            What::OutputIndex => index(packet.oif()),
            What::Mark => int(packet.mark()),
            What::Priority => int(packet.priority()),
            What::PacketType => Got::Name(match packet.pkttype() {
                0 => "host",
                1 => "broadcast",
                2 => "multicast",
                3 => "otherhost",
                4 => "outgoing",
                5 => "loopback",
                _ => "other",
            }),
            What::Protocol => match self.places.network {
                Network::V4 | Network::V6 => int(self.places.protocol),
                _ => Got::Nil,
            },
            What::SourceAddress => self.address(true),
            What::DestinationAddress => self.address(false),
            What::Flow => self.flow(),
            What::Payload => self.payload(),
            What::View(kind) => self.part(kind),
            What::EthSource => self.mac(6),
            What::EthDestination => self.mac(0),
            What::EthType => int(match self.places.ethertype {
                0 => packet.ethertype(),
                inner => inner,
            }),
            What::Vlan => match packet.vlan() | self.places.vlan {
                0 => Got::Nil,
                _ if packet.vlan() != 0 => int(packet.vlan() & 0xfff),
                _ => int(self.places.vlan & 0xfff),
            },
            What::ArpSenderHardware => self.arp_mac(8),
            What::ArpSenderProtocol => self.arp_address(14),
            What::ArpTargetHardware => self.arp_mac(18),
            What::ArpTargetProtocol => self.arp_address(24),
            What::TotalLength => int_or_nil(self.total_length()),
            What::FragmentId => match self.places.network {
                Network::V4 => int_or_nil(self.u16_at(self.places.l3.wrapping_add(4))),
                _ if self.places.fragment_header != 0 => {
                    int_or_nil(self.u32_at(self.places.fragment_header.wrapping_add(4)))
                }
                _ => Got::Nil,
            },
            What::MoreFragments => Got::Flag(self.fragment_word() & 1 != 0),
            What::FragmentOffset => int(self.fragment_word() & 0xfff8),
            What::Mss => int_or_nil(self.tcp_option(2, 4).and_then(|at| self.u16_at(at))),
            What::WindowScale => int_or_nil(self.tcp_option(3, 3).and_then(|at| self.u8_at(at))),
            What::SackPermitted => Got::Flag(self.tcp_option(4, 2).is_some()),
            What::Timestamp => int_or_nil(self.tcp_option(8, 10).and_then(|at| self.u32_at(at))),
            What::TimestampEcho => {
                let at = self.tcp_option(8, 10);
                int_or_nil(at.and_then(|at| self.u32_at(at.wrapping_add(4))))
            }
            What::EchoId if self.is_echo() => {
                int_or_nil(self.u16_at(self.places.l4.wrapping_add(4)))
            }
            What::EchoSeq if self.is_echo() => {
                int_or_nil(self.u16_at(self.places.l4.wrapping_add(6)))
            }
            What::Mtu => match self.icmp_type() {
                Some((Transport::Icmp, 3, 4)) => {
                    int_or_nil(self.u16_at(self.places.l4.wrapping_add(6)))
                }
                Some((Transport::Icmp6, 2, _)) => {
                    int_or_nil(self.u32_at(self.places.l4.wrapping_add(4)))
                }
                _ => Got::Nil,
            },
            What::Gateway => match self.icmp_type() {
                Some((Transport::Icmp, 5, _)) => self
                    .u32_at(self.places.l4.wrapping_add(4))
                    .map_or(Got::Nil, Got::Addr4),
                _ => Got::Nil,
            },
            What::Target => match self.icmp_type() {
                Some((Transport::Icmp6, 135..=137, _)) => {
                    self.wide_address(self.places.l4.wrapping_add(8), self.places.end)
                }
                _ => Got::Nil,
            },
            What::EchoId | What::EchoSeq => Got::Nil,
            What::Int | What::Flag => self.read_bits(field),
            What::Method(_)
            | What::Connection(_)
            | What::DnsInt { .. }
            | What::DnsFlag(_)
            | What::DnsName
            | What::DnsType
            | What::DnsQuestions
            | What::DnsAnswers
            | What::TlsServerName
            | What::TlsAlpn
            | What::TlsVersion
            | What::HttpMethod
            | What::HttpPath
            | What::HttpHost
            | What::HttpStatus
            | What::TftpOperation
            | What::TftpFile
            | What::TftpMode
            | What::TftpBlock => Got::Dissected,
        }
    }

    /// The bits of a field in this packet's version.
    pub(super) fn bits(&self, field: &Field) -> Option<Bits> {
        if self.places.network == Network::V6 {
            field.v6
        } else {
            field.v4
        }
    }

    /// Where a header begins, if the packet has it.
    pub(super) fn header_at(&self, header: Header) -> Option<u32> {
        let places = &self.places;
        let here = match header {
            Header::V4 => places.network == Network::V4,
            Header::V6 => places.network == Network::V6,
            Header::Arp => places.network == Network::Arp,
            Header::Tcp => places.transport == Transport::Tcp,
            Header::Udp => places.transport == Transport::Udp,
            Header::Icmp => places.transport == Transport::Icmp,
            Header::Icmp6 => places.transport == Transport::Icmp6,
            Header::Ports => matches!(
                places.transport,
                Transport::Tcp | Transport::Udp | Transport::Ports
            ),
        };
        let at = match header {
            Header::V4 | Header::V6 | Header::Arp => places.l3,
            _ => places.l4,
        };
        here.then_some(at)
    }

    fn read_bits(&self, field: &Field) -> Got {
        let Some(bits) = self.bits(field) else {
            return Got::Nil;
        };
        let Some(at) = self.header_at(bits.header) else {
            return Got::Nil;
        };
        let word = self.u32_at(at.wrapping_add(u32::from(bits.word).wrapping_mul(4)));
        let Some(word) = word else { return Got::Nil };
        let value = word.unbounded_shr(u32::from(bits.shift)) & bits.mask();
        if field.what == What::Flag {
            Got::Flag(value != 0)
        } else {
            int(value)
        }
    }

    pub(super) fn u8_at(&self, offset: u32) -> Option<u8> {
        let mut byte = [0; 1];
        self.fetch(offset, &mut byte).then(|| byte[0])
    }

    fn interface(&self, out: bool) -> Got {
        let mut buf = [0; IFNAME_LEN];
        let name = self
            .packet()
            .map_or(&[][..], |packet| packet.ifname(out, &mut buf));
        if name.is_empty() {
            return Got::Nil;
        }
        let mut text = Text::new();
        text.push(name);
        Got::Text(text)
    }

    fn mac(&self, offset: usize) -> Got {
        let mac = self.packet().map_or(&[][..], crate::host::Packet::mac);
        let bytes = offset.checked_add(6).and_then(|end| mac.get(offset..end));
        bytes.map_or(Got::Nil, |bytes| Got::Text(mac_text(bytes)))
    }

    fn arp_mac(&self, offset: u32) -> Got {
        let mut mac = [0; 6];
        let here = self.places.network == Network::Arp
            && self.fetch(self.places.l3.wrapping_add(offset), &mut mac);
        if here {
            Got::Text(mac_text(&mac))
        } else {
            Got::Nil
        }
    }

    fn arp_address(&self, offset: u32) -> Got {
        if self.places.network != Network::Arp {
            return Got::Nil;
        }
        self.u32_at(self.places.l3.wrapping_add(offset))
            .map_or(Got::Nil, Got::Addr4)
    }

    /// The source or destination address of IP, the sender's or target's of ARP.
    pub(super) fn address(&self, source: bool) -> Got {
        let l3 = self.places.l3;
        let (at, wide) = match (self.places.network, source) {
            (Network::None, _) => return Got::Nil,
            (Network::Arp, true) => (14, false),
            (Network::Arp, false) => (24, false),
            (Network::V4, true) => (12, false),
            (Network::V4, false) => (16, false),
            (Network::V6, true) => (8, true),
            (Network::V6, false) => (24, true),
        };
        let at = l3.wrapping_add(at);
        if wide {
            return self.wide_address(at, self.places.end);
        }
        self.u32_at(at).map_or(Got::Nil, Got::Addr4)
    }

    fn wide_address(&self, at: u32, end: u32) -> Got {
        let mut bytes = [0; 16];
        let whole = at.checked_add(16).is_some_and(|behind| behind <= end);
        if whole && self.fetch(at, &mut bytes) {
            Got::Addr6(bytes)
        } else {
            Got::Nil
        }
    }

    pub(super) fn ports(&self) -> Option<u32> {
        let open = self.hand.word(const { Place::new(Header::Ports, 0) });
        open.or_else(|| self.u32_at(self.header_at(Header::Ports)?))
    }

    /// Protocol, the lower end's address and port, the higher end's: the same both ways.
    fn flow(&self) -> Got {
        let (at, size) = match self.places.network {
            Network::V4 => (12, 4),
            Network::V6 => (8, 16),
            _ => return Got::Nil,
        };
        let at = self.places.l3.wrapping_add(at);
        let [a, b, c, d] = self.ports().unwrap_or(0).to_be_bytes();
        let mut ends = [[0; 18]; 2];
        let ports = [[a, b], [c, d]];
        for (i, (end, port)) in (0..).zip(ends.iter_mut().zip(ports)) {
            let Some((address, rest)) = end.split_at_mut_checked(size) else {
                return Got::Nil;
            };
            if !self.fetch(at.wrapping_add((size as u32).wrapping_mul(i)), address) {
                return Got::Nil;
            }
            for (to, from) in rest.iter_mut().zip(port) {
                *to = from;
            }
        }
        let [first, second] = &ends;
        let (low, high) = if first <= second {
            (first, second)
        } else {
            (second, first)
        };
        let len = size.wrapping_add(2);
        let mut key = Text::new();
        key.push(&[self.places.protocol]);
        key.push(low.get(..len).unwrap_or(&[]));
        key.push(high.get(..len).unwrap_or(&[]));
        Got::Text(key)
    }

    /// Where a packet of UDP begins and ends of which nothing but that it is whole is known.
    #[inline(always)]
    pub(super) fn whole_udp(&self) -> Option<(u32, u32)> {
        if self.hand.known != Known::Windows {
            return None;
        }
        let length = self.hand.word(const { Place::new(Header::Udp, 1) })? >> 16;
        let at = self.hand.offset(Header::Udp)?;
        Some((at, at.wrapping_add(length)))
    }

    /// The payload of UDP where windows tell, if it is linear. `None` says nothing.
    #[inline(always)]
    pub(super) fn payload_in_windows(&mut self) -> Option<Value> {
        self.look();
        let (at, end) = self.whole_udp()?;
        let (from, len) = (at.wrapping_add(8), end.wrapping_sub(at).wrapping_sub(8));
        self.bytes(from, len)?;
        Some(self.show(from, len))
    }

    /// Where the payload is: offset and length.
    pub(super) fn payload_place(&self) -> Option<(u32, u32)> {
        if self.places.transport == Transport::None {
            return None;
        }
        let (from, to) = (self.places.payload, self.places.end);
        Some((from, to.saturating_sub(from)))
    }

    fn payload(&self) -> Got {
        self.payload_place()
            .map_or(Got::Nil, |(from, len)| Got::Bytes(from, len))
    }

    /// A part of the packet, if it is there.
    fn part(&self, kind: Kind) -> Got {
        let places = &self.places;
        let here = match kind {
            Kind::Root => true,
            Kind::Eth => self.packet().is_some_and(|packet| !packet.mac().is_empty()),
            Kind::Arp => places.network == Network::Arp,
            Kind::Ip => matches!(places.network, Network::V4 | Network::V6),
            Kind::Tcp => places.transport == Transport::Tcp,
            Kind::Udp => places.transport == Transport::Udp,
            Kind::Icmp => places.transport == Transport::Icmp,
            Kind::Icmp6 => places.transport == Transport::Icmp6,
            Kind::Dns | Kind::Tls | Kind::Http | Kind::Tftp | Kind::Ct | Kind::Tuple => {
                return Got::Dissected;
            }
        };
        if here { Got::View(kind, 0) } else { Got::Nil }
    }

    fn total_length(&self) -> Option<u32> {
        match self.places.network {
            Network::V4 => self.u16_at(self.places.l3.wrapping_add(2)).map(u32::from),
            Network::V6 => {
                let payload = self.u16_at(self.places.l3.wrapping_add(4))?;
                Some(u32::from(payload).wrapping_add(40))
            }
            _ => None,
        }
    }

    /// Fragment offset in bytes, with "more fragments" as bit 0, of either version.
    fn fragment_word(&self) -> u32 {
        let places = &self.places;
        match places.network {
            Network::V4 => {
                let word = u32::from(self.u16_at(places.l3.wrapping_add(6)).unwrap_or(0));
                (word & 0x1fff) << 3 | word >> 13 & 1
            }
            _ if places.fragment_header != 0 => u32::from(
                self.u16_at(places.fragment_header.wrapping_add(2))
                    .unwrap_or(0),
            ),
            _ => 0,
        }
    }

    /// Where the contents of a TCP option of this kind and whole size begin.
    pub(super) fn tcp_option(&self, kind: u8, size: u8) -> Option<u32> {
        if self.places.transport != Transport::Tcp {
            return None;
        }
        let mut at = self.places.l4.wrapping_add(20);
        // Each turn goes a byte on at least, and options are 40 bytes at most.
        while at < self.places.payload {
            match self.u8_at(at)? {
                0 => return None,
                1 => at = at.wrapping_add(1),
                this => {
                    let said = self.u8_at(at.wrapping_add(1))?;
                    let behind = at.wrapping_add(u32::from(said));
                    if said < 2 || behind > self.places.payload {
                        return None;
                    }
                    if this == kind {
                        return (said == size).then_some(at.wrapping_add(2));
                    }
                    at = behind;
                }
            }
        }
        None
    }

    fn icmp_type(&self) -> Option<(Transport, u8, u8)> {
        match self.places.transport {
            Transport::Icmp | Transport::Icmp6 => {
                let [kind, code] = self.u16_at(self.places.l4)?.to_be_bytes();
                Some((self.places.transport, kind, code))
            }
            _ => None,
        }
    }

    /// Whether an ICMP message has an identifier and a sequence number.
    pub(super) fn is_echo(&self) -> bool {
        matches!(
            self.icmp_type(),
            Some((Transport::Icmp, 0 | 8 | 13 | 14, _) | (Transport::Icmp6, 128 | 129, _))
        )
    }
}

fn index(n: u32) -> Got {
    if n == 0 { Got::Nil } else { int(n) }
}

fn hook_name(family: u8, hook: u8) -> &'static str {
    let ip = [
        "prerouting",
        "input",
        "forward",
        "output",
        "postrouting",
        "ingress",
    ];
    let names = match family {
        FAMILY_ARP => &["input", "output", "forward"][..],
        FAMILY_NETDEV => &["ingress", "egress"],
        _ => &ip,
    };
    names.get(usize::from(hook)).copied().unwrap_or("other")
}
