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
const KINDS: [u8; 256] = {
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
const fn matches_class(c: u8, class: u8) -> bool {
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
    // Evaluated by the compiler.
    #[allow(clippy::indexing_slicing)]
    let kind = KINDS[c as usize];
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

/// A set of bytes, a bit for each.
pub type Bits = [u64; 4];

/// The bytes of each class, by its letter: from `A` to `z`. What is no class stands for itself.
static CLASSES: [Bits; 58] = {
    let mut classes = [[0; 4]; 58];
    let mut letter = 0usize;
    // Evaluated by the compiler, which refuses an index out of range.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while letter < classes.len() {
        let mut c = 0usize;
        while c < 256 {
            if matches_class(c as u8, b'A' + letter as u8) {
                classes[letter][c >> 6] |= 1 << (c & 63);
            }
            c += 1;
        }
        letter += 1;
    }
    classes
};

/// The bytes of `%class`, if it is a letter (or one of the few signs between the cases).
#[inline]
pub fn class_bits(class: u8) -> Option<&'static Bits> {
    CLASSES.get(usize::from(class.wrapping_sub(b'A')))
}

/// Whether a byte is among these.
#[inline(always)]
pub fn has(bits: &Bits, c: u8) -> bool {
    let word = bits.get(usize::from(c >> 6)).copied().unwrap_or(0);
    word.wrapping_shr(u32::from(c)) & 1 != 0
}

/// The bytes of a set, which is what stands between the brackets.
pub fn set_bits(set: &[u8]) -> Bits {
    let (negated, mut rest) = match set {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut bits = [0; 4];
    loop {
        rest = match rest {
            [] => break,
            [b'%', class, rest @ ..] => {
                if let Some(class) = class_bits(*class) {
                    for (word, more) in bits.iter_mut().zip(class) {
                        *word |= more;
                    }
                } else {
                    add_range(&mut bits, *class, *class);
                }
                rest
            }
            [low, b'-', high, rest @ ..] => {
                add_range(&mut bits, *low, *high);
                rest
            }
            [one, rest @ ..] => {
                add_range(&mut bits, *one, *one);
                rest
            }
        };
    }
    if negated {
        bits = bits.map(|word| !word);
    }
    bits
}

fn add_range(bits: &mut Bits, low: u8, high: u8) {
    for (word, first) in bits.iter_mut().zip([0u8, 64, 128, 192]) {
        let (from, to) = (low.max(first), high.min(first | 63));
        if from <= to {
            let ones = u64::MAX.wrapping_shr(63u32.wrapping_sub(u32::from(to.wrapping_sub(from))));
            *word |= ones.wrapping_shl(u32::from(from));
        }
    }
}

/// Whether `c` is in a set that is not to be remembered.
pub fn in_set(c: u8, set: &[u8]) -> bool {
    has(&set_bits(set), c)
}
