// SPDX-License-Identifier: GPL-2.0-only
//! `load`, `unload`, `reload`, `reset`, `source`: what the kernel module does on request.

use super::{say, say_json};
use crate::cli;
use crate::error::{Error, Result};
use crate::format;
use crate::source::{Loaded, Source};
use serde_json::json;
use std::path::PathBuf;

fn loaded(loaded: &Loaded, verb: &str, json: bool) -> Result<()> {
    if json {
        return say_json(&json!({
            "name": loaded.name, "hash": loaded.hash, "moved": loaded.moved, "notice": loaded.notice,
        }));
    }
    let moved = match (verb, loaded.moved) {
        ("loaded", _) => String::new(),
        (_, 1) => ", 1 rule moved".to_owned(),
        (_, n) => format!(", {n} rules moved"),
    };
    say(&format!(
        "{verb} {} version {}{moved}",
        loaded.name,
        format::short_hash(&loaded.hash)
    ))?;
    if loaded.notice.is_empty() {
        Ok(())
    } else {
        say(&loaded.notice)
    }
}

/// `pstui load`.
pub fn load(source: Result<Box<dyn Source>>, args: &cli::Load) -> Result<()> {
    let done = source?.load(&args.file, args.name.as_deref(), &args.args)?;
    loaded(&done, "loaded", args.json.json)
}

/// `pstui unload`.
pub fn unload(source: Result<Box<dyn Source>>, args: &cli::Unload) -> Result<()> {
    source?.unload(&args.name)?;
    if args.json.json {
        say_json(&json!({ "name": args.name }))
    } else {
        say(&format!("unloaded {}", args.name))
    }
}

/// `pstui reload`: file and arguments of the newest version, unless others are given.
pub fn reload(source: Result<Box<dyn Source>>, args: &cli::Reload) -> Result<()> {
    let mut source = source?;
    let old = source.text(&args.name, "")?;
    let path = match (&args.file, &old.path) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => PathBuf::from(path),
        (None, None) => {
            return Err(Error::Data(format!(
                "{} was not loaded from a file: give the file as well",
                args.name
            )));
        }
    };
    let new = if args.args.is_empty() {
        &old.args
    } else {
        &args.args
    };
    let done = source.reload(&path, &args.name, new)?;
    loaded(&done, "reloaded", args.json.json)
}

/// `pstui reset`.
pub fn reset(source: Result<Box<dyn Source>>, args: &cli::Reset) -> Result<()> {
    source?.reset(args.name.as_deref())?;
    if args.json.json {
        return say_json(&json!({ "name": args.name }));
    }
    say(&match &args.name {
        Some(name) => format!("the counters of {name} are zero"),
        None => "all counters are zero".to_owned(),
    })
}

/// `pstui source`: the script's text as it is; modules follow, each under a comment with its name.
pub fn source(source: Result<Box<dyn Source>>, args: &cli::Source) -> Result<()> {
    let text = source?.text(&args.name, args.version.as_deref().unwrap_or_default())?;
    if args.json.json {
        return say_json(&json!({
            "name": text.name,
            "hash": text.hash,
            "path": text.path,
            "args": text.args,
            "chunks": text
                .chunks
                .iter()
                .map(|(name, text)| json!({ "name": name, "text": text }))
                .collect::<Vec<_>>(),
        }));
    }
    for (number, (name, text)) in text.chunks.iter().enumerate() {
        if number > 0 {
            say(&format!("\n-- module {name}"))?;
        }
        say(text.trim_end_matches('\n'))?;
    }
    Ok(())
}
