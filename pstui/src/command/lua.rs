// SPDX-License-Identifier: GPL-2.0-only
//! `pstui lua`: plain Lua on the engine, as the `lua` command would run it.

use super::say;
use crate::cli;
use crate::engine;
use crate::error::{Error, Result};
use packetscript_engine::host::user::{Output, set_writer};
use std::cell::RefCell;
use std::io::{BufWriter, Read as _, Stdout, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The standard output, and what was wrong with it first.
struct Printer {
    out: BufWriter<Stdout>,
    failed: Option<std::io::Error>,
}

impl Printer {
    fn write(&mut self, parts: &[&[u8]]) {
        for part in parts {
            if let Err(why) = self.out.write_all(part) {
                self.failed.get_or_insert(why);
            }
        }
    }

    fn flush(&mut self) {
        if let Err(why) = self.out.flush() {
            self.failed.get_or_insert(why);
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Out(bytes) => self.write(&[bytes]),
            // What was written first comes first.
            Output::Err(bytes) => {
                self.flush();
                let _ = std::io::stderr().write_all(bytes);
            }
            Output::Flush => self.flush(),
        }
    }
}

/// Runs or lists it.
pub fn run(args: &cli::Lua) -> Result<()> {
    let mut first: Vec<&[u8]> = args.execute.iter().map(String::as_bytes).collect();
    let script = args.rest.split_first();
    // A script that follows is what runs last.
    let last = if script.is_some() { None } else { first.pop() };
    let (name, text, folder, rest) = match (last, script) {
        (Some(chunk), _) => {
            let here = PathBuf::from(".");
            let name = "(command line)".to_owned();
            (name, chunk.to_vec(), here, args.rest.as_slice())
        }
        (None, Some((file, rest))) if file == "-" => {
            let mut text = Vec::new();
            std::io::stdin()
                .read_to_end(&mut text)
                .map_err(|why| Error::file("standard input", &why))?;
            ("stdin".to_owned(), text, PathBuf::from("."), rest)
        }
        (None, Some((file, rest))) => {
            let path = Path::new(file);
            let text = std::fs::read(path).map_err(|why| Error::file(path, &why))?;
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            (path.display().to_string(), text, folder, rest)
        }
        (None, None) => return Err(Error::Data("give a file, or -e and a chunk".to_owned())),
    };
    if args.list {
        let texts = engine::plain_chunks(&name, text, &folder);
        return say(engine::list(&texts, args.packet)?.trim_end());
    }
    let arguments: Vec<&[u8]> = rest.iter().map(|argument| argument.as_bytes()).collect();
    let printer = Rc::new(RefCell::new(Printer {
        out: BufWriter::new(std::io::stdout()),
        failed: None,
    }));
    let lines = Rc::clone(&printer);
    let print = Box::new(move |line: &[u8]| lines.borrow_mut().write(&[line, b"\n"]));
    let streams = Rc::clone(&printer);
    let before = set_writer(Some(Box::new(move |output| {
        streams.borrow_mut().take(output);
    })));
    let result = engine::run_plain(
        &name,
        &text,
        &first,
        &arguments,
        args.memory,
        args.fuel,
        print,
    );
    set_writer(before);
    // What was printed comes before what went wrong.
    printer.borrow_mut().flush();
    if let Err(message) = result {
        let _ = std::io::stderr().write_all(&[b"lua: ", &message[..], b"\n"].concat());
        return Err(Error::Told);
    }
    match printer.borrow_mut().failed.take() {
        // Whoever read it had enough.
        Some(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("standard output", &why))
        }
        _ => Ok(()),
    }
}
