// SPDX-License-Identifier: GPL-2.0-only
//! What packet scripts find among the globals, and the methods of packets, addresses and verdicts.

use super::access::{self, addr4};
use super::address::{self, Address};
use super::fields::Method;
use super::objects::{self, Class};
use super::read::Text;
use super::verdict::{self, ANSWERS, CONSTANTS, QUEUE_BYPASS, Verdict};
use crate::host;
use crate::memory::OutOfMemory;
use crate::stdlib::base;
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Library, NativeDef, Step, index_of, native};
use crate::vm::{Vm, lib};

/// The library of packets.
pub static LIBRARY: Library = Library {
    name: "",
    natives: NATIVES,
    open: Some(open),
};

static NATIVES: &[NativeDef] = &ALL;

/// Packets, addresses and verdicts; then the objects.
const OWN: [NativeDef; 15] = [
    NativeDef::new("ip", ip),
    NativeDef::new("now", now),
    NativeDef::hidden("u8", read_u8),
    NativeDef::hidden("u16", read_u16),
    NativeDef::hidden("u32", read_u32),
    NativeDef::hidden("u16le", read_u16le),
    NativeDef::hidden("u32le", read_u32le),
    NativeDef::hidden("bytes", read_bytes),
    NativeDef::hidden("log", log),
    NativeDef::hidden("within", within),
    NativeDef::hidden("__tostring", tostring),
    NativeDef::hidden("__lt", less),
    NativeDef::hidden("__le", less_or_equal),
    NativeDef::hidden("__concat", concat),
    NativeDef::hidden("__call", call_verdict),
];

const ALL: [NativeDef; OWN.len() + objects::NATIVES.len()] = join();

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn join() -> [NativeDef; OWN.len() + objects::NATIVES.len()] {
    let mut all = [OWN[0]; OWN.len() + objects::NATIVES.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < OWN.len() {
            OWN[i]
        } else {
            objects::NATIVES[i - OWN.len()]
        };
        i += 1;
    }
    all
}

/// A hidden function of the library, as a value.
const fn hidden(name: &str) -> Value {
    native(lib::PACKET, index_of(&ALL, name))
}

/// The function behind `p:u8` and its like.
pub const fn method(method: Method) -> Value {
    match method {
        Method::U8 => const { hidden("u8") },
        Method::U16 => const { hidden("u16") },
        Method::U32 => const { hidden("u32") },
        Method::U16Le => const { hidden("u16le") },
        Method::U32Le => const { hidden("u32le") },
        Method::Bytes => const { hidden("bytes") },
        Method::Log => const { hidden("log") },
    }
}

/// The methods of a class of objects.
const fn object_methods(class: Class) -> &'static [(&'static str, Value)] {
    match class {
        Class::IpSet | Class::DomainSet => {
            const {
                &[
                    ("has", hidden("set.has")),
                    ("get", hidden("set.get")),
                    ("add", hidden("set.add")),
                ]
            }
        }
        Class::Bucket => {
            const {
                &[
                    ("take", hidden("bucket.take")),
                    ("left", hidden("bucket.left")),
                ]
            }
        }
        Class::Map => {
            const {
                &[
                    ("get", hidden("map.get")),
                    ("set", hidden("map.set")),
                    ("incr", hidden("map.incr")),
                    ("delete", hidden("map.delete")),
                ]
            }
        }
        Class::Timer => const { &[("cancel", hidden("timer.cancel"))] },
        Class::Dissector => &[],
    }
}

/// The classes of objects with their methods, for whoever describes them.
pub fn methods() -> [(&'static str, &'static [(&'static str, Value)]); Class::ALL.len()] {
    Class::ALL.map(|class| (class.name(), object_methods(class)))
}

/// Adds the constants to the globals and gives the types of packets their metatables.
fn open(vm: &mut Vm, globals: Ref) -> Result<(), OutOfMemory> {
    for constant in &CONSTANTS {
        set(vm, globals, constant.name, constant.verdict.value(0))?;
    }
    let methods = method_table(vm, "address")?;
    set(vm, methods, "within", const { hidden("within") })?;
    let address = metatable(vm, "address", Value::object(Tag::Table, methods))?;
    set(vm, address, "__lt", const { hidden("__lt") })?;
    set(vm, address, "__le", const { hidden("__le") })?;
    let verdict = metatable(vm, "verdict", Value::NIL)?;
    set(vm, verdict, "__call", const { hidden("__call") })?;
    let packet = metatable(vm, "packet", Value::NIL)?;
    for (tag, meta) in [
        (Tag::Addr4, address),
        (Tag::Addr6, address),
        (Tag::Verdict, verdict),
        (Tag::Packet, packet),
    ] {
        vm.set_type_metatable(tag, meta);
    }
    for class in Class::ALL {
        let methods = method_table(vm, class.name())?;
        for &(name, function) in object_methods(class) {
            set(vm, methods, name, function)?;
        }
        let meta = metatable(vm, class.name(), Value::object(Tag::Table, methods))?;
        if class == Class::Dissector {
            set(vm, meta, "__call", const { hidden("dissector.call") })?;
        }
        objects::register(vm, class, meta)?;
    }
    let proto = vm.heap.new_table(0, 1)?;
    set(vm, proto, "define", const { hidden("proto.define") })?;
    set(vm, globals, "proto", Value::object(Tag::Table, proto))?;
    Ok(())
}

/// A table for the methods of a type: what is none of them is an error, for nobody means nil by it.
fn method_table(vm: &mut Vm, name: &str) -> Result<Ref, OutOfMemory> {
    let methods = vm.heap.new_table(0, 4)?;
    let meta = vm.heap.new_table(0, 2)?;
    let text = vm.heap.new_string(name.as_bytes())?;
    set(vm, meta, "__name", text)?;
    set(vm, meta, "__index", const { hidden("object.absent") })?;
    vm.heap.set_meta(methods, meta);
    Ok(methods)
}

fn metatable(vm: &mut Vm, name: &str, index: Value) -> Result<Ref, OutOfMemory> {
    let meta = vm.heap.new_table(0, 8)?;
    let text = vm.heap.new_string(name.as_bytes())?;
    set(vm, meta, "__name", text)?;
    set(vm, meta, "__metatable", text)?;
    set(vm, meta, "__tostring", const { hidden("__tostring") })?;
    set(vm, meta, "__concat", const { hidden("__concat") })?;
    set(vm, meta, "__index", index)?;
    Ok(meta)
}

fn set(vm: &mut Vm, table: Ref, name: &str, value: Value) -> Result<(), OutOfMemory> {
    let key = vm.heap.new_string(name.as_bytes())?;
    vm.heap.set(table, key, value)
}

fn give(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

// --- addresses ---------------------------------------------------------------------------------------

/// The address in a value.
pub fn address_of(vm: &Vm, v: Value) -> Option<Address> {
    match v.tag {
        Tag::Addr4 => Some(Address::V4(v.payload as u32)),
        Tag::Addr6 => Some(Address::V6(vm.heap.addr6(v.as_ref()))),
        _ => None,
    }
}

/// An address as a value.
pub fn address_value(vm: &mut Vm, address: Address) -> Result<Value, Raise> {
    match address {
        Address::V4(a) => Ok(addr4(a)),
        Address::V6(bytes) => vm.allocate(|heap| heap.new_addr6(bytes)),
    }
}

/// `ip(text)`: the address that a text says.
fn ip(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(3)?;
    let v = vm.arg(&f, 0);
    if address_of(vm, v).is_some() {
        return give(vm, v);
    }
    let text = vm.check_str(&f, 0)?;
    if let Some(address) = Address::parse(vm.bytes(text)) {
        let v = address_value(vm, address)?;
        give(vm, v)
    } else {
        let mut shown = Text::new();
        shown.push(vm.bytes(text));
        let shown = Bytes(shown.as_bytes());
        Err(vm.arg_error(&f, 0, format_args!("'{shown}' is not an IP address")))
    }
}

/// `a:within(prefix)`: whether an address lies in `"10.0.0.0/8"`, or is the given one.
fn within(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(3)?;
    let v = vm.arg(&f, 0);
    let Some(address) = address_of(vm, v) else {
        return Err(vm.type_error(&f, 0, "address"));
    };
    let other = vm.arg(&f, 1);
    if let Some(other) = address_of(vm, other) {
        return give(vm, Value::boolean(address == other));
    }
    let text = vm.check_str(&f, 1)?;
    if let Some((network, len)) = address::parse_prefix(vm.bytes(text)) {
        give(vm, Value::boolean(address.within(network, len)))
    } else {
        let mut shown = Text::new();
        shown.push(vm.bytes(text));
        let shown = Bytes(shown.as_bytes());
        Err(vm.arg_error(
            &f,
            1,
            format_args!("'{shown}' is not a prefix such as 10.0.0.0/8"),
        ))
    }
}

fn addresses(vm: &mut Vm, f: &Args) -> Result<(Address, Address), Raise> {
    let (a, b) = (vm.arg(f, 0), vm.arg(f, 1));
    match (address_of(vm, a), address_of(vm, b)) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err(vm.error(format_args!(
            "an address can only be compared with an address"
        ))),
    }
}

fn less(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = addresses(vm, &f)?;
    give(vm, Value::boolean(a < b))
}

fn less_or_equal(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = addresses(vm, &f)?;
    give(vm, Value::boolean(a <= b))
}

// --- texts -------------------------------------------------------------------------------------------

/// The text of a value of the packet API.
pub fn text_of(vm: &Vm, v: Value) -> Option<Text> {
    if let Some(address) = address_of(vm, v) {
        return Some(address.text());
    }
    let mut text = Text::new();
    match v.tag {
        Tag::Object => {
            let class = vm.heap.object_class(v.as_ref());
            let known = Class::ALL.into_iter().find(|known| *known as u16 == class);
            text.push(known.map_or("object", Class::name).as_bytes());
        }
        Tag::Packet => {
            let kind = super::fields::Kind::from_payload(v.payload)?;
            if kind != super::fields::Kind::Root {
                text.push(b"packet.");
            }
            text.push(kind.name().as_bytes());
        }
        Tag::Verdict => {
            let (name, operand) = verdict::parts(v);
            text.push(name.as_bytes());
            if name == "QUEUE" && operand != 0 {
                text.push(b"(");
                push_number(&mut text, operand & 0xffff);
                if operand & QUEUE_BYPASS != 0 {
                    text.push(b", \"bypass\"");
                }
                text.push(b")");
            } else if name == "REJECT" && operand != 0 {
                text.push(b"(\"");
                let answer = ANSWERS
                    .get(operand.wrapping_sub(1) as usize)
                    .copied()
                    .unwrap_or("?");
                text.push(answer.as_bytes());
                text.push(b"\")");
            }
        }
        _ => return None,
    }
    Some(text)
}

fn push_number(text: &mut Text, n: u32) {
    let mut divisor = 10_000;
    while divisor > 1 && n < divisor {
        divisor /= 10;
    }
    while divisor > 0 {
        let digit = n.checked_div(divisor).unwrap_or(0) % 10;
        text.push(&[b'0'.wrapping_add(digit as u8)]);
        divisor /= 10;
    }
}

fn tostring(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.arg(&f, 0);
    let Some(text) = text_of(vm, v) else {
        return Err(vm.type_error(&f, 0, "packet value"));
    };
    let s = vm.new_string(text.as_bytes())?;
    give(vm, s)
}

/// `..` with an address, a verdict or a packet on one side: its text.
fn concat(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let buffer = vm.new_buffer(64)?;
    for i in 0..2 {
        let v = vm.arg(&f, i);
        if let Some(text) = text_of(vm, v) {
            vm.push_bytes(buffer, text.as_bytes())?;
        } else {
            let text = vm.check_str(&f, i)?;
            let len = vm.bytes(text).len();
            vm.charge(len as u64 / 64)?;
            vm.push_part(buffer, text, 0, len)?;
        }
    }
    let s = vm.heap.finish_buffer(buffer);
    give(vm, s)
}

// --- verdicts ----------------------------------------------------------------------------------------

/// `QUEUE(n [, "bypass"])`, `REJECT(answer)`.
fn call_verdict(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.arg(&f, 0);
    let code = v.payload as u32;
    if v.tag == Tag::Verdict && code == Verdict::Queue as u32 {
        let n = vm.check_int(&f, 1)?;
        let Ok(n) = u16::try_from(n) else {
            return Err(vm.error(format_args!("QUEUE: a queue is a number from 0 to 65535")));
        };
        let bypass = match vm.opt_str(&f, 2)? {
            None => 0,
            Some(text) if vm.bytes(text) == b"bypass" => QUEUE_BYPASS,
            Some(_) => {
                return Err(vm.error(format_args!(
                    "QUEUE: the second argument is \"bypass\" or nothing"
                )));
            }
        };
        return give(vm, Verdict::Queue.value(u32::from(n) | bypass));
    }
    if v.tag == Tag::Verdict && code == Verdict::Reject as u32 {
        let text = vm.check_str(&f, 1)?;
        let wanted = vm.bytes(text);
        let known = ANSWERS
            .iter()
            .position(|answer| answer.as_bytes() == wanted);
        return match known {
            Some(i) => give(vm, Verdict::Reject.value((i as u32).wrapping_add(1))),
            None => Err(vm.error(format_args!(
                "REJECT: an answer such as \"port-unreachable\" or \"tcp-reset\" expected"
            ))),
        };
    }
    let (name, _) = verdict::parts(v);
    Err(vm.error(format_args!(
        "{name} takes no arguments: return it as it is"
    )))
}

// --- packets -----------------------------------------------------------------------------------------

/// The offset that a read method was given, if the packet is at hand. Offsets count from the network
/// header; one that is negative or beyond the end reads nil.
fn offset(vm: &mut Vm, f: &Args) -> Result<Option<u32>, Raise> {
    let v = vm.arg(f, 0);
    if v.tag != Tag::Packet {
        return Err(vm.type_error(f, 0, "packet"));
    }
    access::check(vm, v)?;
    Ok(u32::try_from(vm.check_int(f, 1)?).ok())
}

fn read_number<const N: usize>(
    vm: &mut Vm,
    f: Args,
    number: impl FnOnce([u8; N]) -> u32,
) -> Result<Step, Raise> {
    let at = offset(vm, &f)?;
    let mut bytes = [0; N];
    let here = at.is_some_and(|at| vm.packet.fetch(at, &mut bytes));
    give(
        vm,
        if here {
            Value::int(i64::from(number(bytes)))
        } else {
            Value::NIL
        },
    )
}

fn read_u8(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_number::<1>(vm, f, |bytes| u32::from(bytes[0]))
}

fn read_u16(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_number::<2>(vm, f, |bytes| u32::from(u16::from_be_bytes(bytes)))
}

fn read_u32(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_number::<4>(vm, f, u32::from_be_bytes)
}

fn read_u16le(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_number::<2>(vm, f, |bytes| u32::from(u16::from_le_bytes(bytes)))
}

fn read_u32le(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_number::<4>(vm, f, u32::from_le_bytes)
}

/// `p:bytes(offset, len)`: a string, nil when the packet does not hold all of it.
fn read_bytes(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let at = offset(vm, &f)?;
    let len = u32::try_from(vm.check_int(&f, 2)?).ok();
    let size = vm.packet.packet().map_or(0, crate::host::Packet::len);
    let v = match (at, len) {
        (Some(at), Some(len)) if at.checked_add(len).is_some_and(|end| end <= size) => {
            access::bytes(vm, at, len)?
        }
        _ => Value::NIL,
    };
    give(vm, v)
}

/// `now()`: milliseconds of the kernel's tick clock.
fn now(vm: &mut Vm, _: Args) -> Result<Step, Raise> {
    vm.charge(1)?;
    give(vm, Value::int(host::now_ms() as i64))
}

/// `p:log(…)`: what `print` does, for a packet at hand.
fn log(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    const PRINT: Value = native(lib::BASE, index_of(base::NATIVES, "print"));
    let v = vm.arg(&f, 0);
    if v.tag != Tag::Packet {
        return Err(vm.type_error(&f, 0, "packet"));
    }
    access::check(vm, v)?;
    vm.charge(4)?;
    vm.push(PRINT)?;
    for i in 1..f.count {
        vm.push(vm.arg(&f, i))?;
    }
    Ok(Step::TailCall {
        nargs: f.count.saturating_sub(1),
    })
}
