// SPDX-License-Identifier: GPL-2.0-only
//! The console: a core without input or output (`model`, `message`, `update`, `view`), fed by
//! `run`, which owns the terminal and a worker that talks to a data source.
//!
//! Time, files and the kernel reach the core only as messages, and it asks for things only by
//! returning effects. So a test is a list of messages and a look at the screen.

pub mod columns;
pub mod identity;
pub mod keys;
pub mod message;
pub mod model;
pub mod rates;
pub mod run;
pub mod theme;
pub mod update;
pub mod view;
