// SPDX-License-Identifier: GPL-2.0-only
//! Bytecode: what the compiler makes and the virtual machine runs.
//!
//! * [`op`] — the instruction set; [`shape`] — what each operation's operands are; [`word`] — how
//!   instructions lie in an image
//! * [`image`] — a whole program as flat bytes; [`builder`] — how one is put together; [`arena`] — the
//!   compiler's working memory
//! * [`verify`] — the proof that an image may run; `flow` — the part of it that follows control
//! * [`list`] — a listing for people

pub mod arena;
pub mod builder;
mod flow;
pub mod image;
#[cfg(any(test, feature = "user"))]
pub mod list;
pub mod op;
pub mod shape;
pub mod verify;
pub mod word;
