// SPDX-License-Identifier: GPL-2.0-only
//! Every field of a packet, once: its name, where it lies, and whether it may be written.
//!
//! All else follows from [`FIELDS`] while compiling: the sorted names (a field id is a place among
//! them), the path of a view and a name (a path id is a place in [`FIELDS`] plus one), and the table
//! of what one load, shift and mask can read.

use crate::host::at_hand::{Header, Place};
use crate::value::Tag;

/// What a packet value shows: the packet itself or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The packet.
    Root,
    /// Its Ethernet header.
    Eth,
    /// ARP.
    Arp,
    /// IPv4 or IPv6.
    Ip,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// DNS.
    Dns,
    /// A TLS ClientHello.
    Tls,
    /// An HTTP/1 request or response.
    Http,
    /// TFTP.
    Tftp,
    /// The connection it belongs to.
    Ct,
    /// One direction of that connection.
    Tuple,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = 14;
    /// All of them, by number.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Root,
        Self::Eth,
        Self::Arp,
        Self::Ip,
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Icmp6,
        Self::Dns,
        Self::Tls,
        Self::Http,
        Self::Tftp,
        Self::Ct,
        Self::Tuple,
    ];
    /// The name by which the packet has it, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "packet",
            Self::Eth => "eth",
            Self::Arp => "arp",
            Self::Ip => "ip",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmp6 => "icmp6",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Tftp => "tftp",
            Self::Ct => "ct",
            Self::Tuple => "tuple",
        }
    }
    /// The kind behind the low half of a packet value's payload.
    pub fn from_payload(payload: u64) -> Option<Self> {
        Self::ALL.get(payload as u32 as usize).copied()
    }
}

/// The bits of a field within one 32-bit word of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits {
    /// The header.
    pub header: Header,
    /// Which word of it.
    pub word: u8,
    /// How far the field is from the low end.
    pub shift: u8,
    /// How many bits it has.
    pub width: u8,
}

impl Bits {
    /// The mask of the field, moved to the low end.
    pub const fn mask(self) -> u32 {
        1_u64.wrapping_shl(self.width as u32).wrapping_sub(1) as u32
    }
}

/// A part of what is known of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Connection {
    /// Its state, a string.
    State,
    /// Its mark.
    Mark,
    /// Its number.
    Id,
    /// The first packet's direction.
    Original,
    /// What answers look like.
    Reply,
    /// Of a direction: from where.
    Source,
    /// Of a direction: to where.
    Destination,
    /// Of a direction: from which port.
    SourcePort,
    /// Of a direction: to which port.
    DestinationPort,
    /// Of a direction: the transport protocol.
    Protocol,
}

/// What a field is, beyond the bits that it may be read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum What {
    /// An integer in its bits.
    Int,
    /// A boolean in its one bit.
    Flag,
    /// An IPv4 address in its bits; an IPv6 address 16 bytes long at the byte `wide` of the header.
    SourceAddress,
    /// Likewise.
    DestinationAddress,
    /// A view of a part of the packet.
    View(Kind),
    /// A part of what is known of the packet's connection.
    Connection(Connection),
    /// A function of the packet: `p:u8(…)`.
    Method(Method),
    /// Length from the network header.
    Len,
    /// The hook's family, a string.
    Family,
    /// The hook, a string.
    Hook,
    /// Interface names and indices.
    InputName,
    /// Interface names and indices.
    OutputName,
    /// Interface names and indices.
    InputIndex,
    /// Interface names and indices.
    OutputIndex,
    /// The packet mark.
    Mark,
    /// The packet priority.
    Priority,
    /// How the link addressed it, a string.
    PacketType,
    /// The transport protocol, extension headers skipped.
    Protocol,
    /// The key of the packet's flow, the same in both directions.
    Flow,
    /// What the transport protocol carries.
    Payload,
    /// Ethernet: source.
    EthSource,
    /// Ethernet: destination.
    EthDestination,
    /// Ethernet: EtherType.
    EthType,
    /// Ethernet: VLAN id.
    Vlan,
    /// ARP addresses.
    ArpSenderHardware,
    /// ARP addresses.
    ArpSenderProtocol,
    /// ARP addresses.
    ArpTargetHardware,
    /// ARP addresses.
    ArpTargetProtocol,
    /// Length of the IP packet.
    TotalLength,
    /// Fragment identification.
    FragmentId,
    /// More fragments follow.
    MoreFragments,
    /// Fragment offset in bytes.
    FragmentOffset,
    /// TCP options.
    Mss,
    /// TCP options.
    WindowScale,
    /// TCP options.
    SackPermitted,
    /// TCP options: the sender's clock.
    Timestamp,
    /// TCP options: the echoed clock.
    TimestampEcho,
    /// Identifier of an echo.
    EchoId,
    /// Sequence number of an echo.
    EchoSeq,
    /// Next-hop MTU of "fragmentation needed" or "packet too big".
    Mtu,
    /// The gateway of a redirect.
    Gateway,
    /// The target of a neighbour message.
    Target,
    /// DNS flag or number in the header: bits of its 16-bit words.
    DnsInt {
        /// Which 16-bit word.
        word: u8,
        /// How far from the low end.
        shift: u8,
        /// How many bits.
        width: u8,
    },
    /// DNS flag.
    DnsFlag(u8),
    /// DNS: name of the first question.
    DnsName,
    /// DNS: type of the first question, a string for the usual ones.
    DnsType,
    /// DNS: array of questions.
    DnsQuestions,
    /// DNS: array of answers.
    DnsAnswers,
    /// TLS: server name.
    TlsServerName,
    /// TLS: array of protocol names.
    TlsAlpn,
    /// TLS: highest version offered, a string.
    TlsVersion,
    /// HTTP: method.
    HttpMethod,
    /// HTTP: path.
    HttpPath,
    /// HTTP: host.
    HttpHost,
    /// HTTP: status of a response.
    HttpStatus,
    /// TFTP: operation, a string.
    TftpOperation,
    /// TFTP: file name.
    TftpFile,
    /// TFTP: mode.
    TftpMode,
    /// TFTP: number of a block.
    TftpBlock,
}

/// The functions of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Method {
    U8,
    U16,
    U32,
    U16Le,
    U32Le,
    Bytes,
    Log,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The view it belongs to.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: What,
    /// Its bits in an IPv4 packet and where the version makes no difference.
    pub v4: Option<Bits>,
    /// Its bits in an IPv6 packet.
    pub v6: Option<Bits>,
    /// Whether a script may assign to it.
    pub writable: bool,
    /// Whether a dissector answers it: it is a view of a protocol's message, or of one.
    pub dissected: bool,
}

impl Field {
    const fn new(kind: Kind, name: &'static str, what: What) -> Self {
        Self {
            kind,
            name,
            what,
            v4: None,
            v6: None,
            writable: false,
            dissected: matches!(kind, Dns | Tls | Http | Tftp)
                || matches!(what, What::View(Dns | Tls | Http | Tftp)),
        }
    }
    /// The same bits in both versions.
    const fn at(mut self, header: Header, word: u8, shift: u8, width: u8) -> Self {
        self.v4 = Some(Bits {
            header,
            word,
            shift,
            width,
        });
        self.v6 = self.v4;
        self
    }
    const fn v4(mut self, word: u8, shift: u8, width: u8) -> Self {
        self.v4 = Some(Bits {
            header: Header::V4,
            word,
            shift,
            width,
        });
        self
    }
    const fn v6(mut self, word: u8, shift: u8, width: u8) -> Self {
        self.v6 = Some(Bits {
            header: Header::V6,
            word,
            shift,
            width,
        });
        self
    }
    const fn writable(mut self) -> Self {
        self.writable = true;
        self
    }
}

use Kind::{Arp, Ct, Dns, Eth, Http, Icmp, Icmp6, Ip, Root, Tcp, Tftp, Tls, Tuple, Udp};
use What::{Flag, Int};

/// A part of the packet whose presence its header's window shows.
const fn part(name: &'static str, kind: Kind, header: Header) -> Field {
    Field::new(Root, name, What::View(kind)).at(header, 0, 0, 32)
}
/// An integer of TCP.
const fn tcp(name: &'static str, word: u8, shift: u8, width: u8) -> Field {
    Field::new(Tcp, name, Int).at(Header::Tcp, word, shift, width)
}
/// A flag of TCP.
const fn tcp_flag(name: &'static str, bit: u8) -> Field {
    Field::new(Tcp, name, Flag)
        .at(Header::Tcp, 3, bit, 1)
        .writable()
}
/// An integer of UDP.
const fn udp(name: &'static str, word: u8, shift: u8) -> Field {
    Field::new(Udp, name, Int).at(Header::Udp, word, shift, 16)
}
/// A part of the DNS header's flags.
const fn dns_flag(name: &'static str, bit: u8) -> Field {
    Field::new(Dns, name, What::DnsFlag(bit))
}
/// A number of the DNS header.
const fn dns_int(name: &'static str, word: u8, shift: u8, width: u8) -> Field {
    Field::new(Dns, name, What::DnsInt { word, shift, width })
}
/// A part of what is known of the connection.
const fn connection(name: &'static str, kind: Kind, part: Connection) -> Field {
    Field::new(kind, name, What::Connection(part))
}

/// Every field there is.
pub static FIELDS: &[Field] = FIELD_LIST;
const FIELD_LIST: &[Field] = &[
    Field::new(Root, "len", What::Len),
    Field::new(Root, "family", What::Family),
    Field::new(Root, "hook", What::Hook),
    Field::new(Root, "iifname", What::InputName),
    Field::new(Root, "oifname", What::OutputName),
    Field::new(Root, "iif", What::InputIndex),
    Field::new(Root, "oif", What::OutputIndex),
    Field::new(Root, "mark", What::Mark).writable(),
    Field::new(Root, "priority", What::Priority).writable(),
    Field::new(Root, "pkttype", What::PacketType),
    Field::new(Root, "proto", What::Protocol).v4(2, 16, 8),
    Field::new(Root, "src", What::SourceAddress)
        .v4(3, 0, 32)
        .writable(),
    Field::new(Root, "dst", What::DestinationAddress)
        .v4(4, 0, 32)
        .writable(),
    Field::new(Root, "sport", Int)
        .at(Header::Ports, 0, 16, 16)
        .writable(),
    Field::new(Root, "dport", Int)
        .at(Header::Ports, 0, 0, 16)
        .writable(),
    Field::new(Root, "flow", What::Flow),
    Field::new(Root, "payload", What::Payload).writable(),
    Field::new(Root, "eth", What::View(Eth)),
    part("arp", Arp, Header::Arp),
    Field::new(Root, "ip", What::View(Ip))
        .v4(0, 0, 32)
        .v6(0, 0, 32),
    part("tcp", Tcp, Header::Tcp),
    part("udp", Udp, Header::Udp),
    part("icmp", Icmp, Header::Icmp),
    part("icmp6", Icmp6, Header::Icmp6),
    Field::new(Root, "dns", What::View(Dns)),
    Field::new(Root, "tls", What::View(Tls)),
    Field::new(Root, "http", What::View(Http)),
    Field::new(Root, "tftp", What::View(Tftp)),
    Field::new(Root, "ct", What::View(Ct)),
    Field::new(Root, "u8", What::Method(Method::U8)),
    Field::new(Root, "u16", What::Method(Method::U16)),
    Field::new(Root, "u32", What::Method(Method::U32)),
    Field::new(Root, "u16le", What::Method(Method::U16Le)),
    Field::new(Root, "u32le", What::Method(Method::U32Le)),
    Field::new(Root, "bytes", What::Method(Method::Bytes)),
    Field::new(Root, "log", What::Method(Method::Log)),
    //
    Field::new(Eth, "src", What::EthSource),
    Field::new(Eth, "dst", What::EthDestination),
    Field::new(Eth, "type", What::EthType),
    Field::new(Eth, "vlan", What::Vlan),
    //
    Field::new(Arp, "op", Int).at(Header::Arp, 1, 0, 16),
    Field::new(Arp, "sha", What::ArpSenderHardware),
    Field::new(Arp, "spa", What::ArpSenderProtocol),
    Field::new(Arp, "tha", What::ArpTargetHardware),
    Field::new(Arp, "tpa", What::ArpTargetProtocol),
    //
    Field::new(Ip, "version", Int).v4(0, 28, 4).v6(0, 28, 4),
    Field::new(Ip, "ihl", Int).v4(0, 24, 4),
    Field::new(Ip, "tos", Int)
        .v4(0, 16, 8)
        .v6(0, 20, 8)
        .writable(),
    Field::new(Ip, "dscp", Int)
        .v4(0, 18, 6)
        .v6(0, 22, 6)
        .writable(),
    Field::new(Ip, "ecn", Int)
        .v4(0, 16, 2)
        .v6(0, 20, 2)
        .writable(),
    Field::new(Ip, "tot_len", What::TotalLength).v4(0, 0, 16),
    Field::new(Ip, "len", What::TotalLength).v4(0, 0, 16),
    Field::new(Ip, "id", What::FragmentId)
        .v4(1, 16, 16)
        .writable(),
    Field::new(Ip, "df", Flag).v4(1, 14, 1).writable(),
    Field::new(Ip, "mf", What::MoreFragments).v4(1, 13, 1),
    Field::new(Ip, "frag_off", What::FragmentOffset),
    Field::new(Ip, "ttl", Int)
        .v4(2, 24, 8)
        .v6(1, 0, 8)
        .writable(),
    Field::new(Ip, "protocol", What::Protocol).v4(2, 16, 8),
    Field::new(Ip, "proto", What::Protocol).v4(2, 16, 8),
    Field::new(Ip, "check", Int).v4(2, 0, 16),
    Field::new(Ip, "saddr", What::SourceAddress)
        .v4(3, 0, 32)
        .writable(),
    Field::new(Ip, "daddr", What::DestinationAddress)
        .v4(4, 0, 32)
        .writable(),
    Field::new(Ip, "src", What::SourceAddress)
        .v4(3, 0, 32)
        .writable(),
    Field::new(Ip, "dst", What::DestinationAddress)
        .v4(4, 0, 32)
        .writable(),
    //
    tcp("sport", 0, 16, 16).writable(),
    tcp("dport", 0, 0, 16).writable(),
    tcp("seq", 1, 0, 32).writable(),
    tcp("ack_seq", 2, 0, 32).writable(),
    tcp("doff", 3, 28, 4),
    tcp("flags", 3, 16, 8).writable(),
    tcp_flag("fin", 16),
    tcp_flag("syn", 17),
    tcp_flag("rst", 18),
    tcp_flag("psh", 19),
    tcp_flag("ack", 20),
    tcp_flag("urg", 21),
    tcp_flag("ece", 22),
    tcp_flag("cwr", 23),
    tcp("window", 3, 0, 16).writable(),
    tcp("check", 4, 16, 16),
    tcp("urg_ptr", 4, 0, 16).writable(),
    Field::new(Tcp, "mss", What::Mss).writable(),
    Field::new(Tcp, "wscale", What::WindowScale),
    Field::new(Tcp, "sack_ok", What::SackPermitted),
    Field::new(Tcp, "ts", What::Timestamp),
    Field::new(Tcp, "ts_ecr", What::TimestampEcho),
    //
    udp("sport", 0, 16).writable(),
    udp("dport", 0, 0).writable(),
    udp("length", 1, 16),
    udp("len", 1, 16),
    udp("check", 1, 0),
    //
    Field::new(Icmp, "type", Int)
        .at(Header::Icmp, 0, 24, 8)
        .writable(),
    Field::new(Icmp, "code", Int)
        .at(Header::Icmp, 0, 16, 8)
        .writable(),
    Field::new(Icmp, "check", Int).at(Header::Icmp, 0, 0, 16),
    Field::new(Icmp, "id", What::EchoId).writable(),
    Field::new(Icmp, "seq", What::EchoSeq).writable(),
    Field::new(Icmp, "mtu", What::Mtu),
    Field::new(Icmp, "gateway", What::Gateway),
    Field::new(Icmp6, "type", Int)
        .at(Header::Icmp6, 0, 24, 8)
        .writable(),
    Field::new(Icmp6, "code", Int)
        .at(Header::Icmp6, 0, 16, 8)
        .writable(),
    Field::new(Icmp6, "check", Int).at(Header::Icmp6, 0, 0, 16),
    Field::new(Icmp6, "id", What::EchoId).writable(),
    Field::new(Icmp6, "seq", What::EchoSeq).writable(),
    Field::new(Icmp6, "mtu", What::Mtu),
    Field::new(Icmp6, "target", What::Target),
    //
    dns_int("id", 0, 0, 16),
    dns_flag("qr", 15),
    dns_int("opcode", 1, 11, 4),
    dns_flag("aa", 10),
    dns_flag("tc", 9),
    dns_flag("rd", 8),
    dns_flag("ra", 7),
    dns_int("rcode", 1, 0, 4),
    dns_int("qdcount", 2, 0, 16),
    dns_int("ancount", 3, 0, 16),
    Field::new(Dns, "qname", What::DnsName),
    Field::new(Dns, "qtype", What::DnsType),
    Field::new(Dns, "questions", What::DnsQuestions),
    Field::new(Dns, "answers", What::DnsAnswers),
    //
    Field::new(Tls, "sni", What::TlsServerName),
    Field::new(Tls, "alpn", What::TlsAlpn),
    Field::new(Tls, "version", What::TlsVersion),
    //
    Field::new(Http, "method", What::HttpMethod),
    Field::new(Http, "path", What::HttpPath),
    Field::new(Http, "host", What::HttpHost),
    Field::new(Http, "status", What::HttpStatus),
    //
    Field::new(Tftp, "op", What::TftpOperation),
    Field::new(Tftp, "file", What::TftpFile),
    Field::new(Tftp, "mode", What::TftpMode),
    Field::new(Tftp, "block", What::TftpBlock),
    //
    connection("state", Ct, Connection::State),
    connection("mark", Ct, Connection::Mark).writable(),
    connection("id", Ct, Connection::Id),
    connection("orig", Ct, Connection::Original),
    connection("reply", Ct, Connection::Reply),
    connection("src", Tuple, Connection::Source),
    connection("dst", Tuple, Connection::Destination),
    connection("sport", Tuple, Connection::SourcePort),
    connection("dport", Tuple, Connection::DestinationPort),
    connection("proto", Tuple, Connection::Protocol),
];

/// Compares two names as byte strings while compiling.
const fn before(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
        if *x != *y {
            return *x < *y;
        }
        a = rest_a;
        b = rest_b;
    }
    a.len() < b.len()
}

/// Room for the names; there are not more than fields.
const ROOM: usize = 128;

/// The sorted names and how many they are.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn sort() -> ([&'static str; ROOM], usize) {
    let mut names = [""; ROOM];
    let mut count = 0;
    let mut i = 0;
    while i < FIELD_LIST.len() {
        let name = FIELD_LIST[i].name;
        i += 1;
        let mut at = 0;
        while at < count && before(names[at], name) {
            at += 1;
        }
        if at < count && !before(name, names[at]) {
            continue;
        }
        let mut to = count;
        while to > at {
            names[to] = names[to - 1];
            to -= 1;
        }
        names[at] = name;
        count += 1;
    }
    (names, count)
}

const SORTED: ([&str; ROOM], usize) = sort();
static NAMES: [&str; ROOM] = SORTED.0;

/// Every name, in order; a field id is a place in it.
pub fn names() -> &'static [&'static str] {
    NAMES.get(..SORTED.1).unwrap_or(&[])
}

/// The id of a field name, if some view has it.
pub fn field_id(name: &[u8]) -> Option<u16> {
    names()
        .binary_search_by(|probe| probe.as_bytes().cmp(name))
        .ok()
        .map(|at| at as u16)
}

/// Rows of [`PATHS`]: a power of two, so that no look-up needs a check.
const ROWS: usize = 16;

/// Path ids by kind and field id.
static PATHS: [u8; ROWS * ROOM] = paths();
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn paths() -> [u8; ROWS * ROOM] {
    assert!(FIELD_LIST.len() < 255 && Kind::COUNT <= ROWS && SORTED.1 <= ROOM);
    let mut table = [0; ROWS * ROOM];
    let mut i = 0;
    while i < FIELD_LIST.len() {
        let field = &FIELD_LIST[i];
        let mut id = 0;
        while before(SORTED.0[id], field.name) {
            id += 1;
        }
        let at = field.kind as usize * ROOM + id;
        assert!(table[at] == 0, "a field is there twice");
        i += 1;
        table[at] = i as u8;
    }
    table
}

/// The path id of a field of a view, 0 if it has no such field. `kind` is the low byte of a packet
/// value's payload.
#[inline(always)]
pub fn path_of(kind: u8, field_id: u16) -> u16 {
    let row = (usize::from(kind) & (ROWS - 1)).wrapping_mul(ROOM);
    let column = usize::from(field_id) & (ROOM - 1);
    u16::from(PATHS.get(row.wrapping_add(column)).copied().unwrap_or(0))
}

/// The path id of `p.first.second`, 0 if a packet has no such path.
pub fn path_id(first: &[u8], second: &[u8]) -> u16 {
    let Some(view) = field_id(first).map(|id| path_of(Kind::Root as u8, id)) else {
        return 0;
    };
    match (field(view).map(|field| field.what), field_id(second)) {
        (Some(What::View(kind)), Some(id)) => path_of(kind as u8, id),
        _ => 0,
    }
}

/// The field behind a path id.
pub fn field(path: u16) -> Option<&'static Field> {
    FIELDS.get(usize::from(path.wrapping_sub(1)))
}

/// How a field is read by one load: `(word at place >> shift) & mask`, as a value of `tag`.
#[derive(Clone, Copy, Debug)]
pub struct Hot {
    /// The word.
    pub place: Place,
    /// Bits of the field, moved to the low end; for a view its kind.
    pub mask: u32,
    /// How far it is from the low end.
    pub shift: u8,
    /// Int and Addr4 take the bits; False stands for a boolean; Packet for a view.
    pub tag: Tag,
}

impl Hot {
    const NONE: Self = Self {
        place: Place::NONE,
        mask: 0,
        shift: 0,
        tag: Tag::Nil,
    };

    const fn new(what: What, bits: Option<Bits>) -> Self {
        let Some(bits) = bits else { return Self::NONE };
        let (tag, mask) = match what {
            What::Flag | What::MoreFragments => (Tag::False, 1),
            What::SourceAddress | What::DestinationAddress => (Tag::Addr4, u32::MAX),
            What::View(kind) => (Tag::Packet, kind as u32),
            _ => (Tag::Int, bits.mask()),
        };
        Self {
            place: Place::new(bits.header, bits.word),
            mask,
            shift: bits.shift,
            tag,
        }
    }
}

/// What one load can read, by path id: of IPv4 packets and others, of IPv6 packets.
pub static HOT: [[Hot; 256]; 2] = [hot(false), hot(true)];
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn hot(v6: bool) -> [Hot; 256] {
    let mut table = [Hot::NONE; 256];
    let mut i = 0;
    while i < FIELD_LIST.len() {
        let field = &FIELD_LIST[i];
        i += 1;
        table[i] = Hot::new(field.what, if v6 { field.v6 } else { field.v4 });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(names().windows(2).all(|pair| pair[0] < pair[1]));
        for (i, name) in names().iter().enumerate() {
            assert_eq!(field_id(name.as_bytes()), Some(i as u16));
        }
        assert_eq!(field_id(b"upd"), None);
        assert_eq!(field_id(b""), None);
    }

    #[test]
    fn every_field_has_its_path() {
        for (i, f) in FIELDS.iter().enumerate() {
            let id = field_id(f.name.as_bytes()).unwrap();
            assert_eq!(usize::from(path_of(f.kind as u8, id)), i + 1, "{}", f.name);
            // A direction is a part of a connection, so no path of two names leads there.
            if !matches!(f.kind, Kind::Root | Kind::Tuple) {
                assert_eq!(
                    usize::from(path_id(f.kind.name().as_bytes(), f.name.as_bytes())),
                    i + 1
                );
            }
        }
        assert_eq!(path_id(b"udp", b"ttl"), 0);
        assert_eq!(path_id(b"len", b"len"), 0);
        assert_eq!(path_of(Kind::COUNT as u8, 0), 0);
    }

    #[test]
    fn kinds_are_in_order() {
        for (i, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, i);
            assert_eq!(Kind::from_payload(i as u64 | 7 << 32), Some(*kind));
        }
        assert_eq!(Kind::from_payload(Kind::COUNT as u64), None);
    }
}
