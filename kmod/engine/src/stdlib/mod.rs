// SPDX-License-Identifier: GPL-2.0-only
//! Lua's standard library.
//!
//! What computes on bytes and numbers alone comes first and knows no VM: `pattern`, `search`,
//! `directive`, `pack`, `unicode`, `calendar`, `random`. The rest are natives, a file for each table
//! of the library.

mod class;
pub mod pattern;
pub mod search;

#[cfg(test)]
mod tests;
