// SPDX-License-Identifier: GPL-2.0-only
//! Packets, their strings, addresses and verdicts as Lua values.

use packetscript_engine::host::frame;
use packetscript_engine::packet::verdict::QUEUE_BYPASS;

use crate::script::{Script, run, udp, udp6};

/// Runs over two packets, the bytes of the first 1, of the second 2; both must pass.
fn passes(text: &str) {
    let mut script = Script::load("test.lua", text, &[]).unwrap_or_else(|e| panic!("{text}\n{e}"));
    for n in [1, 2] {
        if let Err(message) = script.run(&mut udp(n)) {
            panic!("packet {n}: {message}\n{text}");
        }
    }
}

/// What goes wrong with the second packet.
fn fails(text: &str, message: &str) {
    let answer = run(text, &mut [udp(1), udp(2)]);
    let found = answer.as_ref().err().map_or("no error", String::as_str);
    assert!(
        found.contains(message),
        "{text}\nwanted: {message}\nfound: {answer:?}"
    );
}

#[test]
fn an_old_packet_is_an_error() {
    let gone = "this packet is gone";
    fails(
        "function process_packet(p) if old then return old.len end old = p end",
        gone,
    );
    fails(
        "function process_packet(p) if old then return old.ttl end old = p.ip end",
        gone,
    );
    fails(
        "function process_packet(p) if old then return old.udp.dport end old = p end",
        gone,
    );
    fails(
        "function process_packet(p) if old then old.mark = 1 end old = p end",
        gone,
    );
    fails(
        "function process_packet(p) if old then old:u8(0) end old = p end",
        gone,
    );
    fails(
        "function process_packet(p) if old then old:log() end old = p end",
        gone,
    );
    fails(
        "local f function process_packet(p) if f then f() end f = function() return p.udp end end",
        gone,
    );
    fails(
        "local t = {} function process_packet(p) t[p] = 1 end",
        "a packet cannot be a table key",
    );
}

#[test]
fn unknown_fields_are_errors_with_a_suggestion() {
    fails(
        "function process_packet(p) return p.upd end",
        "no field 'upd'; did you mean 'udp'?",
    );
    let dprt = "test.lua:1: no field 'dprt' of udp; did you mean 'dport'?";
    fails("function process_packet(p) return p.udp.dprt end", dprt);
    fails(
        "function process_packet(p) local u = p.udp return u.dprt end",
        dprt,
    );
    fails(
        "function process_packet(p) local k = 'dprt' return p.udp[k] end",
        dprt,
    );
    fails("function process_packet(p) p.udp.dprt = 1 end", dprt);
    fails(
        "function process_packet(p) return p.ip.udp.dport end",
        "no field 'udp' of ip",
    );
    fails(
        "function process_packet(p) local i = p.ip return i.udp.dport end",
        "no field 'udp' of ip",
    );
    fails(
        "function process_packet(p) return p[1] end",
        "the fields of packet have names",
    );
    fails(
        "function process_packet(p) return p.tcp.dport end",
        "attempt to index a nil value (field 'tcp')",
    );
}

/// Tests of parts are done at once where only their truth counts, and nowhere else.
#[test]
fn parts_that_are_not_there_are_nil_in_expressions() {
    passes(
        "local function same(...) return ... end
         function process_packet(p)
           assert((p.tcp and 1) == nil and (p.tcp or 1) == 1 and (p.udp and 1) == 1)
           assert((p.udp and p.tcp) == nil and (p.tcp or p.icmp) == nil and not (p.tcp and p.udp))
           local a, b = p.tcp and 1, p.tcp or 2
           assert(a == nil and b == 2 and same(p.tcp and 1) == nil and same(p.udp and not p.tcp))
           local t = { p.tcp and 1, p.tcp or 3, x = p.icmp and 1 }
           assert(t[1] == nil and t[2] == 3 and t.x == nil)
           local c = p.udp and p.udp.dport == 53 and 'dns' or 'other'
           local d = p.tcp and p.tcp.dport == 53 and 'dns' or 'other'
           assert(c == 'dns' and d == 'other')
           local e = p.tcp
           if e and e.dport == 53 then error 'tcp' end
           e = p.udp
           if not e or e.dport ~= 53 then error 'udp' end
           local n = 0
           while p.udp and p.udp.dport == 53 and n < 3 do n = n + 1 end
           repeat n = n + 1 until p.udp and p.udp.dport == 53 and n > 5
           assert(n == 6)
           return p.tcp and DROP
         end",
    );
}

#[test]
fn what_is_no_verdict_is_an_error() {
    for (value, named) in [
        ("5", "the number 5"),
        ("2.5", "a number"),
        ("{}", "a table"),
        ("'ACCEPT'", "'ACCEPT'"),
        ("true", "true"),
        ("print", "a function"),
        ("p", "a packet"),
        ("p.src", "an address"),
    ] {
        let message = format!("{named} is not a verdict");
        fails(
            &format!("function process_packet(p) return {value} end"),
            &message,
        );
    }
    fails(
        "function process_packet(p) return ACCEPT(1) end",
        "ACCEPT takes no arguments",
    );
    fails(
        "function process_packet(p) return QUEUE(70000) end",
        "a queue is a number from 0 to",
    );
    fails(
        "function process_packet(p) return REJECT 'no' end",
        "an answer such as",
    );
}

#[test]
fn verdicts_are_given_where_they_mean_something() {
    let answer = |text: &str| run(text, &mut [udp(1).with_hook(2)]);
    let plain = |name| Ok((name, 0, None));
    assert_eq!(
        answer("function process_packet() return ACCEPT end"),
        plain("ACCEPT")
    );
    assert_eq!(
        answer("function process_packet() return DROP end"),
        plain("DROP")
    );
    for nothing in ["", "return nil", "return false", "return CONTINUE"] {
        let text = format!("function process_packet() {nothing} end");
        assert_eq!(answer(&text), plain("CONTINUE"));
    }
    assert_eq!(
        answer("function process_packet() return QUEUE(3, 'bypass') end"),
        Ok(("QUEUE", 3 | QUEUE_BYPASS, None))
    );
    assert_eq!(
        answer("function process_packet() return DROP, 'because' end"),
        Ok(("DROP", 0, Some("because".into())))
    );
    for name in ["REJECT", "REJECT 'tcp-reset'", "REPEAT"] {
        let refused = answer(&format!("function process_packet() return {name} end")).unwrap_err();
        assert!(
            refused.contains("is not carried out by this version"),
            "{refused}"
        );
    }
    let arp = frame::arp(
        1,
        [2; 6],
        [10, 0, 0, 1].into(),
        [0; 6],
        [10, 0, 0, 2].into(),
    );
    let mut arp = [packetscript_engine::host::user::UserPacket::new(&arp)];
    let refused = run("function process_packet() return QUEUE end", &mut arp).unwrap_err();
    assert!(
        refused.contains("QUEUE has no meaning in this family"),
        "{refused}"
    );
}

#[test]
fn a_match_is_true_or_not() {
    for (value, name) in [
        ("5", "MATCH"),
        ("'x'", "MATCH"),
        ("DROP", "MATCH"),
        ("nil", "CONTINUE"),
        ("false", "CONTINUE"),
    ] {
        let text = format!("function process_packet() return {value} end");
        let answer = run(&text, &mut [udp(1).with_flags(1)]);
        assert_eq!(answer.map(|(name, _, _)| name), Ok(name), "{value}");
    }
}

/// A string that shows the packet's bytes must stay what it was, wherever it is kept and whatever
/// happens to the packet.
#[test]
fn strings_outlive_their_packet() {
    let first = "('\\1'):rep(100)";
    for text in [
        "g = nil function process_packet(p) if g then assert(g == FIRST) end g = p.payload end",
        "local up function process_packet(p) if up then assert(up == FIRST) end up = p.payload end",
        "local t = {} function process_packet(p) t[#t + 1] = p.payload assert(t[1] == FIRST) end",
        "local t = {} function process_packet(p) t[p.payload] = true assert(t[FIRST]) end",
        "local t function process_packet(p)
           if t then assert(t.s == FIRST and t[1] == FIRST) end t = { p.payload, s = p.payload } end",
        "local t function process_packet(p)
           if t then assert(t[1] == FIRST and t[2] == FIRST) end
           t = table.pack(p.payload, p.payload) end",
        "local t function process_packet(p)
           if t then assert(t[1] == FIRST) end t = {} table.insert(t, p.payload) end",
        "local f function process_packet(p)
           if f then assert(f() == FIRST) end local s = p.payload f = function() return s end end",
        "local f function process_packet(p)
           if f then assert(f() == FIRST) end
           local s = '' s = p.payload f = function() s = s .. '' return s end end",
        "local co function process_packet(p)
           if co then local _, s = coroutine.resume(co) assert(s == FIRST) return end
           co = coroutine.create(function(p) local s = p.payload coroutine.yield() return s end)
           coroutine.resume(co, p) end",
        "local co function process_packet(p)
           if not co then co = coroutine.wrap(function(s)
             local first = s while true do assert(first == FIRST) s = coroutine.yield(s) end end) end
           assert(co(p.payload) == p.payload) end",
        "local e function process_packet(p)
           if e then assert(e == FIRST) end local ok, m = pcall(error, p.payload, 0) e = m end",
        "local m = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v) end })
         function process_packet(p) if m.x then assert(m.x == FIRST) end m.x = p.payload end",
        "local m = setmetatable({}, {}) function process_packet(p)
           if getmetatable(m).__name then assert(getmetatable(m).__name == FIRST) end
           getmetatable(m).__name = p.payload end",
        "local s = ipset {} function process_packet(p)
           if s:has(p.src) then assert(s:get(p.src) == FIRST) end s:add('10.0.0.1', p.payload) end",
        "local g function process_packet(p)
           if g then assert(g() == FIRST) end
           g = string.gmatch(p.payload, '.+') end",
    ] {
        passes(&text.replace("FIRST", first));
    }
}

#[test]
fn strings_stay_when_their_packet_is_written() {
    for text in [
        "local s = p.payload local b = s:byte() p.payload = 'zz'
         assert(#s == 100 and s:byte() == b and s:byte(-1) == b and p.payload == 'zz')",
        "local h = p:bytes(0, 20) p.ip.ttl = 1 assert(h:byte(9) == 64 and p:u8(8) == 1)",
        "local function f(s) p.payload = 'q' return s end
         assert(#f(p.payload) == 100 and p.payload == 'q')",
        "local t = table.pack(pcall(function(...) p.payload = 'w' return ... end, p.payload))
         assert(#t[2] == 100)",
        "local s = p.payload local t = setmetatable({}, { __index = function(_, k)
           p.payload = 'q' return k end })
         assert(#t[s] == 100 and #s == 100)",
        "local s = p.payload
         local r = s:gsub('.', function(c) if #p.payload == 100 then p.payload = 'q' end return c end)
         assert(r == s and #r == 100)",
        "local s = p.payload local n = 0
         for c in s:gmatch '.' do n = n + 1 p.payload = s:sub(1, n) end
         assert(n == 100 and p.payload == s)",
        "local t = {} for i = 1, 20 do t[i] = p.payload p.payload = ('x'):rep(i) end
         assert(#t[1] == 100) for i = 2, 20 do assert(#t[i] == i - 1) end",
        "local s <close> = setmetatable({}, { __close = function() p.payload = 'x' end })
         return nil, p.payload",
        "local co = coroutine.wrap(function(s) p.payload = 'c' coroutine.yield(s) end)
         assert(#co(p.payload) == 100)",
        "local s = p.payload local co = coroutine.wrap(function() p.payload = 'c' end) co()
         assert(#s == 100)",
        "local t = { p.payload, 'b' } table.sort(t, function(a, b) p.payload = 's' return a < b end)
         assert(#t[1] == 100)",
        "p.payload = p.payload .. p.payload assert(#p.payload == 200)",
        "p.payload = p:bytes(28, 10) assert(#p.payload == 10)",
    ] {
        passes(&format!("function process_packet(p) {text} end"));
    }
}

#[test]
fn bytes_of_the_packet_are_strings_in_every_way() {
    passes(
        "function process_packet(p)
           local s = p.payload
           local copy = s .. ''
           assert(type(s) == 'string' and math.type(s) == nil and s == copy and copy == s)
           assert(rawequal(s, copy) and not (s ~= copy) and #s == 100 and s:len() == 100)
           assert(s .. 'x' == copy .. 'x' and 'x' .. s == 'x' .. copy)
           assert(s < 'zzz' and s <= copy and not (s < copy) and 'zzz' > s)
           assert(({ [copy] = 1 })[s] == 1 and ({ [s] = 1 })[copy] == 1)
           assert(s == p:bytes(28, 100) and s:sub(2, 3) == s:sub(3, 4) and tostring(s) == s)
           assert(select('#', s:byte(1, -1)) == 100 and s:find(s, 1, true) == 1)
           assert(s:upper() == copy and s:rep(2) == copy:rep(2) and s:reverse() == copy)
           assert(table.concat({ s, s }) == copy .. copy and not tonumber(s))
           assert(string.format('%s', s) == copy and #string.format('%q', s) > 100)
           assert(string.unpack('B', s) == s:byte() and string.pack('s1', s) == string.pack('s1', copy))
           assert(utf8.len(s) == 100 and s:match('^(.)') == s:sub(1, 1))
           assert(next({ [s] = 1 }) == copy and load('return ...')(s) == copy)
           assert(not pcall(function() return s.x.y end) and s.len == string.len)
           local t = setmetatable({}, { __index = function(_, k) return k end })
           assert(t[s] == copy)
         end",
    );
    passes("function process_packet(p) return nil, p.payload end");
    fails(
        "function process_packet(p) error(p.payload) end",
        "\u{2}\u{2}\u{2}",
    );
}

#[test]
fn addresses_are_values() {
    for text in [
        "local t = {} function process_packet(p)
           t[p.src] = (t[p.src] or 0) + 1 assert(t[ip '10.0.0.1'] == t[p.src]) end",
        "local a function process_packet(p)
           if a then assert(a == p.src and tostring(a) == '10.0.0.1') end a = p.src end",
        "function process_packet(p)
           local t = { ip '::1', ip '10.0.0.2', ip '10.0.0.1' } table.sort(t)
           assert(table.concat({ tostring(t[1]), tostring(t[2]), tostring(t[3]) }, ' ')
             == '10.0.0.1 10.0.0.2 ::1') end",
        "function process_packet(p) assert(ip(p.src) == p.src and ip(p.src) ~= '10.0.0.1') end",
        "function process_packet(p) assert(ip '::ffff:1.2.3.4' ~= ip '1.2.3.4') end",
    ] {
        passes(text);
    }
    fails(
        "function process_packet(p) return p.src < 1 end",
        "an address can only be compared",
    );
    fails(
        "function process_packet(p) return p.src + 1 end",
        "attempt to perform arithmetic",
    );
    fails(
        "function process_packet(p) return p.src:within 'x' end",
        "'x' is not a prefix",
    );
    fails(
        "function process_packet(p) return ip 'x' end",
        "'x' is not an IP address",
    );
}

#[test]
fn ipv6_packets_are_read_and_written() {
    for text in [
        "local t = {} local n = 0 function process_packet(p)
           n = n + 1 t[p.src] = (t[p.src] or 0) + 1 assert(t[ip '2001:db8::1'] == n) end",
        "local a function process_packet(p)
           if a then assert(a == p.src and tostring(a) == '2001:db8::1') end a = p.src end",
        "function process_packet(p) p.src = ip 'fe80::1' assert(tostring(p.src) == 'fe80::1')
           p.ip.daddr = p.src assert(p.dst == p.ip.src) end",
        "function process_packet(p) assert(p.ip.saddr:within '2001:db8::/32' and p.family == 'ipv6') end",
        "function process_packet(p) assert(p.ip.df == nil and p.ip.check == nil and p.ip.version == 6) end",
        "function process_packet(p) for i = 1, 50 do
           p.payload = ('y'):rep(i * 10) assert(#p.payload == i * 10 and p.ip.len == 48 + i * 10) end end",
    ] {
        let mut packets = [udp6(), udp6().with_linear(0), udp6().with_linear(44)];
        let answer = run(text, &mut packets);
        assert!(answer.is_ok(), "{text}\n{answer:?}");
        for packet in packets {
            assert_eq!(frame::faults(&packet.bytes(), false), Vec::<String>::new());
        }
    }
}

#[test]
fn what_cannot_be_written_says_why() {
    for (write, message) in [
        ("p.payload = 5", "field 'payload' is a string"),
        (
            "p.payload = ('x'):rep(70000)",
            "the packet would be longer than 65535 bytes",
        ),
        (
            "p.src = '1.2.3.4'",
            "field 'src' is an address; ip \"…\" makes one",
        ),
        ("p.src = ip '::1'", "an address of the other IP version"),
        (
            "p.sport = 65536",
            "field 'sport' is a number from 0 to 65535",
        ),
        ("p.ip.ttl = -1", "field 'ttl' is a number from 0 to 255"),
        ("p.ip.df = 1", "field 'df' is true or false"),
        ("p.len = 1", "field 'len' of packet cannot be written"),
        ("p.udp.check = 1", "field 'check' of udp cannot be written"),
        ("p.icmp = nil", "field 'icmp' of packet cannot be written"),
    ] {
        fails(&format!("function process_packet(p) {write} end"), message);
    }
    let ip = "10.0.0.1".parse().unwrap();
    let tcp = frame::tcp(ip, ip, (1, 2), &frame::Tcp::default(), b"abc");
    let mut packets = [packetscript_engine::host::user::UserPacket::new(&tcp)];
    let text = "function process_packet(p) p.payload = 'xyz' p.payload = 'longer' end";
    let refused = run(text, &mut packets).unwrap_err();
    assert!(
        refused.contains("the payload of TCP must keep its length"),
        "{refused}"
    );
    assert_eq!(packets[0].bytes()[40..], *b"xyz");
    assert_eq!(
        frame::faults(&packets[0].bytes(), false),
        Vec::<String>::new()
    );
    let refused = run(
        "function process_packet(p) p.ip.ttl = 1 end",
        &mut [udp(1).with_writes(0)],
    );
    assert!(
        refused
            .unwrap_err()
            .contains("the packet cannot be written: no memory")
    );
}

#[test]
fn buckets_fill_with_time_and_forget_the_oldest() {
    use packetscript_engine::host::user::set_clock;
    let text = "
      local b = bucket { rate = 2, burst = 3, max = 4 }
      function process_packet(p)
        local n = 0
        while b:take(p.src) do n = n + 1 end
        if p.mark == 9 then for i = 1, 100 do assert(b:take(i)) end end
        return nil, 'took ' .. n
      end";
    let mut script = Script::load("test.lua", text, &[]).unwrap();
    let mut took = |ms, mark| {
        set_clock(Some(ms));
        script.run(&mut udp(1).with_mark(mark)).unwrap().2.unwrap()
    };
    assert_eq!(took(1000, 0), "took 3");
    assert_eq!(took(1000, 0), "took 0");
    assert_eq!(took(1499, 0), "took 0");
    assert_eq!(took(1500, 0), "took 1");
    assert_eq!(took(2000, 0), "took 1");
    assert_eq!(took(9000, 9), "took 3");
    // A hundred keys later this one is forgotten, and starts with a full bucket.
    assert_eq!(took(9000, 0), "took 3");
    // The clock wraps.
    assert_eq!(took(u64::from(u32::MAX), 0), "took 3");
    assert_eq!(took(u64::from(u32::MAX) + 500, 0), "took 1");
    set_clock(None);
}

#[test]
fn ipsets_find_the_longest_network() {
    passes(
        "function process_packet(p)
           local s, t, nets = ipset {}, {}, {}
           assert(s:get(p.src) == nil and s:get(ip '::1') == nil and not s:has(nil))
           -- Every length of both versions around one address.
           for len = 0, 32 do s:add('10.0.0.1/' .. len, 'four ' .. len) end
           for len = 0, 128 do s:add('2001:db8::1/' .. len, 'six ' .. len) end
           for len = 32, 1, -1 do
             assert(s:get(ip '10.0.0.1') == 'four ' .. len)
             s:add('10.0.0.1/' .. len, nil)
           end
           assert(s:get(ip '10.0.0.1') == 'four 0' and s:get(ip '255.255.255.255') == 'four 0')
           s:add('0.0.0.0/0', nil)
           assert(s:get(ip '10.0.0.1') == nil)
           for len = 128, 1, -1 do
             assert(s:get(ip '2001:db8::1') == 'six ' .. len)
             s:add('2001:db8::1/' .. len, nil)
           end
           assert(s:get(ip '::1') == 'six 0')
           -- Many networks of a few lengths, asked one by one.
           for i = 0, 255 do
             nets[#nets + 1] = '10.' .. i .. '.0.0/16'
             nets['172.16.' .. i .. '.0/24'] = i
             nets['2001:db8:' .. ('%x'):format(i) .. '::/48'] = i
           end
           t = ipset(nets)
           for i = 0, 255 do
             assert(t:get(ip('10.' .. i .. '.7.7')) == true and t:get(ip('172.16.' .. i .. '.9')) == i)
             assert(t:get(ip('2001:db8:' .. ('%x'):format(i) .. ':1::2')) == i)
           end
           assert(not t:has(ip '11.0.0.0') and not t:has(ip '172.17.0.0') and not t:has(ip '2001:db9::'))
         end",
    );
}

#[test]
fn maps_are_bounded_and_forget_in_time() {
    use packetscript_engine::host::user::set_clock;
    let text = "
      local m = map { max = 8, ttl = 100 }
      function process_packet(p)
        local step = p.mark
        if step == 1 then
          m:set('a', 5) m:set(p.src, p.payload) m:set(true, 2.5, 0) m:set('long', 1, 1000)
          assert(m:get 'a' == 5 and m:get(p.src) == p.payload and m:get(true) == 2.5)
          assert(m:incr 'n' == 1 and m:incr('n', 4) == 5 and m:incr('i', 1, 10) == 11)
        elseif step == 2 then
          assert(m:get 'a' == 5 and #m:get(p.src) == 100 and m:incr 'n' == 6)
        elseif step == 3 then
          assert(m:get 'a' == nil and m:get(p.src) == nil and m:get(true) == 2.5 and m:get 'long' == 1)
          assert(m:incr 'n' == 1)
          m:delete 'n' assert(m:get 'n' == nil)
          m:set('long', nil) assert(m:get 'long' == nil)
        else
          for i = 1, 1000 do m:set(i, i) end
          local kept = 0
          for i = 1, 1000 do if m:get(i) then kept = kept + 1 end end
          assert(kept >= 4 and kept <= 8 and m:get(1000) == 1000 and m:get(true) == nil, kept)
        end
      end";
    let mut script = Script::load("test.lua", text, &[]).unwrap();
    for (ms, step) in [(1000, 1), (1099, 2), (1100, 3), (1100, 4)] {
        set_clock(Some(ms));
        script
            .run(&mut udp(7).with_mark(step))
            .unwrap_or_else(|e| panic!("step {step}: {e}"));
    }
    set_clock(None);
    for (call, message) in [
        ("local m = map { max = -1 }", "map: max is a whole number"),
        (
            "local m = map { name = 'x' }",
            "map 'x': what has a name is declared when its script is loaded",
        ),
        (
            "local m = map {} m:set({}, 1)",
            "a key is a boolean, a number, an address or a string of at most 255 bytes, and this is a table",
        ),
        (
            "local m = map {} m:set(1, p)",
            "a value is a boolean, a number, an address or a string of at most 255 bytes, and this is a packet",
        ),
        (
            "local m = map {} m:set(1, ('x'):rep(256))",
            "a value is a boolean",
        ),
        (
            "local m = map {} m:set(1, 'x') m:incr(1)",
            "is not a whole number",
        ),
        (
            "local m = map {} m.get(ipset {}, 1)",
            "map expected, got ipset",
        ),
    ] {
        fails(&format!("function process_packet(p) {call} end"), message);
    }
}

#[test]
fn dissectors_read_what_their_fields_say() {
    let text = "
      local d = proto.define { udp = 53, fields = {
        { 'a', 'u8' }, { 'b', 'u16' }, { 'c', 'u32le' }, { 'd', 'u64' }, { 'at', 'ip4' }, { 'six', 'ip6' },
        { 'mac', 'mac' }, { 'text', 'bytes:3' }, { 'e', 'u16le' } } }
      local other = proto.define { udp = 54, fields = {} }
      local any = proto.define { fields = { { 'first', 'bytes:2' } } }
      function process_packet(p)
        local t = d(p)
        assert(t.a == 1 and t.b == 0x0101 and t.c == 0x01010101 and t.d == 0x0101010101010101)
        assert(t.at == ip '1.1.1.1' and t.six == ip '101:101:101:101:101:101:101:101')
        assert(t.mac == '01:01:01:01:01:01' and t.text == '\\1\\1\\1' and t.e == 0x0101)
        assert(other(p) == nil and any(p).first == '\\1\\1')
        assert(d(('\\2'):rep(45)) == nil and d(('\\2'):rep(46)).text == '\\2\\2\\2')
        assert(d('\\1\\2\\3' .. ('\\4\\5\\6\\7'):rep(20)).b == 0x0203)
        assert(d('\\1\\2\\3' .. ('\\4\\5\\6\\7'):rep(20)).c == 0x07060504)
        p.payload = '' assert(d(p) == nil)
      end";
    for linear in [0, 40, 200] {
        run(text, &mut [udp(1).with_linear(linear)]).unwrap();
    }
    for (spec, message) in [
        ("{}", "fields is a list"),
        ("{ udp = 70000, fields = {} }", "udp is a port"),
        (
            "{ fields = { { 'a', 'u7' } } }",
            "field 1 is no {name, type} of a known type ('u7')",
        ),
        (
            "{ fields = { { 'a', 'u8' }, 'b' } }",
            "field 2 is no {name, type}",
        ),
        ("{ fields = { { 1, 'u8' } } }", "field 1 is no {name, type}"),
        (
            "{ fields = { { 'a', 'bytes:99999' } } }",
            "field 1 is no {name, type}",
        ),
    ] {
        fails(
            &format!("function process_packet(p) proto.define {spec} end"),
            message,
        );
    }
    fails(
        "function process_packet(p) local f = {} for i = 1, 65 do f[i] = { 'a', 'u8' } end
         proto.define { fields = f } end",
        "more than 64 fields",
    );
    fails(
        "function process_packet(p) proto.define { fields = {} }(p.udp) end",
        "packet or string",
    );
}

#[test]
fn lines_are_printed() {
    let text = "function process_packet(p)
        p:log('from', p.src, p.udp, DROP, nil, 2.5, QUEUE(2), REJECT 'tcp-reset')
        print(p, type(p), type(p.src), type(DROP), type(p.payload), type(ipset {}))
      end";
    let mut script = Script::load("test.lua", text, &[]).unwrap();
    script.run(&mut udp(1)).unwrap();
    let printed = script.printed.borrow();
    let expected = [
        "from\t10.0.0.1\tpacket.udp\tDROP\tnil\t2.5\tQUEUE(2)\tREJECT(\"tcp-reset\")",
        "packet\tpacket\taddress\tverdict\tstring\tuserdata",
    ];
    assert_eq!(*printed, expected);
}

#[test]
fn the_connection_of_a_packet_is_seen_and_marked() {
    use packetscript_engine::host::{Conntrack, FAMILY_IPV4, FAMILY_IPV6, Tuple};
    let mut src = [0; 16];
    src[..4].copy_from_slice(&[10, 0, 0, 1]);
    let mut dst = [0; 16];
    dst[..4].copy_from_slice(&[10, 0, 0, 2]);
    let mut gate = [0; 16];
    gate[..4].copy_from_slice(&[192, 0, 2, 1]);
    let known = Conntrack {
        state: 1,
        mark: 7,
        family: FAMILY_IPV4,
        proto: 17,
        pad: [0; 2],
        tuples: [
            Tuple {
                src,
                dst,
                sport: 5,
                dport: 53,
            },
            Tuple {
                src: dst,
                dst: gate,
                sport: 53,
                dport: 1024,
            },
        ],
    };
    let text = "function process_packet(p)
        local ct = p.ct
        assert(ct and ct.state == 'established' and ct.mark == 7 and ct.id == 4242)
        assert(p.ct.orig.src == p.src and p.ct.orig.dst == p.dst and ct.orig.dport == 53)
        assert(ct.reply.dst == ip '192.0.2.1' and ct.reply.dport == 1024 and ct.reply.proto == 17)
        ct.mark = 9
        assert(p.ct.mark == 9 and ct.mark == 9 and p.udp.dport == 53)
        assert(tostring(ct) == 'packet.ct' and tostring(ct.orig) == 'packet.tuple')
        for _, wrong in ipairs { 'x', -1, 4294967296, 1.5 } do
          assert(not pcall(function() ct.mark = wrong end))
        end
        for name, message in pairs { stat = \"'state'\", ids = \"'id'\" } do
          local ok, said = pcall(function() return ct[name] end)
          assert(not ok and said:find('no field', 1, true) and said:find(message, 1, true), said)
        end
        assert(not pcall(function() ct.state = 'new' end))
        return ACCEPT
      end";
    let mut packets = [udp(1).with_conntrack(known, 4242)];
    run(text, &mut packets).unwrap();
    assert_eq!(packets[0].conntrack().unwrap().mark, 9);
    // No connection: no view. Not tracked: a state and nothing else.
    passes("function process_packet(p) assert(p.ct == nil) end");
    let untracked = Conntrack {
        state: 3,
        ..Conntrack::default()
    };
    let text = "function process_packet(p)
        local ct = p.ct
        assert(ct.state == 'untracked' and not ct.mark and not ct.id and not ct.orig)
        ct.mark = 1
      end";
    let said = run(text, &mut [udp(1).with_conntrack(untracked, 0)]).unwrap_err();
    assert!(
        said.contains("this connection's mark cannot be written"),
        "{said}"
    );
    // IPv6 addresses, and a protocol without ports.
    let wide = Conntrack {
        state: 0,
        family: FAMILY_IPV6,
        proto: 58,
        tuples: [Tuple {
            src: [0xfe; 16],
            sport: 9,
            ..Tuple::default()
        }; 2],
        ..Conntrack::default()
    };
    let text = "function process_packet(p)
        assert(p.ct.state == 'new' and p.ct.orig.sport == nil)
        assert(p.ct.orig.src == ip 'fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe')
      end";
    run(text, &mut [udp6().with_conntrack(wide, 1)]).unwrap();
    // A view of an earlier packet's connection is as old as the packet.
    let text = "local kept function process_packet(p)
        if kept then return kept.mark end kept = p.ct end";
    let mut packets = [0, 1].map(|_| udp(1).with_conntrack(known, 1));
    let said = run(text, &mut packets).unwrap_err();
    assert!(said.contains("this packet is gone"), "{said}");
}

/// Where a routing header names stages to come, the pseudo header has the last one's address: the
/// destination that is rewritten is a stage, and no checksum knows it.
#[test]
fn the_destination_on_a_routed_way_is_no_part_of_the_checksum() {
    let six = udp6().bytes();
    let text = "function process_packet(p)
        p.ip.daddr = ip '2001:db8:5::99'
        p.ip.saddr = p.ip.saddr
        return DROP, tostring(p.dst)
      end";
    for (left, wrong) in [(1, false), (0, true)] {
        let mut body = vec![0, left, 0, 0, 0, 0];
        body.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        let routed = frame::with_extension(&six, 43, &body);
        let mut packet = packetscript_engine::host::user::UserPacket::new(&routed);
        run(text, std::slice::from_mut(&mut packet)).unwrap();
        let checks = |bytes: &[u8]| bytes[bytes.len() - 3..bytes.len() - 1].to_vec();
        assert_eq!(
            checks(&packet.bytes()) != checks(&routed),
            wrong,
            "{left} segments left"
        );
        if left == 0 {
            assert_eq!(frame::faults(&packet.bytes(), false), Vec::<String>::new());
        }
    }
}
