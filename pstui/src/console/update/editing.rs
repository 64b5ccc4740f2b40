// SPDX-License-Identifier: GPL-2.0-only
//! A line of text under the keys that every shell knows.

use crate::console::model::Edit;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Applies a key; false if it is none of editing.
pub fn edit(line: &mut Edit, key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('a') if control => line.cursor = 0,
        KeyCode::Char('e') if control => line.cursor = line.text.len(),
        KeyCode::Char('u') if control => {
            line.text.drain(..line.cursor);
            line.cursor = 0;
        }
        KeyCode::Char('k') if control => line.text.truncate(line.cursor),
        KeyCode::Char('w') if control => {
            let start = word_start(&line.text[..line.cursor]);
            line.text.drain(start..line.cursor);
            line.cursor = start;
        }
        KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
            insert(line, c.encode_utf8(&mut [0; 4]));
        }
        KeyCode::Backspace => {
            if let Some(at) = before(&line.text, line.cursor) {
                line.text.remove(at);
                line.cursor = at;
            }
        }
        KeyCode::Delete => {
            if line.cursor < line.text.len() {
                line.text.remove(line.cursor);
            }
        }
        KeyCode::Left => line.cursor = before(&line.text, line.cursor).unwrap_or(0),
        KeyCode::Right => {
            let next = line.text[line.cursor..].chars().next();
            line.cursor += next.map_or(0, char::len_utf8);
        }
        KeyCode::Home => line.cursor = 0,
        KeyCode::End => line.cursor = line.text.len(),
        _ => return false,
    }
    true
}

/// Puts text at the cursor; control characters, which a paste may hold, are left out.
pub fn insert(line: &mut Edit, text: &str) {
    for c in text.chars().filter(|c| !c.is_control()) {
        line.text.insert(line.cursor, c);
        line.cursor += c.len_utf8();
    }
}

fn before(text: &str, cursor: usize) -> Option<usize> {
    text[..cursor].char_indices().next_back().map(|(at, _)| at)
}

/// Where the last word starts: words end at blanks and at the slashes of paths.
fn word_start(text: &str) -> usize {
    let trimmed = text.trim_end_matches([' ', '/']);
    trimmed.rfind([' ', '/']).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut Edit, code: KeyCode, modifiers: KeyModifiers) {
        edit(line, &KeyEvent::new(code, modifiers));
    }

    #[test]
    fn characters_of_any_length() {
        let mut line = Edit::new("a");
        insert(&mut line, "ßλ\n漢");
        assert_eq!(line.text, "aßλ漢");
        press(&mut line, KeyCode::Left, KeyModifiers::NONE);
        press(&mut line, KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!(line.text, "aß漢");
        press(&mut line, KeyCode::Delete, KeyModifiers::NONE);
        assert_eq!(line.text, "aß");
        for _ in 0..5 {
            press(&mut line, KeyCode::Left, KeyModifiers::NONE);
        }
        press(&mut line, KeyCode::Right, KeyModifiers::NONE);
        press(&mut line, KeyCode::Right, KeyModifiers::NONE);
        press(&mut line, KeyCode::Right, KeyModifiers::NONE);
        assert_eq!(line.cursor, line.text.len());
    }

    #[test]
    fn a_word_of_a_path() {
        let mut line = Edit::new("/etc/packetscript/a.lua");
        press(&mut line, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(line.text, "/etc/packetscript/");
        press(&mut line, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(line.text, "/etc/");
        press(&mut line, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(line.text, "");
    }
}
