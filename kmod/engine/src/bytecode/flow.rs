// SPDX-License-Identifier: GPL-2.0-only
//! The part of the proof that follows control: no register is read before it was written, a box is
//! only used as a box, and what a `SetList` fills is a fresh table.
//!
//! Each register is known to be one of four [`Kind`]s. A state is what is known of all registers of a
//! frame; every leader has one, the least that all jumps to it and the instruction before it agree
//! on. A function is gone over until no state changes.

use super::image::{Image, Malformed, Proto, Source};
use super::op::{Inst, Op};
use super::shape::{Off, Operand, Span, is_end, shape, writes_a};

/// What is known of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Nothing: it must not be read.
    Nothing,
    /// It holds a value that Lua may see.
    Plain,
    /// It holds a table.
    Table,
    /// It holds a box.
    Box,
}

impl Kind {
    const fn of(bits: u8) -> Self {
        match bits & 3 {
            1 => Self::Plain,
            2 => Self::Table,
            3 => Self::Box,
            _ => Self::Nothing,
        }
    }

    /// What two ways to the same place agree on.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Plain | Self::Table, Self::Plain | Self::Table) => Self::Plain,
            _ => Self::Nothing,
        }
    }
}

/// Bytes of the state of a frame of 255 registers.
const STATE: usize = 64;

/// What is known of the registers of a frame, two bits for each.
#[derive(Clone, Copy)]
struct State([u8; STATE]);

impl State {
    fn get(&self, register: u32) -> Kind {
        let byte = self.0.get((register >> 2) as usize).copied().unwrap_or(0);
        Kind::of(byte >> ((register & 3) << 1))
    }

    fn set(&mut self, register: u32, kind: Kind) {
        if let Some(byte) = self.0.get_mut((register >> 2) as usize) {
            let shift = (register & 3) << 1;
            *byte = *byte & !(3 << shift) | (kind as u8) << shift;
        }
    }

    /// A register holds a value that Lua may see.
    fn plain(&self, register: u32) -> Result<(), Malformed> {
        match self.get(register) {
            Kind::Plain | Kind::Table => Ok(()),
            Kind::Box => Err(Malformed("a box that is read as a value")),
            Kind::Nothing => Err(UNWRITTEN),
        }
    }

    fn all_plain(&self, registers: core::ops::Range<u32>) -> Result<(), Malformed> {
        registers
            .into_iter()
            .try_for_each(|register| self.plain(register))
    }

    fn set_from(&mut self, registers: core::ops::Range<u32>, kind: Kind) {
        for register in registers {
            self.set(register, kind);
        }
    }
}

/// There is too little room for the proof: nothing is said of the image.
pub const FULL: Malformed = Malformed("too little room for the proof");
const UNWRITTEN: Malformed = Malformed("a register that is read before it is written");
const NO_BOX: Malformed = Malformed("a box that is none");
const NO_TABLE: Malformed = Malformed("a list for what is no table");

/// Bytes of a leader's record before its state: its pc, and whether it is to be gone over (again).
const RECORD: usize = 8;
const NEVER: u8 = 0;
const DONE: u8 = 1;
const WAITS: u8 = 2;

/// Follows control through a function whose operands were checked, with records of its leaders in
/// `room`.
#[inline(never)]
pub fn follow(image: &Image<'_>, proto: &Proto, room: &mut [u8]) -> Result<(), Malformed> {
    // A state takes two bits a register.
    let size = usize::from(proto.registers)
        .div_ceil(4)
        .min(STATE)
        .wrapping_add(RECORD);
    let mut count = 0usize;
    for pc in 0..proto.code_len {
        if image.is_leader(proto.code.wrapping_add(pc)) {
            let at = count.wrapping_mul(size);
            let record = room.get_mut(at..at.wrapping_add(size)).ok_or(FULL)?;
            record.fill(0);
            record
                .get_mut(..4)
                .ok_or(FULL)?
                .copy_from_slice(&pc.to_le_bytes());
            count = count.wrapping_add(1);
        }
    }
    let room = room.get_mut(..count.wrapping_mul(size)).ok_or(FULL)?;
    let mut flow = Flow {
        image,
        proto,
        size,
        room,
    };
    let mut state = State([0; STATE]);
    state.set_from(0..u32::from(proto.params), Kind::Plain);
    flow.run(0, state)?;
    loop {
        let mut waited = false;
        for index in 0..count {
            if flow.status(index) == Some(WAITS) {
                waited = true;
                flow.set_status(index, DONE);
                let (pc, state) = flow.leader(index).ok_or(FULL)?;
                flow.run_from(pc, state)?;
            }
        }
        if !waited {
            return Ok(());
        }
    }
}

struct Flow<'a> {
    image: &'a Image<'a>,
    proto: &'a Proto,
    /// Bytes of a record.
    size: usize,
    room: &'a mut [u8],
}

impl Flow<'_> {
    // --- Leaders -------------------------------------------------------------------------------

    fn record(&self, index: usize) -> Option<&[u8]> {
        let at = index.checked_mul(self.size)?;
        self.room.get(at..at.checked_add(self.size)?)
    }

    fn pc_of(&self, index: usize) -> Option<u32> {
        Some(u32::from_le_bytes(
            self.record(index)?.get(..4)?.try_into().ok()?,
        ))
    }

    fn status(&self, index: usize) -> Option<u8> {
        self.record(index)?.get(4).copied()
    }

    fn set_status(&mut self, index: usize, status: u8) {
        if let Some(slot) = self
            .room
            .get_mut(index.wrapping_mul(self.size).wrapping_add(4))
        {
            *slot = status;
        }
    }

    fn leader(&self, index: usize) -> Option<(u32, State)> {
        let mut state = State([0; STATE]);
        for (to, from) in state.0.iter_mut().zip(self.record(index)?.get(RECORD..)?) {
            *to = *from;
        }
        Some((self.pc_of(index)?, state))
    }

    /// The leader at a place.
    fn find(&self, pc: u32) -> Option<usize> {
        let (mut low, mut high) = (0, self.room.len().checked_div(self.size).unwrap_or(0));
        while low < high {
            let middle = low.midpoint(high);
            let there = self.pc_of(middle)?;
            match there.cmp(&pc) {
                core::cmp::Ordering::Equal => return Some(middle),
                core::cmp::Ordering::Less => low = middle.wrapping_add(1),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Control may come to a leader with this state.
    fn meet(&mut self, pc: u32, state: &State) -> Result<(), Malformed> {
        let index = self
            .find(pc)
            .ok_or(Malformed("a jump to where no jump may go"))?;
        let (_, mut known) = self.leader(index).ok_or(FULL)?;
        let mut changed = false;
        if self.status(index) == Some(NEVER) {
            known = *state;
            changed = true;
        } else {
            for register in 0..u32::from(self.proto.registers) {
                let before = known.get(register);
                let after = before.meet(state.get(register));
                if after != before {
                    known.set(register, after);
                    changed = true;
                }
            }
        }
        if changed {
            let at = index.wrapping_mul(self.size);
            let place = self
                .room
                .get_mut(at.wrapping_add(RECORD)..at.wrapping_add(self.size));
            for (to, from) in place.ok_or(FULL)?.iter_mut().zip(known.0) {
                *to = from;
            }
            self.set_status(index, WAITS);
        }
        Ok(())
    }

    // --- Instructions --------------------------------------------------------------------------

    /// Goes on at a place that may be a leader.
    fn run(&mut self, pc: u32, state: State) -> Result<(), Malformed> {
        if self.find(pc).is_some() {
            self.meet(pc, &state)
        } else {
            self.run_from(pc, state)
        }
    }

    /// Goes on from a place to the next leader or end.
    fn run_from(&mut self, start: u32, state: State) -> Result<(), Malformed> {
        let mut state = state;
        let mut pc = start;
        loop {
            let inst = self
                .proto
                .code
                .checked_add(pc)
                .filter(|_| pc < self.proto.code_len)
                .and_then(|index| self.image.inst(index))
                .ok_or(Malformed("control that leaves its function"))?;
            let op = Op::from_byte(inst.op_byte()).ok_or(Malformed("an unknown operation"))?;
            self.step(pc, op, inst, &mut state)?;
            // Control comes to the body of a generic loop from the loop's end only.
            if is_end(op) || op == Op::TForPrep {
                return Ok(());
            }
            pc = pc.wrapping_add(1);
            if self.image.is_leader(self.proto.code.wrapping_add(pc)) {
                return self.meet(pc, &state);
            }
        }
    }

    /// What one instruction needs and does, and where it may jump.
    fn step(&mut self, pc: u32, op: Op, inst: Inst, state: &mut State) -> Result<(), Malformed> {
        let a = u32::from(inst.a());
        let (b, c) = (u32::from(inst.b()), u32::from(inst.c()));
        let next = pc.wrapping_add(1);
        self.reads(pc, op, inst, state)?;
        match op {
            Op::NewBox => state.set(a, Kind::Box),
            // A collection takes what is above the register that these write for left over.
            Op::NewTable => {
                state.set_from(a..u32::from(self.proto.registers), Kind::Nothing);
                state.set(a, Kind::Table);
            }
            Op::LoadNil => state.set_from(a..a.wrapping_add(b), Kind::Plain),
            Op::Closure | Op::Concat => {
                state.set_from(a..u32::from(self.proto.registers), Kind::Nothing);
                state.set(a, Kind::Plain);
            }
            Op::SelfField => state.set_from(a..a.wrapping_add(2), Kind::Plain),
            // A call leaves nothing above its results.
            Op::Call => {
                state.set_from(a..u32::from(self.proto.registers), Kind::Nothing);
                state.set_from(a..a.wrapping_add(c.saturating_sub(1)), Kind::Plain);
            }
            Op::VarArg if c == 0 => {
                state.set_from(a..u32::from(self.proto.registers), Kind::Nothing);
            }
            Op::VarArg => state.set_from(a..a.wrapping_add(c).wrapping_sub(1), Kind::Plain),
            Op::ForPrep => {
                // Without a turn, the visible variable is not written.
                self.meet(next.wrapping_add_signed(inst.imm()), state)?;
                state.set(a.wrapping_add(3), Kind::Plain);
            }
            Op::ForLoop => {
                let mut turn = *state;
                turn.set(a.wrapping_add(3), Kind::Plain);
                self.meet(next.wrapping_sub(inst.imm() as u32), &turn)?;
            }
            Op::TForPrep | Op::Jmp => self.meet(next.wrapping_add_signed(inst.imm()), state)?,
            Op::TForCall => {
                let first = a.wrapping_add(4);
                state.set_from(first..u32::from(self.proto.registers), Kind::Nothing);
                state.set_from(first..first.wrapping_add(c), Kind::Plain);
            }
            Op::TForLoop => self.meet(next.wrapping_sub(inst.imm() as u32), state)?,
            Op::PktNo | Op::PktNeI => {
                self.meet(next.wrapping_add(u32::from(inst.off())), state)?;
                self.meet(next.wrapping_add(2), state)?;
            }
            _ if shape(op).off == Off::Skip => {
                self.meet(next.wrapping_add(u32::from(inst.off())), state)?;
            }
            _ if writes_a(op) => state.set(a, Kind::Plain),
            _ => {}
        }
        Ok(())
    }

    /// The registers that an instruction reads hold what it needs.
    fn reads(&self, pc: u32, op: Op, inst: Inst, state: &State) -> Result<(), Malformed> {
        let shape = shape(op);
        let a = u32::from(inst.a());
        let (b, c) = (u32::from(inst.b()), u32::from(inst.c()));
        match op {
            Op::GetBox => {
                return if state.get(b) == Kind::Box {
                    Ok(())
                } else {
                    Err(NO_BOX)
                };
            }
            Op::SetBox => {
                state.plain(b)?;
                return if state.get(a) == Kind::Box {
                    Ok(())
                } else {
                    Err(NO_BOX)
                };
            }
            Op::Closure => return self.captures(inst.imm() as u32, state),
            Op::SetList if state.get(a) != Kind::Table => return Err(NO_TABLE),
            // Says which registers it closes, whatever they hold.
            Op::Close => return Ok(()),
            _ => {}
        }
        if shape.a == Operand::Register && !writes_a(op) && op != Op::Return {
            state.plain(a)?;
        }
        if shape.b == Operand::Register {
            state.plain(b)?;
        }
        if shape.c == Operand::Register {
            state.plain(c)?;
        }
        // What goes up to the top begins with the registers below the first open value.
        let to = |end: u32| match b {
            0 => pc
                .checked_sub(1)
                .and_then(|before| self.proto.code.checked_add(before))
                .and_then(|before| self.image.inst(before))
                .map_or(0, |open| u32::from(open.a())),
            _ => end,
        };
        match shape.span {
            Span::Call | Span::TailCall => state.all_plain(a..to(a.wrapping_add(b))),
            Span::Return => state.all_plain(a..to(a.wrapping_add(b).wrapping_sub(1))),
            Span::SetList => {
                state.all_plain(a.wrapping_add(1)..to(a.wrapping_add(b).wrapping_add(1)))
            }
            Span::B if op == Op::Concat => state.all_plain(a..a.wrapping_add(b)),
            Span::Iterate => state.all_plain(a..a.wrapping_add(3)),
            Span::Fixed(_) => match op {
                Op::ForPrep | Op::ForLoop => state.all_plain(a..a.wrapping_add(3)),
                Op::TForPrep => state.all_plain(a..a.wrapping_add(4)),
                Op::TForLoop => state.plain(a.wrapping_add(4)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The registers that a new closure copies hold what its descriptors say.
    fn captures(&self, child: u32, state: &State) -> Result<(), Malformed> {
        let child = self
            .image
            .proto(child)
            .ok_or(Malformed("a closure of nothing"))?;
        for i in 0..child.upvalue_count {
            let up = self
                .image
                .upvalue(&child, i)
                .ok_or(Malformed("an upvalue"))?;
            if up.source == Source::Register {
                let register = u32::from(up.index);
                if !up.boxed {
                    state.plain(register)?;
                } else if state.get(register) != Kind::Box {
                    return Err(NO_BOX);
                }
            }
        }
        Ok(())
    }
}
