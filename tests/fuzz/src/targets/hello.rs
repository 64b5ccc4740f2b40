// SPDX-License-Identifier: GPL-2.0-only
//! ClientHellos over several segments: whatever order they come in, a name that is seen is the right
//! one; and one whose segments come one after another is seen.

use packetscript_engine::host::Status;
use packetscript_engine::host::frame::{self, Tcp};
use packetscript_engine::host::user::{UserPacket, set_clock};

use crate::input::Input;
use crate::machine::{AMPLE, Machine};

/// The name, which its letters make unlike anything else in the message.
const NAME: &[u8] = b"split.example";
/// Segments, at most.
const SEGMENTS: usize = 12;

/// Prints what it sees.
const WATCH: &str = "function process_packet(p)
    local t = p.tls
    if not t then print '-' return end
    print(t.sni, t.version, t.alpn and #t.alpn)
  end";

struct Segment {
    port: u16,
    offset: usize,
    bytes: Vec<u8>,
    wait: u64,
}

/// How long the message is, the sequence number that it begins at, how much is linear, how long its
/// records are, then segments: a flow, a place, a length, and how long it takes to come.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let message = hello(usize::from(input.u8()) * 8, usize::from(input.u8()) * 8);
    let first = input.u32();
    let linear = usize::from(input.u8());
    let strange = input.u8();
    let (message, records) = in_records(&message, usize::from(input.u8()));
    let mut segments = Vec::new();
    let mut at = 0;
    // Whether everything came in order so far, so that the last segment shows the name.
    let mut in_order = true;
    while !input.is_empty() && segments.len() < SEGMENTS {
        let how = input.u8();
        let offset = if how & 1 == 0 {
            at
        } else {
            usize::from(input.u16()) % (message.len() + 64)
        };
        let wanted = usize::from(input.u16()) % (message.len() + 1);
        let start = offset.min(message.len());
        let mut bytes = message[start..message.len().min(start + wanted)].to_vec();
        in_order &= how & 6 == 0 && offset == at;
        if how & 2 != 0
            && strange != 0
            && let Some(byte) = bytes.get_mut(usize::from(strange) % wanted.max(1))
        {
            *byte ^= strange;
        }
        at = start + bytes.len();
        let wait = if how & 8 == 0 {
            0
        } else {
            u64::from(input.u8()) * 100
        };
        in_order &= wait == 0 && !bytes.is_empty();
        segments.push(Segment {
            port: 4000 + u16::from(how >> 2 & 1),
            offset,
            bytes,
            wait,
        });
    }
    let all = watched(&segments, first, usize::MAX);
    let some = watched(&segments, first, linear);
    assert_eq!(some, all, "{linear} bytes linear");
    let seen = |line: &String| line.as_bytes().starts_with(NAME);
    if strange == 0 {
        for line in &all {
            assert!(
                seen(line) || line.starts_with('-') || line.starts_with("nil"),
                "{all:?}"
            );
        }
    }
    let bounded = message.len() <= 4096 && records <= 64;
    if in_order && at == message.len() && bounded {
        assert!(all.last().is_some_and(seen), "{} of {all:?}", message.len());
    }
}

/// The same message in records of so many bytes each, 0 for one of all; and how many they are.
fn in_records(hello: &[u8], size: usize) -> (Vec<u8>, usize) {
    if size == 0 {
        return (hello.to_vec(), 1);
    }
    let records = hello[5..].chunks(size);
    let count = records.len();
    let record = |part: &[u8]| [&[22, 3, 1], &(part.len() as u16).to_be_bytes()[..], part].concat();
    (records.flat_map(record).collect(), count)
}

/// What a script sees of the segments, one by one.
fn watched(segments: &[Segment], first: u32, linear: usize) -> Vec<String> {
    let [a, b] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(std::net::IpAddr::from);
    let mut machine = Machine::load(WATCH.as_bytes(), true, AMPLE);
    let mut now = 1_000_000;
    let mut lines = Vec::new();
    for segment in segments {
        now += segment.wait;
        set_clock(Some(now));
        let tcp = Tcp {
            seq: first.wrapping_add(segment.offset as u32),
            ..Tcp::default()
        };
        let packet = frame::tcp(a, b, (segment.port, 443), &tcp, &segment.bytes);
        let mut packet = UserPacket::new(&packet).with_linear(linear);
        let outcome = machine
            .packet("process_packet", &mut packet)
            .expect("a function");
        assert_eq!(outcome.status, Status::Ok, "{:?}", outcome.verdict);
        lines.push(String::from_utf8_lossy(&machine.printed()).into_owned());
    }
    lines
}

/// A ClientHello with so many bytes of padding before its name and behind it.
fn hello(before: usize, after: usize) -> Vec<u8> {
    let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes(), &long(body)[..]].concat();
    let name = [&[0], &long(NAME)[..]].concat();
    let extensions = [
        extension(21, &vec![0; before]),
        extension(0, &long(&name)),
        extension(43, &[2, 3, 4]),
        extension(21, &vec![0; after]),
    ];
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(long(&extensions.concat()));
    let handshake = [&[1, 0], &long(&body)[..]].concat();
    [&[22, 3, 1], &long(&handshake)[..]].concat()
}
