// SPDX-License-Identifier: GPL-2.0-only
//! Objects for packet scripts: sets of networks and of domain names, token buckets.
//!
//! Each is an object of the heap with a Lua table for its entries, so their memory is counted and
//! bounded like any other. Looking something up allocates nothing.

use super::address::{self, Address};
use super::library::address_of;
use super::read::Text;
use crate::host;
use crate::memory::OutOfMemory;
use crate::number::Number;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, NativeDef, Step};

/// Classes of objects; each is a place in the table of their metatables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Class {
    /// `ipset{…}`.
    IpSet = 1,
    /// `domainset{…}`.
    DomainSet = 2,
    /// `bucket{…}`.
    Bucket = 3,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::IpSet, Self::DomainSet, Self::Bucket];

    /// Its name: that of the function that makes one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpSet => "ipset",
            Self::DomainSet => "domainset",
            Self::Bucket => "bucket",
        }
    }
}

/// The functions, for the library's list.
pub const NATIVES: [NativeDef; 11] = [
    NativeDef::new("ipset", new_ipset),
    NativeDef::new("domainset", new_domainset),
    NativeDef::new("bucket", new_bucket),
    NativeDef::hidden("ipset.has", ipset_has),
    NativeDef::hidden("ipset.get", ipset_get),
    NativeDef::hidden("ipset.add", ipset_add),
    NativeDef::hidden("domainset.has", domainset_has),
    NativeDef::hidden("domainset.get", domainset_get),
    NativeDef::hidden("domainset.add", domainset_add),
    NativeDef::hidden("bucket.take", bucket_take),
    NativeDef::hidden("bucket.left", bucket_left),
];

/// Keeps the metatable of a class; the metatables live in the one of the type.
pub fn register(vm: &mut Vm, class: Class, meta: Ref) -> Result<(), OutOfMemory> {
    let mut all = vm.type_metatable(Tag::Object);
    if all == 0 {
        all = vm.heap.new_table(4, 0)?;
        vm.set_type_metatable(Tag::Object, all);
    }
    vm.heap
        .set_int(all, class as i64, Value::object(Tag::Table, meta))
}

/// A new object with `len` bytes and a value to keep.
fn create(vm: &mut Vm, class: Class, len: u32, value: Value) -> Result<Ref, Raise> {
    let made = vm.heap.new_object(class as u16, len);
    let r = vm.memory(made)?;
    vm.heap.set_object_value(r, value);
    let meta = vm
        .heap
        .get_int(vm.type_metatable(Tag::Object), class as i64);
    if meta.tag == Tag::Table {
        vm.heap.set_object_meta(r, meta.as_ref());
    }
    Ok(r)
}

/// The object that a method was called on.
fn object(vm: &mut Vm, f: &Args, class: Class, name: &str) -> Result<Ref, Raise> {
    let v = vm.arg(f, 0);
    if v.tag == Tag::Object && vm.heap.object_class(v.as_ref()) == class as u16 {
        return Ok(v.as_ref());
    }
    Err(vm.type_error(f, 0, name))
}

fn give(vm: &mut Vm, v: Value) -> Result<Step, Raise> {
    vm.push(v)?;
    Ok(Step::Return(1))
}

/// What a text looks like in a message.
fn shown(vm: &Vm, v: Value) -> Text {
    let mut text = Text::new();
    text.push(vm.bytes(v));
    text
}

/// Calls `add` for each entry of the table that a set is made of: a list of texts, or texts with what
/// is to be found there.
fn fill(
    vm: &mut Vm,
    f: &Args,
    set: Ref,
    add: fn(&mut Vm, Ref, Value, Value) -> Result<(), Raise>,
) -> Result<(), Raise> {
    let entries = vm.check_table(f, 0)?;
    let mut key = Value::NIL;
    while let Some((k, v)) = vm.next(entries, key)? {
        vm.charge(4)?;
        if k.tag == Tag::Int {
            add(vm, set, v, Value::boolean(true))?;
        } else {
            add(vm, set, k, v)?;
        }
        key = k;
    }
    Ok(())
}

// --- networks ----------------------------------------------------------------------------------------

/// Bytes of an ipset: a bit for each prefix length that occurs, IPv4's 33 and then IPv6's 129.
const LENGTHS: u32 = 24;

/// The place of a prefix length among the bits.
fn length_bit(address: Address, len: u8) -> usize {
    match address {
        Address::V4(_) => usize::from(len),
        Address::V6(_) => usize::from(len).wrapping_add(33),
    }
}

/// `ipset{…}`.
fn new_ipset(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_table(&f, 0)?;
    let table = vm.new_table(0, 0)?;
    let set = create(vm, Class::IpSet, LENGTHS, Value::object(Tag::Table, table))?;
    let v = Value::object(Tag::Object, set);
    vm.push(v)?;
    fill(vm, &f, set, ipset_put)?;
    give(vm, v)
}

/// The key under which an IPv4 network is kept.
fn narrow_key(address: u32, len: u8) -> i64 {
    let kept = address
        & u32::MAX
            .checked_shl(32_u32.saturating_sub(u32::from(len)))
            .unwrap_or(0);
    i64::from(kept) | i64::from(len) << 32 | 1 << 40
}

/// The key under which an IPv6 network is kept.
fn wide_key(address: [u8; 16], len: u8) -> [u8; 17] {
    let mask = u128::MAX
        .checked_shl(128_u32.saturating_sub(u32::from(len)))
        .unwrap_or(0);
    let kept = (u128::from_be_bytes(address) & mask).to_be_bytes();
    let mut key = [len; 17];
    for (to, from) in key.iter_mut().zip(kept) {
        *to = from;
    }
    key
}

fn ipset_put(vm: &mut Vm, set: Ref, network: Value, value: Value) -> Result<(), Raise> {
    let parsed = match address_of(vm, network) {
        Some(address) => Some((address, address.bits())),
        None => address::parse_prefix(vm.bytes(network)),
    };
    let Some((address, len)) = parsed else {
        let text = shown(vm, network);
        return Err(vm.error(format_args!(
            "'{}' is not a network such as \"10.0.0.0/8\"",
            Bytes(text.as_bytes())
        )));
    };
    let table = vm.heap.object_value(set).as_ref();
    match address {
        Address::V4(a) => vm.raw_set_int(table, narrow_key(a, len), value)?,
        Address::V6(a) => vm.raw_set_str(table, &wide_key(a, len), value)?,
    }
    let bit = length_bit(address, len);
    if let Some(byte) = vm.heap.object_bytes_mut(set).get_mut(bit / 8) {
        *byte |= 1_u8.unbounded_shl(bit as u32 % 8);
    }
    vm.heap.escaped = true;
    Ok(())
}

/// What the longest network around an address holds; nil when none does.
fn ipset_find(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let set = object(vm, f, Class::IpSet, "ipset")?;
    let v = vm.arg(f, 1);
    let address = match address_of(vm, v) {
        Some(address) => address,
        None if v.is_nil() => return Ok(Value::NIL),
        None => {
            let text = vm.check_str(f, 1)?;
            match Address::parse(vm.bytes(text)) {
                Some(address) => address,
                None => return Err(vm.type_error(f, 1, "address")),
            }
        }
    };
    let table = vm.heap.object_value(set).as_ref();
    let mut len = address.bits();
    loop {
        let bit = length_bit(address, len);
        let byte = vm.heap.object_bytes(set).get(bit / 8).copied().unwrap_or(0);
        if byte.unbounded_shr(bit as u32 % 8) & 1 != 0 {
            vm.charge(1)?;
            let found = match address {
                Address::V4(a) => vm.heap.get_int(table, narrow_key(a, len)),
                Address::V6(a) => vm.heap.get_bytes(table, &wide_key(a, len)),
            };
            if !found.is_nil() {
                return Ok(found);
            }
        }
        if len == 0 {
            return Ok(Value::NIL);
        }
        len = len.wrapping_sub(1);
    }
}

fn ipset_has(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = ipset_find(vm, &f)?;
    give(vm, Value::boolean(!found.is_nil()))
}

fn ipset_get(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = ipset_find(vm, &f)?;
    give(vm, found)
}

/// `s:add(network [, value])`; a value of nil takes the network out.
fn ipset_add(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let set = object(vm, &f, Class::IpSet, "ipset")?;
    let network = vm.check_any(&f, 1)?;
    let value = if f.count < 3 {
        Value::boolean(true)
    } else {
        vm.arg(&f, 2)
    };
    ipset_put(vm, set, network, value)?;
    Ok(Step::Return(0))
}

// --- domain names ------------------------------------------------------------------------------------

/// A name in lower case without a final dot, at most as long as DNS allows.
struct Domain {
    bytes: [u8; 255],
    len: usize,
}

impl Domain {
    fn new(name: &[u8]) -> Option<Self> {
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut domain = Self {
            bytes: [0; 255],
            len: name.len(),
        };
        for (to, from) in domain.bytes.get_mut(..name.len())?.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        Some(domain)
    }
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// `domainset{…}`.
fn new_domainset(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_table(&f, 0)?;
    let table = vm.new_table(0, 0)?;
    let set = create(vm, Class::DomainSet, 0, Value::object(Tag::Table, table))?;
    let v = Value::object(Tag::Object, set);
    vm.push(v)?;
    fill(vm, &f, set, domainset_put)?;
    give(vm, v)
}

fn domainset_put(vm: &mut Vm, set: Ref, name: Value, value: Value) -> Result<(), Raise> {
    let domain = Domain::new(vm.bytes(name));
    match domain {
        Some(domain) if domain.len > 0 && matches!(name.tag, Tag::Str | Tag::Bytes) => {
            let table = vm.heap.object_value(set).as_ref();
            vm.raw_set_str(table, domain.as_bytes(), value)
        }
        _ => {
            let text = shown(vm, name);
            Err(vm.error(format_args!(
                "'{}' is not a domain name",
                Bytes(text.as_bytes())
            )))
        }
    }
}

/// What the longest suffix of a name that is in the set holds; nil when none is.
fn domainset_find(vm: &mut Vm, f: &Args) -> Result<Value, Raise> {
    let set = object(vm, f, Class::DomainSet, "domainset")?;
    if vm.arg(f, 1).is_nil() {
        return Ok(Value::NIL);
    }
    let name = vm.check_str(f, 1)?;
    let table = vm.heap.object_value(set).as_ref();
    let bytes = vm.bytes(name);
    let (found, asked) = if bytes.iter().any(u8::is_ascii_uppercase) {
        let Some(domain) = Domain::new(bytes) else {
            return Ok(Value::NIL);
        };
        find_suffix(vm, table, domain.as_bytes())
    } else {
        find_suffix(vm, table, bytes.strip_suffix(b".").unwrap_or(bytes))
    };
    vm.charge(asked)?;
    Ok(found)
}

/// What the longest suffix of a name that is a key of the table holds, and how many were tried. A
/// name longer than any domain's has none.
fn find_suffix(vm: &Vm, table: Ref, name: &[u8]) -> (Value, u64) {
    let mut asked = 0_u64;
    let mut rest = if name.len() <= 255 { name } else { &[] };
    while !rest.is_empty() {
        asked = asked.wrapping_add(1).wrapping_add(rest.len() as u64 / 32);
        let found = vm.heap.get_bytes(table, rest);
        if !found.is_nil() {
            return (found, asked);
        }
        let Some(dot) = rest.iter().position(|b| *b == b'.') else {
            break;
        };
        rest = rest.get(dot.wrapping_add(1)..).unwrap_or(&[]);
    }
    (Value::NIL, asked)
}

fn domainset_has(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = domainset_find(vm, &f)?;
    give(vm, Value::boolean(!found.is_nil()))
}

fn domainset_get(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(2)?;
    let found = domainset_find(vm, &f)?;
    give(vm, found)
}

/// `s:add(name [, value])`; a value of nil takes the name out.
fn domainset_add(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let set = object(vm, &f, Class::DomainSet, "domainset")?;
    let name = vm.check_any(&f, 1)?;
    let value = if f.count < 3 {
        Value::boolean(true)
    } else {
        vm.arg(&f, 2)
    };
    domainset_put(vm, set, name, value)?;
    Ok(Step::Return(0))
}

// --- token buckets -----------------------------------------------------------------------------------

/// The numbers of a bucket, in its bytes.
#[derive(Clone, Copy)]
struct Rate {
    /// Thousandths of a token a second.
    speed: u64,
    /// Thousandths of a token that a key may save up.
    burst: u64,
    /// Keys in one generation.
    keys: u64,
    /// Keys in the younger generation now.
    young: u64,
}

impl Rate {
    fn read(bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(8).map(|word| {
            word.first_chunk()
                .map_or(0, |word| u64::from_ne_bytes(*word))
        });
        let mut next = || words.next().unwrap_or(0);
        Self {
            speed: next(),
            burst: next(),
            keys: next(),
            young: next(),
        }
    }
    fn write(self, bytes: &mut [u8]) {
        let words = [self.speed, self.burst, self.keys, self.young];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
    }
}

/// Places of the two generations of keys in the list that a bucket keeps. A full young generation
/// becomes the old one, and the old one is forgotten: those keys were not asked for since.
const YOUNG: i64 = 1;
const OLD: i64 = 2;

/// `bucket{rate =, burst =, max =}`.
fn new_bucket(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let spec = vm.check_table(&f, 0)?;
    let rate = thousandths(vm, spec, "rate", None)?;
    let burst = thousandths(vm, spec, "burst", Some(rate.max(1000)))?;
    let max = thousandths(vm, spec, "max", Some(10_000_000))?;
    let list = vm.new_table(2, 0)?;
    let state = Value::object(Tag::Table, list);
    let bucket = create(vm, Class::Bucket, 32, state)?;
    let v = Value::object(Tag::Object, bucket);
    vm.push(v)?;
    for generation in [YOUNG, OLD] {
        let table = vm.new_table(0, 0)?;
        vm.raw_set_int(list, generation, Value::object(Tag::Table, table))?;
    }
    let numbers = Rate {
        speed: rate,
        burst,
        keys: (max / 2000).max(1),
        young: 0,
    };
    numbers.write(vm.heap.object_bytes_mut(bucket));
    give(vm, v)
}

/// A positive number of a specification, in thousandths.
fn thousandths(vm: &mut Vm, spec: Ref, name: &str, default: Option<u64>) -> Result<u64, Raise> {
    let v = vm.raw_get_str(spec, name.as_bytes());
    if let (true, Some(default)) = (v.is_nil(), default) {
        return Ok(default);
    }
    let n = match vm.to_number(v) {
        Some(Number::Int(n)) => u64::try_from(n).unwrap_or(0).saturating_mul(1000),
        Some(Number::Float(n)) => (n * 1000.0) as u64,
        None => 0,
    };
    if n == 0 || n > 4_000_000_000 {
        return Err(vm.error(format_args!(
            "bucket: {name} is a number from 0.001 to 4000000"
        )));
    }
    Ok(n)
}

/// A bucket's table of a generation.
fn generation(vm: &mut Vm, bucket: Ref, which: i64) -> Ref {
    let list = vm.heap.object_value(bucket).as_ref();
    vm.heap.get_int(list, which).as_ref()
}

/// How many thousandths a key has now, and since when it has them.
fn level(vm: &mut Vm, bucket: Ref, key: Value) -> (u64, u32, bool) {
    let numbers = Rate::read(vm.heap.object_bytes(bucket));
    let now = host::now_ms() as u32;
    let young = generation(vm, bucket, YOUNG);
    let mut known = vm.raw_get(young, key);
    let is_young = !known.is_nil();
    if !is_young {
        let old = generation(vm, bucket, OLD);
        known = vm.raw_get(old, key);
    }
    if known.is_nil() {
        return (numbers.burst, now, false);
    }
    let packed = known.as_int() as u64;
    let (saved, since) = (packed >> 32, packed as u32);
    let elapsed = u64::from(now.wrapping_sub(since));
    let gained = elapsed.wrapping_mul(numbers.speed) / 1000;
    if saved.wrapping_add(gained) >= numbers.burst {
        return (numbers.burst, now, is_young);
    }
    // Time that did not make a whole thousandth stays to the key's credit.
    let used = gained
        .wrapping_mul(1000)
        .checked_div(numbers.speed)
        .unwrap_or(0);
    (
        saved.wrapping_add(gained),
        since.wrapping_add(used as u32),
        is_young,
    )
}

/// `b:take(key [, n])`: takes n tokens of the key if it has so many.
fn bucket_take(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(6)?;
    let bucket = object(vm, &f, Class::Bucket, "bucket")?;
    let key = vm.check_any(&f, 1)?;
    let n = vm.opt_int(&f, 2, 1)?;
    let Ok(n) = u32::try_from(n) else {
        return Err(vm.arg_error(&f, 2, format_args!("a number of tokens expected")));
    };
    let wanted = u64::from(n).wrapping_mul(1000);
    let (mut saved, since, is_young) = level(vm, bucket, key);
    let enough = saved >= wanted;
    if enough {
        saved = saved.wrapping_sub(wanted);
    }
    let mut young = generation(vm, bucket, YOUNG);
    if !is_young {
        let mut numbers = Rate::read(vm.heap.object_bytes(bucket));
        if numbers.young >= numbers.keys {
            let list = vm.heap.object_value(bucket).as_ref();
            let fresh = vm.new_table(0, 0)?;
            vm.raw_set_int(list, OLD, Value::object(Tag::Table, young))?;
            vm.raw_set_int(list, YOUNG, Value::object(Tag::Table, fresh))?;
            young = fresh;
            numbers.young = 0;
        }
        numbers.young = numbers.young.wrapping_add(1);
        numbers.write(vm.heap.object_bytes_mut(bucket));
        vm.heap.escaped = true;
    }
    let packed = saved << 32 | u64::from(since);
    vm.raw_set(young, key, Value::int(packed as i64))?;
    give(vm, Value::boolean(enough))
}

/// `b:left(key)`: how many whole tokens a key has.
fn bucket_left(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let bucket = object(vm, &f, Class::Bucket, "bucket")?;
    let key = vm.check_any(&f, 1)?;
    let (saved, _, _) = level(vm, bucket, key);
    give(vm, Value::int((saved / 1000) as i64))
}
