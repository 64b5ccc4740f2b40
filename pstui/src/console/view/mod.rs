// SPDX-License-Identifier: GPL-2.0-only
//! The picture: a function of the model and nothing else.

pub mod detail;
mod dialog;
mod flow;
mod header;
pub mod help;
pub mod layout;
mod lua;
mod spark;
mod table;
mod trouble;

use super::model::{Mode, Model};
use ratatui::Frame;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Draws everything.
pub fn view(model: &Model, frame: &mut Frame) {
    let size = frame.area();
    if size.width < layout::MIN_WIDTH || size.height < layout::MIN_HEIGHT {
        let text = format!("{}×{} is too small", size.width, size.height);
        frame.render_widget(Paragraph::new(Line::from(text)), size);
        return;
    }
    let areas = layout::areas_of(size, model);
    header::draw(model, frame, areas.header);
    if model.trouble.is_some() && model.live.snapshot.hooks.is_empty() && model.frozen.is_none() {
        trouble::draw(model, frame, areas.table);
    } else {
        table::draw(model, frame, areas.table);
    }
    if let Some(area) = areas.detail {
        detail::draw(model, frame, area);
    }
    header::footer(model, frame, areas.footer);
    match &model.mode {
        Mode::Normal | Mode::Filter { .. } => {}
        Mode::Help(top) => help::draw(model, *top, frame),
        Mode::Prompt {
            edit,
            offers,
            chosen,
        } => {
            dialog::prompt(model, edit, offers, *chosen, frame);
        }
        Mode::Confirm(verb) => dialog::confirm(model, verb, frame),
        Mode::Notice { title, text } => dialog::notice(model, title, text, frame),
    }
}
