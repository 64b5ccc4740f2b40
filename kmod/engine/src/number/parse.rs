// SPDX-License-Identifier: GPL-2.0-only
//! Text to number, as `tonumber` and the lexer want it.
//!
//! Decimal floats: at most 19 digits are multiplied by a 128-bit power of ten; when the error of that
//! product leaves the rounding open, the digits are compared with the halfway point itself, digit by
//! digit, against its exact expansion.

use super::Number;
use super::power::{self, product, small_ten, ten_to};
use core::cmp::Ordering;

/// C's `isspace`.
pub const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 9..=13)
}

/// A whole text as a number: spaces around it and a sign are allowed, anything else beside the number
/// is not. Decimal integers that do not fit are floats, hexadecimal ones wrap, as in Lua.
pub fn parse(text: &[u8]) -> Option<Number> {
    let mut text = text;
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = match text {
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal(rest, negative)?,
        _ => decimal(text, negative)?,
    };
    Some(match magnitude {
        Number::Float(f) if negative => Number::Float(-f),
        other => other,
    })
}

/// What follows `0x`. Integers come back with the sign applied, floats without.
fn hexadecimal(text: &[u8], negative: bool) -> Option<Number> {
    let mut mantissa = 0u64;
    let mut wrapped = 0u64;
    let mut exponent = 0i64;
    let mut sticky = false;
    let mut digits = false;
    let mut point = false;
    let mut rest = text;
    while let [b, tail @ ..] = rest {
        if *b == b'.' && !point {
            point = true;
            rest = tail;
            continue;
        }
        let Some(digit) = (*b as char).to_digit(16) else {
            break;
        };
        digits = true;
        wrapped = wrapped << 4 | u64::from(digit);
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            if point {
                exponent = exponent.wrapping_sub(4);
            }
        } else {
            sticky |= digit != 0;
            if !point {
                exponent = exponent.wrapping_add(4);
            }
        }
        rest = tail;
    }
    if !digits {
        return None;
    }
    match rest {
        [] if !point => {
            let value = wrapped as i64;
            return Some(Number::Int(if negative {
                value.wrapping_neg()
            } else {
                value
            }));
        }
        [] => {}
        [b'p' | b'P', tail @ ..] => exponent = exponent.saturating_add(signed_exponent(tail)?),
        _ => return None,
    }
    if mantissa == 0 {
        return Some(Number::Float(0.0));
    }
    let mantissa = u128::from(mantissa) << 64 | u128::from(sticky);
    let exponent = exponent.saturating_sub(64).clamp(-100_000, 100_000) as i32;
    Some(Number::Float(f64::from_bits(round(mantissa, exponent))))
}

/// An exponent with an optional sign, clamped to what no text is long enough to undo.
fn signed_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for b in digits {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value
            .wrapping_mul(10)
            .wrapping_add(i64::from(b & 15))
            .min(1 << 48);
    }
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// A decimal number. Integers come back with the sign applied, floats without.
fn decimal(text: &[u8], negative: bool) -> Option<Number> {
    let mut w = 0u64;
    let mut kept = 0u32;
    let mut dropped = 0i64;
    let mut lost = false;
    let mut behind_point = 0i64;
    let mut any = false;
    let mut point = false;
    let mut too_big = false;
    let mut first = None;
    let mut rest = text;
    while let [b, tail @ ..] = rest {
        if *b == b'.' && !point {
            point = true;
        } else if b.is_ascii_digit() {
            any = true;
            let digit = u64::from(b & 15);
            if point {
                behind_point = behind_point.wrapping_add(1);
            }
            if first.is_some() || digit != 0 {
                first = first.or(Some(rest));
                if kept < 19 {
                    w = w.wrapping_mul(10).wrapping_add(digit);
                    kept = kept.wrapping_add(1);
                } else {
                    dropped = dropped.wrapping_add(1);
                    lost |= digit != 0;
                    too_big = true;
                }
            }
        } else {
            break;
        }
        rest = tail;
    }
    if !any {
        return None;
    }
    let mut exponent = 0;
    match rest {
        [] if !point && !too_big => {
            let limit = if negative { 1 << 63 } else { i64::MAX as u64 };
            if w <= limit {
                let value = w as i64;
                return Some(Number::Int(if negative {
                    value.wrapping_neg()
                } else {
                    value
                }));
            }
        }
        [] => {}
        [b'e' | b'E', tail @ ..] => exponent = signed_exponent(tail)?,
        _ => return None,
    }
    if w == 0 {
        return Some(Number::Float(0.0));
    }
    // The value is w × 10^q, and up to one unit of w more if digits were lost.
    let q = exponent
        .saturating_sub(behind_point)
        .saturating_add(dropped);
    if q > 400 {
        return Some(Number::Float(f64::INFINITY));
    }
    if q < -400 {
        return Some(Number::Float(0.0));
    }
    let digits = first.unwrap_or_default();
    let digits = digits
        .get(..digits.len().wrapping_sub(rest.len()))
        .unwrap_or_default();
    // Where the decimal point is: the value is 0.d1d2d3… × 10^place.
    let place = q.wrapping_add(i64::from(kept)) as i32;
    Some(Number::Float(nearest(w, q as i32, lost, digits, place)))
}

/// The double nearest to `w × 10^q` (`lost`: less than one w more).
fn nearest(w: u64, q: i32, lost: bool, digits: &[u8], place: i32) -> f64 {
    if !lost && w < 1 << 53 {
        // Both factors are exact, so the one rounding of the operation is the right one.
        let factor = small_ten(q.unsigned_abs() as usize);
        if (0..=19).contains(&q) && factor < 1 << 53 {
            return w as f64 * factor as f64;
        }
        if (-19..0).contains(&q) && factor < 1 << 53 {
            return w as f64 / factor as f64;
        }
    }
    let Some(ten) = ten_to(q) else {
        return if q > 0 { f64::INFINITY } else { 0.0 };
    };
    let zeros = w.leading_zeros();
    let (mut low, tail) = product(ten.mantissa, w.wrapping_shl(zeros));
    let mut slack = 0u128;
    if ten.exact {
        low |= u128::from(tail != 0);
    } else {
        slack = power::ERROR.wrapping_add(1);
    }
    if lost {
        slack = slack.wrapping_add((2u128 << 64).wrapping_shl(zeros));
    }
    let exponent = ten.exponent.wrapping_add(64).wrapping_sub(zeros as i32);
    let down = round(low, exponent);
    let up = round(low.saturating_add(slack), exponent);
    if down == up {
        return f64::from_bits(down);
    }
    // The error is less than half a unit of the double, so only the point halfway to the next one
    // can lie inside it.
    let floor = truncate(low, exponent);
    f64::from_bits(match compare_halfway(digits, place, floor) {
        Ordering::Less => floor,
        Ordering::Equal => floor.wrapping_add(floor & 1),
        Ordering::Greater => floor.wrapping_add(1),
    })
}

/// How many low bits of a 128-bit mantissa with its top bit set a double drops, and the biased
/// exponent (0 for subnormal ones).
const fn shape(exponent: i32) -> (u32, u64) {
    let top = exponent.wrapping_add(127);
    if top < -1022 {
        let drop = (-1022i32).wrapping_sub(top).wrapping_add(75);
        (drop as u32, 0)
    } else {
        (75, top.wrapping_add(1023) as u64)
    }
}

/// `mantissa × 2^exponent` as the bits of the nearest double, ties to even.
pub fn round(mantissa: u128, exponent: i32) -> u64 {
    if mantissa == 0 {
        return 0;
    }
    let zeros = mantissa.leading_zeros();
    let mantissa = mantissa.wrapping_shl(zeros);
    let (drop, _) = shape(exponent.wrapping_sub(zeros as i32));
    let floor = truncate(mantissa, exponent.wrapping_sub(zeros as i32));
    if drop > 128 || floor >= INFINITY {
        return floor.min(INFINITY);
    }
    let half = 1u128.wrapping_shl(drop.wrapping_sub(1));
    let rest = if drop == 128 {
        mantissa
    } else {
        mantissa & half.wrapping_shl(1).wrapping_sub(1)
    };
    match rest.cmp(&half) {
        Ordering::Less => floor,
        Ordering::Equal => floor.wrapping_add(floor & 1),
        Ordering::Greater => floor.wrapping_add(1),
    }
}

/// The bits of infinity: one above those of the greatest finite double.
const INFINITY: u64 = 0x7ff << 52;

/// `mantissa × 2^exponent` as the bits of the nearest double towards zero (infinity if too big).
fn truncate(mantissa: u128, exponent: i32) -> u64 {
    let zeros = mantissa.leading_zeros();
    let mantissa = mantissa.wrapping_shl(zeros);
    let (drop, biased) = shape(exponent.wrapping_sub(zeros as i32));
    if biased >= 0x7ff {
        return INFINITY;
    }
    let kept = mantissa.checked_shr(drop).unwrap_or(0) as u64;
    if biased == 0 {
        kept
    } else {
        (biased << 52) | (kept & ((1 << 52) - 1))
    }
}

/// Limbs of the longest numbers met here: 1025 bits before the point, 1075 behind it.
const LIMBS: usize = 17;

/// Compares `0.digits × 10^place` with the point halfway between the double `floor` and the next.
/// The two are known to be close, within a part in 2^40.
#[inline(never)]
fn compare_halfway(digits: &[u8], place: i32, floor: u64) -> Ordering {
    let biased = (floor >> 52) as i32;
    let fraction = floor & ((1 << 52) - 1);
    let (m, e) = if biased == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, biased.wrapping_sub(1075))
    };
    let half = m.wrapping_shl(1) | 1;
    let e = e.wrapping_sub(1);
    if e >= 0 {
        compare_large(digits, place, half, e as u32)
    } else {
        compare_small(digits, place, half, e.unsigned_abs())
    }
}

/// The next decimal digits of a text as one number; zeros when it ends.
struct Digits<'a> {
    /// What comes next; may hold a point.
    rest: &'a [u8],
    /// Zeros before the text's first digit.
    zeros: u32,
}

impl Digits<'_> {
    /// The next `count` digits (at most 19).
    fn take(&mut self, count: u32) -> u64 {
        let mut value = 0u64;
        for _ in 0..count {
            let digit = if self.zeros > 0 {
                self.zeros = self.zeros.wrapping_sub(1);
                0
            } else {
                let mut digit = 0;
                while let [b, tail @ ..] = self.rest {
                    self.rest = tail;
                    if *b != b'.' {
                        digit = u64::from(b & 15);
                        break;
                    }
                }
                digit
            };
            value = value.wrapping_mul(10).wrapping_add(digit);
        }
        value
    }

    /// Whether any digit that is left is not zero.
    fn any(&self) -> bool {
        self.rest.iter().any(|b| *b > b'0')
    }
}

/// Compares with the integer `half × 2^e`.
fn compare_large(digits: &[u8], place: i32, half: u64, e: u32) -> Ordering {
    let mut source = Digits {
        rest: digits,
        zeros: 0,
    };
    let mut big = [0u64; LIMBS];
    let mut left = place.max(0) as u32;
    while left > 0 {
        let count = left.min(19);
        left = left.wrapping_sub(count);
        let mut carry = source.take(count);
        let factor = small_ten(count as usize);
        for limb in &mut big {
            let wide = u128::from(*limb)
                .wrapping_mul(u128::from(factor))
                .wrapping_add(u128::from(carry));
            *limb = wide as u64;
            carry = (wide >> 64) as u64;
        }
    }
    let shifted = u128::from(half).wrapping_shl(e % 64);
    let lowest = (e / 64) as usize;
    for (i, limb) in big.iter().enumerate().rev() {
        let other = match i.checked_sub(lowest) {
            Some(0) => shifted as u64,
            Some(1) => (shifted >> 64) as u64,
            _ => 0,
        };
        match limb.cmp(&other) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    if source.any() {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// Compares with `half / 2^n`, n at least 1.
fn compare_small(digits: &[u8], place: i32, half: u64, n: u32) -> Ordering {
    let mut source = Digits {
        rest: digits,
        zeros: place.min(0).unsigned_abs(),
    };
    let whole = half.checked_shr(n).unwrap_or(0);
    match source.take(place.max(0) as u32).cmp(&whole) {
        Ordering::Equal => {}
        unequal => return unequal,
    }
    // The fraction of half / 2^n as a fixed-point number, lowest limb first.
    let mut fraction = [0u64; LIMBS];
    let limbs = n.div_ceil(64);
    let pad = limbs.wrapping_mul(64).wrapping_sub(n);
    let bits = u128::from(half.wrapping_sub(whole.checked_shl(n).unwrap_or(0))).wrapping_shl(pad);
    if let Some(low) = fraction.get_mut(0) {
        *low = bits as u64;
    }
    if let Some(next) = fraction.get_mut(1) {
        *next = (bits >> 64) as u64;
    }
    let fraction = fraction.get_mut(..limbs as usize).unwrap_or_default();
    loop {
        if fraction.iter().all(|limb| *limb == 0) {
            return if source.any() {
                Ordering::Greater
            } else {
                Ordering::Equal
            };
        }
        let carry = scale(fraction, small_ten(19));
        match source.take(19).cmp(&carry) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
}

/// Multiplies a fixed-point fraction (lowest limb first); what rises above the point is returned.
pub fn scale(fraction: &mut [u64], factor: u64) -> u64 {
    let mut carry = 0u64;
    for limb in fraction {
        let wide = u128::from(*limb)
            .wrapping_mul(u128::from(factor))
            .wrapping_add(u128::from(carry));
        *limb = wide as u64;
        carry = (wide >> 64) as u64;
    }
    carry
}
