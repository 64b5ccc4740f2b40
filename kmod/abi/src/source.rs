// SPDX-License-Identifier: GPL-2.0-only
//! A script read from its file, with the modules that it requires.
//!
//! The kernel has no files, so `require "name"` with a literal is resolved here: `name.lua` (dots are
//! folders) beside the script is sent along as a chunk of that name, and what that one requires too.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::border::CHUNKS_MAX;

/// More than any module parameter lets in; guards against reading a device for ever.
const READ_MAX: u64 = 64 << 20;

/// One text of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// In messages and for `require`: the script's file name first, then modules by name.
    pub name: String,
    /// Lua.
    pub text: Vec<u8>,
    /// The file, as the user would name it.
    pub file: PathBuf,
}

/// A script and its modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Absolute, as the registry of the kernel keeps it.
    pub path: PathBuf,
    /// The script first.
    pub chunks: Vec<Chunk>,
}

/// Why a script could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("{}: {}", .path.display(), reason(.source))]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A module that is not there.
    #[error("{}:{line}: module '{module}' not found: no file {}", .file.display(), .looked.display())]
    Module {
        /// The file that requires it.
        file: PathBuf,
        /// Where.
        line: usize,
        /// What.
        module: String,
        /// Where it should be.
        looked: PathBuf,
    },
    /// Anything else.
    #[error("{}: {message}", .path.display())]
    Other {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What the system says, without the number that std puts behind it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl Error {
    /// Whether the script itself (not a module) is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

impl Bundle {
    /// Reads the script at `path`, and every module that it requires by a literal.
    pub fn read(path: &Path) -> Result<Bundle, Error> {
        let absolute = absolute(path)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned)
            .ok_or_else(|| Error::Other {
                path: path.to_owned(),
                message: "not the name of a script in UTF-8".into(),
            })?;
        let mut chunks = vec![Chunk {
            name,
            text: read_file(path)?,
            file: path.to_owned(),
        }];
        let mut next = 0;
        while next < chunks.len() {
            for (line, module) in required(&chunks[next].text) {
                if chunks.iter().skip(1).any(|chunk| chunk.name == module) {
                    continue;
                }
                let looked = folder.join(module.replace('.', "/") + ".lua");
                let text = read_file(&looked).map_err(|error| match error {
                    Error::Io { ref source, .. }
                        if source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        Error::Module {
                            file: chunks[next].file.clone(),
                            line,
                            module: module.clone(),
                            looked: looked.clone(),
                        }
                    }
                    other => other,
                })?;
                if chunks.len() == CHUNKS_MAX {
                    return Err(Error::Other {
                        path: path.to_owned(),
                        message: format!("more than {} modules", CHUNKS_MAX - 1),
                    });
                }
                chunks.push(Chunk {
                    name: module,
                    text,
                    file: looked,
                });
            }
            next += 1;
        }
        Ok(Bundle {
            path: absolute,
            chunks,
        })
    }

    /// The file behind a chunk's name, as the user would name it: for messages.
    pub fn file(&self, chunk: &str) -> Option<&Path> {
        self.chunks
            .iter()
            .find(|candidate| candidate.name == chunk)
            .map(|chunk| chunk.file.as_path())
    }
}

/// The path as the registry of the kernel keeps it: absolute, links left alone (a link is how
/// packages switch between versions of a script).
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(Error::Other {
            path: path.to_owned(),
            message: "is a folder, not a script".into(),
        });
    }
    let mut text = Vec::new();
    file.take(READ_MAX + 1).read_to_end(&mut text).map_err(io)?;
    if text.len() as u64 > READ_MAX {
        return Err(Error::Other {
            path: path.to_owned(),
            message: "larger than any script may be".into(),
        });
    }
    Ok(text)
}

/// Lines and names of `require "name"` and `require("name")` in a Lua text, outside comments and
/// strings. A text that is no Lua gives what was found before it went wrong: the compiler says more.
pub fn required(text: &[u8]) -> Vec<(usize, String)> {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    let mut before = Token::Other;
    while let Some(token) = scanner.next() {
        // A field or method of that name is something else.
        if token == Token::Require && !matches!(before, Token::Punct(b'.' | b':')) {
            let mark = scanner;
            let line = scanner.line;
            let mut argument = scanner.next();
            if argument == Some(Token::Punct(b'(')) {
                argument = scanner.next();
            }
            match argument {
                Some(Token::Text(name)) if is_module(&name) => found.push((line, name)),
                _ => scanner = mark,
            }
        }
        before = token;
    }
    found
}

/// Names that lead to a file below the script's folder, and to no other.
fn is_module(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    })
}

#[derive(PartialEq, Eq)]
enum Token {
    Require,
    Text(String),
    Punct(u8),
    Other,
}

/// Just enough of Lua's lexer to tell code from strings and comments.
#[derive(Clone, Copy)]
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' {
            self.line += 1;
        }
        Some(byte)
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            let byte = self.bump()?;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => {}
                b'-' if self.peek() == Some(b'-') => self.comment(),
                b'#' if self.at == 1 => self.rest_of_line(),
                b'\'' | b'"' => return Some(self.quoted(byte)),
                b'[' => {
                    return Some(match self.long_bracket() {
                        Some(text) => Token::Text(String::from_utf8_lossy(&text).into_owned()),
                        None => Token::Punct(b'['),
                    });
                }
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => return Some(self.word()),
                _ => return Some(Token::Punct(byte)),
            }
        }
    }

    fn word(&mut self) -> Token {
        let start = self.at - 1;
        while self
            .peek()
            .is_some_and(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        {
            self.at += 1;
        }
        if &self.text[start..self.at] == b"require" {
            Token::Require
        } else {
            Token::Other
        }
    }

    fn comment(&mut self) {
        self.at += 1;
        if self.peek() == Some(b'[') {
            self.at += 1;
            if self.long_bracket().is_some() {
                return;
            }
        }
        self.rest_of_line();
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// After a `[`: the text between long brackets, or `None` with nothing consumed.
    fn long_bracket(&mut self) -> Option<Vec<u8>> {
        let level = self.text[self.at..]
            .iter()
            .take_while(|&&byte| byte == b'=')
            .count();
        if self.text.get(self.at + level) != Some(&b'[') {
            return None;
        }
        self.at += level + 1;
        let start = self.at;
        let mut close = vec![b'='; level + 2];
        close[0] = b']';
        close[level + 1] = b']';
        while !self.text[self.at..].starts_with(&close) {
            if self.bump().is_none() {
                return Some(Vec::new());
            }
        }
        let inner = self.text[start..self.at].to_vec();
        self.at += close.len();
        Some(inner)
    }

    /// After a quote. A string with escapes is no module's name, so escapes are only skipped.
    fn quoted(&mut self, quote: u8) -> Token {
        let start = self.at;
        let mut plain = true;
        while let Some(byte) = self.bump() {
            match byte {
                b'\\' => {
                    plain = false;
                    self.bump();
                }
                b'\n' => return Token::Other,
                _ if byte == quote => {
                    let inner = &self.text[start..self.at - 1];
                    return match std::str::from_utf8(inner) {
                        Ok(name) if plain => Token::Text(name.to_owned()),
                        _ => Token::Other,
                    };
                }
                _ => {}
            }
        }
        Token::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(usize, String)> {
        required(text.as_bytes())
    }

    #[test]
    fn literals_are_found_and_nothing_else() {
        let text = r#"#!/usr/bin/lua
local a = require "alpha"
local b = require('beta.gamma')
local c = require [[delta]]
-- require "comment"
--[[ require "long"
]] local s = "require 'text'" .. 'it\'s require "x"'
t.require "field"; t:require "method"
require(name)
require "no/slash"; require ".."; require "esc\65"
local prerequire = 1 ; requires "y"
local e = a[require "epsilon"]
require(--[==[ ]] ]==] "zeta")
"#;
        let found = names(text);
        let only: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(only, ["alpha", "beta.gamma", "delta", "epsilon", "zeta"]);
        assert_eq!(found[0].0, 2);
        assert_eq!(found[3].0, 12);
    }

    #[test]
    fn texts_that_end_too_early_end_the_scan() {
        for text in [
            "require",
            "require(",
            "require \"a",
            "require [==[a",
            "--[[",
            "'\\",
            "require '\n'",
        ] {
            assert_eq!(names(text), [], "{text:?}");
        }
    }

    #[test]
    fn any_bytes_can_be_scanned() {
        let parts: [&[u8]; 14] = [
            b"require", b" ", b"(", b"'a'", b"\"b\"", b"[[c]]", b"[==[", b"]==]", b"--", b"\n",
            b"\\", b"'", b"\xff", b".",
        ];
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut found = 0;
        for _ in 0..50_000 {
            let mut text = Vec::new();
            for _ in 0..12 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                text.extend_from_slice(parts[(random >> 33) as usize % parts.len()]);
            }
            found += required(&text).len();
        }
        assert!(found > 1000, "{found}");
    }

    fn folder(test: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("packetscript-source-{test}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("net")).unwrap();
        folder
    }

    #[test]
    fn modules_come_along_once_and_missing_ones_are_named() {
        let folder = folder("bundle");
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(
            "main.lua",
            "local a = require 'a'\nlocal n = require 'net.addr'\n",
        );
        write("a.lua", "return require 'net.addr'");
        write("net/addr.lua", "return require 'a'");
        let bundle = Bundle::read(&folder.join("main.lua")).unwrap();
        let chunks: Vec<&str> = bundle
            .chunks
            .iter()
            .map(|chunk| chunk.name.as_str())
            .collect();
        assert_eq!(chunks, ["main.lua", "a", "net.addr"]);
        assert_eq!(
            bundle.file("net.addr"),
            Some(folder.join("net/addr.lua").as_path())
        );
        assert!(bundle.path.is_absolute());

        write("a.lua", "\nreturn require 'gone'");
        let error = Bundle::read(&folder.join("main.lua")).unwrap_err();
        assert!(!error.is_absent());
        let expected = format!(
            "{}:2: module 'gone' not found: no file {}",
            folder.join("a.lua").display(),
            folder.join("gone.lua").display()
        );
        assert_eq!(error.to_string(), expected);
        assert!(
            Bundle::read(&folder.join("none.lua"))
                .unwrap_err()
                .is_absent()
        );
        assert!(
            Bundle::read(&folder)
                .unwrap_err()
                .to_string()
                .ends_with("is a folder, not a script")
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
