// SPDX-License-Identifier: GPL-2.0-only
//! The end of a function: its open instructions become those of the image.
//!
//! Jumps to jumps go to the end of the chain, what cannot be reached goes, a branch around a jump
//! becomes the opposite branch, and what the instruction set cannot say in one instruction (a branch
//! that is long or goes back, a branch that carries a value) becomes several. Tests of packet fields
//! get the hint that lets the interpreter do them at once. Then loops get their price.

use super::code::{CARRIES, CARRIES_LATE, LAST_USE};
use super::exp::{is_conditional, negated};
use super::{Compiler, Open, Result};
use crate::bytecode::image::Local;
use crate::bytecode::op::{Inst, Op};

/// Flag of an open instruction: control may come here.
const REACHED: u8 = 1;
/// Flag of an open instruction: a jump goes here.
const LEADER: u8 = 2;

/// Branches over more open instructions than this are made long: each may become three.
const FAR: u32 = 16_000;
/// Instructions for one unit of fuel.
const PER_FUEL: u32 = 6;

/// What was laid out.
pub(super) struct Laid {
    pub code_len: u32,
    pub fuel: u32,
    pub lines: u32,
    pub locals: u32,
}

fn op_of(open: Open) -> Op {
    Op::from_byte(open.inst.op_byte()).unwrap_or(Op::Return0)
}

/// Whether control never comes to the next instruction.
fn is_end(op: Op) -> bool {
    matches!(
        op,
        Op::Jmp | Op::Return0 | Op::Return1 | Op::Return | Op::TailCall
    )
}

fn has_target(op: Op) -> bool {
    matches!(
        op,
        Op::Jmp | Op::ForPrep | Op::ForLoop | Op::TForPrep | Op::TForLoop
    ) || is_conditional(op)
}

/// Where the value of a branch goes, if it carries one.
fn carried(open: Open) -> Option<u8> {
    match open.inst.c() {
        CARRIES | CARRIES_LATE if matches!(op_of(open), Op::JmpF | Op::JmpT) => {
            open.inst.b().checked_sub(1).map(|register| register as u8)
        }
        _ => None,
    }
}

const fn fuel_of(instructions: u32) -> u32 {
    let fuel = instructions.wrapping_div(PER_FUEL);
    if fuel == 0 { 1 } else { fuel }
}

impl Compiler<'_, '_> {
    /// Lays the function at hand out.
    pub(super) fn lay_out(&mut self) -> Result<Laid> {
        self.thread_jumps();
        self.mark()?;
        self.invert_branches();
        self.place()?;
        let (code_len, lines) = self.write()?;
        let locals = self.write_locals()?;
        Ok(Laid {
            code_len,
            fuel: fuel_of(code_len),
            lines,
            locals,
        })
    }

    fn open(&self) -> &[Open] {
        self.code
            .as_slice()
            .get(self.f.code as usize..)
            .unwrap_or(&[])
    }

    fn open_at(&self, pc: u32) -> Open {
        let nothing = Open {
            inst: Inst(0),
            line: 0,
            target: 0,
        };
        self.open().get(pc as usize).copied().unwrap_or(nothing)
    }

    fn is(&self, pc: u32, flag: u8) -> bool {
        self.flags
            .at(pc as usize)
            .is_some_and(|flags| flags & flag != 0)
    }

    fn flag(&mut self, pc: u32, flag: u8) {
        if let Some(flags) = self.flags.as_mut_slice().get_mut(pc as usize) {
            *flags |= flag;
        }
    }

    fn place_of(&self, pc: u32) -> u32 {
        self.places.at(pc as usize).unwrap_or(0)
    }

    /// Jumps to a jump go where that one goes.
    fn thread_jumps(&mut self) {
        /// Longer chains are cut here; they only cost time.
        const CHAIN: u32 = 32;
        for pc in 0..self.pc() {
            let open = self.open_at(pc);
            let op = op_of(open);
            if op != Op::Jmp && !is_conditional(op) {
                continue;
            }
            let mut target = open.target;
            for _ in 0..CHAIN {
                let next = self.open_at(target);
                if op_of(next) != Op::Jmp || (next.target <= pc && op != Op::Jmp) {
                    break;
                }
                target = next.target;
            }
            if let Some(open) = self.at(pc) {
                open.target = target;
            }
        }
    }

    /// Marks what can be reached, and where jumps go.
    fn mark(&mut self) -> Result<()> {
        let len = self.pc();
        self.flags.truncate(0);
        self.push(|c| c.flags.make_room(&mut c.b.arena, len as usize, 0))?;
        for _ in 0..len {
            self.push(|c| c.flags.push(&mut c.b.arena, 0))?;
        }
        // Places serve as the list of where to go on.
        self.places.truncate(0);
        self.push(|c| c.places.push(&mut c.b.arena, 0))?;
        while let Some(start) = self.places.pop() {
            let mut pc = start;
            while pc < len && !self.is(pc, REACHED) {
                self.flag(pc, REACHED);
                let open = self.open_at(pc);
                let op = op_of(open);
                if has_target(op) {
                    self.flag(open.target, LEADER);
                    if !self.is(open.target, REACHED) {
                        self.push(|c| c.places.push(&mut c.b.arena, open.target))?;
                    }
                }
                if is_end(op) {
                    break;
                }
                pc = pc.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// A branch over a jump forwards becomes the opposite branch.
    fn invert_branches(&mut self) {
        for pc in 0..self.pc() {
            let open = self.open_at(pc);
            let over = pc.wrapping_add(1);
            let jump = self.open_at(over);
            if self.is(pc, REACHED)
                && is_conditional(op_of(open))
                && carried(open).is_none()
                && open.target == pc.wrapping_add(2)
                && op_of(jump) == Op::Jmp
                && jump.target > over
                && !self.is(over, LEADER)
            {
                if let Some(flags) = self.flags.as_mut_slice().get_mut(over as usize) {
                    *flags = 0;
                }
                if let Some(slot) = self.at(pc) {
                    slot.inst = Inst(slot.inst.0 & !0xff | negated(op_of(open)) as u64);
                    slot.target = jump.target;
                }
            }
        }
    }

    /// Whether a branch does not fit one instruction.
    fn is_far(pc: u32, open: Open) -> bool {
        open.target <= pc || open.target.wrapping_sub(pc) > FAR
    }

    /// How many instructions an open one becomes.
    fn size(&self, pc: u32) -> u32 {
        if !self.is(pc, REACHED) {
            return 0;
        }
        let open = self.open_at(pc);
        let op = op_of(open);
        if op == Op::Jmp {
            let next = pc.wrapping_add(1);
            let near = open.target > pc && open.target.wrapping_sub(pc) <= 64;
            let nothing_between =
                near && (next..open.target).all(|between| !self.is(between, REACHED));
            return u32::from(!nothing_between);
        }
        if !is_conditional(op) {
            return if self.hint(pc).is_some() { 2 } else { 1 };
        }
        match (carried(open), Self::is_far(pc, open)) {
            (Some(_), _) if open.inst.c() == CARRIES_LATE => 3,
            (Some(_), true) => 3,
            (Some(_), false) | (None, true) => 2,
            (None, false) => 1,
        }
    }

    /// The packet test that may stand before this instruction and the next one.
    fn hint(&self, pc: u32) -> Option<Inst> {
        let get = self.open_at(pc);
        let next = pc.wrapping_add(1);
        let test = self.open_at(next);
        let (op, test_op) = (op_of(get), op_of(test));
        if !self.options.packet
            || !matches!(
                (op, test_op),
                (Op::GetField, Op::JmpF) | (Op::GetField2, Op::JmpNeI)
            )
            || test.inst.a() != get.inst.a()
            || test.inst.off() != LAST_USE
            || carried(test).is_some()
            || !self.is(next, REACHED)
            || self.is(next, LEADER)
            || Self::is_far(next, test)
        {
            return None;
        }
        let register = get.inst.b() as u8;
        if op == Op::GetField {
            let field = self.b.field_of(u32::from(get.inst.c()))?;
            return Some(Inst::ai(Op::PktNo, register, i32::from(field)));
        }
        let value = u16::try_from(test.inst.imm()).ok()?;
        let operand = u32::from(get.inst.off()) << 16 | u32::from(value);
        Some(Inst::ai(Op::PktNeI, register, operand as i32))
    }

    /// Finds where each open instruction will begin.
    fn place(&mut self) -> Result<()> {
        self.places.truncate(0);
        let room = self.pc().wrapping_add(1) as usize;
        self.push(|c| c.places.make_room(&mut c.b.arena, room, 0))?;
        let mut place = 0u32;
        for pc in 0..self.pc() {
            self.push(|c| c.places.push(&mut c.b.arena, place))?;
            place = place.wrapping_add(self.size(pc));
        }
        self.push(|c| c.places.push(&mut c.b.arena, place))
    }

    /// Writes the code and its lines; answers how much of each there is.
    fn write(&mut self) -> Result<(u32, u32)> {
        let mut out = Writer {
            here: 0,
            lines: 0,
            line: 0,
            leader: false,
        };
        let mut hinted = false;
        for pc in 0..self.pc() {
            let open = self.open_at(pc);
            out.leader |= self.is(pc, LEADER) && self.is(pc, REACHED);
            if self.size(pc) == 0 {
                continue;
            }
            if out.line != open.line {
                out.line = open.line;
                out.lines = out.lines.wrapping_add(1);
                self.push(|c| c.b.line(out.here, out.line))?;
            }
            let op = op_of(open);
            let target = self.place_of(open.target);
            match op {
                Op::Jmp => self.write_jump(&mut out, target)?,
                Op::ForPrep | Op::TForPrep => {
                    let distance = target.wrapping_sub(out.here.wrapping_add(1));
                    self.write_one(&mut out, Inst::ai(op, open.inst.a(), distance as i32))?;
                }
                Op::ForLoop | Op::TForLoop => {
                    let distance = out.here.wrapping_add(1).wrapping_sub(target);
                    let fuel = u16::try_from(fuel_of(distance)).unwrap_or(u16::MAX);
                    let inst = Inst::ai(op, open.inst.a(), distance as i32).with_off(fuel);
                    self.write_one(&mut out, inst)?;
                }
                _ if is_conditional(op) => {
                    self.write_branch(&mut out, pc, open, target)?;
                    // A packet test goes on here.
                    out.leader |= core::mem::take(&mut hinted);
                }
                _ => {
                    if let Some(hint) = self.hint(pc) {
                        let test = self.open_at(pc.wrapping_add(1));
                        let far = self.place_of(test.target);
                        let distance = far.wrapping_sub(out.here.wrapping_add(1));
                        self.write_one(&mut out, hint.with_off(distance as u16))?;
                        self.write_one(&mut out, open.inst)?;
                        hinted = true;
                        continue;
                    }
                    self.write_one(&mut out, open.inst)?;
                }
            }
        }
        Ok((out.here, out.lines))
    }

    fn write_one(&mut self, out: &mut Writer, inst: Inst) -> Result<()> {
        let leader = core::mem::take(&mut out.leader);
        self.push(|c| c.b.code(inst, leader))?;
        out.here = out.here.wrapping_add(1);
        Ok(())
    }

    fn write_jump(&mut self, out: &mut Writer, target: u32) -> Result<()> {
        let distance = target.wrapping_sub(out.here.wrapping_add(1)) as i32;
        let fuel = if distance < 0 {
            u16::try_from(fuel_of(distance.unsigned_abs())).unwrap_or(u16::MAX)
        } else {
            0
        };
        self.write_one(out, Inst::ai(Op::Jmp, 0, distance).with_off(fuel))
    }

    fn write_branch(&mut self, out: &mut Writer, pc: u32, open: Open, target: u32) -> Result<()> {
        let op = op_of(open);
        let register = open.inst.a();
        let carried = carried(open);
        let late = carried.is_some() && open.inst.c() == CARRIES_LATE;
        let plain = match op {
            // The operands that only the compiler knows go.
            Op::JmpF | Op::JmpT => Inst::abc(op, register, 0, 0),
            _ => open.inst,
        };
        let opposite = Inst(plain.0 & !0xff | negated(op) as u64);
        let carry = carried.map(|to| Inst::abc(Op::Move, to, u16::from(register), 0));
        if let Some(carry) = carry {
            if late {
                self.write_one(out, opposite.with_off(2))?;
                self.write_one(out, carry)?;
                self.write_jump(out, target)?;
                out.leader = true;
                return Ok(());
            }
            self.write_one(out, carry)?;
        }
        if Self::is_far(pc, open) {
            self.write_one(out, opposite.with_off(1))?;
            self.write_jump(out, target)?;
            out.leader = true;
            return Ok(());
        }
        let distance = target.wrapping_sub(out.here.wrapping_add(1));
        self.write_one(out, plain.with_off(distance as u16))
    }

    /// Writes the names of local variables; answers how many.
    fn write_locals(&mut self) -> Result<u32> {
        let first = self.f.closed as usize;
        let mut count = 0u32;
        for i in first..self.closed.len() {
            let Some(closed) = self.closed.at(i) else {
                break;
            };
            let local = Local {
                name: closed.name,
                start: self.place_of(closed.start),
                end: self.place_of(closed.end),
                register: u32::from(closed.register),
            };
            if local.start < local.end {
                self.push(|c| c.b.local(local))?;
                count = count.wrapping_add(1);
            }
        }
        self.closed.truncate(first);
        Ok(count)
    }
}

/// How far the writing has come.
struct Writer {
    here: u32,
    lines: u32,
    line: u32,
    /// The next instruction is jumped to.
    leader: bool,
}
