// SPDX-License-Identifier: GPL-2.0-only
//! Writes over built packets, checked by sums made from scratch.

#![allow(clippy::panic, clippy::arithmetic_side_effects)]

extern crate std;

use core::net::IpAddr;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::Current;
use super::fields::{FIELDS, Kind, What};
use super::locate::{Network, Transport};
use super::write::Cover;
use crate::host::Refused;
use crate::host::at_hand::Header;
use crate::host::frame::{self, Tcp, flag};
use crate::host::user::UserPacket;
use crate::random::Random;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn packets(payload: &[u8]) -> Vec<Vec<u8>> {
    let options = vec![1, 2, 4, 5, 0xb4, 1, 1, 1];
    let syn = Tcp {
        flags: flag::SYN,
        options,
        ..Tcp::default()
    };
    let mut all = vec![];
    for (a, b) in [
        ("10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8:ffff::2"),
    ] {
        let (a, b) = (ip(a), ip(b));
        all.push(frame::udp(a, b, 5, 53, payload));
        all.push(frame::tcp(a, b, (5, 80), &syn, payload));
        all.push(frame::echo(a, b, false, 7, 9, payload));
    }
    all.push(frame::with_options(&all[1], &[7, 3, 4]));
    all.push(frame::with_extension(&all[3], 60, &[0; 6]));
    all
}

fn with<R>(packet: &mut UserPacket, f: impl FnOnce(&mut Current) -> R) -> R {
    let mut current = Current::new();
    // SAFETY: the packet is alive until finish, and only current uses it.
    unsafe { current.begin(packet.raw()) };
    current.locate();
    let result = f(&mut current);
    current.finish();
    result
}

/// Writes random values to every field that is bits or an address, as assignments do.
fn write_all(current: &mut Current, random: &mut Random) -> usize {
    let mut writes = 0;
    for field in FIELDS.iter().filter(|field| field.writable) {
        current.locate();
        let n = random.bits() as u32;
        let wide = [n, n ^ 7, n.rotate_left(9), n ^ 0xffff]
            .map(u32::to_be_bytes)
            .concat();
        let address = |current: &mut Current, source: bool| {
            let l3 = current.places.l3;
            if current.places.network == Network::V4 {
                let at = l3 + if source { 12 } else { 16 };
                return current.put::<4>(at, wide[..4].try_into().unwrap(), Cover::Addresses);
            }
            let at = l3 + if source { 8 } else { 24 };
            current.put::<16>(at, wide[..].try_into().unwrap(), Cover::Addresses)
        };
        match field.what {
            What::SourceAddress => address(current, true).unwrap(),
            What::DestinationAddress => address(current, false).unwrap(),
            What::Mss => {
                let Some(at) = current.tcp_option(2, 4) else {
                    continue;
                };
                current
                    .put::<2>(at, wide[..2].try_into().unwrap(), Cover::Transport)
                    .unwrap();
            }
            What::Int | What::Flag => {
                let Some(bits) = current.bits(field) else {
                    continue;
                };
                let Some(at) = current.header_at(bits.header) else {
                    continue;
                };
                let at = at + u32::from(bits.word) * 4;
                let old = current.u32_at(at).unwrap();
                let mask = bits.mask() << bits.shift;
                let word = old & !mask | (n << bits.shift) & mask;
                let cover = match bits.header {
                    Header::V4 => Cover::Network,
                    Header::V6 | Header::Arp => Cover::Nothing,
                    _ => Cover::Transport,
                };
                current.put(at, word.to_be_bytes(), cover).unwrap();
                current.changed();
                current.locate();
                assert_eq!(
                    current.u32_at(at).unwrap() & mask,
                    word & mask,
                    "{}",
                    field.name
                );
            }
            _ => continue,
        }
        current.changed();
        writes += 1;
    }
    writes
}

#[test]
fn every_write_keeps_every_checksum() {
    let mut random = Random(1);
    let mut writes = 0;
    for round in 0..200 {
        for (i, bytes) in packets(&b"some payload"[..round % 13]).iter().enumerate() {
            for partial in [false, true] {
                let mut bytes = bytes.clone();
                if partial {
                    if i % 3 == 2 {
                        continue;
                    }
                    frame::make_partial(&mut bytes);
                }
                let linear = random.below(bytes.len() + 1);
                let mut packet = UserPacket::new(&bytes).with_linear(linear);
                if partial {
                    packet = packet.with_partial_checksum();
                }
                writes += with(&mut packet, |current| write_all(current, &mut random));
                assert_eq!(
                    frame::faults(&packet.bytes(), partial),
                    Vec::<String>::new()
                );
                assert_eq!(packet.bytes().len(), bytes.len());
            }
        }
    }
    assert!(writes > 20_000, "{writes}");
}

#[test]
fn payloads_of_any_length_keep_every_checksum_and_length() {
    let mut random = Random(2);
    for round in 0..300 {
        let old = vec![random.bits() as u8; round % 40];
        for (i, bytes) in packets(&old).iter().enumerate() {
            for partial in [false, true] {
                let mut bytes = bytes.clone();
                if partial {
                    if i % 3 == 2 {
                        continue;
                    }
                    frame::make_partial(&mut bytes);
                }
                let linear = random.below(bytes.len() + 1);
                let mut packet = UserPacket::new(&bytes).with_linear(linear);
                if partial {
                    packet = packet.with_partial_checksum();
                }
                let mut new = vec![0; random.below(300)];
                new.fill_with(|| random.bits() as u8);
                with(&mut packet, |current| {
                    current.replace_payload(&new).unwrap();
                    current.changed();
                    current.locate();
                    let (from, len) = current.payload_place().unwrap();
                    assert_eq!(len as usize, new.len());
                    let mut read = vec![0; new.len()];
                    assert!(current.fetch(from, &mut read));
                    assert_eq!(read, new);
                });
                assert_eq!(
                    frame::faults(&packet.bytes(), partial),
                    Vec::<String>::new()
                );
                assert_eq!(packet.bytes().len(), bytes.len() - old.len() + new.len());
            }
        }
    }
}

/// What receivers add up, of the IPv4 header and of what it carries with the addresses: a right checksum is
/// a right one afterwards, and a wrong one as wrong as it was.
fn residues(current: &Current, bytes: &[u8]) -> [u16; 2] {
    let places = current.places;
    let [l3, l4, end] = [places.l3, places.l4, places.end].map(|at| at as usize);
    let (header, addresses) = match places.network {
        Network::V4 => (&bytes[l3..l4], &bytes[l3 + 12..l3 + 20]),
        _ => (&[][..], &bytes[l3 + 8..l3 + 40]),
    };
    let carried = if places.transport == Transport::Icmp {
        bytes[l4..end].to_vec()
    } else {
        [addresses, &bytes[l4..end]].concat()
    };
    // All ones and none are the same sum.
    [header, &carried].map(|bytes| frame::sum(bytes) % 0xffff)
}

#[test]
fn packets_that_lie_about_themselves_keep_what_is_right_and_what_is_wrong() {
    let mut random = Random(3);
    let mut writes = 0;
    for round in 0..400 {
        let mut all = packets(&b"a payload of some length"[..round % 24]);
        for whole in packets(&[7; 50]) {
            // Extension headers and options stay in front of the first one's transport header.
            if whole[0] == 0x45 || whole[6] != 60 {
                all.extend(frame::fragments(&whole, 24));
            }
        }
        for mut bytes in all {
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len().min(64));
                bytes[at] ^= random.bits() as u8;
            }
            bytes.extend(&[9; 6][..random.below(7)]);
            let linear = random.below(bytes.len() + 1);
            let mut packet = UserPacket::new(&bytes).with_linear(linear);
            let before = with(&mut packet, |current| {
                let places = current.places;
                let written = match (places.network, places.transport) {
                    (Network::V4 | Network::V6, Transport::None | Transport::Ports) => None,
                    (Network::V4 | Network::V6, Transport::Udp) => {
                        (current.u16_at(places.l4 + 6) != Some(0)).then_some(())
                    }
                    (Network::V4 | Network::V6, _) => Some(()),
                    _ => None,
                };
                written.map(|()| {
                    let before = residues(current, &bytes);
                    writes += write_all(current, &mut random);
                    before
                })
            });
            let after = packet.bytes();
            assert_eq!(after.len(), bytes.len());
            if let Some(before) = before {
                let now = with(&mut packet, |current| residues(current, &after));
                assert_eq!(now, before, "{bytes:02x?}\n{after:02x?}");
            }
        }
    }
    assert!(writes > 20_000, "{writes}");
}

#[test]
fn udp_without_a_checksum_stays_without() {
    let mut bytes = frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 5, 53, b"abc");
    bytes[26..28].fill(0);
    let mut packet = UserPacket::new(&bytes);
    with(&mut packet, |current| {
        current.put(22, [0, 99], Cover::Transport).unwrap();
        current.changed();
        current.locate();
        current.replace_payload(b"longer than before").unwrap();
    });
    assert_eq!(packet.bytes()[26..28], [0, 0]);
    assert_eq!(frame::faults(&packet.bytes(), false), Vec::<String>::new());
}

#[test]
fn a_checksum_that_was_wrong_stays_wrong() {
    let mut bytes = frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 5, 53, b"abc");
    bytes[26] ^= 0x10;
    let mut packet = UserPacket::new(&bytes);
    with(&mut packet, |current| {
        current.put(22, [0, 99], Cover::Transport).unwrap();
    });
    assert_eq!(
        frame::faults(&packet.bytes(), false),
        ["the L4 checksum is wrong"]
    );
}

#[test]
fn a_later_fragment_changes_its_addresses_alone() {
    let whole = frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 5, 53, &[1; 40]);
    let fragment = frame::fragments(&whole, 16).swap_remove(1);
    let mut packet = UserPacket::new(&fragment);
    with(&mut packet, |current| {
        assert_eq!(current.places.transport, Transport::None);
        current.put(16, [10, 9, 9, 9], Cover::Addresses).unwrap();
        assert_eq!(current.replace_payload(b"x"), Err(Refused));
    });
    let after = packet.bytes();
    assert_eq!(after[16..20], [10, 9, 9, 9]);
    assert_eq!(after[20..], fragment[20..]);
    let faults = frame::faults(&after, false);
    assert!(
        !faults.iter().any(|fault| fault.contains("IPv4 header")),
        "{faults:?}"
    );
}

/// Another protocol whose checksum covers the addresses: an address that is rewritten, as by NAT, would
/// leave a packet that its receiver throws away.
#[test]
fn addresses_of_udp_lite_and_dccp_keep_the_checksum() {
    for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        for protocol in [136, 33] {
            let mut segment = vec![0x11, 0x22, 0, 80, 0, 0, 0, 0];
            segment.extend([7; 13]);
            let bytes = frame::ip(ip(a), ip(b), protocol, segment);
            for partial in [false, true] {
                let mut bytes = bytes.clone();
                if partial {
                    frame::make_partial(&mut bytes);
                }
                let mut packet = UserPacket::new(&bytes).with_linear(21);
                if partial {
                    packet = packet.with_partial_checksum();
                }
                with(&mut packet, |current| {
                    let done = if current.places.network == Network::V4 {
                        current.put(12, [172, 16, 0, 9], Cover::Addresses)
                    } else {
                        current.put(8, [0x33; 16], Cover::Addresses)
                    };
                    done.unwrap();
                });
                assert_ne!(packet.bytes(), bytes);
                assert_eq!(
                    frame::faults(&packet.bytes(), partial),
                    Vec::<String>::new()
                );
            }
        }
    }
}

/// A packet in a tunnel whose inner checksum is left to the interface: the outer one is another, and is
/// complete. When it was taken for the other, a changed port left it wrong; and what the interface was to
/// write went into bytes that were somebody else's by then, or were gone.
#[test]
fn the_checksum_of_a_packet_in_a_tunnel_is_not_the_tunnels() {
    for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        let mut inner = frame::udp(ip("192.0.2.1"), ip("192.0.2.2"), 7, 9, b"inside");
        frame::make_partial(&mut inner);
        // What goes out in the end has the inner checksum, and the outer one covers that.
        let whole = frame::udp(ip("192.0.2.1"), ip("192.0.2.2"), 7, 9, b"inside");
        let mut bytes = frame::udp(ip(a), ip(b), 5, 4789, &whole);
        let head = bytes.len() - inner.len();
        bytes[head..].copy_from_slice(&inner);
        let tunnel = || UserPacket::new(&bytes).with_partial_checksum_at(head + 20, head + 26);
        let complete = |packet: &UserPacket| {
            let mut bytes = packet.bytes();
            let sum = frame::sum(&bytes[head + 20..]);
            bytes[head + 26..head + 28].copy_from_slice(&sum.to_be_bytes());
            bytes
        };
        assert_eq!(
            frame::faults(&complete(&tunnel()), false),
            Vec::<String>::new()
        );
        let mut packet = tunnel();
        with(&mut packet, |current| {
            let at = current.places.l4 + 2;
            current.put(at, [1, 2], Cover::Transport).unwrap();
            current.locate();
            let at = if current.places.network == Network::V4 {
                12
            } else {
                8
            };
            current.put(at, [172, 16, 0, 9], Cover::Addresses).unwrap();
        });
        let after = complete(&packet);
        assert_eq!(frame::faults(&after, false), Vec::<String>::new());
        assert_eq!(frame::faults(&after[head..], false), Vec::<String>::new());
        for new in [
            &b""[..],
            b"short",
            &[3; 200],
            &whole,
            &[5; 34],
            &[8; 27],
            &[8; 28],
        ] {
            let mut packet = tunnel();
            with(&mut packet, |current| {
                current.replace_payload(new).unwrap();
                current.changed();
                current.locate();
                let field = head as u32 + 26;
                assert!(!current.packet().unwrap().checksum_is_partial(field));
            });
            assert_eq!(&packet.bytes()[head..], new);
            assert_eq!(frame::faults(&packet.bytes(), false), Vec::<String>::new());
        }
        let mut packet = tunnel().with_writes(0);
        with(&mut packet, |current| {
            assert_eq!(current.replace_payload(b"short"), Err(Refused));
        });
        assert_eq!(packet.bytes(), bytes);
    }
}

#[test]
fn a_host_without_memory_refuses_and_nothing_breaks() {
    for allowed in 0..3 {
        for bytes in packets(b"payload") {
            let mut packet = UserPacket::new(&bytes).with_writes(allowed);
            let done = with(&mut packet, |current| {
                current.replace_payload(b"longer payload")
            });
            // Room that was made can be written: a packet is never left between the two.
            assert_eq!(done.is_ok(), allowed >= 1);
            if allowed == 0 {
                assert_eq!(packet.bytes(), bytes);
            } else {
                assert!(frame::faults(&packet.bytes(), false).is_empty());
            }
        }
    }
}

#[test]
fn writable_fields_are_of_headers() {
    for field in FIELDS.iter().filter(|field| field.writable) {
        assert!(!matches!(
            field.kind,
            Kind::Eth | Kind::Dns | Kind::Tls | Kind::Http | Kind::Tftp
        ));
    }
}
