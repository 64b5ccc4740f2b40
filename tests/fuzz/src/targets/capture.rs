// SPDX-License-Identifier: GPL-2.0-only
//! Capture files: any bytes are read alike whatever pieces they come in, and what was read is written and read again.

use std::io::Read;

use packetscript_capture::Error;
use packetscript_capture::link::{self, Seen};
use packetscript_capture::read::Reader;
use packetscript_capture::write::Writer;

use crate::input::Input;

/// A packet: link type, time stamp, original length, bytes.
type Kept = (u32, u64, u32, Vec<u8>);

/// Bytes that come a few at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let some = to.len().min(self.1);
        self.0.read(&mut to[..some])
    }
}

/// All packets, and what ended them.
fn read(input: impl Read) -> (Vec<Kept>, Result<(), Error>) {
    let mut packets = Vec::new();
    let all = || {
        let mut reader = Reader::new(input, "a capture")?;
        while let Some(packet) = reader.next_packet()? {
            assert_eq!(packet.number, packets.len() as u64 + 1);
            packets.push((
                packet.link,
                packet.time,
                packet.original,
                packet.data.to_vec(),
            ));
        }
        assert_eq!(reader.next_packet(), Ok(None), "behind the end");
        Ok(())
    };
    let ended = all();
    (packets, ended)
}

/// The first byte is how many bytes come at a time.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let size = usize::from(input.u8()) + 1;
    let file = input.rest();
    let (packets, ended) = read(file);
    let (again, ended_again) = read(Pieces(file, size));
    assert_eq!(
        (&packets, &ended),
        (&again, &ended_again),
        "in pieces of {size}"
    );
    let Some((first, ..)) = packets.first() else {
        return;
    };
    let mut writer = Writer::new(Vec::new(), *first, true).expect("memory");
    let mut expected = Vec::new();
    for (link, time, original, data) in &packets {
        if let Seen::Ip(frame) = link::open(*link, data) {
            let parts = [frame.header, frame.packet, frame.tail];
            assert_eq!(parts.concat(), *data);
            assert!(frame.packet.len() >= 20);
        }
        // What pcap can say: 32 bits of seconds.
        if u32::try_from(time / 1_000_000_000).is_ok() {
            let (head, tail) = data.split_at(data.len() / 2);
            writer
                .packet(*time, *original, &[head, tail])
                .expect("memory");
            expected.push((*first, *time, *original, data.clone()));
        }
    }
    let written = writer.finish().expect("memory");
    assert_eq!(read(&written[..]), (expected, Ok(())));
}
