// SPDX-License-Identifier: GPL-2.0-only
//! Console and command line of PacketScript.
//!
//! - [`snapshot`]: what the kernel shows, and the stable `--json` schema
//! - [`source`]: where that comes from, live or recorded, and where verbs go
//! - [`console`]: the interactive part, a core without input or output and a thin runner
//! - [`command`]: a module for each subcommand, on the command line of [`cli`]
//! - [`error`]: what can go wrong, what to do about it, exit statuses

// What is shown has three digits; what is exact stays an integer.
#![allow(clippy::cast_precision_loss)]

pub mod cases;
pub mod cli;
pub mod command;
pub mod complete;
pub mod console;
pub mod engine;
pub mod error;
pub mod format;
pub mod lint;
pub mod manifest;
pub mod script;
pub mod snapshot;
pub mod source;
