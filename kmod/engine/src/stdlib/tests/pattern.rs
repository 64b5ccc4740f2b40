// SPDX-License-Identifier: GPL-2.0-only
//! Patterns and plain searches, on random subjects.

use crate::random::Random;
use crate::stdlib::pattern::{Budget, Captured, Fault, Matcher, Scratch};
use crate::stdlib::search;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// What `string.find` answers, as text.
fn find(subject: &[u8], pattern: &[u8], scratch: &Scratch) -> String {
    let (anchored, pattern) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, pattern),
    };
    let mut matcher = Matcher::new(subject, pattern, scratch, Budget::new(5_000_000, 0));
    let answer = matcher.search(0, anchored).and_then(|found| {
        let Some((s, e)) = found else {
            return Ok("nil".to_string());
        };
        let mut text = format!("{} {}", s + 1, e);
        for i in 0..matcher.captures() {
            match scratch.capture(matcher.captures(), i, s, e)? {
                Captured::Position(p) => text.push_str(&format!(" {p}")),
                Captured::Bytes(a, b) => text.push_str(&format!(" {:?}", &subject[a..b])),
            }
        }
        Ok(text)
    });
    match answer {
        Ok(text) => text,
        Err(Fault::Fuel) => "fuel".to_string(),
        Err(Fault::Interrupted) => "interrupted".to_string(),
        Err(Fault::Malformed(message)) => message.to_string(),
        Err(Fault::Index(n)) => format!("invalid capture index %{n}"),
    }
}

fn puc(find: &mlua::Function, lua: &mlua::Lua, subject: &[u8], pattern: &[u8]) -> String {
    let arguments = (
        lua.create_string(subject).unwrap(),
        lua.create_string(pattern).unwrap(),
    );
    match find.call::<mlua::MultiValue>(arguments) {
        Ok(values) => {
            let parts: Vec<String> = values
                .iter()
                .map(|v| match v {
                    mlua::Value::Nil => "nil".to_string(),
                    mlua::Value::Integer(i) => format!("{i}"),
                    mlua::Value::String(s) => format!("{:?}", &s.as_bytes()[..]),
                    other => format!("{other:?}"),
                })
                .collect();
            parts.join(" ")
        }
        Err(e) => {
            let text = e.to_string();
            let first = text.lines().next().unwrap_or_default();
            first
                .strip_prefix("runtime error: ")
                .unwrap_or(first)
                .to_string()
        }
    }
}

#[test]
fn patterns_match_as_in_puc() {
    let lua = mlua::Lua::new();
    let puc_find: mlua::Function = lua.load("return string.find").eval().unwrap();
    let mut r = Random(7);
    let scratch = Scratch::new();
    let pieces = [
        "a",
        "b",
        "c",
        ".",
        "%a",
        "%d",
        "%s",
        "%w",
        "%W",
        "%%",
        "[ab]",
        "[^ab]",
        "[a-c]",
        "[%d_]",
        "[]]",
        "[^]]",
        "[a-]",
        "*",
        "+",
        "-",
        "?",
        "(",
        ")",
        "()",
        "%1",
        "%2",
        "%b()",
        "%bab",
        "%f[%w]",
        "%f[^a]",
        "^",
        "$",
        "[",
        "]",
        "%",
        "%b",
        "%f",
        "\0",
        "[%a-z]",
        "[%]a]",
        "%g",
        "%p",
        "%x",
        "%u",
        "%l",
        "%c",
        "%z",
        "%Z",
        "[^",
        "%G",
        "\u{e9}",
        "_",
        "[+--]",
        "[a%",
        "(a*(.)%w(%s*))",
    ];
    let texts = [
        "a", "b", "c", "1", " ", "(", ")", "_", "\0", "A", "%", "ab", "abab", "]", "\u{e9}", "-",
        "\n",
    ];
    let (mut matched, mut failed, mut wrong) = (0, 0, 0);
    for _ in 0..100_000 {
        let subject: String = (0..r.below(14)).map(|_| r.pick(&texts)).collect();
        let pattern: String = (0..1 + r.below(7)).map(|_| r.pick(&pieces)).collect();
        let mut expected = puc(&puc_find, &lua, subject.as_bytes(), pattern.as_bytes());
        if expected.starts_with("malformed pattern (missing arguments to") {
            expected.truncate(expected.find("'%b'").unwrap_or(0) + 5);
        }
        let plain = crate::stdlib::pattern::is_plain(pattern.as_bytes());
        let got = if plain {
            let mut steps = 1000;
            match search::plain(subject.as_bytes(), pattern.as_bytes(), &mut steps) {
                Ok(None) => "nil".to_string(),
                Ok(Some(at)) => format!("{} {}", at + 1, at + pattern.len()),
                Err(_) => "fuel".to_string(),
            }
        } else {
            find(subject.as_bytes(), pattern.as_bytes(), &scratch)
        };
        match expected.as_bytes().first() {
            Some(b'n') => failed += 1,
            Some(b'0'..=b'9') => matched += 1,
            _ => wrong += 1,
        }
        assert!(
            expected.starts_with(&got),
            "{subject:?} {pattern:?}: {got} is not {expected}"
        );
    }
    assert!(
        matched > 5_000 && failed > 5_000 && wrong > 5_000,
        "{matched} {failed} {wrong}"
    );
}

#[test]
fn the_limits_are_pucs() {
    let lua = mlua::Lua::new();
    let puc_find: mlua::Function = lua.load("return string.find").eval().unwrap();
    let scratch = Scratch::new();
    for n in [
        1, 31, 32, 33, 60, 98, 99, 100, 101, 197, 198, 199, 200, 201, 250,
    ] {
        for (item, subject) in [
            ("a?", "a"),
            ("()", ""),
            ("(a)", "a"),
            ("a*", "a"),
            ("a-", "a"),
        ] {
            // Nothing may fail to match: PUC has no fuel.
            let (subject, pattern) = (subject.repeat(n), item.repeat(n));
            let expected = puc(&puc_find, &lua, subject.as_bytes(), pattern.as_bytes());
            let got = find(subject.as_bytes(), pattern.as_bytes(), &scratch);
            assert!(
                expected.starts_with(&got),
                "{item} {n} times: {got} is not {expected}"
            );
        }
    }
    let bomb = format!("{}{}", "a?".repeat(20), "a".repeat(20));
    let mut matcher = Matcher::new(
        b"aaaaaaaaaaaaaaaaaaa",
        bomb.as_bytes(),
        &scratch,
        Budget::new(100_000, 0),
    );
    assert_eq!(matcher.search(0, false), Err(Fault::Fuel));
}

#[test]
fn plain_search_finds_the_first() {
    let mut r = Random(8);
    for _ in 0..200_000 {
        let letters: &[u8] = if r.below(2) == 0 {
            b"ab"
        } else {
            b"\0\x01\x80\xff"
        };
        // Long ones of one letter but for a few, so that blocks of every size are passed over.
        let long = r.below(4) == 0;
        let mut text: Vec<u8> = (0..r.below(if long { 300 } else { 60 }))
            .map(|_| letters[if long { 1 } else { r.below(letters.len()) }])
            .collect();
        let needle: Vec<u8> = (0..r.below(6))
            .map(|_| letters[r.below(letters.len())])
            .collect();
        if long && !text.is_empty() {
            for _ in 0..r.below(4) {
                let at = r.below(text.len());
                text[at] = letters[r.below(letters.len())];
            }
            let at = r.below(text.len());
            let rest = &mut text[at..];
            let len = rest.len().min(needle.len());
            rest[..len].copy_from_slice(&needle[..len]);
        }
        let expected = if needle.is_empty() {
            Some(0)
        } else {
            text.windows(needle.len()).position(|w| w == needle)
        };
        assert_eq!(
            search::plain(&text, &needle, &mut 10_000),
            Ok(expected),
            "{text:?} {needle:?}"
        );
        let wanted = letters[0];
        assert_eq!(
            search::byte(&text, wanted),
            text.iter().position(|b| *b == wanted)
        );
    }
    assert_eq!(
        search::plain(&[b'x'; 1500], b"xy", &mut 100),
        Err(Fault::Fuel)
    );
}
