// SPDX-License-Identifier: GPL-2.0-only
//! What messages do to the console: a list of keys and answers, and what is asked for in return.

mod common;

use common::Session;
use pstui::console::identity::RowId;
use pstui::console::keys;
use pstui::console::message::{Effect, Message};
use pstui::console::model::{Mode, Screen, Verb};
use pstui::error::Error;
use pstui::source::Source as _;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

fn selected(session: &Session) -> RowId {
    session.model.table().selected.clone().unwrap()
}

fn verbs(session: &Session) -> Vec<&Verb> {
    session
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Do(verb) => Some(verb),
            _ => None,
        })
        .collect()
}

#[test]
fn the_selection_is_a_row_and_not_a_line() {
    let mut session = Session::new(80, 24);
    session.keys("3jj");
    assert_eq!(selected(&session), RowId::Rule(4));
    // Rules before it go, and the order turns round: rule 4 stays selected.
    let mut snapshot = session.recording.snapshot().unwrap();
    snapshot.at += Duration::from_secs(1);
    snapshot.rules.retain(|rule| rule.id >= 4);
    session.show(snapshot.clone());
    assert_eq!(selected(&session), RowId::Rule(4));
    session.keys("i");
    assert_eq!(selected(&session), RowId::Rule(4));
    assert_eq!(session.model.table().last_line, 3);
    // When it goes itself, the one in its place is selected.
    snapshot.at += Duration::from_secs(1);
    snapshot.rules.retain(|rule| rule.id != 4);
    session.show(snapshot);
    assert_eq!(selected(&session), RowId::Rule(5));
}

#[test]
fn every_column_sorts_and_no_order_loses_a_row() {
    for screen in "123".chars() {
        let mut session = Session::new(200, 40);
        session.keys(&screen.to_string());
        let mut all: Vec<RowId> = session
            .model
            .lines()
            .into_iter()
            .map(|line| line.id)
            .collect();
        all.sort();
        for _ in 0..pstui::console::columns::columns(session.model.screen).len() {
            session.keys(">");
            for _ in 0..2 {
                session.keys("i");
                let lines = session.model.lines();
                let table = session.model.table();
                for pair in lines.windows(2) {
                    let order = pair[0].cells[table.sort].order(&pair[1].cells[table.sort]);
                    let wrong = if table.descending {
                        order.is_lt()
                    } else {
                        order.is_gt()
                    };
                    assert!(
                        !wrong,
                        "column {} of {:?}",
                        table.sort, session.model.screen
                    );
                }
                let mut ids: Vec<RowId> = lines.into_iter().map(|line| line.id).collect();
                ids.sort();
                assert_eq!(ids, all);
            }
        }
        // Once round is where it began.
        assert_eq!(session.model.table().sort, 0);
    }
}

#[test]
fn a_filter_works_while_it_is_typed_and_escape_brings_the_old_one_back() {
    let mut session = Session::new(80, 24);
    session.keys("3/ipv6 DROP");
    assert_eq!(session.model.lines().len(), 1);
    assert_eq!(selected(&session), RowId::Rule(2));
    session.press(KeyCode::Enter);
    session.keys("/x");
    assert_eq!(session.model.lines().len(), 0);
    assert_eq!(session.model.table().selected, None);
    session.press(KeyCode::Esc);
    assert_eq!(session.model.table().filter, "ipv6 DROP");
    session.press(KeyCode::Esc);
    assert_eq!(session.model.lines().len(), 6);
    // The other screens have filters of their own.
    assert_eq!(session.model.tables[0].filter, "");
}

#[test]
fn a_frozen_picture_stays_and_the_history_goes_on() {
    let mut session = Session::blank(80, 24);
    for _ in 0..4 {
        session.next();
    }
    session.keys(" ");
    let before = session.screen();
    for _ in 0..4 {
        session.next();
    }
    assert_eq!(session.screen(), before);
    session.keys(" ");
    assert_ne!(session.screen(), before);
    let id = RowId::Rule(4);
    assert_eq!(session.model.live.tracks.get(&id).unwrap().packets.len(), 7);
}

#[test]
fn loading_asks_for_a_path_and_then_whether_one_is_sure() {
    let mut session = Session::new(80, 24);
    session.keys("L/etc/al");
    session.send(Message::Offers {
        start: "/etc/al".to_owned(),
        paths: vec!["/etc/alpha.lua".to_owned(), "/etc/alphabet.lua".to_owned()],
    });
    session.press(KeyCode::Tab);
    let Mode::Prompt { edit, .. } = &session.model.mode else {
        panic!("no prompt")
    };
    assert_eq!(edit.text, "/etc/alpha", "the common start first");
    session.press(KeyCode::Tab);
    session.press(KeyCode::Tab);
    let Mode::Prompt { edit, .. } = &session.model.mode else {
        panic!("no prompt")
    };
    assert_eq!(edit.text, "/etc/alphabet.lua", "then one after the other");
    session.press(KeyCode::Enter);
    let verb = Verb::Load("/etc/alphabet.lua".to_owned());
    assert_eq!(session.model.mode, Mode::Confirm(verb.clone()));
    // Only y means yes.
    session.press(KeyCode::Enter);
    session.keys("x ");
    assert!(verbs(&session).is_empty());
    session.keys("y");
    assert_eq!(verbs(&session), [&verb]);
    assert_eq!(session.model.busy, Some(verb.clone()));
    session.send(Message::Done(verb, Ok("kept its old rules".to_owned())));
    assert_eq!(session.model.busy, None);
    assert!(
        session
            .screen()
            .contains("loaded /etc/alphabet.lua: kept its old rules")
    );
    session.send(Message::Tick(Duration::from_secs(60)));
    assert_eq!(session.model.toast, None);
}

#[test]
fn offers_for_an_older_text_are_ignored() {
    let mut session = Session::new(80, 24);
    session.keys("Lab");
    session.send(Message::Offers {
        start: "a".to_owned(),
        paths: vec!["afar.lua".to_owned()],
    });
    let Mode::Prompt { offers, .. } = &session.model.mode else {
        panic!("no prompt")
    };
    assert!(offers.is_empty());
}

#[test]
fn unloading_is_about_the_script_of_the_selected_row() {
    let mut session = Session::new(80, 24);
    session.keys("3jjU");
    assert_eq!(
        session.model.mode,
        Mode::Confirm(Verb::Unload("count-per-source".to_owned()))
    );
    assert!(session.screen().contains("2 rules use it"));
    session.keys("n");
    assert!(verbs(&session).is_empty());
    // A hook is about no script.
    session.keys("1U");
    assert_eq!(session.model.mode, Mode::Normal);
    assert!(session.screen().contains("select a script or a rule first"));
}

#[test]
fn a_failure_must_be_read_and_its_text_is_whole() {
    let mut session = Session::new(80, 24);
    let verb = Verb::Load("a.lua".to_owned());
    let text = "a.lua:3: unexpected symbol near '='".to_owned();
    session.send(Message::Done(verb, Err(Error::Script(text.clone()))));
    assert!(session.screen().contains(&text));
    session.send(Message::Tick(Duration::from_secs(3600)));
    assert!(session.screen().contains(&text));
    session.keys("x");
    assert_eq!(session.model.mode, Mode::Normal);
}

#[test]
fn reload_takes_the_path_that_the_kernel_has() {
    let mut session = Session::new(80, 24);
    session.keys("2R");
    assert_eq!(
        session.model.mode,
        Mode::Confirm(Verb::Reload {
            name: "allow-list".to_owned(),
            path: "/etc/packetscript/allow-list.lua".to_owned(),
        })
    );
}

#[test]
fn read_only_has_no_verb_and_shows_none() {
    let mut session = Session::new(80, 24);
    session.model.options.read_only = true;
    session.keys("2");
    for binding in keys::KEYS.iter().filter(|binding| binding.verb) {
        for (code, modifiers) in binding.keys {
            session.send(Message::Key(KeyEvent::new(*code, *modifiers)));
            assert_eq!(session.model.mode, Mode::Normal);
        }
    }
    assert!(verbs(&session).is_empty());
    let footer = session.screen();
    session.keys("?");
    let help = session.screen();
    for binding in keys::KEYS.iter().filter(|binding| binding.verb) {
        assert!(!help.contains(binding.help), "{}", binding.help);
        assert!(binding.short.is_empty() || !footer.contains(&format!(" {} ", binding.short)));
    }
}

#[test]
fn without_the_module_there_is_a_reason_and_then_the_tables_again() {
    let mut session = Session::new(80, 24);
    session.send(Message::Snapshot(Err(Error::NotLoaded)));
    let screen = session.screen();
    assert!(screen.contains("The kernel module xt_LUA is not loaded"));
    assert!(screen.contains("modprobe xt_LUA"));
    assert!(screen.contains("M loads it now"));
    session.keys("My");
    assert_eq!(verbs(&session), [&Verb::Modprobe]);
    session.next();
    assert!(session.screen().contains("PREROUTING"));
    session.send(Message::Snapshot(Err(Error::Permission(
        "read /proc".to_owned(),
    ))));
    assert!(session.screen().contains("No permission to read /proc"));
}

#[test]
fn follow_leads_from_rule_to_script_and_back_also_through_a_filter() {
    let mut session = Session::new(80, 24);
    session.keys("2/drop");
    session.press(KeyCode::Enter);
    session.keys("3Gf");
    assert_eq!(session.model.screen, Screen::Scripts);
    let RowId::Script(name, hash) = selected(&session) else {
        panic!("a script")
    };
    assert_eq!(
        (name.as_str(), hash.as_str()),
        ("allow-list", "0c4412ee7bd1a2f3")
    );
    session.keys("f");
    assert_eq!(selected(&session), RowId::Rule(12));
}

#[test]
fn a_text_is_asked_for_once() {
    let mut session = Session::new(80, 24);
    session.keys("2G");
    session.press(KeyCode::Enter);
    for _ in 0..3 {
        session.next();
    }
    let asked = session
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::Text { .. }))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn no_size_and_no_key_breaks_it() {
    let keys: Vec<KeyCode> = "123jkGg/a>i LUR?fZM"
        .chars()
        .map(KeyCode::Char)
        .chain([
            KeyCode::Enter,
            KeyCode::Tab,
            KeyCode::Esc,
            KeyCode::PageDown,
            KeyCode::Left,
        ])
        .chain([
            KeyCode::Backspace,
            KeyCode::Home,
            KeyCode::Up,
            KeyCode::Char('y'),
        ])
        .collect();
    let mut session = Session::new(80, 24);
    // A fixed sequence that looks random.
    let mut state = 12345u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..1200 {
        let key = keys[random(keys.len())];
        session.press(key);
        if random(20) == 0 {
            session.send(Message::Resize(
                random(200) as u16 + 1,
                random(60) as u16 + 1,
            ));
        }
        session.screen();
    }
    // q never breaks it either: it only asks to leave.
    session.send(Message::Key(KeyEvent::new(
        KeyCode::Char('c'),
        KeyModifiers::CONTROL,
    )));
}
