// SPDX-License-Identifier: GPL-2.0-only
//! The border between user space and the kernel module.
