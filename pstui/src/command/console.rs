// SPDX-License-Identifier: GPL-2.0-only
//! `pstui` without a command: the console.

use crate::cli::ConsoleArgs;
use crate::console::model::Options;
use crate::console::run;
use crate::console::theme::{THEMES, Theme};
use crate::error::{Error, Result};
use crate::source::{Live, Recording, Source};
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Opens it.
pub fn run(args: &ConsoleArgs) -> Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Error::Data(
            "the console needs a terminal; `pstui status` prints what it shows".to_owned(),
        ));
    }
    let options = Options {
        read_only: args.read_only || args.replay.is_some(),
        theme: theme(args),
        interval: Duration::from_secs_f64(args.interval),
        replay: args.replay.is_some(),
    };
    match &args.replay {
        Some(path) => {
            let recording: Arc<Mutex<dyn Source>> = Arc::new(Mutex::new(Recording::open(path)?));
            run::run(Arc::clone(&recording), recording, options)
        }
        // Two of them, so that watching goes on while a script is being loaded.
        None => run::run(
            Arc::new(Mutex::new(Live::new(false))),
            Arc::new(Mutex::new(Live::new(true))),
            options,
        ),
    }
}

fn theme(args: &ConsoleArgs) -> Theme {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let name = match args.theme {
        Some(theme) => theme.name(),
        None if !unset("NO_COLOR") => "mono",
        None => match std::env::var("TERM").as_deref() {
            Ok("linux" | "vt220" | "vt100" | "ansi") => "basic",
            _ => "calm",
        },
    };
    Theme::named(name).unwrap_or(THEMES[0])
}
