// SPDX-License-Identifier: GPL-2.0-only
//! Timers: `after(ms, f)` and `every(ms, f)`.
//!
//! A timer is an object that keeps its function; the machine keeps those that wait in a list of
//! [`MOST`] places. Nothing here looks at a clock by itself: the host is told when the next one is
//! due, and comes back to run it ([`Vm::run_timer`]). They die with their environment.

use super::{Class, create, give, object};
use crate::host::{self, NEVER};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Step};

/// Timers that may wait at once.
const MOST: i64 = 64;
/// The longest time, in milliseconds: 49 days.
const LONGEST: i64 = u32::MAX as i64;
/// Where the list is, in the table of the metatables of objects.
const LIST: i64 = 64;
/// Bytes of a timer: when it is due, how often it comes (0: once), which was made first.
const BYTES: u32 = 24;
const DUE: usize = 0;
const PERIOD: usize = 1;
const ORDER: usize = 2;

fn number(vm: &Vm, timer: Ref, which: usize) -> u64 {
    super::generations::number(vm, timer, which)
}

fn set_number(vm: &mut Vm, timer: Ref, which: usize, number: u64) {
    super::generations::set_number(vm, timer, which, number);
}

/// The list of those that wait, if there ever was one.
fn list(vm: &Vm) -> Option<Ref> {
    let all = vm.type_metatable(Tag::Object);
    if all == 0 {
        return None;
    }
    let list = vm.raw_get_int(all, LIST);
    (list.tag == Tag::Table).then(|| list.as_ref())
}

fn list_or_new(vm: &mut Vm) -> Result<Ref, Raise> {
    if let Some(list) = list(vm) {
        return Ok(list);
    }
    let list = vm.new_table(MOST as u32, 0)?;
    let all = vm.type_metatable(Tag::Object);
    vm.raw_set_int(all, LIST, Value::object(Tag::Table, list))?;
    Ok(list)
}

/// `after(ms, f)`.
pub(super) fn after(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    start(vm, &f, 0, false)
}

/// `every(ms, f)`.
pub(super) fn every(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    start(vm, &f, 1, true)
}

fn start(vm: &mut Vm, f: &Args, least: i64, again: bool) -> Result<Step, Raise> {
    vm.charge(10)?;
    let ms = vm.check_int(f, 0)?;
    if ms < least || ms > LONGEST {
        return Err(vm.arg_error(
            f,
            0,
            format_args!("a time is {least} to {LONGEST} milliseconds"),
        ));
    }
    let function = vm.check_function(f, 1)?;
    let list = list_or_new(vm)?;
    let (mut place, mut order) = (0, 0);
    for i in (1..=MOST).rev() {
        let there = vm.raw_get_int(list, i);
        if there.is_nil() {
            place = i;
        } else {
            order = order.max(number(vm, there.as_ref(), ORDER));
        }
    }
    if place == 0 {
        return Err(vm.error(format_args!("more than {MOST} timers would wait at once")));
    }
    let timer = create(vm, Class::Timer, BYTES, function)?;
    let due = host::now_ms().wrapping_add(ms as u64);
    set_number(vm, timer, DUE, due);
    set_number(vm, timer, PERIOD, if again { ms as u64 } else { 0 });
    set_number(vm, timer, ORDER, order.wrapping_add(1));
    vm.raw_set_int(list, place, Value::object(Tag::Object, timer))?;
    // SAFETY: the cookie is the one that the machine was made with.
    unsafe { host::arm_timer(vm.cookie, due) };
    give(vm, Value::object(Tag::Object, timer))
}

/// `t:cancel()`: whether it was still waiting.
pub(super) fn cancel(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(4)?;
    let timer = object(vm, &f, Class::Timer)?;
    let found = place_of(vm, timer);
    if let Some((list, place)) = found {
        vm.raw_set_int(list, place, Value::NIL)?;
    }
    give(vm, Value::boolean(found.is_some()))
}

fn place_of(vm: &Vm, timer: Ref) -> Option<(Ref, i64)> {
    let list = list(vm)?;
    let place = (1..=MOST).find(|i| {
        let there = vm.raw_get_int(list, *i);
        there.tag == Tag::Object && there.as_ref() == timer
    })?;
    Some((list, place))
}

/// The one that is due first, of those due together the oldest: its place in the list, and when.
fn first(vm: &Vm) -> Option<(Ref, i64, Ref, u64)> {
    let list = list(vm)?;
    let mut first: Option<((u64, u64), i64, Ref)> = None;
    for place in 1..=MOST {
        let there = vm.raw_get_int(list, place);
        if there.tag != Tag::Object {
            continue;
        }
        let timer = there.as_ref();
        let key = (number(vm, timer, DUE), number(vm, timer, ORDER));
        if first.is_none_or(|(least, ..)| key < least) {
            first = Some((key, place, timer));
        }
    }
    first.map(|((due, _), place, timer)| (list, place, timer, due))
}

/// When the next timer is due; [`NEVER`] when none waits.
pub(crate) fn next_due(vm: &Vm) -> u64 {
    first(vm).map_or(NEVER, |(_, _, _, due)| due)
}

/// Whether one waits that runs once.
#[cfg(feature = "user")]
pub(crate) fn any_once(vm: &Vm) -> bool {
    list(vm).is_some_and(|list| {
        (1..=MOST).any(|place| {
            let there = vm.raw_get_int(list, place);
            there.tag == Tag::Object && number(vm, there.as_ref(), PERIOD) == 0
        })
    })
}

/// Takes the function of the timer that is due, if one is: a timer that runs once leaves the list,
/// another is due again a period later.
pub(crate) fn take_due(vm: &mut Vm) -> Result<Option<Value>, Raise> {
    let now = host::now_ms();
    let Some((list, place, timer, due)) = first(vm) else {
        return Ok(None);
    };
    if due > now {
        return Ok(None);
    }
    match number(vm, timer, PERIOD) {
        0 => vm.raw_set_int(list, place, Value::NIL)?,
        period => {
            // One that comes late keeps its beat; beats that were missed altogether are not made up for.
            let next = due.wrapping_add(period);
            let next = if next > now {
                next
            } else {
                now.wrapping_add(period)
            };
            set_number(vm, timer, DUE, next);
        }
    }
    Ok(Some(vm.heap.object_value(timer)))
}
