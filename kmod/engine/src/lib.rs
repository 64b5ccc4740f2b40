// SPDX-License-Identifier: GPL-2.0-only
//! The Lua engine of PacketScript: Lua 5.4 on packets, in memory that it is given.
//!
//! The way of a script, from text to verdict:
//!
//! * [`compiler`] — source to [`bytecode`], which is what is proven and shared
//! * [`env`](mod@env) — environments: what the border (`kmod/engine.h`) calls
//! * [`vm`] — the machine that runs bytecode; [`memory`] — the region that it lives in, and its collector
//! * [`stdlib`] — Lua's standard library; [`packet`] — what scripts see of packets
//! * [`host`] — what the engine asks of whoever runs it
//!
//! What several of them need: [`value`], [`number`], and [`store`] for named maps and the like, which
//! outlive environments. In user space alone, with the feature `user`: `user` wraps environments for
//! programs, and `plain` is what the `lua` command has beyond packet scripts.
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
#[cfg(test)]
mod random;
pub mod stdlib;
pub mod store;
#[cfg(feature = "user")]
pub mod user;
pub mod value;
pub mod vm;
