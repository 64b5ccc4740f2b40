// SPDX-License-Identifier: GPL-2.0-only
//! What the compiler knows of an expression whose code is not finished, and the operators.

use super::lexer::Token;
use crate::bytecode::op::Op;

/// The end of a list of jumps, and "no place".
pub const NOWHERE: u32 = u32::MAX;

/// Where an expression's value is or how it is to be had.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// An empty list of expressions.
    Void,
    /// nil.
    Nil,
    /// true.
    True,
    /// false.
    False,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string, by its name's number.
    Str(u32),
    /// A verdict's payload.
    Verdict(u64),
    /// A `<const>` variable whose value is known, by its number.
    Known(u32),
    /// A local variable's register and number.
    Local(u8, u32),
    /// A local variable whose register holds a box.
    Boxed(u8, u32),
    /// An upvalue that is a value.
    Up(u8),
    /// An upvalue that is a box.
    UpBox(u8),
    /// A value in its final register.
    Reg(u8),
    /// An instruction whose A is still open.
    Reloc(u32),
    /// A call and its first register; its first result, or all of them.
    Call(u32, u8),
    /// `...`; its first value, or all of them.
    VarArg(u32),
    /// A compare-and-branch that jumps when the expression is true.
    Jump(u32),
    /// Table register and key register.
    Index(u8, u8),
    /// Table register and small integer key.
    IndexInt(u8, u16),
    /// Table register, constant and name of a string key.
    IndexStr(u8, u16, u32),
    /// Upvalue that is a value, constant and name of a string key.
    IndexUp(u8, u16, u32),
}

impl Kind {
    /// Whether the value itself is known.
    pub const fn is_constant(self) -> bool {
        matches!(
            self,
            Self::Nil
                | Self::True
                | Self::False
                | Self::Int(_)
                | Self::Float(_)
                | Self::Str(_)
                | Self::Verdict(_)
        )
    }
}

/// An expression: its kind, and the jumps that leave it early with a true or a false value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exp {
    pub kind: Kind,
    pub t: u32,
    pub f: u32,
}

impl Exp {
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            t: NOWHERE,
            f: NOWHERE,
        }
    }

    pub const fn has_jumps(&self) -> bool {
        self.t != self.f
    }

    /// A number without jumps.
    pub const fn numeral(&self) -> Option<crate::number::Number> {
        match self.kind {
            Kind::Int(i) if !self.has_jumps() => Some(crate::number::Number::Int(i)),
            Kind::Float(f) if !self.has_jumps() => Some(crate::number::Number::Float(f)),
            _ => None,
        }
    }

    /// Whether it may stand on the left of `=`.
    pub const fn is_variable(&self) -> bool {
        matches!(
            self.kind,
            Kind::Known(_) | Kind::Local(..) | Kind::Boxed(..) | Kind::Up(_) | Kind::UpBox(_)
        ) || self.is_indexed()
    }

    pub const fn is_indexed(&self) -> bool {
        matches!(
            self.kind,
            Kind::Index(..) | Kind::IndexInt(..) | Kind::IndexStr(..) | Kind::IndexUp(..)
        )
    }

    /// Whether it may have any number of values.
    pub const fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Call(..) | Kind::VarArg(_))
    }
}

/// A unary operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    Minus,
    BNot,
    Not,
    Len,
}

impl Unary {
    pub const fn of(token: Token) -> Option<Self> {
        Some(match token {
            Token::Minus => Self::Minus,
            Token::Tilde => Self::BNot,
            Token::Not => Self::Not,
            Token::Hash => Self::Len,
            _ => return None,
        })
    }
}

/// Binding power of unary operators.
pub const UNARY_POWER: u8 = 12;

/// A binary operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Mod,
    Pow,
    Div,
    IDiv,
    BAnd,
    BOr,
    BXor,
    Shl,
    Shr,
    Concat,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl Binary {
    pub const fn of(token: Token) -> Option<Self> {
        Some(match token {
            Token::Plus => Self::Add,
            Token::Minus => Self::Sub,
            Token::Star => Self::Mul,
            Token::Percent => Self::Mod,
            Token::Caret => Self::Pow,
            Token::Slash => Self::Div,
            Token::DoubleSlash => Self::IDiv,
            Token::Ampersand => Self::BAnd,
            Token::Bar => Self::BOr,
            Token::Tilde => Self::BXor,
            Token::ShiftLeft => Self::Shl,
            Token::ShiftRight => Self::Shr,
            Token::Concat => Self::Concat,
            Token::Equal => Self::Eq,
            Token::NotEqual => Self::Ne,
            Token::Less => Self::Lt,
            Token::LessEqual => Self::Le,
            Token::Greater => Self::Gt,
            Token::GreaterEqual => Self::Ge,
            Token::And => Self::And,
            Token::Or => Self::Or,
            _ => return None,
        })
    }

    /// Binding powers towards the left and the right operand; a right one that is lower makes the
    /// operator associate to the right.
    pub const fn power(self) -> (u8, u8) {
        match self {
            Self::Or => (1, 1),
            Self::And => (2, 2),
            Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => (3, 3),
            Self::BOr => (4, 4),
            Self::BXor => (5, 5),
            Self::BAnd => (6, 6),
            Self::Shl | Self::Shr => (7, 7),
            Self::Concat => (9, 8),
            Self::Add | Self::Sub => (10, 10),
            Self::Mul | Self::Mod | Self::Div | Self::IDiv => (11, 11),
            Self::Pow => (14, 13),
        }
    }

    /// The instruction with both operands in registers; only for arithmetic.
    pub const fn register_op(self) -> Op {
        match self {
            Self::Sub => Op::Sub,
            Self::Mul => Op::Mul,
            Self::Mod => Op::Mod,
            Self::Pow => Op::Pow,
            Self::Div => Op::Div,
            Self::IDiv => Op::IDiv,
            Self::BAnd => Op::BAnd,
            Self::BOr => Op::BOr,
            Self::BXor => Op::BXor,
            Self::Shl => Op::Shl,
            Self::Shr => Op::Shr,
            _ => Op::Add,
        }
    }

    /// The instruction with a constant on the right; only for arithmetic.
    pub const fn constant_op(self) -> Op {
        match self {
            Self::Sub => Op::SubK,
            Self::Mul => Op::MulK,
            Self::Mod => Op::ModK,
            Self::Pow => Op::PowK,
            Self::Div => Op::DivK,
            Self::IDiv => Op::IDivK,
            Self::BAnd => Op::BAndK,
            Self::BOr => Op::BOrK,
            Self::BXor => Op::BXorK,
            Self::Shl => Op::ShlK,
            Self::Shr => Op::ShrK,
            _ => Op::AddK,
        }
    }

    /// Whether an operand that is a number never makes it fail for that operand's sake.
    pub const fn takes_numbers(self) -> bool {
        !self.is_bitwise() && !matches!(self, Self::Concat | Self::And | Self::Or)
    }

    /// Whether it works on integers only.
    pub const fn is_bitwise(self) -> bool {
        matches!(
            self,
            Self::BAnd | Self::BOr | Self::BXor | Self::Shl | Self::Shr
        )
    }

    /// Whether the operands of the instruction may change places.
    pub const fn is_commutative(self) -> bool {
        matches!(
            self,
            Self::Add | Self::Mul | Self::BAnd | Self::BOr | Self::BXor
        )
    }
}

/// The compare-and-branch that jumps exactly when this one does not.
pub const fn negated(op: Op) -> Op {
    match op {
        Op::JmpF => Op::JmpT,
        Op::JmpT => Op::JmpF,
        Op::JmpEq => Op::JmpNe,
        Op::JmpNe => Op::JmpEq,
        Op::JmpLt => Op::JmpNLt,
        Op::JmpNLt => Op::JmpLt,
        Op::JmpLe => Op::JmpNLe,
        Op::JmpNLe => Op::JmpLe,
        Op::JmpEqK => Op::JmpNeK,
        Op::JmpNeK => Op::JmpEqK,
        Op::JmpEqI => Op::JmpNeI,
        Op::JmpNeI => Op::JmpEqI,
        Op::JmpLtI => Op::JmpNLtI,
        Op::JmpNLtI => Op::JmpLtI,
        Op::JmpLeI => Op::JmpNLeI,
        Op::JmpNLeI => Op::JmpLeI,
        Op::JmpGtI => Op::JmpNGtI,
        Op::JmpNGtI => Op::JmpGtI,
        Op::JmpGeI => Op::JmpNGeI,
        Op::JmpNGeI => Op::JmpGeI,
        other => other,
    }
}

/// Whether an operation is a compare-and-branch.
pub fn is_conditional(op: Op) -> bool {
    negated(op) != op
}
