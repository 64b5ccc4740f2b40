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

/// Bytes of the first record of a payload, its head included.
pub fn record_len(payload: &[u8]) -> usize {
    match payload {
        [_, _, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])).wrapping_add(5),
        _ => 0,
    }
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
            for (from, to) in [server_name(&payload), protocols].into_iter().flatten() {
                assert!(from <= to && to <= payload.len());
            }
        }
    }
}
