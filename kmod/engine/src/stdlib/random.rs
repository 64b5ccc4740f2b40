// SPDX-License-Identifier: GPL-2.0-only
//! The generator behind `math.random`: xoshiro256**.

/// Its state.
pub type State = [u64; 4];

/// The state for a seed of two integers.
pub fn seeded(a: u64, b: u64) -> State {
    let mut state = [a, 0xff, b, 0];
    for _ in 0..16 {
        next(&mut state);
    }
    state
}

/// The next 64 bits.
pub fn next(state: &mut State) -> u64 {
    let [a, b, c, d] = *state;
    let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let (c, d) = (c ^ a, d ^ b);
    *state = [a ^ d, b ^ c, c ^ b << 17, d.rotate_left(45)];
    result
}

/// 64 bits as a float from 0 to before 1.
pub fn unit(bits: u64) -> f64 {
    // 53 bits by 2^-53: both exact.
    (bits >> 11) as f64 * (0.5 / (1u64 << 52) as f64)
}

/// A number from 0 to `limit`, every one as likely, out of `bits` and, if need be, more of them.
pub fn up_to(state: &mut State, bits: u64, limit: u64) -> u64 {
    if limit & limit.wrapping_add(1) == 0 {
        return bits & limit;
    }
    // The smallest 2^b - 1 that is not below the limit; at worst every other draw is used.
    let mask = u64::MAX.wrapping_shr(limit.leading_zeros());
    let mut draw = bits & mask;
    while draw > limit {
        draw = next(state) & mask;
    }
    draw
}
