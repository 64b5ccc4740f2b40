// SPDX-License-Identifier: GPL-2.0-only
//! The two lines on top and the one at the bottom.

use super::table::{clip, text_width};
use crate::console::keys::{self, Binding};
use crate::console::model::{Edit, Mode, Model, Screen};
use crate::console::theme::{Role, Theme};
use crate::error::Error;
use crate::format;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Brand and place; tabs and totals.
pub fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.options.theme;
    let first = spread(
        vec![
            Span::styled(" PacketScript", theme.style(Role::Key)),
            place(model),
        ],
        status(model),
        area.width,
    );
    let second = spread(tabs(model), totals(model), area.width);
    frame.render_widget(Paragraph::new(vec![first, second]), area);
}

/// Left and right on one line; the right side goes first where both do not fit.
fn spread<'a>(left: Vec<Span<'a>>, right: Vec<Span<'a>>, width: u16) -> Line<'a> {
    let used: usize = left.iter().chain(&right).map(Span::width).sum();
    let mut spans = left;
    if let Some(blank) = (width as usize).checked_sub(used) {
        spans.push(Span::raw(" ".repeat(blank)));
        spans.extend(right);
    }
    Line::from(spans)
}

/// Host, kernel, module: as many of them as fit beside the status.
fn place(model: &Model) -> Span<'static> {
    let about = &model.about;
    let module = about
        .module
        .as_ref()
        .map(|version| format!("module {version}"));
    let room = (model.size.0 as usize).saturating_sub(40);
    let mut text = String::new();
    for part in [Some(&about.host), Some(&about.kernel), module.as_ref()]
        .into_iter()
        .flatten()
    {
        if !part.is_empty() && text_width(&text) + text_width(part) + 2 <= room {
            text.push_str("  ");
            text.push_str(part);
        }
    }
    Span::styled(text, model.options.theme.style(Role::Dim))
}

fn status(model: &Model) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let mut spans = Vec::new();
    if model.options.read_only {
        spans.push(Span::styled("read-only  ", theme.style(Role::Dim)));
    }
    let interval = model.options.interval.as_secs_f64();
    let (text, role) = if model.frozen.is_some() {
        ("❙❙ frozen".to_owned(), Role::Warn)
    } else if let Some(error) = &model.trouble {
        let word = match error {
            Error::NotLoaded => "not loaded",
            Error::Permission(_) => "no permission",
            Error::Abi(_) => "ABI mismatch",
            _ => "cannot read",
        };
        (format!("○ {word}"), Role::Bad)
    } else if model.options.replay {
        ("▸ recording".to_owned(), Role::Accent)
    } else {
        (format!("● live {interval}s"), Role::Good)
    };
    spans.push(Span::styled(text, theme.style(role)));
    spans.push(Span::raw(" "));
    spans
}

fn tabs(model: &Model) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let snapshot = &model.picture().snapshot;
    let mut spans = vec![Span::raw(" ")];
    for (number, screen) in Screen::ALL.iter().enumerate() {
        let count = match screen {
            Screen::Hooks => snapshot.hooks.iter().filter(|hook| hook.rules > 0).count(),
            Screen::Scripts => snapshot.scripts.len(),
            Screen::Rules => snapshot.rules.len(),
        };
        let current = *screen == model.screen;
        let style = if current {
            theme
                .style(Role::Accent)
                .add_modifier(ratatui::style::Modifier::BOLD | ratatui::style::Modifier::UNDERLINED)
        } else {
            theme.style(Role::Dim)
        };
        spans.push(Span::styled(
            format!("{}", number + 1),
            theme.style(Role::Faint),
        ));
        spans.push(Span::raw(" "));
        spans.push(Span::styled(screen.title(), style));
        spans.push(Span::styled(format!(" {count}"), theme.style(Role::Faint)));
        spans.push(Span::raw("   "));
    }
    let filter = &model.table().filter;
    if !filter.is_empty() && !matches!(model.mode, Mode::Filter { .. }) {
        spans.push(Span::styled(format!("/{filter}"), theme.style(Role::Warn)));
    }
    spans
}

fn totals(model: &Model) -> Vec<Span<'static>> {
    let theme = &model.options.theme;
    let picture = model.picture();
    let (mut packets, mut drops, mut errors, mut known) = (0.0, 0.0, 0.0, false);
    for hook in &picture.snapshot.hooks {
        if let Some(rates) = picture
            .tracks
            .get(&hook.into())
            .and_then(|track| track.rates)
        {
            known = true;
            packets += rates.packets;
            drops += rates.drop;
            errors += rates.errors;
        }
    }
    if !known {
        return Vec::new();
    }
    let mut spans = Vec::new();
    for (value, unit, role) in [
        (packets, "pkt/s", Role::Text),
        (drops, "drop/s", Role::Drop),
        (errors, "err/s", Role::Bad),
    ] {
        let role = if value > 0.0 { role } else { Role::Faint };
        spans.push(Span::styled(
            format!("{:>6}", format::scaled(value).trim_end()),
            theme.style(role),
        ));
        spans.push(Span::styled(format!(" {unit} "), theme.style(Role::Dim)));
    }
    spans
}

/// Keys, or the filter being typed, or what just happened.
pub fn footer(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.options.theme;
    if let Mode::Filter { edit, .. } = &model.mode {
        let label = Span::styled(" filter: ", theme.style(Role::Key));
        let start = label.width() as u16;
        let line = Line::from(vec![
            label,
            Span::styled(edit.text.clone(), theme.style(Role::Text)),
        ]);
        frame.render_widget(Paragraph::new(line), area);
        put_cursor(frame, edit, area.x + start, area.y, area.x + area.width);
        return;
    }
    let line = if let Some(verb) = &model.busy {
        Line::from(Span::styled(
            format!(" {} …", verb.doing()),
            theme.style(Role::Accent),
        ))
    } else if let Some(toast) = &model.toast {
        let text = clip(&toast.text, area.width.saturating_sub(2) as usize);
        Line::from(Span::styled(format!(" {text}"), theme.style(Role::Good)))
    } else {
        keys_line(model, theme, area.width as usize)
    };
    frame.render_widget(Paragraph::new(line), area);
}

fn keys_line(model: &Model, theme: &Theme, room: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    // Quit and help are what a newcomer looks for: they are there however narrow it is.
    let (last, first): (Vec<&Binding>, Vec<&Binding>) = keys::bindings(model.options.read_only)
        .filter(|binding| !binding.short.is_empty())
        .partition(|binding| matches!(binding.short, "help" | "quit"));
    let cost = |label: &str, short: &str| text_width(label) + text_width(short) + 3;
    let reserved: usize = last.iter().map(|b| cost(b.label, b.short)).sum();
    for binding in first.iter().chain(&last) {
        let width = cost(binding.label, binding.short);
        let is_last = matches!(binding.short, "help" | "quit");
        if !is_last && used + width + reserved > room {
            continue;
        }
        used += width;
        spans.push(Span::styled(
            format!(" {}", binding.label),
            theme.style(Role::Key),
        ));
        spans.push(Span::styled(
            format!(" {} ", binding.short),
            theme.style(Role::Dim),
        ));
    }
    Line::from(spans)
}

/// Shows the terminal's cursor where typing goes on.
pub fn put_cursor(frame: &mut Frame, edit: &Edit, x: u16, y: u16, end: u16) {
    let before = text_width(&edit.text[..edit.cursor]) as u16;
    frame.set_cursor_position(Position::new((x + before).min(end.saturating_sub(1)), y));
}
