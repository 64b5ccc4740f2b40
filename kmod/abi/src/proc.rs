// SPDX-License-Identifier: GPL-2.0-only
//! The tables of `/proc/net/packetscript`: a first line `packetscript ABI FILE`, a line of column
//! names, rows; all separated by tabs. Columns are found by name, so that a newer module may add some.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::border::{ABI, PROC_DIR, PROC_HOOKS, PROC_RULES, PROC_SCRIPTS};

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file: the module is not loaded.
    #[error("{}: not there; the kernel module xt_LUA is not loaded (modprobe xt_LUA)", .0.display())]
    Absent(PathBuf),
    /// Only root may read it.
    #[error("{}: permission denied; run as root", .0.display())]
    Permission(PathBuf),
    /// Any other failure to read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The module speaks another version of the border.
    #[error(
        "{file}:1: the module speaks ABI {found}, this program ABI {ABI}: install the two from one release"
    )]
    Abi {
        /// Name of the file.
        file: String,
        /// The number in its first line.
        found: u32,
    },
    /// Something that does not follow the format.
    #[error("{file}:{line}: {message}")]
    Format {
        /// Name of the file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// A version of a script. With the feature `serde` this is its stable `--json` schema too, so a field is
/// added at the end and never renamed: see `pstui/doc/json.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Script {
    /// Its name, unique together with the hash.
    pub name: String,
    /// Hash of source, modules and arguments, as 16 hexadecimal digits.
    pub hash: String,
    /// The file it came from.
    pub path: Option<String>,
    /// `pstui load` keeps it: it stays without rules.
    pub kept: bool,
    /// What a new rule that gives the name alone is bound to.
    pub newest: bool,
    /// Rules that are bound to it.
    pub rules: u64,
    /// Environments that exist.
    pub envs: u64,
    /// When it was loaded, in seconds since the epoch.
    pub loaded: u64,
    /// Which program loaded it.
    pub by: String,
    /// For which user.
    pub uid: u64,
    /// Bytes of source.
    pub bytes: u64,
    /// Live memory of all its environments.
    pub memory: u64,
    /// What they may use.
    pub limit: u64,
    /// Packets seen by its rules.
    pub packets: u64,
    /// Packets that ended in an error.
    pub errors: u64,
    /// The last error, with its traceback.
    pub last_error: Option<String>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Given by the kernel; a rule keeps it.
    pub id: u64,
    /// Of the script.
    pub name: String,
    /// Of the version.
    pub hash: String,
    /// That it calls.
    pub function: String,
    /// Which environment of the version.
    pub state: u64,
    /// `ipv4`, `ipv6`, `arp` or `bridge`.
    pub family: String,
    /// The table it stands in.
    pub table: String,
    /// From which it can be reached, as far as the kernel knows: empty in a user chain of nft.
    pub hooks: Vec<String>,
    /// What it does on errors.
    pub on_error: String,
    /// `shared` or `cpu`.
    pub scope: String,
    /// Fuel a packet.
    pub fuel_limit: u64,
    /// Nanoseconds, sampled.
    pub time: u64,
    /// Fuel used.
    pub fuel: u64,
    /// What became of its packets.
    pub counts: Counts,
}

/// A hook of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `PREROUTING` and so on.
    pub hook: String,
    /// That can be reached from it.
    pub rules: u64,
    /// What became of the packets seen there.
    pub counts: Counts,
}

/// What became of packets. A column that a table does not have counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Verdict ACCEPT.
    pub accept: u64,
    /// Verdict DROP.
    pub drop: u64,
    /// Verdict CONTINUE.
    pub r#continue: u64,
    /// Verdict QUEUE.
    pub queue: u64,
    /// Verdict REJECT.
    pub reject: u64,
    /// Verdict REPEAT.
    pub repeat: u64,
    /// Verdict STOLEN.
    pub stolen: u64,
    /// No verdict: the script failed.
    pub errors: u64,
}

/// Where the tables of this process's network namespace are.
pub fn directory() -> PathBuf {
    Path::new("/proc/net").join(PROC_DIR)
}

/// Reads and parses the versions.
pub fn scripts() -> Result<Vec<Script>, Error> {
    parse_scripts(&read(&directory().join(PROC_SCRIPTS))?)
}

/// Reads and parses the rules.
pub fn rules() -> Result<Vec<Rule>, Error> {
    parse_rules(&read(&directory().join(PROC_RULES))?)
}

/// Reads and parses the hooks.
pub fn hooks() -> Result<Vec<Hook>, Error> {
    parse_hooks(&read(&directory().join(PROC_HOOKS))?)
}

/// Reads one of the files.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Absent(path.to_owned()),
        std::io::ErrorKind::PermissionDenied => Error::Permission(path.to_owned()),
        _ => Error::Io {
            path: path.to_owned(),
            source,
        },
    })
}

/// Parses the file `scripts`.
pub fn parse_scripts(text: &[u8]) -> Result<Vec<Script>, Error> {
    Table::parse(PROC_SCRIPTS, text)?.rows(|row| {
        let flags = row.list("flags")?;
        Ok(Script {
            name: row.text("name")?,
            hash: row.text("hash")?,
            path: row.optional("path")?,
            kept: flags.iter().any(|flag| flag == "kept"),
            newest: flags.iter().any(|flag| flag == "newest"),
            rules: row.number("rules")?,
            envs: row.number("envs")?,
            loaded: row.number("loaded")?,
            by: row.text("by")?,
            uid: row.number("uid")?,
            bytes: row.number("bytes")?,
            memory: row.number("memory")?,
            limit: row.number("limit")?,
            packets: row.number("packets")?,
            errors: row.number("errors")?,
            last_error: row.optional("last_error")?,
        })
    })
}

/// Parses the file `rules`.
pub fn parse_rules(text: &[u8]) -> Result<Vec<Rule>, Error> {
    Table::parse(PROC_RULES, text)?.rows(|row| {
        Ok(Rule {
            id: row.number("id")?,
            name: row.text("name")?,
            hash: row.text("hash")?,
            function: row.text("function")?,
            state: row.number("state")?,
            family: row.text("family")?,
            table: row.text("table")?,
            hooks: row.list("hooks")?,
            on_error: row.text("on_error")?,
            scope: row.text("scope")?,
            fuel_limit: row.number("fuel_limit")?,
            time: row.number("time")?,
            fuel: row.number("fuel")?,
            counts: row.counts()?,
        })
    })
}

/// Parses the file `hooks`.
pub fn parse_hooks(text: &[u8]) -> Result<Vec<Hook>, Error> {
    Table::parse(PROC_HOOKS, text)?.rows(|row| {
        Ok(Hook {
            family: row.text("family")?,
            hook: row.text("hook")?,
            rules: row.number("rules")?,
            counts: row.counts()?,
        })
    })
}

/// A parsed file: names of columns, and the lines below them.
struct Table<'a> {
    file: &'static str,
    columns: Vec<&'a str>,
    lines: Vec<(usize, &'a str)>,
}

impl<'a> Table<'a> {
    fn parse(file: &'static str, bytes: &'a [u8]) -> Result<Self, Error> {
        let fail = |line, message: String| Error::Format {
            file: file.into(),
            line,
            message,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()]
                .split(|&byte| byte == b'\n')
                .count();
            fail(
                line,
                "a byte that is not ASCII stands here unescaped".into(),
            )
        })?;
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        let (_, head) = lines
            .next()
            .ok_or_else(|| fail(1, "the file is empty".into()))?;
        let mut words = head.split('\t');
        let abi = match (words.next(), words.next(), words.next()) {
            (Some("packetscript"), Some(abi), Some(name)) if name == file => {
                abi.parse::<u32>().ok()
            }
            _ => None,
        };
        let abi = abi.ok_or_else(|| {
            fail(
                1,
                format!("expected \"packetscript\", an ABI number and {file:?}, got {head:?}"),
            )
        })?;
        if abi != ABI {
            return Err(Error::Abi {
                file: file.into(),
                found: abi,
            });
        }
        let (_, names) = lines
            .next()
            .ok_or_else(|| fail(2, "the column names are missing".into()))?;
        let columns: Vec<&str> = names.split('\t').collect();
        Ok(Table {
            file,
            columns,
            lines: lines.collect(),
        })
    }

    fn rows<T>(&self, make: impl Fn(&Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.lines
            .iter()
            .map(|&(line, text)| {
                let cells: Vec<&str> = text.split('\t').collect();
                let row = Row {
                    table: self,
                    line,
                    cells,
                };
                if row.cells.len() != self.columns.len() {
                    return Err(row.fail(format!(
                        "{} columns under {} names",
                        row.cells.len(),
                        self.columns.len()
                    )));
                }
                make(&row)
            })
            .collect()
    }
}

struct Row<'a> {
    table: &'a Table<'a>,
    line: usize,
    cells: Vec<&'a str>,
}

impl Row<'_> {
    fn fail(&self, message: String) -> Error {
        Error::Format {
            file: self.table.file.into(),
            line: self.line,
            message,
        }
    }

    fn has(&self, column: &str) -> bool {
        self.table.columns.contains(&column)
    }

    fn cell(&self, column: &str) -> Result<&str, Error> {
        let index = self.table.columns.iter().position(|name| *name == column);
        index
            .and_then(|index| self.cells.get(index).copied())
            .ok_or_else(|| Error::Format {
                file: self.table.file.into(),
                line: 2,
                message: format!("there is no column {column:?}"),
            })
    }

    fn number(&self, column: &str) -> Result<u64, Error> {
        let cell = self.cell(column)?;
        let digits = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { cell.parse().ok() } else { None };
        number.ok_or_else(|| self.fail(format!("{column}: {cell:?} is not a number of 64 bits")))
    }

    fn text(&self, column: &str) -> Result<String, Error> {
        let cell = self.cell(column)?;
        if cell == "-" {
            return Ok(String::new());
        }
        unescape(cell)
            .map(Cow::into_owned)
            .map_err(|message| self.fail(format!("{column}: {message}")))
    }

    /// The text of a cell that may be empty.
    fn optional(&self, column: &str) -> Result<Option<String>, Error> {
        Ok(Some(self.text(column)?).filter(|text| !text.is_empty()))
    }

    fn list(&self, column: &str) -> Result<Vec<String>, Error> {
        let text = self.text(column)?;
        Ok(text
            .split(',')
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect())
    }

    fn counts(&self) -> Result<Counts, Error> {
        let optional = |column: &str| {
            if self.has(column) {
                self.number(column)
            } else {
                Ok(0)
            }
        };
        Ok(Counts {
            packets: self.number("packets")?,
            bytes: self.number("bytes")?,
            accept: self.number("accept")?,
            drop: self.number("drop")?,
            r#continue: self.number("continue")?,
            queue: self.number("queue")?,
            reject: optional("reject")?,
            repeat: optional("repeat")?,
            stolen: optional("stolen")?,
            errors: self.number("errors")?,
        })
    }
}

/// Undoes the escapes `\xHH`. Bytes that are no UTF-8 become replacement characters.
pub fn unescape(cell: &str) -> Result<Cow<'_, str>, String> {
    if !cell.contains('\\') {
        return Ok(Cow::Borrowed(cell));
    }
    let mut bytes = Vec::with_capacity(cell.len());
    let mut rest = cell;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let code = rest
            .get(at + 1..at + 4)
            .and_then(|code| code.strip_prefix('x'));
        let byte = code
            .filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|code| u8::from_str_radix(code, 16).ok())
            .ok_or_else(|| format!("a backslash that is no \\xHH in {cell:?}"))?;
        bytes.push(byte);
        rest = &rest[at + 4..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Escapes a text for a table's cell, as the module does.
pub fn escape(text: &str) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a str);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            use fmt::Write as _;
            match self.0 {
                "" => return f.write_char('-'),
                "-" => return f.write_str("\\x2d"),
                _ => {}
            }
            for byte in self.0.bytes() {
                if matches!(byte, b' '..=b'~') && byte != b'\\' {
                    f.write_char(char::from(byte))?;
                } else {
                    write!(f, "\\x{byte:02x}")?;
                }
            }
            Ok(())
        }
    }
    Escaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "packetscript\t1\trules\n\
        id\tname\thash\tfunction\tstate\tfamily\ttable\thooks\ton_error\tscope\tfuel_limit\tpackets\tbytes\taccept\tdrop\tcontinue\tqueue\treject\trepeat\tstolen\terrors\tfuel\ttime\tnewer\n\
        3\tblock\t00ff\tprocess_packet\t0\tipv4\tfilter\tINPUT,FORWARD\tdrop\tshared\t100000\t18446744073709551615\t6\t1\t2\t3\t0\t0\t0\t0\t0\t40\t0\tx\n\
        4\tblock\t00ff\tother\t1\tipv6\tfilter\t-\taccept\tcpu\t5\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\t0\ty\n";

    #[test]
    fn rules_are_read_by_column_name_and_newer_columns_ignored() {
        let rules = parse_rules(RULES.as_bytes()).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(rules[0].id, 3);
        assert_eq!(rules[0].hooks, ["INPUT", "FORWARD"]);
        assert_eq!(rules[0].counts.packets, u64::MAX);
        assert_eq!(rules[0].counts.r#continue, 3);
        assert_eq!(rules[0].fuel, 40);
        assert_eq!(rules[1].hooks, [""; 0]);
        assert_eq!(rules[1].scope, "cpu");

        // The same columns in another order say the same.
        let turned: String = RULES
            .lines()
            .enumerate()
            .map(|(index, line)| {
                let mut cells: Vec<&str> = line.split('\t').collect();
                if index > 0 {
                    cells.reverse();
                }
                cells.join("\t") + "\n"
            })
            .collect();
        assert_eq!(parse_rules(turned.as_bytes()).unwrap(), rules);
    }

    #[test]
    fn hooks_have_fewer_verdicts() {
        let text = "packetscript\t1\thooks\nfamily\thook\trules\tpackets\tbytes\taccept\tdrop\tcontinue\tqueue\terrors\n\
                    ipv4\tINPUT\t2\t10\t840\t1\t2\t7\t0\t0\n";
        let hooks = parse_hooks(text.as_bytes()).unwrap();
        assert_eq!(hooks[0].hook, "INPUT");
        assert_eq!(
            hooks[0].counts,
            Counts {
                packets: 10,
                bytes: 840,
                accept: 1,
                drop: 2,
                r#continue: 7,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn texts_are_unescaped() {
        let head = "packetscript\t1\tscripts\nname\thash\tpath\tflags\trules\tenvs\tloaded\tby\tuid\tbytes\tmemory\tlimit\tpackets\terrors\tlast_error\n";
        let row = "a\tff\t/tmp/t\\x09b\\x5c.lua\tkept,newest\t1\t1\t1764000000\tiptables\t0\t100\t4096\t1048576\t5\t1\ta.lua:1: caf\\xc3\\xa9\\x0astack\n";
        let none = "b\tfe\t-\t-\t1\t1\t1764000000\tpstui\t0\t100\t4096\t1048576\t5\t0\t-\n";
        let scripts = parse_scripts(format!("{head}{row}{none}").as_bytes()).unwrap();
        assert_eq!(scripts[0].path.as_deref(), Some("/tmp/t\tb\\.lua"));
        let error = scripts[0].last_error.as_deref();
        assert_eq!(error, Some("a.lua:1: café\nstack"));
        assert!(scripts[0].kept && scripts[0].newest);
        assert_eq!((&scripts[1].path, &scripts[1].last_error), (&None, &None));
    }

    #[test]
    fn escapes_go_both_ways() {
        for text in [
            "",
            "-",
            "--",
            "plain",
            "tab\there",
            "back\\slash \\x41",
            "caf\u{e9}\n\0",
        ] {
            let cell = escape(text).to_string();
            assert!(
                cell.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{cell:?}"
            );
            let back = if cell == "-" {
                String::new()
            } else {
                unescape(&cell).unwrap().into_owned()
            };
            assert_eq!(back, text);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        let error = |text: &[u8]| parse_rules(text).unwrap_err().to_string();
        assert_eq!(error(b""), "rules:1: the file is empty");
        assert!(error(b"packetscript\t1\thooks\n").starts_with("rules:1: expected "));
        assert!(error(b"packetscript\t2\trules\n").contains("the module speaks ABI 2"));
        assert_eq!(
            error(b"packetscript\t1\trules\n"),
            "rules:2: the column names are missing"
        );
        assert_eq!(
            error(b"packetscript\t1\trules\nid\tname\n1\ta\n"),
            "rules:2: there is no column \"hash\""
        );
        assert_eq!(
            error(b"packetscript\t1\trules\nid\tname\n1\ta\tb\n"),
            "rules:3: 3 columns under 2 names"
        );
        assert_eq!(
            error(RULES.replace("\t40\t", "\t-1\t").as_bytes()),
            "rules:3: fuel: \"-1\" is not a number of 64 bits"
        );
        assert_eq!(
            error(RULES.replace("other", "o\\x").as_bytes()),
            "rules:4: function: a backslash that is no \\xHH in \"o\\\\x\""
        );
        assert!(error(b"packetscript\t1\trules\nid\n\xff\n").starts_with("rules:3: "));
    }
}
