// SPDX-License-Identifier: GPL-2.0-only
//! `for`, `goto` and labels in the grammar.

use super::diagnostic::Text;
use super::exp::{Exp, Kind};
use super::lexer::Token;
use super::scope::Attribute;
use super::tasks::{ForLoop, Task};
use super::{Compiler, Result};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    // --- for -------------------------------------------------------------------------------------

    pub(super) fn for_statement(&mut self, line: u32) -> Result<()> {
        self.enter_block(true)?;
        self.next()?;
        let name = self.name()?;
        let base = self.free();
        match self.token {
            Token::Assign => {
                self.next()?;
                for _ in 0..3 {
                    self.new_var(self.for_name, true)?;
                }
                self.new_var(name, false)?;
                self.todo(Task::ForStart { base, line })?;
                self.todo(Task::Expression { power: 0 })
            }
            Token::Comma | Token::In => {
                for _ in 0..4 {
                    self.new_var(self.for_name, true)?;
                }
                self.new_var(name, false)?;
                let mut variables = 1u16;
                while self.take(Token::Comma)? {
                    let name = self.name()?;
                    self.new_var(name, false)?;
                    variables = variables.wrapping_add(1);
                }
                self.expect(Token::In)?;
                let call = self.lexer.line;
                self.todo(Task::ForIn {
                    base,
                    variables,
                    line,
                    call,
                })?;
                self.list()
            }
            _ => self.fail_near(&[Text::Str("'=' or 'in' expected")]),
        }
    }

    pub(super) fn for_start(&mut self, base: u8, line: u32) -> Result<()> {
        let mut e = self.e;
        self.put_next(&mut e)?;
        self.expect(Token::Comma)?;
        self.todo(Task::ForLimit { base, line })?;
        self.todo(Task::Expression { power: 0 })
    }

    pub(super) fn for_limit(&mut self, base: u8, line: u32) -> Result<()> {
        let mut e = self.e;
        self.put_next(&mut e)?;
        if self.take(Token::Comma)? {
            self.todo(Task::ForStep { base, line })?;
            return self.todo(Task::Expression { power: 0 });
        }
        self.e = Exp::new(Kind::Int(1));
        self.for_step(base, line)
    }

    pub(super) fn for_step(&mut self, base: u8, line: u32) -> Result<()> {
        let mut e = self.e;
        self.put_next(&mut e)?;
        self.activate(3);
        self.for_body(base, line, line, 0)
    }

    pub(super) fn for_in(&mut self, base: u8, variables: u16, line: u32, call: u32) -> Result<()> {
        let mut e = self.e;
        self.adjust(4, self.count, &mut e)?;
        self.activate(4);
        self.mark_closes();
        // Room to call the iterator.
        self.check_room(3)?;
        self.for_body(base, line, call, variables)
    }

    fn for_body(&mut self, base: u8, line: u32, call: u32, generic: u16) -> Result<()> {
        self.expect(Token::Do)?;
        let op = if generic > 0 {
            Op::TForPrep
        } else {
            Op::ForPrep
        };
        let prepare = self.emit(Inst::ai(op, base, 0))?;
        self.enter_block(false)?;
        let variables = generic.max(1);
        self.activate(u32::from(variables));
        self.reserve(variables)?;
        self.label_here();
        self.box_vars(u32::from(variables))?;
        self.todo(Task::EndFor(ForLoop {
            base,
            line,
            call,
            prepare,
            generic,
        }))?;
        self.todo(Task::Statements)
    }

    pub(super) fn end_for(&mut self, this: ForLoop) -> Result<()> {
        let ForLoop {
            base,
            line,
            call,
            prepare,
            generic,
        } = this;
        self.leave_block()?;
        let here = self.label_here();
        let op = if generic > 0 {
            self.emit(Inst::abc(Op::TForCall, base, 0, generic))?;
            self.fix_line(call);
            Op::TForLoop
        } else {
            Op::ForLoop
        };
        let end = self.emit(Inst::ai(op, base, 0))?;
        self.fix_line(call);
        if let Some(open) = self.at(end) {
            open.target = prepare.wrapping_add(1);
        }
        let behind = self.label_here();
        if let Some(open) = self.at(prepare) {
            open.target = if generic > 0 { here } else { behind };
        }
        self.expect_match(Token::End, Token::For, line)?;
        self.leave_block()
    }

    // --- goto ------------------------------------------------------------------------------------

    pub(super) fn goto_statement(&mut self) -> Result<()> {
        // Messages name the line of the label's name.
        let line = self.lexer.line;
        let name = self.name()?;
        let Some(label) = self.find_label(name) else {
            return self.add_goto(name, line);
        };
        let level = self.registers_of(label.active);
        let leaves = self
            .vars
            .as_slice()
            .get(label.active as usize..self.f.active as usize);
        // The hidden variables of a generic loop close too.
        if leaves
            .unwrap_or(&[])
            .iter()
            .any(|var| var.hidden || var.attribute == Attribute::Close)
        {
            self.emit(Inst::abc(Op::Close, level as u8, 0, 0))?;
        }
        let back = self.jump()?;
        self.patch(back, label.pc);
        Ok(())
    }

    pub(super) fn label(&mut self, line: u32) -> Result<()> {
        let name = self.name()?;
        self.expect(Token::DoubleColon)?;
        self.todo(Task::EndLabel { name, line })?;
        self.todo(Task::Labels)
    }

    /// Statements that do nothing may stand between a label and the end of its block.
    pub(super) fn labels(&mut self) -> Result<()> {
        while self.take(Token::Semicolon)? {}
        if self.token == Token::DoubleColon {
            let line = self.lexer.line;
            self.todo(Task::Labels)?;
            self.todo(Task::EndStatement)?;
            self.enter_level()?;
            self.next()?;
            return self.label(line);
        }
        Ok(())
    }

    pub(super) fn end_label(&mut self, name: u32, line: u32) -> Result<()> {
        if let Some(label) = self.find_label(name) {
            let fault = self.diagnose(&[
                Text::Str("label '"),
                Text::Bytes(self.b.text(name)),
                Text::Str("' already defined on line "),
                Text::Number(label.line),
            ]);
            return self.raise(fault);
        }
        let last = self.block_ends(false);
        self.create_label(name, line, last)?;
        Ok(())
    }
}
