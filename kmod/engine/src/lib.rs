// SPDX-License-Identifier: GPL-2.0-only
//! The Lua engine of PacketScript.
#![no_std]
