// SPDX-License-Identifier: GPL-2.0-only
//! Console and command line of PacketScript.
