// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs, run by the engine and by PUC Lua: they must print the same lines, error
//! messages included.
//!
//! `PROGRAMS=N` sets how many, `SEED=N` which ones; a program that differs is printed.
#![cfg(feature = "user")]

#[path = "../puc/mod.rs"]
mod puc;
mod writer;

use packetscript_engine::user::{Chunk, plain};
use std::cell::RefCell;
use std::rc::Rc;
use writer::program;

/// Lines that the engine prints.
fn engine(text: &str) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let to = lines.clone();
    let settings = plain::Options {
        memory: 16 << 20,
        fuel: 50_000_000,
        print: Box::new(move |line: &[u8]| {
            to.borrow_mut()
                .push(String::from_utf8_lossy(line).into_owned());
        }),
        before: Vec::new(),
        first: Vec::new(),
    };
    let chunk = Chunk {
        name: b"test",
        text: text.as_bytes(),
    };
    if let Err(error) = plain::run(&[chunk], "test", &[], settings) {
        let error = String::from_utf8_lossy(&error);
        lines
            .borrow_mut()
            .push(error.lines().next().unwrap_or("").to_string());
    }
    lines.take()
}

/// Lines that PUC prints.
fn puc(text: &str) -> Vec<String> {
    let (mut lines, error) = puc::run("=test", text);
    if let Some(error) = error {
        let message = match error {
            mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => {
                message
            }
            other => other.to_string(),
        };
        lines.push(message.lines().next().unwrap_or("").to_string());
    }
    lines
}

#[test]
fn generated_programs_run_as_in_puc() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let first = number("SEED").unwrap_or(1);
    let count = number("PROGRAMS").unwrap_or(200);
    let mut printed = 0;
    let mut wrong = Vec::new();
    for seed in first..first + count {
        let text = program(seed);
        let theirs = puc(&text);
        let ours = engine(&text);
        printed += theirs.len();
        if ours == theirs {
            continue;
        }
        if count == 1 {
            println!("{text}");
        }
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        wrong.push(format!(
            "SEED={seed} PROGRAMS=1: line {at}\n  ours {:?}\n  puc  {:?}",
            ours.get(at),
            theirs.get(at)
        ));
    }
    println!("{count} programs printed {printed} lines");
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
