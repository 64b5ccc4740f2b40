// SPDX-License-Identifier: GPL-2.0-only
//! The `pstui` command.
fn main() {}
