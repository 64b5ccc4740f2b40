// SPDX-License-Identifier: GPL-2.0-only
//! What comes over the border: lines of /proc, messages of netlink, and words that users write.

use packetscript_abi::{client, names, proc, source};

use crate::input::Input;

/// The first byte chooses who reads the rest.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let choice = input.u8() % 4;
    let rest = input.rest();
    match choice {
        0 => {
            let _ = proc::parse_scripts(rest);
            let _ = proc::parse_rules(rest);
            let _ = proc::parse_hooks(rest);
        }
        1 => client::take_apart(rest),
        2 => {
            let lines = rest.split(|&byte| byte == b'\n').count();
            for (line, name) in source::required(rest) {
                assert!(line <= lines, "'{name}' on line {line} of {lines}");
            }
        }
        _ => words(&String::from_utf8_lossy(rest)),
    }
}

fn words(text: &str) {
    let escaped = proc::escape(text).to_string();
    assert!(!escaped.contains(['\t', '\n']), "{escaped:?} is one cell");
    // An empty cell is written as a dash, which the reader of cells knows.
    if !text.is_empty() {
        let back = proc::unescape(&escaped).expect("what was escaped");
        assert_eq!(back, text, "by way of {escaped:?}");
    }
    let _ = proc::unescape(text);
    if let Ok(amount) = names::parse_amount(text) {
        let shown = names::format_amount(amount);
        assert_eq!(names::parse_amount(&shown), Ok(amount), "by way of {shown}");
    }
    let _ = names::check_script(text);
    let _ = names::check_function(text);
    let _ = names::check_argument(text);
    if let Some(hash) = client::parse_hash(text) {
        assert_eq!(client::parse_hash(&client::format_hash(hash)), Some(hash));
    }
}
