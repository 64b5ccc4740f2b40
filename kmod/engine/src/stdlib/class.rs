// SPDX-License-Identifier: GPL-2.0-only
//! Character classes of patterns, in the C locale.

/// Bits of [`KINDS`].
const UPPER: u8 = 1;
const LOWER: u8 = 2;
const DIGIT: u8 = 4;
const SPACE: u8 = 8;
const PUNCTUATION: u8 = 16;
const CONTROL: u8 = 32;
const HEX: u8 = 64;

/// What each byte is.
static KINDS: [u8; 256] = {
    let mut kinds = [0u8; 256];
    let mut i = 0usize;
    // Evaluated by the compiler, which refuses an index out of range.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while i < 256 {
        let c = i as u8;
        let mut kind = 0;
        if c.is_ascii_uppercase() {
            kind |= UPPER;
        }
        if c.is_ascii_lowercase() {
            kind |= LOWER;
        }
        if c.is_ascii_digit() {
            kind |= DIGIT;
        }
        if c == b' ' || (c >= 9 && c <= 13) {
            kind |= SPACE;
        }
        if c.is_ascii_punctuation() {
            kind |= PUNCTUATION;
        }
        if c.is_ascii_control() {
            kind |= CONTROL;
        }
        if c.is_ascii_hexdigit() {
            kind |= HEX;
        }
        kinds[i] = kind;
        i += 1;
    }
    kinds
};

/// Whether `c` is in the class `%class`; a byte that is no letter of a class stands for itself.
#[inline]
pub fn matches_class(c: u8, class: u8) -> bool {
    let kinds = match class.to_ascii_lowercase() {
        b'a' => UPPER | LOWER,
        b'c' => CONTROL,
        b'd' => DIGIT,
        b'g' => UPPER | LOWER | DIGIT | PUNCTUATION,
        b'l' => LOWER,
        b'p' => PUNCTUATION,
        b's' => SPACE,
        b'u' => UPPER,
        b'w' => UPPER | LOWER | DIGIT,
        b'x' => HEX,
        // An old name of the zero byte.
        b'z' => return (c == 0) == (class == b'z'),
        _ => return c == class,
    };
    let kind = KINDS.get(usize::from(c)).copied().unwrap_or(0);
    (kind & kinds != 0) != class.is_ascii_uppercase()
}

/// Where the class that begins at `p` ends.
pub fn end(pattern: &[u8], p: usize) -> Result<usize, &'static str> {
    const UNCLOSED: &str = "malformed pattern (missing ']')";
    let at = |i: usize| pattern.get(i).copied();
    let mut i = p.wrapping_add(1);
    match at(p) {
        Some(b'%') => {
            if at(i).is_none() {
                return Err("malformed pattern (ends with '%')");
            }
            i = i.wrapping_add(1);
        }
        Some(b'[') => {
            if at(i) == Some(b'^') {
                i = i.wrapping_add(1);
            }
            // The first byte of a set is never its end.
            loop {
                let c = at(i).ok_or(UNCLOSED)?;
                i = i.wrapping_add(1);
                if c == b'%' && at(i).is_some() {
                    i = i.wrapping_add(1);
                }
                if at(i) == Some(b']') {
                    break;
                }
            }
            i = i.wrapping_add(1);
        }
        _ => {}
    }
    Ok(i)
}

/// Whether `c` is in the set, which is what stands between the brackets.
pub fn in_set(c: u8, set: &[u8]) -> bool {
    let (wanted, mut rest) = match set {
        [b'^', rest @ ..] => (false, rest),
        _ => (true, set),
    };
    loop {
        rest = match rest {
            [] => return !wanted,
            [b'%', class, rest @ ..] => {
                if matches_class(c, *class) {
                    return wanted;
                }
                rest
            }
            [low, b'-', high, rest @ ..] => {
                if (*low..=*high).contains(&c) {
                    return wanted;
                }
                rest
            }
            [one, rest @ ..] => {
                if *one == c {
                    return wanted;
                }
                rest
            }
        };
    }
}
