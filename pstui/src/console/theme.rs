// SPDX-License-Identifier: GPL-2.0-only
//! Colours as data. A theme is a row of the table below; the views name roles, never colours.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// Less important: units, labels.
    Dim,
    /// Lines, empty cells.
    Faint,
    /// Names of things one acts on; the current screen.
    Accent,
    /// Column titles.
    Title,
    /// The selected line's background.
    Selected,
    /// Accepted, healthy.
    Good,
    /// Dropped.
    Drop,
    /// Wants attention.
    Warn,
    /// Errors.
    Bad,
    /// Sparklines.
    Spark,
    /// A key in the footer.
    Key,
    /// The border of dialogs.
    Frame,
}

const ROLES: usize = 13;

/// A theme: a style for each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// What `--theme` calls it.
    pub name: &'static str,
    styles: [Style; ROLES],
}

impl Theme {
    /// The style for a role.
    pub fn style(&self, role: Role) -> Style {
        // A role's number is its place in the table.
        self.styles[role as usize]
    }

    /// The theme of that name.
    pub fn named(name: &str) -> Option<Theme> {
        THEMES.iter().find(|theme| theme.name == name).copied()
    }
}

const fn fg(color: u8) -> Style {
    Style::new().fg(Color::Indexed(color))
}

const fn plain() -> Style {
    Style::new()
}

/// All themes. The first is the default; `mono` is what NO_COLOR means, and uses modifiers alone,
/// because a colour that the terminal layer suppresses takes bold and reverse with it.
pub const THEMES: &[Theme] = &[
    Theme {
        name: "calm",
        styles: [
            fg(252),                              // Text
            fg(245),                              // Dim
            fg(241),                              // Faint
            fg(110),                              // Accent
            fg(103),                              // Title
            Style::new().bg(Color::Indexed(237)), // Selected
            fg(108),                              // Good
            fg(174),                              // Drop
            fg(180),                              // Warn
            fg(167).add_modifier(Modifier::BOLD), // Bad
            fg(67),                               // Spark
            fg(146).add_modifier(Modifier::BOLD), // Key
            fg(66),                               // Frame
        ],
    },
    Theme {
        name: "light",
        styles: [
            fg(236),
            fg(242),
            fg(251),
            fg(25),
            fg(60),
            Style::new().bg(Color::Indexed(254)),
            fg(65),
            fg(131),
            fg(130),
            fg(124).add_modifier(Modifier::BOLD),
            fg(67),
            fg(25).add_modifier(Modifier::BOLD),
            fg(67),
        ],
    },
    Theme {
        name: "basic",
        styles: [
            plain(),
            plain(),
            Style::new().fg(Color::DarkGray),
            Style::new().fg(Color::Cyan),
            plain().add_modifier(Modifier::BOLD),
            Style::new().add_modifier(Modifier::REVERSED),
            Style::new().fg(Color::Green),
            Style::new().fg(Color::Magenta),
            Style::new().fg(Color::Yellow),
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Style::new().fg(Color::Blue),
            Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
            Style::new().fg(Color::DarkGray),
        ],
    },
    Theme {
        name: "mono",
        styles: [
            plain(),
            plain(),
            plain().add_modifier(Modifier::DIM),
            plain().add_modifier(Modifier::BOLD),
            plain().add_modifier(Modifier::UNDERLINED),
            plain().add_modifier(Modifier::REVERSED),
            plain(),
            plain(),
            plain().add_modifier(Modifier::BOLD),
            plain().add_modifier(Modifier::BOLD),
            plain(),
            plain().add_modifier(Modifier::BOLD),
            plain().add_modifier(Modifier::DIM),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour_at_all() {
        let mono = Theme::named("mono").unwrap();
        for style in mono.styles {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }

    #[test]
    fn every_role_has_a_place() {
        assert_eq!(Role::Frame as usize + 1, ROLES);
    }
}
