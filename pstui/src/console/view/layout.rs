// SPDX-License-Identifier: GPL-2.0-only
//! Where things are. Shared by the drawing and by the code that scrolls.

use crate::console::model::Model;
use ratatui::layout::Rect;

/// Below this there is no room for anything.
pub const MIN_WIDTH: u16 = 40;
/// The same, in lines.
pub const MIN_HEIGHT: u16 = 8;
/// From this width on the details stand beside the table, not below it.
pub const SIDE_BY_SIDE: u16 = 130;

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// Two lines on top.
    pub header: Rect,
    /// The table with its titles.
    pub table: Rect,
    /// The detail pane, when open.
    pub detail: Option<Rect>,
    /// The last line.
    pub footer: Rect,
}

/// The parts for the terminal that the model knows.
pub fn areas(model: &Model) -> Areas {
    areas_of(Rect::new(0, 0, model.size.0, model.size.1), model)
}

/// The parts of a given area.
pub fn areas_of(size: Rect, model: &Model) -> Areas {
    let header_height = size.height.min(2);
    let footer_height = (size.height - header_height).min(1);
    let body_height = size.height - header_height - footer_height;
    let header = Rect {
        height: header_height,
        ..size
    };
    let footer = Rect {
        y: size.y + size.height - footer_height,
        height: footer_height,
        ..size
    };
    let body = Rect {
        y: size.y + header_height,
        height: body_height,
        ..size
    };
    if !model.detail || body.height < 6 {
        return Areas {
            header,
            table: body,
            detail: None,
            footer,
        };
    }
    if body.width >= SIDE_BY_SIDE {
        let right = body.width * 9 / 20;
        let table = Rect {
            width: body.width - right,
            ..body
        };
        let detail = Rect {
            x: body.x + table.width,
            width: right,
            ..body
        };
        return Areas {
            header,
            table,
            detail: Some(detail),
            footer,
        };
    }
    // The table keeps its titles and as many lines as it has, up to two fifths.
    let wanted = model.lines().len() as u16 + 2;
    let above = wanted.clamp(4, (body.height * 2 / 5).max(4));
    let table = Rect {
        height: above,
        ..body
    };
    let detail = Rect {
        y: body.y + above,
        height: body.height - above,
        ..body
    };
    Areas {
        header,
        table,
        detail: Some(detail),
        footer,
    }
}

/// How many lines of a table are visible: the titles take one, and a blank line is below them.
pub fn page(table: Rect) -> usize {
    table.height.saturating_sub(1).max(1) as usize
}
