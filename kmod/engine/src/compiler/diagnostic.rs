// SPDX-License-Identifier: GPL-2.0-only
//! Messages of the compiler.

use core::fmt;

/// A piece of a message.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Str(&'a str),
    Bytes(&'a [u8]),
    Number(u32),
    /// What an error is near to: quoted, and cut when it is long.
    Near(&'a [u8], bool),
}

/// Bytes of a message; longer ones are cut.
const ROOM: usize = 320;
/// Bytes shown of what an error is near to.
const NEAR: usize = 80;

/// Why a text does not compile: `name:line: message`.
#[derive(Clone, Copy)]
pub struct Diagnostic {
    /// Which chunk it is about.
    pub chunk: u32,
    /// The line; 0 when it is about no line.
    pub line: u32,
    text: [u8; ROOM],
    len: usize,
}

impl Diagnostic {
    /// A message without a position.
    pub(super) fn plain(message: &[Text<'_>]) -> Self {
        let mut diagnostic = Self {
            chunk: 0,
            line: 0,
            text: [0; ROOM],
            len: 0,
        };
        diagnostic.push(message);
        diagnostic
    }

    /// A message at a line of a chunk.
    pub(super) fn at(chunk: u32, name: &[u8], line: u32, message: &[Text<'_>]) -> Self {
        let mut diagnostic = Self {
            chunk,
            line,
            text: [0; ROOM],
            len: 0,
        };
        diagnostic.push(&[
            Text::Bytes(name),
            Text::Str(":"),
            Text::Number(line),
            Text::Str(": "),
        ]);
        diagnostic.push(message);
        diagnostic
    }

    /// Whether the workspace was too small; otherwise something is wrong with the text.
    pub fn is_out_of_memory(&self) -> bool {
        self.line == 0
    }

    /// The whole message, position first.
    pub fn bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
    }

    fn byte(&mut self, byte: u8) {
        if let Some(slot) = self.text.get_mut(self.len) {
            *slot = byte;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Appends to the message.
    pub(super) fn push(&mut self, message: &[Text<'_>]) {
        for piece in message {
            match *piece {
                Text::Str(text) => text.bytes().for_each(|byte| self.byte(byte)),
                Text::Bytes(text) => text.iter().for_each(|&byte| self.byte(byte)),
                Text::Number(number) => {
                    let mut unit = 1_000_000_000u32;
                    while unit > 1 && number < unit {
                        unit = unit.wrapping_div(10);
                    }
                    while unit > 0 {
                        let digit = number.checked_div(unit).unwrap_or(0).wrapping_rem(10);
                        self.byte(b'0'.wrapping_add(digit as u8));
                        unit = unit.wrapping_div(10);
                    }
                }
                Text::Near(text, quoted) => {
                    if quoted {
                        self.byte(b'\'');
                    }
                    text.iter().take(NEAR).for_each(|&byte| self.byte(byte));
                    if text.len() > NEAR {
                        self.push(&[Text::Str("...")]);
                    }
                    if quoted {
                        self.byte(b'\'');
                    }
                }
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.bytes().utf8_chunks() {
            f.write_str(piece.valid())?;
            if !piece.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What messages call a chunk that `load` was given under this name: `=name` is itself, `@file` the
/// file, anything else a string whose first line is shown. Answers how much of `out` is used.
pub fn chunk_id(name: &[u8], out: &mut [u8; 60]) -> usize {
    /// As much as fits, 59 bytes in all as in C, where the last one is zero.
    const MOST: usize = 59;
    let mut len = 0;
    let mut put = |bytes: &[u8]| {
        for &byte in bytes {
            if let Some(slot) = out.get_mut(len) {
                *slot = byte;
                len = len.wrapping_add(1);
            }
        }
    };
    match name {
        [b'=', rest @ ..] => put(rest.get(..MOST).unwrap_or(rest)),
        [b'@', rest @ ..] => match rest.len().checked_sub(MOST) {
            None | Some(0) => put(rest),
            Some(over) => {
                put(b"...");
                put(rest.get(over.wrapping_add(3)..).unwrap_or(&[]));
            }
        },
        _ => {
            let end = name.iter().position(|&c| c == b'\n');
            let line = name.get(..end.unwrap_or(name.len())).unwrap_or(name);
            put(b"[string \"");
            // Room between the frame and the dots.
            let room = MOST.wrapping_sub(14);
            if end.is_none() && line.len() < room {
                put(line);
            } else {
                put(line.get(..line.len().min(room)).unwrap_or(line));
                put(b"...");
            }
            put(b"\"]");
        }
    }
    len
}
