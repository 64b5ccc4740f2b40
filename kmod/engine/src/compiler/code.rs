// SPDX-License-Identifier: GPL-2.0-only
//! Instructions for expressions, kept open until the function ends.
//!
//! A jump's target is a place among the open instructions of its function; jumps to a place that is
//! still unknown form a list through that field. `JmpF` and `JmpT` carry two more operands until they
//! are laid out: C = [`CARRIES`] when the value they test may also be the result, and then B = the
//! register plus one that wants it, or 0; C = [`CARRIES_LATE`] when that register is a variable's, which
//! must keep its value unless the jump is taken. OFF = [`LAST_USE`] in these and in `JmpNeI` when
//! nothing needs the tested register afterwards.

use super::diagnostic::Text;
use super::exp::{Exp, Kind, NOWHERE};
use super::scope::Attribute;
use super::{Compiler, Open, Result, known};
use crate::bytecode::op::{Inst, Op};
use crate::bytecode::word::MOST_SLOT;
use crate::value::Tag;

/// Most registers of a function.
const MAX_REGISTERS: u16 = 255;
/// Operand C of an open `JmpF` or `JmpT`.
pub(super) const CARRIES: u16 = 1;
/// Operand C of an open `JmpF` or `JmpT`.
pub(super) const CARRIES_LATE: u16 = 2;
/// Operand OFF of an open branch: the register it tests was a temporary one.
pub(super) const LAST_USE: u16 = 1;

impl Compiler<'_, '_> {
    // --- Instructions ----------------------------------------------------------------------------

    /// The place of the next instruction.
    pub(super) fn pc(&self) -> u32 {
        self.code_len.wrapping_sub(self.f.code)
    }

    /// Appends an instruction; answers its place.
    pub(super) fn emit(&mut self, inst: Inst) -> Result<u32> {
        let pc = self.pc();
        if pc >= i32::MAX as u32 >> 3 {
            return self.fail_near(&[Text::Str("function is too long")]);
        }
        let open = Open {
            inst,
            line: self.last_line,
            target: NOWHERE,
        };
        if self.dry {
            // Only the last instruction is kept: it is what the rest may look at or change.
            self.code.truncate(0);
        }
        self.push(|c| c.code.push(&mut c.b.arena, open))?;
        self.code_len = self.code_len.wrapping_add(1);
        self.code_most = self.code_most.max(self.code_len);
        Ok(pc)
    }

    /// The open instruction at a place, if it is kept.
    pub(super) fn at(&mut self, pc: u32) -> Option<&mut Open> {
        let index = self.f.code.checked_add(pc)?;
        let kept = self.code_len.wrapping_sub(self.code.len() as u32);
        self.code
            .as_mut_slice()
            .get_mut(index.checked_sub(kept)? as usize)
    }

    pub(super) fn inst(&mut self, pc: u32) -> Inst {
        self.at(pc).map_or(Inst(0), |open| open.inst)
    }

    pub(super) fn op(&mut self, pc: u32) -> Option<Op> {
        Op::from_byte(self.inst(pc).op_byte())
    }

    pub(super) fn set_inst(&mut self, pc: u32, inst: Inst) {
        if let Some(open) = self.at(pc) {
            open.inst = inst;
        }
    }

    pub(super) fn set_a(&mut self, pc: u32, a: u8) {
        let inst = self.inst(pc);
        self.set_inst(pc, Inst(inst.0 & !0xff00 | u64::from(a) << 8));
    }

    pub(super) fn set_b(&mut self, pc: u32, b: u16) {
        let inst = self.inst(pc);
        self.set_inst(pc, Inst(inst.0 & !(0xffff << 32) | u64::from(b) << 32));
    }

    pub(super) fn set_c(&mut self, pc: u32, c: u16) {
        let inst = self.inst(pc);
        self.set_inst(pc, Inst(inst.0 & !(0xffff << 48) | u64::from(c) << 48));
    }

    /// The last instruction belongs to this line.
    pub(super) fn fix_line(&mut self, line: u32) {
        if let Some(last) = self.code.last_mut() {
            last.line = line;
        }
    }

    /// Takes the last instruction back.
    pub(super) fn remove_last(&mut self) {
        if self.code.pop().is_some() {
            self.code_len = self.code_len.wrapping_sub(1);
        }
    }

    /// The last instruction, if it is kept and nothing jumps to behind it.
    pub(super) fn previous(&mut self) -> Option<(u32, Inst, Op)> {
        let pc = self.pc();
        if pc <= self.f.last_target {
            return None;
        }
        let last = pc.checked_sub(1)?;
        let inst = self.at(last)?.inst;
        Some((last, inst, Op::from_byte(inst.op_byte())?))
    }

    // --- Registers -------------------------------------------------------------------------------

    /// Takes the next `count` registers; answers the first one.
    pub(super) fn reserve(&mut self, count: u16) -> Result<u8> {
        let first = self.f.free;
        let end = first.saturating_add(count);
        if end > MAX_REGISTERS {
            return self.fail_near(&[Text::Str("function or expression needs too many registers")]);
        }
        self.f.free = end;
        self.f.size = self.f.size.max(end);
        Ok(first as u8)
    }

    /// Makes sure that the frame has `count` more registers than are taken.
    pub(super) fn check_room(&mut self, count: u16) -> Result<()> {
        let free = self.f.free;
        self.reserve(count)?;
        self.f.free = free;
        Ok(())
    }

    /// The next free register.
    pub(super) fn free(&self) -> u8 {
        self.f.free as u8
    }

    fn free_register(&mut self, register: u8) {
        if u16::from(register) >= self.var_registers() {
            self.f.free = self.f.free.saturating_sub(1);
            debug_assert_eq!(self.f.free, u16::from(register), "registers are a stack");
        }
    }

    /// Gives two registers back, the higher one first.
    pub(super) fn free_registers(&mut self, a: u8, b: u8) {
        self.free_register(a.max(b));
        self.free_register(a.min(b));
    }

    /// Gives the register of a temporary back.
    pub(super) fn free_exp(&mut self, e: &Exp) {
        if let Kind::Reg(register) = e.kind {
            self.free_register(register);
        }
    }

    // --- Constants -------------------------------------------------------------------------------

    /// The constant pool's number of an expression that is a constant without jumps. While learning
    /// there is no pool.
    pub(super) fn constant(&mut self, e: &Exp) -> Result<Option<u32>> {
        if e.has_jumps() {
            return Ok(None);
        }
        let kind = e.kind;
        if self.dry {
            return Ok(kind.is_constant().then_some(0));
        }
        self.push(|c| {
            Ok(Some(match kind {
                Kind::Nil => c.b.constant_tag(Tag::Nil)?,
                Kind::True => c.b.constant_tag(Tag::True)?,
                Kind::False => c.b.constant_tag(Tag::False)?,
                Kind::Int(i) => c.b.constant_int(i)?,
                Kind::Float(f) => c.b.constant_float(f)?,
                Kind::Str(name) => c.b.constant_string(name)?,
                Kind::Verdict(payload) => c.b.constant_verdict(payload)?,
                _ => return Ok(None),
            }))
        })
    }

    /// The same, if it fits an operand.
    pub(super) fn constant_operand(&mut self, e: &Exp) -> Result<Option<u16>> {
        Ok(self
            .constant(e)?
            .and_then(|index| u16::try_from(index).ok())
            .filter(|&index| index <= MOST_SLOT))
    }

    /// A number without jumps as a constant operand.
    pub(super) fn number_operand(&mut self, e: &Exp) -> Result<Option<u16>> {
        if e.numeral().is_some() {
            self.constant_operand(e)
        } else {
            Ok(None)
        }
    }

    // --- Values ----------------------------------------------------------------------------------

    /// Turns a variable into the way to read it.
    pub(super) fn discharge(&mut self, e: &mut Exp) -> Result<()> {
        e.kind = match e.kind {
            Kind::Known(index) => match self.vars.at(index as usize).map(|var| var.attribute) {
                Some(Attribute::Known(kind)) => kind,
                _ => Kind::Nil,
            },
            Kind::Local(register, _) => Kind::Reg(register),
            Kind::Boxed(register, _) => {
                Kind::Reloc(self.emit(Inst::abc(Op::GetBox, 0, u16::from(register), 0))?)
            }
            Kind::Up(index) => {
                Kind::Reloc(self.emit(Inst::abc(Op::GetUp, 0, u16::from(index), 0))?)
            }
            Kind::UpBox(index) => {
                Kind::Reloc(self.emit(Inst::abc(Op::GetUpBox, 0, u16::from(index), 0))?)
            }
            Kind::IndexUp(up, key, _) => {
                Kind::Reloc(self.emit(Inst::abc(Op::GetTabUp, 0, u16::from(up), key))?)
            }
            Kind::IndexStr(table, key, name) => {
                self.free_register(table);
                Kind::Reloc(self.get_field(table, key, name)?)
            }
            Kind::IndexInt(table, key) => {
                self.free_register(table);
                Kind::Reloc(self.emit(Inst::abc(Op::GetInt, 0, u16::from(table), key))?)
            }
            Kind::Index(table, key) => {
                self.free_registers(table, key);
                let inst = Inst::abc(Op::GetIndex, 0, u16::from(table), u16::from(key));
                Kind::Reloc(self.emit(inst)?)
            }
            Kind::Call(_, base) => Kind::Reg(base),
            Kind::VarArg(pc) => {
                self.set_c(pc, 2);
                Kind::Reloc(pc)
            }
            other => other,
        };
        Ok(())
    }

    /// Reads a field; together with the one before it when the two are a packet path.
    fn get_field(&mut self, table: u8, key: u16, name: u32) -> Result<u32> {
        let (last, first_name) = self.f.last_field;
        if let Some((pc, inst, Op::GetField)) = self.previous()
            && pc == last
            && inst.a() == table
            && u16::from(table) >= self.var_registers()
        {
            let path = known::path_id(self.b.text(first_name), self.b.text(name));
            if path != 0
                && !self.dry
                && let Ok(pair) = u16::try_from(self.push(|c| c.b.constant_pair(first_name, name))?)
                && pair < MOST_SLOT
            {
                let line = self.last_line;
                self.set_inst(
                    pc,
                    Inst::abc(Op::GetField2, 0, inst.b(), pair).with_off(path),
                );
                self.fix_line(line);
                return Ok(pc);
            }
        }
        let pc = self.emit(Inst::abc(Op::GetField, 0, u16::from(table), key))?;
        self.f.last_field = (pc, name);
        Ok(pc)
    }

    /// Puts a value without jumps into a register.
    pub(super) fn put_plain(&mut self, e: &mut Exp, register: u8) -> Result<()> {
        self.discharge(e)?;
        match e.kind {
            Kind::Nil => self.load_nil(register, 1)?,
            Kind::False => {
                self.emit(Inst::abc(Op::LoadFalse, register, 0, 0))?;
            }
            Kind::True => {
                self.emit(Inst::abc(Op::LoadTrue, register, 0, 0))?;
            }
            Kind::Int(i) if i32::try_from(i).is_ok() => {
                self.emit(Inst::ai(Op::LoadI, register, i as i32))?;
            }
            Kind::Int(_) | Kind::Float(_) | Kind::Str(_) | Kind::Verdict(_) => {
                let plain = Exp::new(e.kind);
                let constant = self.constant(&plain)?.unwrap_or(0);
                self.emit(Inst::ai(Op::LoadK, register, constant as i32))?;
            }
            Kind::Reloc(pc) => self.set_a(pc, register),
            Kind::Reg(from) => {
                if from != register {
                    self.emit(Inst::abc(Op::Move, register, u16::from(from), 0))?;
                }
            }
            _ => return Ok(()),
        }
        e.kind = Kind::Reg(register);
        Ok(())
    }

    /// nil into registers; joined with the instruction before if that did the same next to them.
    pub(super) fn load_nil(&mut self, first: u8, count: u16) -> Result<()> {
        if let Some((pc, inst, Op::LoadNil)) = self.previous()
            && u16::from(inst.a()).wrapping_add(inst.b()) == u16::from(first)
        {
            self.set_b(pc, inst.b().wrapping_add(count));
            return Ok(());
        }
        self.emit(Inst::abc(Op::LoadNil, first, count, 0))?;
        Ok(())
    }

    /// Puts a value into a register, where its jumps bring theirs too.
    pub(super) fn put(&mut self, e: &mut Exp, register: u8) -> Result<()> {
        self.put_plain(e, register)?;
        if let Kind::Jump(pc) = e.kind {
            e.t = self.prepend(e.t, pc);
        }
        if e.has_jumps() {
            let (mut on_false, mut on_true) = (NOWHERE, NOWHERE);
            if self.needs_value(e.t) || self.needs_value(e.f) {
                let over = if matches!(e.kind, Kind::Jump(_)) {
                    NOWHERE
                } else {
                    self.jump()?
                };
                on_false = self.label_here();
                self.emit(Inst::abc(Op::LoadFalse, register, 0, 0))?;
                let skip = self.jump()?;
                on_true = self.label_here();
                self.emit(Inst::abc(Op::LoadTrue, register, 0, 0))?;
                let behind = self.label_here();
                self.patch(skip, behind);
                self.patch(over, behind);
            }
            let end = self.label_here();
            self.patch_values(e.f, end, Some(register), on_false);
            self.patch_values(e.t, end, Some(register), on_true);
        }
        *e = Exp::new(Kind::Reg(register));
        Ok(())
    }

    /// Puts a value into the next register.
    pub(super) fn put_next(&mut self, e: &mut Exp) -> Result<u8> {
        self.discharge(e)?;
        self.free_exp(e);
        let register = self.reserve(1)?;
        self.put(e, register)?;
        Ok(register)
    }

    /// Puts a value into some register.
    pub(super) fn put_any(&mut self, e: &mut Exp) -> Result<u8> {
        self.discharge(e)?;
        if let Kind::Reg(register) = e.kind {
            if !e.has_jumps() {
                return Ok(register);
            }
            if u16::from(register) >= self.var_registers() {
                self.put(e, register)?;
                return Ok(register);
            }
        }
        self.put_next(e)
    }

    /// Puts what is to be indexed into a register, unless it is a variable that is read later: PUC
    /// reads it behind the key too.
    pub(super) fn put_table(&mut self, e: &mut Exp) -> Result<()> {
        let later = matches!(e.kind, Kind::Up(_) | Kind::UpBox(_) | Kind::Boxed(..));
        if !later || e.has_jumps() {
            self.put_any(e)?;
        }
        Ok(())
    }

    /// Makes sure that a value is either in a register or a constant.
    pub(super) fn put_value(&mut self, e: &mut Exp) -> Result<()> {
        if e.has_jumps() || matches!(e.kind, Kind::Jump(_)) {
            self.put_any(e)?;
            Ok(())
        } else {
            self.discharge(e)
        }
    }

    /// `table[key]`; the table was left by [`Self::put_table`].
    pub(super) fn indexed(&mut self, table: &mut Exp, key: &Exp) -> Result<()> {
        let mut key = *key;
        let name = match key.kind {
            Kind::Str(name) if !key.has_jumps() => self
                .constant_operand(&key)?
                .map(|constant| (constant, name)),
            _ => None,
        };
        if let Kind::Up(up) = table.kind
            && let Some((constant, name)) = name
        {
            table.kind = Kind::IndexUp(up, constant, name);
            return Ok(());
        }
        // A table that was left in its place: the key may be in a register already, below the table's.
        let register = match table.kind {
            Kind::Local(register, _) | Kind::Reg(register) => register,
            _ => self.put_any(table)?,
        };
        table.kind = match (name, key.kind) {
            (Some((constant, name)), _) => Kind::IndexStr(register, constant, name),
            (None, Kind::Int(i)) if !key.has_jumps() && u16::try_from(i).is_ok() => {
                Kind::IndexInt(register, i as u16)
            }
            _ => Kind::Index(register, self.put_any(&mut key)?),
        };
        Ok(())
    }

    /// `e:name`: the method and its receiver in the next two registers.
    pub(super) fn method(&mut self, e: &mut Exp, name: u32) -> Result<()> {
        let object = self.put_any(e)?;
        self.free_exp(e);
        let base = self.reserve(2)?;
        let key = Exp::new(Kind::Str(name));
        if let Some(constant) = self.constant_operand(&key)? {
            self.emit(Inst::abc(Op::SelfField, base, u16::from(object), constant))?;
        } else {
            self.emit(Inst::abc(
                Op::Move,
                base.wrapping_add(1),
                u16::from(object),
                0,
            ))?;
            let mut key = key;
            let register = self.put_next(&mut key)?;
            let receiver = u16::from(base).wrapping_add(1);
            self.emit(Inst::abc(Op::GetIndex, base, receiver, u16::from(register)))?;
            self.free_exp(&key);
        }
        e.kind = Kind::Reg(base);
        Ok(())
    }

    /// Assigns a value to a variable.
    pub(super) fn store(&mut self, variable: &Exp, value: &mut Exp) -> Result<()> {
        match variable.kind {
            Kind::Local(register, _) => {
                self.free_exp(value);
                return self.put(value, register);
            }
            Kind::Boxed(register, _) => {
                let from = self.put_any(value)?;
                self.emit(Inst::abc(Op::SetBox, register, u16::from(from), 0))?;
            }
            Kind::Up(index) | Kind::UpBox(index) => {
                let from = self.put_any(value)?;
                self.emit(Inst::abc(Op::SetUp, index, u16::from(from), 0))?;
            }
            Kind::IndexUp(up, key, _) => {
                self.store_with(Op::SetTabUp, Op::SetTabUpK, up, key, value)?;
            }
            Kind::IndexStr(table, key, _) => {
                self.store_with(Op::SetField, Op::SetFieldK, table, key, value)?;
            }
            Kind::IndexInt(table, key) => {
                let from = self.put_any(value)?;
                self.emit(Inst::abc(Op::SetInt, table, key, u16::from(from)))?;
            }
            Kind::Index(table, key) => {
                self.store_with(Op::SetIndex, Op::SetIndexK, table, u16::from(key), value)?;
            }
            _ => {}
        }
        self.free_exp(value);
        Ok(())
    }

    fn store_with(&mut self, plain: Op, k: Op, a: u8, b: u16, value: &mut Exp) -> Result<()> {
        self.put_value(value)?;
        if let Some(constant) = self.constant_operand(value)? {
            self.emit(Inst::abc(k, a, b, constant))?;
        } else {
            let from = self.put_any(value)?;
            self.emit(Inst::abc(plain, a, b, u16::from(from)))?;
        }
        Ok(())
    }

    // --- Calls and lists -------------------------------------------------------------------------

    /// How many values a call or `...` gives: `None` for all of them.
    pub(super) fn set_results(&mut self, e: &mut Exp, count: Option<u16>) -> Result<()> {
        let operand = count.map_or(0, |count| count.wrapping_add(1));
        match e.kind {
            Kind::Call(pc, _) => self.set_c(pc, operand),
            Kind::VarArg(pc) => {
                self.set_c(pc, operand);
                let register = self.free();
                self.set_a(pc, register);
                self.reserve(1)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// One value.
    pub(super) fn one_result(&mut self, e: &mut Exp) {
        match e.kind {
            Kind::Call(_, base) => e.kind = Kind::Reg(base),
            Kind::VarArg(pc) => {
                self.set_c(pc, 2);
                e.kind = Kind::Reloc(pc);
            }
            _ => {}
        }
    }

    /// Returns `operand - 1` values from a register on (0: to the top).
    pub(super) fn return_values(&mut self, first: u8, count: u16) -> Result<()> {
        let closes = u16::from(self.inside_close());
        self.emit(match count {
            0 if closes == 0 => Inst::abc(Op::Return0, 0, 0, 0),
            1 if closes == 0 => Inst::abc(Op::Return1, first, 0, 0),
            // None are read from register 0: the one behind the locals may lie outside of the frame.
            0 => Inst::abc(Op::Return, 0, 1, closes),
            _ => Inst::abc(Op::Return, first, count.wrapping_add(1), closes),
        })?;
        Ok(())
    }

    /// Returns all values from a register to the top.
    pub(super) fn return_open(&mut self, first: u8) -> Result<()> {
        let closes = u16::from(self.inside_close());
        self.emit(Inst::abc(Op::Return, first, 0, closes))?;
        Ok(())
    }

    /// Table items from the registers behind the table's: `count` of them, or to the top.
    pub(super) fn set_list(&mut self, table: u8, stored: u32, count: Option<u16>) -> Result<()> {
        let count = count.unwrap_or(0);
        if let Ok(stored) = u16::try_from(stored) {
            self.emit(Inst::abc(Op::SetList, table, count, stored))?;
        } else {
            self.emit(Inst::abc(Op::SetList, table, count, 0).with_off(1))?;
            self.emit(Inst::ai(Op::Extra, 0, stored as i32))?;
        }
        self.f.free = u16::from(table).wrapping_add(1);
        Ok(())
    }
}
