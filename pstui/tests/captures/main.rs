// SPDX-License-Identifier: GPL-2.0-only
//! Captures: how they are read, and what `pstui run` makes of them.

mod make;
mod read;
mod run;
