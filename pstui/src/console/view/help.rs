// SPDX-License-Identifier: GPL-2.0-only
//! The help overlay: the key table and the column tables, printed.

use super::dialog;
use crate::console::columns;
use crate::console::keys;
use crate::console::model::Model;
use crate::console::theme::Role;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

fn lines(model: &Model) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let mut lines = Vec::new();
    let mut group = "";
    for binding in keys::bindings(model.options.read_only) {
        if binding.group != group {
            if !group.is_empty() {
                lines.push(Line::default());
            }
            group = binding.group;
            lines.push(Line::from(Span::styled(group, theme.style(Role::Title))));
        }
        lines.push(Line::from(vec![
            Span::styled(format!("  {:<8}", binding.label), theme.style(Role::Key)),
            Span::styled(binding.help, theme.style(Role::Text)),
        ]));
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(
        format!("Columns of {}", model.screen.title()),
        theme.style(Role::Title),
    )));
    for column in columns::columns(model.screen) {
        lines.push(Line::from(vec![
            Span::styled(format!("  {:<10}", column.title), theme.style(Role::Accent)),
            Span::styled(column.help, theme.style(Role::Text)),
        ]));
    }
    lines
}

fn area(model: &Model) -> Rect {
    let size = Rect::new(0, 0, model.size.0, model.size.1);
    dialog::centered(size, 76, lines(model).len() as u16 + 2)
}

/// How many lines are visible.
pub fn page(model: &Model) -> usize {
    area(model).height.saturating_sub(2).max(1) as usize
}

/// The largest useful first line.
pub fn last_top(model: &Model) -> usize {
    lines(model).len().saturating_sub(page(model))
}

/// Draws it.
pub fn draw(model: &Model, top: usize, frame: &mut Frame) {
    let area = area(model);
    let more = top < last_top(model);
    let title = if more {
        "Help – ↓ for more"
    } else {
        "Help"
    };
    let inner = dialog::window(model, title, area, frame);
    let shown: Vec<Line> = lines(model).into_iter().skip(top).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}
