// SPDX-License-Identifier: GPL-2.0-only
//! Internet addresses: their text, and prefixes.
//!
//! Text follows RFC 5952: lower case, the longest run of zero groups (two or more, the first of
//! equals) as `::`. Reading takes what that RFC's readers must: any run as `::`, leading zeros, an
//! IPv4 tail; no zone.

use super::read::{Text, hex_digit};

/// Bytes of the longest text of an address.
const LONGEST: usize = 45;

/// An address of either version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Address {
    /// IPv4, as a number.
    V4(u32),
    /// IPv6.
    V6([u8; 16]),
}

impl Address {
    /// Reads an address.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        if text.contains(&b':') {
            parse_v6(text).map(Self::V6)
        } else {
            parse_v4(text).map(Self::V4)
        }
    }

    /// Its text.
    pub fn text(self) -> Text {
        let mut text = Text::new();
        match self {
            Self::V4(a) => push_v4(&mut text, a),
            Self::V6(bytes) => push_v6(&mut text, u128::from_be_bytes(bytes)),
        }
        text
    }

    /// How many bits an address of this version has.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4(_) => 32,
            Self::V6(_) => 128,
        }
    }

    /// Whether the first `len` bits are those of `network`, in the same version.
    pub fn within(self, network: Self, len: u8) -> bool {
        match (self, network) {
            (Self::V4(a), Self::V4(n)) => {
                (a ^ n)
                    .checked_shr(32_u32.saturating_sub(u32::from(len)))
                    .unwrap_or(0)
                    == 0
            }
            (Self::V6(a), Self::V6(n)) => {
                let differ = u128::from_be_bytes(a) ^ u128::from_be_bytes(n);
                differ
                    .checked_shr(128_u32.saturating_sub(u32::from(len)))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Reads `ADDRESS/LENGTH`, or an address, which is the network of itself.
pub fn parse_prefix(text: &[u8]) -> Option<(Address, u8)> {
    let Some(slash) = text.iter().take(LONGEST + 1).position(|b| *b == b'/') else {
        let address = Address::parse(text)?;
        return Some((address, address.bits()));
    };
    let address = Address::parse(text.get(..slash)?)?;
    let (len, rest) = decimal(text.get(slash.checked_add(1)?..)?)?;
    (rest.is_empty() && len <= u32::from(address.bits())).then_some((address, len as u8))
}

/// Reads one to three decimal digits, without leading zeros.
fn decimal(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if digits == 0 || digits > 3 || (digits > 1 && number.first() == Some(&b'0')) {
        return None;
    }
    let value = number.iter().fold(0_u32, |n, d| {
        n.wrapping_mul(10)
            .wrapping_add(u32::from(d.wrapping_sub(b'0')))
    });
    Some((value, rest))
}

fn parse_v4(mut text: &[u8]) -> Option<u32> {
    let mut address = 0;
    for i in 0..4 {
        if i > 0 {
            text = text.strip_prefix(b".")?;
        }
        let (byte, rest) = decimal(text)?;
        if byte > 255 {
            return None;
        }
        address = address << 8 | byte;
        text = rest;
    }
    text.is_empty().then_some(address)
}

fn parse_v6(mut text: &[u8]) -> Option<[u8; 16]> {
    // Groups in front of `::` and behind it, each shifted in from the right.
    let (mut front, mut back) = (0_u128, 0_u128);
    let (mut front_len, mut back_len) = (0_u32, 0_u32);
    let mut gap = false;
    if let Some(rest) = text.strip_prefix(b"::") {
        gap = true;
        text = rest;
    }
    while !text.is_empty() {
        let digits = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (value, width, rest) = if text.get(digits) == Some(&b'.') {
            (parse_v4(text)?, 32, &[][..])
        } else {
            let (group, rest) = text.split_at_checked(digits)?;
            if digits == 0 || digits > 4 {
                return None;
            }
            (
                group
                    .iter()
                    .fold(0, |n, d| n << 4 | u32::from(hex_value(*d))),
                16,
                rest,
            )
        };
        if gap {
            back = back << width | u128::from(value);
            back_len = back_len.wrapping_add(width);
        } else {
            front = front << width | u128::from(value);
            front_len = front_len.wrapping_add(width);
        }
        if front_len.wrapping_add(back_len) > 128 {
            return None;
        }
        text = match rest {
            [] => rest,
            [b':', b':', behind @ ..] if !gap => {
                gap = true;
                behind
            }
            [b':', behind @ ..] if !behind.is_empty() => behind,
            _ => return None,
        };
    }
    let len = front_len.wrapping_add(back_len);
    if (gap && len > 112) || (!gap && len != 128) {
        return None;
    }
    let front = front
        .checked_shl(128_u32.wrapping_sub(front_len))
        .unwrap_or(0);
    Some((front | back).to_be_bytes())
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit.wrapping_sub(b'0'),
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

fn push_v4(text: &mut Text, address: u32) {
    for (i, byte) in address.to_be_bytes().into_iter().enumerate() {
        if i > 0 {
            text.push(b".");
        }
        let (hundreds, tens, ones) = (byte / 100, byte / 10 % 10, byte % 10);
        if hundreds > 0 {
            text.push(&[b'0'.wrapping_add(hundreds)]);
        }
        if byte >= 10 {
            text.push(&[b'0'.wrapping_add(tens)]);
        }
        text.push(&[b'0'.wrapping_add(ones)]);
    }
}

fn push_v6(text: &mut Text, address: u128) {
    let group = |i: u32| address.unbounded_shr(112_u32.wrapping_sub(i.wrapping_mul(16))) as u16;
    // IPv4-mapped addresses show the IPv4 address.
    if address >> 32 == 0xffff {
        text.push(b"::ffff:");
        return push_v4(text, address as u32);
    }
    let (mut gap_at, mut gap_len) = (8, 1);
    let (mut at, mut len) = (0, 0_u32);
    for i in 0..8_u32 {
        if group(i) != 0 {
            len = 0;
            continue;
        }
        if len == 0 {
            at = i;
        }
        len = len.wrapping_add(1);
        if len > gap_len {
            (gap_at, gap_len) = (at, len);
        }
    }
    let mut i = 0;
    while i < 8 {
        if i == gap_at {
            text.push(b"::");
            i = i.wrapping_add(gap_len);
            continue;
        }
        if i > 0 && i != gap_at.wrapping_add(gap_len) {
            text.push(b":");
        }
        let group = group(i);
        let digits = (16_u32.wrapping_sub((group | 1).leading_zeros())).div_ceil(4);
        for d in (0..digits).rev() {
            let nibble = group.unbounded_shr(d.wrapping_mul(4)) & 15;
            text.push(&[hex_digit(nibble as u8)]);
        }
        i = i.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::string::{String, ToString};

    fn round(text: &str) -> Option<String> {
        Address::parse(text.as_bytes()).map(|a| String::from_utf8_lossy(a.text().as_bytes()).into())
    }

    /// The standard library's reader and writer are the oracle.
    #[test]
    fn texts_are_those_of_the_standard_library() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let four = Ipv4Addr::from(next() as u32);
            assert_eq!(round(&four.to_string()), Some(four.to_string()));
            // Zero groups often, so that every shape of `::` comes up.
            let mut groups = [0_u16; 8];
            for group in &mut groups {
                let n = next();
                *group = if n % 4 == 0 {
                    (n >> 8) as u16 >> (n >> 4 & 15)
                } else {
                    0
                };
            }
            let six = Ipv6Addr::from(groups);
            assert_eq!(round(&six.to_string()), Some(six.to_string()));
        }
    }

    #[test]
    fn the_same_texts_are_refused() {
        for text in [
            "",
            ".",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.2.3.4",
            "1..2.3",
            "a.b.c.d",
            ":",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "12345::",
            "::1.2.3",
            "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4",
            "g::",
            "1:",
            ":1",
            "fe80::1%lo",
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "::ffff:1.2.3.4",
            "1::8",
            "1:2:3:4:5:6:1.2.3.4",
            "ABCD::EF",
            "0001::",
        ] {
            let wide: Option<Ipv6Addr> = text.parse().ok();
            let narrow: Option<Ipv4Addr> = text.parse().ok();
            let expected = wide
                .map(|a| a.to_string())
                .or(narrow.map(|a| a.to_string()));
            assert_eq!(round(text), expected, "{text}");
        }
    }

    #[test]
    fn prefixes_hold_what_they_should() {
        let within = |a: &str, p: &str| {
            let (network, len) = parse_prefix(p.as_bytes()).unwrap();
            Address::parse(a.as_bytes()).unwrap().within(network, len)
        };
        assert!(within("10.1.2.3", "10.0.0.0/8"));
        assert!(!within("11.1.2.3", "10.0.0.0/8"));
        assert!(within("11.1.2.3", "0.0.0.0/0"));
        assert!(within("10.0.0.1", "10.0.0.1"));
        assert!(!within("10.0.0.2", "10.0.0.1/32"));
        assert!(within("2001:db8::5", "2001:db8::/32"));
        assert!(!within("2001:db9::5", "2001:db8::/32"));
        assert!(within("::", "::/0"));
        assert!(!within("1.2.3.4", "::/0"));
        for bad in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "/8",
            "10.0.0.0/08",
        ] {
            assert_eq!(parse_prefix(bad.as_bytes()), None, "{bad}");
        }
    }
}
