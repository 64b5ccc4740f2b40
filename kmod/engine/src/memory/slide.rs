// SPDX-License-Identifier: GPL-2.0-only
//! Sliding: bodies move towards the start of their space, so that the gaps between them close.

use super::Heap;
use super::cell::{BODY_HEADER, BodyHeader, ImageCell, Kind, ProtoCell};
use super::gc::{MOST_PACE, SMALLEST, STEP, STRIDE};
use crate::value::Ref;

impl Heap {
    /// Whether the gaps between bodies are worth closing.
    pub(super) fn compaction_due(&self) -> bool {
        let extent = u64::from(self.bodies_top - self.bodies);
        let gaps = extent - self.used_bodies;
        gaps > self.guarantee / 8 || gaps > (self.used_bodies / 2).max(SMALLEST)
    }

    pub(super) fn begin_compaction(&mut self) {
        self.compacting = true;
        self.compact_from = self.bodies;
        self.compact_to = self.bodies;
        let extent = u64::from(self.bodies_top - self.bodies);
        let reserve = u64::from(self.bodies_end - self.bodies_top) / 2;
        self.slide_pace = (extent / reserve.max(1) + 1).clamp(4, MOST_PACE);
        self.set_stride();
        self.credit = self.credit.min(self.stride);
    }

    /// The faster the pace, the more steps, not the longer ones.
    pub(super) fn set_stride(&mut self) {
        let pace = self.pace.max(self.slide_pace).max(1);
        self.stride = ((STEP / pace) as i64).min(STRIDE);
    }

    pub(super) fn finish_compaction(&mut self) {
        while self.compacting {
            self.slide(u64::MAX);
        }
    }

    /// Moves bodies down until so many bytes were looked at or the pass is over.
    pub(super) fn slide(&mut self, budget: u64) {
        let mut spent = 0;
        while spent < budget {
            let from = self.compact_from;
            if from >= self.bodies_top {
                self.bodies_top = self.compact_to;
                self.compacting = false;
                break;
            }
            // SAFETY: bodies and pieces of garbage follow each other without gaps, each with a header.
            unsafe {
                let BodyHeader {
                    owner, size, field, ..
                } = *self.at::<BodyHeader>(from);
                self.compact_from += size;
                spent += 32;
                if owner == 0 {
                    continue;
                }
                let to = self.compact_to;
                self.compact_to += size;
                if to != from {
                    self.at::<u8>(to).copy_from(self.at(from), size as usize);
                    *self.at::<Ref>(owner + field) = to + BODY_HEADER;
                    self.moved(owner, from, to, size);
                    spent += u64::from(size);
                }
            }
        }
        self.account(spent);
    }

    /// A body has moved: pointers into it follow.
    fn moved(&mut self, owner: Ref, from: Ref, to: Ref, size: u32) {
        let delta = (from - to) as usize;
        let (start, end) = (
            self.at::<u8>(from) as usize,
            self.at::<u8>(from + size) as usize,
        );
        let inside = |p: usize| (start..end).contains(&p);
        if inside(self.exec.pc as usize) {
            self.exec.pc = self.exec.pc.wrapping_byte_sub(delta);
        }
        if inside(self.exec.constants as usize) {
            self.exec.constants = self.exec.constants.wrapping_byte_sub(delta);
        }
        if self.header(owner).kind != Kind::Image {
            return;
        }
        // SAFETY: an image's cell and those of its prototypes.
        unsafe {
            let mut proto = (*self.at::<ImageCell>(owner)).protos;
            while proto != 0 {
                let cell = self.at::<ProtoCell>(proto);
                (*cell).code = (*cell).code.wrapping_byte_sub(delta);
                (*cell).constants = (*cell).constants.wrapping_byte_sub(delta);
                proto = (*cell).sibling;
            }
        }
    }
}
