// SPDX-License-Identifier: GPL-2.0-only
//! "Did you mean …?": the known name that is nearest to an unknown one.

/// Names longer than this are not compared.
const LONGEST: usize = 16;

/// The nearest of `names`, if one is near enough to be meant.
pub fn nearest<'n>(unknown: &[u8], names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut best = None;
    let mut least = unknown.len().div_ceil(3).saturating_add(1);
    for name in names {
        let distance = distance(unknown, name.as_bytes());
        if usize::from(distance) < least {
            least = usize::from(distance);
            best = Some(name);
        }
    }
    best
}

/// Insertions, deletions, replacements and swaps of neighbours between two short names.
fn distance(a: &[u8], b: &[u8]) -> u8 {
    if a.len() > LONGEST || b.len() > LONGEST {
        return u8::MAX;
    }
    // Three rows of the usual table: two above, one above, this one.
    let mut rows = [[0_u8; LONGEST + 1]; 3];
    let at = |row: &[u8; LONGEST + 1], i: usize| row.get(i).copied().unwrap_or(u8::MAX);
    for (i, cell) in rows[1].iter_mut().enumerate() {
        *cell = i as u8;
    }
    for (i, x) in a.iter().enumerate() {
        let [above2, above, row] = &mut rows;
        row[0] = (i as u8).wrapping_add(1);
        for (j, y) in b.iter().enumerate() {
            let mut cost = at(above, j).saturating_add(u8::from(x != y));
            cost = cost.min(at(above, j.wrapping_add(1)).saturating_add(1));
            cost = cost.min(at(row, j).saturating_add(1));
            if i > 0 && j > 0 {
                let (i1, j1) = (i.wrapping_sub(1), j.wrapping_sub(1));
                if a.get(i1) == Some(y) && b.get(j1) == Some(x) {
                    cost = cost.min(at(above2, j1).saturating_add(1));
                }
            }
            if let Some(cell) = row.get_mut(j.wrapping_add(1)) {
                *cell = cost;
            }
        }
        rows.rotate_left(1);
    }
    at(&rows[1], b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        let names = ["udp", "tcp", "ip", "payload", "dport", "sport", "mark"];
        let near = |s: &str| nearest(s.as_bytes(), names.into_iter());
        assert_eq!(near("upd"), Some("udp"));
        assert_eq!(near("payoad"), Some("payload"));
        assert_eq!(near("dprt"), Some("dport"));
        assert_eq!(near("xyzzy"), None);
        assert_eq!(near(""), None);
        assert_eq!(near("a_name_that_is_far_too_long"), None);
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"ab", b"ba"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
    }
}
