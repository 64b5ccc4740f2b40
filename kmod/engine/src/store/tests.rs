// SPDX-License-Identifier: GPL-2.0-only
//! Stores beside maps of the standard library, at their limits, and damaged.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

extern crate std;
use super::*;
use crate::random::Random;
use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

fn memory(spec: Spec) -> Vec<u8> {
    vec![0; spec.size() as usize]
}

fn read(store: &Store, key: &[u8], now: u64) -> Option<Vec<u8>> {
    let mut to = [0; VALUE];
    let len = store.get(key, now, &mut to)?;
    let mut pieces: Vec<u8> = vec![];
    store.each(key, now, 0, |piece| pieces.extend(piece));
    assert_eq!(pieces, to[..len]);
    assert_eq!(store.value_len(key, now), Some(len));
    Some(to[..len].into())
}

#[test]
fn entries_of_all_lengths_are_kept_and_replaced() {
    let spec = Spec::new(1, 400, 0, 400);
    let mut memory = memory(spec);
    let (mut store, made) = Store::open(&mut memory, spec, [1, 2]).unwrap();
    assert_eq!(made, spec);
    for round in 0..3 {
        for len in 0..300_usize {
            let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let value = vec![round; (len * 7) % 100];
            store.set(&key, [&value, b""], 0, None).unwrap();
        }
    }
    for len in 0..300_usize {
        let key: Vec<u8> = (0..len).map(|i| i as u8).collect();
        assert_eq!(read(&store, &key, 0).unwrap(), vec![2; (len * 7) % 100]);
    }
    assert_eq!(store.count(), 300);
    // Another who opens it finds it as it is.
    let other = Spec::new(2, 1, 1, 1);
    let (store, made) = Store::open(&mut memory, other, [9, 9]).unwrap();
    assert!(made == spec && read(&store, b"", 0).is_some());
    assert!(Store::open(&mut [0; 100], other, [0; 2]).is_none());
}

#[test]
fn the_longest_unwritten_is_forgotten_first() {
    let spec = Spec::new(1, 4, 0, 10);
    let mut memory = memory(spec);
    let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
    for key in [b"a", b"b", b"c", b"d"] {
        store.set(key, [b"1", b""], 0, None).unwrap();
    }
    assert!(store.replace(b"a", b"2", 0) && !store.replace(b"a", b"long", 0));
    store.set(b"e", [b"1", b""], 0, None).unwrap();
    store.append(b"c", b"2", 0).unwrap();
    store.set(b"f", [b"1", b""], 0, None).unwrap();
    let kept = [b"a", b"b", b"c", b"d", b"e", b"f"].map(|key| read(&store, key, 0).is_some());
    assert_eq!(kept, [true, false, true, false, true, true]);
    // A long value drives out as many as it needs cells, but not itself.
    assert_eq!(store.append(b"a", &[7; 400], 0), Err(Refused::TooLong));
    store.append(b"a", &[7; 190], 0).unwrap();
    assert_eq!(read(&store, b"a", 0).unwrap().len(), 191);
    assert_eq!(store.count(), 1);
    assert_eq!(
        store.set(b"x", [&[0; VALUE + 1], b""], 0, None),
        Err(Refused::TooLong)
    );
    assert_eq!(
        store.set(&[0; KEY + 1], [b"", b""], 0, None),
        Err(Refused::TooLong)
    );
    store.remove(b"a");
    store.remove(b"a");
    assert_eq!(store.count(), 0);
}

#[test]
fn entries_end_when_their_time_has_come() {
    let spec = Spec::new(1, 4, 100, 10);
    let mut memory = memory(spec);
    let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
    store.set(b"a", [b"1", b""], 1000, None).unwrap();
    store.set(b"b", [b"1", b""], 1000, Some(0)).unwrap();
    store.set(b"c", [b"1", b""], 1000, Some(5)).unwrap();
    store.append(b"a", b"2", 1050).unwrap();
    let alive = |store: &Store, now| [b"a", b"b", b"c"].map(|key| read(store, key, now).is_some());
    assert_eq!(alive(&store, 1004), [true, true, true]);
    assert_eq!(alive(&store, 1005), [true, true, false]);
    assert_eq!(alive(&store, 1100), [false, true, false]);
    assert_eq!(store.append(b"a", b"3", 1100), Err(Refused::Other));
    store.set(b"a", [b"3", b""], 1200, None).unwrap();
    assert_eq!(read(&store, b"a", 1299).unwrap(), b"3");
}

/// Beside a map of the standard library, with room for everything.
#[test]
fn it_does_what_a_map_does() {
    let spec = Spec::new(1, 1000, 0, 300);
    let mut memory = memory(spec);
    let (mut store, _) = Store::open(&mut memory, spec, [3, 4]).unwrap();
    let mut known: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut random = Random(7);
    for _ in 0..60_000 {
        let key = vec![random.below(256) as u8; random.below(4)];
        match random.below(4) {
            0 => {
                store.remove(&key);
                known.remove(&key);
            }
            1 => {
                let more = vec![random.below(256) as u8; random.below(20)];
                if known.get(&key).is_some_and(|old| old.len() < 200) {
                    store.append(&key, &more, 0).unwrap();
                    known.get_mut(&key).unwrap().extend(more);
                }
            }
            _ => {
                let value = vec![random.below(256) as u8; random.below(250)];
                store.set(&key, [&value, b""], 0, None).unwrap();
                known.insert(key.clone(), value);
            }
        }
        assert_eq!(read(&store, &key, 0), known.get(&key).cloned());
    }
    assert_eq!(store.count() as usize, known.len());
    for (key, value) in &known {
        assert_eq!(read(&store, key, 0).as_ref(), Some(value));
    }
}

#[test]
fn damaged_memory_is_worked_on_without_harm() {
    let spec = Spec::new(1, 50, 0, 40);
    let mut random = Random(11);
    for _ in 0..2000 {
        let mut memory = memory(spec);
        let (mut store, _) = Store::open(&mut memory, spec, [1, 2]).unwrap();
        for i in 0..60_u8 {
            store.set(&[i], [&[i; 30], b""], 0, None).unwrap();
        }
        for _ in 0..20 {
            // Not the sizes in the head, which only whoever made the memory writes.
            let at = FRESH + random.below(memory.len() - FRESH);
            memory[at] = random.below(256) as u8;
        }
        let mut store = Store::at(&mut memory);
        for i in 0..60_u8 {
            let _ = store.set(&[i, 1], [&[i; 50], b""], 0, None);
            let _ = store.append(&[i], &[i; 50], 0);
            store.remove(&[i]);
        }
    }
}
