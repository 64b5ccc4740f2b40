// SPDX-License-Identifier: GPL-2.0-only
//! Cells: who has them, and the bytes of an entry in its chain of them.

use super::layout::{
    CELL, CELLS, E_NEWER, E_NEXT_CELL, FIRST, FREE, FRESH, LINKS, NEXT, OLDEST, REST,
};
use super::{Refused, Store};

impl Store<'_> {
    /// Calls `f` with the bytes of an entry from `from` to before `to`, piece by piece, until it is
    /// false.
    pub(super) fn pieces(
        &self,
        cell: u32,
        from: usize,
        to: usize,
        mut f: impl FnMut(&[u8]) -> bool,
    ) -> bool {
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
    pub(super) fn fill(&mut self, cell: u32, from: usize, bytes: &[u8]) {
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

    pub(super) fn key_is(&self, cell: u32, key: &[u8]) -> bool {
        let mut rest = key;
        self.pieces(cell, 0, key.len(), |piece| {
            rest.strip_prefix(piece)
                .inspect(|left| rest = left)
                .is_some()
        })
    }

    /// More than the steps of any walk, whatever the words say.
    pub(super) fn steps(&self) -> usize {
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
    pub(super) fn need_cell(&mut self, spare: u32) -> Option<u32> {
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

    pub(super) fn give_cells(&mut self, first: u32) {
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
    pub(super) fn grow(&mut self, entry: u32, len: usize) -> Result<(), Refused> {
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
}
