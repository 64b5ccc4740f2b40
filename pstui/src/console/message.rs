// SPDX-License-Identifier: GPL-2.0-only
//! What reaches the core, and what it asks for.

use super::model::Verb;
use crate::error::Error;
use crate::snapshot::{About, ScriptText, Snapshot};
use ratatui::crossterm::event::KeyEvent;
use std::time::Duration;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size now.
    Resize(u16, u16),
    /// The terminal is gone.
    Closed,
    /// Time went on: what toasts disappear by.
    Tick(Duration),
    /// A snapshot was read, or why not.
    Snapshot(Result<Box<Snapshot>, Error>),
    /// The source knows more about itself.
    About(About),
    /// The text of a script arrived.
    Text {
        /// Its name.
        name: String,
        /// Its version.
        hash: String,
        /// The text, or why not.
        text: Result<ScriptText, Error>,
    },
    /// A verb ended, with the kernel's notice.
    Done(Verb, Result<String, Error>),
    /// Paths that start with a text.
    Offers {
        /// The text.
        start: String,
        /// Whole paths; folders end in a slash.
        paths: Vec<String>,
    },
}

/// Something to be done outside of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Change the kernel's state; answered by [`Message::Done`].
    Do(Verb),
    /// Get a script's text; answered by [`Message::Text`].
    Text {
        /// Its name.
        name: String,
        /// Its version.
        hash: String,
    },
    /// Find paths that start with this; answered by [`Message::Offers`].
    Complete(String),
    /// Read a snapshot now.
    Refresh,
}
