// SPDX-License-Identifier: GPL-2.0-only
//! Labels and the gotos that wait for them.

use super::diagnostic::Text;
use super::scope::{Goto, Label};
use super::{Compiler, Result};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    /// A forward goto.
    pub(super) fn add_goto(&mut self, name: u32, line: u32) -> Result<()> {
        let pc = self.jump()?;
        let goto = Goto {
            name,
            pc,
            line,
            active: self.f.active,
            closes: false,
        };
        self.push(|c| c.gotos.push(&mut c.b.arena, goto))
    }

    /// A visible label of the function at hand.
    pub(super) fn find_label(&mut self, name: u32) -> Option<Label> {
        let first = self.blocks.at(self.f.blocks as usize)?.first_label as usize;
        let labels = self.labels.as_slice().get(first..)?;
        labels.iter().find(|label| label.name == name).copied()
    }

    /// Puts a label here; answers whether that took a `Close`. `last`: nothing but the block's end
    /// follows, so that its variables are out of scope.
    pub(super) fn create_label(&mut self, name: u32, line: u32, last: bool) -> Result<bool> {
        let Some(block) = self.blocks.last_mut().copied() else {
            return Ok(false);
        };
        let pc = self.label_here();
        let active = if last { block.active } else { self.f.active };
        let label = Label {
            name,
            pc,
            line,
            active,
        };
        self.push(|c| c.labels.push(&mut c.b.arena, label))?;
        let mut closes = false;
        // Gotos that came for this label go; the others move together.
        let first = block.first_goto as usize;
        let mut keep = first;
        for i in first..self.gotos.len() {
            let Some(goto) = self.gotos.at(i) else {
                break;
            };
            if goto.name == name {
                if goto.active < active {
                    return self.jumps_into_scope(goto);
                }
                closes |= goto.closes;
                self.patch(goto.pc, pc);
            } else {
                if let Some(slot) = self.gotos.as_mut_slice().get_mut(keep) {
                    *slot = goto;
                }
                keep = keep.wrapping_add(1);
            }
        }
        self.gotos.truncate(keep);
        if closes {
            let level = self.registers_of(self.f.active);
            self.emit(Inst::abc(Op::Close, level as u8, 0, 0))?;
        }
        Ok(closes)
    }

    fn jumps_into_scope<T>(&mut self, goto: Goto) -> Result<T> {
        let local = self
            .vars
            .at(goto.active as usize)
            .map_or(self.break_name, |var| var.name);
        let fault = self.diagnose(&[
            Text::Str("<goto "),
            Text::Bytes(self.b.text(goto.name)),
            Text::Str("> at line "),
            Text::Number(goto.line),
            Text::Str(" jumps into the scope of local '"),
            Text::Bytes(self.b.text(local)),
            Text::Str("'"),
        ]);
        self.raise(fault)
    }

    pub(super) fn undefined_label<T>(&mut self, goto: Goto) -> Result<T> {
        if goto.name == self.break_name {
            return self.fail(&[
                Text::Str("break outside loop at line "),
                Text::Number(goto.line),
            ]);
        }
        let fault = self.diagnose(&[
            Text::Str("no visible label '"),
            Text::Bytes(self.b.text(goto.name)),
            Text::Str("' for <goto> at line "),
            Text::Number(goto.line),
        ]);
        self.raise(fault)
    }
}
