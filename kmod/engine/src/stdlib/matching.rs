// SPDX-License-Identifier: GPL-2.0-only
//! `string.find`, `match`, `gmatch` and `gsub`.

use super::pattern::{Budget, Captured, Fault, Matcher, is_plain};
use super::{local, position_start, search, string};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Raise, type_name};
use crate::vm::native::{Args, Called, Meta, Step, index_of, is_function, native};
use crate::vm::{Vm, lib};

/// Steps of a matcher for one unit of fuel: a step is about a dozen instructions.
const STEPS: u64 = 4;

/// Where a match was found, and how many captures it made.
#[derive(Clone, Copy)]
struct Found {
    start: usize,
    end: usize,
    level: usize,
}

/// How many steps the fuel that is left allows.
fn budget(vm: &Vm) -> Budget {
    let steps = |fuel: i64| (fuel.max(0) as u64).saturating_mul(STEPS);
    Budget::new(steps(vm.fuel), steps(vm.reserve))
}

/// Charges the steps of a budget that are gone.
fn settle(vm: &mut Vm, spent: u64) -> Result<(), Raise> {
    vm.charge((spent / STEPS).wrapping_add(1))
}

/// The error of a matcher.
fn fault(vm: &mut Vm, fault: Fault) -> Raise {
    match fault {
        Fault::Fuel => vm.out_of_fuel(),
        Fault::Interrupted => vm.interrupted(),
        Fault::Malformed(message) => vm.error(format_args!("{message}")),
        Fault::Index(i) => vm.error(format_args!("invalid capture index %{i}")),
    }
}

/// The next match of a pattern value from `from` on. `skip` bytes of the pattern are its anchor.
#[inline(never)]
fn search_from(
    vm: &mut Vm,
    s: Value,
    p: Value,
    from: usize,
    skip: usize,
) -> Result<Option<Found>, Raise> {
    let budget = budget(vm);
    let (found, spent) = {
        let pattern = vm.bytes(p).get(skip..).unwrap_or_default();
        let mut matcher = Matcher::new(vm.bytes(s), pattern, &vm.library.pattern, budget);
        let found = matcher.search(from, skip > 0);
        let level = matcher.captures();
        (
            found.map(|at| at.map(|(start, end)| Found { start, end, level })),
            matcher.budget.spent(),
        )
    };
    settle(vm, spent)?;
    found.map_err(|e| fault(vm, e))
}

/// Matches that `gsub` looks for before it puts anything in their places.
const MANY: usize = 16;

/// Where `gsub` is in its subject.
struct Places {
    /// Where the next match may begin.
    source: usize,
    /// Where the last one ended, or -1: an empty match there does not count.
    last: i64,
}

/// The next matches of a pattern, as many as there are places, but one alone when it makes captures, which
/// the next would overwrite. Returns how many there are and how many captures each makes; there are fewer
/// than places only at the end, or when it is for the next call to say what is wrong with the pattern.
#[inline(never)]
fn find_some(
    vm: &mut Vm,
    s: Value,
    p: Value,
    at: &mut Places,
    skip: usize,
    places: &mut [(u32, u32)],
) -> Result<(usize, usize), Raise> {
    let budget = budget(vm);
    let (mut count, mut level) = (0usize, 0);
    let (answer, spent) = {
        let subject = vm.bytes(s);
        let pattern = vm.bytes(p).get(skip..).unwrap_or_default();
        let mut matcher = Matcher::new(subject, pattern, &vm.library.pattern, budget);
        let answer = loop {
            let Some(place) = places.get_mut(count) else {
                break Ok(());
            };
            if at.source > subject.len() {
                break Ok(());
            }
            match matcher.search(at.source, skip > 0) {
                Ok(Some((start, end))) if end as i64 == at.last => {
                    // An empty match where the last one ended.
                    at.source = start.wrapping_add(1);
                }
                Ok(Some((start, end))) => {
                    *place = (start as u32, end as u32);
                    count = count.wrapping_add(1);
                    (at.source, at.last) = (end, end as i64);
                    level = matcher.captures();
                    if level > 0 {
                        break Ok(());
                    }
                }
                Ok(None) => {
                    at.source = subject.len().wrapping_add(1);
                    break Ok(());
                }
                Err(_) if count > 0 => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        (answer, matcher.budget.spent())
    };
    settle(vm, spent)?;
    match answer {
        Ok(()) => Ok((count, level)),
        Err(e) => Err(fault(vm, e)),
    }
}

/// The value of capture number i.
fn capture(vm: &mut Vm, s: Value, found: Found, i: usize) -> Result<Value, Raise> {
    match vm
        .library
        .pattern
        .capture(found.level, i, found.start, found.end)
    {
        Ok(Captured::Position(at)) => Ok(Value::int(at)),
        Ok(Captured::Bytes(start, end)) => vm.substring(s, start, end),
        Err(e) => Err(fault(vm, e)),
    }
}

/// Pushes the captures of a match, or all of it if there are none and `whole` says so.
fn push_captures(vm: &mut Vm, s: Value, found: Found, whole: bool) -> Result<u32, Raise> {
    let count = if found.level == 0 && whole {
        1
    } else {
        found.level
    };
    for i in 0..count {
        let value = capture(vm, s, found, i)?;
        vm.push(value)?;
    }
    Ok(count as u32)
}

/// `string.find`.
pub fn find(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    search_arguments(vm, &f, true)
}

/// `string.match`.
pub fn find_captures(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    search_arguments(vm, &f, false)
}

/// The same of plain text, from the start.
pub fn quick_find(vm: &mut Vm, f: Called) -> bool {
    let (s, p, init) = (vm.given(f, 0), vm.given(f, 1), vm.given(f, 2));
    let is_string = |v: Value| matches!(v.tag, Tag::Str | Tag::Bytes);
    let from_start = init.is_nil() || init.tag == Tag::Int && init.as_int() == 1;
    if !is_string(s) || !is_string(p) || !from_start {
        return false;
    }
    let needle = vm.bytes(p);
    if !vm.given(f, 3).is_true() && !is_plain(needle) {
        return false;
    }
    let steps = (vm.fuel.max(0) as u64).saturating_mul(STEPS);
    let mut left = steps;
    let Ok(found) = search::plain(vm.bytes(s), needle, &mut left) else {
        return false;
    };
    let price = (steps.wrapping_sub(left) / STEPS).wrapping_add(2);
    vm.fuel = vm.fuel.wrapping_sub(price as i64);
    let found = found.map_or(Value::NIL, |at| Value::int(at.wrapping_add(1) as i64));
    vm.answer(f, found);
    true
}

fn search_arguments(vm: &mut Vm, f: &Args, find: bool) -> Result<Step, Raise> {
    let s = vm.check_str(f, 0)?;
    let p = vm.check_str(f, 1)?;
    let len = vm.bytes(s).len();
    let init = vm.opt_int(f, 2, 1)?;
    let from = position_start(init, len).wrapping_sub(1);
    if from > len {
        vm.push(Value::NIL)?;
        return Ok(Step::Return(1));
    }
    if find && (vm.arg(f, 3).is_true() || is_plain(vm.bytes(p))) {
        return find_plain(vm, s, p, from);
    }
    let skip = usize::from(vm.bytes(p).first() == Some(&b'^'));
    let Some(found) = search_from(vm, s, p, from, skip)? else {
        vm.push(Value::NIL)?;
        return Ok(Step::Return(1));
    };
    if find {
        vm.push(Value::int(found.start.wrapping_add(1) as i64))?;
        vm.push(Value::int(found.end as i64))?;
    }
    let count = push_captures(vm, s, found, !find)?;
    Ok(Step::Return(if find {
        count.wrapping_add(2)
    } else {
        count
    }))
}

fn find_plain(vm: &mut Vm, s: Value, p: Value, from: usize) -> Result<Step, Raise> {
    let budget = budget(vm);
    let steps = budget.all();
    let mut left = steps;
    let needle = vm.bytes(p);
    let len = needle.len();
    let found = search::plain(
        vm.bytes(s).get(from..).unwrap_or_default(),
        needle,
        &mut left,
    );
    settle(vm, steps.wrapping_sub(left))?;
    match found {
        Ok(Some(at)) => {
            let start = from.wrapping_add(at);
            vm.push(Value::int(start.wrapping_add(1) as i64))?;
            vm.push(Value::int(start.wrapping_add(len) as i64))?;
            Ok(Step::Return(2))
        }
        Ok(None) => {
            vm.push(Value::NIL)?;
            Ok(Step::Return(1))
        }
        Err(e) => Err(fault(vm, e)),
    }
}

/// `string.gmatch`: an iterator that keeps the subject, the pattern and where it is.
pub fn gmatch(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let s = vm.check_str(&f, 0)?;
    let p = vm.check_str(&f, 1)?;
    let len = vm.bytes(s).len();
    let init = vm.opt_int(&f, 2, 1)?;
    let from = position_start(init, len)
        .wrapping_sub(1)
        .min(len.wrapping_add(1));
    // Strings of the packet at hand may be gone when the iterator goes on.
    let s = vm.owned_string(s)?;
    let p = vm.owned_string(p)?;
    let iterator = vm.new_native_closure(NEXT, &[s, p, place(from, None)])?;
    vm.push(iterator)?;
    Ok(Step::Return(1))
}

const NEXT: Value = native(lib::STRING, index_of(string::NATIVES, "for iterator"));

/// Where an iterator goes on, and where its last match ended (an empty match there does not count).
fn place(from: usize, last: Option<usize>) -> Value {
    let last = last.map_or(0, |last| last.wrapping_add(1));
    Value::int((from as u64 | (last as u64) << 32) as i64)
}

/// The iterator of `gmatch`.
pub fn gmatch_next(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (s, p) = (vm.upvalue(&f, 0), vm.upvalue(&f, 1));
    let at = vm.upvalue(&f, 2).as_int() as u64;
    let mut from = (at & 0xffff_ffff) as usize;
    let last = ((at >> 32) as usize).checked_sub(1);
    while from <= vm.bytes(s).len() {
        let Some(found) = search_from(vm, s, p, from, 0)? else {
            break;
        };
        if Some(found.end) == last {
            from = found.start.wrapping_add(1);
            continue;
        }
        vm.set_upvalue(&f, 2, place(found.end, Some(found.end)));
        let count = push_captures(vm, s, found, true)?;
        return Ok(Step::Return(count));
    }
    let behind = vm.bytes(s).len().wrapping_add(1);
    vm.set_upvalue(&f, 2, place(behind, None));
    vm.push(Value::NIL)?;
    Ok(Step::Return(1))
}

// Locals of `gsub`, behind its arguments.
const BUFFER: u32 = 0;
const SOURCE: u32 = 1;
const LAST: u32 = 2;
const COUNT: u32 = 3;
const START: u32 = 4;
const MAXIMUM: u32 = 5;
const CHANGED: u32 = 6;
/// Up to where the subject is in the buffer, or what became of it.
const COPIED: u32 = 7;
const LOCALS: u32 = 8;

/// `string.gsub`.
pub fn gsub(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state == 0 {
        begin_gsub(vm, &f)?;
    }
    let (s, p) = (vm.arg(&f, 0), vm.arg(&f, 1));
    let replacement = vm.arg(&f, 2);
    let buffer = vm.get(local(&f, BUFFER)).as_ref();
    let number = |vm: &Vm, i: u32| vm.get(local(&f, i)).as_int();
    let skip = usize::from(vm.bytes(p).first() == Some(&b'^'));
    if f.state > 0 {
        let value = vm.result(&f, 0);
        vm.set_top(local(&f, LOCALS))?;
        if f.state == 1 {
            replace_answered(vm, &f, buffer, value)?;
            if skip > 0 {
                return finish_gsub(vm, &f, buffer);
            }
        }
    }
    // What a match becomes is known here unless something is called for it.
    let many = skip == 0
        && match replacement.tag {
            Tag::Str | Tag::Bytes => true,
            Tag::Table => vm.heap.meta(replacement.as_ref()) == 0,
            _ => false,
        };
    let plain = matches!((s.tag, replacement.tag), (Tag::Str, Tag::Str))
        && search::byte(vm.bytes(replacement), b'%').is_none();
    let mut places = [(0, 0); MANY];
    loop {
        let mut at = Places {
            source: number(vm, SOURCE) as usize,
            last: number(vm, LAST),
        };
        let left = number(vm, MAXIMUM).saturating_sub(number(vm, COUNT)).max(0) as usize;
        let left = left.min(if many { MANY } else { 1 });
        if left == 0 || at.source > vm.bytes(s).len() {
            break;
        }
        let places = places.get_mut(..left).unwrap_or_default();
        let (count, level) = find_some(vm, s, p, &mut at, skip, places)?;
        let count_before = number(vm, COUNT);
        vm.set(
            local(&f, COUNT),
            Value::int(count_before.wrapping_add(count as i64)),
        );
        vm.set(local(&f, SOURCE), Value::int(at.source as i64));
        vm.set(local(&f, LAST), Value::int(at.last));
        let places = places.get(..count).unwrap_or_default();
        if plain && count > 0 {
            replace_plainly(vm, &f, buffer, places)?;
        } else if let Some(nargs) = replace_each(vm, &f, buffer, places, level)? {
            return Ok(Step::Call {
                nargs,
                nresults: 1,
                state: 1,
            });
        }
        if skip > 0 || count == 0 {
            break;
        }
        if vm.is_due() {
            return Ok(Step::Again { state: 2 });
        }
    }
    finish_gsub(vm, &f, buffer)
}

/// Puts in what some matches become, one after the other. `Some`: a call was pushed that will tell.
#[inline(never)]
fn replace_each(
    vm: &mut Vm,
    f: &Args,
    buffer: Ref,
    places: &[(u32, u32)],
    level: usize,
) -> Result<Option<u32>, Raise> {
    let (s, replacement) = (vm.arg(f, 0), vm.arg(f, 2));
    for &(start, end) in places {
        let found = Found {
            start: start as usize,
            end: end as usize,
            level,
        };
        vm.set(local(f, START), Value::int(found.start as i64));
        let call = substitute(vm, f, buffer, s, replacement, found)?;
        if call.is_some() {
            return Ok(call);
        }
    }
    Ok(None)
}

/// A function or a metamethod answered what the match at hand becomes.
#[inline(never)]
fn replace_answered(vm: &mut Vm, f: &Args, buffer: Ref, value: Value) -> Result<(), Raise> {
    let number = |vm: &Vm, i: u32| vm.get(local(f, i)).as_int() as usize;
    let (start, end) = (number(vm, START), number(vm, LAST));
    replace(vm, f, buffer, value, start, end)
}

/// Checks the arguments and makes the locals.
#[inline(never)]
fn begin_gsub(vm: &mut Vm, f: &Args) -> Result<(), Raise> {
    let s = vm.check_str(f, 0)?;
    vm.check_str(f, 1)?;
    let len = vm.bytes(s).len();
    let maximum = vm.opt_int(f, 3, (len as i64).wrapping_add(1))?;
    let replacement = vm.arg(f, 2);
    match replacement.tag {
        Tag::Int | Tag::Float => {
            vm.check_str(f, 2)?;
        }
        // It is looked through for what is to be filled in.
        Tag::Str | Tag::Bytes => vm.charge(vm.bytes(replacement).len() as u64 >> 6)?,
        Tag::Table => {}
        _ if is_function(replacement) => {}
        _ => return Err(vm.type_error(f, 2, "string/function/table")),
    }
    let buffer = vm.new_buffer(0)?;
    vm.push(Value::object(Tag::Str, buffer))?;
    for value in [0, -1, 0, 0, maximum] {
        vm.push(Value::int(value))?;
    }
    vm.push(Value::boolean(false))?;
    vm.push(Value::int(0))
}

/// Appends what is left and returns the result and the count.
#[inline(never)]
fn finish_gsub(vm: &mut Vm, f: &Args, buffer: Ref) -> Result<Step, Raise> {
    let s = vm.arg(f, 0);
    let count = vm.get(local(f, COUNT));
    if vm.get(local(f, CHANGED)).is_true() {
        let copied = vm.get(local(f, COPIED)).as_int() as usize;
        vm.push_part(buffer, s, copied, usize::MAX)?;
        let result = vm.heap.finish_buffer(buffer);
        vm.push(result)?;
    } else {
        vm.push(s)?;
    }
    vm.push(count)?;
    Ok(Step::Return(2))
}

/// Puts in what a match becomes. `Some`: a call was pushed that will tell.
#[inline(never)]
fn substitute(
    vm: &mut Vm,
    f: &Args,
    buffer: Ref,
    s: Value,
    replacement: Value,
    found: Found,
) -> Result<Option<u32>, Raise> {
    if matches!(replacement.tag, Tag::Str | Tag::Bytes) {
        change(vm, f, buffer, found.start, found.end)?;
        expand(vm, buffer, s, replacement, found)?;
        return Ok(None);
    }
    if replacement.tag == Tag::Table {
        let t = replacement.as_ref();
        let captured = vm
            .library
            .pattern
            .capture(found.level, 0, found.start, found.end);
        if let Ok(Captured::Bytes(start, end)) = captured
            && vm.heap.meta(t) == 0
        {
            vm.charge(super::bulk(end.wrapping_sub(start)))?;
            let key = vm.bytes(s).get(start..end).unwrap_or_default();
            let value = vm.heap.get_bytes(t, key);
            replace(vm, f, buffer, value, found.start, found.end)?;
            return Ok(None);
        }
        let key = capture(vm, s, found, 0)?;
        return match vm.index(replacement, key)? {
            Meta::Done(value) => {
                replace(vm, f, buffer, value, found.start, found.end)?;
                Ok(None)
            }
            Meta::Call(nargs) => Ok(Some(nargs)),
        };
    }
    vm.push(replacement)?;
    push_captures(vm, s, found, true).map(Some)
}

/// What is between `start` and `end` becomes something else: what stays before it is appended.
fn change(vm: &mut Vm, f: &Args, buffer: Ref, start: usize, end: usize) -> Result<(), Raise> {
    let copied = vm.get(local(f, COPIED)).as_int() as usize;
    if copied < start {
        let s = vm.arg(f, 0);
        vm.push_part(buffer, s, copied, start)?;
    }
    vm.set(local(f, COPIED), Value::int(end as i64));
    vm.set(local(f, CHANGED), Value::boolean(true));
    Ok(())
}

/// Puts the replacement, in which nothing is to be filled in, in the places of some matches.
#[inline(never)]
fn replace_plainly(vm: &mut Vm, f: &Args, buffer: Ref, places: &[(u32, u32)]) -> Result<(), Raise> {
    let (s, by) = (vm.arg(f, 0), vm.arg(f, 2));
    let fuel = super::bulk(vm.bytes(by).len()).saturating_mul(places.len() as u64);
    vm.charge(fuel)?;
    let copied = vm.get(local(f, COPIED)).as_int() as usize;
    vm.allocate(|heap| heap.push_replaced(buffer, s.as_ref(), by.as_ref(), copied, places))?;
    let end = places.last().map_or(0, |place| i64::from(place.1));
    vm.set(local(f, COPIED), Value::int(end));
    vm.set(local(f, CHANGED), Value::boolean(true));
    Ok(())
}

/// Appends a replacement value; nil and false leave the match as it is.
#[inline]
fn replace(
    vm: &mut Vm,
    f: &Args,
    buffer: Ref,
    value: Value,
    start: usize,
    end: usize,
) -> Result<(), Raise> {
    match value.tag {
        Tag::Nil | Tag::False => Ok(()),
        Tag::Str | Tag::Bytes | Tag::Int | Tag::Float => {
            change(vm, f, buffer, start, end)?;
            vm.charge(super::bulk(vm.bytes(value).len()))?;
            vm.push_text(buffer, value)
        }
        _ => {
            let name = type_name(value);
            Err(vm.error(format_args!("invalid replacement value (a {name})")))
        }
    }
}

/// Appends a replacement string with its `%1` and the like filled in.
#[inline(never)]
fn expand(
    vm: &mut Vm,
    buffer: Ref,
    s: Value,
    replacement: Value,
    found: Found,
) -> Result<(), Raise> {
    let mut at = 0usize;
    vm.charge(super::bulk(vm.bytes(replacement).len()))?;
    loop {
        let rest = vm.bytes(replacement).get(at..).unwrap_or_default();
        let Some(plain) = search::byte(rest, b'%') else {
            return vm.push_part(buffer, replacement, at, usize::MAX);
        };
        let sign = at.wrapping_add(plain);
        let escaped = rest.get(plain.wrapping_add(1)).copied();
        vm.push_part(buffer, replacement, at, sign)?;
        vm.charge(3)?;
        match escaped {
            Some(b'%') => vm.push_part(buffer, replacement, sign, sign.wrapping_add(1))?,
            Some(b'0') => {
                vm.charge(super::bulk(found.end.wrapping_sub(found.start)))?;
                vm.push_part(buffer, s, found.start, found.end)?;
            }
            Some(digit @ b'1'..=b'9') => {
                let i = usize::from(digit.wrapping_sub(b'1'));
                expand_capture(vm, buffer, s, found, i)?;
            }
            _ => {
                return Err(vm.error(format_args!("invalid use of '%' in replacement string")));
            }
        }
        at = sign.wrapping_add(2);
    }
}

fn expand_capture(vm: &mut Vm, buffer: Ref, s: Value, found: Found, i: usize) -> Result<(), Raise> {
    match vm
        .library
        .pattern
        .capture(found.level, i, found.start, found.end)
    {
        Ok(Captured::Bytes(start, end)) => {
            vm.charge(super::bulk(end.wrapping_sub(start)))?;
            vm.push_part(buffer, s, start, end)
        }
        Ok(Captured::Position(at)) => vm.push_text(buffer, Value::int(at)),
        Err(e) => Err(fault(vm, e)),
    }
}
