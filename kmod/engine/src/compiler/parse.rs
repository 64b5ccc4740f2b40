// SPDX-License-Identifier: GPL-2.0-only
//! Texts, blocks and plain statements.

use super::diagnostic::Text;
use super::exp::{Kind, NOWHERE};
use super::lexer::Token;
use super::tasks::Task;
use super::{Compiler, Result};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    // --- Tokens ----------------------------------------------------------------------------------

    /// Passes a token if it is this one.
    pub(super) fn take(&mut self, token: Token) -> Result<bool> {
        let there = self.token == token;
        if there {
            self.next()?;
        }
        Ok(there)
    }

    /// Passes a token that must be this one.
    pub(super) fn expect(&mut self, token: Token) -> Result<()> {
        if self.token != token {
            return self.fail_near(&[
                Text::Str("'"),
                Text::Str(token.text()),
                Text::Str("' expected"),
            ]);
        }
        self.next()
    }

    /// Passes a token that must be this one, to close what began at `line`.
    pub(super) fn expect_match(&mut self, token: Token, opened: Token, line: u32) -> Result<()> {
        if self.token != token && line != self.lexer.line {
            return self.fail_near(&[
                Text::Str("'"),
                Text::Str(token.text()),
                Text::Str("' expected (to close '"),
                Text::Str(opened.text()),
                Text::Str("' at line "),
                Text::Number(line),
                Text::Str(")"),
            ]);
        }
        self.expect(token)
    }

    /// Passes a name.
    pub(super) fn name(&mut self) -> Result<u32> {
        let Token::Name(name) = self.token else {
            return self.fail_near(&[Text::Str("<name> expected")]);
        };
        self.next()?;
        Ok(name)
    }

    /// Whether a block ends here.
    pub(super) fn block_ends(&self, with_until: bool) -> bool {
        match self.token {
            Token::Else | Token::ElseIf | Token::End | Token::Eof => true,
            Token::Until => with_until,
            _ => false,
        }
    }

    // --- Texts and blocks ------------------------------------------------------------------------

    /// A whole text, as the function at hand.
    pub(super) fn parse_text(&mut self) -> Result<()> {
        self.next()?;
        self.run()
    }

    pub(super) fn end_text(&mut self) -> Result<()> {
        if self.token != Token::Eof {
            return self.fail_near(&[Text::Str("<eof> expected")]);
        }
        self.close_function(0)?;
        Ok(())
    }

    /// Statements to the end of the block.
    pub(super) fn statements(&mut self) -> Result<()> {
        if self.block_ends(true) {
            return Ok(());
        }
        if self.token != Token::Return {
            self.todo(Task::Statements)?;
        }
        self.todo(Task::EndStatement)?;
        self.statement()
    }

    pub(super) fn end_statement(&mut self) {
        self.f.free = self.var_registers();
        self.leave_level();
    }

    fn statement(&mut self) -> Result<()> {
        let line = self.lexer.line;
        self.enter_level()?;
        match self.token {
            Token::Semicolon => self.next(),
            Token::If => {
                self.next()?;
                self.todo(Task::Then {
                    escape: NOWHERE,
                    line,
                })?;
                self.todo(Task::Expression { power: 0 })
            }
            Token::While => {
                self.next()?;
                let start = self.label_here();
                self.todo(Task::WhileDo { start, line })?;
                self.todo(Task::Expression { power: 0 })
            }
            Token::Do => {
                self.next()?;
                self.enter_block(false)?;
                self.todo(Task::EndDo { line })?;
                self.todo(Task::Statements)
            }
            Token::For => self.for_statement(line),
            Token::Repeat => {
                let start = self.label_here();
                self.enter_block(true)?;
                self.enter_block(false)?;
                self.next()?;
                self.todo(Task::Until { start, line })?;
                self.todo(Task::Statements)
            }
            Token::Function => self.function_statement(line),
            Token::Local => {
                self.next()?;
                if self.take(Token::Function)? {
                    self.local_function()
                } else {
                    self.local_statement()
                }
            }
            Token::DoubleColon => {
                self.next()?;
                self.label(line)
            }
            Token::Return => {
                self.next()?;
                self.return_statement()
            }
            Token::Break => {
                self.next()?;
                self.add_goto(self.break_name, line)
            }
            Token::Goto => {
                self.next()?;
                self.goto_statement()
            }
            _ => {
                self.todo(Task::ExpressionStatement)?;
                self.primary()
            }
        }
    }

    /// The condition in `e`: goes on when it is true; answers the jumps for when it is not.
    fn condition(&mut self) -> Result<u32> {
        let mut e = self.e;
        if e.kind == Kind::Nil {
            e.kind = Kind::False;
        }
        self.go_if_true(&mut e)?;
        Ok(e.f)
    }

    // --- if, do, while, repeat -------------------------------------------------------------------

    pub(super) fn then(&mut self, escape: u32, line: u32) -> Result<()> {
        self.expect(Token::Then)?;
        let otherwise = self.condition()?;
        self.enter_block(false)?;
        self.todo(Task::Else {
            escape,
            otherwise,
            line,
        })?;
        self.todo(Task::Statements)
    }

    /// Behind a `then` block.
    pub(super) fn end_else(&mut self, escape: u32, otherwise: u32, line: u32) -> Result<()> {
        self.leave_block()?;
        let mut escape = escape;
        if matches!(self.token, Token::Else | Token::ElseIf) {
            let jump = self.jump()?;
            escape = self.prepend(escape, jump);
        }
        self.patch_here(otherwise);
        if self.take(Token::ElseIf)? {
            self.todo(Task::Then { escape, line })?;
            return self.todo(Task::Expression { power: 0 });
        }
        if self.take(Token::Else)? {
            self.enter_block(false)?;
            self.todo(Task::EndIf { escape, line })?;
            return self.todo(Task::Statements);
        }
        self.expect_match(Token::End, Token::If, line)?;
        self.patch_here(escape);
        Ok(())
    }

    /// Behind an `else` block.
    pub(super) fn end_if(&mut self, escape: u32, line: u32) -> Result<()> {
        self.leave_block()?;
        self.expect_match(Token::End, Token::If, line)?;
        self.patch_here(escape);
        Ok(())
    }

    pub(super) fn end_do(&mut self, line: u32) -> Result<()> {
        self.leave_block()?;
        self.expect_match(Token::End, Token::Do, line)
    }

    pub(super) fn while_do(&mut self, start: u32, line: u32) -> Result<()> {
        let exit = self.condition()?;
        self.enter_block(true)?;
        self.expect(Token::Do)?;
        self.enter_block(false)?;
        self.todo(Task::EndWhile { start, exit, line })?;
        self.todo(Task::Statements)
    }

    pub(super) fn end_while(&mut self, start: u32, exit: u32, line: u32) -> Result<()> {
        self.leave_block()?;
        let back = self.jump()?;
        self.patch(back, start);
        self.expect_match(Token::End, Token::While, line)?;
        self.leave_block()?;
        self.patch_here(exit);
        Ok(())
    }

    pub(super) fn until(&mut self, start: u32, line: u32) -> Result<()> {
        self.expect_match(Token::Until, Token::Repeat, line)?;
        self.todo(Task::EndRepeat { start })?;
        self.todo(Task::Expression { power: 0 })
    }

    pub(super) fn end_repeat(&mut self, start: u32) -> Result<()> {
        let mut again = self.condition()?;
        let inner = self.blocks.last_mut().copied();
        self.leave_block()?;
        if let Some(inner) = inner
            && inner.closes
        {
            // On the way back its variables end too.
            let exit = self.jump()?;
            self.patch_here(again);
            let level = self.registers_of(inner.active);
            self.emit(Inst::abc(Op::Close, level as u8, 0, 0))?;
            again = self.jump()?;
            self.patch_here(exit);
        }
        self.patch(again, start);
        self.leave_block()
    }
}
