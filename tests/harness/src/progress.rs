// SPDX-License-Identifier: GPL-2.0-only
//! Progress for the person who waits: one line when a step begins, one when it took long.
//!
//! Everything goes to standard error; standard output belongs to the command that is run.

use std::time::{Duration, Instant};

/// Steps shorter than this end silently.
const WORTH_TELLING: Duration = Duration::from_secs(2);

/// Says what is going on.
pub fn note(text: &str) {
    eprintln!("xtask: {text}");
}

/// Announces a step, runs it and says how long it took.
pub fn step<T>(what: &str, run: impl FnOnce() -> T) -> T {
    note(what);
    let begin = Instant::now();
    let result = run();
    let took = begin.elapsed();
    if took >= WORTH_TELLING {
        let name = what.split(" (").next().unwrap_or(what);
        note(&format!("{name}: done in {} s", took.as_secs()));
    }
    result
}
