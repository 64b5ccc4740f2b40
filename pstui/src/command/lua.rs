// SPDX-License-Identifier: GPL-2.0-only
//! `pstui lua`: plain Lua on the engine, as the `lua` command would run it.

use super::say;
use crate::cli;
use crate::engine;
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::io::{BufWriter, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Runs or lists it.
pub fn run(args: &cli::Lua) -> Result<()> {
    let (name, text, folder, rest) = match (&args.execute, args.rest.split_first()) {
        (Some(chunk), _) => {
            let here = PathBuf::from(".");
            (
                "(command line)".to_owned(),
                chunk.clone().into_bytes(),
                here,
                args.rest.as_slice(),
            )
        }
        (None, Some((file, rest))) => {
            let path = Path::new(file);
            let text = std::fs::read(path).map_err(|why| Error::file(path, &why))?;
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            (path.display().to_string(), text, folder, rest)
        }
        (None, None) => return Err(Error::Data("give a file, or -e and a chunk".to_owned())),
    };
    let texts = engine::plain_chunks(&name, text, &folder);
    if args.list {
        return say(engine::list(&texts, args.packet)?.trim_end());
    }
    let arguments: Vec<&[u8]> = rest.iter().map(|argument| argument.as_bytes()).collect();
    let out = Rc::new(RefCell::new(BufWriter::new(std::io::stdout())));
    let failed = Rc::new(RefCell::new(None));
    let (to, trouble) = (Rc::clone(&out), Rc::clone(&failed));
    let print = Box::new(move |line: &[u8]| {
        let mut out = to.borrow_mut();
        if let Err(why) = out.write_all(line).and_then(|()| out.write_all(b"\n")) {
            trouble.borrow_mut().get_or_insert(why);
        }
    });
    let result = engine::run_plain(&texts, &arguments, args.memory, args.fuel, print);
    // What was printed comes before what went wrong.
    let flushed = out.borrow_mut().flush();
    match result {
        Err(Error::Script(text)) => {
            eprintln!("pstui: {text}");
            return Err(Error::Told);
        }
        other => other?,
    }
    let broken = failed.borrow_mut().take().map_or(flushed, Err);
    match broken {
        // Whoever read it had enough.
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("standard output", &why))
        }
        _ => Ok(()),
    }
}
