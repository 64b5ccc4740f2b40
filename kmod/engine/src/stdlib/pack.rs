// SPDX-License-Identifier: GPL-2.0-only
//! The formats of `string.pack`, and how integers lie in bytes.

/// The largest integer that a format may name, in bytes.
pub const WIDEST: usize = 16;
/// The size of a C `int`'s largest value bounds sizes in formats, as in PUC.
pub const MAX_SIZE: usize = i32::MAX as usize;
/// How far an alignment may go by default.
const NATIVE_ALIGN: usize = 8;

/// What is wrong with a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An unknown option.
    Option(u8),
    /// A size that is no size of integers.
    Limit(usize),
    /// `c` without a size.
    NoSize,
    /// Wrong as argument 1; the message.
    Format(&'static str),
}

/// What an option stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A signed integer.
    Int,
    /// An unsigned one.
    Unsigned,
    /// A C float.
    Float,
    /// A C double, which is a Lua float.
    Double,
    /// A string of fixed size.
    Chars,
    /// A string behind its length.
    Counted,
    /// A string that a zero ends.
    Terminated,
    /// One byte.
    Padding,
    /// Nothing but alignment.
    Align,
    /// Nothing.
    None,
}

/// An option with what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Bytes of it, without the alignment; of a counted string those of its length.
    pub size: usize,
    /// Bytes before it.
    pub align: usize,
}

/// Walks through a format, which is given at each step, for it lies in memory that others use too.
#[derive(Clone, Copy)]
pub struct Format {
    at: usize,
    max_align: usize,
    /// Whether integers lie with their lowest byte first.
    pub little: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            at: 0,
            max_align: 1,
            little: cfg!(target_endian = "little"),
        }
    }
}

impl Format {
    /// The next item, for `total` bytes before it; `None` at the end.
    pub fn next(&mut self, format: &[u8], total: usize) -> Result<Option<Item>, Fault> {
        if self.peek(format).is_none() {
            return Ok(None);
        }
        let (kind, size) = self.option(format)?;
        let mut align = size;
        if kind == Kind::Align {
            const WRONG: Fault = Fault::Format("invalid next option for option 'X'");
            if self.peek(format).is_none() {
                return Err(WRONG);
            }
            let (next, wanted) = self.option(format)?;
            if next == Kind::Chars || wanted == 0 {
                return Err(WRONG);
            }
            align = wanted;
        }
        let mut fill = 0;
        if align > 1 && kind != Kind::Chars {
            align = align.min(self.max_align);
            if !align.is_power_of_two() {
                return Err(Fault::Format("format asks for alignment not power of 2"));
            }
            let mask = align.wrapping_sub(1);
            fill = align.wrapping_sub(total & mask) & mask;
        }
        Ok(Some(Item {
            kind,
            size,
            align: fill,
        }))
    }

    /// The byte at hand; like a C string a format ends at a zero.
    fn peek(&self, format: &[u8]) -> Option<u8> {
        format.get(self.at).copied().filter(|b| *b != 0)
    }

    fn number(&mut self, format: &[u8]) -> Option<usize> {
        let mut value = None;
        while let Some(b) = self.peek(format).filter(u8::is_ascii_digit) {
            let so_far = value.unwrap_or(0usize);
            if so_far > MAX_SIZE.wrapping_sub(9) / 10 {
                break;
            }
            value = Some(so_far.wrapping_mul(10).wrapping_add(usize::from(b & 15)));
            self.at = self.at.wrapping_add(1);
        }
        value
    }

    fn limited(&mut self, format: &[u8], default: usize) -> Result<usize, Fault> {
        match self.number(format) {
            None => Ok(default),
            Some(n) if (1..=WIDEST).contains(&n) => Ok(n),
            Some(n) => Err(Fault::Limit(n)),
        }
    }

    fn option(&mut self, format: &[u8]) -> Result<(Kind, usize), Fault> {
        let Some(option) = self.peek(format) else {
            return Ok((Kind::None, 0));
        };
        self.at = self.at.wrapping_add(1);
        Ok(match option {
            b'b' => (Kind::Int, 1),
            b'B' => (Kind::Unsigned, 1),
            b'h' => (Kind::Int, 2),
            b'H' => (Kind::Unsigned, 2),
            b'i' => (Kind::Int, self.limited(format, 4)?),
            b'I' => (Kind::Unsigned, self.limited(format, 4)?),
            b'l' | b'j' => (Kind::Int, 8),
            b'L' | b'J' | b'T' => (Kind::Unsigned, 8),
            b'f' => (Kind::Float, 4),
            b'd' | b'n' => (Kind::Double, 8),
            b's' => (Kind::Counted, self.limited(format, 8)?),
            b'c' => (Kind::Chars, self.number(format).ok_or(Fault::NoSize)?),
            b'z' => (Kind::Terminated, 0),
            b'x' => (Kind::Padding, 1),
            b'X' => (Kind::Align, 0),
            b' ' => (Kind::None, 0),
            b'<' => {
                self.little = true;
                (Kind::None, 0)
            }
            b'>' => {
                self.little = false;
                (Kind::None, 0)
            }
            b'=' => {
                self.little = cfg!(target_endian = "little");
                (Kind::None, 0)
            }
            b'!' => {
                self.max_align = self.limited(format, NATIVE_ALIGN)?;
                (Kind::None, 0)
            }
            other => return Err(Fault::Option(other)),
        })
    }
}

/// An integer as `size` bytes (at most [`WIDEST`]), which the slice holds at its start. What is
/// unsigned is 64 bits wide, and has zeroes beyond.
pub fn put_int(
    buf: &mut [u8; WIDEST],
    value: i64,
    signed: bool,
    size: usize,
    little: bool,
) -> &[u8] {
    let sign = if signed && value < 0 { 0xff } else { 0 };
    let raw = value.to_le_bytes();
    let bytes = buf.get_mut(..size).unwrap_or_default();
    for (i, slot) in bytes.iter_mut().enumerate() {
        *slot = raw.get(i).copied().unwrap_or(sign);
    }
    if !little {
        bytes.reverse();
    }
    bytes
}

/// The integer that some bytes are; `None` when it does not fit.
pub fn get_int(bytes: &[u8], little: bool, signed: bool) -> Option<i64> {
    let byte = |i: usize| {
        let at = if little {
            i
        } else {
            bytes.len().wrapping_sub(1).wrapping_sub(i)
        };
        bytes.get(at).copied().unwrap_or(0)
    };
    let mut value = 0u64;
    for i in (0..bytes.len().min(8)).rev() {
        value = value << 8 | u64::from(byte(i));
    }
    if bytes.len() < 8 {
        let unused = 64u32.wrapping_sub((bytes.len() as u32).wrapping_mul(8));
        if signed && unused < 64 {
            return Some((value.wrapping_shl(unused) as i64).wrapping_shr(unused));
        }
    } else {
        let fill = if signed && (value as i64) < 0 {
            0xff
        } else {
            0
        };
        if (8..bytes.len()).any(|i| byte(i) != fill) {
            return None;
        }
    }
    Some(value as i64)
}

/// Whether an integer fits `size` bytes.
pub const fn fits(value: i64, size: usize, signed: bool) -> bool {
    if size >= 8 {
        return true;
    }
    let bits = (size as u32).wrapping_mul(8);
    if signed {
        let above = value.wrapping_shr(bits.wrapping_sub(1));
        above == 0 || above == -1
    } else {
        (value as u64).wrapping_shr(bits) == 0
    }
}
