// SPDX-License-Identifier: GPL-2.0-only
//! Local declarations, assignments and calls as statements.

use super::diagnostic::Text;
use super::exp::{Exp, Kind, NOWHERE};
use super::lexer::Token;
use super::scope::Attribute;
use super::tasks::Task;
use super::{Compiler, Result, known};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    // --- Variables -------------------------------------------------------------------------------

    /// Makes a list of `have` expressions, the last one in `e`, fill `want` registers.
    pub(super) fn adjust(&mut self, want: u32, have: u32, e: &mut Exp) -> Result<()> {
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

    pub(super) fn local_statement(&mut self) -> Result<()> {
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
            let known = !e.has_jumps() && e.kind.is_constant();
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
    pub(super) fn check_verdict(&mut self, e: &Exp, name: u32) -> Result<()> {
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

    // --- Assignments and calls -------------------------------------------------------------------

    pub(super) fn expression_statement(&mut self) -> Result<()> {
        if matches!(self.token, Token::Assign | Token::Comma) {
            return self.target(1);
        }
        let Kind::Call(pc, _) = self.e.kind else {
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
