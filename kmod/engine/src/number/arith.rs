// SPDX-License-Identifier: GPL-2.0-only
//! Lua's arithmetic where it is not the processor's: floor division, modulo, shifts, powers, and the
//! conversions between the two subtypes.

use super::Number;
use core::cmp::Ordering;

/// 2^63 as a float: the first one above every integer.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// `a // b` for integers; `b` is not zero.
pub const fn floor_div(a: i64, b: i64) -> i64 {
    // Nothing fits for the least integer by -1: it wraps.
    let Some(quotient) = a.checked_div(b) else {
        return if b == 0 { 0 } else { a };
    };
    // The quotient was cut towards zero; floor is one less when the signs differ and it was inexact.
    if a ^ b < 0 && quotient.wrapping_mul(b) != a {
        quotient.wrapping_sub(1)
    } else {
        quotient
    }
}

/// `a % b` for integers; `b` is not zero.
pub const fn floor_mod(a: i64, b: i64) -> i64 {
    let Some(rest) = a.checked_rem(b) else {
        return 0;
    };
    if rest != 0 && rest ^ b < 0 {
        rest.wrapping_add(b)
    } else {
        rest
    }
}

/// `a << b`, logical, for every b; negative b shifts right.
pub const fn shift_left(a: i64, b: i64) -> i64 {
    let bits = a as u64;
    (if b <= -64 || b >= 64 {
        0
    } else if b >= 0 {
        bits.wrapping_shl(b as u32)
    } else {
        bits.wrapping_shr(b.unsigned_abs() as u32)
    }) as i64
}

/// `a >> b`, logical, for every b; negative b shifts left.
pub const fn shift_right(a: i64, b: i64) -> i64 {
    // The one b whose negation overflows shifts everything out anyway.
    shift_left(a, if b == i64::MIN { 64 } else { b.wrapping_neg() })
}

/// Not a number as the x86 makes it out of numbers (`0/0` prints `-nan`); soft float would differ.
const MADE_NAN: f64 = f64::from_bits(0xfff8 << 48);

/// A result with the sign of NaN that hardware gives.
fn canonical(result: f64, a: f64, b: f64) -> f64 {
    if result.is_nan() {
        if a.is_nan() {
            return a;
        }
        return if b.is_nan() { b } else { MADE_NAN };
    }
    result
}

/// `a + b`.
pub fn add(a: f64, b: f64) -> f64 {
    canonical(a + b, a, b)
}
/// `a - b`.
pub fn sub(a: f64, b: f64) -> f64 {
    canonical(a - b, a, b)
}
/// `a * b`.
pub fn mul(a: f64, b: f64) -> f64 {
    canonical(a * b, a, b)
}
/// `a / b`.
pub fn div(a: f64, b: f64) -> f64 {
    canonical(a / b, a, b)
}

/// `a // b` for floats.
pub fn float_floor_div(a: f64, b: f64) -> f64 {
    floor(div(a, b))
}

/// `a % b` for floats: the rest has the sign of b.
pub fn float_mod(a: f64, b: f64) -> f64 {
    let rest = fmod(a, b);
    if (rest > 0.0 && b < 0.0) || (rest < 0.0 && b > 0.0) {
        rest + b
    } else {
        rest
    }
}

/// Whether the exponents of two floats are so near that [`float_mod`] takes few steps.
pub const fn are_near(a: f64, b: f64) -> bool {
    const EXPONENT: u64 = 0x7ff;
    (a.to_bits() >> 52 & EXPONENT) < (b.to_bits() >> 52 & EXPONENT).wrapping_add(64)
}

/// C's `fmod`: the rest of the division cut towards zero, exact.
pub fn fmod(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() || a.is_infinite() || b == 0.0 {
        return canonical(f64::NAN, a, b);
    }
    if b.is_infinite() || a == 0.0 {
        return a;
    }
    let sign = a.to_bits() & 1 << 63;
    let (mut rest, from) = split(a);
    let (divisor, to) = split(b);
    if from < to {
        // |a| may still be at least |b| when b has the longer mantissa.
        let gap = to.wrapping_sub(from) as u32;
        let lowered = u128::from(divisor).checked_shl(gap).filter(|_| gap < 64);
        let rest = match lowered {
            Some(lowered) if lowered <= u128::from(rest) => {
                u128::from(rest).checked_rem(lowered).unwrap_or(0) as u64
            }
            _ => return a,
        };
        return f64::from_bits(sign | super::parse::round(u128::from(rest), from));
    }
    let mut left = from.wrapping_sub(to) as u32;
    rest = rest.checked_rem(divisor).unwrap_or(0);
    while left > 0 && rest != 0 {
        // The divisor has at most 53 bits, so eleven more fit beside the rest.
        let step = left.min(11);
        rest = rest.wrapping_shl(step).checked_rem(divisor).unwrap_or(0);
        left = left.wrapping_sub(step);
    }
    if rest == 0 {
        return f64::from_bits(sign);
    }
    f64::from_bits(sign | super::parse::round(u128::from(rest), to))
}

/// A finite float as mantissa × 2^exponent, without its sign.
pub const fn split(f: f64) -> (u64, i32) {
    let bits = f.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    if biased == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, biased.wrapping_sub(1075))
    }
}

/// The greatest whole number not above f.
pub fn floor(f: f64) -> f64 {
    let cut = trunc(f);
    if cut > f { cut - 1.0 } else { cut }
}

/// The least whole number not below f.
pub fn ceil(f: f64) -> f64 {
    let cut = trunc(f);
    if cut < f {
        // -0.5 becomes -0.0, as in C.
        return if cut == 0.0 && f < 0.0 {
            -0.0
        } else {
            cut + 1.0
        };
    }
    cut
}

/// f without its fraction.
pub const fn trunc(f: f64) -> f64 {
    let bits = f.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let whole = exponent.wrapping_sub(1023);
    if whole < 0 {
        return f64::from_bits(bits & 1 << 63);
    }
    if whole >= 52 {
        return f;
    }
    let fraction = ((1u64 << 52) - 1).wrapping_shr(whole as u32);
    f64::from_bits(bits & !fraction)
}

/// The integer that equals f, if there is one.
pub fn to_int(f: f64) -> Option<i64> {
    if (-TWO_63..TWO_63).contains(&f) {
        let i = f as i64;
        if i as f64 == f {
            return Some(i);
        }
    }
    None
}

/// The floor of f as an integer, if it fits.
pub fn floor_to_int(f: f64) -> Option<i64> {
    to_int(floor(f))
}

/// The ceiling of f as an integer, if it fits.
pub fn ceil_to_int(f: f64) -> Option<i64> {
    to_int(ceil(f))
}

/// Compares an integer with a float by their true values; `None` for NaN.
pub fn compare_int_float(i: i64, f: f64) -> Option<Ordering> {
    if f.is_nan() {
        return None;
    }
    if f >= TWO_63 {
        return Some(Ordering::Less);
    }
    if f < -TWO_63 {
        return Some(Ordering::Greater);
    }
    let cut = trunc(f);
    let whole = cut as i64;
    Some(match i.cmp(&whole) {
        // Same whole part: the fraction decides.
        Ordering::Equal => cut.partial_cmp(&f)?,
        unequal => unequal,
    })
}

/// Compares two numbers by their true values; `None` if one is NaN.
pub fn compare(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Int(a), Number::Float(b)) => compare_int_float(a, b),
        (Number::Float(a), Number::Int(b)) => compare_int_float(b, a).map(Ordering::reverse),
    }
}

/// `a ^ b`.
pub fn pow(a: f64, b: f64) -> f64 {
    // The square is exact as a product, and by far the most frequent power.
    if b == 2.0 {
        mul(a, a)
    } else {
        canonical(libm::pow(a, b), a, b)
    }
}

/// The square root; the one of a negative number is what hardware makes of it.
pub fn sqrt(x: f64) -> f64 {
    canonical(libm::sqrt(x), x, x)
}
