// SPDX-License-Identifier: GPL-2.0-only
//! Keys as data: one table is what the console obeys, what the footer shows and what the help
//! overlay prints.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does outside of dialogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Show screen 0, 1, 2.
    Screen(u8),
    /// The next screen.
    NextScreen,
    /// The screen before.
    PreviousScreen,
    /// Move the selection, or the text of a focused detail pane.
    Down,
    /// The other way.
    Up,
    /// A page on.
    PageDown,
    /// A page back.
    PageUp,
    /// To the first.
    Top,
    /// To the last.
    Bottom,
    /// Open or close the detail pane.
    Detail,
    /// Put the detail pane's text under the movement keys, or the table.
    Focus,
    /// From a rule or hook to its script, from a script to its rules.
    Follow,
    /// Sort by the column to the right.
    SortNext,
    /// Sort by the column to the left.
    SortPrevious,
    /// Sort the other way round.
    SortInvert,
    /// Type a filter.
    Filter,
    /// Stop the picture; collecting goes on.
    Freeze,
    /// Load a script.
    Load,
    /// Unload the selected script.
    Unload,
    /// Load the selected script again from its file and move its rules to it.
    Reload,
    /// Set the counters of the selected script's rules to zero.
    Reset,
    /// Load the kernel module.
    Modprobe,
    /// The help overlay.
    Help,
    /// Close what is open: detail, filter.
    Back,
    /// Leave.
    Quit,
}

/// A line of the key table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Any of these.
    pub keys: &'static [(KeyCode, KeyModifiers)],
    /// What happens.
    pub action: Action,
    /// How the keys are written.
    pub label: &'static str,
    /// A word for the footer; empty where it has no place there.
    pub short: &'static str,
    /// A sentence for the help overlay.
    pub help: &'static str,
    /// A heading of the help overlay.
    pub group: &'static str,
    /// Changes something in the kernel: absent with --read-only.
    pub verb: bool,
}

const fn key(code: KeyCode) -> (KeyCode, KeyModifiers) {
    (code, KeyModifiers::NONE)
}

const fn char(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), KeyModifiers::NONE)
}

const fn control(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn watch(
    group: &'static str,
    action: Action,
    label: &'static str,
    short: &'static str,
    help: &'static str,
    keys: &'static [(KeyCode, KeyModifiers)],
) -> Binding {
    Binding {
        keys,
        action,
        label,
        short,
        help,
        group,
        verb: false,
    }
}

const fn verb(
    action: Action,
    label: &'static str,
    short: &'static str,
    help: &'static str,
    keys: &'static [(KeyCode, KeyModifiers)],
) -> Binding {
    Binding {
        keys,
        action,
        label,
        short,
        help,
        group: CHANGE,
        verb: true,
    }
}

const MOVE: &str = "Move";
const LOOK: &str = "Look";
const CHANGE: &str = "Change";
const PROGRAM: &str = "Console";

/// The key table, in the order of the help overlay.
pub const KEYS: &[Binding] = &[
    watch(
        MOVE,
        Action::Screen(0),
        "1",
        "",
        "hooks: where packets meet scripts",
        &[char('1')],
    ),
    watch(
        MOVE,
        Action::Screen(1),
        "2",
        "",
        "scripts: the versions that are loaded",
        &[char('2')],
    ),
    watch(
        MOVE,
        Action::Screen(2),
        "3",
        "",
        "rules: who calls which script",
        &[char('3')],
    ),
    watch(
        MOVE,
        Action::NextScreen,
        "→ l",
        "",
        "next screen",
        &[key(KeyCode::Right), char('l')],
    ),
    watch(
        MOVE,
        Action::PreviousScreen,
        "← h",
        "",
        "previous screen",
        &[key(KeyCode::Left), char('h')],
    ),
    watch(
        MOVE,
        Action::Down,
        "↓ j",
        "",
        "down",
        &[key(KeyCode::Down), char('j')],
    ),
    watch(
        MOVE,
        Action::Up,
        "↑ k",
        "",
        "up",
        &[key(KeyCode::Up), char('k')],
    ),
    watch(
        MOVE,
        Action::PageDown,
        "PgDn",
        "",
        "a page down",
        &[key(KeyCode::PageDown), control('f')],
    ),
    watch(
        MOVE,
        Action::PageUp,
        "PgUp",
        "",
        "a page up",
        &[key(KeyCode::PageUp), control('b')],
    ),
    watch(
        MOVE,
        Action::Top,
        "Home g",
        "",
        "to the first line",
        &[key(KeyCode::Home), char('g')],
    ),
    watch(
        MOVE,
        Action::Bottom,
        "End G",
        "",
        "to the last line",
        &[key(KeyCode::End), char('G')],
    ),
    watch(
        LOOK,
        Action::Detail,
        "Enter",
        "detail",
        "open or close the details of the selected line",
        &[key(KeyCode::Enter)],
    ),
    watch(
        LOOK,
        Action::Focus,
        "Tab",
        "",
        "movement keys scroll the details, and back",
        &[key(KeyCode::Tab)],
    ),
    watch(
        LOOK,
        Action::Follow,
        "f",
        "follow",
        "from a rule or hook to its script, from a script to its rules",
        &[char('f')],
    ),
    watch(
        LOOK,
        Action::Filter,
        "/",
        "filter",
        "show only lines with these words",
        &[char('/')],
    ),
    watch(
        LOOK,
        Action::SortNext,
        ">",
        "sort",
        "sort by the next column",
        &[char('>')],
    ),
    watch(
        LOOK,
        Action::SortPrevious,
        "<",
        "",
        "sort by the previous column",
        &[char('<')],
    ),
    watch(
        LOOK,
        Action::SortInvert,
        "i",
        "",
        "turn the order round",
        &[char('i')],
    ),
    watch(
        LOOK,
        Action::Freeze,
        "Space",
        "freeze",
        "hold the picture still; collecting goes on",
        &[char(' ')],
    ),
    verb(
        Action::Load,
        "L",
        "load",
        "load a script from a file",
        &[char('L')],
    ),
    verb(
        Action::Reload,
        "R",
        "reload",
        "load its file again; its rules move to the new version",
        &[char('R')],
    ),
    verb(
        Action::Unload,
        "U",
        "unload",
        "unload the selected script",
        &[char('U')],
    ),
    verb(
        Action::Reset,
        "Z",
        "",
        "set the counters of the script's rules to zero",
        &[char('Z')],
    ),
    verb(
        Action::Modprobe,
        "M",
        "",
        "load the kernel module, when it is not there",
        &[char('M')],
    ),
    watch(
        PROGRAM,
        Action::Help,
        "?",
        "help",
        "this help",
        &[char('?'), key(KeyCode::F(1))],
    ),
    watch(
        PROGRAM,
        Action::Back,
        "Esc",
        "",
        "close the details, then clear the filter",
        &[key(KeyCode::Esc)],
    ),
    watch(
        PROGRAM,
        Action::Quit,
        "q",
        "quit",
        "leave",
        &[char('q'), control('c')],
    ),
];

/// What a key means; a verb means nothing when only watching.
pub fn action(event: &KeyEvent, read_only: bool) -> Option<Action> {
    // Terminals differ in whether they report the shift of an upper-case letter.
    let modifiers = event.modifiers - KeyModifiers::SHIFT;
    bindings(read_only)
        .find(|binding| binding.keys.contains(&(event.code, modifiers)))
        .map(|binding| binding.action)
}

/// The lines of the table that apply.
pub fn bindings(read_only: bool) -> impl Iterator<Item = &'static Binding> {
    KEYS.iter()
        .filter(move |binding| !(read_only && binding.verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        let mut seen = Vec::new();
        for binding in KEYS {
            for key in binding.keys {
                assert!(!seen.contains(key), "{key:?} is bound twice");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn read_only_knows_no_verb() {
        for binding in KEYS.iter().filter(|binding| binding.verb) {
            for (code, modifiers) in binding.keys {
                let event = KeyEvent::new(*code, *modifiers);
                assert_eq!(action(&event, true), None);
                assert_eq!(action(&event, false), Some(binding.action));
            }
        }
    }

    #[test]
    fn a_reported_shift_is_the_same_key() {
        let event = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(action(&event, false), Some(Action::Bottom));
    }
}
