// SPDX-License-Identifier: GPL-2.0-only
//! Windows over the picture: the path prompt, questions, notices.

use super::header::put_cursor;
use super::table::clip;
use crate::console::model::{Edit, Model, Verb};
use crate::console::theme::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph, Wrap};

/// An area of at most that size in the middle.
pub fn centered(size: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(size.width.saturating_sub(2));
    let height = height.min(size.height.saturating_sub(2));
    Rect {
        x: size.x + (size.width - width) / 2,
        y: size.y + (size.height - height) / 2,
        width,
        height,
    }
}

/// An empty window; answers its inside.
pub fn window(model: &Model, title: &str, area: Rect, frame: &mut Frame) -> Rect {
    let theme = &model.options.theme;
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(Role::Frame))
        .title(Span::styled(
            format!(" {} ", clip(title, area.width.saturating_sub(6) as usize)),
            theme.style(Role::Key),
        ))
        .padding(Padding::horizontal(1));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}

/// The path prompt with its offers below.
pub fn prompt(
    model: &Model,
    edit: &Edit,
    offers: &[String],
    chosen: Option<usize>,
    frame: &mut Frame,
) {
    let theme = &model.options.theme;
    let size = frame.area();
    let height = 4 + offers.len().clamp(1, 10) as u16;
    let area = centered(size, 72, height + 1);
    let inner = window(model, "Load a script", area, frame);
    let label = "path: ";
    let room = (inner.width as usize).saturating_sub(label.len() + 1);
    // A long path shows its end, where the typing is.
    let hidden = edit.text[..edit.cursor]
        .chars()
        .count()
        .saturating_sub(room);
    let skip = edit
        .text
        .char_indices()
        .nth(hidden)
        .map_or(edit.text.len(), |(at, _)| at);
    let visible = Edit {
        text: edit.text[skip..].to_owned(),
        cursor: edit.cursor - skip,
    };
    let mut lines = vec![
        Line::from(vec![
            Span::styled(label, theme.style(Role::Dim)),
            Span::styled(visible.text.clone(), theme.style(Role::Text)),
        ]),
        Line::default(),
    ];
    let rows = (inner.height as usize).saturating_sub(3);
    let first = chosen.map_or(0, |at| (at + 1).saturating_sub(rows));
    for (index, offer) in offers.iter().enumerate().skip(first).take(rows) {
        let style = if chosen == Some(index) {
            theme.style(Role::Accent).patch(theme.style(Role::Selected))
        } else {
            theme.style(Role::Dim)
        };
        let text = clip(offer, inner.width.saturating_sub(2) as usize);
        lines.push(Line::from(Span::styled(format!(" {text}"), style)));
    }
    if offers.is_empty() {
        lines.push(Line::from(Span::styled(
            " no such folder, or no script in it",
            theme.style(Role::Faint),
        )));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    let help = Rect {
        y: inner.y + inner.height.saturating_sub(1),
        height: 1,
        ..inner
    };
    let keys = Line::from(vec![
        Span::styled("Tab", theme.style(Role::Key)),
        Span::styled(" complete   ", theme.style(Role::Dim)),
        Span::styled("Enter", theme.style(Role::Key)),
        Span::styled(" load   ", theme.style(Role::Dim)),
        Span::styled("Esc", theme.style(Role::Key)),
        Span::styled(" cancel", theme.style(Role::Dim)),
    ]);
    frame.render_widget(Paragraph::new(keys), help);
    let x = inner.x + label.len() as u16;
    put_cursor(frame, &visible, x, inner.y, inner.x + inner.width);
}

/// The question before a verb.
pub fn confirm(model: &Model, verb: &Verb, frame: &mut Frame) {
    let theme = &model.options.theme;
    let (question, what) = match verb {
        Verb::Load(path) => (
            format!("Load {path} into the kernel?"),
            "It stays loaded without rules until it is unloaded.".to_owned(),
        ),
        Verb::Unload(name) => {
            let rules: u64 = model
                .picture()
                .snapshot
                .scripts
                .iter()
                .filter(|script| script.name == *name)
                .map(|script| script.rules)
                .sum();
            let what = match rules {
                0 => "No rule uses it.".to_owned(),
                1 => "One rule uses it: the kernel will refuse until that rule is deleted."
                    .to_owned(),
                n => format!("{n} rules use it: the kernel will refuse until they are deleted."),
            };
            (format!("Unload {name}?"), what)
        }
        Verb::Reload { name, path } => (
            format!("Load {path} again and move the rules of {name} to it?"),
            "Packets in flight finish on the old version; globals start fresh.".to_owned(),
        ),
        Verb::Reset(name) => (
            format!("Set the counters of all rules of {name} to zero?"),
            String::new(),
        ),
        Verb::Modprobe => ("Load the kernel module xt_LUA?".to_owned(), String::new()),
    };
    let mut lines = vec![Line::from(Span::styled(question, theme.style(Role::Text)))];
    if !what.is_empty() {
        lines.push(Line::from(Span::styled(what, theme.style(Role::Dim))));
    }
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("y", theme.style(Role::Key)),
        Span::styled(" yes   ", theme.style(Role::Dim)),
        Span::styled("n", theme.style(Role::Key)),
        Span::styled(" no", theme.style(Role::Dim)),
    ]));
    framed(model, "Sure?", lines, frame);
}

/// A text that waits for any key.
pub fn notice(model: &Model, title: &str, text: &str, frame: &mut Frame) {
    let theme = &model.options.theme;
    let mut lines: Vec<Line> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let role = if number == 0 { Role::Warn } else { Role::Text };
            Line::from(Span::styled(line.replace('\t', "    "), theme.style(role)))
        })
        .collect();
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(
        "any key closes this",
        theme.style(Role::Faint),
    )));
    framed(model, title, lines, frame);
}

fn framed(model: &Model, title: &str, lines: Vec<Line>, frame: &mut Frame) {
    let size = frame.area();
    let longest = lines
        .iter()
        .map(Line::width)
        .max()
        .unwrap_or(0)
        .max(title.len() + 4);
    let width = (longest as u16 + 4)
        .min(100)
        .min(size.width.saturating_sub(4))
        .max(30);
    let inside = width.saturating_sub(4).max(1) as usize;
    // Words wrap a little earlier than characters would: a spare line for each wrapped one.
    let height: usize = lines
        .iter()
        .map(|line| {
            let rows = line.width().div_ceil(inside).max(1);
            if rows > 1 { rows + 1 } else { 1 }
        })
        .sum();
    let area = centered(size, width, height as u16 + 2);
    let inner = window(model, title, area, frame);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inner);
}
