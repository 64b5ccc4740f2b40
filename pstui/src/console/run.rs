// SPDX-License-Identifier: GPL-2.0-only
//! The console's contact with the world: the terminal, the clock, files, the data source.
//!
//! Three threads speak to one channel: the keyboard, the sampler, and the worker, which does what
//! may take a while (loading compiles and runs a script). Nobody spins.

use super::message::{Effect, Message};
use super::model::{Model, Options, Verb};
use super::update::update;
use super::view::view;
use crate::complete;
use crate::error::{Error, Result};
use crate::source::Source;
use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use ratatui::crossterm::execute;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

type Shared = Arc<Mutex<dyn Source>>;

/// Runs the console until the user leaves it.
pub fn run(sampled: Shared, steered: Shared, options: Options) -> Result<()> {
    let interval = options.interval;
    let about = lock(&sampled).about();
    let mut terminal = ratatui::try_init().map_err(|why| terminal_error(&why))?;
    // A terminal without bracketed paste types the text instead, which is as good.
    let _ = execute!(std::io::stdout(), EnableBracketedPaste);
    let outcome = (|| {
        let size = terminal.size().map_err(|why| terminal_error(&why))?;
        let mut model = Model::new(options, about, (size.width, size.height));
        let (sender, messages) = mpsc::channel();
        listen(sender.clone());
        let wake = sample(sampled, sender.clone(), interval);
        let work = worker(steered, sender);
        let started = Instant::now();
        terminal
            .draw(|frame| view(&model, frame))
            .map_err(|why| terminal_error(&why))?;
        loop {
            // Toasts disappear by the clock; without one there is nothing to wake up for.
            let first = match &model.toast {
                Some(toast) => messages.recv_timeout(toast.until.saturating_sub(model.now)),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let mut batch = vec![Message::Tick(started.elapsed())];
            match first {
                Ok(message) => batch.push(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            // One picture for everything that has arrived.
            batch.extend(messages.try_iter());
            for message in batch {
                for effect in update(&mut model, message) {
                    match effect {
                        Effect::Quit => return Ok(()),
                        Effect::Refresh => {
                            let _ = wake.send(());
                        }
                        other => {
                            let _ = work.send(other);
                        }
                    }
                }
            }
            terminal
                .draw(|frame| view(&model, frame))
                .map_err(|why| terminal_error(&why))?;
        }
    })();
    let _ = execute!(std::io::stdout(), DisableBracketedPaste);
    ratatui::restore();
    outcome
}

fn terminal_error(why: &std::io::Error) -> Error {
    Error::file("terminal", why)
}

fn lock<'a>(source: &'a Shared) -> std::sync::MutexGuard<'a, dyn Source + 'static> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys, pastes and sizes, for as long as the program runs.
fn listen(sender: Sender<Message>) {
    thread::spawn(move || {
        loop {
            let message = match event::read() {
                Ok(Event::Key(key)) => Message::Key(key),
                Ok(Event::Paste(text)) => Message::Paste(text),
                Ok(Event::Resize(width, height)) => Message::Resize(width, height),
                Ok(_) => continue,
                Err(_) => Message::Closed,
            };
            let last = matches!(message, Message::Closed);
            if sender.send(message).is_err() || last {
                return;
            }
        }
    });
}

/// A snapshot at each interval, and whenever the returned sender is used.
fn sample(source: Shared, sender: Sender<Message>, interval: Duration) -> Sender<()> {
    let (wake, woken) = mpsc::channel();
    thread::spawn(move || {
        let mut module_seen = None;
        loop {
            let (snapshot, about) = {
                let mut source = lock(&source);
                let snapshot = source.snapshot().map(Box::new);
                // The module's version appears and disappears with the module.
                let changed = module_seen != Some(snapshot.is_ok());
                module_seen = Some(snapshot.is_ok());
                (snapshot, changed.then(|| source.about()))
            };
            if let Some(about) = about
                && sender.send(Message::About(about)).is_err()
            {
                return;
            }
            if sender.send(Message::Snapshot(snapshot)).is_err() {
                return;
            }
            match woken.recv_timeout(interval) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    wake
}

/// Does what effects ask for, one after the other.
fn worker(source: Shared, sender: Sender<Message>) -> Sender<Effect> {
    let (work, effects) = mpsc::channel::<Effect>();
    thread::spawn(move || {
        while let Ok(effect) = effects.recv() {
            let answer = match effect {
                Effect::Do(verb) => {
                    let result = perform(&mut *lock(&source), &verb);
                    Message::Done(verb, result)
                }
                Effect::Text { name, hash } => {
                    let text = lock(&source).text(&name, &hash);
                    Message::Text { name, hash, text }
                }
                Effect::Complete(start) => {
                    let paths = complete::scripts(&start);
                    Message::Offers { start, paths }
                }
                Effect::Quit | Effect::Refresh => continue,
            };
            if sender.send(answer).is_err() {
                return;
            }
        }
    });
    work
}

fn perform(source: &mut dyn Source, verb: &Verb) -> Result<String> {
    match verb {
        Verb::Load(path) => {
            let loaded = source.load(&complete::expand(path), None, &[])?;
            Ok(loaded.notice)
        }
        Verb::Unload(name) => source.unload(name).map(|()| String::new()),
        Verb::Reload { name, path } => {
            // The arguments are part of the version: they stay.
            let args = source.text(name, "")?.args;
            let loaded = source.reload(Path::new(path), name, &args)?;
            let moved = match loaded.moved {
                1 => "1 rule moved".to_owned(),
                n => format!("{n} rules moved"),
            };
            Ok(if loaded.notice.is_empty() {
                moved
            } else {
                format!("{moved}; {}", loaded.notice)
            })
        }
        Verb::Reset(name) => source.reset(Some(name)).map(|()| String::new()),
        Verb::Modprobe => source.load_module().map(|()| String::new()),
    }
}
