// SPDX-License-Identifier: GPL-2.0-only
//! The decimal digits of a double, rounded to any number of places, exactly (ties to even).
//!
//! Up to 19 digits come from one product with a 128-bit power of ten, unless its error leaves the
//! rounding open. Otherwise the digits are taken from the double's exact expansion: its integer part
//! as pieces of 19 digits, its fraction by multiplying a fixed-point number.

use super::arith::split;
use super::parse::scale;
use super::power::{ERROR, product, small_ten, ten_to};
use core::cmp::Ordering;

/// Digits that a buffer must have room for, whatever is asked (precision up to 99).
pub const MOST: usize = 320;

/// Where to round.
#[derive(Clone, Copy)]
pub enum Places {
    /// So many digits from the first that is not zero; at least 1.
    Significant(u32),
    /// So many digits behind the point.
    Fraction(u32),
}

/// `0.d1d2d3… × 10^place`; the digits are in the caller's buffer, and zeros follow the last one.
/// No digits: zero.
#[derive(Clone, Copy)]
pub struct Decimal {
    /// How many digits the buffer holds.
    pub len: usize,
    /// The power of ten.
    pub place: i32,
}

/// The digits of |f|, which is finite, as ASCII.
pub fn digits(f: f64, places: Places, out: &mut [u8]) -> Decimal {
    let (m, e) = split(f);
    if m == 0 {
        return Decimal { len: 0, place: 1 };
    }
    fast(m, e, places, out).unwrap_or_else(|| exact(m, e, places, out))
}

/// `floor(x log10(2))` for the exponents of doubles.
fn log10_of_power(x: i32) -> i32 {
    x.wrapping_mul(315_653) >> 20
}

/// The one-product way, if it can tell.
fn fast(m: u64, e: i32, places: Places, out: &mut [u8]) -> Option<Decimal> {
    match places {
        Places::Fraction(p) => {
            let p = p as i32;
            let value = scaled(m, e, p)?;
            let len = write(value, out);
            Some(Decimal {
                len,
                place: (len as i32).wrapping_sub(p),
            })
        }
        Places::Significant(n) => {
            if n > 18 {
                return None;
            }
            let top = e.wrapping_add(63).wrapping_sub(m.leading_zeros() as i32);
            // The estimate is right or one too small.
            let mut place = log10_of_power(top).wrapping_add(1);
            let limit = small_ten(n as usize);
            let mut value = scaled(m, e, (n as i32).wrapping_sub(place))?;
            if value >= limit {
                place = place.wrapping_add(1);
                value = scaled(m, e, (n as i32).wrapping_sub(place))?;
            }
            let len = write(value, out);
            // Rounding up to the next power of ten gives one digit more.
            let more = (len as i32).wrapping_sub(n as i32);
            Some(Decimal {
                len: len.min(n as usize),
                place: place.wrapping_add(more),
            })
        }
    }
}

/// `m × 2^e × 10^s` rounded to an integer, if that fits and the error leaves no doubt.
fn scaled(m: u64, e: i32, s: i32) -> Option<u64> {
    let ten = ten_to(s)?;
    let zeros = m.leading_zeros();
    let (mut value, tail) = product(ten.mantissa, m.wrapping_shl(zeros));
    let point = e
        .wrapping_sub(zeros as i32)
        .wrapping_add(ten.exponent)
        .wrapping_add(64)
        .checked_neg()
        .filter(|point| *point >= 65)?;
    if point > 130 {
        // Far below a half (the value is below 2^-2).
        return Some(0);
    }
    let mut slack = 0;
    if ten.exact {
        value |= u128::from(tail != 0);
    } else {
        slack = ERROR.wrapping_add(1);
    }
    if point > 127 {
        // Below 1: the half is at or above the top bit. Rare, so the exact way may do it.
        return None;
    }
    let point = point as u32;
    let whole = value.wrapping_shr(point) as u64;
    let half = 1u128.wrapping_shl(point.wrapping_sub(1));
    let rest = value & half.wrapping_shl(1).wrapping_sub(1);
    match rest.cmp(&half) {
        Ordering::Greater => whole.checked_add(1),
        Ordering::Equal if slack == 0 => whole.checked_add(whole & 1),
        Ordering::Less if rest.wrapping_add(slack) < half => Some(whole),
        _ => None,
    }
}

/// Writes an integer without leading zeros (nothing for 0); returns how many digits.
fn write(value: u64, out: &mut [u8]) -> usize {
    let mut len = 0usize;
    let mut rest = value;
    while rest != 0 {
        rest /= 10;
        len = len.wrapping_add(1);
    }
    rest = value;
    for slot in out.iter_mut().take(len).rev() {
        *slot = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
    }
    len
}

/// Limbs of the longest integer part (1024 bits) and of the longest fraction (1074 bits).
const LIMBS: usize = 17;

/// The exact expansion, digit by digit.
struct Source {
    /// Digits at hand: the low `count` decimal digits of `chunk`.
    chunk: u64,
    count: u32,
    /// Before the point (`behind` is false): pieces of 19 digits that follow, highest last.
    /// Behind it: the fraction that is left, lowest limb first.
    limbs: [u64; LIMBS],
    len: usize,
    behind: bool,
    /// The power of ten of the next digit, plus one.
    place: i32,
}

impl Source {
    #[inline(never)]
    fn new(m: u64, e: i32) -> Self {
        let mut source = Self {
            chunk: 0,
            count: 0,
            limbs: [0; LIMBS],
            len: 0,
            behind: e < 0,
            place: 0,
        };
        if e < 0 {
            let n = e.unsigned_abs();
            let whole = m.checked_shr(n).unwrap_or(0);
            let limbs = n.div_ceil(64);
            let pad = limbs.wrapping_mul(64).wrapping_sub(n);
            let fraction = m.wrapping_sub(whole.checked_shl(n).unwrap_or(0));
            source.len = limbs as usize;
            source.deposit(u128::from(fraction).wrapping_shl(pad), 0);
            source.chunk = whole;
            source.count = 19;
            source.place = 19;
        } else {
            let e = e as u32;
            source.deposit(u128::from(m).wrapping_shl(e % 64), (e / 64) as usize);
            source.split_integer();
        }
        source
    }

    fn deposit(&mut self, bits: u128, at: usize) {
        if let Some(low) = self.limbs.get_mut(at) {
            *low = bits as u64;
        }
        if let Some(high) = self.limbs.get_mut(at.wrapping_add(1)) {
            *high = (bits >> 64) as u64;
        }
    }

    /// Turns the binary integer in `limbs` into pieces of 19 digits, in place: each division frees
    /// at least as much room at the top as its remainder needs.
    fn split_integer(&mut self) {
        let ten = small_ten(19);
        let mut pieces = [0u64; LIMBS];
        for piece in &mut pieces {
            let mut rest = 0u64;
            for limb in self.limbs.iter_mut().rev() {
                (*limb, rest) = divide(rest, *limb, ten);
            }
            *piece = rest;
            self.len = self.len.wrapping_add(1);
            if self.limbs.iter().all(|limb| *limb == 0) {
                break;
            }
        }
        self.limbs = pieces;
        self.place = (self.len as i32).wrapping_mul(19);
    }

    /// Whether nothing but zeros is left.
    fn is_empty(&self) -> bool {
        self.chunk == 0 && self.limbs.iter().take(self.len).all(|limb| *limb == 0)
    }

    fn next(&mut self) -> u8 {
        if self.count == 0 {
            self.count = 19;
            if self.behind {
                let fraction = self.limbs.get_mut(..self.len).unwrap_or_default();
                self.chunk = scale(fraction, small_ten(19));
            } else {
                // Behind the last piece come zeros for ever.
                self.len = self.len.saturating_sub(1);
                self.chunk = self.limbs.get_mut(self.len).map_or(0, core::mem::take);
            }
        }
        self.count = self.count.wrapping_sub(1);
        self.place = self.place.wrapping_sub(1);
        let ten = small_ten(self.count as usize);
        let digit = self.chunk.checked_div(ten).unwrap_or(0);
        self.chunk = self.chunk.checked_rem(ten).unwrap_or(0);
        digit as u8
    }
}

/// `(high × 2^64 + low) / by`, where high < by: quotient and rest.
fn divide(high: u64, low: u64, by: u64) -> (u64, u64) {
    // 32 bits at a time, so that no 128-bit division is called. by has its top bit set (10^19), so
    // each estimate by its upper half is at most two too large.
    let (upper, lower) = (by >> 32, by & 0xffff_ffff);
    let mut rest = high;
    let mut quotient = 0;
    for digit in [low >> 32, low & 0xffff_ffff] {
        let mut guess = rest.checked_div(upper).unwrap_or(0).min(0xffff_ffff);
        let wide = u128::from(rest) << 32 | u128::from(digit);
        let mut taken = u128::from(guess).wrapping_mul(u128::from(upper) << 32 | u128::from(lower));
        while taken > wide {
            guess = guess.wrapping_sub(1);
            taken = taken.wrapping_sub(u128::from(by));
        }
        rest = wide.wrapping_sub(taken) as u64;
        quotient = quotient << 32 | guess;
    }
    (quotient, rest)
}

/// The long way.
#[inline(never)]
fn exact(m: u64, e: i32, places: Places, out: &mut [u8]) -> Decimal {
    let mut source = Source::new(m, e);
    let (mut place, mut digit) = (source.place, source.next());
    // A double that is not zero has a digit that is not zero.
    while digit == 0 && !source.is_empty() {
        place = source.place;
        digit = source.next();
    }
    let wanted = match places {
        Places::Significant(n) => i64::from(n),
        Places::Fraction(p) => i64::from(place).wrapping_add(i64::from(p)),
    };
    if wanted < 0 {
        return Decimal { len: 0, place: 1 };
    }
    let wanted = wanted as usize;
    let mut len = 0usize;
    while len < wanted {
        let Some(slot) = out.get_mut(len) else { break };
        *slot = b'0'.wrapping_add(digit);
        len = len.wrapping_add(1);
        if source.is_empty() {
            return Decimal { len, place };
        }
        digit = source.next();
    }
    let odd = len
        .checked_sub(1)
        .and_then(|i| out.get(i))
        .is_some_and(|last| last & 1 == 1);
    let up = match digit.cmp(&5) {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => odd || !source.is_empty(),
    };
    if up {
        for slot in out.iter_mut().take(len).rev() {
            if *slot != b'9' {
                *slot = slot.wrapping_add(1);
                return Decimal { len, place };
            }
            *slot = b'0';
        }
        // All nines, or no digit at all: a one, and the zeros that follow need not be there.
        if let Some(first) = out.first_mut() {
            *first = b'1';
        }
        return Decimal {
            len: 1,
            place: place.wrapping_add(1),
        };
    }
    if len == 0 {
        Decimal { len: 0, place: 1 }
    } else {
        Decimal { len, place }
    }
}
