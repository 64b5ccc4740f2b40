// SPDX-License-Identifier: GPL-2.0-only
//! A table that fits: columns leave by rank when room is short, and share what is left over.

use crate::console::columns::{self, Cell, Column, Line as Row};
use crate::console::model::{Model, Screen};
use crate::console::theme::Role;
use crate::console::view::{layout, spark};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
pub use unicode::{clip, text_width};

/// Blanks between columns.
const GAP: usize = 2;
/// How many more there may be.
const WIDER: usize = 3;
/// The narrowest useful sparkline.
const SPARK: usize = 8;
/// A text that may be cut is not cut shorter than this.
const LONG: usize = 16;

mod unicode {
    /// Columns that a text takes.
    pub fn text_width(text: &str) -> usize {
        ratatui::text::Span::raw(text).width()
    }

    /// The text in at most so many columns, with an ellipsis where something is missing.
    pub fn clip(text: &str, room: usize) -> String {
        if text_width(text) <= room {
            return text.to_owned();
        }
        let mut kept = String::new();
        let mut used = 1;
        for c in text.chars() {
            let wide = text_width(c.encode_utf8(&mut [0; 4]));
            if used + wide > room {
                break;
            }
            used += wide;
            kept.push(c);
        }
        if room > 0 {
            kept.push('…');
        }
        kept
    }
}

/// The columns that are shown and their widths, and the blanks between them.
fn fit(columns: &[Column], rows: &[Row], sort: usize, room: usize) -> (Vec<(usize, usize)>, usize) {
    let widest = |index: usize, most: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.cells.get(index))
            .map(|cell| match cell {
                Cell::Spark(_) => SPARK,
                Cell::Long(text, _) => text_width(text).min(most),
                cell => text_width(&cell.text()),
            });
        // The title needs a place for the mark of the sorted column.
        let title = text_width(columns[index].title) + usize::from(index == sort);
        cells.max().unwrap_or(0).max(title)
    };
    let natural = |index: usize| widest(index, LONG);
    let mut shown: Vec<(usize, usize)> = (0..columns.len()).map(|i| (i, natural(i))).collect();
    let needs = |shown: &[(usize, usize)]| {
        shown
            .iter()
            .map(|(_, width)| width + GAP)
            .sum::<usize>()
            .saturating_sub(GAP)
    };
    while needs(&shown) > room {
        // The sorted column stays: one wants to see what one sorts by.
        let rank = |&(index, _): &(usize, usize)| {
            if index == sort {
                0
            } else {
                columns[index].rank
            }
        };
        let Some(worst) = shown.iter().map(rank).max().filter(|rank| *rank > 0) else {
            break;
        };
        let Some(at) = shown.iter().rposition(|column| rank(column) == worst) else {
            break;
        };
        shown.remove(at);
    }
    let mut left = room.saturating_sub(needs(&shown));
    for (index, width) in &mut shown {
        let whole = widest(*index, usize::MAX) + columns[*index].grow as usize;
        let more = left.min(whole - *width);
        *width += more;
        left -= more;
    }
    // What nobody wants makes the table airier.
    let gaps = shown.len().saturating_sub(1).max(1);
    (shown, GAP + (left / gaps).min(WIDER))
}

fn padded(text: &str, room: usize, right: bool) -> String {
    let text = clip(text, room);
    let blank = " ".repeat(room - text_width(&text));
    if right { blank + &text } else { text + &blank }
}

/// Draws titles and lines.
pub fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.options.theme;
    let columns = columns::columns(model.screen);
    let table = model.table();
    let rows = model.lines();
    let room = area.width.saturating_sub(2) as usize;
    let (shown, gap) = fit(&columns, &rows, table.sort, room);

    let mut titles = vec![Span::raw(" ")];
    for &(index, width) in &shown {
        let column = &columns[index];
        let mark = if table.descending { "▾" } else { "▴" };
        let (text, role) = if index == table.sort {
            (format!("{}{mark}", column.title), Role::Accent)
        } else {
            (column.title.to_owned(), Role::Title)
        };
        // A style that underlines is for the word, not for the blanks beside it.
        let text = clip(&text, width);
        let blank = " ".repeat(width - text_width(&text));
        let (before, after) = if column.right {
            (blank, String::new())
        } else {
            (String::new(), blank)
        };
        titles.push(Span::raw(before));
        titles.push(Span::styled(text, theme.style(role)));
        titles.push(Span::raw(after + &" ".repeat(gap)));
    }
    let mut lines = vec![Line::from(titles)];

    let page = layout::page(area);
    for row in rows.iter().skip(table.top).take(page) {
        let selected = table.selected.as_ref() == Some(&row.id);
        let base = if selected {
            theme.style(Role::Selected)
        } else {
            Style::new()
        };
        let mark = if selected { "▎" } else { " " };
        let mut spans = vec![Span::styled(mark, theme.style(Role::Accent).patch(base))];
        for &(index, width) in &shown {
            let Some(cell) = row.cells.get(index) else {
                continue;
            };
            let text = match cell {
                Cell::Spark(series) => spark::line(series, width),
                cell => padded(&cell.text(), width, columns[index].right),
            };
            // Reversed colours would be backgrounds: a reversed line has none of its own.
            let style = if base.add_modifier.contains(Modifier::REVERSED) {
                base
            } else {
                theme.style(cell.role()).patch(base)
            };
            spans.push(Span::styled(text, style));
            spans.push(Span::styled(" ".repeat(gap), base));
        }
        // The selection reaches the edge.
        let line = Line::from(spans);
        let rest = (area.width as usize).saturating_sub(line.width());
        let mut line = line;
        line.push_span(Span::styled(" ".repeat(rest), base));
        lines.push(line);
    }
    if rows.is_empty() {
        lines.push(Line::default());
        lines.push(Line::from(Span::styled(
            format!("  {}", empty_text(model)),
            theme.style(Role::Dim),
        )));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn empty_text(model: &Model) -> String {
    if !model.started {
        return "reading …".to_owned();
    }
    if !model.table().filter.is_empty() {
        return format!(
            "nothing has “{}” in it; Esc clears the filter",
            model.table().filter
        );
    }
    match model.screen {
        Screen::Hooks => "no hook has met a script yet".to_owned(),
        Screen::Scripts if model.options.read_only => "no script is loaded".to_owned(),
        Screen::Scripts => "no script is loaded; L loads one".to_owned(),
        Screen::Rules => {
            "no rule calls a script; make one with  iptables -A INPUT -j LUA --script FILE"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_leave_by_rank_and_the_sorted_one_stays() {
        let columns = columns::columns(Screen::Rules);
        let (all, _) = fit(&columns, &[], 0, 400);
        assert_eq!(all.len(), columns.len());
        for room in (20..200).rev() {
            let (shown, _) = fit(&columns, &[], 4, room);
            assert!(shown.iter().any(|(index, _)| *index == 4));
            for (index, column) in columns.iter().enumerate() {
                if column.rank == 0 {
                    assert!(
                        shown.iter().any(|(i, _)| *i == index),
                        "{} at {room}",
                        column.title
                    );
                }
            }
        }
    }

    #[test]
    fn clipping_counts_columns_not_bytes() {
        assert_eq!(clip("漢字漢字", 5), "漢字…");
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
        assert_eq!(clip("abcd", 0), "");
    }
}
