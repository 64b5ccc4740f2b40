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
