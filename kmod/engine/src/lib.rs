// SPDX-License-Identifier: GPL-2.0-only
//! The Lua engine of PacketScript.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    clippy::todo
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(any(test, feature = "user"))]
extern crate std;

pub mod bytecode;
pub mod compiler;
pub mod env;
pub mod host;
pub mod memory;
pub mod number;
pub mod packet;
#[cfg(feature = "user")]
pub mod plain;
pub mod stdlib;
pub mod store;
#[cfg(feature = "user")]
pub mod user;
pub mod value;
pub mod vm;
