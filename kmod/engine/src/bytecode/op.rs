// SPDX-License-Identifier: GPL-2.0-only
//! The instruction set.
//!
//! Every instruction is 64 bits with operands of one of two formats:
//!
//! ```text
//! ABC     |        C         |        B         |       OFF        |    A     |    OP    |
//! AI      |                 IMM (i32)           |       OFF        |    A     |    OP    |
//! ```
//!
//! This is how the compiler, the verifier and listings see it; how it lies in an image is said in
//! [`word`](super::word).
//!
//! * `A` is a register; `B` and `C` are registers, constants or counts, as the operation says.
//! * `IMM` is the same 32 bits as `C:B`, read as a signed integer.
//! * `OFF` is a forward branch distance in compare-and-branch operations (the next instruction is
//!   distance 0), the fuel of one turn in backward jumps, and otherwise zero unless the operation
//!   says what it holds.
//!
//! A register `R[n]` is the 16-byte [`Value`](crate::value::Value) at `base + 16 * n`. A constant
//! `K[n]` is the n-th value of the program's pool. Jumps only go to instructions that the image marks
//! as leaders; only `Jmp`, `ForLoop` and `TForLoop` go backwards. A local that a closure captures
//! and something assigns lives in a box, so a call can never change a register of its caller.
//!
//! `b - 1` style counts follow the usual register-machine convention: 0 means "up to the top" that
//! the previous open instruction (`Call`, `VarArg`) left.

/// An instruction with its operands.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Inst(pub u64);

impl Inst {
    /// An instruction of format ABC, with `OFF` zero.
    pub const fn abc(op: Op, a: u8, b: u16, c: u16) -> Self {
        Self(op as u64 | (a as u64) << 8 | (b as u64) << 32 | (c as u64) << 48)
    }

    /// An instruction of format AI, with `OFF` zero.
    pub const fn ai(op: Op, a: u8, imm: i32) -> Self {
        Self(op as u64 | (a as u64) << 8 | (imm as u32 as u64) << 32)
    }

    /// The same instruction with `OFF` set.
    #[must_use]
    pub const fn with_off(self, off: u16) -> Self {
        Self(self.0 & !0xffff_0000 | (off as u64) << 16)
    }

    /// The operation's byte; [`Op::from_byte`] checks it.
    pub const fn op_byte(self) -> u8 {
        self.0 as u8
    }
    /// Operand A.
    pub const fn a(self) -> u8 {
        (self.0 >> 8) as u8
    }
    /// Operand OFF.
    pub const fn off(self) -> u16 {
        (self.0 >> 16) as u16
    }
    /// Operand B.
    pub const fn b(self) -> u16 {
        (self.0 >> 32) as u16
    }
    /// Operand C.
    pub const fn c(self) -> u16 {
        (self.0 >> 48) as u16
    }
    /// Operand IMM: B and C together, signed.
    pub const fn imm(self) -> i32 {
        (self.0 >> 32) as i32
    }
}

/// Declares the operations once: the enum, the names for listings and the check of a byte.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// An operation. Hot ones come first: without jump tables a `match` is a tree of compares.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $name,)* }

        /// Every operation with its name, in the order of its byte.
        pub const OPERATIONS: &[(Op, &str)] = &[$((Op::$name, stringify!($name)),)*];
    };
}

operations! {
    // --- Hot ones, so ordered that those of packets and of plain loops lie least deep in the tree of
    // compares. `PktNo` and `PktNeI` are hints ahead of the ordinary instructions that they stand for -----
    /// AI, IMM = field id: stands before `GetField t, A, field; JmpF t`. When R[A] is the packet at
    /// hand: without the field skip OFF (counted from the instruction behind this one), with it skip
    /// those two. Anything else goes on to them.
    PktNo,
    /// AI, IMM = path id << 16 | value: stands before `GetField2 t, A, path; JmpNeI t, value`. When
    /// R[A] is the packet at hand and the path is there: another value skips OFF (counted from the
    /// instruction behind this one), this value skips those two. Anything else goes on to them.
    PktNeI,
    /// ABC, OFF = path id: `R[A] = R[B][K[C]][K[C+1]]`. Emitted only for pairs that name a packet
    /// path (such as `udp.dport`, see `packet::path`); a packet is read at once, anything else goes
    /// the way of two `GetField`s.
    GetField2,
    /// ABC: `R[A] = R[B][K[C]]`, K[C] a string.
    GetField,
    /// AI: `if !(R[A] == IMM) skip OFF` (IMM as an integer; equal floats count).
    JmpNeI,
    /// ABC, `R[A] = R[B]`.
    Move,
    /// AI: `if R[A] is nil or false skip OFF`.
    JmpF,
    /// AI: `if R[A] == IMM skip OFF`.
    JmpEqI,
    /// AI: `if R[A] is neither nil nor false skip OFF`.
    JmpT,
    /// A: return R[A]; no to-be-closed variable is open.
    Return1,
    /// AI: `R[A] = K[IMM]`.
    LoadK,
    /// ABC: `R[A] = up[B][K[C]]`, K[C] a string (a global when up[B] is _ENV); up[B] is no box.
    GetTabUp,
    /// AB: `R[A] = up[B]`, the upvalue as it is: a variable that never changes is captured by value.
    GetUp,
    /// ABC: `R[A+1] = R[B]; R[A] = R[B][K[C]]`, K[C] a string: a method and its receiver.
    SelfField,
    /// ABC: call R[A] with B-1 arguments (0: to top) in R[A+1]…; C-1 results (0: to top) from R[A].
    Call,
    /// ABC: `R[A] = R[B] + C` (C a signed 16-bit integer). OFF = 1: it was written `R[B] - -C`, which
    /// the metamethod is told; OFF = 2: written `C + R[B]`.
    AddI,
    /// AI, OFF = fuel of a turn: numeric loop. R[A] counter or index, R[A+1] turns left (integer
    /// loop) or limit (float loop), R[A+2] step; the visible variable is R[A+3]. Jumps back by -IMM.
    ForLoop,
    /// AI: `pc += IMM`; when backward, OFF is the fuel of one turn (at least 1).
    Jmp,
    /// Return no value; no to-be-closed variable is open.
    Return0,
    /// AI: `R[A] = IMM` (integer).
    LoadI,
    /// ABC: `R[A] = R[B][R[C]]`.
    GetIndex,
    /// ABC: `R[A] = R[B] + R[C]`.
    Add,
    /// ABC: `R[A][R[B]] = R[C]`.
    SetIndex,
    /// ABC: `R[A][K[B]] = R[C]`, K[B] a string.
    SetField,
    /// ABC: `R[A] = R[B] & K[C]`.
    BAndK,
    /// ABC: `R[A] = R[B] + K[C]`.
    AddK,
    /// `if R[A] == R[B] skip OFF`.
    JmpEq,
    /// ABC: `R[A] = R[B] - R[C]`.
    Sub,
    /// ABC: `R[A] = R[B] & R[C]`.
    BAnd,
    /// `if R[A] < R[B] skip OFF`.
    JmpLt,
    /// `if !(R[A] < R[B]) skip OFF`.
    JmpNLt,
    /// `if !(R[A] == R[B]) skip OFF`.
    JmpNe,
    /// ABC: `R[A] = R[B][C]` (C an unsigned integer).
    GetInt,
    /// AI: `if R[A] == K[IMM] skip OFF`.
    JmpEqK,
    /// AI: `if R[A] < IMM skip OFF`.
    JmpLtI,
    /// AI: `if !(R[A] < IMM) skip OFF`.
    JmpNLtI,
    /// AI: `if !(R[A] == K[IMM]) skip OFF`.
    JmpNeK,
    /// AI: prepare a numeric loop from R[A] (start), R[A+1] (limit), R[A+2] (step); R[A+3] becomes
    /// the visible variable; when there is no turn, `pc += IMM` (to behind its `ForLoop`).
    ForPrep,

    // --- Tables ------------------------------------------------------------------------------
    /// ABC: `R[A][K[B]] = K[C]`, K[B] a string.
    SetFieldK,
    /// ABC: `R[A][R[B]] = K[C]`.
    SetIndexK,
    /// ABC: `R[A][B] = R[C]` (B an unsigned integer).
    SetInt,
    /// ABC: `up[A][K[B]] = R[C]`, K[B] a string.
    SetTabUp,
    /// ABC: `up[A][K[B]] = K[C]`, K[B] a string.
    SetTabUpK,
    /// ABC: `R[A] = {}` with room for B array items and C fields.
    NewTable,
    /// ABC: `R[A][C+i] = R[A+i]`, 1 <= i <= B (0: to top). With OFF = 1, OFF extends C: the next
    /// instruction is `Extra` whose IMM is the whole start index.
    SetList,
    /// AI: operand of the instruction before it; never executed by itself.
    Extra,

    // --- Boxes, upvalues, constants ----------------------------------------------------------
    /// AB: `R[A] = contents of the box in R[B]`.
    GetBox,
    /// AB: `contents of the box in R[A] = R[B]`.
    SetBox,
    /// A: `R[A] = a new box that holds R[A]`.
    NewBox,
    /// AB: `R[A] = contents of the box in up[B]`.
    GetUpBox,
    /// AB: `contents of the box in up[A] = R[B]`.
    SetUp,
    /// AB: `R[A], …, R[A+B-1] = nil`.
    LoadNil,
    /// A: `R[A] = false`.
    LoadFalse,
    /// A: `R[A] = true`.
    LoadTrue,
    /// AI: `R[A] = closure of prototype IMM`, which says what each upvalue is (a register's box or
    /// an upvalue of this function).
    Closure,

    // --- Arithmetic: …K has K[C], a number (for operations on bits an integer), on the right; with OFF = 2 it was written on the left
    // of a commutative operator, which the metamethod is told ----------------------------------
    /// ABC: `R[A] = R[B] * R[C]`.
    Mul,
    /// ABC: `R[A] = R[B] % R[C]`.
    Mod,
    /// ABC: `R[A] = R[B] // R[C]`.
    IDiv,
    /// ABC: `R[A] = R[B] | R[C]`.
    BOr,
    /// ABC: `R[A] = R[B] ~ R[C]`.
    BXor,
    /// ABC: `R[A] = R[B] << R[C]`.
    Shl,
    /// ABC: `R[A] = R[B] >> R[C]`.
    Shr,
    /// ABC: `R[A] = R[B] / R[C]`.
    Div,
    /// ABC: `R[A] = R[B] ^ R[C]`.
    Pow,
    /// ABC: `R[A] = R[B] - K[C]`.
    SubK,
    /// ABC: `R[A] = R[B] * K[C]`.
    MulK,
    /// ABC: `R[A] = R[B] % K[C]`.
    ModK,
    /// ABC: `R[A] = R[B] // K[C]`.
    IDivK,
    /// ABC: `R[A] = R[B] | K[C]`.
    BOrK,
    /// ABC: `R[A] = R[B] ~ K[C]`.
    BXorK,
    /// ABC: `R[A] = R[B] << K[C]`.
    ShlK,
    /// ABC: `R[A] = R[B] >> K[C]`.
    ShrK,
    /// ABC: `R[A] = R[B] / K[C]`.
    DivK,
    /// ABC: `R[A] = R[B] ^ K[C]`.
    PowK,
    /// AB: `R[A] = -R[B]`.
    Unm,
    /// AB: `R[A] = ~R[B]`.
    BNot,
    /// AB: `R[A] = not R[B]`.
    Not,
    /// AB: `R[A] = #R[B]`.
    Len,
    /// AB: `R[A] = R[A] .. … .. R[A+B-1]`.
    Concat,

    // --- Compare and branch forward; operands in A and B (low half of IMM) --------------------
    /// `if R[A] <= R[B] skip OFF`.
    JmpLe,
    /// `if !(R[A] <= R[B]) skip OFF`.
    JmpNLe,
    /// AI: `if R[A] <= IMM skip OFF`.
    JmpLeI,
    /// AI: `if !(R[A] <= IMM) skip OFF`.
    JmpNLeI,
    /// AI: `if R[A] > IMM skip OFF`.
    JmpGtI,
    /// AI: `if !(R[A] > IMM) skip OFF`.
    JmpNGtI,
    /// AI: `if R[A] >= IMM skip OFF`.
    JmpGeI,
    /// AI: `if !(R[A] >= IMM) skip OFF`.
    JmpNGeI,

    // --- Calls, loops, the rest --------------------------------------------------------------
    /// ABC: as `Call`, in tail position: the callee's results are this function's. C = 1 when
    /// to-be-closed variables may be open (then it is an ordinary call followed by a return).
    TailCall,
    /// ABC: return B-1 values (0: to top) from R[A]. C = 1 when to-be-closed variables may be open.
    Return,
    /// AI: prepare a generic loop: R[A] iterator, R[A+1] state, R[A+2] control, R[A+3] closing
    /// value, which becomes to-be-closed; then `pc += IMM` (to its `TForCall`).
    TForPrep,
    /// AC: `R[A+4], …, R[A+3+C] = R[A](R[A+1], R[A+2])`.
    TForCall,
    /// AI, OFF = fuel of a turn: `if R[A+4] ~= nil { R[A+2] = R[A+4]; pc -= IMM }`.
    TForLoop,
    /// AC: `R[A], …, R[A+C-2] = …`; C = 0: all of them, and sets the top.
    VarArg,
    /// A: R[A] becomes to-be-closed.
    Tbc,
    /// A: close every to-be-closed variable from R[A] upwards.
    Close,
}

impl Op {
    /// The operation of a byte, if there is one.
    pub fn from_byte(byte: u8) -> Option<Self> {
        OPERATIONS.get(usize::from(byte)).map(|&(op, _)| op)
    }
}
