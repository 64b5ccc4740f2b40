// SPDX-License-Identifier: GPL-2.0-only
//! The proof that an image may run.
//!
//! Whatever the bytes are, after [`verify`] said yes the interpreter may rely on this and no more:
//!
//! * every operation is known, every operand that should be zero is;
//! * every register operand, and every register of a fixed span, is below the prototype's
//!   `registers`, which is at most 255; a generic loop leaves room to call its iterator;
//! * every constant is in the pool and of the kind that its operation needs; a constant's packet
//!   field id and a `GetField2`'s path id are those of their names;
//! * upvalue numbers are below the prototype's count and boxed or not as their operation needs; the
//!   descriptors name registers and upvalues of the parent, boxed alike; a `Closure` names a child;
//! * every jump goes to a marked leader of the same prototype; only `Jmp`, `ForLoop` and `TForLoop`
//!   go back, and then cost fuel; control never runs over a prototype's end;
//! * an operation that takes values up to the top follows the one that left them there, which starts
//!   above it, and nothing jumps between the two; `Extra` stands behind a `SetList` that says so, a
//!   packet test before the instructions that it stands for, `TForCall` before its `TForLoop`;
//! * line runs, local names, names, modules and chunks refer to what exists.
//!
//! After [`prove`] said yes too, which needs room, also on this ([`flow`]):
//!
//! * no register is read before it was written, on any way to it;
//! * `GetBox` and `SetBox` find a box, `SetList` a fresh table, and nothing else reads a box; closures
//!   capture boxes and values as their descriptors say.
//!
//! Not proven: what values are. `ForLoop` looks at the tags of its registers.

use super::flow;
pub use super::flow::FULL;
use super::image::{Constant, Image, Malformed, NONE, Proto, Section, Source};
use super::op::{Inst, Op};
use super::shape::{Off, Operand, Span, is_end, shape};
use crate::packet::{field_id, path_id};

type Verdict = Result<(), Malformed>;

/// Fails with a message unless the condition holds.
fn check(holds: bool, message: &'static str) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Malformed(message))
    }
}

/// Checks an image; see the top of this file for what is proven.
#[inline(never)]
pub fn verify(bytes: &[u8]) -> Result<Image<'_>, Malformed> {
    let image = Image::open(bytes)?;
    let count = |section| image.section(section).1 as u32;
    check(
        image.section(Section::Leaders).1 == image.section(Section::Code).1.div_ceil(64),
        "a bitmap of leaders of the wrong length",
    )?;
    for i in 0..count(Section::Names) {
        check(image.name(i).is_some(), "a name outside of the bytes")?;
    }
    for i in 0..image.constant_count() {
        let constant = image.constant(i).ok_or(Malformed("an unknown constant"))?;
        if let Constant::Str(text, field) = constant {
            check(
                field == field_id(text),
                "a constant with another name's field",
            )?;
        }
    }
    check(image.proto_count() > 0, "no main function")?;
    check(is_main(&image, 0), "a main function inside another one")?;
    for i in 0..image.module_count() {
        let (_, proto) = image
            .module(i)
            .ok_or(Malformed("a module without a name"))?;
        check(is_main(&image, proto), "a module that is no main function")?;
    }
    for i in 0..count(Section::Chunks) {
        check(image.chunk(i).is_some(), "a text without a name")?;
    }
    for i in 0..image.proto_count() {
        let proto = image
            .proto(i)
            .ok_or(Malformed("a function without a record"))?;
        Function {
            image,
            proto,
            index: i,
        }
        .verify()?;
    }
    Ok(image)
}

/// Follows control through an image that [`verify`] took. `room` holds what is known at each place
/// that is jumped to, of one function at a time: 8 bytes for each and two bits for each of its
/// registers; the error is [`FULL`] if that does not fit.
pub fn prove(image: &Image<'_>, room: &mut [u8]) -> Verdict {
    for i in 0..image.proto_count() {
        let proto = image
            .proto(i)
            .ok_or(Malformed("a function without a record"))?;
        flow::follow(image, &proto, room)?;
    }
    Ok(())
}

fn is_main(image: &Image<'_>, proto: u32) -> bool {
    image.proto(proto).is_some_and(|proto| proto.parent == NONE)
}

/// A function under examination.
struct Function<'a> {
    image: Image<'a>,
    proto: Proto,
    index: u32,
}

impl Function<'_> {
    fn verify(&self) -> Verdict {
        let Self {
            image,
            proto,
            index,
        } = self;
        let inside = |first: u32, count: u32, section| {
            first
                .checked_add(count)
                .is_some_and(|end| end as usize <= image.section(section).1)
        };
        check(
            inside(proto.code, proto.code_len, Section::Code)
                && inside(proto.upvalues, proto.upvalue_count, Section::Upvalues)
                && inside(proto.lines, proto.line_count, Section::Lines)
                && inside(proto.locals, proto.local_count, Section::Locals),
            "a function outside of its sections",
        )?;
        check(
            proto.registers <= 255
                && u16::from(proto.params) <= proto.registers
                && proto.upvalue_count <= 255,
            "a function that is too large",
        )?;
        check(
            proto.name == NONE || image.name(proto.name).is_some(),
            "a function's name",
        )?;
        check(image.chunk(proto.chunk).is_some(), "a function of no text")?;
        self.upvalues()?;
        let mut before = None;
        for i in 0..proto.line_count {
            let (pc, _) = image.line_run(proto, i).ok_or(Malformed("a line run"))?;
            check(
                before.map_or(pc == 0, |before| pc > before),
                "lines out of order",
            )?;
            before = Some(pc);
        }
        for i in 0..proto.local_count {
            let local = image.local(proto, i).ok_or(Malformed("a local name"))?;
            check(
                image.name(local.name).is_some(),
                "a local variable without a name",
            )?;
        }
        check(
            *index == 0 || proto.parent == NONE || proto.parent < *index,
            "a parent behind it",
        )?;
        self.code()
    }

    fn upvalues(&self) -> Verdict {
        let parent = match self.proto.parent {
            NONE => None,
            parent => Some(
                self.image
                    .proto(parent)
                    .ok_or(Malformed("a parent that is not"))?,
            ),
        };
        if parent.is_none() {
            check(
                self.proto.upvalue_count == 1,
                "a main function with other upvalues than _ENV",
            )?;
        }
        for i in 0..self.proto.upvalue_count {
            let up = self
                .image
                .upvalue(&self.proto, i)
                .ok_or(Malformed("an upvalue"))?;
            check(
                self.image.name(up.name).is_some(),
                "an upvalue without a name",
            )?;
            let holds = match (up.source, &parent) {
                (Source::Register, None) => up.index == 0,
                (Source::Register, Some(parent)) => u16::from(up.index) < parent.registers,
                (Source::Upvalue, Some(parent)) => self
                    .image
                    .upvalue(parent, u32::from(up.index))
                    .is_some_and(|outer| outer.boxed == up.boxed),
                (Source::Itself, Some(_)) => !up.boxed,
                (_, None) => false,
            };
            check(holds, "an upvalue that its parent does not have")?;
        }
        Ok(())
    }

    fn inst(&self, pc: u32) -> Option<(Op, Inst)> {
        if pc >= self.proto.code_len {
            return None;
        }
        let inst = self.image.inst(self.proto.code.checked_add(pc)?)?;
        Some((Op::from_byte(inst.op_byte())?, inst))
    }

    fn is_leader(&self, pc: u32) -> bool {
        self.proto
            .code
            .checked_add(pc)
            .is_some_and(|index| self.image.is_leader(index))
    }

    fn code(&self) -> Verdict {
        let last = self
            .proto
            .code_len
            .checked_sub(1)
            .and_then(|last| self.inst(last));
        check(
            last.is_some_and(|(op, _)| is_end(op)),
            "a function without an end",
        )?;
        for pc in 0..self.proto.code_len {
            let (op, inst) = self.inst(pc).ok_or(Malformed("an unknown operation"))?;
            self.operands(pc, op, inst)?;
            self.registers(op, inst)?;
            self.neighbours(pc, op, inst)?;
        }
        Ok(())
    }

    fn register(&self, register: i64) -> Verdict {
        check(
            register >= 0 && register < i64::from(self.proto.registers),
            "a register outside of the frame",
        )
    }

    fn operands(&self, pc: u32, op: Op, inst: Inst) -> Verdict {
        let shape = shape(op);
        let b = if shape.wide {
            i64::from(inst.imm())
        } else {
            i64::from(inst.b())
        };
        let c = if shape.wide { 0 } else { i64::from(inst.c()) };
        for (operand, value) in [(shape.a, i64::from(inst.a())), (shape.b, b), (shape.c, c)] {
            let number = u32::try_from(value).unwrap_or(NONE);
            let upvalue = || self.image.upvalue(&self.proto, number);
            let name = |number| match self.image.constant(number) {
                Some(Constant::Str(text, _)) => Some(text),
                _ => None,
            };
            match operand {
                Operand::Zero => check(value == 0, "an operand that should be zero")?,
                Operand::Register => self.register(value)?,
                Operand::Value => {
                    check(
                        upvalue().is_some_and(|up| !up.boxed),
                        "an upvalue that is no value",
                    )?;
                }
                Operand::Box => {
                    check(
                        upvalue().is_some_and(|up| up.boxed),
                        "an upvalue that is no box",
                    )?;
                }
                Operand::Name => check(name(number).is_some(), "a name that is no string")?,
                Operand::Path => {
                    let path = name(number)
                        .zip(name(number.wrapping_add(1)))
                        .map_or(0, |(first, second)| path_id(first, second));
                    check(path != 0 && path == inst.off(), "no packet path")?;
                }
                Operand::Number => check(
                    matches!(
                        self.image.constant(number),
                        Some(Constant::Int(_) | Constant::Float(_))
                    ),
                    "a constant that is no number",
                )?,
                Operand::Integer => check(
                    matches!(self.image.constant(number), Some(Constant::Int(_))),
                    "a constant that is no integer",
                )?,
                Operand::Constant => {
                    check(
                        self.image.constant(number).is_some(),
                        "a constant outside of the pool",
                    )?;
                }
                Operand::Flag => check(value <= 1, "a flag that is neither 0 nor 1")?,
                Operand::Prototype => check(
                    self.image
                        .proto(number)
                        .is_some_and(|child| child.parent == self.index),
                    "a closure of a function that is elsewhere",
                )?,
                Operand::Forward => self.jump(pc, value, false)?,
                Operand::Backward => self.jump(pc, value.wrapping_neg(), true)?,
                Operand::Either => self.jump(pc, value, value < 0)?,
                Operand::Unsigned | Operand::Signed | Operand::Count => {}
            }
        }
        match shape.off {
            Off::Zero => check(inst.off() == 0, "an operand that should be zero"),
            Off::Skip => self.jump(pc, i64::from(inst.off()), false),
            Off::Fuel => check(inst.off() > 0, "a loop without a price"),
            Off::FuelBack => check((inst.off() > 0) == (b < 0), "a loop without a price"),
            Off::Path => Ok(()),
            Off::Most(most) => check(inst.off() <= most, "an operand that is too large"),
        }
    }

    /// A jump of so far from the next instruction, in the direction that it should go.
    fn jump(&self, pc: u32, distance: i64, back: bool) -> Verdict {
        let target = i64::from(pc).wrapping_add(1).wrapping_add(distance);
        let target = u32::try_from(target).unwrap_or(NONE);
        check(
            (distance < 0) == back && target < self.proto.code_len && self.is_leader(target),
            "a jump to where no jump may go",
        )
    }

    /// The registers that an operation touches beside its register operands.
    fn registers(&self, op: Op, inst: Inst) -> Verdict {
        let a = i64::from(inst.a());
        let (b, c) = (i64::from(inst.b()), i64::from(inst.c()));
        // So many registers from R[A] on, without the open end.
        let most = |counts: [i64; 2]| counts.into_iter().max().unwrap_or(0);
        let count = match shape(op).span {
            Span::None => 1,
            Span::Fixed(count) => i64::from(count),
            Span::B => {
                check(
                    b >= if op == Op::Concat { 2 } else { 1 },
                    "an empty range of registers",
                )?;
                b
            }
            Span::Call => most([b.max(1), c.wrapping_sub(1)]),
            Span::TailCall => b.max(1),
            Span::Return => b.wrapping_sub(1),
            Span::VarArg => {
                check(self.proto.vararg, "'...' in a function without")?;
                c.wrapping_sub(1)
            }
            Span::SetList => b.wrapping_add(1),
            Span::Iterate => {
                check(c >= 1, "a loop without a variable")?;
                most([c.wrapping_add(4), 7])
            }
        };
        if count > 1 {
            self.register(a.wrapping_add(count).wrapping_sub(1))
        } else {
            Ok(())
        }
    }

    /// Instructions that belong together.
    fn neighbours(&self, pc: u32, op: Op, inst: Inst) -> Verdict {
        let next = pc.wrapping_add(1);
        let before = pc.checked_sub(1).and_then(|before| self.inst(before));
        let after = self.inst(next);
        let opens = |op, inst: Inst| matches!(op, Op::Call | Op::VarArg) && inst.c() == 0;
        let takes = |op, inst: Inst| {
            matches!(op, Op::Call | Op::TailCall | Op::Return | Op::SetList) && inst.b() == 0
        };
        if opens(op, inst) {
            check(
                after.is_some_and(|(op, inst)| takes(op, inst)) && !self.is_leader(next),
                "values that nothing takes",
            )?;
        }
        if takes(op, inst) {
            let above = u8::from(op != Op::Return);
            check(
                before.is_some_and(|(op, from)| {
                    opens(op, from) && from.a() >= inst.a().saturating_add(above)
                }) && !self.is_leader(pc),
                "values from nowhere",
            )?;
        }
        let extended = |(op, inst): (Op, Inst)| op == Op::SetList && inst.off() == 1;
        if extended((op, inst)) {
            check(
                after.is_some_and(|(op, _)| op == Op::Extra),
                "an operand that is missing",
            )?;
        }
        match op {
            Op::Extra => check(
                before.is_some_and(extended) && !self.is_leader(pc) && inst.imm() >= 0,
                "an operand of nothing",
            ),
            Op::TForPrep => {
                let target = next.saturating_add_signed(inst.imm());
                check(
                    self.inst(target)
                        .is_some_and(|(op, call)| op == Op::TForCall && call.a() == inst.a()),
                    "a loop without its call",
                )
            }
            Op::TForCall => check(
                after.is_some_and(|(op, end)| op == Op::TForLoop && end.a() == inst.a()),
                "a loop without its end",
            ),
            Op::TForLoop => check(
                before.is_some_and(|(op, call)| op == Op::TForCall && call.a() == inst.a())
                    && !self.is_leader(pc),
                "a loop without its call",
            ),
            Op::PktNo | Op::PktNeI => self.packet_test(pc, op, inst),
            _ => Ok(()),
        }
    }

    /// A packet test says the same as the two instructions behind it.
    fn packet_test(&self, pc: u32, op: Op, inst: Inst) -> Verdict {
        let get = self.inst(pc.wrapping_add(1));
        let test = self.inst(pc.wrapping_add(2));
        let same = get
            .zip(test)
            .is_some_and(|((get_op, get), (test_op, test))| {
                let operands = if op == Op::PktNo {
                    let field = match self.image.constant(u32::from(get.c())) {
                        Some(Constant::Str(_, Some(field))) => i32::from(field),
                        _ => -1,
                    };
                    get_op == Op::GetField && test_op == Op::JmpF && field == inst.imm()
                } else {
                    get_op == Op::GetField2
                        && test_op == Op::JmpNeI
                        && get.off() == (inst.imm() as u32 >> 16) as u16
                        && test.imm() == inst.imm() & 0xffff
                };
                operands
                    && get.b() == u16::from(inst.a())
                    && test.a() == get.a()
                    && u32::from(inst.off()) == u32::from(test.off()).wrapping_add(2)
            });
        check(
            same && self.is_leader(pc.wrapping_add(3)),
            "a packet test of something else",
        )
    }
}
