// SPDX-License-Identifier: GPL-2.0-only
//! The natives against PUC: each script of `tests/lua` prints what thousands of calls answer.

use super::machine::same;
use std::string::String;

fn compare(source: &str, least: usize) {
    let mut whole = String::from(include_str!("../../../tests/lua/prelude.lua"));
    whole.push_str(source);
    let lines = same(&whole);
    assert!(lines >= least, "only {lines} lines");
}

#[test]
fn base() {
    compare(include_str!("../../../tests/lua/base.lua"), 100);
}

#[test]
fn strings() {
    compare(include_str!("../../../tests/lua/strings.lua"), 5000);
}

#[test]
fn format() {
    compare(include_str!("../../../tests/lua/format.lua"), 2500);
}

#[test]
fn pack() {
    compare(include_str!("../../../tests/lua/pack.lua"), 5000);
}

#[test]
fn tables() {
    compare(include_str!("../../../tests/lua/tables.lua"), 700);
}

#[test]
fn maths() {
    compare(include_str!("../../../tests/lua/maths.lua"), 5000);
}

#[test]
fn rest() {
    compare(include_str!("../../../tests/lua/rest.lua"), 2000);
}
