// SPDX-License-Identifier: GPL-2.0-only
//! The parts that need no VM, against PUC Lua.
#![allow(
    clippy::pedantic,
    clippy::should_implement_trait,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

mod lua;
mod machine;
mod pattern;
