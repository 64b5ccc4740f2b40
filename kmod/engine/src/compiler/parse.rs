// SPDX-License-Identifier: GPL-2.0-only
//! Statements and functions.

use super::diagnostic::Text;
use super::exp::{Exp, Kind, NOWHERE};
use super::lexer::Token;
use super::scope::Attribute;
use super::tasks::{ForLoop, Task};
use super::{Compiler, Result, known};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    // --- Tokens --------------------------------------------------------------------------------

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
    fn block_ends(&self, with_until: bool) -> bool {
        match self.token {
            Token::Else | Token::ElseIf | Token::End | Token::Eof => true,
            Token::Until => with_until,
            _ => false,
        }
    }

    // --- Texts and blocks ----------------------------------------------------------------------

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
                self.goto_statement(line)
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

    // --- if, do, while, repeat -----------------------------------------------------------------

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

    // --- for -----------------------------------------------------------------------------------

    fn for_statement(&mut self, line: u32) -> Result<()> {
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

    // --- goto ----------------------------------------------------------------------------------

    fn goto_statement(&mut self, line: u32) -> Result<()> {
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

    fn label(&mut self, line: u32) -> Result<()> {
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

    // --- Functions -----------------------------------------------------------------------------

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
        self.e = Exp::new(Kind::Reloc(self.emit(Inst::ai(
            Op::Closure,
            0,
            proto as i32,
        ))?));
        Ok(())
    }

    fn function_statement(&mut self, line: u32) -> Result<()> {
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

    fn local_function(&mut self) -> Result<()> {
        let line = self.lexer.line;
        let name = self.name()?;
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

    fn return_statement(&mut self) -> Result<()> {
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
                Kind::Call(pc) if self.count == 1 && !self.inside_close() => {
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

    // --- Variables -----------------------------------------------------------------------------

    /// Makes a list of `have` expressions, the last one in `e`, fill `want` registers.
    fn adjust(&mut self, want: u32, have: u32, e: &mut Exp) -> Result<()> {
        let missing = want.checked_sub(have);
        if e.is_open() {
            // The last expression counts as one value, and has a register already.
            let results = want.wrapping_add(1).saturating_sub(have);
            self.set_results(e, Some(results as u16))?;
            match missing {
                Some(missing) => {
                    self.reserve(missing as u16)?;
                }
                None => self.f.free = self.f.free.wrapping_sub(have.wrapping_sub(want) as u16),
            }
            return Ok(());
        }
        if e.kind != Kind::Void {
            self.put_next(e)?;
        }
        match missing {
            Some(0) => {}
            Some(missing) => {
                let first = self.reserve(missing as u16)?;
                self.load_nil(first, missing as u16)?;
            }
            None => self.f.free = self.f.free.wrapping_sub(have.wrapping_sub(want) as u16),
        }
        Ok(())
    }

    fn local_statement(&mut self) -> Result<()> {
        let mut variables = 0u32;
        let mut close = NOWHERE;
        loop {
            let name = self.name()?;
            let variable = self.new_var(name, false)?;
            let attribute = self.attribute()?;
            if let Some(var) = self.var_mut(variable) {
                var.attribute = attribute;
            }
            if attribute == Attribute::Close {
                if close != NOWHERE {
                    return self
                        .fail(&[Text::Str("multiple to-be-closed variables in local list")]);
                }
                close = variable;
            }
            variables = variables.wrapping_add(1);
            if !self.take(Token::Comma)? {
                break;
            }
        }
        self.todo(Task::EndLocal { variables, close })?;
        if self.take(Token::Assign)? {
            return self.list();
        }
        self.e = Exp::new(Kind::Void);
        self.count = 0;
        Ok(())
    }

    fn attribute(&mut self) -> Result<Attribute> {
        if !self.take(Token::Less)? {
            return Ok(Attribute::Regular);
        }
        let name = self.name()?;
        self.expect(Token::Greater)?;
        match self.b.text(name) {
            b"const" => Ok(Attribute::Const),
            b"close" => Ok(Attribute::Close),
            _ => {
                let fault = self.diagnose(&[
                    Text::Str("unknown attribute '"),
                    Text::Bytes(self.b.text(name)),
                    Text::Str("'"),
                ]);
                self.raise(fault)
            }
        }
    }

    pub(super) fn end_local(&mut self, variables: u32, close: u32) -> Result<()> {
        let mut e = self.e;
        let last = (self.vars.len() as u32).wrapping_sub(1);
        let is_const = self
            .var_mut(last)
            .is_some_and(|var| var.attribute == Attribute::Const);
        if variables == self.count && is_const {
            if let Kind::Known(_) = e.kind {
                self.discharge(&mut e)?;
            }
            let known = !e.has_jumps()
                && matches!(
                    e.kind,
                    Kind::Nil
                        | Kind::True
                        | Kind::False
                        | Kind::Int(_)
                        | Kind::Float(_)
                        | Kind::Str(_)
                        | Kind::Verdict(_)
                );
            if known {
                self.activate(variables.wrapping_sub(1));
                if let Some(var) = self.var_mut(last) {
                    var.attribute = Attribute::Known(e.kind);
                }
                self.f.active = self.f.active.wrapping_add(1);
                self.box_vars(variables)?;
                return self.close_variable(close);
            }
        }
        let number = if variables == self.count {
            e.numeral()
        } else {
            None
        };
        self.adjust(variables, self.count, &mut e)?;
        self.activate(variables);
        self.box_vars(variables)?;
        let ordinal = self.var_mut(last).map_or(NOWHERE, |var| var.ordinal);
        let constant = self.never_assigned(ordinal);
        if let Some(var) = self.var_mut(last)
            && constant
        {
            var.number = number;
        }
        self.close_variable(close)
    }

    /// Makes a variable to-be-closed.
    fn close_variable(&mut self, variable: u32) -> Result<()> {
        if variable == NOWHERE {
            return Ok(());
        }
        self.mark_closes();
        let register = self.var_mut(variable).map_or(0, |var| var.register);
        self.emit(Inst::abc(Op::Tbc, register, 0, 0))?;
        Ok(())
    }

    /// Verdicts are no variables.
    fn check_verdict(&mut self, e: &Exp, name: u32) -> Result<()> {
        if let Kind::Verdict(_) = e.kind {
            let fault = self.diagnose(&[
                Text::Str("attempt to assign to verdict '"),
                Text::Bytes(self.b.text(name)),
                Text::Str("'"),
            ]);
            return self.raise(fault);
        }
        Ok(())
    }

    // --- Assignments and calls -----------------------------------------------------------------

    pub(super) fn expression_statement(&mut self) -> Result<()> {
        if matches!(self.token, Token::Assign | Token::Comma) {
            return self.target(1);
        }
        let Kind::Call(pc) = self.e.kind else {
            return self.fail_near(&[Text::Str("syntax error")]);
        };
        self.set_c(pc, 1);
        Ok(())
    }

    /// The expression in `e` is the `count`-th one that is assigned to.
    pub(super) fn target(&mut self, count: u32) -> Result<()> {
        let target = self.e;
        if let Kind::Verdict(payload) = target.kind {
            let name = self.push(|c| c.b.name(known::verdict_name(payload)))?;
            return self.check_verdict(&target, name);
        }
        if !target.is_variable() {
            return self.fail_near(&[Text::Str("syntax error")]);
        }
        self.check_assignable(&target)?;
        if let Kind::Local(register, _) = target.kind
            && count > 1
        {
            self.save_conflicts(register, count)?;
        }
        self.push(|c| c.targets.push(&mut c.b.arena, target))?;
        self.more_targets(count)
    }

    pub(super) fn more_targets(&mut self, count: u32) -> Result<()> {
        if self.take(Token::Comma)? {
            // Enters a level for each target, as nested parsing would.
            self.enter_level()?;
            self.todo(Task::Target {
                count: count.wrapping_add(1),
            })?;
            return self.primary();
        }
        self.level = self.level.wrapping_sub(count.wrapping_sub(1));
        self.expect(Token::Assign)?;
        self.todo(Task::EndAssignment { count })?;
        self.list()
    }

    /// A local variable that earlier targets use as table or key is about to be assigned before they
    /// are: they use a copy.
    fn save_conflicts(&mut self, register: u8, count: u32) -> Result<()> {
        let copy = self.free();
        let mut conflict = false;
        let earlier = count.wrapping_sub(1) as usize;
        let start = self.targets.len().saturating_sub(earlier);
        for target in self
            .targets
            .as_mut_slice()
            .get_mut(start..)
            .unwrap_or(&mut [])
        {
            let replace = |r: &mut u8| {
                if *r == register {
                    *r = copy;
                    true
                } else {
                    false
                }
            };
            conflict |= match &mut target.kind {
                Kind::Index(table, key) => {
                    let table = replace(table);
                    replace(key) || table
                }
                Kind::IndexInt(table, _) | Kind::IndexStr(table, _, _) => replace(table),
                _ => false,
            };
        }
        if conflict {
            self.emit(Inst::abc(Op::Move, copy, u16::from(register), 0))?;
            self.reserve(1)?;
        }
        Ok(())
    }

    pub(super) fn end_assignment(&mut self, count: u32) -> Result<()> {
        let mut e = self.e;
        let mut left = count;
        if self.count == count {
            self.one_result(&mut e);
            if let Some(target) = self.targets.pop() {
                self.store(&target, &mut e)?;
            }
            left = count.wrapping_sub(1);
        } else {
            self.adjust(count, self.count, &mut e)?;
        }
        for _ in 0..left {
            if let Some(target) = self.targets.pop() {
                let mut value = Exp::new(Kind::Reg(self.free().wrapping_sub(1)));
                self.store(&target, &mut value)?;
            }
        }
        Ok(())
    }
}
