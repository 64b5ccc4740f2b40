// SPDX-License-Identifier: GPL-2.0-only
//! What the compiler makes and the virtual machine runs: the instruction set ([`op`], in an image
//! [`word`]), the image that
//! holds a whole program ([`image`]), how one is put together ([`builder`]), the proof that it may
//! run ([`verify`]) and a listing for people ([`list`]).

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
