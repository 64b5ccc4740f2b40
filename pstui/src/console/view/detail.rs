// SPDX-License-Identifier: GPL-2.0-only
//! The detail pane: everything about the selected row, with the script's text where it has one.

use super::table::clip;
use super::{flow, lua, spark};
use crate::console::identity::RowId;
use crate::console::model::Model;
use crate::console::rates::Track;
use crate::console::theme::{Role, Theme};
use crate::format;
use crate::snapshot::{Counters, Rule, Script};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Padding, Paragraph};

/// How many lines are visible.
pub fn page(area: Rect) -> usize {
    area.height.saturating_sub(2).max(1) as usize
}

/// How many lines there are.
pub fn height(model: &Model, area: Rect) -> usize {
    lines(model, inside(area)).len()
}

fn inside(area: Rect) -> usize {
    area.width.saturating_sub(4) as usize
}

/// Draws it.
pub fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.options.theme;
    let role = if model.detail_focus {
        Role::Accent
    } else {
        Role::Faint
    };
    let lines = lines(model, inside(area));
    let below = lines.len().saturating_sub(model.detail_top + page(area));
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(role))
        .padding(Padding::horizontal(1))
        .title(Span::styled(
            format!(" {} ", clip(&title(model), inside(area))),
            theme.style(Role::Key),
        ));
    if below > 0 {
        let hint = if model.detail_focus {
            format!(" {below} more ")
        } else {
            format!(" Tab scrolls, {below} more ")
        };
        block = block
            .title_bottom(Line::from(Span::styled(hint, theme.style(Role::Dim))).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let shown: Vec<Line> = lines.into_iter().skip(model.detail_top).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

fn title(model: &Model) -> String {
    match &model.table().selected {
        None => "nothing selected".to_owned(),
        Some(RowId::Hook(family, hook)) => format!("{family} {hook}"),
        Some(RowId::Script(name, hash)) => format!("{name}  {}", format::short_hash(hash)),
        Some(RowId::Rule(id)) => format!("rule {id}"),
    }
}

fn lines(model: &Model, width: usize) -> Vec<Line<'static>> {
    let Some(id) = &model.table().selected else {
        return Vec::new();
    };
    let picture = model.picture();
    let track = picture.tracks.get(id);
    match id {
        RowId::Hook(family, hook) => hook_lines(model, family, hook, track, width),
        RowId::Script(..) => match model.script_of(id) {
            Some(script) => script_lines(model, script, width),
            None => Vec::new(),
        },
        RowId::Rule(number) => {
            match picture
                .snapshot
                .rules
                .iter()
                .find(|rule| rule.id == *number)
            {
                Some(rule) => rule_lines(model, rule, track, width),
                None => Vec::new(),
            }
        }
    }
}

fn heading(text: &str, theme: &Theme) -> Line<'static> {
    Line::from(Span::styled(text.to_owned(), theme.style(Role::Title)))
}

fn field(label: &str, text: &str, width: usize, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{label:<9}"), theme.style(Role::Dim)),
        Span::styled(clip(text, width.saturating_sub(9)), theme.style(Role::Text)),
    ])
}

fn hook_lines(
    model: &Model,
    family: &str,
    hook: &str,
    track: Option<&Track>,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let picture = model.picture();
    let mut lines = Vec::new();
    if width >= flow::WIDTH && matches!(family, "ipv4" | "ipv6" | "inet") {
        lines.extend(flow::lines(picture, family, hook, theme));
        lines.push(Line::default());
    }
    let at = picture
        .snapshot
        .hooks
        .iter()
        .find(|h| h.family == family && h.hook == hook);
    let rules: Vec<&Rule> = picture
        .snapshot
        .rules
        .iter()
        .filter(|rule| rule.family == family && rule.hooks.iter().any(|h| h == hook))
        .collect();
    if rules.is_empty() {
        let text = if at.is_some_and(|hook| hook.rules > 0) {
            "the kernel does not say which rules are reached from here"
        } else {
            "no rule calls a script from here"
        };
        lines.push(Line::from(Span::styled(text, theme.style(Role::Dim))));
    } else {
        lines.push(heading("rules reached from here", theme));
    }
    for rule in rules {
        let rate = picture
            .tracks
            .get(&rule.into())
            .and_then(|track| track.rates);
        let rate = rate.map_or_else(|| "– ".to_owned(), |rates| format::scaled(rates.packets));
        lines.push(Line::from(vec![
            Span::styled(format!("{:>4}  ", rule.id), theme.style(Role::Dim)),
            Span::styled(
                format!("{:<22}", clip(&rule.name, 22)),
                theme.style(Role::Accent),
            ),
            Span::styled(format!("{:<9}", rule.table), theme.style(Role::Text)),
            Span::styled(format!("{rate:>6} pkt/s"), theme.style(Role::Text)),
        ]));
    }
    if let Some(hook) = at {
        lines.push(Line::default());
        lines.extend(verdicts(&hook.counters, width, theme));
    }
    lines.extend(history(track, width, theme));
    lines
}

/// How the packets were divided.
fn verdicts(counters: &Counters, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    if counters.packets == 0 {
        return vec![Line::from(Span::styled(
            "no packet yet",
            theme.style(Role::Dim),
        ))];
    }
    let digits = format::grouped(counters.packets).chars().count().max(7);
    let bar_width = width.saturating_sub(9 + 7 + 2 + digits).clamp(8, 48);
    [
        ("accept", counters.accept, Role::Good),
        ("drop", counters.drop, Role::Drop),
        ("continue", counters.pass, Role::Spark),
        ("queue", counters.queue, Role::Accent),
        ("reject", counters.reject, Role::Drop),
        ("repeat", counters.repeat, Role::Spark),
        ("stolen", counters.stolen, Role::Accent),
        ("errors", counters.errors, Role::Bad),
    ]
    .into_iter()
    // The four of every day always, the rare ones when they happened.
    .filter(|(name, count, _)| *count > 0 || matches!(*name, "accept" | "drop" | "continue"))
    .map(|(name, count, role)| {
        let part = count as f64 / counters.packets as f64;
        Line::from(vec![
            Span::styled(format!("{name:<9}"), theme.style(Role::Dim)),
            Span::styled(spark::bar(part, bar_width), theme.style(role)),
            Span::styled(
                format!("{:>6.1}%", part * 100.0),
                theme.style(if count > 0 { Role::Text } else { Role::Faint }),
            ),
            Span::styled(
                format!("  {:>digits$}", format::grouped(count)),
                theme.style(if count > 0 { Role::Text } else { Role::Faint }),
            ),
        ])
    })
    .collect()
}

/// Packets a second over time.
fn history(track: Option<&Track>, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let Some(track) = track.filter(|track| track.packets.len() > 1) else {
        return Vec::new();
    };
    let series: Vec<f64> = track.packets.iter().copied().collect();
    let (graph, top) = spark::graph(&series, width, 4);
    let mut lines = vec![
        Line::default(),
        Line::from(vec![
            Span::styled("packets a second", theme.style(Role::Title)),
            Span::styled(
                format!("  top {}", format::scaled(top).trim_end()),
                theme.style(Role::Dim),
            ),
        ]),
    ];
    lines.extend(
        graph
            .into_iter()
            .map(|line| Line::from(Span::styled(line, theme.style(Role::Spark)))),
    );
    lines
}

fn script_lines(model: &Model, script: &Script, width: usize) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let wall = model.picture().snapshot.wall;
    let mut lines = vec![
        field("path", script.path.as_deref().unwrap_or("–"), width, theme),
        field(
            "loaded",
            &format!(
                "{} ago by {}, uid {}",
                format::age(wall.saturating_sub(script.loaded)),
                script.by,
                script.uid
            ),
            width,
            theme,
        ),
        field(
            "source",
            &format!("{}, version {}", format::bytes(script.bytes), script.hash),
            width,
            theme,
        ),
        field(
            "memory",
            &format!(
                "{} of {} in {} environment{}",
                format::bytes(script.memory),
                format::bytes(script.limit),
                script.envs,
                if script.envs == 1 { "" } else { "s" }
            ),
            width,
            theme,
        ),
        field("packets", &format::grouped(script.packets), width, theme),
    ];
    lines.extend(text_lines(model, script, width));
    lines
}

fn rule_lines(
    model: &Model,
    rule: &Rule,
    track: Option<&Track>,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let c = &rule.counters;
    let hooks = if rule.hooks.is_empty() {
        "a user chain, reached by jumps".to_owned()
    } else {
        rule.hooks.join(", ")
    };
    let fuel = if c.packets == 0 {
        format!("at most {} a packet", format::grouped(rule.fuel_limit))
    } else {
        format!(
            "{:.0} a packet, of at most {}",
            c.fuel as f64 / c.packets as f64,
            format::grouped(rule.fuel_limit)
        )
    };
    let mut lines = vec![
        field(
            "calls",
            &format!(
                "{}  in {} ({})",
                rule.function,
                rule.name,
                format::short_hash(&rule.hash)
            ),
            width,
            theme,
        ),
        field(
            "where",
            &format!("{} {}: {hooks}", rule.family, rule.table),
            width,
            theme,
        ),
        field(
            "errors",
            &format!(
                "{}, counted {}",
                on_error(&rule.on_error),
                format::grouped(c.errors)
            ),
            width,
            theme,
        ),
        field(
            "state",
            &format!("{} ({})", rule.state, rule.scope),
            width,
            theme,
        ),
        field("fuel", &fuel, width, theme),
        field(
            "packets",
            &format!("{}, {}", format::grouped(c.packets), format::bytes(c.bytes)),
            width,
            theme,
        ),
        Line::default(),
    ];
    lines.extend(verdicts(c, width, theme));
    lines.extend(history(track, width, theme));
    if let Some(script) = model.script_of(&RowId::Rule(rule.id)) {
        lines.extend(text_lines(model, script, width));
    }
    lines
}

fn on_error(policy: &str) -> String {
    match policy {
        "drop" => "drop the packet".to_owned(),
        "accept" => "accept the packet".to_owned(),
        "continue" => "go on with the next rule".to_owned(),
        other => other.to_owned(),
    }
}

/// Where the last error happened: chunk and line of a message `chunk:line: …`.
pub fn place_of(error: &str) -> Option<(&str, usize)> {
    let (chunk, rest) = error.split_once(':')?;
    let line = rest.split(':').next()?.trim().parse().ok()?;
    Some((chunk, line))
}

/// The last error and the texts, with the line of the error marked.
fn text_lines(model: &Model, script: &Script, width: usize) -> Vec<Line<'static>> {
    let theme = &model.options.theme;
    let mut lines = Vec::new();
    if let Some(error) = &script.last_error {
        lines.push(Line::default());
        lines.push(Line::from(vec![
            Span::styled("last error", theme.style(Role::Bad)),
            Span::styled(
                format!("  of {}", format::grouped(script.errors)),
                theme.style(Role::Dim),
            ),
        ]));
        for (number, line) in error.lines().enumerate() {
            let role = if number == 0 { Role::Warn } else { Role::Dim };
            for part in wrapped(&line.replace('\t', "  "), width) {
                lines.push(Line::from(Span::styled(part, theme.style(role))));
            }
        }
    }
    lines.push(Line::default());
    let id = (script.name.clone(), script.hash.clone());
    let text = match model.texts.get(&id) {
        None => {
            lines.push(Line::from(Span::styled(
                "reading the text …",
                theme.style(Role::Dim),
            )));
            return lines;
        }
        Some(Err(error)) => {
            for part in wrapped(&format!("the text cannot be shown: {error}"), width) {
                lines.push(Line::from(Span::styled(part, theme.style(Role::Warn))));
            }
            return lines;
        }
        Some(Ok(text)) => text,
    };
    if !text.args.is_empty() {
        lines.push(field("args", &text.args.join("  "), width, theme));
        lines.push(Line::default());
    }
    let place = script.last_error.as_deref().and_then(place_of);
    for (chunk, source) in &text.chunks {
        lines.push(heading(chunk, theme));
        let mut open = lua::Open::No;
        for (index, source_line) in source.lines().enumerate() {
            let number = index + 1;
            let here = place.is_some_and(|(name, at)| at == number && name == chunk);
            let (mark, role) = if here {
                ("▸", Role::Bad)
            } else {
                (" ", Role::Faint)
            };
            let mut spans = vec![
                Span::styled(mark, theme.style(Role::Bad)),
                Span::styled(format!("{number:>4}  "), theme.style(role)),
            ];
            spans.extend(lua::line(source_line, &mut open, theme));
            lines.push(Line::from(spans));
        }
    }
    lines
}

/// Cuts a text into pieces of at most `width` columns, at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        for piece in word.chars().collect::<Vec<_>>().chunks(width) {
            if line.chars().count() + piece.len() > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.extend(piece);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_messages() {
        assert_eq!(
            place_of("block.lua:12: attempt to index nil"),
            Some(("block.lua", 12))
        );
        assert_eq!(place_of("out of memory"), None);
        assert_eq!(place_of("a: b"), None);
    }

    #[test]
    fn wrapping_loses_nothing() {
        let text = "one two three averyverylongwordthatdoesnotfit four";
        let lines = wrapped(text, 10);
        assert_eq!(lines.concat(), text);
        assert!(lines.iter().all(|line| line.chars().count() <= 10));
    }
}
