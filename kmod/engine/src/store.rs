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

use crate::memory::strings::siphash;

/// Bytes of a cell.
const CELL: usize = 64;
/// Bytes of the first cell of an entry that are its links.
const LINKS: usize = 36;
/// Bytes of the other cells that are.
const NEXT: usize = 4;
/// Data in the first cell, and in each other.
const FIRST: usize = CELL - LINKS;
const REST: usize = CELL - NEXT;
/// The longest key and the longest value.
pub const KEY: usize = 300;
/// The longest key and the longest value.
pub const VALUE: usize = 8192;

/// Bytes of the head, and the words in it.
const HEAD: usize = 128;
const MAGIC: usize = 0;
const KIND: usize = 4;
const MAX: usize = 8;
const TTL: usize = 12;
const COUNT: usize = 16;
const CELLS: usize = 20;
const BUCKETS: usize = 24;
/// Cells that were never used begin here.
const FRESH: usize = 28;
/// Cells that were given back.
const FREE: usize = 32;
/// The ring: who was written last, and who the longest time ago.
const NEWEST: usize = 36;
const OLDEST: usize = 40;
/// Two words of eight bytes: the key of the hash.
const SEED: usize = 48;
/// Bytes for whoever keeps the store.
const OWN: usize = 64;
/// How many.
pub const OWN_LEN: usize = 32;

const FORMATTED: u32 = 0x5053_4d31;

// Words of an entry's first cell.
const E_NEXT_CELL: usize = 0;
const E_CHAIN: usize = 4;
const E_HASH: usize = 8;
const E_NEWER: usize = 12;
const E_OLDER: usize = 16;
const E_KEY_LEN: usize = 20;
const E_VALUE_LEN: usize = 24;
const E_END: usize = 28;

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
        let more = (bytes as usize).saturating_sub(FIRST).div_ceil(REST) as u32;
        Self {
            kind,
            max: max.max(1),
            ttl,
            cells: max.max(1).saturating_mul(more.saturating_add(1)),
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

    // --- bytes -----------------------------------------------------------------------------------

    fn word(&self, at: usize) -> u32 {
        let bytes = self.memory.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    fn set_word(&mut self, at: usize, value: u32) {
        let bytes = self.memory.get_mut(at..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk_mut()) {
            *bytes = value.to_ne_bytes();
        }
    }

    fn long(&self, at: usize) -> u64 {
        let bytes = self.memory.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    fn set_long(&mut self, at: usize, value: u64) {
        let bytes = self.memory.get_mut(at..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.first_chunk_mut()) {
            *bytes = value.to_ne_bytes();
        }
    }

    /// Where cell number `cell` begins: the cells lie at the end of the memory, from 1 on.
    fn at_cell(&self, cell: u32) -> usize {
        let index = (self.word(BUCKETS) as usize).wrapping_mul(4);
        HEAD.wrapping_add(index)
            .wrapping_add((cell as usize).wrapping_mul(CELL))
    }

    fn link(&self, cell: u32, which: usize) -> u32 {
        self.word(self.at_cell(cell).wrapping_add(which))
    }

    fn set_link(&mut self, cell: u32, which: usize, value: u32) {
        self.set_word(self.at_cell(cell).wrapping_add(which), value);
    }

    /// Where the chain of a hash begins.
    fn bucket(&self, hash: u32) -> usize {
        let mask = self.word(BUCKETS).wrapping_sub(1);
        HEAD.wrapping_add(((hash & mask) as usize).wrapping_mul(4))
    }

    fn hash(&self, key: &[u8]) -> u32 {
        let seed = [self.long(SEED), self.long(SEED.wrapping_add(8))];
        siphash(seed, key) as u32
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

    // --- the data of an entry --------------------------------------------------------------------

    /// Calls `f` with the bytes of an entry from `from` to before `to`, piece by piece, until it is
    /// false.
    fn pieces(&self, cell: u32, from: usize, to: usize, mut f: impl FnMut(&[u8]) -> bool) -> bool {
        let (mut cell, mut at, mut done) = (cell, LINKS, 0_usize);
        while done < to {
            if cell == 0 {
                return false;
            }
            let room = CELL.wrapping_sub(at);
            let end = done.wrapping_add(room).min(to);
            if end > from {
                let skipped = from.saturating_sub(done);
                let start = self.at_cell(cell).wrapping_add(at);
                let piece = self
                    .memory
                    .get(start.wrapping_add(skipped)..start.wrapping_add(end.wrapping_sub(done)));
                match piece {
                    Some(piece) if f(piece) => {}
                    _ => return false,
                }
            }
            done = end;
            cell = self.link(cell, E_NEXT_CELL);
            at = NEXT;
        }
        true
    }

    /// Writes bytes into an entry from `from` on; its cells are there.
    fn fill(&mut self, cell: u32, from: usize, bytes: &[u8]) {
        let (mut cell, mut at, mut place) = (cell, LINKS, 0_usize);
        let mut rest = bytes;
        while !rest.is_empty() && cell != 0 {
            let room = CELL.wrapping_sub(at);
            let skipped = from.saturating_sub(place).min(room);
            let (now, later) = rest.split_at(room.wrapping_sub(skipped).min(rest.len()));
            let start = self.at_cell(cell).wrapping_add(at).wrapping_add(skipped);
            if let Some(to) = self.memory.get_mut(start..start.wrapping_add(now.len())) {
                to.copy_from_slice(now);
            }
            rest = later;
            place = place.wrapping_add(room);
            cell = self.link(cell, E_NEXT_CELL);
            at = NEXT;
        }
    }

    fn key_is(&self, cell: u32, key: &[u8]) -> bool {
        let mut rest = key;
        self.pieces(cell, 0, key.len(), |piece| {
            rest.strip_prefix(piece)
                .inspect(|left| rest = left)
                .is_some()
        })
    }

    // --- cells -----------------------------------------------------------------------------------

    /// More than the steps of any walk, whatever the words say.
    fn steps(&self) -> usize {
        self.memory.len().wrapping_div(CELL)
    }

    fn take_cell(&mut self) -> u32 {
        let free = self.word(FREE);
        if free != 0 {
            let next = self.link(free, E_NEXT_CELL);
            self.set_word(FREE, next);
            return free;
        }
        let fresh = self.word(FRESH);
        if fresh > self.word(CELLS) {
            return 0;
        }
        self.set_word(FRESH, fresh.wrapping_add(1));
        fresh
    }

    /// Takes a cell, from the oldest entries if there is no other, but not from `spare`.
    fn need_cell(&mut self, spare: u32) -> Option<u32> {
        // An entry that goes leaves a cell, unless the store has been damaged.
        for _ in 0..2 {
            let cell = self.take_cell();
            if cell != 0 {
                self.set_link(cell, E_NEXT_CELL, 0);
                return Some(cell);
            }
            let mut oldest = self.word(OLDEST);
            if oldest == spare {
                oldest = self.link(oldest, E_NEWER);
            }
            if oldest == 0 {
                return None;
            }
            self.forget(oldest);
        }
        None
    }

    fn give_cells(&mut self, first: u32) {
        let mut cell = first;
        // A chain of more cells than there are has been damaged.
        for _ in 0..self.steps() {
            if cell == 0 {
                break;
            }
            let next = self.link(cell, E_NEXT_CELL);
            let free = self.word(FREE);
            self.set_link(cell, E_NEXT_CELL, free);
            self.set_word(FREE, cell);
            cell = next;
        }
    }

    /// Cells for so many bytes behind those that an entry has room for.
    fn grow(&mut self, entry: u32, len: usize) -> Result<(), Refused> {
        let (mut cell, mut room) = (entry, FIRST);
        while room < len {
            let next = match self.link(cell, E_NEXT_CELL) {
                0 => {
                    let next = self.need_cell(entry).ok_or(Refused::TooLong)?;
                    self.set_link(cell, E_NEXT_CELL, next);
                    next
                }
                next => next,
            };
            cell = next;
            room = room.wrapping_add(REST);
        }
        // What the entry does not need any more.
        let surplus = self.link(cell, E_NEXT_CELL);
        self.set_link(cell, E_NEXT_CELL, 0);
        self.give_cells(surplus);
        Ok(())
    }

    // --- the ring --------------------------------------------------------------------------------

    fn leave_ring(&mut self, entry: u32) {
        let (newer, older) = (self.link(entry, E_NEWER), self.link(entry, E_OLDER));
        match newer {
            0 => self.set_word(NEWEST, older),
            newer => self.set_link(newer, E_OLDER, older),
        }
        match older {
            0 => self.set_word(OLDEST, newer),
            older => self.set_link(older, E_NEWER, newer),
        }
    }

    fn join_ring(&mut self, entry: u32) {
        let before = self.word(NEWEST);
        self.set_link(entry, E_NEWER, 0);
        self.set_link(entry, E_OLDER, before);
        match before {
            0 => self.set_word(OLDEST, entry),
            before => self.set_link(before, E_NEWER, entry),
        }
        self.set_word(NEWEST, entry);
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

    // --- entries ---------------------------------------------------------------------------------

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
        let cells = total.saturating_sub(FIRST).div_ceil(REST).saturating_add(1);
        if key.len() > KEY || len > VALUE || cells > self.word(CELLS) as usize {
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
        let cells = total.saturating_sub(FIRST).div_ceil(REST).saturating_add(1);
        if total > KEY.wrapping_add(VALUE) || cells > self.word(CELLS) as usize {
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

    extern crate std;
    use super::*;
    use std::collections::HashMap;
    use std::vec;
    use std::vec::Vec;

    fn memory(spec: Spec) -> Vec<u8> {
        vec![0; spec.size() as usize]
    }

    fn read(store: &Store, key: &[u8], now: u64) -> Option<Vec<u8>> {
        let mut to = [0; VALUE];
        let len = store.get(key, now, &mut to)?;
        let mut pieces: Vec<u8> = vec![];
        store.each(key, now, 0, |piece| pieces.extend(piece));
        assert_eq!(pieces, to[..len]);
        assert_eq!(store.value_len(key, now), Some(len));
        Some(to[..len].into())
    }

    #[test]
    fn entries_of_all_lengths_are_kept_and_replaced() {
        let spec = Spec::new(1, 400, 0, 400);
        let mut memory = memory(spec);
        let (mut store, made) = Store::open(&mut memory, spec, [1, 2]).unwrap();
        assert_eq!(made, spec);
        for round in 0..3 {
            for len in 0..300_usize {
                let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let value = vec![round; (len * 7) % 100];
                store.set(&key, [&value, b""], 0, None).unwrap();
            }
        }
        for len in 0..300_usize {
            let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(read(&store, &key, 0).unwrap(), vec![2; (len * 7) % 100]);
        }
        assert_eq!(store.count(), 300);
        // Another who opens it finds it as it is.
        let other = Spec::new(2, 1, 1, 1);
        let (store, made) = Store::open(&mut memory, other, [9, 9]).unwrap();
        assert!(made == spec && read(&store, b"", 0).is_some());
        assert!(Store::open(&mut [0; 100], other, [0; 2]).is_none());
    }

    #[test]
    fn the_longest_unwritten_is_forgotten_first() {
        let spec = Spec::new(1, 4, 0, 10);
        let mut memory = memory(spec);
        let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
        for key in [b"a", b"b", b"c", b"d"] {
            store.set(key, [b"1", b""], 0, None).unwrap();
        }
        assert!(store.replace(b"a", b"2", 0) && !store.replace(b"a", b"long", 0));
        store.set(b"e", [b"1", b""], 0, None).unwrap();
        store.append(b"c", b"2", 0).unwrap();
        store.set(b"f", [b"1", b""], 0, None).unwrap();
        let kept = [b"a", b"b", b"c", b"d", b"e", b"f"].map(|key| read(&store, key, 0).is_some());
        assert_eq!(kept, [true, false, true, false, true, true]);
        // A long value drives out as many as it needs cells, but not itself.
        assert_eq!(store.append(b"a", &[7; 400], 0), Err(Refused::TooLong));
        store.append(b"a", &[7; 190], 0).unwrap();
        assert_eq!(read(&store, b"a", 0).unwrap().len(), 191);
        assert_eq!(store.count(), 1);
        assert_eq!(
            store.set(b"x", [&[0; VALUE + 1], b""], 0, None),
            Err(Refused::TooLong)
        );
        assert_eq!(
            store.set(&[0; KEY + 1], [b"", b""], 0, None),
            Err(Refused::TooLong)
        );
        store.remove(b"a");
        store.remove(b"a");
        assert_eq!(store.count(), 0);
    }

    #[test]
    fn entries_end_when_their_time_has_come() {
        let spec = Spec::new(1, 4, 100, 10);
        let mut memory = memory(spec);
        let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
        store.set(b"a", [b"1", b""], 1000, None).unwrap();
        store.set(b"b", [b"1", b""], 1000, Some(0)).unwrap();
        store.set(b"c", [b"1", b""], 1000, Some(5)).unwrap();
        store.append(b"a", b"2", 1050).unwrap();
        let alive =
            |store: &Store, now| [b"a", b"b", b"c"].map(|key| read(store, key, now).is_some());
        assert_eq!(alive(&store, 1004), [true, true, true]);
        assert_eq!(alive(&store, 1005), [true, true, false]);
        assert_eq!(alive(&store, 1100), [false, true, false]);
        assert_eq!(store.append(b"a", b"3", 1100), Err(Refused::Other));
        store.set(b"a", [b"3", b""], 1200, None).unwrap();
        assert_eq!(read(&store, b"a", 1299).unwrap(), b"3");
    }

    /// Beside a map of the standard library, with room for everything.
    #[test]
    fn it_does_what_a_map_does() {
        let spec = Spec::new(1, 1000, 0, 300);
        let mut memory = memory(spec);
        let (mut store, _) = Store::open(&mut memory, spec, [3, 4]).unwrap();
        let mut known: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut state = 7_u64;
        let mut random = |n: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(9);
            (state >> 33) % n
        };
        for _ in 0..60_000 {
            let key = vec![random(256) as u8; random(4) as usize];
            match random(4) {
                0 => {
                    store.remove(&key);
                    known.remove(&key);
                }
                1 => {
                    let more = vec![random(256) as u8; random(20) as usize];
                    if known.get(&key).is_some_and(|old| old.len() < 200) {
                        store.append(&key, &more, 0).unwrap();
                        known.get_mut(&key).unwrap().extend(more);
                    }
                }
                _ => {
                    let value = vec![random(256) as u8; random(250) as usize];
                    store.set(&key, [&value, b""], 0, None).unwrap();
                    known.insert(key.clone(), value);
                }
            }
            assert_eq!(read(&store, &key, 0), known.get(&key).cloned());
        }
        assert_eq!(store.count() as usize, known.len());
        for (key, value) in &known {
            assert_eq!(read(&store, key, 0).as_ref(), Some(value));
        }
    }

    #[test]
    fn damaged_memory_is_worked_on_without_harm() {
        let spec = Spec::new(1, 50, 0, 40);
        let mut state = 11_u64;
        let mut random = |n: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(9);
            (state >> 33) as usize % n
        };
        for _ in 0..2000 {
            let mut memory = memory(spec);
            let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
            for i in 0..60_u8 {
                store.set(&[i], [&[i; 30], b""], 0, None).unwrap();
            }
            for _ in 0..20 {
                // Not the sizes in the head, which only whoever made the memory writes.
                let at = FRESH + random(memory.len() - FRESH);
                memory[at] = random(256) as u8;
            }
            let mut store = Store::at(&mut memory);
            for i in 0..60_u8 {
                let _ = store.set(&[i, 1], [&[i; 50], b""], 0, None);
                let _ = store.append(&[i], &[i; 50], 0);
                store.remove(&[i]);
            }
        }
    }
}
