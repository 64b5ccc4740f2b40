// SPDX-License-Identifier: GPL-2.0-only
//! How many steps a matcher may make.

use super::{Answer, Fault};

/// Steps between two breaths of a top level.
const SLICE: u64 = 80_000;

/// How many steps a matcher may make: so many at once, and those of a top level beyond them when it has
/// taken breath.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub(super) left: u64,
    reserve: u64,
    total: u64,
}

impl Budget {
    /// Steps at hand, and steps in reserve.
    pub fn new(left: u64, reserve: u64) -> Self {
        let total = left.saturating_add(reserve);
        Self {
            left,
            reserve: total.wrapping_sub(left),
            total,
        }
    }

    /// All of them together.
    pub fn all(&self) -> u64 {
        self.total
    }

    /// Steps that were made.
    pub fn spent(&self) -> u64 {
        self.total
            .wrapping_sub(self.left)
            .wrapping_sub(self.reserve)
    }

    /// Takes steps when there are not so many at hand.
    #[cold]
    pub(super) fn go_on(&mut self, steps: u64) -> Answer<()> {
        while self.left < steps && self.reserve > 0 {
            if !crate::host::breathe() {
                return Err(Fault::Interrupted);
            }
            let part = self.reserve.min(SLICE);
            self.reserve = self.reserve.wrapping_sub(part);
            self.left = self.left.saturating_add(part);
        }
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Fault::Fuel)
            }
        }
    }
}
