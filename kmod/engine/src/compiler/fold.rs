// SPDX-License-Identifier: GPL-2.0-only
//! Arithmetic on constants while compiling, where the result is the same as at run time.

// A zero is exactly a zero.
#![allow(clippy::float_cmp)]

use super::exp::{Binary, Unary};
use crate::number::{Number, arith};

fn float(n: Number) -> f64 {
    match n {
        #[allow(clippy::cast_precision_loss)]
        Number::Int(i) => i as f64,
        Number::Float(f) => f,
    }
}

fn integer(n: Number) -> Option<i64> {
    match n {
        Number::Int(i) => Some(i),
        Number::Float(f) => arith::to_int(f),
    }
}

/// What is not a number, and float zeros, are left to run time, as PUC does: it shows in messages,
/// where a `<const>` variable with a known value has no name.
fn worth(n: Number) -> Option<Number> {
    match n {
        Number::Float(f) if f.is_nan() || f == 0.0 => None,
        _ => Some(n),
    }
}

/// `op a`.
pub fn unary(op: Unary, a: Number) -> Option<Number> {
    worth(match (op, a) {
        (Unary::Minus, Number::Int(i)) => Number::Int(i.wrapping_neg()),
        (Unary::Minus, Number::Float(f)) => Number::Float(-f),
        (Unary::BNot, _) => Number::Int(!integer(a)?),
        _ => return None,
    })
}

/// `a op b`.
pub fn binary(op: Binary, a: Number, b: Number) -> Option<Number> {
    use Number::{Float, Int};
    let both = match (a, b) {
        (Int(a), Int(b)) => Some((a, b)),
        _ => None,
    };
    let (x, y) = (float(a), float(b));
    worth(match (op, both) {
        (Binary::Add, Some((a, b))) => Int(a.wrapping_add(b)),
        (Binary::Sub, Some((a, b))) => Int(a.wrapping_sub(b)),
        (Binary::Mul, Some((a, b))) => Int(a.wrapping_mul(b)),
        (Binary::Add, None) => Float(arith::add(x, y)),
        (Binary::Sub, None) => Float(arith::sub(x, y)),
        (Binary::Mul, None) => Float(arith::mul(x, y)),
        (Binary::Mod | Binary::IDiv | Binary::Div, _) if y == 0.0 => return None,
        (Binary::Mod, Some((a, b))) => Int(arith::floor_mod(a, b)),
        (Binary::IDiv, Some((a, b))) => Int(arith::floor_div(a, b)),
        (Binary::Mod, None) => Float(arith::float_mod(x, y)),
        (Binary::IDiv, None) => Float(arith::float_floor_div(x, y)),
        (Binary::Div, _) => Float(arith::div(x, y)),
        (Binary::Pow, _) => Float(arith::pow(x, y)),
        (Binary::BAnd, _) => Int(integer(a)? & integer(b)?),
        (Binary::BOr, _) => Int(integer(a)? | integer(b)?),
        (Binary::BXor, _) => Int(integer(a)? ^ integer(b)?),
        (Binary::Shl, _) => Int(arith::shift_left(integer(a)?, integer(b)?)),
        (Binary::Shr, _) => Int(arith::shift_right(integer(a)?, integer(b)?)),
        _ => return None,
    })
}
