// SPDX-License-Identifier: GPL-2.0-only
//! Functions and what they return, in the grammar.

use super::diagnostic::Text;
use super::exp::{Exp, Kind};
use super::lexer::Token;
use super::tasks::Task;
use super::{Compiler, Result};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    /// The parameters and the body of a function; its closure is left in `e`.
    pub(super) fn function(&mut self, method: bool, line: u32, name: u32) -> Result<()> {
        self.open_function(line, name)?;
        self.expect(Token::OpenParen)?;
        let mut params = 0u32;
        if method {
            let this = self.push(|c| c.b.name(b"self"))?;
            self.new_var(this, false)?;
            params = 1;
        }
        if self.token != Token::CloseParen {
            loop {
                match self.token {
                    Token::Name(name) => {
                        self.next()?;
                        self.new_var(name, false)?;
                        params = params.wrapping_add(1);
                    }
                    Token::Dots => {
                        self.next()?;
                        self.f.vararg = true;
                        break;
                    }
                    _ => return self.fail_near(&[Text::Str("<name> or '...' expected")]),
                }
                if !self.take(Token::Comma)? {
                    break;
                }
            }
        }
        self.activate(params);
        self.f.params = params as u8;
        self.reserve(params as u16)?;
        self.box_vars(params)?;
        self.expect(Token::CloseParen)?;
        self.todo(Task::EndFunction { line })?;
        self.todo(Task::Statements)
    }

    pub(super) fn end_function(&mut self, line: u32) -> Result<()> {
        let last_line = self.lexer.line;
        self.expect_match(Token::End, Token::Function, line)?;
        let proto = self.close_function(last_line)?;
        let mut e = Exp::new(Kind::Reloc(self.emit(Inst::ai(
            Op::Closure,
            0,
            proto as i32,
        ))?));
        // Nothing above the register that it is made in is in use: see `bytecode::flow`.
        self.put_next(&mut e)?;
        self.e = e;
        Ok(())
    }

    pub(super) fn function_statement(&mut self, line: u32) -> Result<()> {
        self.next()?;
        let mut name = self.name()?;
        let mut target = self.resolve(name)?;
        self.check_verdict(&target, name)?;
        let mut method = false;
        while let Token::Dot | Token::Colon = self.token {
            method = self.token == Token::Colon;
            self.put_table(&mut target)?;
            self.next()?;
            name = self.name()?;
            self.indexed(&mut target, &Exp::new(Kind::Str(name)))?;
            if method {
                break;
            }
        }
        self.todo(Task::EndFunctionStatement { target, line })?;
        self.function(method, line, name)
    }

    pub(super) fn end_function_statement(&mut self, target: &Exp, line: u32) -> Result<()> {
        self.check_assignable(target)?;
        let mut e = self.e;
        self.store(target, &mut e)?;
        self.fix_line(line);
        Ok(())
    }

    pub(super) fn local_function(&mut self) -> Result<()> {
        let name = self.name()?;
        let line = self.lexer.line;
        let variable = self.new_var(name, false)?;
        self.activate(1);
        let boxed = self.var_mut(variable).is_some_and(|var| {
            var.defining = true;
            var.boxed
        });
        if boxed {
            let register = self.reserve(1)?;
            self.load_nil(register, 1)?;
            self.box_vars(1)?;
        }
        self.todo(Task::EndLocalFunction { variable })?;
        self.function(false, line, name)
    }

    pub(super) fn end_local_function(&mut self, variable: u32) -> Result<()> {
        let mut e = self.e;
        let here = self.pc();
        let Some(var) = self.var_mut(variable) else {
            return Ok(());
        };
        var.defining = false;
        let boxed = var.boxed;
        let register = var.register;
        if boxed {
            return self.store(&Exp::new(Kind::Boxed(register, variable)), &mut e);
        }
        var.start = here;
        self.put_next(&mut e)?;
        Ok(())
    }

    pub(super) fn return_statement(&mut self) -> Result<()> {
        if self.block_ends(true) || self.token == Token::Semicolon {
            let first = self.var_registers() as u8;
            self.return_values(first, 0)?;
            self.take(Token::Semicolon)?;
            return Ok(());
        }
        self.todo(Task::EndReturn)?;
        self.list()
    }

    pub(super) fn end_return(&mut self) -> Result<()> {
        let mut e = self.e;
        let first = self.var_registers() as u8;
        if e.is_open() {
            self.set_results(&mut e, None)?;
            match e.kind {
                Kind::Call(pc, _) if self.count == 1 && !self.inside_close() => {
                    if let Some(open) = self.at(pc) {
                        let (a, b) = (open.inst.a(), open.inst.b());
                        open.inst = Inst::abc(Op::TailCall, a, b, 0);
                    }
                }
                _ => self.return_open(first)?,
            }
        } else if self.count == 1 {
            let register = self.put_any(&mut e)?;
            self.return_values(register, 1)?;
        } else {
            self.put_next(&mut e)?;
            self.return_values(first, self.count as u16)?;
        }
        self.take(Token::Semicolon)?;
        Ok(())
    }
}
