// SPDX-License-Identifier: GPL-2.0-only
//! Keys while something other than the table has them.

use super::editing;
use crate::console::keys;
use crate::console::message::Effect;
use crate::console::model::{Edit, Mode, Model, Verb};
use crate::console::view::help as help_view;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// The help overlay: the movement keys scroll it, q leaves the program as everywhere, all else
/// closes it.
pub fn help(model: &mut Model, key: &KeyEvent, effects: &mut Vec<Effect>) {
    let Mode::Help(top) = &model.mode else { return };
    let last = help_view::last_top(model);
    let page = help_view::page(model);
    let to = match keys::action(key, model.options.read_only) {
        Some(keys::Action::Quit) => {
            effects.push(Effect::Quit);
            return;
        }
        Some(keys::Action::Down) => top + 1,
        Some(keys::Action::Up) => top.saturating_sub(1),
        Some(keys::Action::PageDown) => top + page,
        Some(keys::Action::PageUp) => top.saturating_sub(page),
        Some(keys::Action::Top) => 0,
        Some(keys::Action::Bottom) => last,
        _ => {
            model.mode = Mode::Normal;
            return;
        }
    };
    model.mode = Mode::Help(to.min(last));
}

/// The filter line: what is typed is in force at once.
pub fn filter(model: &mut Model, key: &KeyEvent) {
    let Mode::Filter { edit, before } = &mut model.mode else {
        return;
    };
    if key.code == KeyCode::Esc || is_interrupt(key) {
        let before = std::mem::take(before);
        model.table_mut().filter = before;
        model.mode = Mode::Normal;
    } else if key.code == KeyCode::Enter {
        model.mode = Mode::Normal;
    } else if editing::edit(edit, key) {
        let text = edit.text.clone();
        model.table_mut().filter = text;
    }
}

/// The path prompt.
pub fn prompt(model: &mut Model, key: &KeyEvent, effects: &mut Vec<Effect>) {
    let Mode::Prompt {
        edit,
        offers,
        chosen,
    } = &mut model.mode
    else {
        return;
    };
    if key.code == KeyCode::Esc || is_interrupt(key) {
        model.mode = Mode::Normal;
        return;
    }
    let backwards = key.code == KeyCode::BackTab || key.code == KeyCode::Up;
    match key.code {
        KeyCode::Enter => {
            let path = edit.text.trim().to_owned();
            if path.ends_with('/') {
                // A folder was chosen: go on inside it.
                effects.push(Effect::Complete(path));
            } else if !path.is_empty() {
                model.mode = Mode::Confirm(Verb::Load(path));
            }
        }
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Down | KeyCode::Up => {
            if offers.is_empty() {
                effects.push(Effect::Complete(edit.text.clone()));
                return;
            }
            let common = common_start(offers);
            if chosen.is_none() && key.code == KeyCode::Tab && common.len() > edit.text.len() {
                *edit = Edit::new(common);
                if let [only] = offers.as_slice() {
                    // Nothing is left to choose: show what is inside, if it is a folder.
                    if only.ends_with('/') {
                        effects.push(Effect::Complete(only.clone()));
                    }
                }
                return;
            }
            let count = offers.len();
            let next = match (*chosen, backwards) {
                (None, false) => 0,
                (None, true) => count - 1,
                (Some(at), false) => (at + 1) % count,
                (Some(at), true) => (at + count - 1) % count,
            };
            *chosen = Some(next);
            *edit = Edit::new(offers[next].clone());
        }
        _ => {
            if editing::edit(edit, key) {
                *chosen = None;
                effects.push(Effect::Complete(edit.text.clone()));
            }
        }
    }
}

/// Completions arrived; those of an older text are of no use any more.
pub fn offers(model: &mut Model, start: &str, paths: Vec<String>) {
    if let Mode::Prompt {
        edit,
        offers,
        chosen,
    } = &mut model.mode
        && edit.text.trim_end() == start.trim_end()
    {
        *offers = paths;
        *chosen = None;
    }
}

fn common_start(texts: &[String]) -> String {
    let Some((first, rest)) = texts.split_first() else {
        return String::new();
    };
    let mut common: Vec<char> = first.chars().collect();
    for text in rest {
        let same = common
            .iter()
            .zip(text.chars())
            .take_while(|(a, b)| **a == *b)
            .count();
        common.truncate(same);
    }
    common.into_iter().collect()
}

/// The question before a verb: only y means yes.
pub fn confirm(model: &mut Model, key: &KeyEvent, effects: &mut Vec<Effect>) {
    let Mode::Confirm(verb) = &model.mode else {
        return;
    };
    match key.code {
        KeyCode::Char('y' | 'Y') if !key.modifiers.contains(KeyModifiers::CONTROL) => {
            let verb = verb.clone();
            model.busy = Some(verb.clone());
            model.mode = Mode::Normal;
            effects.push(Effect::Do(verb));
        }
        KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => model.mode = Mode::Normal,
        _ if is_interrupt(key) => model.mode = Mode::Normal,
        _ => {}
    }
}

/// A paste goes where text is typed, and nowhere else.
pub fn paste(model: &mut Model, text: &str) {
    match &mut model.mode {
        Mode::Filter { edit, .. } => {
            editing::insert(edit, text);
            let text = edit.text.clone();
            model.table_mut().filter = text;
        }
        Mode::Prompt {
            edit,
            chosen,
            offers,
        } => {
            editing::insert(edit, text);
            *chosen = None;
            offers.clear();
        }
        _ => {}
    }
}
