// SPDX-License-Identifier: GPL-2.0-only
//! The `cargo xtask` command.
fn main() {}
