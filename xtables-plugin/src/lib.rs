// SPDX-License-Identifier: GPL-2.0-only
//! `libxt_LUA.so`: the extension that gives iptables and ip6tables the target `LUA`.
//!
//! The host program (iptables, its restore and save forms, nft) opens the library, whose constructor
//! registers the target; then libxtables calls back:
//!
//! ```text
//! init -> parse, once per option -> final_check        a rule is given
//! print (-L), save (-S, iptables-save)                 a rule is shown
//! ```
//!
//! - [`xtables`]: the border to C, the only module with unsafe code,
//! - [`options`]: the options of a rule, from text to the rule's data,
//! - [`command`]: what the host was asked to do, for a plugin is not told -A from -D,
//! - [`compile`]: a script is compiled by the engine,
//! - [`prepare`]: a new rule's script is read, compiled and staged in the kernel,
//! - [`show`]: a rule as text,
//! - [`help`]: the help text.

#![allow(
    non_snake_case,
    reason = "the file is named libxt_LUA.so, as libxtables looks for it"
)]

pub mod command;
pub mod compile;
pub mod help;
pub mod options;
pub mod prepare;
pub mod show;
pub mod xtables;
