// SPDX-License-Identifier: GPL-2.0-only
//! Numbers: reading them, writing them, and Lua's rules for integers and floats.
//!
//! Reading, writing and arithmetic are exact (no result is ever off by a unit). Nothing here needs memory
//! beyond a few hundred bytes of stack, or has a way to panic. The doubles may be soft ones.
//!
//! * `parse` — text to number; `format` — number to text; `digits`, `power` — what both are made of
//! * `arith` — arithmetic where it is not the processor's; `trig` — sine, cosine and tangent

// Exact comparisons and roundings are this module's business.
#![allow(clippy::float_cmp, clippy::cast_precision_loss)]

pub mod arith;
pub mod digits;
pub mod format;
pub mod parse;
mod power;
pub mod trig;

#[cfg(test)]
mod tests;

pub use arith::pow;
pub use parse::parse;

/// A number of Lua.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// The integer subtype.
    Int(i64),
    /// The float subtype.
    Float(f64),
}
