// SPDX-License-Identifier: GPL-2.0-only
//! Messages of the compiler.

use core::cell::Cell;
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
pub(super) const ROOM: usize = 320;
/// Bytes shown of what an error is near to.
const NEAR: usize = 80;

/// Why a text does not compile; the words are in the workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which chunk it is about.
    pub chunk: u32,
    /// The line; 0 when it is about no line, but about the workspace or the compiler itself.
    pub line: u32,
    /// Length of the message, or 0 when `reason` is it.
    len: u32,
    reason: &'static str,
}

impl Fault {
    /// The workspace is too small.
    pub(super) const MEMORY: Self = Self {
        chunk: 0,
        line: 0,
        len: 0,
        reason: "not enough memory to compile it",
    };

    /// The compiler is wrong.
    pub(super) const fn untrusted(reason: &'static str) -> Self {
        Self {
            chunk: 0,
            line: 0,
            len: 0,
            reason,
        }
    }

    /// Whether the workspace was too small; otherwise something is wrong with the text.
    pub fn is_out_of_memory(&self) -> bool {
        *self == Self::MEMORY
    }

    /// The message, position first (`name:line: …`), of a compilation in this workspace.
    pub fn message<'w>(&self, workspace: &'w [u8]) -> &'w [u8] {
        if self.len == 0 {
            return self.reason.as_bytes();
        }
        let start = workspace.len().saturating_sub(ROOM);
        workspace
            .get(start..start.saturating_add(self.len as usize))
            .unwrap_or(&[])
    }
}

/// Where a message is written: the end of the workspace.
pub(super) struct Message<'w> {
    room: &'w [Cell<u8>],
    len: Cell<usize>,
}

impl<'w> Message<'w> {
    pub fn new(room: &'w mut [u8]) -> Self {
        Self {
            room: Cell::from_mut(room).as_slice_of_cells(),
            len: Cell::new(0),
        }
    }

    fn byte(&self, byte: u8) {
        let len = self.len.get();
        if let Some(slot) = self.room.get(len) {
            slot.set(byte);
            self.len.set(len.wrapping_add(1));
        }
    }

    /// Begins a message at a line of a chunk.
    #[inline(never)]
    pub fn begin(&self, name: &[u8], line: u32, message: &[Text<'_>]) {
        self.len.set(0);
        self.push(&[
            Text::Bytes(name),
            Text::Str(":"),
            Text::Number(line),
            Text::Str(": "),
        ]);
        self.push(message);
    }

    /// What the message is about, once it is complete.
    pub fn fault(&self, chunk: u32, line: u32) -> Fault {
        Fault {
            chunk,
            line,
            len: self.len.get() as u32,
            reason: "",
        }
    }

    /// Appends to the message.
    #[inline(never)]
    pub fn push(&self, message: &[Text<'_>]) {
        for piece in message {
            match *piece {
                Text::Str(text) => text.bytes().for_each(|byte| self.byte(byte)),
                Text::Bytes(text) => text.iter().for_each(|&byte| self.byte(byte)),
                Text::Number(number) => self.number(number),
                Text::Near(text, quoted) => {
                    if quoted {
                        self.byte(b'\'');
                    }
                    // PUC's words end where a string of C does.
                    let text = text.split(|&byte| byte == 0).next().unwrap_or(text);
                    text.iter().take(NEAR).for_each(|&byte| self.byte(byte));
                    if text.len() > NEAR {
                        b"...".iter().for_each(|&byte| self.byte(byte));
                    }
                    if quoted {
                        self.byte(b'\'');
                    }
                }
            }
        }
    }

    fn number(&self, number: u32) {
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
}

/// Why a text does not compile, with its words: `name:line: message`.
#[derive(Clone, Copy)]
pub struct Diagnostic {
    fault: Fault,
    /// Which chunk it is about.
    pub chunk: u32,
    /// The line; 0 when it is about no line.
    pub line: u32,
    text: [u8; ROOM],
    len: usize,
}

impl Diagnostic {
    /// The message of a fault in this workspace; what is about no line is about the program `name`.
    pub(super) fn new(fault: Fault, workspace: &[u8], name: &[u8]) -> Self {
        let mut this = Self {
            fault,
            chunk: fault.chunk,
            line: fault.line,
            text: [0; ROOM],
            len: 0,
        };
        let about: [&[u8]; 2] = if fault.line == 0 {
            [name, b": "]
        } else {
            [b"", b""]
        };
        let [name, colon] = about;
        let bytes = name.iter().chain(colon).chain(fault.message(workspace));
        for (to, &from) in this.text.iter_mut().zip(bytes) {
            *to = from;
            this.len = this.len.wrapping_add(1);
        }
        this
    }

    /// Whether the workspace was too small; otherwise something is wrong with the text.
    pub fn is_out_of_memory(&self) -> bool {
        self.fault.is_out_of_memory()
    }

    /// The whole message, position first.
    pub fn bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or(&[])
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
