// SPDX-License-Identifier: GPL-2.0-only
//! Packets and steps: what was allocated since when.

use super::cell::{CELL, Header, Kind};
use super::{BARRIER_YOUNG, Heap, Mark};
use crate::value::Ref;

impl Heap {
    /// A packet begins. What was there before it is known already: see [`Heap::settle`].
    #[inline(always)]
    pub fn begin_packet(&mut self) {
        self.barrier |= BARRIER_YOUNG;
    }

    /// Everything that exists is older than the next packet: to be called when the host has run
    /// something else than a packet. Most packets leave all of this as it is.
    #[cold]
    pub fn settle(&mut self) {
        self.begin_step();
        self.packet_serial = self.serial;
        // While finalizers wait, every packet's end is looked at.
        self.stepped = self.doomed != 0;
        self.escaped = false;
        self.floor = self.bodies_top;
        self.before = Mark {
            free: self.free,
            cells_top: self.cells_top,
            used_cells: self.used_cells,
            used_bodies: self.used_bodies,
            credit: self.credit,
        };
    }

    /// A step of the machine begins: nobody but the stack and the heap holds what was allocated until
    /// now. What a native function allocates has the number of its step, so that a collection in the
    /// midst of it ([`Heap::collect_within`]) knows what the function may hold where it cannot look.
    /// Fewer steps than there could be only make it keep more.
    #[inline(always)]
    pub fn begin_step(&mut self) {
        self.serial = match self.serial.checked_add(1) {
            Some(serial) => serial,
            None => self.restart_serials(),
        };
    }

    /// Whether a cell was allocated since the packet at hand began.
    #[inline(always)]
    pub(super) fn is_young(&self, r: Ref) -> bool {
        self.header(r).serial >= self.packet_serial
    }

    /// Every cell becomes older than every step to come, before their numbers repeat.
    #[cold]
    fn restart_serials(&mut self) -> u32 {
        self.packet_serial = 1;
        self.escaped = true;
        let mut r = self.cells;
        while r < self.cells_top {
            // SAFETY: a cell of the region.
            unsafe { (*self.at::<Header>(r)).serial = 0 };
            r += CELL;
        }
        1
    }

    /// A packet ends. Says whether it left anything to do: [`Heap::give_back`] and [`Heap::settle`].
    #[must_use]
    #[inline(always)]
    pub fn end_packet(&mut self) -> bool {
        self.barrier &= !BARRIER_YOUNG;
        // Cells and bodies come back without a trace only where `stepped` says so.
        self.stepped || self.used_cells != self.before.used_cells || self.bodies_top != self.floor
    }

    /// Gives back all that the packet allocated when nothing of it can be reached any more. Says
    /// whether it did, and so whether stale values may be left on the stack.
    pub fn give_back(&mut self) -> bool {
        self.peak = self.peak.max(self.used_cells + self.used_bodies);
        if self.stepped || self.escaped || self.compacting {
            return false;
        }
        let before = self.before;
        let mut r = before.free;
        while r != self.free {
            // SAFETY: cells taken since the packet began follow each other on the list as it was.
            unsafe {
                let header = self.at::<Header>(r);
                (*header).kind = Kind::Free;
                r = (*header).next;
            }
        }
        self.free = before.free;
        self.cells_top = before.cells_top;
        self.bodies_top = self.floor;
        self.used_cells = before.used_cells;
        self.used_bodies = before.used_bodies;
        self.credit = before.credit;
        true
    }
}
