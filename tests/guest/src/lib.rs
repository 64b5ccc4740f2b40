// SPDX-License-Identifier: GPL-2.0-only
//! What the harness and its virtual machines have in common: the protocol between them.

pub mod wire;
