// SPDX-License-Identifier: GPL-2.0-only
//! Reading from a stream by Lua's formats.

use crate::number::{Number, parse};
use std::io::{BufRead, Read as _};
use std::vec::Vec;

/// What is to be read.
#[derive(Clone, Copy)]
pub enum What {
    /// A line, with its end or without.
    Line(bool),
    /// A numeral.
    Number,
    /// All that is left.
    All,
    /// At most so many bytes.
    Bytes(usize),
}

/// What was read.
pub enum Found {
    /// Bytes.
    Text(Vec<u8>),
    /// A number.
    Number(Number),
}

/// Reads one thing; `None` at the end, where reading fails, and for what is no numeral.
pub fn one(from: &mut impl BufRead, what: What) -> Option<Found> {
    let mut bytes = Vec::new();
    match what {
        What::Line(whole) => {
            from.read_until(b'\n', &mut bytes).ok()?;
            if bytes.is_empty() {
                return None;
            }
            if !whole && bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
        }
        What::All => {
            from.read_to_end(&mut bytes).ok()?;
        }
        What::Bytes(0) => {
            if from.fill_buf().ok()?.is_empty() {
                return None;
            }
        }
        What::Bytes(n) => {
            from.take(n as u64).read_to_end(&mut bytes).ok()?;
            if bytes.is_empty() {
                return None;
            }
        }
        What::Number => return parse(&numeral(from)).map(Found::Number),
    }
    Some(Found::Text(bytes))
}

/// The longest numeral that C's library reads.
const LONGEST: usize = 200;

/// What may be a numeral, read as far as it may be one.
fn numeral(from: &mut impl BufRead) -> Vec<u8> {
    let mut text = Vec::new();
    while peek(from).is_some_and(|b| b.is_ascii_whitespace() || b == 11) {
        from.consume(1);
    }
    accept(from, &mut text, b"+-");
    let mut hexadecimal = false;
    let mut digits = 0;
    if accept(from, &mut text, b"0") {
        digits = 1;
        hexadecimal = accept(from, &mut text, b"xX");
    }
    digits += run(from, &mut text, hexadecimal);
    if accept(from, &mut text, b".") {
        digits += run(from, &mut text, hexadecimal);
    }
    if digits > 0 && accept(from, &mut text, if hexadecimal { b"pP" } else { b"eE" }) {
        accept(from, &mut text, b"+-");
        run(from, &mut text, false);
    }
    text
}

fn peek(from: &mut impl BufRead) -> Option<u8> {
    from.fill_buf().ok()?.first().copied()
}

fn accept(from: &mut impl BufRead, text: &mut Vec<u8>, set: &[u8]) -> bool {
    match peek(from) {
        Some(b) if set.contains(&b) && text.len() < LONGEST => {
            from.consume(1);
            text.push(b);
            true
        }
        _ => false,
    }
}

fn run(from: &mut impl BufRead, text: &mut Vec<u8>, hexadecimal: bool) -> usize {
    let set: &[u8] = if hexadecimal {
        b"0123456789abcdefABCDEF"
    } else {
        b"0123456789"
    };
    let mut count = 0;
    while accept(from, text, set) {
        count += 1;
    }
    count
}
