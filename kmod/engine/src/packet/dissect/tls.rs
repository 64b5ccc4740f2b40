// SPDX-License-Identifier: GPL-2.0-only
//! A TLS ClientHello at the start of a TCP payload: what it says before encryption begins.

use crate::stdlib::string::is_graphic;

/// Where the parts of a ClientHello are: ranges of the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// The version in its old place.
    pub version: u16,
    /// The highest version of the extension, or 0.
    pub offered: u16,
    /// The list of application protocols, as it is in the extension.
    pub protocols: Option<(usize, usize)>,
}

/// What is left of a message, or of a part of it.
#[derive(Clone, Copy)]
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<usize> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(*byte))
    }

    fn word(&mut self) -> Option<usize> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(usize::from(u16::from_be_bytes(*word)))
    }

    /// The next `len` bytes, if they are all there.
    fn part(&mut self, len: usize) -> Option<Self> {
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Self(part))
    }

    /// Where this is in the payload that it is a part of.
    fn place(&self, payload: &'b [u8]) -> (usize, usize) {
        let from = self.0.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        (from, from.wrapping_add(self.0.len()))
    }
}

/// Whether a payload begins with a ClientHello.
pub fn is_hello(payload: &[u8]) -> bool {
    matches!(payload, [0x16, 3, 0..=4, _, _, 1, ..])
}

/// Bytes after which it is sure whether a payload begins with one.
pub const SURE: usize = 6;

/// Whether a payload too short for that may be the beginning of one.
pub fn may_become_hello(payload: &[u8]) -> bool {
    matches!(
        payload,
        [0x16] | [0x16, 3] | [0x16, 3, 0..=4] | [0x16, 3, 0..=4, _] | [0x16, 3, 0..=4, _, _]
    )
}

/// The type of records with handshake messages.
const HANDSHAKE: u8 = 0x16;
/// Bytes in front of a record's contents: its type, version and length.
pub const RECORD_HEAD: usize = 5;
/// Bytes in front of a handshake message's contents: its type and length.
const MESSAGE_HEAD: usize = 4;
/// Records that a ClientHello may be in: more are made by nobody but who wants to hide it or to keep
/// others busy.
pub const RECORDS: u32 = 64;

/// How far a ClientHello goes from the first byte of its first record on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// The record in which it ends has ended with this many bytes.
    Whole(usize),
    /// Bytes are missing.
    Open,
    /// It is none, or the records behind its beginning are none.
    Broken,
}

/// Walks along the records that a ClientHello is in, whatever pieces their bytes come in.
#[derive(Default)]
pub struct Records {
    /// Bytes seen.
    at: usize,
    /// Bytes of a record's head seen, and what they say so far.
    head_len: usize,
    head: [u8; RECORD_HEAD],
    /// Bytes of the record's contents that are to come.
    left: usize,
    /// Heads seen.
    count: u32,
    /// Bytes of the message seen.
    message_len: usize,
    /// The first of them.
    message: [u8; MESSAGE_HEAD],
    broken: bool,
}

impl Records {
    /// Sees the next bytes.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.reach() == Reach::Open {
            if self.left == 0 {
                bytes = self.read_head(bytes);
                continue;
            }
            let (now, later) = bytes.split_at(self.left.min(bytes.len()));
            self.left = self.left.wrapping_sub(now.len());
            self.at = self.at.wrapping_add(now.len());
            for (to, from) in self.message.iter_mut().skip(self.message_len).zip(now) {
                *to = *from;
            }
            self.message_len = self.message_len.wrapping_add(now.len());
            self.broken = self.message[0] != 1;
            bytes = later;
        }
    }

    /// Sees a byte of a record's head.
    fn read_head<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        if let Some(to) = self.head.get_mut(self.head_len) {
            *to = *byte;
        }
        self.at = self.at.wrapping_add(1);
        self.head_len = self.head_len.wrapping_add(1);
        if self.head_len == RECORD_HEAD {
            let [kind, major, _, high, low] = self.head;
            self.left = usize::from(u16::from_be_bytes([high, low]));
            self.count = self.count.wrapping_add(1);
            self.broken = kind != HANDSHAKE || major != 3 || self.left == 0 || self.count > RECORDS;
            self.head_len = 0;
        }
        rest
    }

    /// How many there are so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What is known after the bytes so far.
    pub fn reach(&self) -> Reach {
        let [_, a, b, c] = self.message;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        if self.broken {
            Reach::Broken
        } else if self.message_len >= len.wrapping_add(MESSAGE_HEAD) {
            Reach::Whole(self.at.wrapping_add(self.left))
        } else {
            Reach::Open
        }
    }
}

/// Whether the ClientHello at the start of a payload goes on behind its first record.
pub fn is_cut(payload: &[u8]) -> bool {
    let &[_, _, _, high, low, _, a, b, c, ..] = payload else {
        return false;
    };
    let record = usize::from(u16::from_be_bytes([high, low]));
    let message = u32::from_be_bytes([0, a, b, c]) as usize;
    record < MESSAGE_HEAD || record < message.wrapping_add(MESSAGE_HEAD)
}

/// Where the contents of the handshake record at a place are, as far as they are there.
pub fn contents(payload: &[u8], at: usize) -> Option<(usize, usize)> {
    let (head, contents) = payload.get(at..)?.split_first_chunk::<RECORD_HEAD>()?;
    let &[kind, major, _, high, low] = head;
    let len = usize::from(u16::from_be_bytes([high, low])).min(contents.len());
    let from = at.wrapping_add(RECORD_HEAD);
    (kind == HANDSHAKE && major == 3 && len > 0).then_some((from, from.wrapping_add(len)))
}

/// Whether the ClientHello at the start of a payload is all in its first record, and that in the
/// payload, as nearly all are.
#[inline]
pub fn is_plain(payload: &[u8]) -> bool {
    let &[_, _, _, high, low, _, _, _, _, ..] = payload else {
        return false;
    };
    let record = usize::from(u16::from_be_bytes([high, low]));
    payload.len() >= record.wrapping_add(RECORD_HEAD) && !is_cut(payload)
}

/// How far the ClientHello at the start of a payload goes.
pub fn reach(payload: &[u8]) -> Reach {
    let mut records = Records::default();
    records.read(payload);
    records.reach()
}

/// What is behind the heads of record and handshake, if that is a ClientHello.
fn handshake(payload: &[u8]) -> Option<Reader<'_>> {
    is_hello(payload)
        .then(|| payload.get(9..).map(Reader))
        .flatten()
}

/// The extensions of a ClientHello. They may go on in the next packet: those that are whole are read.
fn extensions(payload: &[u8]) -> Option<Reader<'_>> {
    let mut reader = handshake(payload)?;
    // The version and the random bytes.
    reader.part(2 + 32)?;
    let session = reader.byte()?;
    reader.part(session)?;
    let ciphers = reader.word()?;
    reader.part(ciphers)?;
    let compressions = reader.byte()?;
    reader.part(compressions)?;
    reader.word()?;
    Some(reader)
}

impl Reader<'_> {
    /// The next extension: its type and what is in it.
    #[inline]
    fn extension(&mut self) -> Option<(usize, Self)> {
        let kind = self.word()?;
        let len = self.word()?;
        Some((kind, self.part(len)?))
    }

    /// The list in an extension, behind its length.
    fn list(mut self) -> Option<Self> {
        let len = self.word()?;
        self.part(len)
    }
}

/// Reads a ClientHello. What the packet does not hold whole is absent, and so is what is malformed.
pub fn hello(payload: &[u8]) -> Option<Hello> {
    let mut hello = Hello {
        version: handshake(payload)?.word()? as u16,
        ..Hello::default()
    };
    let mut rest = extensions(payload).unwrap_or(Reader(&[]));
    while let Some((kind, mut body)) = rest.extension() {
        match kind {
            16 => {
                let list = body.list().map(|list| list.place(payload));
                hello.protocols = list.or(hello.protocols);
            }
            43 => {
                let len = body.byte().unwrap_or(0);
                let mut list = body.part(len).unwrap_or(Reader(&[]));
                while let Some(version) = list.word() {
                    // Versions of GREASE (0x?a?a) are no versions.
                    if version & 0x0f0f != 0x0a0a {
                        hello.offered = hello.offered.max(version as u16);
                    }
                }
            }
            _ => {}
        }
    }
    Some(hello)
}

/// Where the server's name is in a ClientHello: the first one that looks like a name.
pub fn server_name(payload: &[u8]) -> Option<(usize, usize)> {
    let mut rest = extensions(payload)?;
    while let Some((kind, body)) = rest.extension() {
        if kind == 0
            && let Some(name) = host_name(body)
        {
            return Some(name.place(payload));
        }
    }
    None
}

/// The first host name of the extension, if it looks like one.
fn host_name(body: Reader) -> Option<Reader> {
    let mut list = body.list()?;
    loop {
        let kind = list.byte()?;
        let name = list.word().and_then(|len| list.part(len))?;
        if kind == 0 {
            let fits = !name.0.is_empty() && name.0.len() <= 255;
            return (fits && is_graphic(name.0)).then_some(name);
        }
    }
}

/// The next of the application protocols in a list: where it is, and where the list goes on.
pub fn protocol(payload: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let mut list = Reader(payload.get(at..end)?);
    let len = list.byte()?;
    Some(list.part(len)?.place(payload))
}

/// The name of a version.
pub fn version_name(version: u16) -> Option<&'static str> {
    Some(match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    extern crate std;
    use super::*;
    use crate::random::Random;
    use std::vec;
    use std::vec::Vec;

    /// A ClientHello by hand.
    fn sample(name: &str) -> Vec<u8> {
        let word = |n: usize| (n as u16).to_be_bytes();
        let mut extensions = vec![0x0a, 0x0a, 0, 0];
        extensions.extend([0, 0]);
        extensions.extend(word(name.len() + 5));
        extensions.extend(word(name.len() + 3));
        extensions.push(0);
        extensions.extend(word(name.len()));
        extensions.extend(name.bytes());
        extensions.extend(b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1");
        extensions.extend(b"\x00\x2b\x00\x07\x06\xfa\xfa\x03\x04\x03\x03");
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(32);
        body.extend([8; 32]);
        body.extend([0, 4, 0x13, 1, 0x13, 2, 1, 0]);
        body.extend(word(extensions.len()));
        body.extend(extensions);
        let mut record = vec![0x16, 3, 1];
        record.extend(word(body.len() + 4));
        record.extend([1, 0]);
        record.extend(word(body.len()));
        record.extend(body);
        record
    }

    #[test]
    fn a_hello_says_what_it_says() {
        let payload = sample("www.example.org");
        let hello = hello(&payload).unwrap();
        let (from, to) = server_name(&payload).unwrap();
        assert_eq!(&payload[from..to], b"www.example.org");
        assert_eq!((hello.version, hello.offered), (0x0303, 0x0304));
        let (at, end) = hello.protocols.unwrap();
        let (from, to) = protocol(&payload, at, end).unwrap();
        assert_eq!(&payload[from..to], b"h2");
        let (from, to) = protocol(&payload, to, end).unwrap();
        assert_eq!(&payload[from..to], b"http/1.1");
        assert_eq!(protocol(&payload, to, end), None);
    }

    #[test]
    fn cut_short_it_says_less() {
        let payload = sample("www.example.org");
        let mut named = 0;
        for len in 0..payload.len() {
            if let Some((from, to)) = server_name(&payload[..len]) {
                assert_eq!(&payload[from..to], b"www.example.org");
                named += 1;
            }
        }
        assert!(named > 20);
        for odd in ["", "two words", "\u{1}"] {
            assert_eq!(server_name(&sample(odd)), None);
        }
    }

    /// The same message in records of these sizes, the last one of what is left.
    fn in_records(whole: &[u8], sizes: &[usize]) -> Vec<u8> {
        let mut message = &whole[RECORD_HEAD..];
        let mut records = Vec::new();
        for size in sizes.iter().copied().chain([usize::MAX]) {
            let (now, later) = message.split_at(size.min(message.len()));
            if !now.is_empty() {
                records.extend([HANDSHAKE, 3, 1]);
                records.extend((now.len() as u16).to_be_bytes());
                records.extend(now);
            }
            message = later;
        }
        records
    }

    /// If a byte more or less were taken for the end, a segment would be waited for that never comes,
    /// or one would be missed.
    #[test]
    fn records_end_where_the_message_does() {
        let whole = sample("www.example.org");
        for sizes in [
            &[][..],
            &[1],
            &[3, 1],
            &[4],
            &[1, 1, 1, 1, 1],
            &[50; 3],
            &[1; 63],
        ] {
            let payload = in_records(&whole, sizes);
            assert_eq!(is_plain(&payload), sizes.is_empty());
            assert_eq!(is_cut(&payload), !sizes.is_empty());
            for len in 0..payload.len() {
                assert_ne!(reach(&payload[..len]), Reach::Broken, "{sizes:?} {len}");
            }
            // Whatever pieces they come in, and whatever comes behind.
            let mut more = payload.clone();
            more.extend(b"\x17\x03\x03 and so on");
            for piece in [1, 2, 3, 7, more.len()] {
                let mut records = Records::default();
                for part in more.chunks(piece) {
                    records.read(part);
                }
                assert_eq!(records.reach(), Reach::Whole(payload.len()), "{sizes:?}");
            }
        }
        // The last record may be longer than what is left of the message.
        let mut long = in_records(&whole, &[40]);
        let at = RECORD_HEAD + 40 + RECORD_HEAD;
        long[at - 1] += 1;
        assert_eq!(reach(&long), Reach::Whole(long.len() + 1));
        long[at - RECORD_HEAD] = 0x17;
        assert_eq!(reach(&long), Reach::Broken);
        let bound = RECORDS as usize;
        assert!(matches!(
            reach(&in_records(&whole, &vec![1; bound - 1])),
            Reach::Whole(_)
        ));
        assert_eq!(reach(&in_records(&whole, &vec![1; bound])), Reach::Broken);
    }

    #[test]
    fn any_bytes_are_read_without_harm() {
        let whole = sample("a.example");
        let mut random = Random(3);
        for _ in 0..50_000 {
            let mut payload = whole.clone();
            for _ in 0..3 {
                let at = random.below(payload.len());
                payload[at] = random.bits() as u8;
            }
            let protocols = hello(&payload).and_then(|hello| hello.protocols);
            if let Reach::Whole(len) = reach(&payload) {
                assert!(len > RECORD_HEAD + MESSAGE_HEAD);
            }
            if let Some((from, to)) = contents(&payload, random.below(payload.len() + 9)) {
                assert!(from < to && to <= payload.len());
            }
            for (from, to) in [server_name(&payload), protocols].into_iter().flatten() {
                assert!(from <= to && to <= payload.len());
            }
        }
    }
}
