// SPDX-License-Identifier: GPL-2.0-only
//! Reading: pcap with micro- and nanoseconds, and pcapng.

use crate::link::{self, LinkType};
use crate::{Error, PACKET_MAX, Packet, Result};
use pcap_parser::nom::{self, Needed};
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{LegacyPcapBlock, OptionCode, PcapError, PcapNGOption};
use std::io::{ErrorKind, Read};

/// What a block of pcapng may hold beside its packet.
const BESIDE_MAX: usize = 128 << 10;
/// Bytes of the buffer: the longest block, and room to read more than one small packet at once.
const BUFFER: usize = PACKET_MAX + 2 * BESIDE_MAX;
/// Interfaces of one section of pcapng.
const INTERFACES_MAX: usize = 1 << 16;
/// Packets of pcapng's predecessor: programs stopped to write them in 2009.
const OBSOLETE_PACKET: u32 = 2;

/// One of pcap's functions that parse a packet's record.
type Parse = fn(&[u8]) -> nom::IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

/// An interface of pcapng.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    /// The longest that was captured of a packet; 0: all.
    most: u32,
    /// Units of time stamps in a second.
    units: u64,
    /// Seconds that are added to them.
    offset: i64,
}

enum Format {
    Pcap {
        link: u32,
        nanoseconds: bool,
        /// Bytes before a packet.
        head: usize,
        parse: Parse,
    },
    Pcapng {
        big: bool,
        interfaces: Vec<Interface>,
    },
}

/// A packet that was read: where it lies in the buffer.
struct Record {
    link: u32,
    time: u64,
    original: u32,
    start: usize,
    len: usize,
}

/// A capture that is read from its beginning to its end.
pub struct Reader<R> {
    input: R,
    /// What messages call it.
    name: String,
    buffer: Vec<u8>,
    /// What was read and not consumed.
    start: usize,
    end: usize,
    /// Where the buffer's start is in the file.
    consumed: u64,
    ended: bool,
    format: Format,
    number: u64,
    /// The latest time stamp: of a packet that has none.
    time: u64,
    /// What was read ahead.
    ahead: Option<Result<Option<Record>>>,
}

impl<R: Read> Reader<R> {
    /// A capture, if it is one. `name` is what messages call it.
    pub fn new(input: R, name: impl Into<String>) -> Result<Self> {
        let mut reader = Self {
            input,
            name: name.into(),
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            consumed: 0,
            ended: false,
            format: Format::Pcapng {
                big: false,
                interfaces: Vec::new(),
            },
            number: 0,
            time: 0,
            ahead: None,
        };
        reader.begin()?;
        Ok(reader)
    }

    /// Whether time stamps may have nanoseconds.
    pub fn has_nanoseconds(&self) -> bool {
        match self.format {
            Format::Pcap { nanoseconds, .. } => nanoseconds,
            Format::Pcapng { .. } => true,
        }
    }

    /// Time stamp and link type of the packet that comes next; of an empty pcap its link type.
    pub fn peek(&mut self) -> Option<(u64, u32)> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.record(),
        };
        let next = match (&ahead, &self.format) {
            (Ok(Some(record)), _) => Some((record.time, record.link)),
            (_, Format::Pcap { link, .. }) => Some((0, *link)),
            _ => None,
        };
        self.ahead = Some(ahead);
        next
    }

    /// The next packet; none at the end.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>> {
        let record = match self.ahead.take() {
            Some(ahead) => ahead?,
            None => self.record()?,
        };
        let Some(record) = record else {
            return Ok(None);
        };
        self.number += 1;
        Ok(Some(Packet {
            number: self.number,
            link: record.link,
            time: record.time,
            original: record.original,
            data: &self.buffer[record.start..][..record.len],
        }))
    }

    // --- the buffer --------------------------------------------------------------------------------

    fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        self.consumed += count as u64;
    }

    /// Sees to it that `count` bytes are there; false when the file ends before.
    fn need(&mut self, count: usize) -> Result<bool> {
        if self.start + count > BUFFER {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < count && !self.ended {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(more) => self.end += more,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(self.refused(&why)),
            }
        }
        Ok(self.end - self.start >= count)
    }

    /// Goes on behind what need not be looked at, however long it is; false when the file ends before.
    fn skip(&mut self, mut count: usize) -> Result<bool> {
        while count > 0 {
            let step = count.min(BESIDE_MAX);
            if !self.need(step)? {
                return Ok(false);
            }
            self.consume(step);
            count -= step;
        }
        Ok(true)
    }

    // --- what is wrong -----------------------------------------------------------------------------

    fn refused(&self, why: &std::io::Error) -> Error {
        // "(os error 2)" helps nobody.
        let text = why.to_string();
        let why = text.split(" (os error").next().unwrap_or(&text).to_owned();
        Error::Io {
            name: self.name.clone(),
            why,
        }
    }

    fn damaged(&self, what: &str) -> Error {
        let (name, packet, byte) = (&self.name, self.number + 1, self.consumed);
        Error::Data(format!("{name}: packet {packet} (byte {byte}): {what}"))
    }

    fn cut(&self) -> Error {
        self.damaged("the file is cut off in the middle of it")
    }

    fn unknown(&self, link: u32) -> Error {
        self.damaged(&format!(
            "its link type is {}; there are {}",
            LinkType(link),
            link::known()
        ))
    }

    /// What the file is instead of a capture.
    fn no_capture(&self) -> Error {
        let start = self.data();
        let name = &self.name;
        let compressed = [
            (&[0x1f, 0x8b][..], "gzip", "zcat"),
            (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
            (&[0xfd, b'7', b'z', b'X'], "xz", "xzcat"),
            (b"BZh", "bzip2", "bzcat"),
        ];
        if start.is_empty() {
            return Error::Data(format!("{name}: the file is empty"));
        }
        for (magic, what, how) in compressed {
            if start.starts_with(magic) {
                return Error::Data(format!(
                    "{name}: compressed by {what}: `{how} IN | pstui run … --pcap -` reads it"
                ));
            }
        }
        let shown: Vec<String> = start
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Error::Data(format!(
            "{name}: neither pcap nor pcapng, which `tcpdump -w` and Wireshark write: it starts with the bytes {}",
            shown.join(" ")
        ))
    }

    // --- pcap --------------------------------------------------------------------------------------

    fn begin(&mut self) -> Result<()> {
        self.need(4)?;
        let start = self.data();
        if start.starts_with(&pcap_parser::SHB_MAGIC.to_le_bytes()) {
            // A damaged first block is no packet of a capture yet, but of a capture it is.
            return self.blocks_begin();
        }
        let known = matches!(
            start,
            [0xd4, 0xc3, 0xb2, 0xa1, ..]
                | [0xa1, 0xb2, 0xc3, 0xd4, ..]
                | [0x4d, 0x3c, 0xb2, 0xa1, ..]
                | [0xa1, 0xb2, 0x3c, 0x4d, ..]
                | [0x34, 0xcd, 0xb2, 0xa1, ..]
        );
        if !known {
            return Err(self.no_capture());
        }
        if !self.need(24)? {
            return Err(Error::Data(format!(
                "{}: the file is cut off in its header",
                self.name
            )));
        }
        let Ok((_, header)) = pcap_parser::parse_pcap_header(self.data()) else {
            return Err(self.no_capture());
        };
        if header.version_major != 2 {
            return Err(Error::Data(format!(
                "{}: version {}.{} of pcap; there is 2.4",
                self.name, header.version_major, header.version_minor
            )));
        }
        // What lies above says how long a frame's checksum is; it is behind what the network header counts.
        let link = header.network.0 as u32 & 0x03ff_ffff;
        if !link::is_known(link) {
            return Err(Error::Data(format!(
                "{}: its link type is {}; there are {}",
                self.name,
                LinkType(link),
                link::known()
            )));
        }
        self.format = Format::Pcap {
            link,
            nanoseconds: header.is_nanosecond_precision(),
            head: if header.is_modified_format() { 24 } else { 16 },
            parse: match (header.is_modified_format(), header.is_bigendian()) {
                (true, _) => pcap_parser::parse_pcap_frame_modified,
                (_, true) => pcap_parser::parse_pcap_frame_be,
                _ => pcap_parser::parse_pcap_frame,
            },
        };
        self.consume(24);
        Ok(())
    }

    fn record(&mut self) -> Result<Option<Record>> {
        let Format::Pcap {
            link,
            nanoseconds,
            head,
            parse,
        } = self.format
        else {
            return self.block();
        };
        loop {
            let there = self.end - self.start;
            let missing = match parse(&self.buffer[self.start..self.end]) {
                Ok((rest, block)) => {
                    let len = block.data.len();
                    if len > PACKET_MAX {
                        return Err(self.too_long(len));
                    }
                    let used = there - rest.len();
                    let unit = if nanoseconds { 1 } else { 1000 };
                    let time =
                        u64::from(block.ts_sec) * 1_000_000_000 + u64::from(block.ts_usec) * unit;
                    let original = block.origlen;
                    let start = self.start + used - len;
                    self.consume(used);
                    self.time = time;
                    return Ok(Some(Record {
                        link,
                        time,
                        original,
                        start,
                        len,
                    }));
                }
                Err(nom::Err::Incomplete(Needed::Size(missing))) => missing.get(),
                Err(_) => return Err(self.damaged("it cannot be read")),
            };
            let whole = there + missing;
            if whole > PACKET_MAX + head {
                return Err(self.too_long(whole - head));
            }
            if !self.need(whole)? {
                return match self.data() {
                    [] => Ok(None),
                    _ => Err(self.cut()),
                };
            }
        }
    }

    fn too_long(&self, len: usize) -> Error {
        self.damaged(&format!(
            "it would have {len} bytes, and packets have at most {PACKET_MAX}: the file is damaged here or before"
        ))
    }

    // --- pcapng ------------------------------------------------------------------------------------

    /// The head of the first section. The next packet's reading parses it.
    fn blocks_begin(&mut self) -> Result<()> {
        let cut = |name: &str| Error::Data(format!("{name}: the file is cut off in its header"));
        if !self.need(12)? {
            return Err(cut(&self.name));
        }
        if self.order().is_none() {
            return Err(self.no_capture());
        }
        Ok(())
    }

    /// Whether the section that begins here has the most significant byte first.
    fn order(&self) -> Option<bool> {
        match self.data() {
            [_, _, _, _, _, _, _, _, 0x1a, 0x2b, 0x3c, 0x4d, ..] => Some(true),
            [_, _, _, _, _, _, _, _, 0x4d, 0x3c, 0x2b, 0x1a, ..] => Some(false),
            _ => None,
        }
    }

    fn word(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.data()[at..at + 4]);
        match self.format {
            Format::Pcapng { big: true, .. } => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        }
    }

    /// The next block that is a packet.
    fn block(&mut self) -> Result<Option<Record>> {
        loop {
            if !self.need(12)? {
                return match self.data() {
                    [] => Ok(None),
                    _ => Err(self.cut()),
                };
            }
            // The same in both orders.
            if self.word(0) == pcap_parser::SHB_MAGIC {
                let Some(big) = self.order() else {
                    return Err(self.damaged("a section begins in no known byte order"));
                };
                self.format = Format::Pcapng {
                    big,
                    interfaces: Vec::new(),
                };
            }
            let (kind, len) = (self.word(0), self.word(4) as usize);
            if len < 12 || !len.is_multiple_of(4) {
                return Err(self.damaged(&format!("a block cannot have {len} bytes")));
            }
            let looked_at = matches!(
                kind,
                pcap_parser::SHB_MAGIC
                    | pcap_parser::IDB_MAGIC
                    | pcap_parser::EPB_MAGIC
                    | pcap_parser::SPB_MAGIC
            );
            if kind == OBSOLETE_PACKET {
                return Err(self.damaged(
                    "an obsolete packet block: convert the file, with `editcap -F pcap` perhaps",
                ));
            }
            if !looked_at {
                // Names, statistics, secrets: as long as they like, and nothing to a script.
                if !self.skip(len - 4)? || !self.need(4)? {
                    return Err(self.cut());
                }
                self.check_end(0, len)?;
                self.consume(4);
                continue;
            }
            if len > PACKET_MAX + BESIDE_MAX {
                return Err(self.too_long(len));
            }
            if !self.need(len)? {
                return Err(self.cut());
            }
            self.check_end(len - 4, len)?;
            let record = self.parse_block(kind, len)?;
            self.consume(len);
            if let Some(record) = record {
                self.time = record.time;
                return Ok(Some(record));
            }
        }
    }

    /// A block's length stands behind it again.
    fn check_end(&self, at: usize, len: usize) -> Result<()> {
        let again = self.word(at) as usize;
        if again == len {
            return Ok(());
        }
        Err(self.damaged(&format!(
            "a block has {len} bytes by its beginning and {again} by its end"
        )))
    }

    fn parse_block(&mut self, kind: u32, len: usize) -> Result<Option<Record>> {
        let Format::Pcapng { big, interfaces } = &self.format else {
            return Ok(None);
        };
        let (big, data) = (*big, &self.buffer[self.start..self.start + len]);
        let parse = if big {
            pcap_parser::parse_block_be
        } else {
            pcap_parser::parse_block_le
        };
        let Ok((_, block)) = parse(data) else {
            return Err(self.damaged(&format!("a block of kind {kind} is damaged")));
        };
        let (interface, time, original, content, len) = match &block {
            pcap_parser::Block::SectionHeader(head) => {
                if head.major_version != 1 {
                    let version = head.major_version;
                    return Err(self.damaged(&format!("version {version} of pcapng; there is 1")));
                }
                return Ok(None);
            }
            pcap_parser::Block::InterfaceDescription(about) => {
                let link = about.linktype.0 as u32;
                let found = interface(link, about.snaplen, &about.options, big);
                let added = found.map_err(|what| self.damaged(what))?;
                if interfaces.len() == INTERFACES_MAX {
                    return Err(self.damaged("a section has too many interfaces"));
                }
                if let Format::Pcapng { interfaces, .. } = &mut self.format {
                    interfaces.push(added);
                }
                return Ok(None);
            }
            pcap_parser::Block::EnhancedPacket(packet) => {
                let time = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let content = packet.packet_data();
                (
                    packet.if_id,
                    Some(time),
                    packet.origlen,
                    content,
                    content.len(),
                )
            }
            pcap_parser::Block::SimplePacket(packet) => {
                let content = packet.packet_data();
                let most = match interfaces.first() {
                    Some(Interface { most, .. }) if *most > 0 => *most as usize,
                    _ => usize::MAX,
                };
                (0, None, packet.origlen, content, content.len().min(most))
            }
            _ => return Ok(None),
        };
        let Some(interface) = interfaces.get(interface as usize) else {
            let count = interfaces.len();
            return Err(self.damaged(&format!("it is of interface {interface}, of {count}")));
        };
        if len > PACKET_MAX {
            return Err(self.too_long(len));
        }
        if !link::is_known(interface.link) {
            return Err(self.unknown(interface.link));
        }
        // A part of the same buffer: what is kept is where.
        let within = content.as_ptr().addr() - data.as_ptr().addr();
        Ok(Some(Record {
            link: interface.link,
            time: time.map_or(self.time, |time| interface.nanoseconds(time)),
            original,
            start: self.start + within,
            len,
        }))
    }
}

impl Interface {
    /// A time stamp in nanoseconds since the epoch.
    fn nanoseconds(&self, stamp: u64) -> u64 {
        let since = u128::from(stamp) * 1_000_000_000 / u128::from(self.units);
        let since = since as i128 + i128::from(self.offset) * 1_000_000_000;
        u64::try_from(since.max(0)).unwrap_or(u64::MAX)
    }
}

/// An interface from its block. The crate's own reading of the time stamps' unit and offset knows neither powers
/// of two nor the other byte order.
fn interface(
    link: u32,
    most: u32,
    options: &[PcapNGOption],
    big: bool,
) -> std::result::Result<Interface, &'static str> {
    let find = |code: OptionCode| options.iter().find(|option| option.code == code);
    let units = match find(OptionCode::IfTsresol).and_then(|option| option.value().first()) {
        None => Some(1_000_000),
        Some(power) if power & 0x80 != 0 => 1u64.checked_shl(u32::from(power & 0x7f)),
        Some(power) => 10u64.checked_pow(u32::from(*power)),
    };
    let offset = find(OptionCode::IfTsoffset)
        .and_then(|option| <[u8; 8]>::try_from(option.as_bytes().ok()?).ok());
    Ok(Interface {
        link,
        most,
        units: units.ok_or("an interface's time stamps have a unit that is too small")?,
        offset: offset.map_or(0, |bytes| {
            if big {
                i64::from_be_bytes(bytes)
            } else {
                i64::from_le_bytes(bytes)
            }
        }),
    })
}
