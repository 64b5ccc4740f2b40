// SPDX-License-Identifier: GPL-2.0-only
//! Captures, made byte by byte as the formats' descriptions have them.

use packetscript_engine::host::frame;
use std::net::IpAddr;

/// Ethernet, in both formats.
pub const ETHERNET: u32 = 1;
/// Raw IP.
pub const RAW: u32 = 101;

/// A byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

pub const ORDERS: [Order; 2] = [Order::Little, Order::Big];

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// The head of a pcap file.
pub fn head(order: Order, nanoseconds: bool, link: u32) -> Vec<u8> {
    let magic = if nanoseconds {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    };
    [
        &order.u32(magic)[..],
        &order.u16(2),
        &order.u16(4),
        &[0; 8],
        &order.u32(65535),
        &order.u32(link),
    ]
    .concat()
}

/// A packet's record in it: seconds, the fraction in the file's unit, how long the packet was.
pub fn record(order: Order, time: (u32, u32), original: usize, data: &[u8]) -> Vec<u8> {
    [
        &order.u32(time.0)[..],
        &order.u32(time.1),
        &order.u32(data.len() as u32),
        &order.u32(original as u32),
        data,
    ]
    .concat()
}

/// A capture of microseconds in this machine's order: packets with their milliseconds since 2023.
pub fn pcap(link: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = head(Order::Little, false, link);
    for (ms, data) in packets {
        let time = (
            1_700_000_000 + (ms / 1000) as u32,
            (ms % 1000) as u32 * 1000,
        );
        file.extend(record(Order::Little, time, data.len(), data));
    }
    file
}

/// A block of pcapng.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len().wrapping_neg() & 3];
    let length = order.u32((body.len() + padding.len() + 12) as u32);
    [&order.u32(kind)[..], &length, body, &padding, &length].concat()
}

/// The block that begins a section.
pub fn section(order: Order) -> Vec<u8> {
    let body = [
        &order.u32(0x1a2b_3c4d)[..],
        &order.u16(1),
        &order.u16(0),
        &[0xff; 8],
    ]
    .concat();
    block(order, 0x0a0d_0d0a, &body)
}

/// An option of a block.
pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().wrapping_neg() & 3];
    [
        &order.u16(code)[..],
        &order.u16(value.len() as u16),
        value,
        &padding,
    ]
    .concat()
}

/// An interface, with its options.
pub fn interface(order: Order, link: u32, most: u32, options: &[u8]) -> Vec<u8> {
    let body = [
        &order.u16(link as u16)[..],
        &[0; 2],
        &order.u32(most),
        options,
    ]
    .concat();
    block(order, 1, &body)
}

/// A packet of an interface, in its unit of time.
pub fn enhanced(order: Order, interface: u32, stamp: u64, data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len().wrapping_neg() & 3];
    let length = order.u32(data.len() as u32);
    let body = [
        &order.u32(interface)[..],
        &order.u32((stamp >> 32) as u32),
        &order.u32(stamp as u32),
        &length,
        &length,
        data,
        &padding,
        // A comment, and the end of the options.
        &option(order, 1, b"why"),
        &option(order, 0, b""),
    ]
    .concat();
    block(order, 6, &body)
}

/// A packet of the first interface, without a time stamp.
pub fn simple(order: Order, data: &[u8]) -> Vec<u8> {
    let body = [&order.u32(data.len() as u32)[..], data].concat();
    block(order, 3, &body)
}

/// A UDP packet to a port.
pub fn udp(dport: u16, payload: &[u8]) -> Vec<u8> {
    let at = |last| IpAddr::from([192, 0, 2, last]);
    frame::udp(at(1), at(2), 4000, dport, payload)
}

/// The same in a frame of Ethernet, which is at least 60 bytes long.
pub fn ethernet(dport: u16, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    data.extend(udp(dport, payload));
    data.resize(data.len().max(60), 0);
    data
}

/// A small capture of each kind.
pub fn all() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for order in ORDERS {
        let mut file = head(order, true, ETHERNET);
        file.extend(record(order, (7, 8), 60, &ethernet(53, b"one")));
        file.extend(record(order, (7, 9), 1500, &ethernet(54, b"two")[..50]));
        all.push(file);
        let mut file = section(order);
        let unit = option(order, 9, &[9]);
        file.extend(interface(order, RAW, 0, &unit));
        file.extend(block(order, 5, &[0; 16]));
        file.extend(enhanced(order, 0, 7_000_000_008, &udp(53, b"one")));
        file.extend(simple(order, &udp(54, b"two")));
        all.push(file);
    }
    all
}
