// SPDX-License-Identifier: GPL-2.0-only
//! Columns as data: a row of a table below is a column's title, its place and what is in it.
//! Sorting, filtering, fitting into a width and drawing know nothing of hooks, scripts or rules.

use super::identity::RowId;
use super::model::{Picture, Screen};
use super::rates::{Track, script_counters};
use super::theme::Role;
use crate::format;
use crate::snapshot::{Counters, Hook, Rule, Script, Snapshot};
use std::cmp::Ordering;

/// What is in one field of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A word.
    Text(String, Role),
    /// A text that may be cut where room is short.
    Long(String, Role),
    /// A word with an order of its own.
    Ordered(String, u64, Role),
    /// A number that is an amount.
    Count(u64, Role),
    /// A number that is a name.
    Number(u64),
    /// Something a second; none before the second snapshot.
    Rate(Option<f64>, Role),
    /// A part of a whole.
    Percent(Option<f64>, Role),
    /// Bytes.
    Bytes(u64),
    /// Seconds.
    Age(u64),
    /// A history of rates, oldest first.
    Spark(Vec<f64>),
}

impl Cell {
    /// The text, but for a sparkline, which depends on the room that it gets.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text, _) | Self::Long(text, _) | Self::Ordered(text, ..) => text.clone(),
            Self::Count(value, _) | Self::Bytes(value) => format::scaled(*value as f64),
            Self::Number(value) => value.to_string(),
            Self::Rate(Some(value), _) => format::scaled(*value),
            Self::Rate(None, _) | Self::Percent(None, _) => "– ".to_owned(),
            Self::Percent(Some(value), _) => format!("{value:.0}%"),
            Self::Age(seconds) => format::age(*seconds),
            Self::Spark(_) => String::new(),
        }
    }

    /// How it looks: zeros recede.
    pub fn role(&self) -> Role {
        match self {
            Self::Count(0, _) | Self::Bytes(0) | Self::Rate(None, _) | Self::Percent(None, _) => {
                Role::Faint
            }
            Self::Rate(Some(value), _) | Self::Percent(Some(value), _) if *value == 0.0 => {
                Role::Faint
            }
            Self::Text(_, role)
            | Self::Long(_, role)
            | Self::Ordered(_, _, role)
            | Self::Count(_, role)
            | Self::Rate(_, role)
            | Self::Percent(_, role) => *role,
            Self::Number(_) | Self::Age(_) => Role::Dim,
            Self::Bytes(_) => Role::Text,
            Self::Spark(series) if series.iter().all(|value| *value == 0.0) => Role::Faint,
            Self::Spark(_) => Role::Spark,
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Text(..) | Self::Long(..) => 0.0,
            Self::Ordered(_, value, _)
            | Self::Count(value, _)
            | Self::Number(value)
            | Self::Bytes(value)
            | Self::Age(value) => *value as f64,
            Self::Rate(value, _) | Self::Percent(value, _) => value.unwrap_or(-1.0),
            Self::Spark(series) => series.last().copied().unwrap_or(-1.0),
        }
    }

    /// The order within a column.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a, _) | Self::Long(a, _), Self::Text(b, _) | Self::Long(b, _)) => a.cmp(b),
            _ => self.number().total_cmp(&other.number()),
        }
    }
}

/// A column's title and place.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The title, unit included.
    pub title: &'static str,
    /// What it means, for the help overlay.
    pub help: &'static str,
    /// Numbers stand right.
    pub right: bool,
    /// Where room is short, the highest rank goes first; 0 never goes.
    pub rank: u8,
    /// How much wider than its contents it may become.
    pub grow: u16,
}

/// What a cell may be made of.
struct Context<'a> {
    snapshot: &'a Snapshot,
    track: Option<&'a Track>,
}

impl Context<'_> {
    fn packets(&self) -> Cell {
        Cell::Rate(
            self.track.and_then(|t| t.rates).map(|r| r.packets),
            Role::Text,
        )
    }

    fn octets(&self) -> Cell {
        Cell::Rate(
            self.track.and_then(|t| t.rates).map(|r| r.bytes),
            Role::Text,
        )
    }

    fn drops(&self) -> Cell {
        Cell::Rate(self.track.and_then(|t| t.rates).map(|r| r.drop), Role::Drop)
    }

    fn trend(&self) -> Cell {
        Cell::Spark(
            self.track
                .map(|t| t.packets.iter().copied().collect())
                .unwrap_or_default(),
        )
    }
}

/// A column and what fills it.
struct Filled<R> {
    column: Column,
    cell: fn(&R, &Context) -> Cell,
}

const fn left<R>(
    title: &'static str,
    rank: u8,
    help: &'static str,
    cell: fn(&R, &Context) -> Cell,
) -> Filled<R> {
    Filled {
        column: Column {
            title,
            help,
            right: false,
            rank,
            grow: 0,
        },
        cell,
    }
}

const fn right<R>(
    title: &'static str,
    rank: u8,
    help: &'static str,
    cell: fn(&R, &Context) -> Cell,
) -> Filled<R> {
    Filled {
        column: Column {
            title,
            help,
            right: true,
            rank,
            grow: 0,
        },
        cell,
    }
}

const fn growing<R>(
    title: &'static str,
    rank: u8,
    grow: u16,
    help: &'static str,
    cell: fn(&R, &Context) -> Cell,
) -> Filled<R> {
    Filled {
        column: Column {
            title,
            help,
            right: false,
            rank,
            grow,
        },
        cell,
    }
}

fn text(text: &str) -> Cell {
    if text.is_empty() {
        Cell::Text("–".to_owned(), Role::Faint)
    } else {
        Cell::Text(text.to_owned(), Role::Text)
    }
}

fn dim(text: &str) -> Cell {
    Cell::Text(text.to_owned(), Role::Dim)
}

fn count(value: u64) -> Cell {
    Cell::Count(value, Role::Text)
}

fn errors(value: u64) -> Cell {
    Cell::Count(value, Role::Bad)
}

/// A hook without scripts recedes.
fn quiet(hook: &Hook) -> Role {
    if hook.rules == 0 && hook.counters.packets == 0 {
        Role::Dim
    } else {
        Role::Text
    }
}

/// The names of the scripts that a hook's rules call, each once.
fn scripts_at(hook: &Hook, snapshot: &Snapshot) -> String {
    let mut names: Vec<&str> = Vec::new();
    for rule in &snapshot.rules {
        let here = rule.family == hook.family && rule.hooks.contains(&hook.hook);
        if here && !names.contains(&rule.name.as_str()) {
            names.push(&rule.name);
        }
    }
    names.join(" ")
}

/// The order in which a packet meets the hooks.
pub const HOOK_ORDER: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

const HOOKS: &[Filled<Hook>] = &[
    left("FAMILY", 0, "protocol family", |h, _| {
        Cell::Text(h.family.clone(), quiet(h))
    }),
    left("HOOK", 0, "the hook of Netfilter", |h, _| {
        let place = HOOK_ORDER
            .iter()
            .position(|name| *name == h.hook)
            .unwrap_or(HOOK_ORDER.len());
        Cell::Ordered(h.hook.clone(), place as u64, quiet(h))
    }),
    right("RULES", 1, "rules that can be reached from it", |h, _| {
        count(h.rules)
    }),
    right(
        "PKT/S",
        0,
        "packets a second that met a script there",
        |_, c| c.packets(),
    ),
    right("BYTE/S", 3, "their bytes a second", |_, c| c.octets()),
    right("DROP/S", 1, "packets dropped a second", |_, c| c.drops()),
    right("PACKETS", 2, "packets so far", |h, _| {
        count(h.counters.packets)
    }),
    right("BYTES", 8, "bytes so far", |h, _| {
        Cell::Bytes(h.counters.bytes)
    }),
    right("ACCEPT", 6, "verdict ACCEPT", |h, _| {
        Cell::Count(h.counters.accept, Role::Good)
    }),
    right("DROP", 4, "verdict DROP", |h, _| {
        Cell::Count(h.counters.drop, Role::Drop)
    }),
    right("CONT", 7, "verdict CONTINUE", |h, _| count(h.counters.pass)),
    right("QUEUE", 9, "verdict QUEUE", |h, _| count(h.counters.queue)),
    right("ERRORS", 1, "packets that ended in an error", |h, _| {
        errors(h.counters.errors)
    }),
    left(
        "SCRIPTS",
        2,
        "the scripts that are called from there",
        |h, c| Cell::Long(scripts_at(h, c.snapshot), Role::Accent),
    ),
    growing("TREND", 5, 24, "packets a second, over time", |_, c| {
        c.trend()
    }),
];

const SCRIPTS: &[Filled<Script>] = &[
    left("NAME", 0, "the script's name", |s, _| {
        Cell::Text(s.name.clone(), Role::Accent)
    }),
    left(
        "VERSION",
        1,
        "hash of source, modules and arguments",
        |s, _| dim(format::short_hash(&s.hash)),
    ),
    left(
        "FLAGS",
        4,
        "kept: stays loaded without rules; newest: what the name alone means",
        |s, _| {
            let flags: Vec<&str> = [(s.kept, "kept"), (s.newest, "newest")]
                .iter()
                .filter(|f| f.0)
                .map(|f| f.1)
                .collect();
            dim(&flags.join(" "))
        },
    ),
    right("RULES", 1, "rules that use it", |s, _| count(s.rules)),
    right(
        "ENVS",
        7,
        "environments: programs with globals of their own",
        |s, _| count(s.envs),
    ),
    right("PKT/S", 0, "packets a second", |_, c| c.packets()),
    right("DROP/S", 5, "packets dropped a second", |_, c| c.drops()),
    right("PACKETS", 2, "packets so far", |s, _| count(s.packets)),
    right("DROP", 6, "verdict DROP", |s, c| {
        Cell::Count(
            script_counters(c.snapshot, &s.name, &s.hash).drop,
            Role::Drop,
        )
    }),
    right("ERRORS", 1, "packets that ended in an error", |s, _| {
        errors(s.errors)
    }),
    right("MEMORY", 3, "live bytes of its environments", |s, _| {
        Cell::Bytes(s.memory)
    }),
    right("USED", 6, "of the memory that it may have", |s, _| {
        let used = format::percent(s.memory, s.limit);
        let role = if used.is_some_and(|used| used >= 90.0) {
            Role::Warn
        } else {
            Role::Text
        };
        Cell::Percent(used, role)
    }),
    right("AGE", 5, "since it was loaded", |s, c| {
        Cell::Age(c.snapshot.wall.saturating_sub(s.loaded))
    }),
    left("BY", 9, "the program that loaded it", |s, _| dim(&s.by)),
    growing("TREND", 8, 24, "packets a second, over time", |_, c| {
        c.trend()
    }),
    left("PATH", 10, "where it was loaded from", |s, _| {
        Cell::Long(s.path.clone().unwrap_or_else(|| "–".to_owned()), Role::Dim)
    }),
];

fn nanoseconds(counters: &Counters) -> Cell {
    if counters.packets == 0 || counters.time == 0 {
        return Cell::Rate(None, Role::Text);
    }
    Cell::Rate(
        Some(counters.time as f64 / counters.packets as f64),
        Role::Text,
    )
}

fn fuel(rule: &Rule, context: &Context) -> Cell {
    let recent = context
        .track
        .and_then(|track| track.rates)
        .and_then(|rates| rates.fuel);
    let c = &rule.counters;
    let all = || (c.packets > 0).then(|| c.fuel as f64 / c.packets as f64);
    let value = recent.or_else(all);
    let close = value.is_some_and(|v| rule.fuel_limit > 0 && v > rule.fuel_limit as f64 * 0.8);
    Cell::Rate(value, if close { Role::Warn } else { Role::Text })
}

const RULES: &[Filled<Rule>] = &[
    right("ID", 0, "the kernel's number of the rule", |r, _| {
        Cell::Number(r.id)
    }),
    left("SCRIPT", 0, "the script that it calls", |r, _| {
        Cell::Text(r.name.clone(), Role::Accent)
    }),
    left("FUNCTION", 7, "the Lua function", |r, _| text(&r.function)),
    left("VERSION", 9, "the version that it is bound to", |r, _| {
        dim(format::short_hash(&r.hash))
    }),
    right("STATE", 12, "which environment of the version", |r, _| {
        Cell::Number(r.state)
    }),
    left("FAMILY", 2, "protocol family", |r, _| text(&r.family)),
    left("TABLE", 5, "table of the rule", |r, _| text(&r.table)),
    left(
        "HOOKS",
        3,
        "hooks that can reach it; – in an nft user chain",
        |r, _| text(&r.hooks.join(" ")),
    ),
    right("PKT/S", 0, "packets a second", |_, c| c.packets()),
    right("BYTE/S", 10, "bytes a second", |_, c| c.octets()),
    right("DROP/S", 1, "packets dropped a second", |_, c| c.drops()),
    right("PACKETS", 2, "packets so far", |r, _| {
        count(r.counters.packets)
    }),
    right("BYTES", 13, "bytes so far", |r, _| {
        Cell::Bytes(r.counters.bytes)
    }),
    right("ACCEPT", 8, "verdict ACCEPT", |r, _| {
        Cell::Count(r.counters.accept, Role::Good)
    }),
    right("DROP", 4, "verdict DROP", |r, _| {
        Cell::Count(r.counters.drop, Role::Drop)
    }),
    right("CONT", 8, "verdict CONTINUE", |r, _| count(r.counters.pass)),
    right("QUEUE", 12, "verdict QUEUE", |r, _| count(r.counters.queue)),
    right("ERRORS", 1, "packets that ended in an error", |r, _| {
        errors(r.counters.errors)
    }),
    right(
        "FUEL",
        6,
        "fuel for a packet; 1 is about 50 machine instructions",
        fuel,
    ),
    right("NS", 11, "nanoseconds for a packet, sampled", |r, _| {
        nanoseconds(&r.counters)
    }),
    growing("TREND", 6, 24, "packets a second, over time", |_, c| {
        c.trend()
    }),
];

/// The columns of a screen.
pub fn columns(screen: Screen) -> Vec<Column> {
    match screen {
        Screen::Hooks => HOOKS.iter().map(|f| f.column).collect(),
        Screen::Scripts => SCRIPTS.iter().map(|f| f.column).collect(),
        Screen::Rules => RULES.iter().map(|f| f.column).collect(),
    }
}

/// A line of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it shows.
    pub id: RowId,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

fn lines_of<R>(rows: &[R], table: &[Filled<R>], picture: &Picture) -> Vec<Line>
where
    for<'a> RowId: From<&'a R>,
{
    rows.iter()
        .map(|row| {
            let id = RowId::from(row);
            let context = Context {
                snapshot: &picture.snapshot,
                track: picture.tracks.get(&id),
            };
            let cells = table
                .iter()
                .map(|filled| (filled.cell)(row, &context))
                .collect();
            Line { id, cells }
        })
        .collect()
}

/// All lines of a screen, in the kernel's order.
pub fn lines(screen: Screen, picture: &Picture) -> Vec<Line> {
    match screen {
        Screen::Hooks => lines_of(&picture.snapshot.hooks, HOOKS, picture),
        Screen::Scripts => lines_of(&picture.snapshot.scripts, SCRIPTS, picture),
        Screen::Rules => lines_of(&picture.snapshot.rules, RULES, picture),
    }
}
