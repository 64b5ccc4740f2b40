// SPDX-License-Identifier: GPL-2.0-only
//! What outlives an environment: maps and sets with a name, and ClientHellos in several segments.

use std::net::IpAddr;

use packetscript_engine::host::frame::{self, Tcp};
use packetscript_engine::host::stores::stores;
use packetscript_engine::host::user::{UserPacket, set_clock};

use crate::script::{Script, run, udp, udp6};

fn load(text: &str) -> Result<Script, String> {
    Script::load("test.lua", text, &[])
}

#[test]
fn a_named_map_is_shared_and_outlives_a_reload() {
    set_clock(Some(1000));
    let count = "local m = map { name = 'seen', max = 100, ttl = 5000 }
        function process_packet(p) return ACCEPT, tostring(m:incr(p.src)) end";
    let mut first = load(count).unwrap();
    let said = |script: &mut Script| script.run(&mut udp(1)).unwrap().2.unwrap();
    assert_eq!(said(&mut first), "1");
    let mut second = load(&format!("{count}\n-- edited")).unwrap();
    assert_eq!(said(&mut second), "2");
    drop(first);
    assert_eq!(said(&mut second), "3");
    set_clock(Some(5999));
    assert_eq!(said(&mut second), "4");
    // Its time began when it was made.
    set_clock(Some(6000));
    assert_eq!(said(&mut second), "1");
    drop(second);
    assert_eq!(stores(), 0, "the last one's end is the map's");
    assert_eq!(said(&mut load(count).unwrap()), "1");
    set_clock(None);
}

#[test]
fn a_named_map_keeps_what_a_map_keeps() {
    set_clock(Some(1000));
    let text = "local m = map { name = 'all' }
        local values = { true, false, 0, -1, math.maxinteger, math.mininteger, 2.5, -0.0, 1/0, 2.0, '', 'x',
          ('y'):rep(255), ip '10.0.0.1', ip '2001:db8::1' }
        function process_packet(p)
          for i, v in ipairs(values) do m:set(i, v) assert(m:get(i) == v and math.type(m:get(i)) == math.type(v)) end
          for i, v in ipairs(values) do
            m:set(v, i)
            assert(m:get(v) == i, tostring(v))
          end
          m:set('s', p.payload) assert(m:get('s') == p.payload and #m:get('s') == 100)
          m:set(p.payload, 1) assert(m:get(('\\1'):rep(100)) == 1)
          m:set(7.0, 'seven') assert(m:get(7) == 'seven')
          m:set('7', 'text') assert(m:get(7) == 'seven' and m:get('7') == 'text')
          m:set('gone', 1) m:set('gone', nil) assert(m:get 'gone' == nil)
          m:set('gone', 1) m:delete 'gone' assert(m:get 'gone' == nil)
          assert(m:incr('n', 5) == 5 and m:incr('n', -7) == -2 and m:incr('i', 1, 10) == 11)
          m:set('short', 1, 10) m:set('long', 1, 0)
          assert(not pcall(m.incr, m, 's') and not pcall(m.set, m, {}, 1) and not pcall(m.set, m, 1, p))
          assert(not pcall(m.set, m, 1, ('x'):rep(256)) and not pcall(m.get, m, nil))
        end";
    let mut script = load(text).unwrap();
    script.run(&mut udp(1)).unwrap();
    set_clock(None);
}

#[test]
fn a_name_has_one_specification() {
    let _holder = load("map { name = 'm', max = 10 } function process_packet() end").unwrap();
    for (text, message) in [
        (
            "map { name = 'm', max = 20 }",
            "map 'm' is there with max = 10 and ttl = 0, and this says max = 20 and ttl = 0: a name has one",
        ),
        (
            "map { name = 'm', max = 10, ttl = 1 }",
            "a name has one specification",
        ),
        (
            "ipset { name = 'm' }",
            "'m' is the name of another script's map, not of an ipset",
        ),
        (
            "for i = 1, 18 do map { name = 'm' .. i, max = 1 } end",
            "map 'm18': the script declares too many names",
        ),
        ("map { name = '' }", "a name has 1 to 31 letters"),
        ("map { name = 'a b' }", "a name has 1 to 31 letters"),
        ("map { name = ('x'):rep(32) }", "a name has 1 to 31 letters"),
        ("map { name = true }", "a name has 1 to 31 letters"),
        (
            "map { name = 'x', max = -1 }",
            "map: max is a whole number from 0 to 1000000",
        ),
        (
            "domainset { name = 'x', ttl = 'soon' }",
            "domainset: ttl is a whole number",
        ),
    ] {
        let said = load(&format!("{text}\nfunction process_packet() end"))
            .err()
            .unwrap();
        assert!(said.contains(message), "{text}: {said}");
    }
    // The same specification is the same map.
    let text =
        "map { name = 'm', max = 10 }:set(1, 2) assert(map { name = 'm', max = 10 }:get(1) == 2)
        function process_packet() end";
    load(text).unwrap().run(&mut udp(1)).unwrap();
    // Neither a packet nor a timer declares one.
    let declare = "map { name = 'late' }";
    let mut script = load(&format!(
        "function process_packet() {declare} end after(0, function() {declare} end)"
    ))
    .unwrap();
    let said = script.run(&mut udp(1)).unwrap_err();
    assert!(
        said.contains("is declared when its script is loaded"),
        "{said}"
    );
    let said = script.run_timer().unwrap().unwrap_err();
    assert!(
        said.contains("is declared when its script is loaded"),
        "{said}"
    );
}

#[test]
fn a_named_map_is_bounded_and_forgets_the_longest_unwritten() {
    let text = "local m = map { name = 'few', max = 8 }
        function process_packet()
          m:set('kept', 0)
          for i = 1, 1000 do m:set(i, i) m:incr 'kept' end
          assert(m:get 'kept' == 1000)
          local n = 0
          for i = 1, 1000 do if m:get(i) then n = n + 1 end end
          assert(n == 7 and m:get(1000) == 1000 and m:get(994) == 994, n)
          for i = 1, 8 do m:set(('k'):rep(200) .. i, ('v'):rep(255)) end
          assert(#m:get(('k'):rep(200) .. 8) == 255)
        end";
    load(text).unwrap().run(&mut udp(1)).unwrap();
}

#[test]
fn named_sets_are_asked_as_others_are() {
    let text = "local nets = ipset { name = 'nets', max = 1000, '10.0.0.0/8', ['10.0.0.1'] = 'one', '::/0' }
        local names = domainset { name = 'names', 'example.com', ['Ads.Example.com'] = 7 }
        function process_packet(p)
          if p.family == 'ipv6' then return ACCEPT, tostring(nets:has(p.src)) end
          assert(nets:get(p.src) == 'one' and nets:get(p.dst) == true and nets:get '11.0.0.0' == nil)
          nets:add('10.0.0.1', nil) assert(nets:get(p.src) == true)
          nets:add('0.0.0.0/0', p.dst) assert(nets:get(ip '11.0.0.0') == p.dst)
          assert(names:has 'www.EXAMPLE.com.' and names:get 'x.ads.example.com' == 7 and not names:has 'example.org')
          assert(not names:has 'badexample.com' and not names:has(nil) and not names:has '' and not names:has '.')
          names:add 'org' assert(names:has 'example.org') names:add('org', nil) assert(not names:has 'example.org')
          assert(not pcall(nets.add, nets, 'x') and not pcall(names.add, names, '') and not pcall(names.add, names, 'x', {}))
          return ACCEPT
        end";
    let mut script = load(text).unwrap();
    script.run(&mut udp(1)).unwrap();
    assert_eq!(script.run(&mut udp6()).unwrap().2.unwrap(), "true");
    // Another script finds what this one put there.
    let other = "local nets = ipset { name = 'nets', max = 1000 } local names = domainset { name = 'names' }
        function process_packet(p) assert(nets:get(p.src) == true and nets:has '11.0.0.0' and names:has 'example.com') end";
    load(other).unwrap().run(&mut udp(1)).unwrap();
    // One of the two methods' sets is not the other.
    let said = run(
        "function process_packet() ipset.has(map {}, 1) end",
        &mut [udp(1)],
    );
    assert!(said.is_err());
}

// --- TLS -------------------------------------------------------------------------------------------

/// A ClientHello with this name, and so many bytes of padding before and after it.
fn hello(name: &str, before: usize, after: usize) -> Vec<u8> {
    let extension = |kind: u16, body: &[u8]| {
        [
            &kind.to_be_bytes()[..],
            &(body.len() as u16).to_be_bytes(),
            body,
        ]
        .concat()
    };
    let len = name.len() as u16;
    let sni = [
        &(len + 3).to_be_bytes()[..],
        &[0],
        &len.to_be_bytes(),
        name.as_bytes(),
    ]
    .concat();
    let extensions = [
        extension(21, &vec![0; before]),
        extension(0, &sni),
        extension(16, b"\x00\x03\x02h2"),
        extension(43, b"\x02\x03\x04"),
        extension(21, &vec![0; after]),
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![0x16, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

fn segment(port: u16, seq: u32, payload: &[u8]) -> UserPacket {
    let tcp = Tcp {
        seq,
        ..Tcp::default()
    };
    let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    UserPacket::new(&frame::tcp(a, b, (port, 443), &tcp, payload))
}

/// Tells what it sees of TLS: "-" for nothing.
const WATCH: &str = "function process_packet(p)
    local t = p.tls
    if not t then return ACCEPT, '-' end
    assert(p.tls.sni == t.sni and type(t) == 'packet' and tostring(t) == 'packet.tls')
    return ACCEPT, tostring(t.sni) .. ' ' .. (t.alpn and t.alpn[1] or '?')
  end";

fn see(script: &mut Script, packet: UserPacket) -> String {
    let mut pieces = packet.with_linear(60);
    script.run(&mut pieces).unwrap().2.unwrap()
}

#[test]
fn a_hello_is_seen_in_any_number_of_segments() {
    let whole = hello("split.example", 600, 900);
    for sizes in [
        &[1, 4][..],
        &[5],
        &[6],
        &[1400],
        &[300, 300, 300],
        &[660, 5],
        &[1; 40],
    ] {
        let mut script = load(WATCH).unwrap();
        let (mut at, mut seen) = (0, vec![]);
        for size in sizes.iter().copied().chain([usize::MAX]) {
            let end = whole.len().min(at + size.min(whole.len()));
            let seq = 0xffff_fff0_u32.wrapping_add(at as u32);
            seen.push(see(&mut script, segment(4000, seq, &whole[at..end])));
            at = end;
        }
        assert_eq!(
            seen.last().unwrap(),
            "split.example h2",
            "{sizes:?}: {seen:?}"
        );
        // What comes after it is no hello, whatever it looks like.
        let seq = 0xffff_fff0_u32.wrapping_add(whole.len() as u32);
        assert_eq!(
            see(&mut script, segment(4000, seq, b"\x17\x03\x03 data")),
            "-"
        );
    }
}

/// The records of a ClientHello: its message cut into these sizes and the rest.
fn in_records(whole: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut message = &whole[5..];
    let mut records = Vec::new();
    for size in sizes.iter().copied().chain([usize::MAX]) {
        let (now, later) = message.split_at(size.min(message.len()));
        if !now.is_empty() {
            records.extend([0x16, 3, 1]);
            records.extend((now.len() as u16).to_be_bytes());
            records.extend(now);
        }
        message = later;
    }
    records
}

/// Who cuts the name in two by a record's head, as programs do that mean to be let through, is seen.
#[test]
fn a_hello_is_seen_in_any_number_of_records() {
    let whole = hello("split.example", 600, 900);
    let name = whole.windows(5).position(|five| five == b"split").unwrap() - 5;
    for records in [
        &[1][..],
        &[2, 3],
        &[4],
        &[name + 3],
        &[name, 1, 1, 1, 1, 1, 1],
        &[30; 63],
    ] {
        let bytes = in_records(&whole, records);
        for segments in [&[][..], &[1], &[5, 1], &[7], &[600, 10], &[300; 4]] {
            let mut script = load(WATCH).unwrap();
            let (mut at, mut seen) = (0, vec![]);
            for size in segments.iter().copied().chain([usize::MAX]) {
                let end = bytes.len().min(at + size.min(bytes.len()));
                seen.push(see(&mut script, segment(4000, at as u32, &bytes[at..end])));
                at = end;
            }
            let last = seen.last().unwrap();
            assert_eq!(
                last, "split.example h2",
                "{records:?} {segments:?}: {seen:?}"
            );
            let behind = segment(4000, bytes.len() as u32, b"\x16\x03\x03\0\x01\x01");
            let behind = see(&mut script, behind);
            assert!(
                !behind.contains("split"),
                "{records:?} {segments:?}: {behind}"
            );
        }
    }
    // More records than anybody makes, and one that is none behind the first.
    let mut script = load(WATCH).unwrap();
    let many = in_records(&whole, &[1; 80]);
    assert_eq!(see(&mut script, segment(1, 0, &many)), "nil ?");
    let mut odd = in_records(&whole, &[700]);
    odd[705] = 0x17;
    assert_eq!(see(&mut script, segment(2, 0, &odd)), "split.example h2");
    let mut odd = in_records(&whole, &[100]);
    odd[105] = 0x17;
    assert_eq!(see(&mut script, segment(3, 0, &odd)), "nil ?");
    assert_eq!(see(&mut script, segment(3, odd.len() as u32, b"more")), "-");
}

/// A segment or record whose bytes look like a ClientHello of their own would show a name that the server
/// never sees.
#[test]
fn what_looks_like_a_hello_inside_of_one_is_none() {
    let fake = hello("fake.example", 0, 0);
    for (inner, from_record) in [(&fake[..], false), (&fake[5..], true)] {
        // In the padding ahead of the name.
        let mut whole = hello("split.example", 600, 900);
        let at = 200;
        whole[at..at + inner.len()].copy_from_slice(inner);
        let (bytes, cut) = if from_record {
            (in_records(&whole, &[at - 5, inner.len()]), at)
        } else {
            (whole, at)
        };
        for linear in [usize::MAX, 60] {
            let mut script = load(WATCH).unwrap();
            let mut see = |seq: usize, bytes: &[u8]| {
                let mut packet = segment(7, seq as u32, bytes).with_linear(linear);
                script.run(&mut packet).unwrap().2.unwrap()
            };
            assert_eq!(see(0, &bytes[..cut]), "nil ?");
            let end = cut + inner.len() + 5 * usize::from(from_record);
            assert_eq!(
                see(cut, &bytes[cut..end]),
                "nil ?",
                "{from_record} {linear}"
            );
            assert_eq!(see(end, &bytes[end..]), "split.example h2");
            // Another one that begins where it ends is one.
            assert_eq!(see(bytes.len(), &fake), "fake.example h2");
        }
    }
}

/// A copy of a long message was taken for one that goes on in the next segment.
#[test]
fn a_long_segment_is_the_same_in_pieces_of_memory_and_in_one() {
    let whole = hello("split.example", 2000, 2100);
    assert!(whole.len() > 4096);
    for segments in [&whole[..], &whole[..4100], &whole[..4096], &whole[..2100]] {
        let seen: Vec<_> = [usize::MAX, 60]
            .into_iter()
            .map(|linear| {
                let mut script = load(WATCH).unwrap();
                [
                    (0, segments),
                    (segments.len() as u32 / 2, &whole[segments.len() / 2..]),
                ]
                .map(|(seq, bytes)| segment(1, seq, bytes).with_linear(linear))
                .map(|mut packet| script.run(&mut packet).unwrap().2.unwrap())
            })
            .collect();
        assert_eq!(seen[0], seen[1], "{}", segments.len());
    }
}

#[test]
fn segments_that_come_twice_late_or_never() {
    set_clock(Some(1000));
    let whole = hello("split.example", 600, 900);
    let (first, rest) = whole.split_at(500);
    let (second, third) = rest.split_at(500);
    let mut script = load(WATCH).unwrap();
    let mut feed = |port, seq, payload: &[u8]| see(&mut script, segment(port, seq, payload));
    assert_eq!(feed(1, 100, first), "nil ?");
    assert_eq!(feed(1, 100, first), "nil ?");
    assert_eq!(feed(1, 600, second), "split.example h2");
    assert_eq!(feed(1, 100, first), "nil ?");
    assert_eq!(feed(1, 600, second), "split.example h2");
    // The second one cut differently the second time.
    assert_eq!(feed(1, 550, &whole[450..1100]), "split.example h2");
    assert_eq!(feed(1, 1200, &whole[1100..]), "split.example h2");
    // A gap: the flow waits for what is missing.
    assert_eq!(feed(2, 100, first), "nil ?");
    assert_eq!(feed(2, 1100, third), "-");
    assert_eq!(feed(2, 600, second), "split.example h2");
    // Another flow's segment, and one of no flow.
    assert_eq!(feed(3, 600, second), "-");
    // Too late.
    assert_eq!(feed(4, 100, first), "nil ?");
    set_clock(Some(11_000));
    assert_eq!(feed(4, 600, second), "-");
    // A new connection of the same ports.
    assert_eq!(feed(4, 7000, first), "nil ?");
    assert_eq!(feed(4, 600, second), "-");
    assert_eq!(feed(4, 7500, second), "split.example h2");
    // What began like one and is none.
    assert_eq!(feed(5, 100, &[0x16, 3, 1]), "-");
    assert_eq!(feed(5, 103, &[0, 9, 2, 1, 1]), "-");
    assert_eq!(feed(5, 108, &[1; 10]), "-");
    set_clock(None);
}

#[test]
fn hellos_that_wait_are_bounded() {
    set_clock(Some(1000));
    let whole = hello("split.example", 600, 900);
    let mut script = load(WATCH).unwrap();
    for port in 0..400 {
        see(&mut script, segment(1000 + port, 100, &whole[..500]));
    }
    let done =
        |script: &mut Script, port: u16| see(script, segment(1000 + port, 600, &whole[500..1000]));
    let kept = (0..400)
        .filter(|port| done(&mut script, *port) != "-")
        .count();
    assert_eq!(kept, 256);
    // One that claims to be long is kept up to 4 KiB, so what comes behind is not seen.
    let long = hello("far.example", 5000, 10);
    for (i, piece) in long.chunks(1000).enumerate() {
        let seen = see(&mut script, segment(1, i as u32 * 1000, piece));
        assert!(["nil ?", "-"].contains(&seen.as_str()), "{seen}");
    }
    // Two scripts look at the same segments.
    let mut other = load(WATCH).unwrap();
    see(&mut script, segment(9, 0, &whole[..500]));
    see(&mut other, segment(9, 0, &whole[..500]));
    assert_eq!(
        see(&mut script, segment(9, 500, &whole[500..])),
        "split.example h2"
    );
    assert_eq!(
        see(&mut other, segment(9, 500, &whole[500..])),
        "split.example h2"
    );
    // A script that never asks has no store.
    drop((script, other));
    assert_eq!(stores(), 0);
    let _none = load("function process_packet(p) return p.tcp and ACCEPT end").unwrap();
    assert_eq!(stores(), 0);
    set_clock(None);
}
