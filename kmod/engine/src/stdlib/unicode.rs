// SPDX-License-Identifier: GPL-2.0-only
//! UTF-8, in its old form of up to six bytes and 31 bits.

/// The largest code that UTF-8 can hold.
pub const MAX: u64 = 0x7fff_ffff;
/// The largest code that Unicode has.
const MAX_UNICODE: u32 = 0x10_ffff;
/// The smallest code for a sequence with so many bytes behind the first.
const LOWEST: [u32; 6] = [0, 0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000];

/// Whether a byte goes on with a sequence.
pub const fn continues(b: u8) -> bool {
    b & 0xc0 == 0x80
}

/// The bytes of a code, and how many they are.
pub fn encode(code: u32) -> ([u8; 6], usize) {
    let mut bytes = [0u8; 6];
    if code < 0x80 {
        bytes[0] = code as u8;
        return (bytes, 1);
    }
    let len = LOWEST.iter().filter(|lowest| code >= **lowest).count();
    let mut rest = code;
    for slot in bytes.iter_mut().take(len).skip(1).rev() {
        *slot = 0x80 | (rest & 0x3f) as u8;
        rest >>= 6;
    }
    // As many ones as there are bytes, then a zero.
    let mark = !(0xffu8.checked_shr(len as u32).unwrap_or(0));
    bytes[0] = mark | rest as u8;
    (bytes, len)
}

/// The code at the start of some bytes and how many it takes; `None` if they are not UTF-8.
pub fn decode(bytes: &[u8], strict: bool) -> Option<(u32, usize)> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let more = (first.leading_ones() as usize).checked_sub(1)?;
    let lowest = *LOWEST.get(more).filter(|_| more > 0)?;
    let mut code = u32::from(first & 0x3fu8.wrapping_shr(more as u32));
    for b in rest.get(..more)? {
        if !continues(*b) {
            return None;
        }
        code = code << 6 | u32::from(b & 0x3f);
    }
    let legal =
        code >= lowest && !(strict && (code > MAX_UNICODE || (0xd800..=0xdfff).contains(&code)));
    legal.then_some((code, more.wrapping_add(1)))
}
