// SPDX-License-Identifier: GPL-2.0-only
//! What the tests of the console share: a recorded gateway, a console fed with it, a look at it.

#![allow(dead_code)] // Each test program uses a part.

use pstui::console::message::{Effect, Message};
use pstui::console::model::{Model, Options};
use pstui::console::theme::Theme;
use pstui::console::update::update;
use pstui::console::view::view;
use pstui::snapshot::Snapshot;
use pstui::source::{Recording, Source as _};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The recording, made in the form that /proc has.
pub fn recording_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gate.rec")
}

/// A console, the recording that feeds it, and all effects so far.
pub struct Session {
    pub model: Model,
    pub recording: Recording,
    pub effects: Vec<Effect>,
}

impl Session {
    /// A console of that size that has seen the whole recording.
    pub fn new(width: u16, height: u16) -> Self {
        let mut session = Self::blank(width, height);
        for _ in 0..session.recording.len() {
            session.next();
        }
        session
    }

    /// A console that has seen nothing yet.
    pub fn blank(width: u16, height: u16) -> Self {
        let mut recording = Recording::open(&recording_path()).unwrap();
        let options = Options {
            read_only: false,
            theme: Theme::named("calm").unwrap(),
            interval: Duration::from_secs(1),
            replay: false,
        };
        let model = Model::new(options, recording.about(), (width, height));
        Self {
            model,
            recording,
            effects: Vec::new(),
        }
    }

    /// The next recorded moment.
    pub fn next(&mut self) {
        let snapshot = self.recording.snapshot().unwrap();
        self.show(snapshot);
    }

    /// A given moment.
    pub fn show(&mut self, snapshot: Snapshot) {
        self.send(Message::Snapshot(Ok(Box::new(snapshot))));
    }

    /// Any message; script texts are answered from the recording.
    pub fn send(&mut self, message: Message) {
        let mut waiting = vec![message];
        while let Some(message) = waiting.pop() {
            for effect in update(&mut self.model, message) {
                if let Effect::Text { name, hash } = &effect {
                    let text = self.recording.text(name, hash);
                    waiting.push(Message::Text {
                        name: name.clone(),
                        hash: hash.clone(),
                        text,
                    });
                }
                self.effects.push(effect);
            }
        }
    }

    pub fn press(&mut self, code: KeyCode) {
        self.send(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    /// Presses the keys of a text, one after the other.
    pub fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let (width, height) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view(&self.model, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        (0..height)
            .map(|y| {
                let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
                line.trim_end().to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}
