// SPDX-License-Identifier: GPL-2.0-only
//! A script that reads and writes everything, over packets of every kind that are then damaged.

use std::fmt::Write;
use std::net::IpAddr;

use packetscript_engine::host::frame::{self, Tcp, flag};
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::packet::fields::{FIELDS, Field, Kind, What};

use crate::script::Script;

fn is_plain(field: &Field) -> bool {
    !matches!(field.what, What::View(_) | What::Method(_))
}

/// How a script comes by a view, if the packet has it.
fn view(kind: Kind) -> String {
    match kind {
        Kind::Root => "p".into(),
        Kind::Tuple => "(p.ct and p.ct.orig)".into(),
        kind => format!("p.{}", kind.name()),
    }
}

/// Reads every field of every view, and counts those that are there.
fn reader() -> String {
    let mut text = String::from("function process_packet(p)\n local n, v = 0\n");
    for field in FIELDS
        .iter()
        .filter(|field| is_plain(field))
        .filter(|field| field.kind == Kind::Root)
    {
        writeln!(text, " if p.{} ~= nil then n = n + 1 end", field.name).unwrap();
    }
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Root) {
        writeln!(text, " v = {}\n if v then", view(*kind)).unwrap();
        for field in FIELDS
            .iter()
            .filter(|field| is_plain(field))
            .filter(|field| field.kind == *kind)
        {
            writeln!(text, "  if v.{} ~= nil then n = n + 1 end", field.name).unwrap();
        }
        text.push_str(" end\n");
    }
    text.push_str(" for i = 0, p.len + 3 do p:u8(i) p:u32(i) p:bytes(i, 9) end\n");
    text.push_str(" return CONTINUE, n > 0 and 'read' or nil\nend");
    text
}

/// Writes every field that may be written with its own value and others; what a packet does not have
/// is refused.
fn writer() -> String {
    let mut text = String::from(
        "local function set(t, k)
           local old = t[k]
           if old == nil then return end
           if type(old) == 'boolean' then t[k] = not old assert(t[k] == not old)
           elseif type(old) == 'number' then
             for _, n in ipairs { 0, 1, 2, 255, 65535, old } do
               if pcall(function() t[k] = n end) then assert(t[k] == n) end
             end
           else t[k] = old assert(t[k] == old) end
         end
         function process_packet(p)\n",
    );
    for field in FIELDS
        .iter()
        .filter(|field| field.writable && field.name != "payload")
    {
        let view = view(field.kind);
        writeln!(
            text,
            " if {view} then pcall(set, {view}, '{}') end",
            field.name
        )
        .unwrap();
    }
    text.push_str(
        " local old = p.payload
          for _, n in ipairs { 0, 1, 33, 200 } do
            local s = ('z'):rep(n)
            if pcall(function() p.payload = s end) then assert(p.payload == s) end
          end
          if old then pcall(function() p.payload = old end) end
        end",
    );
    text
}

fn samples() -> Vec<Vec<u8>> {
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    let mut all = vec![];
    let mut dns = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
    dns.extend(b"\x03www\x07Example\x03com\x00\x00\x01\x00\x01");
    dns.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10");
    dns.extend(b"\xc0\x10\x00\x01\x00\x01\x00\x00\x01\x00\x00\x04\x0a\x00\x00\x09");
    let options = vec![
        2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7,
    ];
    let syn = Tcp {
        flags: flag::SYN,
        options,
        ..Tcp::default()
    };
    let mut hello = b"\x16\x03\x01\x00\x48\x01\x00\x00\x44\x03\x03".to_vec();
    hello.extend([7; 32]);
    hello.extend(
        b"\x00\x00\x02\x13\x01\x01\x00\x00\x18\x00\x00\x00\x0e\x00\x0c\x00\x00\x09a.example",
    );
    hello.extend(b"\x00\x2b\x00\x03\x02\x03\x04");
    for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
        let (a, b) = (ip(a), ip(b));
        all.push(frame::udp(a, b, 4000, 53, &dns));
        all.push(frame::udp(a, b, 4000, 69, b"\0\x01file\0octet\0"));
        all.push(frame::tcp(a, b, (4000, 443), &syn, &hello));
        all.push(frame::tcp(
            a,
            b,
            (4000, 80),
            &Tcp::default(),
            b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        ));
        all.push(frame::echo(a, b, false, 1, 2, b"ping"));
    }
    all.push(frame::with_extension(
        &frame::with_extension(&all[5], 0, &[0; 6]),
        60,
        &[0; 14],
    ));
    all.push(frame::with_options(&all[0], &[7, 3, 4]));
    all.extend(frame::fragments(&all[0].clone(), 32));
    all.extend(frame::fragments(&all[5].clone(), 32));
    all.push(frame::arp(
        2,
        [2; 6],
        [10, 0, 0, 1].into(),
        [4; 6],
        [10, 0, 0, 2].into(),
    ));
    all
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn whole_packets_are_read_and_written_without_a_fault() {
    let mut reader = Script::load("read.lua", &reader(), &[]).unwrap();
    let mut writer = Script::load("write.lua", &writer(), &[]).unwrap();
    let mut random = Random(1);
    for bytes in samples() {
        for round in 0..6 {
            let linear = if round == 0 {
                bytes.len()
            } else {
                random.below(bytes.len() + 1)
            };
            let mut packet = UserPacket::new(&bytes).with_linear(linear);
            let read = reader.run(&mut packet).unwrap();
            assert_eq!(read.2.as_deref(), Some("read"));
            assert_eq!(packet.bytes(), bytes, "reading changes nothing");
            if let Err(message) = writer.run(&mut packet) {
                panic!("{message}\n{bytes:02x?}");
            }
            let is_ip = matches!(bytes[0] >> 4, 4 | 6);
            let four = u16::from_be_bytes([bytes[6], bytes[7]]) & 0x3fff;
            let fragment = if bytes[0] >> 4 == 4 {
                four != 0
            } else {
                bytes[6] == 44
            };
            if is_ip && !fragment {
                let faults = frame::faults(&packet.bytes(), false);
                assert_eq!(faults, Vec::<String>::new(), "{bytes:02x?}");
            }
        }
    }
}

#[test]
fn damaged_packets_are_read_and_written_without_harm() {
    let mut reader = Script::load("read.lua", &reader(), &[]).unwrap();
    let mut writer = Script::load("write.lua", &writer(), &[]).unwrap();
    let mut random = Random(2);
    let samples = samples();
    for _ in 0..4000 {
        let mut bytes = samples[random.below(samples.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        if random.below(3) == 0 {
            bytes.truncate(random.below(bytes.len()) + 1);
        }
        let linear = random.below(bytes.len() + 1);
        let mut packet = UserPacket::new(&bytes).with_linear(linear);
        if random.below(4) == 0 {
            packet = packet.in_bridge();
        }
        if random.below(8) == 0 {
            packet = packet.with_writes(random.below(30) as u32);
        }
        reader
            .run(&mut packet)
            .unwrap_or_else(|e| panic!("{e}\n{bytes:02x?}"));
        assert_eq!(packet.bytes(), bytes, "reading changes nothing");
        writer
            .run(&mut packet)
            .unwrap_or_else(|e| panic!("{e}\n{bytes:02x?} {linear}"));
    }
}
