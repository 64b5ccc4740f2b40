// SPDX-License-Identifier: GPL-2.0-only
//! Stores: bounded tables outside any environment, in memory that the host gives and locks. Named
//! maps and sets are in them, and the beginnings of TLS hellos that more segments will complete.
//!
//! A store is one stretch of memory: a head, an index of hash chains, and cells of 64 bytes. An entry
//! is a chain of cells: the first has its links and its times, and all hold its key and value, one
//! behind the other. Entries are also in a ring by the time at which they were last written; when
//! there is no cell or no room for one more, the oldest are forgotten. So each operation costs a
//! constant amount of work for the bytes that it is given, whoever chooses the keys: the hash is keyed.
//!
//! Memory that is all zero is no store yet: [`Store::open`] makes one of it. Whatever the bytes are,
//! nothing here reads or writes outside them, and every walk along a chain has an end.
//!
//! * this file — a store, and its entries by their keys
//! * `layout` — where everything lies in the memory; `cells` — chains of cells and what is in them; `ring`
//!   — the order in which entries are forgotten

mod cells;
mod layout;
mod ring;
#[cfg(test)]
mod tests;

use layout::{
    BUCKETS, CELL, CELLS, COUNT, E_CHAIN, E_END, E_HASH, E_KEY_LEN, E_VALUE_LEN, FIRST, FORMATTED,
    FRESH, HEAD, KIND, MAGIC, MAX, OLDEST, OWN, REST, SEED, TTL,
};
pub use layout::{KEY, OWN_LEN, VALUE};

/// What a store is meant to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Spec {
    /// What is kept in it: the keeper's own number, not 0.
    pub kind: u32,
    /// Entries at most.
    pub max: u32,
    /// Milliseconds that an entry lives; 0: for ever.
    pub ttl: u32,
    /// Cells of [`CELL`] bytes.
    pub cells: u32,
}

impl Spec {
    /// Room for `max` entries of `bytes` bytes each, key and value together.
    pub fn new(kind: u32, max: u32, ttl: u32, bytes: u32) -> Self {
        Self {
            kind,
            max: max.max(1),
            ttl,
            cells: max.max(1).saturating_mul(cells(bytes as usize) as u32),
        }
    }

    /// The same, with room for at least one entry of `bytes` bytes.
    #[must_use]
    pub fn with_room_for(self, bytes: u32) -> Self {
        Self {
            cells: self.cells.max(cells(bytes as usize) as u32),
            ..self
        }
    }

    fn buckets(self) -> u32 {
        self.max
            .max(8)
            .checked_next_power_of_two()
            .unwrap_or(1 << 31)
    }

    /// Bytes of memory that such a store needs.
    pub fn size(self) -> u64 {
        let index = u64::from(self.buckets()).wrapping_mul(4);
        // Cell 0 is none.
        let cells = u64::from(self.cells)
            .wrapping_add(1)
            .wrapping_mul(CELL as u64);
        index
            .wrapping_add(cells)
            .wrapping_add(HEAD as u64)
            .next_multiple_of(CELL as u64)
    }
}

/// Cells of an entry of so many bytes.
const fn cells(bytes: usize) -> usize {
    bytes.saturating_sub(FIRST).div_ceil(REST).saturating_add(1)
}

/// Why something was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Longer than any key or value, or than all the cells.
    TooLong,
    /// The value there is not what the operation works on.
    Other,
}

/// A store in its memory. Whoever has it holds its lock.
pub struct Store<'m> {
    memory: &'m mut [u8],
}

/// An entry that is there.
#[derive(Clone, Copy)]
struct Found {
    cell: u32,
    key_len: usize,
    value_len: usize,
}

impl<'m> Store<'m> {
    /// The store in this memory, made first if there is none. Gives what it is, which may be something
    /// other than what was asked for.
    pub fn open(memory: &'m mut [u8], wanted: Spec, seed: [u64; 2]) -> Option<(Self, Spec)> {
        let mut store = Self { memory };
        if store.word(MAGIC) != FORMATTED {
            if (store.memory.len() as u64) < wanted.size() {
                return None;
            }
            for (at, value) in [
                (KIND, wanted.kind),
                (MAX, wanted.max),
                (TTL, wanted.ttl),
                (CELLS, wanted.cells),
                (BUCKETS, wanted.buckets()),
                (FRESH, 1),
                (MAGIC, FORMATTED),
            ] {
                store.set_word(at, value);
            }
            store.set_long(SEED, seed[0]);
            store.set_long(SEED.wrapping_add(8), seed[1]);
        }
        let spec = Spec {
            kind: store.word(KIND),
            max: store.word(MAX),
            ttl: store.word(TTL),
            cells: store.word(CELLS),
        };
        Some((store, spec))
    }

    /// The store in memory in which one was made.
    pub fn at(memory: &'m mut [u8]) -> Self {
        Self { memory }
    }

    /// The keeper's own bytes.
    pub fn own(&self) -> [u8; OWN_LEN] {
        let bytes = self.memory.get(OWN..).and_then(|bytes| bytes.first_chunk());
        bytes.copied().unwrap_or([0; OWN_LEN])
    }

    /// Replaces them.
    pub fn set_own(&mut self, own: &[u8; OWN_LEN]) {
        let bytes = self.memory.get_mut(OWN..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk_mut()) {
            *bytes = *own;
        }
    }

    /// How many entries there are, those included whose time has come.
    pub fn count(&self) -> u32 {
        self.word(COUNT)
    }

    fn find(&self, key: &[u8]) -> Option<Found> {
        let hash = self.hash(key);
        let mut cell = self.word(self.bucket(hash));
        for _ in 0..self.steps() {
            if cell == 0 {
                return None;
            }
            let key_len = self.link(cell, E_KEY_LEN) as usize;
            if self.link(cell, E_HASH) == hash && key_len == key.len() && self.key_is(cell, key) {
                let value_len =
                    (self.link(cell, E_VALUE_LEN) as usize).min(KEY.wrapping_add(VALUE));
                return Some(Found {
                    cell,
                    key_len,
                    value_len,
                });
            }
            cell = self.link(cell, E_CHAIN);
        }
        None
    }

    /// The entry of a key whose time has not come.
    fn find_alive(&self, key: &[u8], now: u64) -> Option<Found> {
        let found = self.find(key)?;
        let end = self.long(self.at_cell(found.cell).wrapping_add(E_END));
        (end == 0 || now < end).then_some(found)
    }

    /// The length of a key's value.
    pub fn value_len(&self, key: &[u8], now: u64) -> Option<usize> {
        self.find_alive(key, now).map(|found| found.value_len)
    }

    /// Copies the beginning of a key's value, as much as there is room for; gives how much of it that
    /// is.
    pub fn get(&self, key: &[u8], now: u64, to: &mut [u8]) -> Option<usize> {
        let found = self.find_alive(key, now)?;
        let len = found.value_len.min(to.len());
        let mut place = 0_usize;
        self.pieces(
            found.cell,
            found.key_len,
            found.key_len.wrapping_add(len),
            |piece| {
                let end = place.wrapping_add(piece.len());
                let here = to.get_mut(place..end);
                place = end;
                here.map(|here| here.copy_from_slice(piece)).is_some()
            },
        )
        .then_some(len)
    }

    /// Gives a key's value from `from` on, piece by piece.
    pub fn each(&self, key: &[u8], now: u64, from: usize, mut f: impl FnMut(&[u8])) {
        let Some(found) = self.find_alive(key, now) else {
            return;
        };
        let start = found.key_len.wrapping_add(from);
        let end = found.key_len.wrapping_add(found.value_len);
        self.pieces(found.cell, start, end, |piece| {
            f(piece);
            true
        });
    }

    /// When an entry ends that is made now, given its own time or that of the store.
    fn end(&self, now: u64, ttl: Option<u32>) -> u64 {
        match ttl.unwrap_or_else(|| self.word(TTL)) {
            0 => 0,
            ttl => now.saturating_add(u64::from(ttl)).max(1),
        }
    }

    /// Gives a key a value, for `ttl` milliseconds (`None`: the store's own, 0: for ever). The value is
    /// the two parts, one behind the other.
    pub fn set(
        &mut self,
        key: &[u8],
        value: [&[u8]; 2],
        now: u64,
        ttl: Option<u32>,
    ) -> Result<(), Refused> {
        let [first, second] = value;
        let len = first.len().saturating_add(second.len());
        let total = key.len().saturating_add(len);
        if key.len() > KEY || len > VALUE || cells(total) > self.word(CELLS) as usize {
            return Err(Refused::TooLong);
        }
        let entry = if let Some(found) = self.find(key) {
            self.leave_ring(found.cell);
            self.join_ring(found.cell);
            self.set_link(found.cell, E_VALUE_LEN, 0);
            found.cell
        } else {
            if self.word(COUNT) >= self.word(MAX) {
                self.forget(self.word(OLDEST));
            }
            let entry = self.need_cell(0).ok_or(Refused::TooLong)?;
            let hash = self.hash(key);
            let bucket = self.bucket(hash);
            let chain = self.word(bucket);
            for (which, value) in [
                (E_CHAIN, chain),
                (E_HASH, hash),
                (E_KEY_LEN, key.len() as u32),
                (E_VALUE_LEN, 0),
            ] {
                self.set_link(entry, which, value);
            }
            self.set_word(bucket, entry);
            self.join_ring(entry);
            let count = self.word(COUNT).wrapping_add(1);
            self.set_word(COUNT, count);
            entry
        };
        // There are as many cells as it needs: those of all others would do.
        self.grow(entry, total)?;
        self.fill(entry, 0, key);
        self.fill(entry, key.len(), first);
        self.fill(entry, key.len().wrapping_add(first.len()), second);
        self.set_link(entry, E_VALUE_LEN, len as u32);
        let end = self.end(now, ttl);
        self.set_long(self.at_cell(entry).wrapping_add(E_END), end);
        Ok(())
    }

    /// Appends to a key's value; its time stays.
    pub fn append(&mut self, key: &[u8], more: &[u8], now: u64) -> Result<(), Refused> {
        let found = self.find_alive(key, now).ok_or(Refused::Other)?;
        let before = found.key_len.wrapping_add(found.value_len);
        let total = before.saturating_add(more.len());
        if total > KEY.wrapping_add(VALUE) || cells(total) > self.word(CELLS) as usize {
            return Err(Refused::TooLong);
        }
        self.leave_ring(found.cell);
        self.join_ring(found.cell);
        self.grow(found.cell, total)?;
        self.fill(found.cell, before, more);
        let len = found.value_len.wrapping_add(more.len());
        self.set_link(found.cell, E_VALUE_LEN, len as u32);
        Ok(())
    }

    /// Replaces a key's value by another of its length; its time stays. False when there is none.
    pub fn replace(&mut self, key: &[u8], value: &[u8], now: u64) -> bool {
        match self.find_alive(key, now) {
            Some(found) if found.value_len == value.len() => {
                self.leave_ring(found.cell);
                self.join_ring(found.cell);
                self.fill(found.cell, found.key_len, value);
                true
            }
            _ => false,
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &[u8]) {
        if let Some(found) = self.find(key) {
            self.forget(found.cell);
        }
    }

    /// Takes an entry out.
    fn forget(&mut self, entry: u32) {
        let bucket = self.bucket(self.link(entry, E_HASH));
        let chain = self.link(entry, E_CHAIN);
        let mut at = self.word(bucket);
        if at == entry {
            self.set_word(bucket, chain);
        } else {
            for _ in 0..self.steps() {
                let next = self.link(at, E_CHAIN);
                if next == entry {
                    self.set_link(at, E_CHAIN, chain);
                    break;
                }
                at = next;
            }
        }
        self.leave_ring(entry);
        self.give_cells(entry);
        let count = self.word(COUNT).saturating_sub(1);
        self.set_word(COUNT, count);
    }
}
