// SPDX-License-Identifier: GPL-2.0-only
//! Timers: when they run, with what, and what ends them.

use packetscript_engine::host::user::set_clock;

use crate::script::{Script, run, udp};

fn load(text: &str) -> Script {
    let text = format!("{text}\nfunction process_packet(p) if on_packet then on_packet(p) end end");
    Script::load("test.lua", &text, &[]).unwrap()
}

/// The clock stands still at 1000 until the test moves it.
fn at_one_second() {
    set_clock(Some(1000));
}

#[test]
fn timers_run_in_order_at_their_time() {
    at_one_second();
    let mut script = load(
        "after(30, function() print('c', now()) end)
         after(10, function() print('a', now()) after(5, function() print('b', now()) end) end)
         every(20, function() print('every', now()) end)
         after(20, function() print('together, later made', now()) end)
         after(0, function() print('at once', now()) end)",
    );
    assert!(script.printed.borrow().is_empty());
    assert_eq!(script.advance_to(1045), Vec::<String>::new());
    assert_eq!(
        *script.printed.borrow(),
        [
            "at once\t1000",
            "a\t1010",
            "b\t1015",
            "every\t1020",
            "together, later made\t1020",
            "c\t1030",
            "every\t1040"
        ]
    );
    set_clock(None);
}

#[test]
fn a_cancelled_timer_does_not_run() {
    at_one_second();
    let mut script = load(
        "local n = 0
         local t
         t = every(10, function() n = n + 1 if n == 3 then print(n, t:cancel(), t:cancel()) end end)
         local once = after(1, function() end)
         function on_packet() print(once:cancel(), t:cancel(), tostring(t), type(t)) end",
    );
    assert!(script.advance_to(2000).is_empty());
    script.run(&mut udp(1)).unwrap();
    assert_eq!(
        *script.printed.borrow(),
        ["3\ttrue\tfalse", "false\tfalse\ttimer\tuserdata"]
    );
    assert_eq!(script.next_timer(), None);
    set_clock(None);
}

#[test]
fn a_packet_starts_timers_and_a_timer_sees_no_packet() {
    at_one_second();
    let mut script = load(
        "local kept
         function on_packet(p)
           kept = p
           local port = p.dport
           after(100, function() print('port', port) print(pcall(function() return kept.len end)) end)
         end",
    );
    script.run(&mut udp(1)).unwrap();
    assert_eq!(script.next_timer(), Some(1100));
    assert!(script.advance_to(1100).is_empty());
    let printed = script.printed.borrow();
    assert_eq!(printed[0], "port\t53");
    assert!(printed[1].contains("this packet is gone"), "{printed:?}");
    set_clock(None);
}

#[test]
fn errors_and_empty_tanks_end_one_run_only() {
    at_one_second();
    let mut script = load(
        "local n = 0
         every(10, function() n = n + 1 if n == 1 then error 'first' elseif n == 2 then while true do end end
           print('run', n) end)",
    );
    let errors = script.advance_to(1035);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("test.lua:2: first"), "{errors:?}");
    assert!(errors[1].contains("out of fuel"), "{errors:?}");
    assert_eq!(*script.printed.borrow(), ["run\t3"]);
    // The packets that follow have their own fuel and no old error.
    script.run(&mut udp(1)).unwrap();
    set_clock(None);
}

#[test]
fn timers_are_bounded_and_their_arguments_checked() {
    at_one_second();
    let mut script = load(
        "local kept = {}
         for i = 1, 64 do kept[i] = after(i, function() end) end
         assert(not pcall(after, 1, print))
         local _, said = pcall(every, 1, print)
         assert(said:find('more than 64 timers', 1, true), said)
         kept[5]:cancel()
         kept[5] = after(1000, function() print 'the last' end)
         for _, call in ipairs { {}, { 1 }, { -1, print }, { 2^40, print }, { 1, 'x' }, { 1.5, print } } do
           assert(not pcall(after, table.unpack(call)))
         end
         assert(not pcall(every, 0, print))
         assert(not pcall(kept[1].cancel, {}))",
    );
    assert!(script.advance_to(3000).is_empty());
    assert_eq!(*script.printed.borrow(), ["the last"]);
    set_clock(None);
}

#[test]
fn a_timer_that_is_late_keeps_its_beat_and_does_not_catch_up() {
    at_one_second();
    let mut script = load("every(10, function() print(now()) end)");
    // Nobody came for a long time: one run, and the next a period later.
    set_clock(Some(1995));
    assert!(script.run_timer().unwrap().is_ok());
    assert!(script.run_timer().is_none());
    assert_eq!(script.next_timer(), Some(2005));
    set_clock(Some(2007));
    assert!(script.run_timer().unwrap().is_ok());
    assert_eq!(script.next_timer(), Some(2015));
    set_clock(None);
}

/// What waits in a list of the machine must be seen by the collector, whatever packets do meanwhile.
#[test]
fn timers_live_while_packets_make_garbage() {
    at_one_second();
    let mut script = load(
        "function on_packet(p)
           local words = { 'kept', p.dport }
           after(50, function() print(table.concat(words, ' ')) end)
           local t = {} for i = 1, 300 do t[i] = { i, ('x'):rep(i) } end
         end",
    );
    for round in 1..=40 {
        script.run(&mut udp(1)).unwrap();
        assert!(script.advance_to(1000 + round * 10).is_empty());
    }
    assert!(script.advance_to(9000).is_empty());
    let printed = script.printed.borrow();
    assert!(
        printed.len() == 40 && printed.iter().all(|line| line == "kept 53"),
        "{printed:?}"
    );
    set_clock(None);
}

#[test]
fn timers_cost_fuel_where_they_are_made() {
    let text = "function process_packet() for i = 1, 1e9 do after(1, print):cancel() end end";
    assert!(
        run(text, &mut [udp(1)])
            .unwrap_err()
            .contains("out of fuel")
    );
}
