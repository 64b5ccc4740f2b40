// SPDX-License-Identifier: GPL-2.0-only
//! Sine, cosine and tangent, within a unit in the last place.
//!
//! The argument is reduced by integer arithmetic, as exactly for large ones as for small ones: its
//! mantissa times the bits of 2/π that matter gives the quadrant and 128 bits of what is left. In a
//! kernel, where each operation on doubles is a hundred instructions, that is also the cheaper way.

use super::arith::split;

/// The bits of 2/π behind the point, first limb first.
const TWO_OVER_PI: [u64; 20] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
];

/// π/2 × 2^127.
const HALF_PI: u128 = 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1;

/// Up to here nothing is reduced.
const QUARTER_PI: f64 = core::f64::consts::FRAC_PI_4;

/// An angle as a quadrant and what is left, at most π/4 to either side, in two parts.
struct Reduced {
    quadrant: u32,
    rest: f64,
    tail: f64,
}

/// 64 bits of 2/π from bit number `at` on.
fn bits_of_two_over_pi(at: usize) -> u64 {
    let limb = |i: usize| TWO_OVER_PI.get(i).copied().unwrap_or(0);
    let (i, shift) = (at / 64, (at % 64) as u32);
    let low = limb(i.wrapping_add(1))
        .checked_shr(64u32.wrapping_sub(shift))
        .unwrap_or(0);
    limb(i).wrapping_shl(shift) | low
}

/// 2^k for a normal double.
const fn power_of_two(k: i32) -> f64 {
    f64::from_bits((k.wrapping_add(1023) as u64) << 52)
}

/// Reduces a finite angle that is not negative.
#[inline(never)]
#[allow(clippy::many_single_char_names)] // the limbs of a product
fn reduce(x: f64) -> Reduced {
    if x <= QUARTER_PI {
        return Reduced {
            quadrant: 0,
            rest: x,
            tail: 0.0,
        };
    }
    let (m, e) = split(x);
    // Bits of 2/π whose product with the lowest bit of x is a multiple of 4 do not matter.
    let first = e.wrapping_sub(1).max(1);
    let at = first.wrapping_sub(1) as usize;
    let mut product = [0u64; 4];
    let mut carry = 0u128;
    for (i, slot) in product.iter_mut().enumerate() {
        let bits = match 2usize.checked_sub(i) {
            Some(limb) => bits_of_two_over_pi(at.wrapping_add(limb.wrapping_mul(64))),
            None => 0,
        };
        carry = carry.wrapping_add(u128::from(bits).wrapping_mul(u128::from(m)));
        *slot = carry as u64;
        carry >>= 64;
    }
    let [_, a, b, c] = product;
    // The point is before bit `point`; shifted to the top, the quadrant is the two highest bits. The
    // shift is from 9 to 64.
    let point = first.wrapping_add(191).wrapping_sub(e);
    let shift = 254i32.wrapping_sub(point) as u32;
    let join = |high: u64, low: u64| {
        (u128::from(high) << 64 | u128::from(low))
            .wrapping_shl(shift)
            .wrapping_shr(64) as u64
    };
    let (top, next) = if shift == 64 {
        (b, a)
    } else {
        (join(c, b), join(b, a))
    };
    let mut quadrant = (top >> 62) as u32;
    let last = if shift == 64 {
        product[0]
    } else {
        join(a, product[0])
    };
    let fraction = u128::from(top << 2 | next >> 62) << 64 | u128::from(next << 2 | last >> 62);
    let negative = fraction >> 127 == 1;
    let magnitude = if negative {
        quadrant = quadrant.wrapping_add(1);
        fraction.wrapping_neg()
    } else {
        fraction
    };
    if magnitude == 0 {
        return Reduced {
            quadrant,
            rest: 0.0,
            tail: 0.0,
        };
    }
    let zeros = magnitude.leading_zeros();
    let angle = high_product(magnitude.wrapping_shl(zeros), HALF_PI);
    // angle × 2^-(127 + zeros), in two doubles.
    let scale = power_of_two((-127i32).wrapping_sub(zeros as i32));
    let high = angle >> 74;
    let low = angle & ((1 << 74) - 1);
    let sign = if negative { -scale } else { scale };
    Reduced {
        quadrant,
        rest: high as f64 * power_of_two(74) * sign,
        tail: (low >> 21) as f64 * power_of_two(21) * sign,
    }
}

/// The upper half of a product.
fn high_product(a: u128, b: u128) -> u128 {
    let (ah, al) = (a >> 64, a & u128::from(u64::MAX));
    let (bh, bl) = (b >> 64, b & u128::from(u64::MAX));
    let middle = ah.wrapping_mul(bl);
    let other = al.wrapping_mul(bh);
    let low = (al.wrapping_mul(bl) >> 64)
        .wrapping_add(middle & u128::from(u64::MAX))
        .wrapping_add(other & u128::from(u64::MAX));
    ah.wrapping_mul(bh)
        .wrapping_add(middle >> 64)
        .wrapping_add(other >> 64)
        .wrapping_add(low >> 64)
}

/// `1/3! … 1/17!` with the signs of the sine's series, highest power first.
const SINE: [f64; 8] = [
    1.0 / 355_687_428_096_000.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    -1.0 / 5040.0,
    1.0 / 120.0,
    -1.0 / 6.0,
];

/// `1/4! … 1/16!` with the signs of the cosine's series, highest power first.
const COSINE: [f64; 7] = [
    1.0 / 20_922_789_888_000.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 479_001_600.0,
    -1.0 / 3_628_800.0,
    1.0 / 40_320.0,
    -1.0 / 720.0,
    1.0 / 24.0,
];

fn series(z: f64, terms: &[f64]) -> f64 {
    let mut sum = 0.0;
    for term in terms {
        sum = sum * z + term;
    }
    sum
}

/// The sine of `x + y`, at most π/4, and what rounding took off it.
fn small_sin(x: f64, y: f64) -> (f64, f64) {
    let z = x * x;
    let more = x * z * series(z, &SINE) + y * (1.0 - 0.5 * z);
    let sum = x + more;
    (sum, more - (sum - x))
}

/// The cosine of `x + y`, at most π/4, and what rounding took off it.
fn small_cos(x: f64, y: f64) -> (f64, f64) {
    let z = x * x;
    let half = 0.5 * z;
    let near = 1.0 - half;
    // What the subtraction lost comes back with the small terms.
    let more = ((1.0 - near) - half) + (z * z * series(z, &COSINE) - x * y);
    let sum = near + more;
    (sum, more - (sum - near))
}

/// The sine of what is left, turned by the quadrant; one quadrant more makes it the cosine.
fn turned(r: &Reduced, quadrant: u32) -> (f64, f64) {
    let (value, lost) = if quadrant & 1 == 0 {
        small_sin(r.rest, r.tail)
    } else {
        small_cos(r.rest, r.tail)
    };
    if quadrant & 2 == 0 {
        (value, lost)
    } else {
        (-value, -lost)
    }
}

/// NaN for what has no angle.
const NONE: f64 = f64::from_bits(0xfff8 << 48);

/// The sine.
pub fn sin(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 {
        return x;
    }
    if x.is_infinite() {
        return NONE;
    }
    let r = reduce(x.abs());
    let (value, _) = turned(&r, r.quadrant);
    if x < 0.0 { -value } else { value }
}

/// The cosine.
pub fn cos(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.is_infinite() {
        return NONE;
    }
    let r = reduce(x.abs());
    turned(&r, r.quadrant.wrapping_add(1)).0
}

/// The tangent.
pub fn tan(x: f64) -> f64 {
    if x.is_nan() || x == 0.0 {
        return x;
    }
    if x.is_infinite() {
        return NONE;
    }
    let r = reduce(x.abs());
    let (sine, sine_lost) = turned(&r, r.quadrant);
    let (cosine, cosine_lost) = turned(&r, r.quadrant.wrapping_add(1));
    let quotient = sine / cosine;
    let value = quotient + (sine_lost - quotient * cosine_lost) / cosine;
    if x < 0.0 { -value } else { value }
}
