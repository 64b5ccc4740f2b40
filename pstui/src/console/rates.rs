// SPDX-License-Identifier: GPL-2.0-only
//! Rates from consecutive snapshots, and their history for the sparklines.

use super::identity::RowId;
use crate::snapshot::{Counters, Snapshot};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How many past rates are kept of each row.
pub const HISTORY: usize = 240;

/// Changes per second between the last two snapshots.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Packets a second.
    pub packets: f64,
    /// Bytes a second.
    pub bytes: f64,
    /// Packets dropped a second.
    pub drop: f64,
    /// Errors a second.
    pub errors: f64,
    /// Fuel for a packet, over the interval; none without packets.
    pub fuel: Option<f64>,
}

/// One row through time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    last: Counters,
    /// Absent until two snapshots had the row.
    pub rates: Option<Rates>,
    /// Packets a second, oldest first.
    pub packets: VecDeque<f64>,
    /// Packets dropped a second, oldest first.
    pub drops: VecDeque<f64>,
}

fn push(series: &mut VecDeque<f64>, value: f64) {
    if series.len() == HISTORY {
        series.pop_front();
    }
    series.push_back(value);
}

impl Track {
    fn advance(&mut self, now: Counters, seconds: f64) {
        let before = std::mem::replace(&mut self.last, now);
        // A counter that went back was reset: it restarted from zero in between, so what it
        // shows now is all that is known of the interval.
        let delta = |was: u64, is: u64| is.checked_sub(was).unwrap_or(is) as f64;
        let packets = delta(before.packets, now.packets);
        let rates = Rates {
            packets: packets / seconds,
            bytes: delta(before.bytes, now.bytes) / seconds,
            drop: delta(before.drop, now.drop) / seconds,
            errors: delta(before.errors, now.errors) / seconds,
            fuel: (packets > 0.0).then(|| delta(before.fuel, now.fuel) / packets),
        };
        push(&mut self.packets, rates.packets);
        push(&mut self.drops, rates.drop);
        self.rates = Some(rates);
    }
}

/// The tracks of all rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tracks {
    at: Option<Duration>,
    rows: HashMap<RowId, Track>,
}

impl Tracks {
    /// What is known of a row.
    pub fn get(&self, id: &RowId) -> Option<&Track> {
        self.rows.get(id)
    }

    /// Takes the next snapshot in. Rows that are gone are forgotten; a snapshot of the same
    /// moment as the last one changes nothing.
    pub fn advance(&mut self, snapshot: &Snapshot) {
        let seconds = match self.at {
            Some(at) if snapshot.at <= at => return,
            Some(at) => snapshot.at.saturating_sub(at).as_secs_f64(),
            None => 0.0,
        };
        self.at = Some(snapshot.at);
        let mut rows = HashMap::with_capacity(self.rows.len());
        let mut take = |id: RowId, counters: Counters| {
            let track = match self.rows.remove(&id) {
                Some(mut track) => {
                    track.advance(counters, seconds);
                    track
                }
                None => Track {
                    last: counters,
                    ..Track::default()
                },
            };
            rows.insert(id, track);
        };
        for hook in &snapshot.hooks {
            take(hook.into(), hook.counters);
        }
        for rule in &snapshot.rules {
            take(rule.into(), rule.counters);
        }
        for script in &snapshot.scripts {
            let counters = Counters {
                packets: script.packets,
                errors: script.errors,
                ..script_counters(snapshot, &script.name, &script.hash)
            };
            take(script.into(), counters);
        }
        self.rows = rows;
    }
}

/// The sum of what the rules of a version did.
pub fn script_counters(snapshot: &Snapshot, name: &str, hash: &str) -> Counters {
    let mut sum = Counters::default();
    for rule in snapshot
        .rules
        .iter()
        .filter(|rule| rule.name == name && rule.hash == hash)
    {
        let c = &rule.counters;
        sum.packets = sum.packets.saturating_add(c.packets);
        sum.bytes = sum.bytes.saturating_add(c.bytes);
        sum.accept = sum.accept.saturating_add(c.accept);
        sum.drop = sum.drop.saturating_add(c.drop);
        sum.pass = sum.pass.saturating_add(c.pass);
        sum.queue = sum.queue.saturating_add(c.queue);
        sum.reject = sum.reject.saturating_add(c.reject);
        sum.repeat = sum.repeat.saturating_add(c.repeat);
        sum.stolen = sum.stolen.saturating_add(c.stolen);
        sum.errors = sum.errors.saturating_add(c.errors);
        sum.fuel = sum.fuel.saturating_add(c.fuel);
        sum.time = sum.time.saturating_add(c.time);
    }
    sum
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // small whole numbers
mod tests {
    use super::*;
    use crate::snapshot::Rule;

    fn at(seconds: f64, packets: u64, id: u64) -> Snapshot {
        let counters = Counters {
            packets,
            fuel: packets * 7,
            ..Counters::default()
        };
        Snapshot {
            at: Duration::from_secs_f64(seconds),
            rules: vec![Rule {
                id,
                counters,
                ..Rule::default()
            }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn rates_are_per_second_whatever_the_interval() {
        let mut tracks = Tracks::default();
        tracks.advance(&at(1.0, 100, 1));
        assert_eq!(tracks.get(&RowId::Rule(1)).unwrap().rates, None);
        tracks.advance(&at(3.0, 300, 1));
        let rates = tracks.get(&RowId::Rule(1)).unwrap().rates.unwrap();
        assert_eq!(rates.packets, 100.0);
        assert_eq!(rates.fuel, Some(7.0));
        tracks.advance(&at(3.5, 300, 1));
        let rates = tracks.get(&RowId::Rule(1)).unwrap().rates.unwrap();
        assert_eq!((rates.packets, rates.fuel), (0.0, None));
    }

    #[test]
    fn a_reset_counter_gives_no_negative_rate_and_no_huge_one() {
        let mut tracks = Tracks::default();
        tracks.advance(&at(1.0, 1000, 1));
        tracks.advance(&at(2.0, 10, 1));
        assert_eq!(
            tracks.get(&RowId::Rule(1)).unwrap().rates.unwrap().packets,
            10.0
        );
    }

    #[test]
    fn the_same_moment_twice_changes_nothing_and_gone_rows_are_forgotten() {
        let mut tracks = Tracks::default();
        tracks.advance(&at(1.0, 1, 1));
        tracks.advance(&at(1.0, 5, 1));
        assert_eq!(tracks.get(&RowId::Rule(1)).unwrap().rates, None);
        tracks.advance(&at(2.0, 5, 2));
        assert!(tracks.get(&RowId::Rule(1)).is_none());
    }

    #[test]
    fn history_is_bounded() {
        let mut tracks = Tracks::default();
        for i in 0..HISTORY as u64 + 50 {
            tracks.advance(&at(i as f64 + 1.0, i, 1));
        }
        assert_eq!(tracks.get(&RowId::Rule(1)).unwrap().packets.len(), HISTORY);
    }
}
