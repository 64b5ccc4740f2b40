// SPDX-License-Identifier: GPL-2.0-only
//! Reads over built packets: by the window and by the slow way, which must agree, at every length
//! of the linear part.

#![allow(clippy::panic, clippy::arithmetic_side_effects)]

extern crate std;

use core::net::IpAddr;
use std::vec;
use std::vec::Vec;

use super::fields::{FIELDS, Field, HOT, Kind, field_id};
use super::read::{Got, Text};
use super::{Current, path_id};
use crate::host::at_hand::{Header, Place};
use crate::host::frame::{self, Tcp, flag};
use crate::host::user::UserPacket;
use crate::random::Random;
use crate::value::{Tag, Value};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn find(kind: Kind, name: &str) -> &'static Field {
    FIELDS
        .iter()
        .find(|f| f.kind == kind && f.name == name)
        .unwrap()
}

/// Reads one field of a packet the slow way.
fn read(packet: &mut UserPacket, kind: Kind, name: &str) -> Got {
    with(packet, |current| current.read(find(kind, name)))
}

/// Runs `f` with the packet at hand.
fn with<R>(packet: &mut UserPacket, f: impl FnOnce(&mut Current) -> R) -> R {
    let mut current = Current::new();
    // SAFETY: the packet is alive until finish, and only current uses it.
    unsafe { current.begin(packet.raw()) };
    let result = f(&mut current);
    current.finish();
    result
}

fn text(s: &str) -> Got {
    let mut text = Text::new();
    text.push(s.as_bytes());
    Got::Text(text)
}

fn address(s: &str) -> Got {
    match ip(s) {
        IpAddr::V4(a) => Got::Addr4(a.to_bits()),
        IpAddr::V6(a) => Got::Addr6(a.octets()),
    }
}

/// A SYN with the options that Linux sends.
fn syn() -> Vec<u8> {
    let options = vec![
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9, 1, 3, 3, 7,
    ];
    let tcp = Tcp {
        seq: 0x8000_0001,
        flags: flag::SYN,
        window: 64240,
        options,
        ack_seq: 0,
    };
    frame::tcp(ip("10.0.0.1"), ip("10.0.0.2"), (40000, 443), &tcp, b"hi")
}

fn samples() -> Vec<Vec<u8>> {
    let (a, b) = (ip("2001:db8::1"), ip("2001:db8::2"));
    let dns = frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 1234, 53, b"payload");
    let six = frame::udp(a, b, 1234, 53, b"payload");
    vec![
        syn(),
        frame::with_options(&syn(), &[7, 7, 4, 0, 0, 0, 0]),
        dns.clone(),
        six.clone(),
        frame::with_extension(&frame::with_extension(&six, 60, &[0; 14]), 0, &[0; 6]),
        frame::tcp(
            a,
            b,
            (1, 2),
            &Tcp {
                flags: flag::ACK | flag::FIN,
                ..Tcp::default()
            },
            b"",
        ),
        frame::echo(ip("10.0.0.1"), ip("10.0.0.2"), false, 7, 9, b"ping"),
        frame::echo(a, b, true, 7, 9, b"ping"),
        frame::arp(
            1,
            [2, 0, 0, 0, 0, 1],
            [10, 0, 0, 1].into(),
            [0; 6],
            [10, 0, 0, 2].into(),
        ),
        frame::fragments(&dns, 8).swap_remove(0),
        frame::fragments(&dns, 8).swap_remove(1),
        frame::fragments(&six, 8).swap_remove(0),
        frame::fragments(&six, 8).swap_remove(1),
    ]
}

#[test]
fn tcp_fields_are_those_that_were_sent() {
    let mut p = UserPacket::new(&syn());
    let mut tcp = |name| read(&mut p, Kind::Tcp, name);
    assert_eq!(tcp("sport"), Got::Int(40000));
    assert_eq!(tcp("dport"), Got::Int(443));
    assert_eq!(tcp("seq"), Got::Int(0x8000_0001));
    assert_eq!(tcp("doff"), Got::Int(10));
    assert_eq!(tcp("flags"), Got::Int(2));
    assert_eq!(
        (tcp("syn"), tcp("ack")),
        (Got::Flag(true), Got::Flag(false))
    );
    assert_eq!(
        (tcp("fin"), tcp("cwr")),
        (Got::Flag(false), Got::Flag(false))
    );
    assert_eq!(tcp("window"), Got::Int(64240));
    assert_eq!((tcp("mss"), tcp("wscale")), (Got::Int(1460), Got::Int(7)));
    assert_eq!(tcp("sack_ok"), Got::Flag(true));
    assert_eq!(
        (tcp("ts"), tcp("ts_ecr")),
        (Got::Int(0x1122_3344), Got::Int(9))
    );
    assert_eq!(read(&mut p, Kind::Root, "payload"), Got::Bytes(60, 2));
}

#[test]
fn ip_fields_are_those_that_were_sent() {
    let mut p = UserPacket::new(&frame::udp(ip("10.0.0.1"), ip("10.9.0.2"), 5, 53, b"x"));
    let mut at = |name| read(&mut p, Kind::Ip, name);
    assert_eq!(
        (at("version"), at("ihl"), at("ttl")),
        (Got::Int(4), Got::Int(5), Got::Int(64))
    );
    assert_eq!((at("tot_len"), at("id")), (Got::Int(29), Got::Int(0x1234)));
    assert_eq!(
        (at("df"), at("mf"), at("frag_off")),
        (Got::Flag(true), Got::Flag(false), Got::Int(0))
    );
    assert_eq!(
        (at("saddr"), at("dst")),
        (address("10.0.0.1"), address("10.9.0.2"))
    );
    assert_eq!(at("protocol"), Got::Int(17));

    let six = frame::udp(ip("2001:db8::1"), ip("::2"), 5, 53, b"x");
    let mut p = UserPacket::new(&frame::with_extension(&six, 0, &[0; 6]));
    let mut at = |name| read(&mut p, Kind::Ip, name);
    assert_eq!(
        (at("version"), at("ihl"), at("ttl")),
        (Got::Int(6), Got::Nil, Got::Int(64))
    );
    assert_eq!(
        (at("saddr"), at("daddr")),
        (address("2001:db8::1"), address("::2"))
    );
    assert_eq!(
        (at("protocol"), at("tot_len")),
        (Got::Int(17), Got::Int(57))
    );
    assert_eq!(
        (at("check"), at("id"), at("df")),
        (Got::Nil, Got::Nil, Got::Nil)
    );
    assert_eq!(read(&mut p, Kind::Root, "dport"), Got::Int(53));
}

#[test]
fn fragments_have_no_transport_header_but_the_first() {
    for src in ["10.0.0.1", "2001:db8::1"] {
        let whole = frame::udp(ip(src), ip(src), 5, 53, &[b'x'; 40]);
        let all: Vec<_> = frame::fragments(&whole, 16);
        let n = all.len();
        for (i, bytes) in all.iter().enumerate() {
            let mut p = UserPacket::new(bytes);
            let port = read(&mut p, Kind::Root, "dport");
            assert_eq!(port, if i == 0 { Got::Int(53) } else { Got::Nil });
            let view = read(&mut p, Kind::Root, "udp");
            assert_eq!(
                view,
                if i == 0 {
                    Got::View(Kind::Udp, 0)
                } else {
                    Got::Nil
                }
            );
            assert_eq!(read(&mut p, Kind::Ip, "frag_off"), Got::Int(16 * i as i64));
            assert_eq!(read(&mut p, Kind::Ip, "mf"), Got::Flag(i + 1 < n));
            assert_eq!(read(&mut p, Kind::Root, "proto"), Got::Int(17));
        }
    }
}

#[test]
fn arp_icmp_and_the_link_are_read() {
    let mut p = UserPacket::new(&samples()[8])
        .with_mac([2, 0, 0, 0, 0, 0xa1], [0xff; 6])
        .with_vlan(42);
    assert_eq!(read(&mut p, Kind::Arp, "op"), Got::Int(1));
    assert_eq!(read(&mut p, Kind::Arp, "sha"), text("02:00:00:00:00:01"));
    assert_eq!(read(&mut p, Kind::Arp, "tpa"), address("10.0.0.2"));
    assert_eq!(read(&mut p, Kind::Root, "src"), address("10.0.0.1"));
    assert_eq!(read(&mut p, Kind::Eth, "src"), text("02:00:00:00:00:a1"));
    assert_eq!(read(&mut p, Kind::Eth, "dst"), text("ff:ff:ff:ff:ff:ff"));
    assert_eq!(read(&mut p, Kind::Eth, "vlan"), Got::Int(42));
    assert_eq!(read(&mut p, Kind::Eth, "type"), Got::Int(0x0806));
    assert_eq!(read(&mut p, Kind::Root, "ip"), Got::Nil);
    for (i, kind) in [(6, Kind::Icmp), (7, Kind::Icmp6)] {
        let mut p = UserPacket::new(&samples()[i]);
        assert_eq!(
            (read(&mut p, kind, "id"), read(&mut p, kind, "seq")),
            (Got::Int(7), Got::Int(9))
        );
        assert_eq!(
            read(&mut p, Kind::Root, "payload"),
            Got::Bytes(if i == 6 { 28 } else { 48 }, 4)
        );
    }
}

#[test]
fn tags_still_in_the_packet_are_stepped_over_on_a_bridge() {
    let inner = frame::udp(ip("10.0.0.1"), ip("10.0.0.2"), 5, 53, b"x");
    let mut frame = frame::ethernet(
        [2; 6],
        [4; 6],
        Some(7),
        &frame::ethernet([0; 6], [0; 6], Some(9), &inner)[12..],
    );
    // The first tag is taken off by the interface, the second stays.
    frame[16..18].copy_from_slice(&[0x81, 0]);
    frame.drain(18..20);
    let mut p = UserPacket::from_frame(&frame).unwrap().in_bridge();
    assert_eq!(read(&mut p, Kind::Root, "dport"), Got::Int(53));
    assert_eq!(read(&mut p, Kind::Eth, "vlan"), Got::Int(7));
    assert_eq!(read(&mut p, Kind::Eth, "type"), Got::Int(0x0800));
    assert_eq!(read(&mut p, Kind::Root, "family"), Got::Name("bridge"));
}

#[test]
fn a_flow_is_the_same_in_both_directions() {
    for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::9", "::1")] {
        let flow = |src, dst, sport, dport| {
            let mut p = UserPacket::new(&frame::udp(ip(src), ip(dst), sport, dport, b""));
            read(&mut p, Kind::Root, "flow")
        };
        assert_eq!(flow(a, b, 5, 53), flow(b, a, 53, 5));
        assert_ne!(flow(a, b, 5, 53), flow(a, b, 53, 5));
    }
}

/// The window's answer as the slow way would give it.
fn hot(current: &Current, v: Value) -> Got {
    match v.tag {
        Tag::Int => Got::Int(v.as_int()),
        Tag::Nil => Got::Nil,
        Tag::True => Got::Flag(true),
        Tag::False => Got::Flag(false),
        Tag::Addr4 => Got::Addr4(v.payload as u32),
        Tag::Packet => {
            assert_eq!(v.aux, current.serial());
            Got::View(Kind::from_payload(v.payload).unwrap(), 0)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn windows_and_the_slow_way_agree_at_every_linear_length() {
    let mut hits = 0;
    for bytes in samples() {
        let whole: Vec<Got> = with(&mut UserPacket::new(&bytes), |c| {
            FIELDS.iter().map(|f| c.read(f)).collect()
        });
        for linear in 0..=bytes.len() {
            let mut p = UserPacket::new(&bytes).with_linear(linear);
            with(&mut p, |current| {
                current.locate();
                for (i, field) in FIELDS.iter().enumerate() {
                    assert_eq!(current.read(field), whole[i], "{} at {linear}", field.name);
                    let view = current.view(field.kind, 0);
                    let id = field_id(field.name.as_bytes()).unwrap();
                    let path = current.path_in(view, id);
                    if let Some(v) = path.and_then(|path| current.fast_field(path)) {
                        assert_eq!(hot(current, v), whole[i], "{} at {linear}", field.name);
                        hits += 1;
                    }
                    if field.kind == Kind::Root
                        && let Some(has) = current.fast_has(view, id)
                    {
                        assert_eq!(has, whole[i] != Got::Nil, "{} at {linear}", field.name);
                    }
                    let path = path_id(field.kind.name().as_bytes(), field.name.as_bytes());
                    let root = current.root();
                    if let Some(v) = current.fast_path(root, path) {
                        assert_eq!(hot(current, v), whole[i], "{} at {linear}", field.name);
                        let int = current.fast_int(root, path);
                        assert_eq!(int.is_some(), matches!(whole[i], Got::Int(_)));
                        assert!(int.is_none_or(|n| Got::Int(n.into()) == whole[i]));
                    }
                }
            });
        }
    }
    assert!(hits > 4_000, "{hits}");
}

#[test]
fn a_truncated_or_mutated_packet_never_reads_beyond_itself() {
    let mut random = Random(1);
    for bytes in samples() {
        for len in 0..bytes.len() {
            let mut p = UserPacket::new(&bytes[..len]);
            with(&mut p, |c| {
                for field in FIELDS {
                    if let Got::Bytes(from, length) = c.read(field) {
                        assert!((from + length) as usize <= len);
                    }
                }
            });
        }
        for _ in 0..2000 {
            let mut bad = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bad.len());
                bad[at] = random.bits() as u8;
            }
            let mut p = UserPacket::new(&bad).with_linear(random.below(bad.len() + 1));
            with(&mut p, |c| {
                for field in FIELDS {
                    if let Got::Bytes(from, length) = c.read(field) {
                        assert!((from + length) as usize <= bad.len());
                    }
                }
            });
        }
    }
}

#[test]
fn a_value_of_an_earlier_packet_is_stale() {
    let mut one = UserPacket::new(&syn());
    let mut two = UserPacket::new(&syn());
    let mut current = Current::new();
    // SAFETY: each packet is alive until the next begin or finish, and only current uses it.
    unsafe { current.begin(one.raw()) };
    current.locate();
    let old = current.root();
    let path = path_id(b"tcp", b"dport");
    assert!(current.fast_path(old, path).is_some());
    // SAFETY: as above.
    unsafe { current.begin(two.raw()) };
    current.locate();
    assert!(current.fast_path(old, path).is_none());
    let root = current.root();
    assert!(current.fast_path(root, path).is_some());
    current.finish();
    assert!(current.fast_path(root, path).is_none());
    assert!(current.packet().is_none());
}

#[test]
fn hot_entries_are_of_their_fields() {
    assert_eq!(HOT[0][0].tag, Tag::Nil);
    assert!(
        HOT[0]
            .iter()
            .skip(FIELDS.len() + 1)
            .all(|hot| hot.tag == Tag::Nil)
    );
}

/// Every header with its first word, whether these are all, and which table of fields goes with them.
fn shape(current: &Current) -> (Vec<Option<u32>>, bool, bool) {
    let words = [
        Place::new(Header::V4, 0),
        Place::new(Header::V6, 0),
        Place::new(Header::Arp, 0),
        Place::new(Header::Tcp, 0),
        Place::new(Header::Udp, 0),
        Place::new(Header::Icmp, 0),
        Place::new(Header::Icmp6, 0),
        Place::new(Header::Ports, 0),
    ];
    let words = words.map(|place| current.hand.word(place)).to_vec();
    (
        words,
        current.hand.complete,
        core::ptr::eq(current.hot, &raw const HOT[1]),
    )
}

/// A field that is asked for first opens windows by a quick look at usual packets; what that takes for
/// usual must be what finding everything finds.
#[test]
fn the_quick_look_agrees_with_the_thorough_one() {
    const EDGES: [u8; 18] = [
        0, 1, 5, 6, 7, 8, 9, 17, 19, 20, 40, 41, 0x3f, 0x44, 0x45, 0x46, 0x60, 0xf0,
    ];
    let (mut usual, mut tried) = (0, 0);
    for whole in samples() {
        for at in 0..61.min(whole.len()) {
            for value in EDGES {
                let mut bytes = whole.clone();
                bytes[at] = value;
                for len in [bytes.len(), 28, 40, 48, 59] {
                    let bytes = &bytes[..len.min(bytes.len())];
                    for linear in [bytes.len(), 27, 47] {
                        let mut packet = UserPacket::new(bytes).with_linear(linear);
                        let (quick, looked) = with(&mut packet, |current| {
                            current.try_windows();
                            (!current.is_located(), shape(current))
                        });
                        let found = with(&mut packet, |current| {
                            current.locate();
                            shape(current)
                        });
                        assert_eq!(
                            looked, found,
                            "byte {at} is {value}: {bytes:02x?}, {linear}"
                        );
                        usual += u32::from(quick);
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(usual > 1000 && usual < tried, "{usual} of {tried}");
}
