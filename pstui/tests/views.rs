// SPDX-License-Identifier: GPL-2.0-only
//! What the console looks like, compared with pictures that were looked at.

mod common;

use common::Session;
use insta::assert_snapshot;
use pstui::console::message::Message;
use pstui::error::Error;
use ratatui::crossterm::event::KeyCode;

fn after(width: u16, height: u16, keys: &str) -> Session {
    let mut session = Session::new(width, height);
    for c in keys.chars() {
        session.press(match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            c => KeyCode::Char(c),
        });
    }
    session
}

#[test]
fn hooks() {
    assert_snapshot!("hooks_80x24", after(80, 24, "").screen());
    assert_snapshot!("hooks_160x45_detail", after(160, 45, "jj").screen());
}

#[test]
fn scripts() {
    assert_snapshot!("scripts_80x24", after(80, 24, "2").screen());
    assert_snapshot!("scripts_160x45_detail", after(160, 45, "2jj").screen());
}

#[test]
fn rules() {
    assert_snapshot!("rules_80x24_detail", after(80, 24, "3jj\n").screen());
    assert_snapshot!("rules_200x30", after(200, 30, "3>>>>>>>>\n").screen());
}

#[test]
fn the_text_scrolls_to_its_end() {
    assert_snapshot!("rules_80x24_text", after(80, 24, "3jj\n\tG").screen());
}

#[test]
fn help() {
    assert_snapshot!("help_80x50", after(80, 50, "3?").screen());
    let mut session = Session::new(80, 24);
    session.model.options.read_only = true;
    session.keys("1?G");
    assert_snapshot!("help_80x24_end_read_only", session.screen());
}

#[test]
fn dialogs() {
    let mut session = after(80, 24, "2L/etc/");
    session.send(Message::Offers {
        start: "/etc/".to_owned(),
        paths: vec!["/etc/packetscript/".to_owned(), "/etc/a.lua".to_owned()],
    });
    assert_snapshot!("prompt_80x24", session.screen());
    assert_snapshot!("confirm_80x24", after(80, 24, "3U").screen());
}

#[test]
fn no_module() {
    let mut session = Session::blank(80, 24);
    session.send(Message::Snapshot(Err(Error::NotLoaded)));
    assert_snapshot!("no_module_80x24", session.screen());
}

#[test]
fn too_small() {
    assert_snapshot!("too_small_30x5", after(30, 5, "").screen());
    assert_snapshot!("small_40x8", after(40, 8, "2\n").screen());
}
