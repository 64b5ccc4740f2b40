// SPDX-License-Identifier: GPL-2.0-only
//! Colours for Lua text: keywords, strings, numbers, comments. A reader's aid, line by line; what
//! spans lines (long strings and comments) is carried from one line to the next.

use crate::console::theme::{Role, Theme};
use ratatui::text::Span;

const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];
/// What packet scripts return.
const VERDICTS: [&str; 7] = [
    "ACCEPT", "DROP", "CONTINUE", "QUEUE", "REJECT", "REPEAT", "STOLEN",
];

/// What the end of a line leaves open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Open {
    /// Nothing.
    #[default]
    No,
    /// A long string or comment with so many equals signs.
    Long(usize, bool),
}

/// One line in colour; `open` is what the line before left open, and becomes what this one does.
pub fn line(text: &str, open: &mut Open, theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut push = |text: &str, role: Role| {
        if !text.is_empty() {
            spans.push(Span::styled(text.replace('\t', "    "), theme.style(role)));
        }
    };
    let mut rest = text;
    while !rest.is_empty() {
        let (length, role) = match *open {
            Open::Long(level, comment) => {
                let close = format!("]{}]", "=".repeat(level));
                let role = if comment { Role::Dim } else { Role::Good };
                match rest.find(&close) {
                    Some(at) => {
                        *open = Open::No;
                        (at + close.len(), role)
                    }
                    None => (rest.len(), role),
                }
            }
            Open::No => token(rest, open),
        };
        let (head, tail) = rest.split_at(length);
        push(head, role);
        rest = tail;
    }
    spans
}

/// The level of a long bracket that starts here.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let level = inner.bytes().take_while(|b| *b == b'=').count();
    inner[level..].starts_with('[').then_some(level)
}

fn token(text: &str, open: &mut Open) -> (usize, Role) {
    if let Some(comment) = text.strip_prefix("--") {
        return match long_bracket(comment) {
            Some(level) => {
                *open = Open::Long(level, true);
                (4 + level, Role::Dim)
            }
            None => (text.len(), Role::Dim),
        };
    }
    if let Some(level) = long_bracket(text) {
        *open = Open::Long(level, false);
        return (2 + level, Role::Good);
    }
    let Some(first) = text.chars().next() else {
        return (0, Role::Text);
    };
    let run = |accept: fn(char) -> bool| text.find(|c| !accept(c)).unwrap_or(text.len());
    match first {
        '"' | '\'' => (string(text, first), Role::Good),
        '0'..='9' => (run(|c| c.is_ascii_alphanumeric() || c == '.'), Role::Warn),
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = run(|c| c.is_ascii_alphanumeric() || c == '_');
            let word = &text[..length];
            let role = if KEYWORDS.contains(&word) {
                Role::Accent
            } else if VERDICTS.contains(&word) {
                Role::Drop
            } else {
                Role::Text
            };
            (length, role)
        }
        _ => (first.len_utf8(), Role::Text),
    }
}

fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_whatever_the_text() {
        let theme = Theme::named("calm").unwrap();
        for text in [
            "local x <const> = 0x1F -- hex",
            "return DROP, \"a \\\" b\"",
            "s = [==[ long",
            "]==] y = 'ü' .. \"unclosed",
            "--[[ a ]] b",
            "\u{7f}\u{0}é…",
        ] {
            let mut open = Open::No;
            let spans = line(text, &mut open, &theme);
            let joined: String = spans.iter().map(|span| span.content.as_ref()).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn long_comments_go_on() {
        let theme = Theme::named("calm").unwrap();
        let mut open = Open::No;
        line("x = 1 --[=[ starts", &mut open, &theme);
        assert_eq!(open, Open::Long(1, true));
        line("goes ]] on", &mut open, &theme);
        assert_eq!(open, Open::Long(1, true));
        line("ends ]=] y", &mut open, &theme);
        assert_eq!(open, Open::No);
    }
}
