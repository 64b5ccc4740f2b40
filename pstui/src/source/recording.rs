// SPDX-License-Identifier: GPL-2.0-only
//! A recording: what /proc showed, again and again, in one text file.
//!
//! ```text
//! packetscript-recording  1
//! about   HOST    KERNEL  MODULE
//! text    NAME    HASH    CHUNK   LINES       (then so many lines of source)
//! @ SECONDS.FRACTION                          (since the epoch; then the three files of /proc)
//! ```
//!
//! The files of /proc say in their first line which they are, so a recording can also be made
//! where pstui is not installed: `date +@\ %s.%N; cat /proc/net/packetscript/*`, repeated.

use super::{Loaded, Source, tables};
use crate::error::{Error, Result};
use crate::snapshot::{About, ScriptText, Snapshot};
use packetscript_abi::border::{PROC_DIR, PROC_HOOKS, PROC_RULES, PROC_SCRIPTS};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const HEAD: &str = "packetscript-recording\t1";

/// A recording that is being played, one snapshot at each question; it ends on the last one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    about: About,
    texts: HashMap<(String, String), ScriptText>,
    snapshots: Vec<Snapshot>,
    next: usize,
}

/// The three files of one moment.
#[derive(Default)]
struct Moment {
    at: Duration,
    files: HashMap<String, String>,
}

impl Recording {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::file(path, &why))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads a text; `name` is what messages call it.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let fail = |line: usize, why: &str| Error::Data(format!("{name}:{}: {why}", line + 1));
        let mut recording = Self::default();
        let mut moment: Option<Moment> = None;
        let mut file: Option<String> = None;
        let mut lines = text.lines().enumerate();
        match lines.next() {
            Some((_, HEAD)) => {}
            _ => return Err(fail(0, "not a recording: `pstui record FILE` makes them")),
        }
        while let Some((number, line)) = lines.next() {
            let mut words = line.split('\t');
            match words.next() {
                Some("about") => {
                    let mut word = || words.next().unwrap_or_default().to_owned();
                    recording.about = About {
                        host: word(),
                        kernel: word(),
                        module: Some(word()).filter(|m| !m.is_empty()),
                    };
                }
                Some("text") => {
                    let (Some(script), Some(hash), Some(chunk), Some(Ok(count))) = (
                        words.next(),
                        words.next(),
                        words.next(),
                        words.next().map(str::parse::<usize>),
                    ) else {
                        return Err(fail(number, "expected text, name, hash, chunk, lines"));
                    };
                    let mut source = String::new();
                    for _ in 0..count {
                        let (_, line) = lines
                            .next()
                            .ok_or_else(|| fail(number, "the text is cut off"))?;
                        source.push_str(line);
                        source.push('\n');
                    }
                    let id = (script.to_owned(), hash.to_owned());
                    let text = recording.texts.entry(id).or_insert_with(|| ScriptText {
                        name: script.to_owned(),
                        hash: hash.to_owned(),
                        ..ScriptText::default()
                    });
                    text.chunks.push((chunk.to_owned(), source));
                }
                Some(word) if word.starts_with("@ ") => {
                    recording.take(moment.take(), name)?;
                    let at = word[2..]
                        .parse()
                        .ok()
                        .and_then(|s| Duration::try_from_secs_f64(s).ok());
                    let at = at.ok_or_else(|| fail(number, "expected seconds since the epoch"))?;
                    moment = Some(Moment {
                        at,
                        ..Moment::default()
                    });
                    file = None;
                }
                Some("packetscript") => {
                    let kind = words.nth(1).unwrap_or_default().to_owned();
                    let moment = moment
                        .as_mut()
                        .ok_or_else(|| fail(number, "a table before any moment"))?;
                    let _ = writeln!(moment.files.entry(kind.clone()).or_default(), "{line}");
                    file = Some(kind);
                }
                _ => {
                    let target = moment
                        .as_mut()
                        .zip(file.as_ref())
                        .and_then(|(moment, file)| moment.files.get_mut(file))
                        .ok_or_else(|| fail(number, "a row outside of any table"))?;
                    let _ = writeln!(target, "{line}");
                }
            }
        }
        recording.take(moment, name)?;
        if recording.snapshots.is_empty() {
            return Err(Error::Data(format!(
                "{name}: there is no moment in this recording"
            )));
        }
        Ok(recording)
    }

    fn take(&mut self, moment: Option<Moment>, name: &str) -> Result<()> {
        let Some(moment) = moment else { return Ok(()) };
        let file = |kind: &str| {
            moment
                .files
                .get(kind)
                .map_or(&b""[..], |text| text.as_bytes())
        };
        let snapshot = tables::parse(
            moment.at,
            moment.at.as_secs(),
            file(PROC_HOOKS),
            file(PROC_SCRIPTS),
            file(PROC_RULES),
        )
        .map_err(|error| {
            Error::Data(format!(
                "{name}: at {:.3}: {error}",
                moment.at.as_secs_f64()
            ))
        })?;
        self.snapshots.push(snapshot);
        Ok(())
    }

    /// How many moments there are.
    pub fn len(&self) -> usize {
        self.snapshots.len()
    }

    /// Never true: a recording without a moment is refused.
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
    }

    fn only_watch<T>() -> Result<T> {
        Err(Error::ReadOnly(
            "this is a recording: nothing can be changed in it".to_owned(),
        ))
    }
}

impl Source for Recording {
    fn about(&mut self) -> About {
        self.about.clone()
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let at = self.next.min(self.snapshots.len() - 1);
        self.next = at + 1;
        Ok(self.snapshots[at].clone())
    }

    fn text(&mut self, name: &str, hash: &str) -> Result<ScriptText> {
        let id = (name.to_owned(), hash.to_owned());
        let found = if hash.is_empty() {
            self.texts.values().find(|text| text.name == name)
        } else {
            self.texts.get(&id)
        };
        found.cloned().ok_or_else(|| {
            Error::Refused(format!(
                "the recording does not have the text of {name} {hash}"
            ))
        })
    }

    fn load(&mut self, _: &Path, _: Option<&str>, _: &[String]) -> Result<Loaded> {
        Self::only_watch()
    }

    fn unload(&mut self, _: &str) -> Result<()> {
        Self::only_watch()
    }

    fn reload(&mut self, _: &Path, _: &str, _: &[String]) -> Result<Loaded> {
        Self::only_watch()
    }

    fn reset(&mut self, _: Option<&str>) -> Result<()> {
        Self::only_watch()
    }

    fn load_module(&mut self) -> Result<()> {
        Self::only_watch()
    }
}

/// Writes a recording as it happens.
pub struct Recorder<W> {
    to: W,
    known: std::collections::HashSet<(String, String)>,
}

impl<W: std::io::Write> Recorder<W> {
    /// Starts one.
    pub fn new(mut to: W, about: &About) -> std::io::Result<Self> {
        writeln!(to, "{HEAD}")?;
        let module = about.module.as_deref().unwrap_or_default();
        writeln!(to, "about\t{}\t{}\t{module}", about.host, about.kernel)?;
        Ok(Self {
            to,
            known: std::collections::HashSet::new(),
        })
    }

    /// Whether a version's text is not in it yet.
    pub fn wants(&self, name: &str, hash: &str) -> bool {
        !self.known.contains(&(name.to_owned(), hash.to_owned()))
    }

    /// Adds a text.
    pub fn text(&mut self, text: &ScriptText) -> std::io::Result<()> {
        self.known.insert((text.name.clone(), text.hash.clone()));
        for (chunk, source) in &text.chunks {
            let count = source.lines().count();
            writeln!(
                self.to,
                "text\t{}\t{}\t{chunk}\t{count}",
                text.name, text.hash
            )?;
            for line in source.lines() {
                writeln!(self.to, "{line}")?;
            }
        }
        Ok(())
    }

    /// Adds a moment: the time since the epoch and the files of /proc as they are.
    pub fn moment(&mut self, at: Duration, files: &[Vec<u8>]) -> std::io::Result<()> {
        writeln!(self.to, "@ {:.6}", at.as_secs_f64())?;
        for file in files {
            self.to.write_all(file)?;
        }
        self.to.flush()
    }
}

/// The folder of /proc that is recorded, for messages.
pub fn recorded_folder() -> String {
    format!("/proc/net/{PROC_DIR}")
}
