// SPDX-License-Identifier: GPL-2.0-only
//! What people write by mistake is answered by an error that says what to do, where it would otherwise do
//! something else in silence.

use crate::script::{Script, run, udp};

/// What is wrong with a top level.
fn loading(text: &str) -> String {
    let text = format!("{text}\nfunction process_packet(p) end");
    Script::load("m.lua", &text, &[])
        .err()
        .unwrap_or_else(|| format!("{text}: loads"))
}

/// What is wrong with the body of a packet function, over a packet of UDP.
fn running(body: &str) -> String {
    let text = format!(
        "local m, b, s, d = map {{}}, bucket {{ rate = 1 }}, ipset {{}}, domainset {{}}
        function process_packet(p) {body} end"
    );
    run(&text, &mut [udp(1)])
        .err()
        .unwrap_or_else(|| format!("{body}: no error"))
}

/// Says that each text is answered by a message with the other in it.
fn answered(by: fn(&str) -> String, cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        let message = by(text);
        assert!(
            message.starts_with("m.lua:1: ") || message.starts_with("test.lua:2: "),
            "{text}: {message}"
        );
        assert!(message.contains(wanted), "{text}: {message}");
    }
}

#[test]
fn options_that_are_misspelt_are_not_taken_for_their_defaults() {
    answered(
        loading,
        &[
            (
                "bucket { rate = 1, bust = 5 }",
                "bucket: no option 'bust'; did you mean 'burst'?",
            ),
            (
                "bucket { rate = 1, name = 'x' }",
                "bucket: no option 'name'",
            ),
            ("bucket { 5, rate = 1 }", "bucket: every option has a name"),
            (
                "map { nmae = 'x' }",
                "map: no option 'nmae'; did you mean 'name'?",
            ),
            ("map { name = 'x', TTL = 5 }", "map: no option 'TTL'"),
            (
                "proto.define { port = 5, fields = {} }",
                "dissector: no option 'port'",
            ),
            (
                "proto.define { fields = { { 'a', 'u24' } } }",
                "('u24'); there are u8, u16, u32",
            ),
        ],
    );
}

#[test]
fn what_a_set_can_never_find_is_refused() {
    answered(
        loading,
        &[
            (
                "domainset { '*.example.com' }",
                "'*.example.com' is not a domain name: write the domain alone",
            ),
            (
                "domainset { '.example.com' }",
                "write the domain alone, those below it are in the set with it",
            ),
            (
                "domainset { 'http://example.com/' }",
                "'http://example.com/' is not a domain name",
            ),
            ("domainset { 'example.com ' }", "is not a domain name"),
            ("domainset { 'a..b' }", "'a..b' is not a domain name"),
            (
                "domainset { 5 }",
                "a domain name is a string, and this is a number",
            ),
            (
                "domainset { name = 'x', '*.example.com' }",
                "write the domain alone",
            ),
            (
                "ipset { 10 }",
                "a network is a string such as \"10.0.0.0/8\" or an address, and this is a number",
            ),
            ("ipset { { '10.0.0.0/8' } }", "and this is a table"),
            ("ipset { '10.0.0.0/33' }", "'10.0.0.0/33' is not a network"),
        ],
    );
    let text = "local d = domainset { '_dmarc.Example.com.', 'xn--bcher-kva.example', 'com' }
        function process_packet(p) return DROP, tostring(d:has 'a._DMARC.example.com') end";
    assert_eq!(
        run(text, &mut [udp(1)]),
        Ok(("DROP", 0, Some("true".into())))
    );
}

#[test]
fn an_object_is_not_indexed_by_its_entries() {
    answered(
        running,
        &[
            (
                "return m[p.src]",
                "map has methods and no fields: m:get(key) reads an entry",
            ),
            (
                "return m.count",
                "map has no method 'count': m:get(key) reads an entry, m:set(key, value) writes one",
            ),
            (
                "if s[p.src] then return DROP end",
                "ipset has methods and no fields: s:has(…) and s:get(…) ask for an entry",
            ),
            ("return d['example.com']", "domainset has no method"),
            ("return b:tak(p.src)", "bucket has no method 'tak'"),
            ("return p.src.version", "address has no method 'version'"),
            ("return p.src[1]", "address has methods and no fields"),
            ("return every(5, print).stop", "timer has no method 'stop'"),
        ],
    );
}

#[test]
fn keys_that_are_none_are_told() {
    answered(
        running,
        &[
            (
                "b:take(p.arp)",
                "bad argument #1 to 'take' (an address, a string, a number or another key expected, got nil)",
            ),
            ("b:left(p.udp)", "expected, got packet"),
            ("b:take(0/0)", "expected, got number"),
            (
                "m:incr(p.arp)",
                "bad argument #1 to 'incr' (a key is a boolean, a number, an address or a string of at most 255 bytes, and this is a nil)",
            ),
            ("m:set(1, {})", "bad argument #2 to 'set' (a value is"),
            ("m:get(0/0)", "a key that is not a number (NaN)"),
            ("QUEUE(70000)", "QUEUE: a queue is a number from 0 to 65535"),
            (
                "QUEUE(1, 2)",
                "QUEUE: the second argument is \"bypass\" or nothing",
            ),
            ("REJECT 'no'", "REJECT: an answer such as"),
        ],
    );
}

/// A hint that stands between a field's load and its use was taken for what made the value.
#[test]
fn a_field_of_a_number_is_told_by_the_number_s_name() {
    answered(
        running,
        &[
            (
                "if p.udp and p.udp.dport.x then return DROP end",
                "attempt to index a number value (field 'dport')",
            ),
            (
                "if p.ip and p.ip.ttl.x == 5 then return DROP end",
                "attempt to index a number value (field 'ttl')",
            ),
        ],
    );
}

#[test]
fn a_verdict_in_quotes_is_told() {
    let message = running("return 'DROP'");
    assert!(
        message.starts_with(
            "test.lua:2: the string 'DROP' is not a verdict: return DROP, without quotes"
        ),
        "{message}"
    );
}

/// Fuel and memory end somewhere, and that is what is to be mended.
#[test]
fn the_ends_of_fuel_and_memory_are_told_with_their_lines() {
    for (body, place, traceback) in [
        (
            "local n = 0\n while true do n = n + 1 end",
            "test.lua:2: out of fuel\n",
            "test.lua:2: in function 'process_packet'",
        ),
        (
            "local t = {}\n while true do t[#t + 1] = ('x'):rep(20000) .. #t end",
            "test.lua:2: not enough memory\n",
            "in function 'process_packet'",
        ),
        (
            "local f = setmetatable({}, { __index = function()\n while true do end end })\n return f.x",
            "test.lua:2: out of fuel\n",
            "test.lua:3: in function 'process_packet'",
        ),
    ] {
        let text = format!("function process_packet(p) {body} end");
        for _ in 0..2 {
            let message = run(&text, &mut [udp(1), udp(1)]).unwrap_err();
            assert!(message.starts_with(place), "{message}");
            assert!(message.contains(traceback), "{message}");
        }
    }
}

/// Without the line, the reader of the log would have to look at every `return` of a script.
#[test]
fn what_was_returned_is_told_with_the_line_that_returned_it() {
    let collects = "setmetatable({}, { __close = function() collectgarbage() end })";
    for (text, place, traceback) in [
        (
            "function process_packet(p)\n if p.udp then\n return 1\n end\nend",
            "test.lua:3: the number 1",
            "\n\ttest.lua:3: in function 'process_packet'",
        ),
        (
            "local function f(p)\n return {}\nend\nfunction process_packet(p) return f(p) end",
            "test.lua:2: a table",
            "\n\ttest.lua:2: in function <test.lua:1>\n\t(...tail calls...)",
        ),
        (
            &format!(
                "function process_packet(p)\n local x <close> = {collects}\n return 'no'\nend"
            ),
            "test.lua:3: 'no'",
            "\n\ttest.lua:3: in function 'process_packet'",
        ),
        (
            "function process_packet(p)\n return coroutine.wrap(function()\n return 1 end)()\nend",
            "test.lua:3: the number 1",
            "\n\ttest.lua:3: in function 'process_packet'",
        ),
        // Its code may be gone when the message is made.
        (
            "function process_packet(p) return load 'collectgarbage() return 1'() end",
            "the number 1",
            "stack traceback:",
        ),
        (
            "process_packet = load 'return 2'",
            "the number 2",
            "stack traceback:",
        ),
    ] {
        let message = run(text, &mut [udp(1), udp(1)]).unwrap_err();
        let wanted = format!("{place} is not a verdict: ");
        assert!(message.starts_with(&wanted), "{text}: {message}");
        assert!(message.contains(traceback), "{text}: {message}");
    }
}
