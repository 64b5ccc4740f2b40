// SPDX-License-Identifier: GPL-2.0-only
//! Plain search in bytes, eight at a time.

use super::pattern::Fault;

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The top bit of the lowest byte that is zero is the lowest bit set (bits above it may lie).
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & TOPS
}

const fn splat(b: u8) -> u64 {
    (b as u64).wrapping_mul(ONES)
}

/// Where `wanted` is first.
pub fn byte(text: &[u8], wanted: u8) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    let pattern = splat(wanted);
    for (i, word) in words.iter().enumerate() {
        let found = zero_bytes(u64::from_le_bytes(*word) ^ pattern);
        if found != 0 {
            let within = (found.trailing_zeros() >> 3) as usize;
            return Some(i.wrapping_mul(8).wrapping_add(within));
        }
    }
    let within = tail.iter().position(|b| *b == wanted)?;
    Some(words.len().wrapping_mul(8).wrapping_add(within))
}

/// Where `needle` is first in `text`, paid from `steps` (about five bytes a step, compares of
/// candidates on top); `Err` when they are used up.
pub fn plain(text: &[u8], needle: &[u8], steps: &mut u64) -> Result<Option<usize>, Fault> {
    let spend = |steps: &mut u64, price: usize| {
        let left = steps.checked_sub(price as u64);
        *steps = left.unwrap_or(0);
        if left.is_some() {
            Ok(())
        } else {
            Err(Fault::Fuel)
        }
    };
    let (Some(&first), Some(&last)) = (needle.first(), needle.last()) else {
        return Ok(Some(0));
    };
    let Some(behind) = text.len().checked_sub(needle.len()) else {
        return Ok(None);
    };
    // Where the first byte and the last byte both fit is worth a look. `heads` and `tails` run in
    // step; each is as long as there are places to begin.
    let gap = needle.len().wrapping_sub(1);
    let heads = text.get(..=behind).unwrap_or_default();
    let tails = text.get(gap..).unwrap_or_default();
    let fits = |at: usize| text.get(at..at.wrapping_add(needle.len())) == Some(needle);
    let (head_words, head_rest) = heads.as_chunks::<8>();
    let (tail_words, tail_rest) = tails.as_chunks::<8>();
    let (firsts, lasts) = (splat(first), splat(last));
    // The price of the words is paid in one go, before they are looked at.
    spend(steps, text.len().wrapping_shr(2))?;
    for (i, (head, tail)) in head_words.iter().zip(tail_words).enumerate() {
        let differ = (u64::from_le_bytes(*head) ^ firsts) | (u64::from_le_bytes(*tail) ^ lasts);
        let mut found = zero_bytes(differ);
        while found != 0 {
            let at = i
                .wrapping_mul(8)
                .wrapping_add((found.trailing_zeros() >> 3) as usize);
            spend(steps, needle.len().wrapping_shr(3).wrapping_add(1))?;
            if fits(at) {
                return Ok(Some(at));
            }
            found &= found.wrapping_sub(1);
        }
    }
    let start = head_words.len().wrapping_mul(8);
    for (i, (head, tail)) in head_rest.iter().zip(tail_rest).enumerate() {
        if *head == first && *tail == last {
            spend(steps, needle.len().wrapping_shr(3).wrapping_add(1))?;
            let at = start.wrapping_add(i);
            if fits(at) {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}
