// SPDX-License-Identifier: GPL-2.0-only
//! DNS messages (RFC 1035), over UDP and TCP. Every function takes any bytes.

use crate::stdlib::string::lower;

/// Bytes of the header.
pub const HEADER: usize = 12;
/// Jumps within one name; each also has to go back.
const JUMPS: u32 = 16;
/// The longest name as text: 255 bytes in a message, of which the first length and the root's are none here.
pub const NAME: usize = 253;

/// A name as text.
pub struct Name {
    bytes: [u8; NAME],
    len: usize,
}

impl Default for Name {
    fn default() -> Self {
        Self::new()
    }
}

impl Name {
    /// The empty text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; NAME],
            len: 0,
        }
    }

    /// The text: lower case, without a final dot; "." for the root.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn push_lower(&mut self, label: &[u8]) -> Option<()> {
        let end = self.len.checked_add(label.len())?;
        for (to, from) in self.bytes.get_mut(self.len..end)?.iter_mut().zip(label) {
            *to = from.to_ascii_lowercase();
        }
        self.len = end;
        Some(())
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.len)? = byte;
        self.len = self.len.wrapping_add(1);
        Some(())
    }
}

/// A question, or the head of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where its name begins.
    pub name: usize,
    /// Its type.
    pub kind: u16,
    /// Its class.
    pub class: u16,
    /// Where it ends; for a record, where its time to live begins.
    pub end: usize,
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it has in common with a question.
    pub head: Entry,
    /// Time to live in seconds.
    pub ttl: u32,
    /// Where its data begins.
    pub data: usize,
    /// Where its data ends.
    pub end: usize,
}

/// The 16-bit word at `at`.
pub fn word(message: &[u8], at: usize) -> Option<u16> {
    message
        .get(at..at.checked_add(2)?)?
        .first_chunk()
        .map(|bytes| u16::from_be_bytes(*bytes))
}

/// Reads a name at `at` into an empty one. Gives where the message goes on.
pub fn name(message: &[u8], at: usize, name: &mut Name) -> Option<usize> {
    let (mut at, mut behind) = (at, None);
    let mut jumps = 0_u32;
    loop {
        let len = *message.get(at)?;
        match len >> 6 {
            0 => {}
            3 => {
                behind = behind.or(at.checked_add(2));
                let target = usize::from(word(message, at)? & 0x3fff);
                jumps = jumps.wrapping_add(1);
                if target >= at || jumps > JUMPS {
                    return None;
                }
                at = target;
                continue;
            }
            _ => return None,
        }
        let start = at.checked_add(1)?;
        let end = start.checked_add(usize::from(len))?;
        if len == 0 {
            if name.len == 0 {
                name.push(b'.')?;
            }
            return Some(behind.unwrap_or(start));
        }
        if name.len > 0 {
            name.push(b'.')?;
        }
        name.push_lower(message.get(start..end)?)?;
        at = end;
    }
}

/// The labels of a name, each behind its length, if no part of them is elsewhere in the message and
/// the name is no longer than names are; without the root's.
#[inline(always)]
fn labels(name: &[u8]) -> Option<&[u8]> {
    let mut end = 0_usize;
    // A length in front of each label is as long as a dot behind all but the last.
    while end <= const { NAME + 1 } {
        match *name.get(end)? {
            0 => return name.get(..end),
            len @ 1..=63 => end = end.wrapping_add(usize::from(len)).wrapping_add(1),
            _ => return None,
        }
    }
    None
}

/// Writes a name that is in one piece and not the root as text, as [`name`] does; how long it is.
#[inline(always)]
pub fn write_name(name: &[u8], text: &mut [u8; 256]) -> Option<usize> {
    let (first, labels) = labels(name)?.split_first()?;
    // Lengths are no letters, so they stay what they are.
    let text = text.get_mut(..labels.len())?;
    lower(labels, text);
    let mut at = usize::from(*first);
    while let Some(length) = text.get_mut(at) {
        at = at.wrapping_add(usize::from(*length)).wrapping_add(1);
        *length = b'.';
    }
    Some(text.len())
}

/// Where a name ends, without reading it.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let len = *message.get(at)?;
        match len >> 6 {
            0 if len == 0 => return at.checked_add(1),
            0 => at = at.checked_add(usize::from(len))?.checked_add(1)?,
            3 => return at.checked_add(2).filter(|end| *end <= message.len()),
            _ => return None,
        }
    }
}

/// The question, or the head of a record, at `at`.
pub fn entry(message: &[u8], at: usize) -> Option<Entry> {
    let fixed = skip_name(message, at)?;
    let kind = word(message, fixed)?;
    let class = word(message, fixed.checked_add(2)?)?;
    Some(Entry {
        name: at,
        kind,
        class,
        end: fixed.checked_add(4)?,
    })
}

/// The record at `at`.
pub fn record(message: &[u8], at: usize) -> Option<Record> {
    let head = entry(message, at)?;
    let high = word(message, head.end)?;
    let low = word(message, head.end.checked_add(2)?)?;
    let len = word(message, head.end.checked_add(4)?)?;
    let data = head.end.checked_add(6)?;
    let end = data.checked_add(usize::from(len))?;
    let ttl = u32::from(high) << 16 | u32::from(low);
    (end <= message.len()).then_some(Record {
        head,
        ttl,
        data,
        end,
    })
}

/// Where the answers begin.
pub fn answers(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    for _ in 0..word(message, 4)? {
        at = entry(message, at)?.end;
    }
    Some(at)
}

/// The usual name of a type.
pub fn type_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return None,
    })
}

/// Whether a record's data is one name.
pub fn holds_name(kind: u16) -> bool {
    matches!(kind, 2 | 5 | 12 | 39)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    extern crate std;
    use super::*;
    use crate::random::Random;
    use std::vec::Vec;

    /// A response by hand: www.Example.com CNAME example.com, example.com A 10.0.0.9.
    fn response() -> Vec<u8> {
        let mut m: Vec<u8> = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0].into();
        m.extend(b"\x03www\x07Example\x03com\x00\x00\x01\x00\x01");
        m.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10");
        m.extend(b"\xc0\x10\x00\x01\x00\x01\x00\x00\x01\x00\x00\x04\x0a\x00\x00\x09");
        m
    }

    fn read(message: &[u8], at: usize) -> Option<Vec<u8>> {
        let mut text = Name::new();
        name(message, at, &mut text).map(|_| text.as_bytes().into())
    }

    #[test]
    fn a_response_is_read() {
        let m = response();
        assert_eq!(read(&m, HEADER).unwrap(), b"www.example.com");
        assert_eq!(name(&m, HEADER, &mut Name::new()), Some(29));
        let question = entry(&m, HEADER).unwrap();
        assert_eq!((question.kind, question.class, question.end), (1, 1, 33));
        let first = record(&m, answers(&m).unwrap()).unwrap();
        assert_eq!((first.head.kind, first.ttl), (5, 60));
        assert_eq!(read(&m, first.data).unwrap(), b"example.com");
        let second = record(&m, first.end).unwrap();
        assert_eq!((second.head.kind, second.ttl), (1, 256));
        assert_eq!(m[second.data..second.end], [10, 0, 0, 9]);
        assert_eq!(record(&m, second.end), None);
    }

    #[test]
    fn names_that_never_end_are_refused() {
        assert!(read(b"\xc0\x00", 0).is_none());
        assert!(read(b"\x01a\xc0\x00", 0).is_none());
        assert!(read(b"\x01a\xc0\x02", 2).is_none());
        assert!(read(b"\x3fa", 0).is_none());
        assert!(read(b"\x80", 0).is_none());
        assert!(read(&[63; 300], 0).is_none());
        assert_eq!(read(b"\x00", 0).unwrap(), b".");
        // Back is allowed, in a loop of labels it is not: "a." again and again.
        assert!(read(b"\x01a\x01b\xc0\x02\xc0\x04", 6).is_none());
    }

    /// What no resolver takes for a name is none: 255 bytes and the root's among them are the most.
    #[test]
    fn names_are_as_long_as_they_may_be_and_no_longer() {
        let long = |last: u8| {
            let mut m = [&[63; 64][..]; 3].concat();
            m.push(last);
            m.extend([63].repeat(usize::from(last)));
            m.push(0);
            m
        };
        let most = long(61);
        assert_eq!(most.len(), 255);
        assert_eq!(read(&most, 0).unwrap().len(), NAME);
        assert_eq!(labels(&most).unwrap().len(), 254);
        for last in [62, 63] {
            assert_eq!(read(&long(last), 0), None);
            assert_eq!(labels(&long(last)), None);
        }
        // The same by a pointer.
        for (first, fits) in [(&b""[..], true), (b"\x01a", false)] {
            let mut m = most.clone();
            m.extend(first);
            m.extend([0xc0, 0]);
            assert_eq!(read(&m, 255).is_some(), fits);
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let whole = response();
        let mut random = Random(5);
        for round in 0..50_000 {
            let mut m = whole.clone();
            for _ in 0..4 {
                let at = random.below(m.len());
                m[at] = random.bits() as u8;
            }
            m.truncate(m.len() - round % m.len());
            if let Some(mut at) = answers(&m) {
                while let Some(record) = record(&m, at) {
                    assert!(record.end > at && record.end <= m.len());
                    at = record.end;
                }
            }
            let mut text = Name::new();
            if let Some(end) = name(&m, HEADER, &mut text) {
                assert!(!text.as_bytes().is_empty() && end <= m.len());
            }
        }
    }
}
