// SPDX-License-Identifier: GPL-2.0-only
//! `p.ct`: what the host knows of the connection that a packet belongs to.
//!
//! A view of a direction (`p.ct.orig`) carries which one in the place where others have an offset.
//! Nothing is remembered between two questions: the host is asked each time, so a mark that was
//! written is what is read next.

use super::access::{addr4, value_of};
use super::fields::{Connection, Kind};
use super::read::Got;
use crate::host::{Conntrack, FAMILY_IPV4, Tuple};
use crate::value::Value;
use crate::vm::Vm;
use crate::vm::error::Raise;

fn known(vm: &mut Vm) -> Result<Option<Conntrack>, Raise> {
    vm.charge(1)?;
    Ok(vm.packet.packet().and_then(crate::host::Packet::conntrack))
}

/// `p.ct`: nil when the host tracks no connections, or this packet fits none.
pub(super) fn view(vm: &mut Vm) -> Result<Value, Raise> {
    let known = known(vm)?;
    Ok(known.map_or(Value::NIL, |_| vm.packet.view(Kind::Ct, 0)))
}

/// A field of `p.ct`, or of one of its directions; of a packet that is not tracked only the state is
/// known.
pub(super) fn get(vm: &mut Vm, v: Value, part: Connection) -> Result<Value, Raise> {
    let Some(known) = known(vm)? else {
        return Ok(Value::NIL);
    };
    if part == Connection::State {
        let name = Conntrack::STATES.get(known.state as usize);
        return vm.new_string(name.copied().unwrap_or("other").as_bytes());
    }
    if known.family == 0 {
        return Ok(Value::NIL);
    }
    let [original, reply] = known.tuples;
    let tuple = if v.payload >> 32 == 0 {
        original
    } else {
        reply
    };
    Ok(match part {
        Connection::State => Value::NIL,
        Connection::Mark => Value::int(i64::from(known.mark)),
        Connection::Id => {
            let id = vm
                .packet
                .packet()
                .map_or(0, crate::host::Packet::conntrack_id);
            Value::int(i64::from(id))
        }
        Connection::Original => vm.packet.view(Kind::Tuple, 0),
        Connection::Reply => vm.packet.view(Kind::Tuple, 1),
        Connection::Source => address(vm, &known, tuple.src)?,
        Connection::Destination => address(vm, &known, tuple.dst)?,
        Connection::SourcePort => port(&known, tuple, tuple.sport),
        Connection::DestinationPort => port(&known, tuple, tuple.dport),
        Connection::Protocol => Value::int(i64::from(known.proto)),
    })
}

fn address(vm: &mut Vm, known: &Conntrack, bytes: [u8; 16]) -> Result<Value, Raise> {
    if known.family == FAMILY_IPV4 {
        let [a, b, c, d, ..] = bytes;
        return Ok(addr4(u32::from_be_bytes([a, b, c, d])));
    }
    value_of(vm, Got::Addr6(bytes))
}

/// A port; nil for a protocol that has none.
fn port(known: &Conntrack, tuple: Tuple, port: u16) -> Value {
    let icmp = matches!(known.proto, 1 | 58);
    if icmp || (tuple.sport == 0 && tuple.dport == 0) {
        return Value::NIL;
    }
    Value::int(i64::from(port))
}

/// `p.ct.mark = n`.
pub(super) fn set_mark(vm: &mut Vm, mark: u32) -> Result<(), Raise> {
    let done = vm
        .packet
        .packet_mut()
        .is_some_and(|packet| packet.set_conntrack_mark(mark).is_ok());
    if done {
        return Ok(());
    }
    Err(vm.error(format_args!(
        "this connection's mark cannot be written: the packet is not tracked, or the kernel has no marks"
    )))
}
