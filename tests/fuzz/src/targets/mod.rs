// SPDX-License-Identifier: GPL-2.0-only
//! The targets, a file for each of them or for those that are alike.

pub mod border;
pub mod capture;
pub mod compiler;
pub mod define;
pub mod dissect;
pub mod hello;
pub mod image;
pub mod packet;
pub mod store;
pub mod vm;

mod library;
pub use library::{format, number, pack, patterns, utf8};
