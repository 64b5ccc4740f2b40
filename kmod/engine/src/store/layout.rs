// SPDX-License-Identifier: GPL-2.0-only
//! Where everything lies in a store's memory, and how it is read and written.
//!
//! ```text
//! | head, 128 bytes | index: a word a bucket | cells of 64 bytes, from number 1 on |
//! ```
//!
//! What lies outside the memory reads as 0 and is not written.

use super::Store;
use crate::memory::strings::siphash;

/// Bytes of a cell.
pub(super) const CELL: usize = 64;
/// Bytes of the first cell of an entry that are its links.
pub(super) const LINKS: usize = 36;
/// Bytes of the other cells that are.
pub(super) const NEXT: usize = 4;
/// Data in the first cell, and in each other.
pub(super) const FIRST: usize = CELL - LINKS;
pub(super) const REST: usize = CELL - NEXT;

/// The longest key and the longest value.
pub const KEY: usize = 300;
/// The longest key and the longest value.
pub const VALUE: usize = 8192;

/// Bytes of the head, and the words in it.
pub(super) const HEAD: usize = 128;
pub(super) const MAGIC: usize = 0;
pub(super) const KIND: usize = 4;
pub(super) const MAX: usize = 8;
pub(super) const TTL: usize = 12;
pub(super) const COUNT: usize = 16;
pub(super) const CELLS: usize = 20;
pub(super) const BUCKETS: usize = 24;
/// Cells that were never used begin here.
pub(super) const FRESH: usize = 28;
/// Cells that were given back.
pub(super) const FREE: usize = 32;
/// The ring: who was written last, and who the longest time ago.
pub(super) const NEWEST: usize = 36;
pub(super) const OLDEST: usize = 40;
/// Two words of eight bytes: the key of the hash.
pub(super) const SEED: usize = 48;
/// Bytes for whoever keeps the store.
pub(super) const OWN: usize = 64;
/// How many.
pub const OWN_LEN: usize = 32;

/// What the first word of a store is.
pub(super) const FORMATTED: u32 = 0x5053_4d31;

// Words of an entry's first cell.
pub(super) const E_NEXT_CELL: usize = 0;
pub(super) const E_CHAIN: usize = 4;
pub(super) const E_HASH: usize = 8;
pub(super) const E_NEWER: usize = 12;
pub(super) const E_OLDER: usize = 16;
pub(super) const E_KEY_LEN: usize = 20;
pub(super) const E_VALUE_LEN: usize = 24;
pub(super) const E_END: usize = 28;

impl Store<'_> {
    pub(super) fn word(&self, at: usize) -> u32 {
        let bytes = self.memory.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    pub(super) fn set_word(&mut self, at: usize, value: u32) {
        let bytes = self.memory.get_mut(at..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk_mut()) {
            *bytes = value.to_ne_bytes();
        }
    }

    pub(super) fn long(&self, at: usize) -> u64 {
        let bytes = self.memory.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    pub(super) fn set_long(&mut self, at: usize, value: u64) {
        let bytes = self.memory.get_mut(at..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk_mut()) {
            *bytes = value.to_ne_bytes();
        }
    }

    /// Where cell number `cell` begins: the cells lie at the end of the memory, from 1 on.
    pub(super) fn at_cell(&self, cell: u32) -> usize {
        let index = (self.word(BUCKETS) as usize).wrapping_mul(4);
        HEAD.wrapping_add(index)
            .wrapping_add((cell as usize).wrapping_mul(CELL))
    }

    pub(super) fn link(&self, cell: u32, which: usize) -> u32 {
        self.word(self.at_cell(cell).wrapping_add(which))
    }

    pub(super) fn set_link(&mut self, cell: u32, which: usize, value: u32) {
        self.set_word(self.at_cell(cell).wrapping_add(which), value);
    }

    /// Where the chain of a hash begins.
    pub(super) fn bucket(&self, hash: u32) -> usize {
        let mask = self.word(BUCKETS).wrapping_sub(1);
        HEAD.wrapping_add(((hash & mask) as usize).wrapping_mul(4))
    }

    pub(super) fn hash(&self, key: &[u8]) -> u32 {
        let seed = [self.long(SEED), self.long(SEED.wrapping_add(8))];
        siphash(seed, key) as u32
    }
}
