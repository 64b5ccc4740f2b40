// SPDX-License-Identifier: GPL-2.0-only
//! Lists of jumps, and conditions.

use super::code::{CARRIES, CARRIES_LATE, LAST_USE};
use super::exp::{Exp, Kind, NOWHERE, is_conditional, negated};
use super::{Compiler, Result};
use crate::bytecode::op::{Inst, Op};

impl Compiler<'_, '_> {
    // --- Jumps -----------------------------------------------------------------------------------

    /// A jump to somewhere.
    pub(super) fn jump(&mut self) -> Result<u32> {
        self.emit(Inst::ai(Op::Jmp, 0, 0))
    }

    /// This place may be jumped to.
    pub(super) fn label_here(&mut self) -> u32 {
        self.f.last_target = self.pc();
        self.f.last_target
    }

    /// Joins two lists of jumps.
    pub(super) fn join(&mut self, list: &mut u32, more: u32) {
        if more == NOWHERE {
            return;
        }
        if *list == NOWHERE {
            *list = more;
            return;
        }
        let mut last = *list;
        while let Some(open) = self.at(last)
            && open.target != NOWHERE
        {
            last = open.target;
        }
        if let Some(open) = self.at(last) {
            open.target = more;
        }
    }

    /// Puts one jump, which is in no list yet, before a list.
    pub(super) fn prepend(&mut self, list: u32, pc: u32) -> u32 {
        match self.at(pc) {
            Some(open) => {
                open.target = list;
                pc
            }
            None => list,
        }
    }

    /// A list of jumps goes to `target`; those that carry a value put it into `register` and go to
    /// `with_value` instead.
    pub(super) fn patch_values(
        &mut self,
        list: u32,
        with_value: u32,
        register: Option<u8>,
        target: u32,
    ) {
        let mut at = list;
        while at != NOWHERE {
            let next = self.at(at).map_or(NOWHERE, |open| open.target);
            let carries = self.patch_carrier(at, register);
            if let Some(open) = self.at(at) {
                open.target = if carries { with_value } else { target };
            }
            at = next;
        }
    }

    /// Says where the value goes that a jump tests; false if it is no value.
    fn patch_carrier(&mut self, pc: u32, register: Option<u8>) -> bool {
        let inst = self.inst(pc);
        let carries = matches!(self.op(pc), Some(Op::JmpF | Op::JmpT)) && inst.c() == CARRIES;
        if carries {
            match register {
                Some(register) if register != inst.a() => {
                    self.set_b(pc, u16::from(register).wrapping_add(1));
                    if u16::from(register) < self.var_registers() {
                        self.set_c(pc, CARRIES_LATE);
                    }
                }
                // The value is wanted where it is tested: that is not its last use.
                Some(_) => {
                    self.set_inst(pc, inst.with_off(0));
                    self.set_c(pc, 0);
                }
                None => self.set_c(pc, 0),
            }
        }
        carries
    }

    /// A list of jumps goes to a place.
    pub(super) fn patch(&mut self, list: u32, target: u32) {
        self.patch_values(list, target, None, target);
    }

    /// A list of jumps goes here.
    pub(super) fn patch_here(&mut self, list: u32) {
        let here = self.label_here();
        self.patch(list, here);
    }

    /// Whether some jump of the list carries no value.
    pub(super) fn needs_value(&mut self, list: u32) -> bool {
        let mut at = list;
        while at != NOWHERE {
            let carries =
                matches!(self.op(at), Some(Op::JmpF | Op::JmpT)) && self.inst(at).c() == CARRIES;
            if !carries {
                return true;
            }
            at = self.at(at).map_or(NOWHERE, |open| open.target);
        }
        false
    }

    pub(super) fn remove_values(&mut self, list: u32) {
        let mut at = list;
        while at != NOWHERE {
            self.patch_carrier(at, None);
            at = self.at(at).map_or(NOWHERE, |open| open.target);
        }
    }

    // --- Conditions ------------------------------------------------------------------------------

    /// Goes on when the value is true: jumps elsewhere when it is false.
    pub(super) fn go_if_true(&mut self, e: &mut Exp) -> Result<()> {
        self.discharge(e)?;
        let pc = match e.kind {
            Kind::Jump(pc) => {
                self.negate(pc);
                pc
            }
            Kind::True | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) | Kind::Verdict(_) => NOWHERE,
            _ => self.jump_on(e, false)?,
        };
        e.f = self.prepend(e.f, pc);
        self.patch_here(e.t);
        e.t = NOWHERE;
        Ok(())
    }

    /// Goes on when the value is false: jumps elsewhere when it is true.
    pub(super) fn go_if_false(&mut self, e: &mut Exp) -> Result<()> {
        self.discharge(e)?;
        let pc = match e.kind {
            Kind::Jump(pc) => pc,
            Kind::Nil | Kind::False => NOWHERE,
            _ => self.jump_on(e, true)?,
        };
        e.t = self.prepend(e.t, pc);
        self.patch_here(e.f);
        e.f = NOWHERE;
        Ok(())
    }

    /// A jump that is taken when the value is `condition`.
    fn jump_on(&mut self, e: &mut Exp, condition: bool) -> Result<u32> {
        let of = |condition| if condition { Op::JmpT } else { Op::JmpF };
        if let Kind::Reloc(pc) = e.kind
            && let Some((last, inst, Op::Not)) = self.previous()
            && last == pc
        {
            self.remove_last();
            return self.emit(Inst::abc(of(!condition), inst.b() as u8, 0, 0));
        }
        if !matches!(e.kind, Kind::Reg(_)) {
            let register = self.reserve(1)?;
            self.put_plain(e, register)?;
        }
        self.free_exp(e);
        let Kind::Reg(register) = e.kind else {
            return Ok(NOWHERE);
        };
        let last_use = self.last_use(register);
        self.emit(Inst::abc(of(condition), register, 0, CARRIES).with_off(last_use))
    }

    /// [`LAST_USE`] if a register that is about to be tested is no variable's.
    pub(super) fn last_use(&self, register: u8) -> u16 {
        if u16::from(register) >= self.var_registers() {
            LAST_USE
        } else {
            0
        }
    }

    fn negate(&mut self, pc: u32) {
        let inst = self.inst(pc);
        if let Some(op) = Op::from_byte(inst.op_byte())
            && is_conditional(op)
        {
            self.set_inst(pc, Inst(inst.0 & !0xff | negated(op) as u64));
        }
    }

    /// `not e`.
    pub(super) fn negation(&mut self, e: &mut Exp) -> Result<()> {
        e.kind = match e.kind {
            Kind::Nil | Kind::False => Kind::True,
            Kind::True | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) | Kind::Verdict(_) => {
                Kind::False
            }
            Kind::Jump(pc) => {
                self.negate(pc);
                e.kind
            }
            _ => {
                if !matches!(e.kind, Kind::Reg(_)) {
                    let register = self.reserve(1)?;
                    self.put_plain(e, register)?;
                }
                self.free_exp(e);
                let Kind::Reg(register) = e.kind else {
                    return Ok(());
                };
                Kind::Reloc(self.emit(Inst::abc(Op::Not, 0, u16::from(register), 0))?)
            }
        };
        core::mem::swap(&mut e.t, &mut e.f);
        self.remove_values(e.t);
        self.remove_values(e.f);
        Ok(())
    }
}
