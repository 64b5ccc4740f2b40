// SPDX-License-Identifier: GPL-2.0-only
//! The way of a packet through the hooks of a family, with what each of them sees.

use crate::console::identity::RowId;
use crate::console::model::Picture;
use crate::console::theme::{Role, Theme};
use crate::format;
use ratatui::text::{Line, Span};

/// Columns that the drawing takes.
pub const WIDTH: usize = 58;

/// A piece of the drawing: a hook by name, or a line between hooks.
enum Piece {
    Hook(&'static str),
    Rate(&'static str, usize),
    Path(&'static str),
}

use Piece::{Hook, Path, Rate};

/// The numbers are the widths of the names, under which the rates are centred.
const PICTURE: [&[Piece]; 5] = [
    &[
        Path("in ─▸ "),
        Hook("PREROUTING"),
        Path(" ──┬──▸ "),
        Hook("FORWARD"),
        Path(" ──┬──▸ "),
        Hook("POSTROUTING"),
        Path(" ─▸ out"),
    ],
    &[
        Path("      "),
        Rate("PREROUTING", 10),
        Path("   │    "),
        Rate("FORWARD", 7),
        Path("   │    "),
        Rate("POSTROUTING", 11),
    ],
    &[
        Path("                 "),
        Hook("INPUT"),
        Path("         "),
        Hook("OUTPUT"),
    ],
    &[
        Path("                 "),
        Rate("INPUT", 5),
        Path("         "),
        Rate("OUTPUT", 6),
    ],
    &[Path("                   ╰──▸ processes ─╯")],
];

/// The lines of it.
pub fn lines(picture: &Picture, family: &str, selected: &str, theme: &Theme) -> Vec<Line<'static>> {
    PICTURE
        .iter()
        .map(|pieces| line(pieces, picture, family, selected, theme))
        .collect()
}

fn line(
    pieces: &[Piece],
    picture: &Picture,
    family: &str,
    selected: &str,
    theme: &Theme,
) -> Line<'static> {
    let spans = pieces.iter().map(|piece| match piece {
        Path(text) => Span::styled(*text, theme.style(Role::Faint)),
        Hook(name) => {
            let rules = rules_at(picture, family, name);
            let role = if rules > 0 { Role::Accent } else { Role::Dim };
            let style = theme.style(role);
            let style = if *name == selected {
                style.patch(theme.style(Role::Selected))
            } else {
                style
            };
            Span::styled(*name, style)
        }
        Rate(name, width) => {
            let id = RowId::Hook(family.to_owned(), (*name).to_owned());
            let rate = picture.tracks.get(&id).and_then(|track| track.rates);
            let (text, role) = match rate {
                Some(rates) if rates.packets > 0.0 => (
                    format!("{}/s", format::scaled(rates.packets).trim_end()),
                    Role::Text,
                ),
                Some(_) => ("0".to_owned(), Role::Faint),
                None => ("–".to_owned(), Role::Faint),
            };
            Span::styled(format!("{text:^width$}"), theme.style(role))
        }
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn rules_at(picture: &Picture, family: &str, hook: &str) -> u64 {
    let hooks = &picture.snapshot.hooks;
    hooks
        .iter()
        .find(|h| h.family == family && h.hook == hook)
        .map_or(0, |h| h.rules)
}
