// SPDX-License-Identifier: GPL-2.0-only
//! A TLS ClientHello that does not fit into one segment: the first ones wait in a store of the host
//! for those that follow, at most [`FLOWS`] flows, [`LONGEST`] bytes each, [`TTL`] milliseconds.
//!
//! Segments are told apart by their sequence numbers, so those that come twice do no harm, and several
//! scripts may look at the same ones. One that comes before its predecessor is not kept. Only what a
//! script asks `p.tls` of is seen at all.

use crate::bytecode::image::{Constant, Image};
use crate::host;
use crate::packet::Current;
use crate::packet::fields::{Kind, field_id};
use crate::packet::locate::Network;
use crate::packet::objects::named::with;
use crate::store::{Spec, Store};
use crate::value::Value;
use crate::vm::Vm;
use crate::vm::error::Raise;

use super::tls::{self, Reach, Records};

/// Flows that wait.
const FLOWS: u32 = 256;
/// Bytes of each.
const LONGEST: usize = 4096;
/// For how long, in milliseconds.
const TTL: u32 = 10_000;
/// What the store is called; no script can.
const NAME: &[u8] = b"\x01hello";
/// What kind of store it is: none of a class of objects.
const KIND: u32 = 1000;
/// In front of the bytes: the sequence number of the first.
const HEAD: usize = 4;
/// In place of an offset in a view: the message is in the store.
pub(super) const ASSEMBLED: u32 = u32::MAX;

/// Who a segment is from and to.
struct Flow {
    bytes: [u8; 36],
    seq: u32,
}

impl Flow {
    fn of(current: &Current) -> Option<Self> {
        let places = current.places;
        let (at, len) = match places.network {
            Network::V4 => (12, 8),
            Network::V6 => (8, 32),
            _ => return None,
        };
        let mut bytes = [0; 36];
        let (addresses, rest) = bytes.split_at_mut_checked(len)?;
        let ports = rest.first_chunk_mut::<4>()?;
        let here =
            current.fetch(places.l3.wrapping_add(at), addresses) && current.fetch(places.l4, ports);
        let seq = current.u32_at(places.l4.wrapping_add(4))?;
        here.then_some(Self { bytes, seq })
    }
}

/// Whether a program asks for `p.tls` anywhere.
pub(crate) fn is_asked(image: &Image) -> bool {
    let id = field_id(b"tls");
    (0..image.constant_count())
        .any(|i| matches!(image.constant(i), Some(Constant::Str(_, field)) if field == id))
}

/// Opens the store. Without memory for it, what is split is not seen.
pub(crate) fn prepare(vm: &mut Vm) {
    let bytes = const { LONGEST as u32 + HEAD as u32 + size_of::<Flow>() as u32 };
    let spec = Spec::new(KIND, FLOWS, TTL, bytes);
    let seed = vm.store_seed();
    // SAFETY: the cookie is the one that the machine was made with.
    unsafe {
        if let Ok(handle) = host::open_store(vm.cookie, NAME, spec.size()) {
            let opened = host::with_store(vm.cookie, handle, |memory| {
                Store::open(memory, spec, seed).is_some_and(|(_, found)| found == spec)
            });
            if opened == Some(true) {
                vm.packet.hellos = Some(handle);
            }
        }
    }
}

/// Whether nothing waits: then only a packet that begins a ClientHello is of any interest.
pub(super) fn is_idle(vm: &Vm) -> bool {
    vm.packet
        .hellos
        .is_none_or(|handle| with(vm, handle, |store| store.count() == 0))
}

/// Keeps the beginning of a ClientHello; `message` is the segment's payload.
pub(super) fn begin(vm: &mut Vm, message: Value) -> Result<(), Raise> {
    let (Some(store), Some(flow)) = (vm.packet.hellos, Flow::of(&vm.packet)) else {
        return Ok(());
    };
    let now = host::now_ms();
    let payload = vm.bytes(message);
    let cost = payload.len() as u64 / 64;
    with(vm, store, |store| {
        let known = state(store, &flow, now);
        let again = known.is_some_and(|(first, have)| first == flow.seq && have >= payload.len());
        if !again {
            // Whatever there is no room for is not seen.
            let head = flow.seq.to_ne_bytes();
            let _ = store.set(&flow.bytes, [&head, payload], now, None);
        }
    });
    vm.charge(cost.wrapping_add(4))
}

/// What is known of a flow: the sequence number of its first byte, and how many there are.
fn state(store: &Store, flow: &Flow, now: u64) -> Option<(u32, usize)> {
    let mut head = [0; HEAD];
    let len = store.value_len(&flow.bytes, now)?;
    store.get(&flow.bytes, now, &mut head)?;
    Some((u32::from_ne_bytes(head), len.saturating_sub(HEAD)))
}

/// Whether the packet at hand continues what waits of its flow.
pub(super) fn is_inside(vm: &Vm) -> bool {
    let (Some(store), Some(flow)) = (vm.packet.hellos, Flow::of(&vm.packet)) else {
        return false;
    };
    let known = with(vm, store, |store| state(store, &flow, host::now_ms()));
    known.is_some_and(|(first, have)| {
        let offset = flow.seq.wrapping_sub(first) as usize;
        offset > 0 && offset <= have
    })
}

/// Adds a segment to what waits of its flow; says whether that is a ClientHello of which this segment
/// is a part.
pub(super) fn go_on(vm: &mut Vm, message: Value) -> Result<bool, Raise> {
    let Some(store) = vm.packet.hellos else {
        return Ok(false);
    };
    vm.charge(3)?;
    let now = host::now_ms();
    let payload = vm.bytes(message);
    let cost = payload.len().min(LONGEST) as u64 / 64;
    let joined = with(vm, store, |store| {
        if store.count() == 0 {
            return None;
        }
        let flow = Flow::of(&vm.packet)?;
        let (first, have) = state(store, &flow, now)?;
        let offset = flow.seq.wrapping_sub(first) as usize;
        if offset > have || (offset == 0 && have > 0 && payload.len() < have) {
            // There is a gap, or it is the first segment once more.
            return (offset == 0)
                .then(|| beginning(store, &flow, now))
                .flatten();
        }
        let whole = match beginning(store, &flow, now) {
            Some((Reach::Whole(whole), _)) => whole.min(LONGEST),
            Some((Reach::Broken, _)) => have,
            _ => LONGEST,
        };
        if offset >= whole {
            // It comes after the hello.
            return None;
        }
        let end = whole.saturating_sub(offset).min(payload.len());
        if let Some(more) = payload.get(have.saturating_sub(offset)..end) {
            store.append(&flow.bytes, more, now).ok()?;
        }
        let reach = beginning(store, &flow, now);
        if reach.is_none() && have.max(offset.saturating_add(end)) >= tls::SURE {
            // It looked like one, and is none.
            store.remove(&flow.bytes);
        }
        reach
    });
    let records = joined.map_or(0, |(_, records)| u64::from(records));
    vm.charge(cost.wrapping_add(records))?;
    Ok(joined.is_some())
}

/// How far the ClientHello goes that waits, if it is one for sure, and in how many records.
fn beginning(store: &Store, flow: &Flow, now: u64) -> Option<(Reach, u32)> {
    let mut head = [0; HEAD + tls::SURE];
    let len = store.get(&flow.bytes, now, &mut head)?;
    if !tls::is_hello(head.get(HEAD..len)?) {
        return None;
    }
    let mut records = Records::default();
    store.each(&flow.bytes, now, HEAD, |piece| records.read(piece));
    Some((records.reach(), records.count()))
}

/// What waits of the flow of the packet at hand, as a string.
pub(super) fn assembled(vm: &mut Vm) -> Result<Value, Raise> {
    let (Some(store), Some(flow)) = (vm.packet.hellos, Flow::of(&vm.packet)) else {
        return Ok(Value::NIL);
    };
    let made = vm.heap.new_buffer(LONGEST);
    let buffer = vm.memory(made)?;
    vm.charge(LONGEST as u64 / 64)?;
    let now = host::now_ms();
    let mut pushed = Ok(());
    let cookie = vm.cookie;
    // SAFETY: the cookie is the one that the machine was made with.
    unsafe {
        host::with_store(cookie, store, |memory| {
            Store::at(memory).each(&flow.bytes, now, HEAD, |piece| {
                if pushed.is_ok() {
                    pushed = vm.heap.push_bytes(buffer, piece);
                }
            });
        })
    };
    vm.memory(pushed)?;
    Ok(vm.heap.finish_buffer(buffer))
}

/// A view of the ClientHello that waits.
pub(super) fn view(vm: &Vm) -> Value {
    vm.packet.view(Kind::Tls, ASSEMBLED)
}
