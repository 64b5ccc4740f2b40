// SPDX-License-Identifier: GPL-2.0-only
//! Packets made from scratch, for `pstui check` and for tests: from the network header on, every
//! checksum right. [`faults`] checks one from scratch too, so that what the engine updates
//! incrementally is compared with sums that share no code with it.

// None of this is linked into the kernel: a panic here is a failed test or a message to a user.
#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::expect_used
)]

extern crate std;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// The flags of a TCP header.
pub mod flag {
    #![allow(missing_docs)]
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;
}

/// What a TCP header holds beside its ports.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack_seq: u32,
    /// [`flag`]s.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Options; padded to a multiple of four.
    pub options: Vec<u8>,
}

/// A UDP packet.
pub fn udp(src: IpAddr, dst: IpAddr, sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![];
    for field in [sport, dport, 8 + payload.len() as u16, 0] {
        segment.extend(field.to_be_bytes());
    }
    segment.extend(payload);
    ip(src, dst, 17, segment)
}

/// A TCP packet.
pub fn tcp(src: IpAddr, dst: IpAddr, ports: (u16, u16), tcp: &Tcp, payload: &[u8]) -> Vec<u8> {
    let mut options = tcp.options.clone();
    options.resize(options.len().next_multiple_of(4), 0);
    let mut segment = vec![];
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(tcp.seq.to_be_bytes());
    segment.extend(tcp.ack_seq.to_be_bytes());
    segment.push(((20 + options.len()) / 4) as u8 * 16);
    segment.push(tcp.flags);
    segment.extend(tcp.window.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(options);
    segment.extend(payload);
    ip(src, dst, 6, segment)
}

/// An ICMP or ICMPv6 packet: an echo request (`reply` false) or its answer.
pub fn echo(src: IpAddr, dst: IpAddr, reply: bool, id: u16, seq: u16, payload: &[u8]) -> Vec<u8> {
    let (protocol, kind) = match (src.is_ipv4(), reply) {
        (true, false) => (1, 8),
        (true, true) => (1, 0),
        (false, false) => (58, 128),
        (false, true) => (58, 129),
    };
    let mut segment = vec![kind, 0, 0, 0];
    segment.extend(id.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(payload);
    ip(src, dst, protocol, segment)
}

/// An ARP packet over Ethernet.
pub fn arp(op: u16, sha: [u8; 6], spa: Ipv4Addr, tha: [u8; 6], tpa: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(op.to_be_bytes());
    packet.extend(sha);
    packet.extend(spa.octets());
    packet.extend(tha);
    packet.extend(tpa.octets());
    packet
}

/// An IP packet around `segment`, whose checksum is put in where the protocol has one.
pub fn ip(src: IpAddr, dst: IpAddr, protocol: u8, mut segment: Vec<u8>) -> Vec<u8> {
    if let Some(at) = checksum_offset(protocol) {
        segment[at..at + 2].fill(0);
        let mut sum = fold(total(&segment) + pseudo(src, dst, protocol, segment.len()));
        if sum == 0 && protocol == 17 {
            sum = 0xffff;
        }
        segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet;
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            packet = vec![0x45, 0];
            packet.extend((20 + segment.len() as u16).to_be_bytes());
            packet.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
            packet.extend(src.octets());
            packet.extend(dst.octets());
            let sum = fold(total(&packet));
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            packet = vec![0x60, 0, 0, 0];
            packet.extend((segment.len() as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(src.octets());
            packet.extend(dst.octets());
        }
        _ => panic!("a packet has one IP version"),
    }
    packet.extend(segment);
    packet
}

/// The same IPv6 packet with an extension header of this kind (0, 43, 60 …) in front of its
/// transport header; `body` is what follows its two first bytes, 6 bytes or 8 n more.
pub fn with_extension(packet: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    assert!(packet[0] >> 4 == 6 && body.len() % 8 == 6);
    let mut longer = packet[..40].to_vec();
    let len = u16::from_be_bytes([packet[4], packet[5]]) + 2 + body.len() as u16;
    longer[4..6].copy_from_slice(&len.to_be_bytes());
    longer[6] = kind;
    longer.push(packet[6]);
    longer.push((body.len() / 8) as u8);
    longer.extend(body);
    longer.extend(&packet[40..]);
    longer
}

/// The same IPv4 packet with options in its header, padded to a multiple of four.
pub fn with_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    let mut longer = packet[..20].to_vec();
    longer.extend(options);
    longer.resize(longer.len().next_multiple_of(4), 0);
    longer[0] = 0x40 | (longer.len() / 4) as u8;
    let len = (longer.len() + packet.len() - 20) as u16;
    longer[2..4].copy_from_slice(&len.to_be_bytes());
    longer[10..12].fill(0);
    let sum = fold(total(&longer));
    longer[10..12].copy_from_slice(&sum.to_be_bytes());
    longer.extend(&packet[20..]);
    longer
}

/// The fragments of a packet, each with at most `size` bytes behind its IP header (a multiple of
/// eight).
pub fn fragments(packet: &[u8], size: usize) -> Vec<Vec<u8>> {
    let v6 = packet[0] >> 4 == 6;
    let head = if v6 {
        40
    } else {
        usize::from(packet[0] & 15) * 4
    };
    let pieces: Vec<&[u8]> = packet[head..].chunks(size).collect();
    let mut result = vec![];
    for (i, piece) in pieces.iter().enumerate() {
        let more = i + 1 < pieces.len();
        let offset = (i * size / 8) as u16;
        let mut fragment = packet[..head].to_vec();
        if v6 {
            fragment[4..6].copy_from_slice(&(8 + piece.len() as u16).to_be_bytes());
            fragment[6] = 44;
            fragment.extend([packet[6], 0]);
            fragment.extend((offset << 3 | u16::from(more)).to_be_bytes());
            fragment.extend([0xab, 0xcd, 0x12, 0x34]);
        } else {
            fragment[2..4].copy_from_slice(&((head + piece.len()) as u16).to_be_bytes());
            fragment[6..8].copy_from_slice(&(offset | u16::from(more) << 13).to_be_bytes());
            fragment[10..12].fill(0);
            let sum = fold(total(&fragment));
            fragment[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        fragment.extend(*piece);
        result.push(fragment);
    }
    result
}

/// An Ethernet frame around a packet, with an 802.1Q tag if there is one.
pub fn ethernet(src: [u8; 6], dst: [u8; 6], vlan: Option<u16>, packet: &[u8]) -> Vec<u8> {
    let ethertype: u16 = match packet.first().map(|b| b >> 4) {
        Some(4) => 0x0800,
        Some(6) => 0x86dd,
        _ => 0x0806,
    };
    let mut frame = [dst, src].concat();
    if let Some(tci) = vlan {
        frame.extend([0x81, 0]);
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}

/// Puts the pseudo header's sum, uncomplemented, where the L4 checksum is: what a packet looks like
/// whose checksum is left to the interface.
pub fn make_partial(packet: &mut [u8]) {
    let (src, dst, protocol, at) = transport(packet).expect("an IP packet");
    let field = at + checksum_offset(protocol).expect("a protocol with a checksum");
    let sum = !fold(pseudo(src, dst, protocol, packet.len() - at));
    packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Where what the transport protocol's checksum covers begins in a packet, and where that checksum is.
pub fn checksum_place(packet: &[u8]) -> Option<(usize, usize)> {
    let (_, _, protocol, at) = transport(packet)?;
    Some((at, at + checksum_offset(protocol)?))
}

/// The Internet checksum of bytes: what their field is to hold that held nothing.
pub fn sum(bytes: &[u8]) -> u16 {
    fold(total(bytes))
}

/// What is wrong with the lengths and checksums of a whole packet; nothing, if all is well.
/// `partial` says that the L4 checksum is the pseudo header's sum only.
pub fn faults(packet: &[u8], partial: bool) -> Vec<String> {
    let mut found = vec![];
    let Some((src, dst, protocol, at)) = transport(packet) else {
        return vec!["not an IP packet".to_string()];
    };
    if src.is_ipv4() {
        if fold(total(&packet[..at])) != 0 {
            found.push("the IPv4 header's checksum is wrong".to_string());
        }
        if usize::from(u16::from_be_bytes([packet[2], packet[3]])) != packet.len() {
            found.push("tot_len is not the packet's length".to_string());
        }
    } else if usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40 != packet.len() {
        found.push("payload_len is not the packet's length".to_string());
    }
    let segment = &packet[at..];
    if protocol == 17 && usize::from(u16::from_be_bytes([segment[4], segment[5]])) != segment.len()
    {
        found.push("the UDP length is not the segment's".to_string());
    }
    let Some(offset) = checksum_offset(protocol) else {
        return found;
    };
    let field = u16::from_be_bytes([segment[offset], segment[offset + 1]]);
    let pseudo = pseudo(src, dst, protocol, segment.len());
    let right = if partial {
        field == !fold(pseudo)
    } else if protocol == 17 && field == 0 {
        src.is_ipv4()
    } else {
        fold(total(segment) + pseudo) == 0
    };
    if !right {
        found.push("the L4 checksum is wrong".to_string());
    }
    found
}

/// Source, destination, protocol and offset of the transport header.
fn transport(packet: &[u8]) -> Option<(IpAddr, IpAddr, u8, usize)> {
    match packet.first()? >> 4 {
        4 => {
            let src: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let dst: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let head = usize::from(packet[0] & 15) * 4;
            Some((
                Ipv4Addr::from(src).into(),
                Ipv4Addr::from(dst).into(),
                packet[9],
                head,
            ))
        }
        6 => {
            let src: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            let dst: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            let (mut next, mut at) = (packet[6], 40);
            while matches!(next, 0 | 43 | 60) {
                next = *packet.get(at)?;
                at += 8 + usize::from(*packet.get(at + 1)?) * 8;
            }
            Some((
                Ipv6Addr::from(src).into(),
                Ipv6Addr::from(dst).into(),
                next,
                at,
            ))
        }
        _ => None,
    }
}

fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        1 | 58 => Some(2),
        6 => Some(16),
        // UDP, DCCP with a checksum of everything, UDP-Lite likewise.
        17 | 33 | 136 => Some(6),
        _ => None,
    }
}

fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> u64 {
    let addresses = match (src, dst) {
        _ if protocol == 1 => return 0,
        (IpAddr::V4(src), IpAddr::V4(dst)) => [src.octets(), dst.octets()].concat(),
        (IpAddr::V6(src), IpAddr::V6(dst)) => [src.octets(), dst.octets()].concat(),
        _ => panic!("a packet has one IP version"),
    };
    total(&addresses) + u64::from(protocol) + len as u64
}

/// The sum of the big-endian 16-bit words; an odd byte counts as a high one.
fn total(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    /// A packet from a capture, sums by another hand: DNS query from 192.168.0.1 to 192.168.0.199.
    #[test]
    fn ipv4_header_sum_is_the_textbook_one() {
        let mut header = vec![
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(fold(total(&header)), 0xb861);
        header[10..12].copy_from_slice(&[0xb8, 0x61]);
        assert_eq!(fold(total(&header)), 0);
    }

    #[test]
    fn what_is_built_has_no_faults_and_a_flipped_bit_is_found() {
        let six = |n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n));
        for packet in [
            udp(A, B, 5, 53, b"hello"),
            tcp(
                A,
                B,
                (1, 2),
                &Tcp {
                    flags: flag::SYN,
                    ..Tcp::default()
                },
                b"x",
            ),
            echo(A, B, false, 1, 2, b"abc"),
            udp(six(1), six(2), 5, 53, b""),
            with_extension(&echo(six(1), six(2), true, 1, 2, b"abcd"), 60, &[0; 14]),
            with_options(&udp(A, B, 5, 53, b"hello"), &[7, 3, 4]),
        ] {
            assert_eq!(faults(&packet, false), Vec::<String>::new());
            let mut broken = packet.clone();
            *broken.last_mut().unwrap() ^= 4;
            assert_eq!(faults(&broken, false), ["the L4 checksum is wrong"]);
        }
    }
}
