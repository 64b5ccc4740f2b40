// SPDX-License-Identifier: GPL-2.0-only
//! Packet scripts on the engine: what scripts see of packets, the examples, the reference.
#![cfg(feature = "user")]
#![allow(missing_docs)]

mod costs;
mod examples;
mod keys;
mod mistakes;
mod names;
mod script;
mod stores;
mod timers;
mod torture;
mod values;
