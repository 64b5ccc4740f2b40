// SPDX-License-Identifier: GPL-2.0-only
//! Expressions: parsing and the code of operators, calls and constructors.

use super::diagnostic::Text;
use super::exp::{Binary, Exp, Kind, UNARY_POWER, Unary, negated};
use super::lexer::Token;
use super::tasks::{Constructor, Task};
use super::{Compiler, Result, fold};
use crate::bytecode::op::{Inst, Op};
use crate::number::Number;

/// How many array items wait in registers before they are stored.
const ITEMS_AT_ONCE: u16 = 50;

fn constant(number: Number) -> Kind {
    match number {
        Number::Int(i) => Kind::Int(i),
        Number::Float(f) => Kind::Float(f),
    }
}

/// A number that a compare-and-branch can hold: any if it is for equality, else integers only, so that
/// a metamethod is given what was written.
fn immediate(e: &Exp, equality: bool) -> Option<i32> {
    match e.numeral()? {
        Number::Int(i) => i32::try_from(i).ok(),
        Number::Float(f) if equality => i32::try_from(crate::number::arith::to_int(f)?).ok(),
        Number::Float(_) => None,
    }
}

impl Compiler<'_, '_> {
    // --- Grammar -------------------------------------------------------------------------------

    /// An expression whose operators bind tighter than `power`.
    pub(super) fn expression(&mut self, power: u8) -> Result<()> {
        self.enter_level()?;
        self.todo(Task::Operators { power })?;
        if let Some(op) = Unary::of(self.token) {
            let line = self.lexer.line;
            self.next()?;
            self.todo(Task::EndUnary { op, line })?;
            return self.todo(Task::Expression { power: UNARY_POWER });
        }
        self.e = Exp::new(match self.token {
            Token::Int(i) => Kind::Int(i),
            Token::Float(f) => Kind::Float(f),
            Token::Str(name) => Kind::Str(name),
            Token::Nil => Kind::Nil,
            Token::True => Kind::True,
            Token::False => Kind::False,
            Token::Dots => {
                if !self.f.vararg {
                    return self
                        .fail_near(&[Text::Str("cannot use '...' outside a vararg function")]);
                }
                Kind::VarArg(self.emit(Inst::abc(Op::VarArg, 0, 0, 2))?)
            }
            Token::OpenBrace => return self.constructor(),
            Token::Function => {
                self.next()?;
                // A function begins at its parameters, as PUC counts.
                let line = self.lexer.line;
                return self.function(false, line, super::exp::NOWHERE);
            }
            _ => return self.primary(),
        });
        self.next()
    }

    /// The binary operators behind an operand.
    pub(super) fn operators(&mut self, power: u8) -> Result<()> {
        if let Some(op) = Binary::of(self.token)
            && op.power().0 > power
        {
            let line = self.lexer.line;
            self.next()?;
            let mut left = self.e;
            self.infix(op, &mut left)?;
            self.todo(Task::Operators { power })?;
            self.todo(Task::EndBinary { op, left, line })?;
            return self.todo(Task::Expression {
                power: op.power().1,
            });
        }
        self.leave_level();
        Ok(())
    }

    pub(super) fn end_unary(&mut self, op: Unary, line: u32) -> Result<()> {
        let mut e = self.e;
        self.prefix(op, &mut e, line)?;
        self.e = e;
        Ok(())
    }

    pub(super) fn end_binary(&mut self, op: Binary, left: Exp, line: u32) -> Result<()> {
        let mut left = left;
        let mut right = self.e;
        self.postfix(op, &mut left, &mut right, line)?;
        self.e = left;
        Ok(())
    }

    /// A list of expressions: all but the last go to registers.
    pub(super) fn list(&mut self) -> Result<()> {
        self.todo(Task::ListMore { count: 1 })?;
        self.todo(Task::Expression { power: 0 })
    }

    pub(super) fn list_more(&mut self, count: u32) -> Result<()> {
        if self.token == Token::Comma {
            self.next()?;
            let mut e = self.e;
            self.put_next(&mut e)?;
            self.todo(Task::ListMore {
                count: count.wrapping_add(1),
            })?;
            return self.todo(Task::Expression { power: 0 });
        }
        self.count = count;
        Ok(())
    }

    /// A name or a parenthesis, and what is behind it.
    pub(super) fn primary(&mut self) -> Result<()> {
        match self.token {
            Token::Name(name) => {
                self.next()?;
                self.e = self.resolve(name)?;
                self.suffixes()
            }
            Token::OpenParen => {
                let line = self.lexer.line;
                self.next()?;
                self.todo(Task::EndParenthesis { line })?;
                self.todo(Task::Expression { power: 0 })
            }
            _ => self.fail_near(&[Text::Str("unexpected symbol")]),
        }
    }

    pub(super) fn end_parenthesis(&mut self, line: u32) -> Result<()> {
        self.expect_match(Token::CloseParen, Token::OpenParen, line)?;
        let mut e = self.e;
        self.discharge(&mut e)?;
        self.e = e;
        self.suffixes()
    }

    /// Fields, indexes, methods and calls behind a primary expression.
    pub(super) fn suffixes(&mut self) -> Result<()> {
        loop {
            match self.token {
                Token::Dot => {
                    let mut e = self.e;
                    self.put_table(&mut e)?;
                    self.next()?;
                    let name = self.name()?;
                    self.indexed(&mut e, &Exp::new(Kind::Str(name)))?;
                    self.e = e;
                }
                Token::OpenBracket => {
                    let mut table = self.e;
                    self.put_table(&mut table)?;
                    self.next()?;
                    self.todo(Task::EndIndex { table })?;
                    return self.todo(Task::Expression { power: 0 });
                }
                Token::Colon => {
                    self.next()?;
                    let name = self.name()?;
                    let mut e = self.e;
                    self.method(&mut e, name)?;
                    self.e = e;
                    if self.arguments()? {
                        return Ok(());
                    }
                }
                Token::OpenParen | Token::Str(_) | Token::OpenBrace => {
                    let mut e = self.e;
                    self.put_next(&mut e)?;
                    self.e = e;
                    if self.arguments()? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn end_index(&mut self, table: Exp) -> Result<()> {
        let mut table = table;
        let mut key = self.e;
        self.put_value(&mut key)?;
        self.expect(Token::CloseBracket)?;
        self.indexed(&mut table, &key)?;
        self.e = table;
        self.suffixes()
    }

    /// The arguments of a call whose function (and receiver) are in registers; true if they are
    /// still to be parsed.
    fn arguments(&mut self) -> Result<bool> {
        let line = self.lexer.line;
        let Kind::Reg(base) = self.e.kind else {
            return Ok(false);
        };
        match self.token {
            Token::Str(name) => {
                self.next()?;
                self.e = Exp::new(Kind::Str(name));
                self.finish_call(line, base)?;
                Ok(false)
            }
            Token::OpenBrace => {
                self.todo(Task::Suffixes)?;
                self.todo(Task::EndArguments {
                    line,
                    open: 0,
                    base,
                })?;
                self.constructor()?;
                Ok(true)
            }
            Token::OpenParen => {
                self.next()?;
                if self.token == Token::CloseParen {
                    self.e = Exp::new(Kind::Void);
                    self.next()?;
                    self.finish_call(line, base)?;
                    return Ok(false);
                }
                self.todo(Task::Suffixes)?;
                self.todo(Task::EndArguments {
                    line,
                    open: line,
                    base,
                })?;
                self.list()?;
                Ok(true)
            }
            _ => self.fail_near(&[Text::Str("function arguments expected")]),
        }
    }

    /// `open` is the line of the parenthesis, or 0 without one.
    pub(super) fn end_arguments(&mut self, line: u32, open: u32, base: u8) -> Result<()> {
        if open != 0 {
            self.expect_match(Token::CloseParen, Token::OpenParen, open)?;
        }
        self.finish_call(line, base)
    }

    /// Emits a call; the last argument is in `e`, the others in registers.
    fn finish_call(&mut self, line: u32, base: u8) -> Result<()> {
        let mut e = self.e;
        let operand = if e.is_open() {
            self.set_results(&mut e, None)?;
            0
        } else {
            if e.kind != Kind::Void {
                self.put_next(&mut e)?;
            }
            self.f.free.wrapping_sub(u16::from(base))
        };
        let pc = self.emit(Inst::abc(Op::Call, base, operand, 2))?;
        self.fix_line(line);
        // The call takes function and arguments away and leaves one result, unless it is changed.
        self.f.free = u16::from(base).wrapping_add(1);
        self.e = Exp::new(Kind::Call(pc, base));
        Ok(())
    }

    // --- Table constructors --------------------------------------------------------------------

    fn constructor(&mut self) -> Result<()> {
        let line = self.lexer.line;
        let pc = self.emit(Inst::abc(Op::NewTable, 0, 0, 0))?;
        let table = self.reserve(1)?;
        self.set_a(pc, table);
        self.expect(Token::OpenBrace)?;
        self.table_items(Constructor {
            pc,
            table,
            line,
            stored: 0,
            waiting: 0,
            fields: 0,
            item: false,
        })
    }

    /// The next item of a constructor, or its end; the item before, if it has no key, is in `e`.
    pub(super) fn table_items(&mut self, constructor: Constructor) -> Result<()> {
        let mut c = constructor;
        let first = c.waiting == 0 && c.stored == 0 && c.fields == 0;
        let more = first || self.token == Token::Comma || self.token == Token::Semicolon;
        if more && !first {
            self.next()?;
        }
        if !more || self.token == Token::CloseBrace {
            self.expect_match(Token::CloseBrace, Token::OpenBrace, c.line)?;
            return self.end_constructor(c);
        }
        if c.item {
            let mut e = self.e;
            self.put_next(&mut e)?;
            c.item = false;
            if c.waiting == ITEMS_AT_ONCE {
                self.set_list(c.table, c.stored, Some(c.waiting))?;
                c.stored = c.stored.wrapping_add(u32::from(c.waiting));
                c.waiting = 0;
            }
        }
        let free = self.f.free;
        let token = self.token;
        match token {
            Token::Name(name) if self.look_ahead()? == Token::Assign => {
                self.next()?;
                self.field_value(c, Exp::new(Kind::Str(name)), free)
            }
            Token::OpenBracket => {
                self.next()?;
                self.todo(Task::EndKey {
                    constructor: c,
                    free,
                })?;
                self.todo(Task::Expression { power: 0 })
            }
            _ => {
                c.waiting = c.waiting.wrapping_add(1);
                c.item = true;
                if c.stored >= i32::MAX as u32 >> 1 {
                    return self.limit("items in a constructor", i32::MAX as u32 >> 1);
                }
                self.todo(Task::TableItems(c))?;
                self.todo(Task::Expression { power: 0 })
            }
        }
    }

    pub(super) fn end_key(&mut self, constructor: Constructor, free: u16) -> Result<()> {
        let mut key = self.e;
        self.put_value(&mut key)?;
        self.expect(Token::CloseBracket)?;
        self.field_value(constructor, key, free)
    }

    fn field_value(&mut self, constructor: Constructor, key: Exp, free: u16) -> Result<()> {
        let mut c = constructor;
        c.fields = c.fields.wrapping_add(1);
        self.expect(Token::Assign)?;
        let mut target = Exp::new(Kind::Reg(c.table));
        self.indexed(&mut target, &key)?;
        self.todo(Task::EndField {
            constructor: c,
            target,
            free,
        })?;
        self.todo(Task::Expression { power: 0 })
    }

    pub(super) fn end_field(&mut self, c: Constructor, target: &Exp, free: u16) -> Result<()> {
        let mut value = self.e;
        self.store(target, &mut value)?;
        self.f.free = free;
        self.table_items(c)
    }

    fn end_constructor(&mut self, constructor: Constructor) -> Result<()> {
        let mut c = constructor;
        if c.waiting > 0 {
            let mut e = self.e;
            let open = c.item && e.is_open();
            if open {
                self.set_results(&mut e, None)?;
                self.set_list(c.table, c.stored, None)?;
                c.waiting = c.waiting.wrapping_sub(1);
            } else {
                if c.item {
                    self.put_next(&mut e)?;
                }
                self.set_list(c.table, c.stored, Some(c.waiting))?;
            }
            c.stored = c.stored.wrapping_add(u32::from(c.waiting));
        }
        self.set_b(c.pc, u16::try_from(c.stored).unwrap_or(u16::MAX));
        self.set_c(c.pc, u16::try_from(c.fields).unwrap_or(u16::MAX));
        self.e = Exp::new(Kind::Reg(c.table));
        Ok(())
    }

    // --- Operators -----------------------------------------------------------------------------

    fn prefix(&mut self, op: Unary, e: &mut Exp, line: u32) -> Result<()> {
        self.discharge(e)?;
        if op == Unary::Not {
            return self.negation(e);
        }
        if let Some(folded) = e.numeral().and_then(|n| fold::unary(op, n)) {
            e.kind = constant(folded);
            return Ok(());
        }
        let register = self.put_any(e)?;
        self.free_exp(e);
        let op = match op {
            Unary::Minus => Op::Unm,
            Unary::BNot => Op::BNot,
            _ => Op::Len,
        };
        e.kind = Kind::Reloc(self.emit(Inst::abc(op, 0, u16::from(register), 0))?);
        self.fix_line(line);
        Ok(())
    }

    /// What is to be done with the left operand before the right one is read.
    fn infix(&mut self, op: Binary, e: &mut Exp) -> Result<()> {
        if let Kind::Boxed(..) = e.kind
            && !matches!(op, Binary::And | Binary::Or | Binary::Concat)
        {
            // A local variable is read when both operands are there, as if it had no box.
            return Ok(());
        }
        if op.takes_numbers() {
            self.known_number(e);
        }
        self.discharge(e)?;
        match op {
            Binary::And => self.go_if_true(e),
            Binary::Or => self.go_if_false(e),
            Binary::Concat => self.put_next(e).map(|_| ()),
            Binary::Eq | Binary::Ne => {
                // A constant waits: it may become the right operand.
                if self.constant(e)?.is_none() {
                    self.put_any(e)?;
                }
                Ok(())
            }
            Binary::Lt | Binary::Le | Binary::Gt | Binary::Ge => {
                if immediate(e, false).is_none() {
                    self.put_any(e)?;
                }
                Ok(())
            }
            _ => {
                if e.numeral().is_none() {
                    self.put_any(e)?;
                }
                Ok(())
            }
        }
    }

    fn postfix(&mut self, op: Binary, a: &mut Exp, b: &mut Exp, line: u32) -> Result<()> {
        if op.takes_numbers() {
            self.known_number(b);
        }
        self.discharge(b)?;
        if let (Some(x), Some(y)) = (a.numeral(), b.numeral())
            && let Some(folded) = fold::binary(op, x, y)
        {
            a.kind = constant(folded);
            return Ok(());
        }
        if let Kind::Boxed(..) = a.kind {
            if self.constant(b)?.is_none() {
                self.put_any(b)?;
            }
            self.put_any(a)?;
        }
        match op {
            Binary::And => {
                let mut f = b.f;
                self.join(&mut f, a.f);
                b.f = f;
                *a = *b;
                Ok(())
            }
            Binary::Or => {
                let mut t = b.t;
                self.join(&mut t, a.t);
                b.t = t;
                *a = *b;
                Ok(())
            }
            Binary::Concat => self.concat(a, b, line),
            Binary::Eq | Binary::Ne => self.equality(op == Binary::Eq, a, b, line),
            Binary::Lt => self.order(Op::JmpLt, a, b, line),
            Binary::Le => self.order(Op::JmpLe, a, b, line),
            Binary::Gt => self.order(Op::JmpLt, b, a, line).map(|()| *a = *b),
            Binary::Ge => self.order(Op::JmpLe, b, a, line).map(|()| *a = *b),
            _ => self.arithmetic(op, a, b, line),
        }
    }

    fn concat(&mut self, a: &mut Exp, b: &mut Exp, line: u32) -> Result<()> {
        let right = self.put_next(b)?;
        let Kind::Reg(left) = a.kind else {
            return Ok(());
        };
        if let Some((pc, inst, Op::Concat)) = self.previous()
            && inst.a() == right
        {
            self.set_a(pc, left);
            self.set_b(pc, inst.b().wrapping_add(1));
        } else {
            self.emit(Inst::abc(Op::Concat, left, 2, 0))?;
        }
        self.free_exp(b);
        self.fix_line(line);
        Ok(())
    }

    /// Finishes an operation on registers `a` and perhaps `b`.
    fn result(&mut self, a: &mut Exp, b: &Exp, inst: Inst, line: u32) -> Result<()> {
        let both = (*a, *b);
        a.kind = Kind::Reloc(self.emit(inst)?);
        self.free_both(&both.0, &both.1);
        self.fix_line(line);
        Ok(())
    }

    fn arithmetic(&mut self, op: Binary, a: &mut Exp, b: &mut Exp, line: u32) -> Result<()> {
        // x + c and x - c with a small c.
        let small = |e: &Exp| match e.numeral() {
            Some(Number::Int(i)) => i16::try_from(i).ok().filter(|i| *i != i16::MIN),
            _ => None,
        };
        let sum = match (op, small(a), small(b)) {
            (Binary::Add, _, Some(c)) => Some((c, 0)),
            (Binary::Sub, _, Some(c)) => Some((c.wrapping_neg(), 1)),
            (Binary::Add, Some(c), None) => {
                core::mem::swap(a, b);
                Some((c, 2))
            }
            _ => None,
        };
        if let Some((c, off)) = sum {
            let register = self.put_any(a)?;
            let inst = Inst::abc(Op::AddI, 0, u16::from(register), c as u16).with_off(off);
            return self.result(a, &Exp::new(Kind::Void), inst, line);
        }
        let usable = |e: &Exp| match e.numeral() {
            Some(Number::Int(_)) => true,
            Some(Number::Float(_)) => !op.is_bitwise(),
            None => false,
        };
        let mut flipped = false;
        if op.is_commutative() && usable(a) && !usable(b) {
            core::mem::swap(a, b);
            flipped = true;
        }
        if usable(b)
            && let Some(k) = self.number_operand(b)?
        {
            let register = self.put_any(a)?;
            let inst = Inst::abc(op.constant_op(), 0, u16::from(register), k)
                .with_off(u16::from(flipped) << 1);
            return self.result(a, &Exp::new(Kind::Void), inst, line);
        }
        if flipped {
            core::mem::swap(a, b);
        }
        let right = self.put_any(b)?;
        let left = self.put_any(a)?;
        let inst = Inst::abc(op.register_op(), 0, u16::from(left), u16::from(right));
        self.result(a, b, inst, line)
    }

    /// Finishes a comparison.
    fn comparison(&mut self, a: &mut Exp, b: &Exp, inst: Inst, line: u32) -> Result<()> {
        let both = (*a, *b);
        let pc = self.emit(inst)?;
        *a = Exp::new(Kind::Jump(pc));
        self.free_both(&both.0, &both.1);
        self.fix_line(line);
        Ok(())
    }

    fn equality(&mut self, equal: bool, a: &mut Exp, b: &mut Exp, line: u32) -> Result<()> {
        let of = |op| if equal { op } else { negated(op) };
        if !matches!(a.kind, Kind::Reg(_)) {
            core::mem::swap(a, b);
        }
        let left = self.put_any(a)?;
        if let Some(i) = immediate(b, true) {
            let inst = Inst::ai(of(Op::JmpEqI), left, i).with_off(self.last_use(left));
            return self.comparison(a, b, inst, line);
        }
        if let Some(k) = self.constant(b)? {
            return self.comparison(a, b, Inst::ai(of(Op::JmpEqK), left, k as i32), line);
        }
        let right = self.put_any(b)?;
        self.comparison(
            a,
            b,
            Inst::abc(of(Op::JmpEq), left, u16::from(right), 0),
            line,
        )
    }

    /// `a < b` or `a <= b`; the result is left in `a` and `b`, whichever the caller wants.
    fn order(&mut self, op: Op, a: &mut Exp, b: &mut Exp, line: u32) -> Result<()> {
        let less = op == Op::JmpLt;
        if let Some(i) = immediate(b, false) {
            let left = self.put_any(a)?;
            let op = if less { Op::JmpLtI } else { Op::JmpLeI };
            return self.comparison(a, b, Inst::ai(op, left, i), line);
        }
        if let Some(i) = immediate(a, false) {
            let right = self.put_any(b)?;
            let op = if less { Op::JmpGtI } else { Op::JmpGeI };
            self.comparison(b, a, Inst::ai(op, right, i), line)?;
            *a = *b;
            return Ok(());
        }
        let right = self.put_any(b)?;
        let left = self.put_any(a)?;
        self.comparison(a, b, Inst::abc(op, left, u16::from(right), 0), line)
    }

    fn free_both(&mut self, a: &Exp, b: &Exp) {
        if let (Kind::Reg(a), Kind::Reg(b)) = (a.kind, b.kind) {
            self.free_registers(a, b);
        } else {
            self.free_exp(a);
            self.free_exp(b);
        }
    }
}
