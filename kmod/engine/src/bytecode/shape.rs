// SPDX-License-Identifier: GPL-2.0-only
//! What the operands of each operation are, once, for the verifier and the listing.

use super::op::Op;

/// What an operand holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// Nothing: it is zero.
    Zero,
    /// A register.
    Register,
    /// An upvalue that is a value.
    Value,
    /// An upvalue that is a box.
    Box,
    /// A string constant.
    Name,
    /// A string constant, and another one behind it.
    Path,
    /// A constant that is a number.
    Number,
    /// A constant that is an integer.
    Integer,
    /// Any constant.
    Constant,
    /// An unsigned integer.
    Unsigned,
    /// A signed integer.
    Signed,
    /// A count; operations that have one say more about registers by [`Shape::span`].
    Count,
    /// 0 or 1.
    Flag,
    /// A prototype whose parent is this one.
    Prototype,
    /// A distance forwards from the next instruction.
    Forward,
    /// A distance backwards from the next instruction.
    Backward,
    /// A distance either way.
    Either,
}

/// What OFF holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    /// Nothing: it is zero.
    Zero,
    /// A distance forwards from the next instruction.
    Skip,
    /// Fuel of a turn, at least 1.
    Fuel,
    /// Fuel of a turn if the jump goes back, else zero.
    FuelBack,
    /// A packet path.
    Path,
    /// At most this number.
    Most(u16),
}

/// The registers that an operation touches beside its register operands: so many from R\[A\] on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// No others.
    None,
    /// So many, always.
    Fixed(u16),
    /// B of them, at least one.
    B,
    /// Function, B-1 arguments, C-1 results; 0 is open.
    Call,
    /// Function and B-1 arguments; 0 is open.
    TailCall,
    /// B-1 values; 0 is open.
    Return,
    /// C-1 values; 0 is open.
    VarArg,
    /// The table and B items; 0 is open.
    SetList,
    /// Four, and C results behind them; room for a call of the iterator.
    Iterate,
}

/// An operation's operands.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Operand A.
    pub a: Operand,
    /// Operand B, or IMM.
    pub b: Operand,
    /// Operand C.
    pub c: Operand,
    /// Whether B and C together are IMM.
    pub wide: bool,
    /// Operand OFF.
    pub off: Off,
    /// Other registers.
    pub span: Span,
}

/// The shape of an operation.
pub const fn shape(op: Op) -> Shape {
    use Operand::{
        Backward, Box, Constant, Count, Either, Flag, Forward, Integer, Name, Number, Path,
        Prototype, Register, Signed, Unsigned, Value, Zero,
    };
    const fn abc(a: Operand, b: Operand, c: Operand) -> Shape {
        Shape {
            a,
            b,
            c,
            wide: false,
            off: Off::Zero,
            span: Span::None,
        }
    }
    const fn wide(a: Operand, imm: Operand) -> Shape {
        Shape {
            a,
            b: imm,
            c: Zero,
            wide: true,
            off: Off::Zero,
            span: Span::None,
        }
    }
    const fn off(shape: Shape, off: Off) -> Shape {
        Shape { off, ..shape }
    }
    const fn span(shape: Shape, span: Span) -> Shape {
        Shape { span, ..shape }
    }
    match op {
        Op::GetField2 => off(abc(Register, Register, Path), Off::Path),
        Op::GetField => abc(Register, Register, Name),
        Op::PktNo
        | Op::PktNeI
        | Op::JmpNeI
        | Op::JmpEqI
        | Op::JmpLtI
        | Op::JmpNLtI
        | Op::JmpLeI
        | Op::JmpNLeI
        | Op::JmpGtI
        | Op::JmpNGtI
        | Op::JmpGeI
        | Op::JmpNGeI => off(wide(Register, Signed), Off::Skip),
        Op::JmpF | Op::JmpT => off(abc(Register, Zero, Zero), Off::Skip),
        Op::JmpEq | Op::JmpNe | Op::JmpLt | Op::JmpNLt | Op::JmpLe | Op::JmpNLe => {
            off(abc(Register, Register, Zero), Off::Skip)
        }
        Op::JmpEqK | Op::JmpNeK => off(wide(Register, Constant), Off::Skip),
        Op::Move | Op::GetBox | Op::SetBox | Op::Unm | Op::BNot | Op::Not | Op::Len => {
            abc(Register, Register, Zero)
        }
        Op::Return0 => abc(Zero, Zero, Zero),
        Op::Return1 => abc(Register, Zero, Zero),
        Op::LoadK => wide(Register, Constant),
        Op::LoadI => wide(Register, Signed),
        Op::GetTabUp => abc(Register, Value, Name),
        Op::Call => span(abc(Register, Count, Count), Span::Call),
        Op::AddI => off(abc(Register, Register, Signed), Off::Most(2)),
        Op::ForLoop => span(off(wide(Register, Backward), Off::Fuel), Span::Fixed(4)),
        Op::Jmp => off(wide(Zero, Either), Off::FuelBack),
        Op::GetIndex
        | Op::SetIndex
        | Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Mod
        | Op::IDiv
        | Op::BAnd
        | Op::BOr
        | Op::BXor
        | Op::Shl
        | Op::Shr
        | Op::Div
        | Op::Pow => abc(Register, Register, Register),
        Op::GetInt => abc(Register, Register, Unsigned),
        Op::SetField => abc(Register, Name, Register),
        Op::SetFieldK => abc(Register, Name, Constant),
        Op::SetIndexK => abc(Register, Register, Constant),
        Op::SetInt => abc(Register, Unsigned, Register),
        Op::SetTabUp => abc(Value, Name, Register),
        Op::SetTabUpK => abc(Value, Name, Constant),
        Op::SelfField => span(abc(Register, Register, Name), Span::Fixed(2)),
        Op::NewTable => abc(Register, Unsigned, Unsigned),
        Op::SetList => span(
            off(abc(Register, Count, Unsigned), Off::Most(1)),
            Span::SetList,
        ),
        Op::Extra => wide(Zero, Signed),
        Op::NewBox | Op::LoadFalse | Op::LoadTrue | Op::Tbc | Op::Close => {
            abc(Register, Zero, Zero)
        }
        Op::GetUp => abc(Register, Value, Zero),
        Op::GetUpBox => abc(Register, Box, Zero),
        Op::SetUp => abc(Box, Register, Zero),
        Op::LoadNil | Op::Concat => span(abc(Register, Count, Zero), Span::B),
        Op::Closure => wide(Register, Prototype),
        Op::AddK | Op::SubK | Op::MulK | Op::ModK | Op::IDivK | Op::DivK | Op::PowK => {
            off(abc(Register, Register, Number), Off::Most(2))
        }
        Op::BAndK | Op::BOrK | Op::BXorK | Op::ShlK | Op::ShrK => {
            off(abc(Register, Register, Integer), Off::Most(2))
        }
        Op::TailCall => span(abc(Register, Count, Zero), Span::TailCall),
        Op::Return => span(abc(Register, Count, Flag), Span::Return),
        Op::ForPrep | Op::TForPrep => span(wide(Register, Forward), Span::Fixed(4)),
        Op::TForCall => span(abc(Register, Zero, Count), Span::Iterate),
        Op::TForLoop => span(off(wide(Register, Backward), Off::Fuel), Span::Fixed(5)),
        Op::VarArg => span(abc(Register, Zero, Count), Span::VarArg),
    }
}

/// Whether control never comes to the next instruction.
pub const fn is_end(op: Op) -> bool {
    matches!(
        op,
        Op::Jmp | Op::Return0 | Op::Return1 | Op::Return | Op::TailCall
    )
}

/// Whether R\[A\] is written and, but by `Concat`, not read.
pub const fn writes_a(op: Op) -> bool {
    matches!(
        op,
        Op::GetField2
            | Op::GetField
            | Op::Move
            | Op::LoadK
            | Op::LoadI
            | Op::GetTabUp
            | Op::AddI
            | Op::GetIndex
            | Op::GetInt
            | Op::SelfField
            | Op::NewTable
            | Op::GetBox
            | Op::GetUp
            | Op::GetUpBox
            | Op::LoadNil
            | Op::LoadFalse
            | Op::LoadTrue
            | Op::Closure
            | Op::Add
            | Op::Sub
            | Op::Mul
            | Op::Mod
            | Op::IDiv
            | Op::BAnd
            | Op::BOr
            | Op::BXor
            | Op::Shl
            | Op::Shr
            | Op::Div
            | Op::Pow
            | Op::AddK
            | Op::SubK
            | Op::MulK
            | Op::ModK
            | Op::IDivK
            | Op::BAndK
            | Op::BOrK
            | Op::BXorK
            | Op::ShlK
            | Op::ShrK
            | Op::DivK
            | Op::PowK
            | Op::Unm
            | Op::BNot
            | Op::Not
            | Op::Len
            | Op::Concat
            | Op::VarArg
    )
}
