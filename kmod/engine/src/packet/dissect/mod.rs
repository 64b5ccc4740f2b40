// SPDX-License-Identifier: GPL-2.0-only
//! Dissectors: what the payload of well-known protocols says.
//!
//! `dns`, `tls` and `http` (with TFTP) are functions of bytes, which may be any. Here they meet the
//! packet at hand: a view (`p.dns`) holds where its message begins; each field is read from the
//! message when it is asked for. [`quick`] reads what is asked for most where it lies; [`get`] reads
//! everything, also from packets that are not linear. `split` puts ClientHellos of several segments
//! together.

pub mod dns;
pub mod http;
pub(crate) mod split;
pub mod tls;

use super::Current;
use super::access::{addr4, value_of};
use super::fields::{Field, Kind, What};
use super::locate::Transport;
use super::read::Got;
use crate::host::at_hand::{Header, Place};
use crate::stdlib::string::{has_upper, lower};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;

/// A message that is not linear is read up to here.
const COPIED: u32 = 4096;
/// Questions and answers that are listed.
const LISTED: u16 = 64;

/// A field that a dissector answers: a view of the packet, or a field of such a view.
pub fn get(vm: &mut Vm, v: Value, field: &Field) -> Result<Value, Raise> {
    vm.charge(1)?;
    if let What::View(kind) = field.what {
        return view(vm, kind);
    }
    let offset = (v.payload >> 32) as u32;
    let message = if offset == split::ASSEMBLED {
        split::assembled(vm)?
    } else {
        message(vm, offset)?
    };
    let message = match field.what {
        What::TlsServerName | What::TlsVersion | What::TlsAlpn => in_one_record(vm, message)?,
        _ => message,
    };
    match field.what {
        What::DnsName => dns_name(vm, message, dns::HEADER),
        What::DnsType => match first_question(vm.bytes(message)) {
            Some(question) => dns_type(vm, question.kind),
            None => Ok(Value::NIL),
        },
        What::DnsQuestions => questions(vm, message),
        What::DnsAnswers => answers(vm, message),
        What::TlsServerName => match tls::server_name(vm.bytes(message)) {
            Some(part) => lowered(vm, message, part),
            None => Ok(Value::NIL),
        },
        What::TlsVersion => match tls::hello(vm.bytes(message)) {
            Some(hello) => match tls::version_name(hello.offered.max(hello.version)) {
                Some(name) => vm.new_string(name.as_bytes()),
                None => Ok(Value::int(i64::from(hello.version))),
            },
            None => Ok(Value::NIL),
        },
        What::TlsAlpn => protocols(vm, message),
        What::HttpMethod => piece(vm, message, http::method(vm.bytes(message))),
        What::HttpPath => piece(vm, message, http::path(vm.bytes(message))),
        What::HttpHost => {
            vm.charge(8)?;
            match http::host(vm.bytes(message)) {
                Some(part) => lowered(vm, message, part),
                None => Ok(Value::NIL),
            }
        }
        What::TftpOperation => match http::tftp_operation(vm.bytes(message)) {
            Some(name) => vm.new_string(name.as_bytes()),
            None => Ok(Value::NIL),
        },
        What::TftpFile => piece(vm, message, http::tftp_string(vm.bytes(message), 0)),
        What::TftpMode => match http::tftp_string(vm.bytes(message), 1) {
            Some(part) => lowered(vm, message, part),
            None => Ok(Value::NIL),
        },
        what => Ok(plain(what, vm.bytes(message)).unwrap_or(Value::NIL)),
    }
}

/// What [`get`] answers, if the message is linear and nothing need be collected to make it. `None`
/// says nothing.
pub fn quick(vm: &mut Vm, v: Value, field: &Field) -> Option<Value> {
    if let What::View(kind) = field.what {
        if kind == Kind::Dns
            && let Some(view) = vm.packet.dns_in_windows()
        {
            return Some(view);
        }
        return match quick_view(&mut vm.packet, kind) {
            None => no_hello(vm, kind),
            view => view.filter(|&v| is_alone(vm, kind, v)),
        };
    }
    let offset = (v.payload >> 32) as u32;
    if field.what == What::DnsName {
        vm.fuel = vm.fuel.wrapping_sub(2);
        return vm.packet.question(offset);
    }
    quick_field(vm, offset, field)
}

/// What is read of a message where it lies.
#[inline(always)]
fn quick_field(vm: &mut Vm, offset: u32, field: &Field) -> Option<Value> {
    let Vm { packet, heap, .. } = vm;
    packet.locate();
    let message = packet.message(offset)?;
    match field.what {
        What::TlsServerName => {
            if tls::is_cut(message) {
                return None;
            }
            let Some((from, to)) = tls::server_name(message) else {
                return Some(Value::NIL);
            };
            let name = message.get(from..to)?;
            if has_upper(name) {
                let made = heap.new_string_by(name.len(), |text| lower(name, text));
                return made.ok();
            }
            let len = name.len() as u32;
            Some(packet.show(offset.wrapping_add(from as u32), len))
        }
        what => plain(what, message),
    }
}

/// The view of a protocol as [`view`] answers it, if the message is linear and whole.
fn quick_view(packet: &mut Current, kind: Kind) -> Option<Value> {
    packet.locate();
    let Some((from, len)) = packet.payload_place() else {
        return Some(Value::NIL);
    };
    let transport = packet.places.transport;
    let ports = packet.ports().unwrap_or(0);
    let port = |wanted: u32| ports >> 16 == wanted || ports & 0xffff == wanted;
    let mut at = from;
    let here = match (kind, transport) {
        (Kind::Dns, Transport::Udp | Transport::Tcp) if is_dns(ports) => {
            // Over TCP a message follows its length.
            let prefix = if transport == Transport::Tcp { 2 } else { 0 };
            at = from.wrapping_add(prefix);
            len.saturating_sub(prefix) as usize >= dns::HEADER
        }
        (Kind::Tftp, Transport::Udp) if port(69) => speaks(kind, packet.message(from)?),
        (Kind::Http, Transport::Tcp) => speaks(kind, packet.message(from)?),
        (Kind::Tls, Transport::Tcp) if len > 0 => {
            let message = packet.message(from)?;
            if !speaks(kind, message) || !tls::is_plain(message) {
                // It may be a part of one.
                return None;
            }
            true
        }
        _ => false,
    };
    Some(if here {
        packet.view(kind, at)
    } else {
        Value::NIL
    })
}

/// Whether one of two ports is DNS's, or that of one of its kind.
#[inline(always)]
fn is_dns(ports: u32) -> bool {
    let is_one = |port: u32| matches!(port, 53 | 5353 | 5355);
    is_one(ports & 0xffff) || is_one(ports >> 16)
}

/// Whether what a segment shows of TLS can be no part of a message that began in another segment: it
/// may have been made to look like the beginning of one, so that another name is seen than the server's.
#[inline(always)]
fn is_alone(vm: &Vm, kind: Kind, view: Value) -> bool {
    kind != Kind::Tls || view.is_nil() || split::is_idle(vm)
}

/// What most segments of TCP answer: nil for `p.tls`, where none begins a ClientHello and none waits.
fn no_hello(vm: &mut Vm, kind: Kind) -> Option<Value> {
    let message = vm.packet.message(vm.packet.places.payload)?;
    let begins = tls::is_hello(message) || tls::may_become_hello(message);
    (kind == Kind::Tls && !begins && split::is_idle(vm)).then_some(Value::NIL)
}

/// Whether a message is one of a protocol that is not told by ports alone.
fn speaks(kind: Kind, message: &[u8]) -> bool {
    match kind {
        Kind::Tftp => http::tftp_operation(message).is_some(),
        Kind::Http => http::method(message).is_some() || http::status(message).is_some(),
        _ => tls::is_hello(message),
    }
}

/// Fields that take nothing but a look: numbers and flags. `None` for any other.
fn plain(what: What, message: &[u8]) -> Option<Value> {
    let int = |n: Option<u32>| n.map_or(Value::NIL, |n| Value::int(i64::from(n)));
    Some(match what {
        What::DnsInt { word, shift, width } => {
            let word = dns::word(message, usize::from(word).wrapping_mul(2));
            let mask = 1_u32.unbounded_shl(u32::from(width)).wrapping_sub(1);
            int(word.map(|word| u32::from(word).unbounded_shr(u32::from(shift)) & mask))
        }
        What::DnsFlag(bit) => {
            let flags = dns::word(message, 2).unwrap_or(0);
            Value::boolean(flags.unbounded_shr(u32::from(bit)) & 1 != 0)
        }
        What::HttpStatus => int(http::status(message).map(u32::from)),
        What::TftpBlock => int(http::tftp_block(message).map(u32::from)),
        _ => return None,
    })
}

/// The view of a protocol, if the packet at hand speaks it.
fn view(vm: &mut Vm, kind: Kind) -> Result<Value, Raise> {
    if let Some(view) = quick_view(&mut vm.packet, kind).filter(|&v| is_alone(vm, kind, v)) {
        return Ok(view);
    }
    let from = vm.packet.places.payload;
    let message = message(vm, from)?;
    if kind == Kind::Tls {
        return hello(vm, from, message);
    }
    Ok(if speaks(kind, vm.bytes(message)) {
        vm.packet.view(kind, from)
    } else {
        Value::NIL
    })
}

/// The view of the ClientHello that begins in this segment, or began in an earlier one.
fn hello(vm: &mut Vm, from: u32, message: Value) -> Result<Value, Raise> {
    let bytes = vm.bytes(message);
    if tls::is_hello(bytes) {
        if split::is_inside(vm) && split::go_on(vm, message)? {
            return Ok(split::view(vm));
        }
        let bytes = vm.bytes(message);
        // One of which more is here than can be kept does not wait, whether it was copied or not.
        let here = vm.packet.places.end.saturating_sub(from);
        if here <= COPIED && tls::reach(bytes) == tls::Reach::Open {
            split::begin(vm, message)?;
        }
        return Ok(vm.packet.view(Kind::Tls, from));
    }
    let begins = tls::may_become_hello(bytes);
    if split::go_on(vm, message)? {
        return Ok(split::view(vm));
    }
    if begins {
        split::begin(vm, message)?;
    }
    Ok(Value::NIL)
}

impl Current {
    /// The view of DNS, where the windows of whole UDP tell: nil, if it is something else. `None` says
    /// nothing.
    #[inline(always)]
    fn dns_in_windows(&mut self) -> Option<Value> {
        self.look();
        let (at, end) = self.whole_udp()?;
        let ports = self.hand.word(const { Place::new(Header::Udp, 0) })?;
        let header = const { 8 + dns::HEADER as u32 };
        let here = is_dns(ports) && end.wrapping_sub(at) >= header;
        Some(if here {
            self.view(Kind::Dns, at.wrapping_add(8))
        } else {
            Value::NIL
        })
    }

    /// The name that the first question of a message is about, if it is in one piece.
    #[inline(always)]
    fn question(&mut self, offset: u32) -> Option<Value> {
        if !self.hand.has_text() {
            self.read_question(offset)?;
        }
        Some(self.show_text())
    }

    #[inline(never)]
    fn read_question(&mut self, offset: u32) -> Option<()> {
        let end = if let Some((_, end)) = self.whole_udp() {
            end
        } else {
            self.locate();
            self.places.end
        };
        let message = self.hand.packet()?.linear();
        let message = message.get(offset as usize..end as usize)?;
        if dns::word(message, 4)? == 0 {
            return None;
        }
        self.text_len = dns::write_name(message.get(dns::HEADER..)?, &mut self.text)? as u32;
        self.hand.set_text();
        Some(())
    }

    /// The message at an offset where it lies, if it is linear.
    fn message(&self, offset: u32) -> Option<&[u8]> {
        self.bytes(offset, self.places.end.saturating_sub(offset))
    }
}

/// The message at an offset, as a string value for this module's own use: bytes of the packet that
/// need no copy before a write, for nobody keeps them.
fn message(vm: &mut Vm, offset: u32) -> Result<Value, Raise> {
    vm.packet.locate();
    if let Some(message) = vm.packet.message(offset) {
        let len = message.len() as u32;
        return Ok(vm.packet.bytes_value(offset, len));
    }
    let len = vm.packet.places.end.saturating_sub(offset);
    super::access::bytes(vm, offset, len.min(COPIED))
}

/// A part of a message as a string.
pub(super) fn piece(vm: &mut Vm, message: Value, part: Option<http::Part>) -> Result<Value, Raise> {
    let Some((from, to)) = part else {
        return Ok(Value::NIL);
    };
    let part = vm.substring(message, from, to)?;
    if part.tag == Tag::Bytes {
        vm.packet.set_shown(true);
    }
    Ok(part)
}

/// A part of a message as a string in lower case, for names that have none.
fn lowered(vm: &mut Vm, message: Value, part: http::Part) -> Result<Value, Raise> {
    let name = piece(vm, message, Some(part))?;
    if has_upper(vm.bytes(name)) {
        return vm.changed(name, lower);
    }
    Ok(name)
}

fn first_question(message: &[u8]) -> Option<dns::Entry> {
    if dns::word(message, 4)? == 0 {
        None
    } else {
        dns::entry(message, dns::HEADER)
    }
}

fn dns_name(vm: &mut Vm, message: Value, at: usize) -> Result<Value, Raise> {
    vm.charge(2)?;
    let mut name = dns::Name::new();
    if at == dns::HEADER && dns::word(vm.bytes(message), 4) == Some(0) {
        return Ok(Value::NIL);
    }
    match dns::name(vm.bytes(message), at, &mut name) {
        Some(_) => vm.new_string(name.as_bytes()),
        None => Ok(Value::NIL),
    }
}

/// A type's name, or its number if it has no usual one.
fn dns_type(vm: &mut Vm, kind: u16) -> Result<Value, Raise> {
    match dns::type_name(kind) {
        Some(name) => vm.new_string(name.as_bytes()),
        None => Ok(Value::int(i64::from(kind))),
    }
}

/// A ClientHello as one record, whatever number of them it is in.
fn in_one_record(vm: &mut Vm, message: Value) -> Result<Value, Raise> {
    let bytes = vm.bytes(message);
    if !tls::is_cut(bytes) {
        return Ok(message);
    }
    let len = bytes.len();
    vm.charge(len as u64 / 64)?;
    let buffer = vm.new_buffer(len)?;
    vm.push_part(buffer, message, 0, tls::RECORD_HEAD)?;
    let mut next = 0;
    for _ in 0..tls::RECORDS {
        let Some((from, to)) = tls::contents(vm.bytes(message), next) else {
            break;
        };
        vm.charge(1)?;
        vm.push_part(buffer, message, from, to)?;
        next = to;
    }
    Ok(vm.heap.finish_buffer(buffer))
}

/// A table with what a question and a record have in common.
fn entry_table(vm: &mut Vm, message: Value, entry: dns::Entry) -> Result<Ref, Raise> {
    vm.charge(8)?;
    let table = vm.new_table(0, 5)?;
    let name = dns_name(vm, message, entry.name)?;
    vm.raw_set_str(table, b"name", name)?;
    let kind = dns_type(vm, entry.kind)?;
    vm.raw_set_str(table, b"type", kind)?;
    vm.raw_set_str(table, b"class", Value::int(i64::from(entry.class)))?;
    Ok(table)
}

fn questions(vm: &mut Vm, message: Value) -> Result<Value, Raise> {
    let list = vm.new_table(0, 0)?;
    let count = dns::word(vm.bytes(message), 4).unwrap_or(0).min(LISTED);
    let mut at = dns::HEADER;
    for i in 1..=count {
        let Some(entry) = dns::entry(vm.bytes(message), at) else {
            break;
        };
        let table = entry_table(vm, message, entry)?;
        vm.raw_set_int(list, i64::from(i), Value::object(Tag::Table, table))?;
        at = entry.end;
    }
    Ok(Value::object(Tag::Table, list))
}

fn answers(vm: &mut Vm, message: Value) -> Result<Value, Raise> {
    let list = vm.new_table(0, 0)?;
    let asked = u64::from(dns::word(vm.bytes(message), 4).unwrap_or(0));
    vm.charge(asked.min(u64::from(COPIED)) / 4)?;
    let count = dns::word(vm.bytes(message), 6).unwrap_or(0).min(LISTED);
    let mut next = dns::answers(vm.bytes(message));
    for i in 1..=count {
        let record = next.and_then(|at| dns::record(vm.bytes(message), at));
        let Some(record) = record else { break };
        let table = entry_table(vm, message, record.head)?;
        vm.raw_set_str(table, b"ttl", Value::int(i64::from(record.ttl)))?;
        let data = record_data(vm, message, record)?;
        vm.raw_set_str(table, b"data", data)?;
        vm.raw_set_int(list, i64::from(i), Value::object(Tag::Table, table))?;
        next = Some(record.end);
    }
    Ok(Value::object(Tag::Table, list))
}

/// An address, a name, or the bytes of anything else.
fn record_data(vm: &mut Vm, message: Value, record: dns::Record) -> Result<Value, Raise> {
    if dns::holds_name(record.head.kind) {
        return dns_name(vm, message, record.data);
    }
    let data = vm
        .bytes(message)
        .get(record.data..record.end)
        .unwrap_or(&[]);
    match (record.head.kind, data.len()) {
        (1, 4) => {
            let bytes = data.first_chunk().copied().unwrap_or_default();
            Ok(addr4(u32::from_be_bytes(bytes)))
        }
        (28, 16) => {
            let bytes = data.first_chunk().copied().unwrap_or_default();
            value_of(vm, Got::Addr6(bytes))
        }
        _ => piece(vm, message, Some((record.data, record.end))),
    }
}

/// The application protocols that a ClientHello offers.
fn protocols(vm: &mut Vm, message: Value) -> Result<Value, Raise> {
    let offered = tls::hello(vm.bytes(message)).and_then(|hello| hello.protocols);
    let Some((mut at, end)) = offered else {
        return Ok(Value::NIL);
    };
    let list = vm.new_table(0, 0)?;
    for i in 1..=LISTED {
        let Some(part) = tls::protocol(vm.bytes(message), at, end) else {
            break;
        };
        vm.charge(2)?;
        let name = piece(vm, message, Some(part))?;
        vm.raw_set_int(list, i64::from(i), name)?;
        at = part.1;
    }
    Ok(Value::object(Tag::Table, list))
}
