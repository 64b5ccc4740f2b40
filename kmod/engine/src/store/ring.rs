// SPDX-License-Identifier: GPL-2.0-only
//! The ring of all entries by when they were last written: the first to be forgotten is the oldest.

use super::Store;
use super::layout::{E_NEWER, E_OLDER, NEWEST, OLDEST};

impl Store<'_> {
    pub(super) fn join_ring(&mut self, entry: u32) {
        let before = self.word(NEWEST);
        self.set_link(entry, E_NEWER, 0);
        self.set_link(entry, E_OLDER, before);
        match before {
            0 => self.set_word(OLDEST, entry),
            before => self.set_link(before, E_NEWER, entry),
        }
        self.set_word(NEWEST, entry);
    }

    pub(super) fn leave_ring(&mut self, entry: u32) {
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
}
