// SPDX-License-Identifier: GPL-2.0-only
//! The Internet checksum.

/// The checksum of `bytes`; 0 over bytes that contain a right one.
pub fn internet(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    #[test]
    fn of_a_known_sum() {
        // The example of RFC 1071: these words add up to ddf2.
        let words = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(super::internet(&words), !0xddf2);
        assert_eq!(super::internet(&[0x01]), !0x0100);
    }
}
