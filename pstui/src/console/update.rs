// SPDX-License-Identifier: GPL-2.0-only
//! The one place where the state changes: message in, effects out.

mod dialogs;
mod editing;

use super::columns;
use super::identity::RowId;
use super::keys::{self, Action};
use super::message::{Effect, Message};
use super::model::{Edit, Mode, Model, Screen, Toast, Verb};
use super::view::{detail, layout};
use crate::error::Error;
use ratatui::crossterm::event::{KeyEvent, KeyEventKind};
use std::time::Duration;

/// How long a message stays in the footer.
const TOAST: Duration = Duration::from_secs(6);

/// Takes a message in.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => {}
        Message::Key(key) => on_key(model, &key, &mut effects),
        Message::Paste(text) => dialogs::paste(model, &text),
        Message::Resize(width, height) => model.size = (width, height),
        Message::Closed => effects.push(Effect::Quit),
        Message::Tick(now) => {
            model.now = now;
            if model.toast.as_ref().is_some_and(|toast| toast.until <= now) {
                model.toast = None;
            }
        }
        Message::Snapshot(Ok(snapshot)) => {
            model.trouble = None;
            model.started = true;
            model.live.tracks.advance(&snapshot);
            model.live.snapshot = *snapshot;
        }
        Message::Snapshot(Err(error)) => {
            // What is gone is not shown as if it were still there; a hiccup in reading is.
            if matches!(
                error,
                Error::NotLoaded | Error::Permission(_) | Error::Abi(_)
            ) {
                model.live = super::model::Picture::default();
            }
            model.started = true;
            model.trouble = Some(error);
        }
        Message::About(about) => model.about = about,
        Message::Text { name, hash, text } => {
            let id = (name, hash);
            model.awaited.remove(&id);
            model.texts.insert(id, text);
        }
        Message::Done(verb, result) => on_done(model, verb, result, &mut effects),
        Message::Offers { start, paths } => dialogs::offers(model, &start, paths),
    }
    settle(model);
    want_text(model, &mut effects);
    effects
}

fn on_key(model: &mut Model, key: &KeyEvent, effects: &mut Vec<Effect>) {
    match &model.mode {
        Mode::Normal => {
            if let Some(action) = keys::action(key, model.options.read_only) {
                act(model, action, effects);
            }
        }
        Mode::Help(_) => dialogs::help(model, key, effects),
        Mode::Filter { .. } => dialogs::filter(model, key),
        Mode::Prompt { .. } => dialogs::prompt(model, key, effects),
        Mode::Confirm(_) => dialogs::confirm(model, key, effects),
        Mode::Notice { .. } => model.mode = Mode::Normal,
    }
}

fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Screen(number) => show(model, number as usize),
        Action::NextScreen => show(model, (model.screen as usize + 1) % Screen::ALL.len()),
        Action::PreviousScreen => {
            show(
                model,
                (model.screen as usize + Screen::ALL.len() - 1) % Screen::ALL.len(),
            );
        }
        Action::Down => step(model, |line, _| line + 1),
        Action::Up => step(model, |line, _| line.saturating_sub(1)),
        Action::PageDown => step(model, |line, page| line + page),
        Action::PageUp => step(model, usize::saturating_sub),
        Action::Top => step(model, |_, _| 0),
        Action::Bottom => step(model, |_, _| usize::MAX),
        Action::Detail => {
            model.detail = !model.detail;
            model.detail_focus = false;
            model.detail_top = 0;
            // Asked for again next time, should it have failed.
            model.texts.retain(|_, text| text.is_ok());
        }
        Action::Focus => {
            if model.detail {
                model.detail_focus = !model.detail_focus;
            } else {
                model.detail = true;
                model.detail_focus = true;
            }
        }
        Action::Follow => follow(model),
        Action::SortNext => sort(model, 1),
        Action::SortPrevious => sort(model, -1),
        Action::SortInvert => {
            let table = model.table_mut();
            table.descending = !table.descending;
        }
        Action::Filter => {
            let before = model.table().filter.clone();
            model.mode = Mode::Filter {
                edit: Edit::new(before.clone()),
                before,
            };
        }
        Action::Freeze => {
            model.frozen = match model.frozen.take() {
                Some(_) => None,
                None => Some(Box::new(model.live.clone())),
            };
        }
        Action::Load => {
            model.mode = Mode::Prompt {
                edit: Edit::default(),
                offers: Vec::new(),
                chosen: None,
            };
            effects.push(Effect::Complete(String::new()));
        }
        Action::Unload => ask_about_script(model, |name, _| Ok(Verb::Unload(name))),
        Action::Reload => ask_about_script(model, |name, path| match path {
            Some(path) => Ok(Verb::Reload { name, path }),
            None => Err(format!(
                "{name} was not loaded from a file: load its new version by path"
            )),
        }),
        Action::Reset => ask_about_script(model, |name, _| Ok(Verb::Reset(name))),
        Action::Modprobe => {
            if model.trouble == Some(Error::NotLoaded) {
                model.mode = Mode::Confirm(Verb::Modprobe);
            } else {
                toast(model, "the kernel module is loaded".to_owned());
            }
        }
        Action::Help => model.mode = Mode::Help(0),
        Action::Back => {
            if model.detail_focus {
                model.detail_focus = false;
            } else if model.detail {
                model.detail = false;
            } else {
                model.table_mut().filter.clear();
            }
        }
        Action::Quit => effects.push(Effect::Quit),
    }
}

fn show(model: &mut Model, number: usize) {
    if let Some(screen) = Screen::ALL.get(number) {
        model.screen = *screen;
        model.detail_top = 0;
        model.detail_focus = false;
    }
}

/// Moves the selection, or the text of the focused detail pane.
fn step(model: &mut Model, to: impl Fn(usize, usize) -> usize) {
    let areas = layout::areas(model);
    if model.detail && model.detail_focus {
        let Some(area) = areas.detail else { return };
        let page = detail::page(area);
        let last = detail::height(model, area).saturating_sub(page);
        model.detail_top = to(model.detail_top, page).min(last);
        return;
    }
    let lines = model.lines();
    let page = layout::page(areas.table);
    let table = model.table_mut();
    let line = to(table.last_line, page).min(lines.len().saturating_sub(1));
    let before = table.selected.take();
    table.selected = lines.get(line).map(|line| line.id.clone());
    table.last_line = line;
    if before != model.table().selected {
        model.detail_top = 0;
    }
}

fn sort(model: &mut Model, by: isize) {
    let columns = columns::columns(model.screen);
    let table = model.table_mut();
    let count = columns.len() as isize;
    table.sort = (table.sort as isize + by).rem_euclid(count) as usize;
    // Of numbers one looks for the largest, of names for the first.
    let numbers = columns
        .get(table.sort)
        .is_some_and(|c| c.right && c.title != "ID");
    table.descending = numbers || columns.get(table.sort).is_some_and(|c| c.title == "TREND");
}

fn follow(model: &mut Model) {
    let Some(id) = model.table().selected.clone() else {
        return;
    };
    let target = match &id {
        RowId::Rule(_) => model.script_of(&id).map(RowId::from),
        RowId::Hook(family, hook) => {
            let rules = &model.picture().snapshot.rules;
            rules
                .iter()
                .find(|r| r.family == *family && r.hooks.contains(hook))
                .map(RowId::from)
        }
        RowId::Script(name, hash) => {
            let rules = &model.picture().snapshot.rules;
            rules
                .iter()
                .find(|r| r.name == *name && r.hash == *hash)
                .map(RowId::from)
        }
    };
    let Some(target) = target else {
        toast(model, "no rule here".to_owned());
        return;
    };
    let screen = match target {
        RowId::Rule(_) => Screen::Rules,
        _ => Screen::Scripts,
    };
    show(model, screen as usize);
    // A filter that hides what is looked for would lead elsewhere.
    model.table_mut().selected = Some(target.clone());
    if !model.lines().iter().any(|line| line.id == target) {
        model.table_mut().filter.clear();
    }
}

fn ask_about_script(
    model: &mut Model,
    verb: impl Fn(String, Option<String>) -> Result<Verb, String>,
) {
    let script = model
        .selected_script()
        .map(|s| (s.name.clone(), s.path.clone()));
    match script {
        Some((name, path)) => match verb(name, path) {
            Ok(verb) => model.mode = Mode::Confirm(verb),
            Err(text) => toast(model, text),
        },
        None => toast(model, "select a script or a rule first".to_owned()),
    }
}

fn on_done(
    model: &mut Model,
    verb: Verb,
    result: Result<String, Error>,
    effects: &mut Vec<Effect>,
) {
    model.busy = None;
    match result {
        Ok(notice) => {
            let done = match &verb {
                Verb::Load(path) => format!("loaded {path}"),
                Verb::Unload(name) => format!("unloaded {name}"),
                Verb::Reload { name, .. } => format!("reloaded {name}"),
                Verb::Reset(name) => format!("counters of {name} are zero"),
                Verb::Modprobe => "the kernel module is loaded".to_owned(),
            };
            let text = if notice.is_empty() {
                done
            } else {
                format!("{done}: {notice}")
            };
            toast(model, text);
        }
        Err(error) => {
            let title = match verb {
                Verb::Load(path) => format!("{path} was not loaded"),
                Verb::Unload(name) => format!("{name} was not unloaded"),
                Verb::Reload { name, .. } => format!("{name} was not reloaded"),
                Verb::Reset(name) => format!("the counters of {name} stay"),
                Verb::Modprobe => "the kernel module was not loaded".to_owned(),
            };
            let text = match error.hint() {
                Some(hint) => format!("{error}\n\n{hint}"),
                None => error.to_string(),
            };
            model.mode = Mode::Notice { title, text };
        }
    }
    effects.push(Effect::Refresh);
}

fn toast(model: &mut Model, text: String) {
    model.toast = Some(Toast {
        text,
        until: model.now + TOAST,
    });
}

/// Brings selection and scrolling in line with what there is to show.
fn settle(model: &mut Model) {
    let lines = model.lines();
    let page = layout::page(layout::areas(model).table);
    let table = model.table_mut();
    let found = table
        .selected
        .as_ref()
        .and_then(|selected| lines.iter().position(|line| line.id == *selected));
    let line = found.unwrap_or_else(|| table.last_line.min(lines.len().saturating_sub(1)));
    if found.is_none() {
        table.selected = lines.get(line).map(|line| line.id.clone());
    }
    table.last_line = line;
    table.top = table.top.min(line).max((line + 1).saturating_sub(page));
    // A window at the end shows as many lines as fit.
    table.top = table.top.min(lines.len().saturating_sub(page));
    if let Some(area) = layout::areas(model).detail {
        let last = detail::height(model, area).saturating_sub(detail::page(area));
        model.detail_top = model.detail_top.min(last);
    }
}

/// Asks for the text that the detail pane wants to show.
fn want_text(model: &mut Model, effects: &mut Vec<Effect>) {
    if !model.detail {
        return;
    }
    let Some(script) = model.selected_script() else {
        return;
    };
    let id = (script.name.clone(), script.hash.clone());
    if !model.texts.contains_key(&id) && model.awaited.insert(id.clone()) {
        effects.push(Effect::Text {
            name: id.0,
            hash: id.1,
        });
    }
}
