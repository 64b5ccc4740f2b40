// SPDX-License-Identifier: GPL-2.0-only
//! The natives against PUC: each script of `tests/lua` prints what thousands of calls answer.

use super::machine::{engine, same};
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

/// Random calls with random arguments. Left out is what may differ: the last bits of transcendental
/// functions, and the borders of lists with holes.
#[test]
fn random() {
    for seed in 1..=3 {
        let whole = std::format!(
            "SEED = {seed}\n{}{}",
            include_str!("../../../tests/lua/prelude.lua"),
            include_str!("../../../tests/lua/random.lua")
        );
        assert!(same(&whole) >= 20_000);
    }
}

/// Every script ends by itself wherever its fuel runs out: no panic, and what it printed until then
/// is the beginning of what it prints with enough.
#[test]
fn fuel_may_end_anywhere() {
    for (name, source) in SCRIPTS {
        let mut whole = String::from(include_str!("../../../tests/lua/prelude.lua"));
        whole.push_str(source);
        let (all, _) = engine(&whole, 64 << 20, u64::MAX);
        let mut fuel = 50;
        let mut ended = 0;
        while ended == 0 {
            let (some, error) = engine(&whole, 64 << 20, fuel);
            if error.is_none() {
                ended = fuel;
            } else {
                let same = all.iter().zip(&some).take_while(|(a, b)| a == b).count();
                assert!(same == some.len(), "{name} with {fuel}");
            }
            fuel += 1 + fuel * 3;
        }
    }
}

/// Memory that runs out is an error of Lua.
#[test]
fn memory_may_be_short() {
    for (name, source) in SCRIPTS {
        let mut whole = String::from(include_str!("../../../tests/lua/prelude.lua"));
        whole.push_str(source);
        for memory in [8 << 10, 16 << 10, 40 << 10, 100 << 10] {
            let (out, error) = engine(&whole, memory, 5_000_000);
            assert!(
                error.is_some() || !out.is_empty(),
                "{name} with {memory} bytes"
            );
        }
    }
}

const SCRIPTS: [(&str, &str); 7] = [
    ("base", include_str!("../../../tests/lua/base.lua")),
    ("strings", include_str!("../../../tests/lua/strings.lua")),
    ("format", include_str!("../../../tests/lua/format.lua")),
    ("pack", include_str!("../../../tests/lua/pack.lua")),
    ("tables", include_str!("../../../tests/lua/tables.lua")),
    ("maths", include_str!("../../../tests/lua/maths.lua")),
    ("rest", include_str!("../../../tests/lua/rest.lua")),
];
