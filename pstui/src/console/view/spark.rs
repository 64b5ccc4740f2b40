// SPDX-License-Identifier: GPL-2.0-only
//! Histories drawn with block characters.

/// The eighths of a block, from the bottom.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

fn largest(series: &[f64]) -> f64 {
    series.iter().copied().fold(0.0, f64::max)
}

/// One line, newest on the right. Anything above zero is visible; the highest leaves an eighth, so
/// that lines below each other stay apart.
pub fn line(series: &[f64], width: usize) -> String {
    let shown = &series[series.len().saturating_sub(width)..];
    let top = largest(shown);
    let mut text = " ".repeat(width - shown.len());
    for value in shown {
        text.push(if top > 0.0 && *value > 0.0 {
            let eighths = (value / top * 7.0).round() as usize;
            BLOCKS[eighths.clamp(1, 7)]
        } else {
            '▁'
        });
    }
    text
}

/// Several lines, from the top; the scale is that of the whole window and its top is returned.
pub fn graph(series: &[f64], width: usize, height: usize) -> (Vec<String>, f64) {
    let shown = &series[series.len().saturating_sub(width)..];
    let top = largest(shown);
    let heights: Vec<usize> = shown
        .iter()
        .map(|value| {
            if top > 0.0 && *value > 0.0 {
                ((value / top * (height * 8) as f64).round() as usize).max(1)
            } else {
                0
            }
        })
        .collect();
    let lines = (0..height)
        .map(|line| {
            let below = (height - 1 - line) * 8;
            let mut text = " ".repeat(width - shown.len());
            text.extend(
                heights
                    .iter()
                    .map(|h| BLOCKS[h.saturating_sub(below).min(8)]),
            );
            text
        })
        .collect();
    (lines, top)
}

/// A bar for a part of a whole, in eighths of a character.
pub fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths =
        ((part.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize).max(usize::from(part > 0.0));
    let mut text = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        text.push(EIGHTHS[eighths % 8]);
    }
    let used = text.chars().count();
    text.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    text
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // small whole numbers
mod tests {
    use super::*;

    #[test]
    fn newest_is_on_the_right_and_small_is_not_nothing() {
        assert_eq!(line(&[0.0, 1.0, 800.0], 5), "  ▁▁▇");
        assert_eq!(line(&[1.0, 2.0, 3.0, 4.0], 2), "▅▇");
        assert_eq!(line(&[], 3), "   ");
    }

    #[test]
    fn graphs_stack() {
        let (lines, top) = graph(&[4.0, 8.0, 0.0], 4, 2);
        assert_eq!(lines, ["  █ ", " ██ "]);
        assert_eq!(top, 8.0);
    }

    #[test]
    fn bars_fill_their_width() {
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.001, 4), "▏   ");
        assert_eq!(bar(0.0, 2), "  ");
    }
}
