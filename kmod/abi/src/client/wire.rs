// SPDX-License-Identifier: GPL-2.0-only
//! Netlink messages as bytes: building requests, taking answers apart. No I/O.

use super::Error;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of `struct nlmsghdr` and `struct genlmsghdr`.
const GENERIC_HEADER: usize = HEADER + 4;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;
const NLA_TYPE_MASK: u16 = 0x3fff;

fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A request under construction.
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(family: u16, command: u8, version: u8) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(0u32.to_ne_bytes()); // the length, by finish()
        bytes.extend(family.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes()); // the sequence number, by finish()
        bytes.extend(0u32.to_ne_bytes()); // the port: the kernel knows it
        bytes.extend([command, version, 0, 0]);
        Request(bytes)
    }

    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) -> Result<(), Error> {
        let length = u16::try_from(value.len() + 4)
            .map_err(|_| Error::TooLarge(format!("{} bytes in one attribute", value.len())))?;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(align(self.0.len()), 0);
        Ok(())
    }

    pub(super) fn u32(&mut self, kind: u16, value: u32) -> Result<(), Error> {
        self.bytes(kind, &value.to_ne_bytes())
    }

    pub(super) fn u64(&mut self, kind: u16, value: u64) -> Result<(), Error> {
        self.bytes(kind, &value.to_ne_bytes())
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) -> Result<(), Error> {
        let mut with_nul = value.as_bytes().to_vec();
        with_nul.push(0);
        self.bytes(kind, &with_nul)
    }

    pub(super) fn nested(
        &mut self,
        kind: u16,
        fill: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = self.0.len();
        self.bytes(kind | NLA_F_NESTED, &[])?;
        fill(self)?;
        let length = self.0.len() - start;
        let length = u16::try_from(length)
            .map_err(|_| Error::TooLarge(format!("{length} bytes in one attribute")))?;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        Ok(())
    }

    /// The message as it is sent.
    pub(super) fn finish(mut self, sequence: u32) -> Result<Vec<u8>, Error> {
        let length = u32::try_from(self.0.len())
            .map_err(|_| Error::TooLarge(format!("{} bytes in one message", self.0.len())))?;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.0)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// One attribute of an answer.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

impl<'a> Attribute<'a> {
    pub(super) fn u16(&self) -> Result<u16, Error> {
        u16_at(self.value, 0)
            .filter(|_| self.value.len() == 2)
            .ok_or_else(|| self.odd())
    }

    pub(super) fn u32(&self) -> Result<u32, Error> {
        u32_at(self.value, 0)
            .filter(|_| self.value.len() == 4)
            .ok_or_else(|| self.odd())
    }

    pub(super) fn u64(&self) -> Result<u64, Error> {
        self.value
            .try_into()
            .map(u64::from_ne_bytes)
            .map_err(|_| self.odd())
    }

    /// Up to the NUL; bytes that are no UTF-8 are replaced.
    pub(super) fn text(&self) -> String {
        let end = self
            .value
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    pub(super) fn nested(&self) -> Result<Vec<Attribute<'a>>, Error> {
        attributes(self.value)
    }

    fn odd(&self) -> Error {
        Error::Protocol(format!(
            "attribute {} has {} bytes",
            self.kind,
            self.value.len()
        ))
    }
}

fn attributes(mut bytes: &[u8]) -> Result<Vec<Attribute<'_>>, Error> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let length = u16_at(bytes, 0).map_or(0, usize::from);
        let kind = u16_at(bytes, 2).unwrap_or(0) & NLA_TYPE_MASK;
        let value = bytes
            .get(4..length)
            .ok_or_else(|| Error::Protocol(format!("attribute {kind} is cut off")))?;
        found.push(Attribute { kind, value });
        bytes = bytes.get(align(length)..).unwrap_or(&[]);
    }
    Ok(found)
}

/// A message from the family itself.
pub(super) struct Answer<'a> {
    pub(super) command: u8,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// What one message says.
pub(super) enum Incoming<'a> {
    /// Something from the family.
    Answer(Answer<'a>),
    /// The end of the answer: 0, or an error with the text of its extended acknowledgement.
    End(i32, Option<String>),
}

/// Takes a datagram apart. `sequence` skips what belongs to another request; events have none.
pub(super) fn incoming(mut datagram: &[u8], sequence: u32) -> Result<Vec<Incoming<'_>>, Error> {
    let mut found = Vec::new();
    while datagram.len() >= HEADER {
        let length = u32_at(datagram, 0).map_or(0, |length| length as usize);
        let kind = u16_at(datagram, 4).unwrap_or(0);
        let flags = u16_at(datagram, 6).unwrap_or(0);
        let message = datagram
            .get(..length)
            .filter(|message| message.len() >= HEADER)
            .ok_or_else(|| Error::Protocol("a message is cut off".into()))?;
        datagram = datagram.get(align(length)..).unwrap_or(&[]);
        if u32_at(message, 8) != Some(sequence) {
            continue;
        }
        match kind {
            NLMSG_ERROR => {
                let code = u32_at(message, HEADER).map_or(0, |code| code as i32);
                found.push(Incoming::End(code, extended(message, flags)));
            }
            NLMSG_DONE => found.push(Incoming::End(0, None)),
            // Below 16 are netlink's own messages, such as NOOP.
            0..16 => {}
            _ => {
                let payload = message
                    .get(GENERIC_HEADER..)
                    .ok_or_else(|| Error::Protocol("a message is cut off".into()))?;
                let command = message[HEADER];
                found.push(Incoming::Answer(Answer {
                    command,
                    attributes: attributes(payload)?,
                }));
            }
        }
    }
    Ok(found)
}

/// The text of an extended acknowledgement, which stands behind the error code and the request's
/// header (or, from a kernel that does not cap it, the whole request).
fn extended(message: &[u8], flags: u16) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = if flags & NLM_F_CAPPED == 0 {
        u32_at(message, HEADER + 4)? as usize
    } else {
        HEADER
    };
    let rest = message.get(HEADER + 4 + align(request)..)?;
    let texts = attributes(rest).ok()?;
    texts
        .iter()
        .find(|attribute| attribute.kind == NLMSGERR_ATTR_MSG)
        .map(Attribute::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        message.extend((16 + body.len() as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend(7u32.to_ne_bytes());
        message.extend(body);
        message.resize(align(message.len()), 0);
        message
    }

    #[test]
    fn what_is_built_reads_back() {
        let mut request = Request::new(30, 2, 1);
        request.text(4, "name").unwrap();
        request
            .nested(6, |inner| {
                inner.text(7, "chunk")?;
                inner.bytes(8, b"12345")
            })
            .unwrap();
        request.u64(11, u64::MAX - 1).unwrap();
        let bytes = request.finish(9).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let found = incoming(&bytes, 9).unwrap();
        let [Incoming::Answer(answer)] = found.as_slice() else {
            panic!("one message")
        };
        assert_eq!(answer.command, 2);
        assert_eq!(answer.attributes[0].text(), "name");
        let inner = answer.attributes[1].nested().unwrap();
        assert_eq!(inner[1].value, b"12345");
        assert_eq!(answer.attributes[2].u64().unwrap(), u64::MAX - 1);
        assert!(answer.attributes[2].u32().is_err());
        assert!(
            incoming(&bytes, 8).unwrap().is_empty(),
            "another request's answer is not ours"
        );
    }

    #[test]
    fn attributes_beyond_64_kib_are_refused() {
        let mut request = Request::new(30, 2, 1);
        assert!(request.bytes(8, &vec![0; 65_531]).is_ok());
        assert!(request.bytes(8, &vec![0; 65_532]).is_err());
        let half = vec![0; 40_000];
        assert!(
            request
                .nested(6, |inner| inner.bytes(8, &half).and(inner.bytes(8, &half)))
                .is_err()
        );
    }

    #[test]
    fn an_error_carries_the_extended_text() {
        let mut body = (-22i32).to_ne_bytes().to_vec();
        body.extend(header(30, 5, 3, &[]));
        let mut text = Request(Vec::new());
        text.text(NLMSGERR_ATTR_MSG, "no such thing").unwrap();
        body.extend(text.0);
        let message = header(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 3, &body);
        let found = incoming(&message, 3).unwrap();
        let [Incoming::End(code, extended)] = found.as_slice() else {
            panic!("one end")
        };
        assert_eq!((*code, extended.as_deref()), (-22, Some("no such thing")));
    }

    #[test]
    fn cut_off_messages_are_errors_and_never_read_past() {
        let mut request = Request::new(30, 2, 1);
        request.text(4, "name").unwrap();
        let bytes = request.finish(1).unwrap();
        for length in 0..bytes.len() {
            let found = incoming(&bytes[..length], 1);
            assert!(length < 16 || found.is_err(), "{length}");
        }
        let mut lying = bytes.clone();
        lying[20] = 200; // the attribute's length
        assert!(incoming(&lying, 1).is_err());
        lying[20] = 1;
        assert!(incoming(&lying, 1).is_err());
    }

    /// Whatever comes in, taking it apart ends with a value or an error.
    #[test]
    fn any_bytes_can_come_in() {
        let mut request = Request::new(30, 2, 1);
        request.text(4, "name").unwrap();
        request.nested(6, |inner| inner.bytes(8, b"text")).unwrap();
        let mut stream = request.finish(1).unwrap();
        stream.extend(header(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, &[0xff; 40]));
        stream.extend(header(NLMSG_DONE, 0, 1, &[]));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let (mut good, mut bad) = (0, 0);
        for _ in 0..100_000 {
            let mut bytes = stream.clone();
            for _ in 0..3 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let at = random as usize % bytes.len();
                bytes[at] = (random >> 32) as u8;
            }
            bytes.truncate(1 + (random >> 40) as usize % bytes.len());
            match incoming(&bytes, 1) {
                Ok(messages) => {
                    good += 1;
                    for message in messages {
                        if let Incoming::Answer(answer) = message {
                            answer
                                .attributes
                                .iter()
                                .for_each(|attribute| drop(attribute.nested()));
                        }
                    }
                }
                Err(_) => bad += 1,
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} {bad}");
    }
}
