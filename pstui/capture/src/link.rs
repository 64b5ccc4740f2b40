// SPDX-License-Identifier: GPL-2.0-only
//! What lies before the network header, by link type, and what of a frame reaches a hook of IPv4 or IPv6.

use std::fmt;

const NULL: u32 = 0;
/// Of captures that hold nothing, too.
pub const ETHERNET: u32 = 1;
const RAW: u32 = 101;
/// Raw IP too: what some programs write that confuse their own numbers with the files'.
const RAW_OTHER: u32 = 12;
const LOOP: u32 = 108;
const COOKED: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const COOKED_2: u32 = 276;

/// Link types that are read, or that are common where they are not.
const NAMES: [(u32, &str); 22] = [
    (NULL, "BSD loopback"),
    (ETHERNET, "Ethernet"),
    (RAW_OTHER, "raw IP"),
    (RAW, "raw IP"),
    (LOOP, "OpenBSD loopback"),
    (COOKED, "Linux cooked"),
    (IPV4, "raw IPv4"),
    (IPV6, "raw IPv6"),
    (COOKED_2, "Linux cooked v2"),
    (9, "PPP"),
    (51, "PPPoE"),
    (105, "IEEE 802.11"),
    (117, "OpenBSD pflog"),
    (127, "IEEE 802.11 with radiotap header"),
    (147, "user-defined 0"),
    (187, "Bluetooth HCI"),
    (189, "Linux USB"),
    (195, "IEEE 802.15.4"),
    (220, "Linux USB, memory-mapped"),
    (227, "CAN"),
    (239, "NFLOG"),
    (253, "netlink"),
];
/// So many of them are read.
const READ: usize = 9;

const IP: u16 = 0x0800;
const IP6: u16 = 0x86dd;
/// In place of an EtherType (it is none): an address family of a loopback interface that is not IP's.
const FAMILY: u16 = 0xffff;
/// Tags: 802.1Q, 802.1ad, and the one from before.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags of one frame that are looked behind.
const TAGS_MAX: usize = 4;

/// Whether packets of this link type are read.
pub fn is_known(link: u32) -> bool {
    NAMES.iter().take(READ).any(|(number, _)| *number == link)
}

/// The link types that are read, for messages.
pub fn known() -> String {
    let all = NAMES.iter().take(READ);
    let all: Vec<String> = all
        .map(|(number, name)| format!("{number} ({name})"))
        .collect();
    all.join(", ")
}

/// A link type, for messages: `105 (IEEE 802.11)`.
#[derive(Debug, Clone, Copy)]
pub struct LinkType(pub u32);

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// An EtherType, for summaries: `ARP`, `0x88cc`. Lengths, as 802.3 has in that place, are `802.3`.
#[derive(Debug, Clone, Copy)]
pub struct EtherType(pub u16);

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0..0x600 => "802.3",
            0x0806 => "ARP",
            0x8035 => "RARP",
            0x8847 | 0x8848 => "MPLS",
            0x8863 | 0x8864 => "PPPoE",
            0x888e => "EAPOL",
            0x88cc => "LLDP",
            FAMILY => "another family",
            other => return write!(f, "0x{other:04x}"),
        };
        f.write_str(name)
    }
}

/// A frame with an IP packet, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// From the link's header to the packet.
    pub header: &'a [u8],
    /// The packet, from its network header on.
    pub packet: &'a [u8],
    /// What follows behind it: padding, a checksum of the frame.
    pub tail: &'a [u8],
    /// The Ethernet addresses, source first.
    pub mac: Option<[[u8; 6]; 2]>,
    /// The outermost tag.
    pub vlan: Option<u16>,
    /// To whom it was sent, as Linux numbers it (`PACKET_HOST` is 0).
    pub kind: u8,
}

/// What a hook of IPv4 and IPv6 sees of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A packet.
    Ip(Frame<'a>),
    /// Nothing: it is another protocol's.
    Other(u16),
    /// Nothing: the kernel throws it away before, for it does not hold what it should.
    Malformed,
}

/// Takes a frame apart.
pub fn open(link: u32, data: &[u8]) -> Seen<'_> {
    split(link, data).unwrap_or(Seen::Malformed)
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// An Ethernet address that begins there.
fn address(data: &[u8], at: usize) -> Option<[u8; 6]> {
    data.get(at..at + 6)?.try_into().ok()
}

fn split(link: u32, data: &[u8]) -> Option<Seen<'_>> {
    let (mut mac, mut vlan, mut kind) = (None, None, 0);
    let (mut ethertype, mut at) = match link {
        ETHERNET => {
            let [to, from] = [address(data, 0)?, address(data, 6)?];
            mac = Some([from, to]);
            kind = match to {
                [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => 1,
                _ if to[0] & 1 != 0 => 2,
                _ => 0,
            };
            (be16(data, 12)?, 14)
        }
        COOKED => {
            kind = be16(data, 0)? as u8;
            (be16(data, 14)?, 16)
        }
        COOKED_2 => {
            kind = *data.get(10)?;
            (be16(data, 0)?, 20)
        }
        NULL | LOOP => {
            let family: [u8; 4] = data.get(..4)?.try_into().ok()?;
            let big = u32::from_be_bytes(family);
            // Of the machine that wrote it: the order in which it is a small number.
            let family = if link == NULL {
                big.min(big.swap_bytes())
            } else {
                big
            };
            let ethertype = match family {
                2 => IP,
                // Linux, NetBSD and OpenBSD, FreeBSD, macOS.
                10 | 24 | 28 | 30 => IP6,
                _ => return Some(Seen::Other(FAMILY)),
            };
            (ethertype, 4)
        }
        IPV4 => (IP, 0),
        IPV6 => (IP6, 0),
        _ => match data.first()? >> 4 {
            4 => (IP, 0),
            6 => (IP6, 0),
            _ => return None,
        },
    };
    for _ in 0..TAGS_MAX {
        if !TAGS.contains(&ethertype) {
            break;
        }
        vlan = vlan.or(Some(be16(data, at)?));
        ethertype = be16(data, at + 2)?;
        at += 4;
    }
    if ethertype != IP && ethertype != IP6 {
        return Some(Seen::Other(ethertype));
    }
    let (header, rest) = data.split_at_checked(at)?;
    let length = length(ethertype, rest)?;
    let (packet, tail) = rest.split_at(length.min(rest.len()));
    Some(Seen::Ip(Frame {
        header,
        packet,
        tail,
        mac,
        vlan,
        kind,
    }))
}

/// How long an IP packet is by its header, which must be whole and a header of that version. Like the kernel's
/// reception, but for what a capture may lack: that it was cut off, that a segment larger than a packet was left to
/// the interface to cut (its length may be 0), and checksums that were.
fn length(ethertype: u16, packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if ethertype == IP {
        let header = usize::from(first & 15) * 4;
        if first >> 4 != 4 || header < 20 || packet.len() < 20 {
            return None;
        }
        return match usize::from(be16(packet, 2)?) {
            0 => Some(packet.len()),
            total if total < header => None,
            total => Some(total),
        };
    }
    if first >> 4 != 6 || packet.len() < 40 {
        return None;
    }
    match usize::from(be16(packet, 4)?) {
        0 => Some(packet.len()),
        payload => Some(payload + 40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packetscript_engine::host::frame;
    use std::net::IpAddr;

    fn four() -> Vec<u8> {
        let at = |last| IpAddr::from([192, 0, 2, last]);
        frame::udp(at(1), at(2), 4000, 53, b"text")
    }

    fn six() -> Vec<u8> {
        let at = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        frame::udp(at(1), at(2), 4000, 53, b"text")
    }

    fn ip(link: u32, data: &[u8]) -> Frame<'_> {
        match open(link, data) {
            Seen::Ip(frame) => frame,
            other => panic!("{link}: {other:?}"),
        }
    }

    #[test]
    fn every_link_type_leads_to_the_packet() {
        let cooked = |protocol: u16| {
            let mut header = vec![0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
            header.extend(protocol.to_be_bytes());
            header
        };
        let cooked_2 = |protocol: u16| {
            let mut header = protocol.to_be_bytes().to_vec();
            header.extend([0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
            header
        };
        let ethernet = |protocol: u16| {
            let mut header = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
            header.extend(protocol.to_be_bytes());
            header
        };
        let cases: Vec<(u32, Vec<u8>, Vec<u8>)> = vec![
            (ETHERNET, ethernet(IP), four()),
            (ETHERNET, ethernet(IP6), six()),
            (COOKED, cooked(IP), four()),
            (COOKED, cooked(IP6), six()),
            (COOKED_2, cooked_2(IP), four()),
            (COOKED_2, cooked_2(IP6), six()),
            (NULL, vec![2, 0, 0, 0], four()),
            (NULL, vec![0, 0, 0, 2], four()),
            (NULL, vec![30, 0, 0, 0], six()),
            (NULL, vec![0, 0, 0, 28], six()),
            (LOOP, vec![0, 0, 0, 24], six()),
            (RAW, vec![], four()),
            (RAW, vec![], six()),
            (RAW_OTHER, vec![], six()),
            (IPV4, vec![], four()),
            (IPV6, vec![], six()),
        ];
        for (link, header, packet) in cases {
            let data = [&header[..], &packet[..], b"tail"].concat();
            let found = ip(link, &data);
            assert_eq!(found.header, header, "{link}");
            assert_eq!(found.packet, packet, "{link}");
            assert_eq!(found.tail, b"tail", "{link}");
            // Cut anywhere, it is a packet as long as its header is whole.
            let least = header.len() + if packet[0] >> 4 == 4 { 20 } else { 40 };
            for end in 0..data.len() {
                let seen = open(link, &data[..end]);
                assert_eq!(matches!(seen, Seen::Ip(_)), end >= least, "{link} {end}");
            }
        }
        assert_eq!(ip(COOKED, &[cooked(IP), four()].concat()).kind, 4);
        assert_eq!(ip(COOKED_2, &[cooked_2(IP), four()].concat()).kind, 4);
    }

    #[test]
    fn tags_are_looked_behind_and_the_outermost_is_the_packets() {
        let mac = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
        let tagged = frame::ethernet(mac[0], mac[1], Some(0x2007), &four());
        let found = ip(ETHERNET, &tagged);
        assert_eq!(
            (found.vlan, found.mac, found.packet),
            (Some(0x2007), Some(mac), &four()[..])
        );
        let mut double = tagged[..12].to_vec();
        double.extend([0x88, 0xa8, 0, 9]);
        double.extend(&tagged[12..]);
        let found = ip(ETHERNET, &double);
        assert_eq!(
            (found.vlan, found.header.len(), found.packet),
            (Some(9), 22, &four()[..])
        );
        let mut many = tagged[..12].to_vec();
        many.extend([0x81, 0, 0, 1].repeat(5));
        many.extend(&tagged[12..]);
        assert_eq!(open(ETHERNET, &many), Seen::Other(0x8100));
    }

    #[test]
    fn what_is_not_ip_or_no_whole_header_is_no_packet() {
        let mut arp = vec![0xff; 6];
        arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1]);
        assert_eq!(open(ETHERNET, &arp), Seen::Other(0x806));
        assert_eq!(open(NULL, &[7, 0, 0, 0, 1]), Seen::Other(FAMILY));
        assert_eq!(open(RAW, &[0x51; 40]), Seen::Malformed);
        assert_eq!(open(IPV4, &six()), Seen::Malformed);
        assert_eq!(open(IPV6, &four()), Seen::Malformed);
        // Four words of header, then a total length that is less than the header's.
        for (at, value) in [(0, 0x44), (3, 19)] {
            let mut wrong = four();
            wrong[at] = value;
            assert_eq!(open(RAW, &wrong), Seen::Malformed, "{at}");
        }
        // A segment that the interface was to cut says nothing of its length.
        let mut large = four();
        large[2..4].fill(0);
        assert_eq!(ip(RAW, &large).packet, large);
        assert_eq!(EtherType(0x806).to_string(), "ARP");
        assert_eq!(EtherType(0x88b5).to_string(), "0x88b5");
        assert_eq!(EtherType(46).to_string(), "802.3");
        assert_eq!(LinkType(105).to_string(), "105 (IEEE 802.11)");
        assert_eq!(LinkType(4711).to_string(), "4711");
        assert!(is_known(276) && !is_known(105));
    }

    #[test]
    fn whom_a_frame_was_sent_to() {
        for (first, kind) in [(0xff, 1), (0x33, 2), (0x02, 0)] {
            let mut data = vec![first; 6];
            data.extend([2, 0, 0, 0, 0, 1, 8, 0]);
            data.extend(four());
            assert_eq!(ip(ETHERNET, &data).kind, kind);
        }
    }
}
