// SPDX-License-Identifier: GPL-2.0-only
//! Capture files: what `tcpdump -w` and Wireshark write, as a stream of packets.
//!
//! - [`read`]: reading pcap and pcapng, in either byte order, a packet at a time
//! - [`link`]: what lies before a packet's network header
//! - [`write`](mod@write): writing pcap
//!
//! Headers and blocks are parsed by the crate `pcap-parser`, out of a buffer of one size that is kept here: a
//! capture that comes out of a pipe in small pieces is read like any other, and memory does not grow with it.

#![forbid(unsafe_code)]

pub mod link;
pub mod read;
pub mod write;

/// Why a capture cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The system does not let it be read.
    #[error("{name}: {why}")]
    Io {
        /// What messages call the capture.
        name: String,
        /// The system's reason.
        why: String,
    },
    /// It is none, or damaged; packet and byte are in the text.
    #[error("{0}")]
    Data(String),
}

/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The longest packet that is read, as in libpcap.
pub const PACKET_MAX: usize = 256 << 10;

/// A packet as the capture has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// From 1, as other programs count.
    pub number: u64,
    /// The link type, as tcpdump.org numbers them.
    pub link: u32,
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// How long it was when it was captured.
    pub original: u32,
    /// What was captured of it, from the link's header on.
    pub data: &'a [u8],
}
