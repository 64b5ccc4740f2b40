// SPDX-License-Identifier: GPL-2.0-only
//! The directives of `string.format`.

use crate::number::format::Spec;

/// Flags that conversions allow.
pub const FLOAT: &[u8] = b"-+#0 ";
/// `%o %x %X`.
pub const HEX: &[u8] = b"-#0";
/// `%d %i`.
pub const INT: &[u8] = b"-+0 ";
/// `%u`.
pub const UNSIGNED: &[u8] = b"-0";
/// `%c %p %s`.
pub const TEXT: &[u8] = b"-";

/// From this length on nothing can be a directive.
const TOO_LONG: usize = 22;

/// A directive without its `%`.
#[derive(Clone, Copy)]
pub struct Directive<'a> {
    /// Flags, width, precision and conversion, as they stand there.
    pub text: &'a [u8],
    /// The conversion; 0 when the format ended.
    pub conversion: u8,
}

impl<'a> Directive<'a> {
    /// The directive that begins behind a `%`; `None` if it is too long to be one.
    pub fn read(rest: &'a [u8]) -> Option<Self> {
        let span = rest
            .iter()
            .take_while(|b| b"-+#0 123456789.".contains(b))
            .count();
        let len = span.wrapping_add(1);
        if len >= TOO_LONG {
            return None;
        }
        let conversion = rest.get(span).copied().unwrap_or(0);
        Some(Self {
            text: rest.get(..len).unwrap_or(rest),
            conversion,
        })
    }

    /// Whether there is anything before the conversion.
    pub fn is_modified(&self) -> bool {
        self.text.len() > 1
    }

    /// Whether there is a precision.
    pub fn has_precision(&self) -> bool {
        self.text.contains(&b'.')
    }

    /// Flags, width and precision, if they are legal for a conversion with these flags.
    pub fn spec(&self, flags: &[u8], precision: bool) -> Option<Spec> {
        let mut spec = Spec::default();
        let mut rest = self.text;
        while let [b, tail @ ..] = rest
            && flags.contains(b)
        {
            match b {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alt = true,
                _ => spec.zero = true,
            }
            rest = tail;
        }
        // A width cannot begin with a zero.
        if rest.first() != Some(&b'0') {
            let (width, tail) = two_digits(rest);
            spec.width = width;
            rest = tail;
            if let [b'.', tail @ ..] = rest
                && precision
            {
                let (digits, tail) = two_digits(tail);
                spec.precision = Some(digits);
                rest = tail;
            }
        }
        rest.first()
            .is_some_and(u8::is_ascii_alphabetic)
            .then_some(spec)
    }
}

/// A number of at most two digits, and what follows it.
fn two_digits(text: &[u8]) -> (u8, &[u8]) {
    let mut value = 0u8;
    let mut rest = text;
    for _ in 0..2 {
        match rest {
            [b, tail @ ..] if b.is_ascii_digit() => {
                value = value.wrapping_mul(10).wrapping_add(b & 15);
                rest = tail;
            }
            _ => break,
        }
    }
    (value, rest)
}
