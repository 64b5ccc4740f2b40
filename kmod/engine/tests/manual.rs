// SPDX-License-Identifier: GPL-2.0-only
//! The reference manual, section by section: each file of `manual` tries what a section says, on PUC Lua
//! and on the engine. What a statement says must be so on both, and what is printed must be the same.
#![cfg(feature = "user")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod puc;

use packetscript_engine::user::{Chunk, plain};
use std::cell::RefCell;
use std::rc::Rc;

/// What PUC prints.
fn puc(name: &str, source: &str) -> Vec<String> {
    let (lines, error) = puc::run(&format!("@{name}"), source);
    if let Some(e) = error {
        panic!("{name} with PUC: {e}");
    }
    lines
}

/// What the engine prints.
fn engine(name: &str, source: &str) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&lines);
    let options = plain::Options {
        memory: 64 << 20,
        fuel: 0,
        print: Box::new(move |line| {
            sink.borrow_mut()
                .push(String::from_utf8_lossy(line).into_owned());
        }),
        before: Vec::new(),
        first: Vec::new(),
    };
    let chunk = Chunk {
        name: name.as_bytes(),
        text: source.as_bytes(),
    };
    if let Err(e) = plain::run(&[chunk], name, &[], options) {
        panic!("{name}: {}", String::from_utf8_lossy(&e));
    }
    lines.take()
}

fn same(name: &str, section: &str, least: u32) {
    let prelude = include_str!("manual/prelude.lua");
    let source = format!("{prelude}{section}\nprint(tried)");
    let (ours, theirs) = (engine(name, &source), puc(name, &source));
    assert_eq!(ours, theirs);
    let tried: u32 = ours.last().unwrap().parse().unwrap();
    println!("{name}: {tried} statements");
    assert!(tried >= least, "{name}: only {tried} statements");
}

macro_rules! sections {
    ($($name:ident $file:literal $least:literal)*) => {$(
        #[test]
        fn $name() {
            same($file, include_str!(concat!("manual/", $file)), $least);
        }
    )*};
}

sections! {
    values "2_1_values.lua" 100
    metatables "2_4_metatables.lua" 400
    collection "2_5_collection.lua" 40
    coroutines "2_6_coroutines.lua" 70
    lexical "3_1_lexical.lua" 170
    statements "3_3_statements.lua" 150
    expressions "3_4_expressions.lua" 270
    basic "6_1_basic.lua" 200
    strings "6_4_string.lua" 200
    utf8 "6_5_utf8.lua" 50
    tables "6_6_table.lua" 140
    maths_and_dates "6_7_math.lua" 600
}
