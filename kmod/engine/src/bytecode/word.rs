// SPDX-License-Identifier: GPL-2.0-only
//! Instructions as they lie in an image and are run.
//!
//! ```text
//!          63              48 47              32 31              16 15       8 7        0
//! plain   |        C         |        B         |        A         |   OFF    |    OP    |
//! plain   |                 IMM (i32)           |        A         |    0     |    OP    |
//! test    |       OFF        |        B         |        A         |    0     |    OP    |
//! long    |                 IMM (i32)           |       OFF        |    A     |    OP    |
//! ```
//!
//! *plain* are all operations but branches; *test* are branches that compare registers, or say only
//! whether one is true; *long* are those that have both an immediate and a distance or a price.
//!
//! Operands that number values (registers, constants, upvalues) are stored twice as large, for a value
//! is two machine words: the interpreter adds them to a pointer to words, which is one addressing mode.
//! Only A of a *long* instruction is stored as it is. Distances backwards are stored negative.
//!
//! Compiler, verifier and listing see [`Inst`], where operands are what they are called.

use super::op::{Inst, OPERATIONS, Op};
use super::shape::{Off, Operand, shape};

/// An instruction of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(8))]
pub struct Word {
    /// The operation.
    pub op: u8,
    /// OFF of a plain instruction, A of a long one.
    pub x: u8,
    /// A, doubled, or OFF of a long instruction.
    pub a: u16,
    /// B, or the lower half of IMM.
    pub b: u16,
    /// C, the upper half of IMM, or OFF of a test.
    pub c: u16,
}

const _: () = assert!(size_of::<Word>() == 8);

/// The largest number that B and C can have when they number values.
pub const MOST_SLOT: u16 = u16::MAX / 2;

/// The operation is a *test*.
const TEST: u8 = 1;
/// The operation is *long*.
const LONG: u8 = 2;
/// B numbers a value.
const SLOT_B: u8 = 4;
/// C numbers a value.
const SLOT_C: u8 = 8;
/// IMM is one operand.
const IMM: u8 = 16;
/// IMM is stored negative.
const NEGATIVE: u8 = 32;

/// How the operands of each operation lie in its word.
static LAYOUT: [u8; OPERATIONS.len()] = layouts();

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated while compiling"
)]
const fn layouts() -> [u8; OPERATIONS.len()] {
    let mut all = [0; OPERATIONS.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = layout(OPERATIONS[i].0);
        i += 1;
    }
    all
}

const fn layout(op: Op) -> u8 {
    const fn numbers_value(operand: Operand) -> bool {
        matches!(
            operand,
            Operand::Register
                | Operand::Value
                | Operand::Box
                | Operand::Name
                | Operand::Path
                | Operand::Number
                | Operand::Integer
                | Operand::Constant
        )
    }
    let shape = shape(op);
    let form = match shape.off {
        Off::Skip if !shape.wide => TEST,
        Off::Skip | Off::Fuel | Off::FuelBack => LONG,
        _ => 0,
    };
    form | if numbers_value(shape.b) { SLOT_B } else { 0 }
        | if numbers_value(shape.c) { SLOT_C } else { 0 }
        | if shape.wide { IMM } else { 0 }
        | if matches!(shape.b, Operand::Backward) {
            NEGATIVE
        } else {
            0
        }
}

/// Undoes the doubling.
const fn halved(doubled: u16) -> Option<u16> {
    if doubled & 1 == 0 {
        Some(doubled >> 1)
    } else {
        None
    }
}

impl Word {
    /// The instruction as an image holds it; `None` when an operand is too large.
    pub fn pack(inst: Inst) -> Option<Self> {
        let layout = LAYOUT.get(usize::from(inst.op_byte())).copied()?;
        let a = u16::from(inst.a());
        let (x, a) = if layout & LONG != 0 {
            (inst.a(), inst.off())
        } else if layout & TEST != 0 {
            (0, a << 1)
        } else {
            (u8::try_from(inst.off()).ok()?, a << 1)
        };
        let (b, c) = if layout & IMM != 0 {
            let imm = match layout & (NEGATIVE | SLOT_B) {
                0 => inst.imm(),
                SLOT_B => inst.imm().checked_mul(2)?,
                _ => inst.imm().checked_neg()?,
            };
            (imm as u16, (imm as u32 >> 16) as u16)
        } else {
            let doubled = |value: u16, bit| {
                if layout & bit == 0 {
                    Some(value)
                } else {
                    value.checked_mul(2)
                }
            };
            let c = if layout & TEST != 0 {
                inst.off()
            } else {
                inst.c()
            };
            (doubled(inst.b(), SLOT_B)?, doubled(c, SLOT_C)?)
        };
        Some(Self {
            op: inst.op_byte(),
            x,
            a,
            b,
            c,
        })
    }

    /// What the word says; `None` when it is no instruction.
    pub fn unpack(self) -> Option<Inst> {
        let layout = LAYOUT.get(usize::from(self.op)).copied()?;
        let op = Op::from_byte(self.op)?;
        let (a, off) = if layout & LONG != 0 {
            (self.x, self.a)
        } else {
            let a = u8::try_from(halved(self.a)?).ok()?;
            if layout & TEST == 0 {
                (a, u16::from(self.x))
            } else if self.x == 0 {
                (a, self.c)
            } else {
                return None;
            }
        };
        if layout & IMM != 0 {
            let imm = match layout & (NEGATIVE | SLOT_B) {
                0 => self.imm(),
                SLOT_B if self.imm() & 1 == 0 => self.imm() >> 1,
                SLOT_B => return None,
                _ => self.imm().checked_neg()?,
            };
            return Some(Inst::ai(op, a, imm).with_off(off));
        }
        let plain = |value, bit| {
            if layout & bit == 0 {
                Some(value)
            } else {
                halved(value)
            }
        };
        let c = if layout & TEST != 0 { 0 } else { self.c };
        Some(Inst::abc(op, a, plain(self.b, SLOT_B)?, plain(c, SLOT_C)?).with_off(off))
    }

    /// A, and B and C of a plain instruction where they number no values.
    #[inline(always)]
    pub const fn counts(self) -> (u32, u32, u32) {
        (self.a as u32 >> 1, self.b as u32, self.c as u32)
    }

    /// IMM, or B and C together.
    #[inline(always)]
    pub const fn imm(self) -> i32 {
        (self.c as i32) << 16 | self.b as i32
    }

    /// As the bytes of an image.
    pub const fn to_bytes(self) -> [u8; 8] {
        let rest = (self.a as u64) << 16 | (self.b as u64) << 32 | (self.c as u64) << 48;
        (self.op as u64 | (self.x as u64) << 8 | rest).to_le_bytes()
    }

    /// From the bytes of an image.
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            op: bits as u8,
            x: (bits >> 8) as u8,
            a: (bits >> 16) as u16,
            b: (bits >> 32) as u16,
            c: (bits >> 48) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_instructions_do() {
        for &(op, name) in OPERATIONS {
            let shape = shape(op);
            let off = if shape.off == Off::Zero { 0 } else { 200 };
            let inst = if shape.wide {
                Inst::ai(op, 255, -70_000).with_off(off)
            } else {
                let c = if shape.off == Off::Skip { 0 } else { 32_767 };
                Inst::abc(op, 255, 32_766, c).with_off(off)
            };
            let word = Word::pack(inst).expect(name);
            assert!(word.unpack() == Some(inst), "{name}");
            assert_eq!(
                Word::from_bits(u64::from_le_bytes(word.to_bytes())),
                word,
                "{name}"
            );
        }
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        assert!(Word::pack(Inst::abc(Op::Add, 0, MOST_SLOT + 1, 0)).is_none());
        assert!(Word::pack(Inst::abc(Op::AddI, 0, 0, u16::MAX)).is_some());
        assert!(Word::pack(Inst::abc(Op::AddI, 0, 0, 1).with_off(256)).is_none());
        assert!(Word::pack(Inst::ai(Op::LoadK, 0, i32::MAX)).is_none());
        // Halves of operands, an operation that is none, something beside a test's operands.
        for bits in [
            Op::Move as u64 | 3 << 16,
            Op::Move as u64 | 512 << 16,
            Op::Move as u64 | 1 << 32,
            Op::LoadK as u64 | 1 << 32,
            Op::JmpEq as u64 | 1 << 8,
            0xff,
        ] {
            assert!(Word::from_bits(bits).unpack().is_none(), "{bits:x}");
        }
    }

    #[test]
    fn a_loop_back_is_stored_negative() {
        let word = Word::pack(Inst::ai(Op::ForLoop, 3, 5).with_off(9)).unwrap();
        assert_eq!((word.imm(), word.x, word.a), (-5, 3, 9));
    }
}
