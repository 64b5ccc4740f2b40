// SPDX-License-Identifier: GPL-2.0-only
//! Powers of ten as 128-bit approximations.
//!
//! Two small tables make every power that a double can meet: 5 to the multiples of 28, truncated to
//! 128 bits, and the exact 5 to 0…27. Their product is off by less than four units in its last place,
//! and callers that cannot decide within that error go the exact way, so the tables cost 640 bytes
//! and no correctness.

/// `mantissa × 2^exponent`, the mantissa's top bit set.
#[derive(Clone, Copy)]
pub struct Scaled {
    /// At most the true value, and less than [`ERROR`] below it.
    pub mantissa: u128,
    /// The exponent of two.
    pub exponent: i32,
    /// Nothing was lost.
    pub exact: bool,
}

/// How far a [`Scaled::mantissa`] can be below the true value.
pub const ERROR: u128 = 4;

/// The powers that exist: 728 from 10^LOWEST on.
pub const LOWEST: i32 = -364;

/// 5^(28 (i - 13)), and the exponent of two that belongs to it.
const COARSE: [(u128, i16); 26] = [
    (0xe1af_a13a_fbd1_4d6d_8218_9c09_a3a1_ec21, -973),
    (0xe3e2_7a44_4d8d_98b7_fd1b_1b23_0816_9b25, -908),
    (0xe61a_cf03_3d1a_45df_6fb9_2487_298e_33bd, -843),
    (0xe858_ad24_8f5c_22c9_d1b3_400f_8f9c_ff68, -778),
    (0xea9c_2277_23ee_8bcb_465e_15a9_79c1_cadc, -713),
    (0xece5_3cec_4a31_4ebd_a4f8_bf56_3524_6428, -648),
    (0xef34_0a98_172a_ace4_86fb_8971_16c8_7c34, -583),
    (0xf188_99b1_bc3f_8ca1_dc44_e6c3_cb27_9ac1, -518),
    (0xf3e2_f893_dec3_f126_5a89_dba3_c3ef_ccfa, -453),
    (0xf643_35bc_f065_d37d_4d46_17b5_ff4a_16d5, -388),
    (0xf8a9_5fcf_8874_7d94_75a4_4c63_97ce_912a, -323),
    (0xfb15_8592_be06_8d2e_eed6_e2f0_f0d5_6712, -258),
    (0xfd87_b5f2_8300_ca0d_8bca_9d6e_1888_53fc, -193),
    (0x8000_0000_0000_0000_0000_0000_0000_0000, -127),
    (0x813f_3978_f894_0984_4000_0000_0000_0000, -62),
    (0x8281_8f12_81ed_449f_bff8_f10e_7a89_21a4, 3),
    (0x83c7_088e_1aab_65db_7926_67c6_da79_e0fa, 68),
    (0x850f_adc0_9923_329e_03e2_cf6b_c604_ddb0, 133),
    (0x865b_8692_5b9b_c5c2_0b8a_2392_ba45_a9b2, 198),
    (0x87aa_9aff_7904_2286_90fb_44d2_f05d_0842, 263),
    (0x88fc_f317_f222_41e2_441f_ece3_bdf8_1f03, 328),
    (0x8a52_96ff_e33c_c92f_82bd_6b70_d99a_aa6f, 393),
    (0x8bab_8eef_b640_9c1a_1ad0_89b6_c2f7_548e, 458),
    (0x8d07_e334_5563_7eb2_db0b_487b_6423_e1e8, 523),
    (0x8e67_9c2f_5e44_ff8f_570f_09ea_a7ea_7648, 588),
    (0x8fca_c257_558e_e4e6_213a_4f0a_a5e8_a7b1, 653),
];

/// 5^0 to 5^27.
const FINE: [u64; 28] = {
    let mut table = [1u64; 28];
    let mut i = 1;
    // Evaluated by the compiler, which refuses an index or a product out of range.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while i < 28 {
        table[i] = table[i - 1] * 5;
        i += 1;
    }
    table
};

/// The 192 bits of `a × b`: the upper 128 and the lower 64.
pub const fn product(a: u128, b: u64) -> (u128, u64) {
    let low = (a as u64 as u128).wrapping_mul(b as u128);
    let high = (a >> 64).wrapping_mul(b as u128);
    (high.wrapping_add(low >> 64), low as u64)
}

/// 10^q, if q is in range.
pub fn ten_to(q: i32) -> Option<Scaled> {
    let above = usize::try_from(q.checked_sub(LOWEST)?).ok()?;
    let &(coarse, exponent) = COARSE.get(above / 28)?;
    let &fine = FINE.get(above % 28)?;
    let zeros = fine.leading_zeros();
    let (mut mantissa, low) = product(coarse, fine.wrapping_shl(zeros));
    // product = coarse × fine × 2^zeros, of which the upper 128 of 192 bits are kept.
    let mut exponent = i32::from(exponent)
        .wrapping_add(64)
        .wrapping_sub(zeros as i32);
    if mantissa >> 127 == 0 {
        mantissa = mantissa << 1 | u128::from(low >> 63);
        exponent = exponent.wrapping_sub(1);
    }
    Some(Scaled {
        mantissa,
        exponent: exponent.wrapping_add(q),
        exact: (0..=55).contains(&q),
    })
}

/// 10^n for n up to 19; beyond that 0, which no caller asks for.
pub fn small_ten(n: usize) -> u64 {
    FINE.get(n).map_or(0, |five| five.wrapping_shl(n as u32))
}
