// SPDX-License-Identifier: GPL-2.0-only
//! Captures: read whole, cut and damaged.

use crate::make::{
    self, ETHERNET, ORDERS, Order, RAW, enhanced, ethernet, interface, option, section, udp,
};
use packetscript_abi::source::Bundle;
use packetscript_capture::Error;
use packetscript_capture::link::{self, Seen};
use packetscript_capture::read::Reader;
use packetscript_engine::host::user::{UserPacket, set_clock};
use pstui::engine::Instance;
use std::io::{self, Read};

/// A packet, kept: number, link type, time, original length, bytes.
type Kept = (u64, u32, u64, u32, Vec<u8>);

/// All packets, and what ended them if it was no end.
fn read(input: impl Read) -> (Vec<Kept>, Option<Error>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::new(input, "IN") {
        Ok(reader) => reader,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match reader.next_packet() {
            Ok(Some(p)) => packets.push((p.number, p.link, p.time, p.original, p.data.to_vec())),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

fn whole(file: &[u8]) -> Vec<Kept> {
    let (packets, error) = read(file);
    assert_eq!(error, None);
    packets
}

/// What reading it ends with.
fn error(file: &[u8]) -> String {
    read(file).1.expect("an error").to_string()
}

/// A pipe whose other end is slow.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let some = to.len().min(1);
        self.0.read(&mut to[..some])
    }
}

#[test]
fn pcap_in_both_orders_and_units() {
    let (one, two) = (ethernet(53, b"one"), ethernet(54, b"two"));
    for order in ORDERS {
        for (nanoseconds, unit) in [(false, 1000), (true, 1)] {
            let mut file = make::head(order, nanoseconds, ETHERNET);
            file.extend(make::record(order, (7, 8), one.len(), &one));
            file.extend(make::record(order, (4_000_000_000, 9), 1500, &two[..50]));
            file.extend(make::record(order, (0, 0), 0, b""));
            let expected: Vec<Kept> = vec![
                (1, 1, 7_000_000_000 + 8 * unit, 60, one.clone()),
                (
                    2,
                    1,
                    4_000_000_000_000_000_000 + 9 * unit,
                    1500,
                    two[..50].to_vec(),
                ),
                (3, 1, 0, 0, vec![]),
            ];
            assert_eq!(whole(&file), expected, "{order:?} {unit}");
            assert_eq!(read(Trickle(&file)), (expected, None), "{order:?} {unit}");
            let reader = Reader::new(&file[..], "IN").unwrap();
            assert_eq!(reader.has_nanoseconds(), nanoseconds);
        }
    }
}

/// Patched kernels of the nineties wrote eight bytes more before each packet.
#[test]
fn the_modified_pcap_has_longer_heads() {
    let (order, data) = (Order::Little, udp(53, b"text"));
    let mut file = make::head(order, false, RAW);
    file[..4].copy_from_slice(&order.u32(0xa1b2_cd34));
    let record = make::record(order, (7, 8), data.len(), &data);
    file.extend([&record[..16], &[0xee; 8], &record[16..]].concat());
    let expected: Vec<Kept> = vec![(1, RAW, 7_000_008_000, data.len() as u32, data)];
    assert_eq!(whole(&file), expected);
    assert_eq!(read(Trickle(&file)), (expected, None));
}

/// A link type's upper bits say how long a frame's checksum is.
#[test]
fn a_frames_checksum_is_no_part_of_the_link_type() {
    let file = make::head(Order::Little, false, 0x5400_0001);
    assert_eq!(whole(&file), []);
}

#[test]
fn pcapng_has_sections_interfaces_and_units_of_time() {
    let data = udp(53, b"text");
    for order in ORDERS {
        let other = ORDERS[usize::from(order == Order::Little)];
        let mut file = section(order);
        file.extend(interface(order, RAW, 0, b""));
        file.extend(interface(order, ETHERNET, 0, &option(order, 9, &[9])));
        // Powers of two, from a time of its own on.
        let options = [
            option(order, 2, b"eth1"),
            option(order, 9, &[0x8a]),
            option(order, 14, &order.u64(100)),
            option(order, 0, b""),
        ];
        file.extend(interface(order, RAW, 0, &options.concat()));
        // Names are nobody's here, and may be longer than any packet.
        file.extend(make::block(order, 4, &vec![7; 700_001]));
        file.extend(enhanced(order, 0, 5_000_001, &data));
        file.extend(enhanced(order, 1, 5_000_000_001, &data));
        file.extend(enhanced(order, 2, 5 * 1024 + 512, &data));
        file.extend(make::simple(order, &data));
        // Interfaces are those of the section, which has an order of its own.
        file.extend(section(other));
        file.extend(interface(other, 228, 20, b""));
        file.extend(enhanced(other, 0, u64::MAX, &data));
        file.extend(make::simple(other, &data));
        let length = data.len() as u32;
        let late = u64::MAX;
        let expected: Vec<Kept> = vec![
            (1, RAW, 5_000_001_000, length, data.clone()),
            (2, ETHERNET, 5_000_000_001, length, data.clone()),
            (3, RAW, 105_500_000_000, length, data.clone()),
            (4, RAW, 105_500_000_000, length, data.clone()),
            (5, 228, late, length, data.clone()),
            (6, 228, late, length, data[..20].to_vec()),
        ];
        assert_eq!(whole(&file), expected, "{order:?}");
        assert_eq!(read(Trickle(&file)), (expected, None), "{order:?}");
    }
}

#[test]
fn what_comes_next_can_be_asked_for() {
    let file = make::pcap(RAW, &[(1, udp(53, b"one")), (2, udp(54, b"two"))]);
    let mut reader = Reader::new(&file[..], "IN").unwrap();
    let first = Some((1_700_000_000_001_000_000, RAW));
    assert_eq!((reader.peek(), reader.peek()), (first, first));
    assert_eq!(reader.next_packet().unwrap().unwrap().number, 1);
    assert_eq!(reader.next_packet().unwrap().unwrap().data, udp(54, b"two"));
    assert_eq!(reader.peek(), Some((0, RAW)));
    assert_eq!(reader.next_packet(), Ok(None));
    // What is wrong with it is said when it is read.
    let mut reader = Reader::new(&file[..100], "IN").unwrap();
    reader.next_packet().unwrap();
    reader.peek();
    assert!(reader.next_packet().is_err());
}

#[test]
fn what_is_wrong_is_said_with_packet_and_byte() {
    let data = udp(53, b"text");
    let little = Order::Little;
    let pcap = |link| make::head(little, false, link);
    let mut long = pcap(RAW);
    long.extend(make::record(little, (1, 1), data.len(), &data));
    let second = long.len();
    long.extend(make::record(little, (1, 1), 300_000, &vec![0; 300_000]));
    let mut longest = pcap(RAW);
    longest.extend([0xff; 16]);
    let mut version = pcap(RAW);
    version[4] = 3;
    let ng = |blocks: &[Vec<u8>]| [&[section(little)][..], blocks].concat().concat();
    let one = interface(little, RAW, 0, b"");
    let mut crooked = enhanced(little, 0, 0, &data);
    let end = crooked.len() - 4;
    crooked[end] += 4;
    let mut short = one.clone();
    short[4] = 8;
    let mut huge = enhanced(little, 0, 0, &data);
    huge[7] = 0x7f;
    let mut other = section(little);
    other[12] = 2;
    let mut unordered = ng(&[]);
    unordered[8] = 0;
    for (file, says) in [
        (b"".to_vec(), "IN: the file is empty"),
        (
            b"#!/bin/sh".to_vec(),
            "IN: neither pcap nor pcapng, which `tcpdump -w` and Wireshark write: it starts with the bytes 23 21 2f 62",
        ),
        (unordered, "IN: neither pcap nor pcapng"),
        (vec![0x1f, 0x8b, 8, 0], "IN: compressed by gzip: `zcat IN |"),
        (
            pcap(RAW)[..20].to_vec(),
            "IN: the file is cut off in its header",
        ),
        (
            section(little)[..11].to_vec(),
            "IN: the file is cut off in its header",
        ),
        (version, "IN: version 3.4 of pcap; there is 2.4"),
        (
            other,
            "IN: packet 1 (byte 0): version 2 of pcapng; there is 1",
        ),
        (
            pcap(105),
            "IN: its link type is 105 (IEEE 802.11); there are 0 (BSD loopback), 1 (Ethernet), 12 (raw IP), 101 (raw IP), 108 (OpenBSD loopback), 113 (Linux cooked), 228 (raw IPv4), 229 (raw IPv6), 276 (Linux cooked v2)",
        ),
        (
            ng(&[
                interface(little, 220, 0, b""),
                enhanced(little, 0, 0, &data),
            ]),
            "IN: packet 1 (byte 48): its link type is 220 (Linux USB, memory-mapped); there are",
        ),
        (
            long[..second + 1000].to_vec(),
            &format!(
                "IN: packet 2 (byte {second}): it would have 300000 bytes, and packets have at most 262144"
            ),
        ),
        (
            longest,
            "IN: packet 1 (byte 24): it would have 4294967295 bytes",
        ),
        (
            long[..second + 15].to_vec(),
            &format!("IN: packet 2 (byte {second}): the file is cut off in the middle of it"),
        ),
        (
            ng(&[one.clone(), enhanced(little, 1, 0, &data)]),
            "IN: packet 1 (byte 48): it is of interface 1, of 1",
        ),
        (
            ng(&[make::simple(little, &data)]),
            "IN: packet 1 (byte 28): it is of interface 0, of 0",
        ),
        (
            ng(&[one.clone(), crooked]),
            "IN: packet 1 (byte 48): a block has 76 bytes by its beginning and 80 by its end",
        ),
        (
            ng(&[short]),
            "IN: packet 1 (byte 28): a block cannot have 8 bytes",
        ),
        (
            ng(&[one.clone(), huge]),
            "IN: packet 1 (byte 48): it would have 2130706508 bytes",
        ),
        (
            ng(&[one.clone(), make::block(little, 2, &data)]),
            "IN: packet 1 (byte 48): an obsolete packet block: convert the file",
        ),
        (
            ng(&[interface(little, RAW, 0, &option(little, 9, &[20]))]),
            "IN: packet 1 (byte 28): an interface's time stamps have a unit that is too small",
        ),
        (
            ng(&[interface(little, RAW, 0, &option(little, 9, &[0xc0]))]),
            "a unit that is too small",
        ),
        (
            ng(&[one, make::block(little, 4, &[0; 64])[..40].to_vec()]),
            "IN: packet 1 (byte 48): the file is cut off in the middle of it",
        ),
    ] {
        // In whatever pieces it comes: xz was known by a fifth byte, which might not have been there yet.
        assert_eq!(read(&file[..]), read(Trickle(&file)));
        let told = error(&file);
        assert!(told.contains(says), "{told}\nand not\n{says}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_systems_reason() {
    struct Broken<'a>(&'a [u8]);
    impl Read for Broken<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            match self.0.read(to) {
                Ok(0) => Err(io::Error::from_raw_os_error(5)),
                other => other,
            }
        }
    }
    let file = make::pcap(RAW, &[(0, udp(53, b""))]);
    let (packets, error) = read(Broken(&file));
    assert_eq!(packets.len(), 1);
    assert_eq!(error.unwrap().to_string(), "IN: Input/output error");
}

/// A script with a timer and a rewrite, and packets of damaged captures through it.
struct Through(Instance);

impl Through {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lua");
        let text = "every(1, function() end)
            function process_packet(p)
              local n = tostring(p.src) .. tostring(p.dport) .. tostring(p.eth and p.eth.src) .. tostring(p.dns)
              if p.udp then p.payload = (p.payload or '') .. n end
              return ACCEPT, n
            end";
        std::fs::write(&path, text).unwrap();
        set_clock(Some(0));
        Self(Instance::new(&Bundle::read(&path).unwrap(), &[]).unwrap())
    }

    fn packets(&mut self, packets: &[Kept]) {
        let function = self.0.function("process_packet").unwrap();
        for (_, link, time, _, data) in packets {
            self.0.pass(time / 1_000_000, 10);
            if let Seen::Ip(frame) = link::open(*link, data) {
                let all = [frame.header, frame.packet, frame.tail].concat();
                assert_eq!(all, *data);
                let outcome = self.0.give(function, &mut UserPacket::new(frame.packet));
                assert!(outcome.fuel <= 100_000);
            }
        }
    }
}

#[test]
fn every_beginning_of_a_capture_has_its_whole_packets_and_then_an_error() {
    let mut through = Through::new();
    for file in make::all() {
        let all = whole(&file);
        assert_eq!(all.len(), 2);
        let mut clean = 0;
        for end in 0..file.len() {
            let (packets, error) = read(&file[..end]);
            assert_eq!(packets, all[..packets.len()], "{end}");
            through.packets(&packets);
            if error.is_none() {
                clean += 1;
            }
        }
        // Where a record or a block ends, nothing tells that more should come.
        assert!((2..=4).contains(&clean), "{clean}");
    }
}

#[test]
fn any_byte_of_a_capture_may_be_wrong() {
    let mut through = Through::new();
    for file in make::all() {
        for at in 0..file.len() {
            for change in [0x01, 0x02, 0x10, 0x80, 0xff, file[at]] {
                let mut wrong = file.clone();
                wrong[at] ^= change;
                let (packets, _) = read(&wrong[..]);
                through.packets(&packets);
            }
        }
    }
}
