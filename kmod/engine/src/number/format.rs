// SPDX-License-Identifier: GPL-2.0-only
//! Number to text: `tostring`, and the conversions of `string.format` as C's printf makes them.

use super::Number;
use super::arith::split;
use super::digits::{self, Decimal, Places, digits};

/// Room that one formatted number can need: `%99.99f` of the longest double.
pub const LONGEST: usize = 1 + 309 + 1 + 99;
/// Room for [`to_text`].
pub const TEXT: usize = 32;

/// Text that grows in a buffer of the caller; what does not fit is dropped.
pub struct Text<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Text<'a> {
    /// An empty text.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }
    /// Appends a byte.
    pub fn byte(&mut self, b: u8) {
        if let Some(slot) = self.buf.get_mut(self.len) {
            *slot = b;
            self.len = self.len.wrapping_add(1);
        }
    }
    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.byte(*b);
        }
    }
    /// Appends `count` times the same byte.
    pub fn fill(&mut self, b: u8, count: usize) {
        for _ in 0..count {
            self.byte(b);
        }
    }
    /// Appends a decimal integer.
    pub fn int(&mut self, i: i64) {
        if i < 0 {
            self.byte(b'-');
        }
        self.unsigned(i.unsigned_abs(), 10, b'a');
    }
    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }
    /// What was written, for as long as the buffer lives.
    pub fn finish(self) -> &'a [u8] {
        let len = self.len;
        self.buf.get(..len).unwrap_or_default()
    }

    fn unsigned(&mut self, value: u64, base: u64, ten: u8) {
        let mut divisor = 1u64;
        while value.checked_div(divisor).unwrap_or(0) >= base {
            divisor = divisor.wrapping_mul(base);
        }
        let mut rest = value;
        while divisor != 0 {
            let digit = rest.checked_div(divisor).unwrap_or(0) as u8;
            rest = rest.checked_rem(divisor).unwrap_or(0);
            self.byte(if digit < 10 {
                digit.wrapping_add(b'0')
            } else {
                digit.wrapping_sub(10).wrapping_add(ten)
            });
            divisor = divisor.checked_div(base).unwrap_or(0);
        }
    }

    /// Moves what was written from `at` on by `count` places and fills the gap.
    fn insert(&mut self, at: usize, b: u8, count: usize) {
        if count == 0 {
            return;
        }
        let mut from = self.len;
        self.fill(b, count);
        let mut to = self.len;
        while from > at {
            from = from.wrapping_sub(1);
            to = to.wrapping_sub(1);
            let moved = self.buf.get(from).copied().unwrap_or(b);
            if let Some(slot) = self.buf.get_mut(to) {
                *slot = moved;
            }
            if let Some(slot) = self.buf.get_mut(from) {
                *slot = b;
            }
        }
    }
}

/// Flags, width and precision of a conversion.
#[derive(Clone, Copy, Default, Debug)]
#[allow(clippy::struct_excessive_bools)] // C's flags are just that
pub struct Spec {
    /// `-`: pad on the right.
    pub left: bool,
    /// `+`: a sign always.
    pub plus: bool,
    /// A space in place of `+`.
    pub space: bool,
    /// `#`: the other form.
    pub alt: bool,
    /// `0`: pad with zeros.
    pub zero: bool,
    /// At least so wide (at most 99).
    pub width: u8,
    /// Digits (at most 99).
    pub precision: Option<u8>,
}

impl Spec {
    fn sign(self, negative: bool, out: &mut Text) {
        if negative {
            out.byte(b'-');
        } else if self.plus {
            out.byte(b'+');
        } else if self.space {
            out.byte(b' ');
        }
    }

    /// Pads what was written since `start`; zeros go in at `digits`, if they may.
    fn pad(self, out: &mut Text, start: usize, digits: usize, zeros: bool) {
        let have = out.len.wrapping_sub(start);
        let missing = usize::from(self.width).saturating_sub(have);
        if self.left {
            out.fill(b' ', missing);
        } else if zeros && self.zero {
            out.insert(digits, b'0', missing);
        } else {
            out.insert(start, b' ', missing);
        }
    }
}

/// `%d %i %u %o %x %X`.
pub fn int(out: &mut Text, spec: Spec, conversion: u8, value: i64) {
    let start = out.len;
    let (bits, base) = match conversion {
        b'd' | b'i' => {
            spec.sign(value < 0, out);
            (value.unsigned_abs(), 10)
        }
        b'o' => (value as u64, 8),
        b'x' | b'X' => (value as u64, 16),
        _ => (value as u64, 10),
    };
    if spec.alt && base == 16 && bits != 0 {
        out.put(if conversion == b'X' { b"0X" } else { b"0x" });
    }
    let digits = out.len;
    if bits != 0 || spec.precision != Some(0) {
        out.unsigned(bits, base, if conversion == b'X' { b'A' } else { b'a' });
    }
    let have = out.len.wrapping_sub(digits);
    let mut zeros = usize::from(spec.precision.unwrap_or(0)).saturating_sub(have);
    let leading_zero = have > 0 && bits == 0;
    if spec.alt && base == 8 && zeros == 0 && !leading_zero {
        zeros = 1;
    }
    out.insert(digits, b'0', zeros);
    spec.pad(out, start, digits, spec.precision.is_none());
}

/// `%e %E %f %F %g %G %a %A`. `work` has room for [`digits::MOST`] bytes.
pub fn float(out: &mut Text, work: &mut [u8], spec: Spec, conversion: u8, value: f64) {
    let start = out.len;
    let upper = conversion.is_ascii_uppercase();
    spec.sign(value.is_sign_negative(), out);
    if !value.is_finite() {
        out.put(match (value.is_nan(), upper) {
            (true, false) => b"nan",
            (true, true) => b"NAN",
            (false, false) => b"inf",
            (false, true) => b"INF",
        });
        spec.pad(out, start, start, false);
        return;
    }
    let kind = conversion.to_ascii_lowercase();
    if kind == b'a' {
        out.put(if upper { b"0X" } else { b"0x" });
    }
    let body = out.len;
    let precision = u32::from(spec.precision.unwrap_or(6));
    match kind {
        b'a' => hexadecimal(out, spec, upper, value),
        b'f' => {
            let decimal = digits(value, Places::Fraction(precision), work);
            fixed(out, work, decimal, precision, spec.alt);
        }
        b'e' => {
            let places = Places::Significant(precision.wrapping_add(1));
            let decimal = digits(value, places, work);
            scientific(out, work, decimal, precision, spec.alt, upper);
        }
        _ => general(out, work, precision, spec.alt, upper, value),
    }
    spec.pad(out, start, body, true);
}

/// Digit number i of a decimal, 0 beyond its ends.
fn digit(work: &[u8], decimal: Decimal, i: i32) -> u8 {
    match usize::try_from(i) {
        Ok(i) if i < decimal.len => work.get(i).copied().unwrap_or(b'0'),
        _ => b'0',
    }
}

/// `123.456`, with so many digits behind the point.
fn fixed(out: &mut Text, work: &[u8], decimal: Decimal, precision: u32, alt: bool) {
    if decimal.place <= 0 || decimal.len == 0 {
        out.byte(b'0');
    } else {
        for i in 0..decimal.place {
            out.byte(digit(work, decimal, i));
        }
    }
    if precision > 0 || alt {
        out.byte(b'.');
    }
    let point = if decimal.len == 0 { 0 } else { decimal.place };
    for i in 0..precision as i32 {
        out.byte(digit(work, decimal, point.wrapping_add(i)));
    }
}

/// `1.23456e+02`, with so many digits behind the point.
fn scientific(
    out: &mut Text,
    work: &[u8],
    decimal: Decimal,
    precision: u32,
    alt: bool,
    upper: bool,
) {
    out.byte(digit(work, decimal, 0));
    if precision > 0 || alt {
        out.byte(b'.');
    }
    for i in 1..=precision as i32 {
        out.byte(digit(work, decimal, i));
    }
    let exponent = decimal.place.wrapping_sub(1);
    out.byte(if upper { b'E' } else { b'e' });
    out.byte(if exponent < 0 { b'-' } else { b'+' });
    if exponent.unsigned_abs() < 10 {
        out.byte(b'0');
    }
    out.unsigned(u64::from(exponent.unsigned_abs()), 10, b'a');
}

/// `%g`: the shorter of both, without trailing zeros unless the other form is wanted.
fn general(out: &mut Text, work: &mut [u8], precision: u32, alt: bool, upper: bool, value: f64) {
    let precision = precision.max(1);
    let mut decimal = digits(value, Places::Significant(precision), work);
    while decimal.len > 0 && work.get(decimal.len.wrapping_sub(1)) == Some(&b'0') {
        decimal.len = decimal.len.wrapping_sub(1);
    }
    let exponent = decimal.place.wrapping_sub(1);
    let significant = if alt {
        precision
    } else {
        (decimal.len as u32).max(1)
    };
    if exponent < -4 || exponent >= precision as i32 {
        scientific(out, work, decimal, significant.wrapping_sub(1), alt, upper);
    } else {
        let behind = (significant as i32)
            .wrapping_sub(1)
            .wrapping_sub(exponent)
            .max(0);
        fixed(out, work, decimal, behind as u32, alt);
    }
}

/// What follows `0x` in `%a`: a hexadecimal mantissa and the exponent of two.
fn hexadecimal(out: &mut Text, spec: Spec, upper: bool, value: f64) {
    let (mut m, e) = split(value);
    // One digit before the point (bits 52 and up), 13 behind it.
    let exponent = if m == 0 { 0 } else { e.wrapping_add(52) };
    let mut digits = 13u32;
    match spec.precision.map(u32::from) {
        None => {
            while digits > 0 && m != 0 && m.trailing_zeros() >= 4 {
                m >>= 4;
                digits = digits.wrapping_sub(1);
            }
            if m == 0 {
                digits = 0;
            }
        }
        Some(wanted) if wanted < 13 => {
            let drop = 13u32.wrapping_sub(wanted).wrapping_mul(4);
            let unit = 1u64.wrapping_shl(drop);
            let rest = m & unit.wrapping_sub(1);
            m = m.wrapping_shr(drop);
            if rest > unit >> 1 || (rest == unit >> 1 && m & 1 == 1) {
                m = m.wrapping_add(1);
            }
            digits = wanted;
        }
        Some(_) => {}
    }
    let letters: &[u8; 16] = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    let nibble = |shift: u32| {
        letters
            .get((m.checked_shr(shift).unwrap_or(0) & 15) as usize)
            .copied()
            .unwrap_or(b'0')
    };
    out.byte(nibble(digits.wrapping_mul(4)));
    let wanted = spec.precision.map_or(digits, u32::from);
    if wanted > 0 || spec.alt {
        out.byte(b'.');
    }
    for i in (0..digits).rev() {
        out.byte(nibble(i.wrapping_mul(4)));
    }
    out.fill(b'0', wanted.saturating_sub(digits) as usize);
    out.byte(if upper { b'P' } else { b'p' });
    out.byte(if exponent < 0 { b'-' } else { b'+' });
    out.unsigned(u64::from(exponent.unsigned_abs()), 10, b'a');
}

/// A number as `tostring` shows it: `%d`, or `%.14g` with `.0` when it would look like an integer.
pub fn to_text(number: Number, buf: &mut [u8; TEXT]) -> &[u8] {
    let mut out = Text::new(buf);
    match number {
        Number::Int(i) => out.int(i),
        Number::Float(f) => {
            let mut work = [0; 20];
            let spec = Spec {
                precision: Some(14),
                ..Spec::default()
            };
            float(&mut out, &mut work, spec, b'g', f);
            if out.bytes().iter().all(|b| b.is_ascii_digit() || *b == b'-') {
                out.put(b".0");
            }
        }
    }
    out.finish()
}

const _: () = assert!(LONGEST < 512 && digits::MOST >= 309);
