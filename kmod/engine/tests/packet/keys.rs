// SPDX-License-Identifier: GPL-2.0-only
//! Who is remembered by maps and buckets, and for how long, whatever senders do.

use packetscript_engine::host::user::set_clock;

use crate::script::{Script, run, udp};

fn said(text: &str) -> String {
    match run(text, &mut [udp(1)]) {
        Ok((_, _, Some(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

/// A key that comes and goes was counted each time that it came, and so pushed all others out.
#[test]
fn a_key_that_comes_and_goes_makes_nobody_forgotten() {
    let text = "local m = map { max = 100 }
        function process_packet(p)
          m:set('keep', 1)
          for i = 1, 500 do m:set('x', i) m:delete 'x' end
          for i = 1, 500 do m:set('y', i) m:set('y', nil) end
          for i = 1, 48 do m:set(i, i) end
          return DROP, m:get 'keep' .. tostring(m:get 'x') .. m:get(1)
        end";
    assert_eq!(said(text), "1nil1");
}

/// Errors were counted as keys: packets without an address filled all buckets again.
#[test]
fn what_is_no_key_makes_nobody_forgotten() {
    for bad in ["nil", "0/0", "p", "p.udp"] {
        let text = format!(
            "local m, b = map {{ max = 100 }}, bucket {{ rate = 0.001, max = 100 }}
            function process_packet(p)
              m:set('keep', 1) b:take 'keep'
              for i = 1, 500 do assert(not pcall(b.take, b, {bad}) and not pcall(m.set, m, {bad}, 1)) end
              return DROP, m:get 'keep' .. b:left 'keep'
            end"
        );
        assert_eq!(said(&text), "10", "{bad}");
    }
}

/// Half of an entry is the low half of the clock: what was not asked for until that came round was as
/// empty as if it had been asked for a moment ago.
#[test]
fn a_bucket_fills_however_long_it_is_left_alone() {
    const TURN: u64 = 1 << 32;
    let text = "local b = bucket { rate = 0.001, burst = 2 }
        function process_packet(p)
          local left = b:left(p.src)
          return DROP, left .. ' ' .. tostring(b:take(p.src, 2))
        end";
    let mut script = Script::load("b.lua", text, &[]).unwrap();
    let mut now = 1000;
    for wait in [
        1_999_999,
        TURN / 2,
        TURN / 2 + 5,
        TURN - 1,
        TURN,
        TURN + 5,
        3 * TURN / 2,
        2 * TURN,
        7 * TURN + 1,
        1 << 60,
    ] {
        set_clock(Some(now));
        // Whatever it had, it has nothing now.
        script.run(&mut udp(1)).unwrap();
        set_clock(Some(now + 1));
        let at_once = script.run(&mut udp(1)).unwrap();
        assert_eq!(at_once.2.unwrap(), "0 false", "{wait}");
        now += wait;
        set_clock(Some(now));
        let later = script.run(&mut udp(1)).unwrap().2.unwrap();
        let wanted = if wait < 2_000_000 {
            "1 false"
        } else {
            "2 true"
        };
        assert_eq!(later, wanted, "{wait}");
        // The rest, for the next turn.
        now += 2_000_001;
    }
    set_clock(None);
}

/// An age of the clock that ends between two packets takes nothing from those that have tokens.
#[test]
fn a_bucket_keeps_what_it_has_where_the_clock_turns() {
    let text = "local b = bucket { rate = 1, burst = 10 }
        function process_packet(p) b:take(p.src) return DROP, tostring(b:left(p.src)) end";
    for edge in [1 << 31, 1 << 32, 3 << 31] {
        let mut script = Script::load("b.lua", text, &[]).unwrap();
        for (at, left) in [
            (edge - 1, "9"),
            (edge, "8"),
            (edge + 999, "8"),
            (edge + 1999, "8"),
        ] {
            set_clock(Some(at));
            assert_eq!(script.run(&mut udp(1)).unwrap().2.unwrap(), left, "{at}");
        }
    }
    set_clock(None);
}

/// A named map of few entries had no room for one with a long key and a long value.
#[test]
fn the_smallest_named_map_holds_the_longest_entry() {
    let text = "local m = map { name = 'small', max = 1 }
        function process_packet(p)
          local long = ('k'):rep(255)
          m:set(long, long)
          local kept = m:get(long) == long
          m:set('a', 1)
          return DROP, tostring(kept) .. tostring(m:get(long)) .. m:get 'a'
        end";
    assert_eq!(said(text), "truenil1");
}
