// SPDX-License-Identifier: GPL-2.0-only
//! A module for each subcommand, and what they share: reports and errors as text or JSON.

pub mod check;
pub mod console;
pub mod control;
pub mod doctor;
pub mod lua;
pub mod manifest;
pub mod record;
pub mod run;
pub mod status;
pub mod test;

use crate::cli::{Cli, Command};
use crate::error::{Error, Result};
use crate::source::{Live, Recording, Source};
use clap::CommandFactory as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let (json, result) = match cli.command {
        None => (false, console::run(&cli.console)),
        Some(Command::Status(args)) => (
            args.json.json,
            status::run(source(args.replay.as_deref()), args.json.json),
        ),
        Some(Command::Load(args)) => (args.json.json, control::load(source(None), &args)),
        Some(Command::Unload(args)) => (args.json.json, control::unload(source(None), &args)),
        Some(Command::Reload(args)) => (args.json.json, control::reload(source(None), &args)),
        Some(Command::Reset(args)) => (args.json.json, control::reset(source(None), &args)),
        Some(Command::Source(args)) => (
            args.json.json,
            control::source(source(args.replay.as_deref()), &args),
        ),
        Some(Command::Check(args)) => (args.json.json, check::run(&args)),
        Some(Command::Lua(args)) => (false, lua::run(&args)),
        Some(Command::Run(args)) => (args.json.json, run::run(&args)),
        Some(Command::Test(args)) => (args.json.json, test::run(&args)),
        Some(Command::Apply(args)) => (args.json.json, manifest::apply(source(None), &args)),
        Some(Command::Export(args)) => (args.json.json, manifest::export(source(None), &args)),
        Some(Command::Doctor(args)) => (args.json, doctor::run(args.json)),
        Some(Command::Record(args)) => (false, record::run(&args)),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "pstui", &mut std::io::stdout());
            (false, Ok(()))
        }
        Some(Command::Man) => (false, man()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error != Error::Told {
                report(&error, json);
            }
            ExitCode::from(error.exit())
        }
    }
}

fn source(replay: Option<&Path>) -> Result<Box<dyn Source>> {
    Ok(match replay {
        Some(path) => Box::new(Recording::open(path)?),
        None => Box::new(Live::new(true)),
    })
}

/// Prints a line; a reader that went away (as `head` does) is no error.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("standard output", &why))
        }
        _ => Ok(()),
    }
}

/// Prints JSON, indented.
fn say_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|why| Error::Data(why.to_string()))?;
    say(&text)
}

fn report(error: &Error, json: bool) {
    if json {
        let value = serde_json::json!({
            "error": { "kind": error.kind(), "message": error.to_string(), "hint": error.hint() }
        });
        // Nothing is left to be done if even that cannot be written.
        let _ = say_json(&value);
        return;
    }
    match error {
        // `FILE:LINE: message` as it is: editors jump to it.
        Error::Script(text) => eprintln!("{text}"),
        other => eprintln!("pstui: {other}"),
    }
    if let Some(hint) = error.hint() {
        eprintln!("  {hint}");
    }
}

/// One page for all commands: each is a section with its options.
fn man() -> Result<()> {
    let write = |why: std::io::Error| Error::file("man page", &why);
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let main = clap_mangen::Man::new(command.clone());
    main.render_title(&mut page).map_err(write)?;
    main.render_name_section(&mut page).map_err(write)?;
    main.render_synopsis_section(&mut page).map_err(write)?;
    main.render_description_section(&mut page).map_err(write)?;
    main.render_options_section(&mut page).map_err(write)?;
    for sub in command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
    {
        let man = clap_mangen::Man::new(sub.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section).map_err(write)?;
        man.render_description_section(&mut section)
            .map_err(write)?;
        man.render_options_section(&mut section).map_err(write)?;
        let section = String::from_utf8_lossy(&section);
        let text: String = section
            .lines()
            // One heading for the command in place of those of a page of its own.
            .map(|line| {
                if line.starts_with(".SH ") {
                    ".PP"
                } else {
                    line
                }
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let heading = format!(".SH \"PSTUI {}\"\n", sub.get_name().to_uppercase());
        page.extend_from_slice(heading.as_bytes());
        page.extend_from_slice(text.as_bytes());
    }
    main.render_extra_section(&mut page).map_err(write)?;
    main.render_version_section(&mut page).map_err(write)?;
    std::io::stdout().lock().write_all(&page).map_err(write)
}
