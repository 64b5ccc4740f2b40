// SPDX-License-Identifier: GPL-2.0-only
//! Plain search in bytes, a block of words at a time.

use super::pattern::Fault;

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// The top bit of the lowest byte that is zero is the lowest of its top bits that are set (those above
/// it may lie, and so does every other bit).
const fn zero_tops(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

const fn splat(b: u8) -> u64 {
    (b as u64).wrapping_mul(ONES)
}

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// The words of a block.
#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u64; 4] {
    let (words, _) = block.as_chunks::<8>();
    let mut all = [0; 4];
    for (to, word) in all.iter_mut().zip(words) {
        *to = u64::from_le_bytes(*word);
    }
    all
}

/// Whether a block may have a byte that is zero: one that has none, nor any byte above 128, has not.
#[inline(always)]
fn suspect(block: [u64; 4]) -> bool {
    let [a, b, c, d] = block.map(|word| word.wrapping_sub(ONES));
    (a | b | c | d) & TOPS != 0
}

/// Where the first byte of a block is zero, if one is.
#[inline(always)]
fn zero(block: [u64; 4]) -> Option<usize> {
    let [a, b, c, d] = block.map(zero_tops);
    if (a | b | c | d) & TOPS == 0 {
        return None;
    }
    let mut at = 0u32;
    for word in [a, b, c] {
        if word & TOPS != 0 {
            return Some(at.wrapping_add((word & TOPS).trailing_zeros() >> 3) as usize);
        }
        at = at.wrapping_add(8);
    }
    Some(at.wrapping_add((d & TOPS).trailing_zeros() >> 3) as usize)
}

/// How many places from the start on are worth no look, as blocks tell that vector registers compare, where
/// there are any; `None` when no place is.
#[allow(
    clippy::needless_bitwise_bool,
    reason = "a branch would keep the compiler from comparing bytes side by side"
)]
#[inline(always)]
fn passed(heads: &[u8], tails: &[u8], first: u8, last: u8) -> Option<usize> {
    const WIDE: usize = 64;
    if cfg!(not(feature = "user")) {
        return Some(0);
    }
    let any_pair = |heads: &[u8; WIDE], tails: &[u8; WIDE]| {
        let pairs = heads.iter().zip(tails);
        pairs.fold(false, |any, (head, tail)| {
            any | ((*head == first) & (*tail == last))
        })
    };
    let (head_blocks, _) = heads.as_chunks();
    let (tail_blocks, _) = tails.as_chunks();
    // One of the two is looked for alone, and the other where that is found.
    let (alone, wanted) = if is_usual(first) {
        (tail_blocks, last)
    } else {
        (head_blocks, first)
    };
    let has = |block: &[u8; WIDE]| block.iter().fold(false, |any, b| any | (*b == wanted));
    let mut block = 0_usize;
    while let Some(next) = alone
        .get(block..)
        .and_then(|rest| rest.iter().position(has))
    {
        block = block.wrapping_add(next);
        if let (Some(heads), Some(tails)) = (head_blocks.get(block), tail_blocks.get(block))
            && any_pair(heads, tails)
        {
            return Some(block.wrapping_mul(WIDE));
        }
        block = block.wrapping_add(1);
    }
    match (heads.last_chunk(), tails.last_chunk()) {
        // Some of them once more.
        (Some(heads), Some(tails)) if !any_pair(heads, tails) => None,
        _ => Some(head_blocks.len().wrapping_mul(WIDE)),
    }
}

/// Whether a byte is among the usual ones of text.
const fn is_usual(b: u8) -> bool {
    matches!(
        b,
        0 | b' ' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't'
    )
}

/// Where `wanted` is first.
pub fn byte(text: &[u8], wanted: u8) -> Option<usize> {
    let clear = passed(text, text, wanted, wanted)?;
    let found = byte_by_words(text.get(clear..).unwrap_or_default(), wanted);
    found.map(|at| clear.wrapping_add(at))
}

fn byte_by_words(text: &[u8], wanted: u8) -> Option<usize> {
    if text.len() < 8 {
        return text.iter().position(|b| *b == wanted);
    }
    let (blocks, tail) = text.as_chunks::<BLOCK>();
    let pattern = splat(wanted);
    let differ = |block: &[u8; BLOCK]| words(block).map(|word| word ^ pattern);
    let clear = blocks.iter().position(|block| suspect(differ(block)));
    let clear = clear.unwrap_or(blocks.len());
    for (i, block) in blocks.get(clear..).unwrap_or_default().iter().enumerate() {
        if let Some(within) = zero(differ(block)) {
            return Some(
                clear
                    .wrapping_add(i)
                    .wrapping_mul(BLOCK)
                    .wrapping_add(within),
            );
        }
    }
    let (tail_words, rest) = tail.as_chunks::<8>();
    let mut at = blocks.len().wrapping_mul(BLOCK);
    for word in tail_words {
        let found = zero_tops(u64::from_le_bytes(*word) ^ pattern) & TOPS;
        if found != 0 {
            return Some(at.wrapping_add((found.trailing_zeros() >> 3) as usize));
        }
        at = at.wrapping_add(8);
    }
    let within = rest.iter().position(|b| *b == wanted)?;
    Some(at.wrapping_add(within))
}

/// The first place where `heads` has one byte and `tails`, which is as long, the other.
#[inline(always)]
fn pair(heads: &[u8], tails: &[u8], first: u8, last: u8) -> Option<usize> {
    let clear = passed(heads, tails, first, last)?;
    let (heads, tails) = (heads.get(clear..), tails.get(clear..));
    let (heads, tails) = (heads.unwrap_or_default(), tails.unwrap_or_default());
    let found = pair_by_words(heads, tails, first, last);
    found.map(|at| clear.wrapping_add(at))
}

#[inline(always)]
fn pair_by_words(heads: &[u8], tails: &[u8], first: u8, last: u8) -> Option<usize> {
    let (head_blocks, heads) = heads.as_chunks::<BLOCK>();
    let (tail_blocks, tails) = tails.as_chunks::<BLOCK>();
    let (firsts, lasts) = (splat(first), splat(last));
    let differ = |head: u64, tail: u64| (head ^ firsts) | (tail ^ lasts);
    let block = |head: &[u8; BLOCK], tail: &[u8; BLOCK]| {
        let ([a, b, c, d], [e, f, g, h]) = (words(head), words(tail));
        [differ(a, e), differ(b, f), differ(c, g), differ(d, h)]
    };
    // Text is without bytes above 128 more often than not; from the first one on it takes longer.
    let mut blocks = head_blocks.iter().zip(tail_blocks);
    let clear = blocks.position(|(head, tail)| suspect(block(head, tail)));
    let clear = clear.unwrap_or(head_blocks.len());
    let blocks = (head_blocks.get(clear..).unwrap_or_default().iter())
        .zip(tail_blocks.get(clear..).unwrap_or_default());
    for (i, (head, tail)) in blocks.enumerate() {
        if let Some(within) = zero(block(head, tail)) {
            return Some(
                clear
                    .wrapping_add(i)
                    .wrapping_mul(BLOCK)
                    .wrapping_add(within),
            );
        }
    }
    let mut at = head_blocks.len().wrapping_mul(BLOCK);
    let (head_words, heads) = heads.as_chunks::<8>();
    let (tail_words, tails) = tails.as_chunks::<8>();
    for (head, tail) in head_words.iter().zip(tail_words) {
        let word = differ(u64::from_le_bytes(*head), u64::from_le_bytes(*tail));
        let found = zero_tops(word) & TOPS;
        if found != 0 {
            return Some(at.wrapping_add((found.trailing_zeros() >> 3) as usize));
        }
        at = at.wrapping_add(8);
    }
    let within = heads
        .iter()
        .zip(tails)
        .position(|(head, tail)| *head == first && *tail == last)?;
    Some(at.wrapping_add(within))
}

/// Where `needle` is first in `text`, paid from `steps` (about eight bytes a step, compares of
/// candidates on top); `Err` when they are used up.
pub fn plain(text: &[u8], needle: &[u8], steps: &mut u64) -> Result<Option<usize>, Fault> {
    let (Some(&first), Some(&last)) = (needle.first(), needle.last()) else {
        return Ok(Some(0));
    };
    let Some(behind) = text.len().checked_sub(needle.len()) else {
        return Ok(None);
    };
    // The price of the blocks is paid in one go, before they are looked at.
    spend(steps, text.len().wrapping_shr(3))?;
    if needle.len() == 1 {
        return Ok(byte(text, first));
    }
    // Where the first byte and the last byte both fit is worth a look. `heads` and `tails` run in
    // step; each is as long as there are places to begin.
    let gap = needle.len().wrapping_sub(1);
    let heads = text.get(..=behind).unwrap_or_default();
    let tails = text.get(gap..).unwrap_or_default();
    let price = needle.len().wrapping_shr(3).wrapping_add(3);
    let mut from = 0usize;
    loop {
        let (heads, tails) = (heads.get(from..), tails.get(from..));
        let found = pair(
            heads.unwrap_or_default(),
            tails.unwrap_or_default(),
            first,
            last,
        );
        let Some(found) = found else {
            return Ok(None);
        };
        spend(steps, price)?;
        let at = from.wrapping_add(found);
        if text.get(at..at.wrapping_add(needle.len())) == Some(needle) {
            return Ok(Some(at));
        }
        from = at.wrapping_add(1);
    }
}

fn spend(steps: &mut u64, price: usize) -> Result<(), Fault> {
    let left = steps.checked_sub(price as u64);
    *steps = left.unwrap_or(0);
    if left.is_some() {
        Ok(())
    } else {
        Err(Fault::Fuel)
    }
}
