// SPDX-License-Identifier: GPL-2.0-only
//! Writing: pcap, in this machine's byte order.

use crate::PACKET_MAX;
use std::io::{self, Write};

/// A capture that is being written.
pub struct Writer<W> {
    out: W,
    nanoseconds: bool,
}

impl<W: Write> Writer<W> {
    /// One with packets of that link type; without nanoseconds its time stamps have microseconds, which older
    /// programs can read too.
    pub fn new(mut out: W, link: u32, nanoseconds: bool) -> io::Result<Self> {
        let magic: u32 = if nanoseconds {
            0xa1b2_3c4d
        } else {
            0xa1b2_c3d4
        };
        out.write_all(&magic.to_ne_bytes())?;
        out.write_all(&2u16.to_ne_bytes())?;
        out.write_all(&4u16.to_ne_bytes())?;
        // Time zone and precision are always 0.
        for word in [0, 0, PACKET_MAX as u32, link] {
            out.write_all(&word.to_ne_bytes())?;
        }
        Ok(Self { out, nanoseconds })
    }

    /// Adds a packet in its parts: `original` is how long it would be if it were whole, `time` nanoseconds since the
    /// epoch. What comes after 2106 cannot be said in pcap.
    pub fn packet(&mut self, time: u64, original: u32, parts: &[&[u8]]) -> io::Result<()> {
        let seconds = u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX);
        let unit = if self.nanoseconds { 1 } else { 1000 };
        let fraction = (time % 1_000_000_000 / unit) as u32;
        let length: usize = parts.iter().map(|part| part.len()).sum();
        for word in [seconds, fraction, length as u32, original] {
            self.out.write_all(&word.to_ne_bytes())?;
        }
        for part in parts {
            self.out.write_all(part)?;
        }
        Ok(())
    }

    /// Writes out what is still on its way.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}
