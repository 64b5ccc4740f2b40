// SPDX-License-Identifier: GPL-2.0-only
//! The protocol on the virtio-serial port between `cargo xtask` and the agent in the machine.
//!
//! A stream of frames: kind (one byte), length (four bytes, little-endian), payload. The kernel's
//! own messages go to the serial console and never mix with this.

use std::io::{self, Read, Write};

/// The name of the virtio-serial port.
pub const PORT: &str = "packetscript.agent";

/// The longest payload; what is longer is sent as several frames.
pub const MAX_PAYLOAD: usize = 64 * 1024;

const HEADER: usize = 5;

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The agent is up. Payload: the kernel's release.
    Hello,
    /// Part of a tar archive that is unpacked in `/share`; an empty payload ends it.
    Share,
    /// Run a command. Payload: a [`Run`].
    Run,
    /// Bytes for the command's standard input.
    Stdin,
    /// The end of its standard input.
    StdinEnd,
    /// The terminal's new size. Payload: rows and columns, two bytes each.
    Resize,
    /// Bytes from its standard output.
    Stdout,
    /// Bytes from its standard error.
    Stderr,
    /// It ended. Payload: its exit status, one byte.
    Exit,
    /// The agent gave up. Payload: the reason, as text.
    Failed,
}

const KINDS: [Kind; 10] = [
    Kind::Hello,
    Kind::Share,
    Kind::Run,
    Kind::Stdin,
    Kind::StdinEnd,
    Kind::Resize,
    Kind::Stdout,
    Kind::Stderr,
    Kind::Exit,
    Kind::Failed,
];

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is about.
    pub kind: Kind,
    /// Its contents.
    pub payload: Vec<u8>,
}

/// Writes `payload` as frames of `kind`: one, or as many as its length asks for.
pub fn write(to: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        let mut frame = Vec::with_capacity(HEADER + now.len());
        frame.push(kind as u8);
        frame.extend_from_slice(&(now.len() as u32).to_le_bytes());
        frame.extend_from_slice(now);
        to.write_all(&frame)?;
        rest = later;
        if rest.is_empty() {
            return to.flush();
        }
    }
}

/// Takes frames out of bytes as they arrive.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Adds bytes that were received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        let Some(header) = self.pending.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *header;
        let length = u32::from_le_bytes(length) as usize;
        let kind = KINDS
            .get(usize::from(kind))
            .filter(|_| length <= MAX_PAYLOAD);
        let Some(kind) = kind.copied() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "garbled frame"));
        };
        if self.pending.len() < HEADER + length {
            return Ok(None);
        }
        let payload = self.pending.drain(..HEADER + length).skip(HEADER).collect();
        Ok(Some(Frame { kind, payload }))
    }

    /// Reads until a whole frame is there; nothing at the end of the stream.
    pub fn read_from(&mut self, from: &mut impl Read) -> io::Result<Option<Frame>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(frame) = self.next_frame()? {
                return Ok(Some(frame));
            }
            match from.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => self.push(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

impl Size {
    /// The payload of [`Kind::Resize`].
    pub fn encode(self) -> [u8; 4] {
        let [a, b] = self.rows.to_le_bytes();
        let [c, d] = self.columns.to_le_bytes();
        [a, b, c, d]
    }

    /// Reads what [`Size::encode`] wrote.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = payload.first_chunk::<4>()?;
        Some(Self {
            rows: u16::from_le_bytes([a, b]),
            columns: u16::from_le_bytes([c, d]),
        })
    }
}

/// A command to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The size of the terminal that it gets, if it gets one.
    pub terminal: Option<Size>,
    /// Environment, as `KEY=VALUE`.
    pub environment: Vec<String>,
    /// The program and its arguments.
    pub arguments: Vec<String>,
}

impl Run {
    /// The payload of [`Kind::Run`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.terminal.is_some())];
        out.extend_from_slice(
            &self
                .terminal
                .unwrap_or(Size {
                    rows: 0,
                    columns: 0,
                })
                .encode(),
        );
        out.extend_from_slice(&(self.environment.len() as u32).to_le_bytes());
        for text in self.environment.iter().chain(&self.arguments) {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        out
    }

    /// Reads what [`Run::encode`] wrote.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (&[has_terminal, rest @ ..], texts) = payload.split_first_chunk::<9>()?;
        let size = Size::decode(rest.get(..4)?)?;
        let environment_len = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
        let mut texts: Vec<String> = texts
            .split(|&byte| byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        texts.pop();
        if texts.len() <= environment_len {
            return None;
        }
        let arguments = texts.split_off(environment_len);
        let terminal = (has_terminal != 0).then_some(size);
        Some(Self {
            terminal,
            environment: texts,
            arguments,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_split() {
        let mut stream = Vec::new();
        let long: Vec<u8> = (0..=255).cycle().take(MAX_PAYLOAD + 7).collect();
        write(&mut stream, Kind::Stdout, &long).unwrap();
        write(&mut stream, Kind::Exit, &[3]).unwrap();
        for step in [1, 4, 5, 6, 4096, stream.len()] {
            let mut decoder = Decoder::default();
            let mut out = Vec::new();
            let mut status = None;
            for piece in stream.chunks(step) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    match frame.kind {
                        Kind::Stdout => out.extend(frame.payload),
                        Kind::Exit => status = Some(frame.payload),
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(
                (out == long, status),
                (true, Some(vec![3])),
                "steps of {step}"
            );
        }
    }

    #[test]
    fn every_kind_is_its_own_number() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }

    #[test]
    fn garbage_is_an_error() {
        let mut decoder = Decoder::default();
        decoder.push(&[200, 0, 0, 0, 0]);
        assert!(decoder.next_frame().is_err());
        let mut decoder = Decoder::default();
        decoder.push(&[0, 255, 255, 255, 255]);
        assert!(decoder.next_frame().is_err());
    }

    #[test]
    fn commands_come_back_as_they_were() {
        for terminal in [
            None,
            Some(Size {
                rows: 50,
                columns: 132,
            }),
        ] {
            let run = Run {
                terminal,
                environment: vec!["TERM=xterm".into()],
                arguments: vec!["sh".into(), "-c".into(), "echo \"ü\"".into(), String::new()],
            };
            assert_eq!(Run::decode(&run.encode()), Some(run));
        }
        assert_eq!(Run::decode(&[0; 9]), None);
    }
}
