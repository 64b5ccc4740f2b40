// SPDX-License-Identifier: GPL-2.0-only
//! Everything that the console knows. Plain data: `update` changes it, `view` draws it.

use super::columns::{self, Line};
use super::identity::RowId;
use super::rates::Tracks;
use super::theme::Theme;
use super::view::layout;
use crate::error::Error;
use crate::snapshot::{About, Script, ScriptText, Snapshot};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The three screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Where packets meet scripts.
    Hooks,
    /// The versions that are loaded.
    Scripts,
    /// Who calls which script.
    Rules,
}

impl Screen {
    /// In the order of their keys.
    pub const ALL: [Screen; 3] = [Screen::Hooks, Screen::Scripts, Screen::Rules];

    /// Its name on the tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Hooks => "Hooks",
            Self::Scripts => "Scripts",
            Self::Rules => "Rules",
        }
    }
}

/// What there is to see at one moment: the last snapshot and what is known of its past.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Picture {
    /// The last one that was read.
    pub snapshot: Snapshot,
    /// Rates and histories up to it.
    pub tracks: Tracks,
}

/// How one screen's table is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// The selected row, whatever line it is on.
    pub selected: Option<RowId>,
    /// The line it was last seen on: where the selection goes when the row disappears.
    pub last_line: usize,
    /// The first line that is shown.
    pub top: usize,
    /// Column to sort by.
    pub sort: usize,
    /// Largest first.
    pub descending: bool,
    /// Words that a line must have.
    pub filter: String,
}

/// A line of text being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The text.
    pub text: String,
    /// Where the next character goes, in bytes.
    pub cursor: usize,
}

impl Edit {
    /// A text with the cursor behind it.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            cursor: text.len(),
            text,
        }
    }
}

/// Something that changes the kernel's state, waiting for a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Load a file.
    Load(String),
    /// Unload by name.
    Unload(String),
    /// Load this name's file again and move its rules.
    Reload {
        /// The script.
        name: String,
        /// Its file.
        path: String,
    },
    /// Zero the counters of a script's rules.
    Reset(String),
    /// Load the kernel module.
    Modprobe,
}

impl Verb {
    /// What is being done, for the status line.
    pub fn doing(&self) -> String {
        match self {
            Self::Load(path) => format!("loading {path}"),
            Self::Unload(name) => format!("unloading {name}"),
            Self::Reload { name, .. } => format!("reloading {name}"),
            Self::Reset(name) => format!("resetting the counters of {name}"),
            Self::Modprobe => "loading the kernel module".to_owned(),
        }
    }
}

/// What has the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The table.
    Normal,
    /// The help overlay and how far it is scrolled.
    Help(usize),
    /// The filter line; the text before, to go back to.
    Filter {
        /// What is typed.
        edit: Edit,
        /// What was there.
        before: String,
    },
    /// Asking for a script's path.
    Prompt {
        /// What is typed.
        edit: Edit,
        /// Completions to choose from.
        offers: Vec<String>,
        /// The one chosen.
        chosen: Option<usize>,
    },
    /// Asking whether to go on.
    Confirm(Verb),
    /// A text that must be read: an error.
    Notice {
        /// The headline.
        title: String,
        /// The rest.
        text: String,
    },
}

/// A short message in the footer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What happened.
    pub text: String,
    /// On the model's clock.
    pub until: Duration,
}

/// What the start of the program decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// No verbs at all.
    pub read_only: bool,
    /// Colours.
    pub theme: Theme,
    /// Time between snapshots.
    pub interval: Duration,
    /// The data come from a recording.
    pub replay: bool,
}

/// The whole state.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Fixed at the start.
    pub options: Options,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// Whose state it is.
    pub about: About,
    /// The shown screen.
    pub screen: Screen,
    /// A table for each screen.
    pub tables: [TableState; 3],
    /// What is being collected.
    pub live: Picture,
    /// What is shown instead, while frozen.
    pub frozen: Option<Box<Picture>>,
    /// Whether any snapshot arrived yet.
    pub started: bool,
    /// Why there is no fresh snapshot.
    pub trouble: Option<Error>,
    /// Who has the keyboard.
    pub mode: Mode,
    /// The detail pane is open.
    pub detail: bool,
    /// The movement keys scroll the detail pane.
    pub detail_focus: bool,
    /// Its first line.
    pub detail_top: usize,
    /// Texts of scripts that were asked for, by name and hash.
    pub texts: HashMap<(String, String), Result<ScriptText, Error>>,
    /// Texts that were asked for and did not arrive yet.
    pub awaited: HashSet<(String, String)>,
    /// What is being asked of the kernel.
    pub busy: Option<Verb>,
    /// The message in the footer.
    pub toast: Option<Toast>,
    /// Time, as the last message told it.
    pub now: Duration,
}

impl Model {
    /// The state at the start.
    pub fn new(options: Options, about: About, size: (u16, u16)) -> Self {
        let table = |sort| TableState {
            selected: None,
            last_line: 0,
            top: 0,
            sort,
            descending: false,
            filter: String::new(),
        };
        Self {
            options,
            size,
            about,
            screen: Screen::Hooks,
            tables: [table(0), table(0), table(0)],
            live: Picture::default(),
            frozen: None,
            started: false,
            trouble: None,
            mode: Mode::Normal,
            // Where there is room beside the table, the details are there from the start.
            detail: size.0 >= layout::SIDE_BY_SIDE,
            detail_focus: false,
            detail_top: 0,
            texts: HashMap::new(),
            awaited: HashSet::new(),
            busy: None,
            toast: None,
            now: Duration::ZERO,
        }
    }

    /// What is on the screen: the frozen picture, or the live one.
    pub fn picture(&self) -> &Picture {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    /// The shown screen's table.
    pub fn table(&self) -> &TableState {
        &self.tables[self.screen as usize]
    }

    /// The same, to change it.
    pub fn table_mut(&mut self) -> &mut TableState {
        &mut self.tables[self.screen as usize]
    }

    /// The lines of the shown screen: filtered and sorted.
    pub fn lines(&self) -> Vec<Line> {
        let table = self.table();
        let mut lines = columns::lines(self.screen, self.picture());
        let words: Vec<String> = table
            .filter
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        if !words.is_empty() {
            lines.retain(|line| {
                let text: Vec<String> = line
                    .cells
                    .iter()
                    .map(|cell| cell.text().to_lowercase())
                    .collect();
                words
                    .iter()
                    .all(|word| text.iter().any(|cell| cell.contains(word.as_str())))
            });
        }
        // Equal cells keep the kernel's order in both directions.
        lines.sort_by(|a, b| {
            let order = match (a.cells.get(table.sort), b.cells.get(table.sort)) {
                (Some(a), Some(b)) => a.order(b),
                _ => std::cmp::Ordering::Equal,
            };
            if table.descending {
                order.reverse()
            } else {
                order
            }
        });
        lines
    }

    /// The script that a row is about.
    pub fn script_of(&self, id: &RowId) -> Option<&Script> {
        let snapshot = &self.picture().snapshot;
        let (name, hash) = match id {
            RowId::Hook(..) => return None,
            RowId::Script(name, hash) => (name, hash),
            RowId::Rule(id) => {
                let rule = snapshot.rules.iter().find(|rule| rule.id == *id)?;
                (&rule.name, &rule.hash)
            }
        };
        snapshot
            .scripts
            .iter()
            .find(|script| script.name == *name && script.hash == *hash)
    }

    /// The script of the selected row.
    pub fn selected_script(&self) -> Option<&Script> {
        self.script_of(self.table().selected.as_ref()?)
    }
}
