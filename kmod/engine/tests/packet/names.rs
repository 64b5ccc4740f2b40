// SPDX-License-Identifier: GPL-2.0-only
//! Names of DNS as strings, which are made beside the packet and shown from there; sets of domains.

use packetscript_engine::host::frame;
use packetscript_engine::host::user::UserPacket;

use crate::script::Script;

/// A query for a name, and with something behind it.
fn query(name: &str) -> UserPacket {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend(b"\0\0\x01\0\x01");
    let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    UserPacket::new(&frame::udp(a, b, 4000, 53, &message))
}

fn passes(text: &str, names: &[&str]) {
    let mut script = Script::load("test.lua", text, &[]).unwrap_or_else(|e| panic!("{text}\n{e}"));
    for name in names {
        if let Err(message) = script.run(&mut query(name)) {
            panic!("{name}: {message}\n{text}");
        }
    }
}

const TWO: [&str; 2] = ["www.Static.EXAMPLE.com", "mail.example.org"];

#[test]
fn a_name_is_a_string_like_any_other() {
    passes(
        "local n = 0
         function process_packet(p)
           n = n + 1
           local name = p.dns.qname
           local copy = ({ 'www.static.example.com', 'mail.example.org' })[n]
           assert(name == copy and copy == name and #name == #copy and type(name) == 'string')
           assert(name == p.dns.qname and rawequal(name, p.dns.qname) and name .. '' == copy)
           for i = 0, #copy + 1 do
             for j = i - 1, #copy + 1 do
               assert(name:sub(i, j) == copy:sub(i, j) and name:sub(i):sub(1, j) == copy:sub(i):sub(1, j))
             end
           end
           assert(name:upper() == copy:upper() and name:find('example', 1, true) == copy:find('example', 1, true))
           assert(({ [copy] = 7 })[name] == 7 and ({ [name] = 8 })[copy] == 8 and name < copy .. 'x')
           local parts = {}
           for part in name:gmatch('[^.]+') do parts[#parts + 1] = part end
           assert(table.concat(parts, '.') == copy)
           assert(('%s'):format(name) == copy and tostring(name) == copy and not tonumber(name))
           local d = proto.define { fields = { { 'head', 'bytes:4' }, { 'byte', 'u8' } } }
           assert(d(name).head == copy:sub(1, 4) and d(name).byte == copy:byte(5))
         end",
        &TWO,
    );
}

#[test]
fn a_name_that_is_kept_stays_what_it_was() {
    passes(
        "local kept, part, inside, n = {}, {}, nil, 0
         local function keeps() local name = kept[1] return function() return name end end
         function process_packet(p)
           n = n + 1
           if n == 1 then
             local name = p.dns.qname
             kept[1], part[1], part[name] = name, name:sub(5), true
             inside = keeps()
             co = coroutine.wrap(function(x) while true do x = coroutine.yield(x) end end)
             co(name)
           else
             assert(p.dns.qname == 'mail.example.org')
             assert(kept[1] == 'www.static.example.com' and part[1] == 'static.example.com')
             assert(part['www.static.example.com'] and inside() == kept[1] and not part[p.dns.qname])
           end
         end",
        &TWO,
    );
}

#[test]
fn a_write_leaves_names_as_they_were_and_is_seen_by_the_next() {
    passes(
        "function process_packet(p)
           local name = p.dns.qname
           local part = name:sub(1, 3)
           p.mark = 5
           assert(p.dns.qname == name and part == name:sub(1, 3))
           p.ip.ttl = 9
           assert(p.dns.qname == name and p.ip.ttl == 9)
           local new = p.payload:gsub('%a%a%a%z', 'net\\0')
           local before = name .. ''
           p.payload = new
           assert(name == before and part == before:sub(1, 3), name)
           assert(p.dns.qname == before:gsub('%a+$', 'net'), p.dns.qname)
           p.payload = p.payload:gsub('example', 'mine')
           assert(p.dns == nil or p.dns.qname ~= name)
           assert(name == before)
         end",
        &TWO,
    );
}

/// Strings that show the name lie where no packet reaches: its bytes are not to be had from there.
#[test]
fn nothing_is_read_behind_a_packet() {
    passes(
        "function process_packet(p)
           local name = p.dns.qname
           for _, at in ipairs { 0xffff0000, 0xffff0005, 0xffffffff, 0xffff0000 - 28 } do
             assert(p:bytes(at, 3) == nil and p:u8(at) == nil and p:u32(at) == nil)
           end
           assert(#name > 3)
         end",
        &TWO,
    );
}

#[test]
fn a_domain_set_finds_what_walking_over_the_labels_finds() {
    let text = "
        local state = 7
        local function random(n) state = (state * 48271) % 2147483647 return state % n + 1 end
        local labels = { 'a', 'www', 'example', 'x-y', ('l'):rep(63), 'net', 'com', 'static', 'eight888', '' }
        local function name(n)
          local t = {}
          for i = 1, n do t[i] = labels[random(#labels)] end
          return table.concat(t, '.')
        end
        local list, has = {}, {}
        for i = 1, 40 do
          local domain = name(random(3))
          if domain:gsub('%.$', '') ~= '' and #domain < 200 then
            list[#list + 1] = domain
            has[(domain:gsub('%.$', ''))] = true
          end
        end
        local set = domainset(list)
        local function naive(q)
          q = q:lower():gsub('%.$', '')
          if #q > 255 then return false end
          while q ~= '' do
            if has[q] then return true end
            local rest = q:match('^[^.]*%.(.*)$')
            if not rest then break end
            q = rest
          end
          return false
        end
        local yes, no = 0, 0
        for i = 1, 3000 do
          local q = name(random(6))
          if i % 5 == 0 then q = q:upper() end
          if i % 7 == 0 then q = name(3) .. '.' .. list[random(#list)] end
          local found = set:has(q)
          assert(found == naive(q), q)
          if found then yes = yes + 1 else no = no + 1 end
        end
        assert(yes > 500 and no > 500, yes .. ' ' .. no)
        assert(set:has(nil) == false and set:has('') == false and set:has('.') == false)
        local numbers = domainset { '7', 'example.8' }
        assert(numbers:has(7) and not numbers:has(8) and not pcall(numbers.has, numbers, {}))
        local few = domainset { 'static.example.com', 'example.org' }
        function process_packet(p)
          assert(few:has(p.dns.qname) and few:has(p.dns.qname:sub(5)))
          assert(set:has(p.dns.qname) == naive(p.dns.qname .. ''))
          assert(not few:has(p.dns.qname:sub(-3)))
        end";
    passes(text, &["www.Static.EXAMPLE.com", "www.example.org"]);
}

/// What the windows of a packet tell of its payload and its message is what is found when everything else
/// about it was asked for before, in broken packets and in pieces too.
#[test]
fn windows_tell_what_the_places_of_headers_do() {
    let script = |first: &str| {
        let text = format!(
            "function process_packet(p)
               {first}
               local dns, payload = p.dns, p.payload
               local name = dns and dns.qname
               print(dns ~= nil, name, payload and #payload, payload and payload:byte(1, -1))
               print(p.ip ~= nil, p.udp ~= nil, p.udp and p.udp.length, p.payload == payload)
             end"
        );
        Script::load("test.lua", &text, &[]).unwrap_or_else(|e| panic!("{text}\n{e}"))
    };
    let mut scripts = ["", "local proto = p.proto", "local udp, tcp = p.udp, p.tcp"].map(script);
    let mut state = 1_u64;
    let mut random = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % n
    };
    let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x03www\x07Example\x03com\0\0\x01\0\x01");
    for round in 0..3000 {
        let port = [53, 53, 53, 5353, 5355, 4000][random(6)];
        let mut frame = frame::udp(a, b, 4000, port, &message);
        for _ in 0..random(3) {
            // Headers, and the name.
            let at = random(60).min(frame.len() - 1);
            frame[at] = [0, 1, 4, 0x20, 0x40, 0x45, 0xff, 17, random(256) as u8][random(9)];
        }
        match random(8) {
            0 | 1 => frame.truncate(20 + random(frame.len() - 19)),
            2 => frame.extend([0; 9]),
            _ => {}
        }
        let linear = [usize::MAX, usize::MAX, 20, 28, 40, 50][random(6)];
        let found = scripts.each_mut().map(|script| {
            let mut packet = match linear {
                usize::MAX => UserPacket::new(&frame),
                linear => UserPacket::new(&frame).with_linear(linear),
            };
            let answer = script.run(&mut packet);
            assert!(answer.is_ok(), "{answer:?}");
            core::mem::take(&mut *script.printed.borrow_mut())
        });
        for other in &found[1..] {
            assert_eq!(
                other, &found[0],
                "round {round}, {linear} linear: {frame:x?}"
            );
        }
    }
}
