// SPDX-License-Identifier: GPL-2.0-only
//! The border between user space and the kernel module `xt_LUA`.
//!
//! Everything that both sides must agree on is written once, in `packetscript.h`, and a second time
//! here, for Rust; `tests/header.rs` compiles the header and compares the two. On top of the numbers
//! sit what every user-space program of the project needs to speak with the module:
//!
//! - [`border`]: numbers, limits and the layout of a rule's data,
//! - [`names`]: what may be called what, and how sizes are written,
//! - [`source`]: a script read from its file, with the modules that it requires,
//! - [`proc`]: the tables of `/proc/net/packetscript`,
//! - [`client`] (feature `client`): the generic-netlink family, and loading the module.
//!
//! Nothing here prints, and nothing exits: every failure is a value whose text says what to do.

pub mod border;
#[cfg(feature = "client")]
pub mod client;
pub mod names;
pub mod proc;
pub mod source;
