// SPDX-License-Identifier: GPL-2.0-only
//! Stores: a store answers what a map answers that forgets, and one whose memory somebody overwrote
//! does no harm.

use std::collections::HashMap;

use packetscript_engine::store::{Spec, Store};

use crate::input::Input;

/// Operations, at most.
const OPERATIONS: usize = 200;

/// The store's measures, what is damaged, then operations on few keys.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let spec = Spec::new(
        1,
        u32::from(input.u8() % 40),
        u32::from(input.u8()),
        u32::from(input.u16() % 600),
    );
    let damage = input.u8();
    let mut memory = vec![0; spec.size() as usize];
    let (_, made) = Store::open(&mut memory, spec, [3, 4]).expect("room for the store");
    assert_eq!(made, spec);
    let mut model: HashMap<Vec<u8>, (Vec<u8>, u64)> = HashMap::new();
    let mut now = 1000;
    let mut done = 0;
    while !input.is_empty() && done < OPERATIONS {
        done += 1;
        if damage & 1 == 1 && input.u8().is_multiple_of(8) {
            let at = usize::from(input.u16()) % memory.len();
            let bytes = input.bytes(4);
            for (to, from) in memory[at..].iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        let mut store = Store::at(&mut memory);
        operate(
            &mut store,
            &mut model,
            &mut input,
            &mut now,
            spec,
            damage & 1 == 1,
        );
    }
}

fn operate(
    store: &mut Store,
    model: &mut HashMap<Vec<u8>, (Vec<u8>, u64)>,
    input: &mut Input,
    now: &mut u64,
    spec: Spec,
    damaged: bool,
) {
    let what = input.u8();
    let number = input.u8();
    let key = vec![number; usize::from(number) + usize::from(what >> 7) * 60];
    let alive = model
        .get(&key)
        .filter(|(_, end)| *end == 0 || *now < *end)
        .cloned();
    match what % 6 {
        0 | 1 => {
            let value = vec![input.u8(); usize::from(input.u16() % 900)];
            let ttl = (what & 64 != 0).then(|| u32::from(input.u8()));
            let end = match ttl.unwrap_or(spec.ttl) {
                0 => 0,
                ttl => *now + u64::from(ttl),
            };
            if store.set(&key, [&value, &[]], *now, ttl).is_ok() {
                model.insert(key.clone(), (value.clone(), end));
                if !damaged {
                    assert_eq!(read(store, &key, *now), Some(value), "what was just set");
                }
            } else if !damaged && read(store, &key, *now).is_none() {
                model.remove(&key);
            }
        }
        2 => {
            let more = vec![input.u8(); usize::from(input.u8())];
            let is_there = read(store, &key, *now).is_some();
            if store.append(&key, &more, *now).is_ok() && !damaged {
                assert!(is_there, "nothing was appended to");
                let (value, _) = model.get_mut(&key).expect("somebody set it");
                value.extend(more);
            }
        }
        3 => {
            store.remove(&key);
            model.remove(&key);
            if !damaged {
                assert_eq!(read(store, &key, *now), None, "what was removed");
            }
        }
        4 => *now += u64::from(number),
        _ => {
            let same = alive.as_ref().map_or(0, |(value, _)| value.len());
            let value = vec![number; same];
            if store.replace(&key, &value, *now) && !damaged {
                model.get_mut(&key).expect("somebody set it").0 = value;
            }
        }
    }
    if damaged {
        let _ = read(store, &key, *now);
        return;
    }
    assert!(
        store.count() <= spec.max,
        "{} of {}",
        store.count(),
        spec.max
    );
    // It may have forgotten it, but it knows nothing else.
    if let Some(found) = read(store, &key, *now) {
        let known = model.get(&key).filter(|(_, end)| *end == 0 || *now < *end);
        assert_eq!(
            Some(&found),
            known.map(|(value, _)| value),
            "{} bytes of a key",
            key.len()
        );
    }
}

fn read(store: &Store, key: &[u8], now: u64) -> Option<Vec<u8>> {
    let length = store.value_len(key, now)?;
    let mut pieces = Vec::new();
    store.each(key, now, 0, |piece| pieces.extend(piece));
    let mut whole = vec![0; length.min(1 << 16)];
    let copied = store.get(key, now, &mut whole);
    // Of what was damaged one may find the end and another not.
    if copied == Some(pieces.len()) {
        assert_eq!(whole[..pieces.len()], pieces);
    }
    Some(pieces)
}
