// SPDX-License-Identifier: GPL-2.0-only
//! What is shown where there is nothing to show: why, and what to do.

use crate::console::model::Model;
use crate::console::theme::Role;
use crate::error::Error;
use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

/// Draws it in the middle of the area.
pub fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let Some(error) = &model.trouble else { return };
    let theme = &model.options.theme;
    let mut text = error.to_string();
    if let Some(first) = text.get(..1) {
        text = first.to_uppercase() + &text[1..];
    }
    let mut lines = vec![
        Line::from(Span::styled(text, theme.style(Role::Warn))),
        Line::default(),
    ];
    if let Some(hint) = error.hint() {
        let mut hint = hint.to_owned();
        if let Some(first) = hint.get(..1) {
            hint = first.to_uppercase() + &hint[1..] + ".";
        }
        lines.push(Line::from(Span::styled(hint, theme.style(Role::Text))));
        lines.push(Line::default());
    }
    if *error == Error::NotLoaded && !model.options.read_only {
        lines.push(Line::from(vec![
            Span::styled("M", theme.style(Role::Key)),
            Span::styled(" loads it now", theme.style(Role::Dim)),
        ]));
    }
    lines.push(Line::from(Span::styled(
        "Looking again every second.",
        theme.style(Role::Faint),
    )));
    let margin = (area.width / 8).min(20);
    let top = area.height / 4;
    let inner = Rect {
        x: area.x + margin,
        width: area.width - 2 * margin,
        y: area.y + top,
        height: area.height - top,
    };
    let text = Paragraph::new(lines)
        .alignment(Alignment::Center)
        .wrap(Wrap { trim: true });
    frame.render_widget(text, inner);
}
