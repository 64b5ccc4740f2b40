// SPDX-License-Identifier: GPL-2.0-only
//! `table.sort` of lists without a metatable: at once when all are numbers or all are strings, and
//! with a comparison function by a machine that is left for each of its calls.
//!
//! Both are the quicksort of `stdlib::sort`, with the same comparisons and swaps in the same order. The
//! machine keeps its locals where that one has them and leaves with the same states, so either can go
//! on when a comparison function gives the list a metatable.

use super::error::Raise;
use super::native::{Args, Step, index_of, native};
use super::{Frame, FrameKind, Vm, lib};
use crate::memory::Heap;
use crate::number::arith::compare;
use crate::stdlib::sort::{
    A, ANSWERED_DOWN, ANSWERED_ENDS, ANSWERED_MIDDLE, ANSWERED_MIDDLE2, ANSWERED_UP, B, CHOICE,
    INDICES, PIVOT, RANGE, START, WAITING, halves, middle, pair, skewed, split,
};
use crate::value::{Ref, Tag, Value};
use core::cmp::Ordering;

/// Ranges that wait, at most: each is smaller than half of the one before.
const RANGES: usize = 32;

/// `table.sort`.
const SORT: Value = native(lib::TABLE, index_of(crate::stdlib::table::NATIVES, "sort"));

/// Why a list was not sorted.
enum Stop {
    Fuel,
    Order,
}

/// A list in the array part of a table, while nothing but its own order changes.
struct List<'a> {
    heap: &'a Heap,
    first: *mut Value,
}

impl List<'_> {
    /// # Safety
    ///
    /// `i` is an index of the list, from 1.
    #[inline(always)]
    unsafe fn at(&self, i: i64) -> *mut Value {
        self.first.wrapping_add(i as usize - 1)
    }
}

/// `a < b` of numbers.
#[inline(always)]
fn less_number(_: &Heap, a: &Value, b: &Value) -> bool {
    if a.tag == Tag::Int && b.tag == Tag::Int {
        return a.as_int() < b.as_int();
    }
    match (super::operate::number_of(*a), super::operate::number_of(*b)) {
        (Some(a), Some(b)) => compare(a, b) == Some(Ordering::Less),
        _ => false,
    }
}

/// `a < b` of strings.
#[inline(always)]
fn less_string(heap: &Heap, a: &Value, b: &Value) -> bool {
    heap.order_bytes(heap.string_bytes(a.as_ref()), heap.string_bytes(b.as_ref()))
        .is_lt()
}

impl Heap {
    /// The first of `n` items of a list that are all in the array part, where they lie until something
    /// is allocated.
    fn items(&self, t: Ref, n: i64) -> Option<*mut Value> {
        let cell = self.table(t);
        // SAFETY: a table's cell.
        unsafe { (n > 0 && n <= i64::from((*cell).cap)).then(|| self.at((*cell).array)) }
    }

    /// To be called before items of a list are put into another order: a cycle that marks must meet all
    /// of them.
    fn shade_list(&mut self, items: &[Value]) {
        for &v in items {
            self.shade_new(v);
        }
    }

    /// An item of a list without a metatable, if it is in the array part.
    #[inline(always)]
    fn item(&self, t: Ref, i: i64) -> Option<*const Value> {
        let cell = self.table(t);
        let index = (i as u64).wrapping_sub(1);
        // SAFETY: a table's cell, and an index inside its array part.
        unsafe {
            if index >= u64::from((*cell).cap) || (*cell).meta != 0 {
                return None;
            }
            let item = self.at::<Value>((*cell).array).add(index as usize);
            if (*item).is_nil() { None } else { Some(item) }
        }
    }
}

impl Vm {
    /// Sorts the first `n` items of a list if all of them are numbers or all are strings. Says whether
    /// they were.
    pub fn sort_at_once(&mut self, t: Ref, n: i64) -> Result<bool, Raise> {
        let Some(first) = self.heap.items(t, n) else {
            return Ok(false);
        };
        self.charge(n as u64 >> 3)?;
        // SAFETY: the list has that many items, and nothing allocates meanwhile.
        let items = unsafe { core::slice::from_raw_parts(first, n as usize) };
        let numbers = items.iter().all(|v| matches!(v.tag, Tag::Int | Tag::Float));
        if !numbers && !items.iter().all(|v| v.tag == Tag::Str) {
            return Ok(false);
        }
        self.heap.shade_list(items);
        let available = self.available();
        let mut fuel = available as i64;
        let mut random = self.random;
        let list = List {
            heap: &self.heap,
            first,
        };
        let mut ranges = [(0, 0); RANGES];
        let waiting = &mut ranges;
        let sorted = if numbers {
            quicksort(&list, n, &mut random, &mut fuel, 2, waiting, less_number)
        } else {
            quicksort(&list, n, &mut random, &mut fuel, 0, waiting, less_string)
        };
        self.random = random;
        self.charge(available.saturating_sub(fuel.max(0) as u64))?;
        match sorted {
            Ok(()) => Ok(true),
            Err(Stop::Fuel) => Err(self.out_of_fuel()),
            Err(Stop::Order) => Err(self.error(format_args!("invalid order function for sorting"))),
        }
    }

    /// The comparison function on top returns `n` values from `first` on, to whatever native function
    /// called it. When that is [`Vm::sort_by`] and its next step is one of the most frequent, going up or
    /// down to the next item or exchanging two, that is done here, and the function begins anew in the frame
    /// it has. `false` when it is anything else; nothing has happened then.
    #[inline(never)]
    pub(crate) fn sort_again(&mut self, first: u32, n: u32) -> bool {
        // SAFETY: the frame on top is a Lua function's, and the one below it a native function's that waits
        // for it. Its locals are below its call, and the waiting ranges are few. Items of the list lie in
        // its array part, and nothing allocates here.
        unsafe {
            let called: *mut Frame = self.this_mut();
            let f: *mut Frame = called.sub(1);
            if (*f).kind != FrameKind::Calling || !matches!((*f).pc, ANSWERED_UP | ANSWERED_DOWN) {
                return false;
            }
            let arguments = self.slot((*f).base);
            if (*arguments.sub(1)).tag != Tag::Native
                || (*arguments.sub(1)).payload != SORT.payload
                || (*f).extra < 2
                || (*called).flags != 0
                || (*called).place != 0
                || (*called).base != (*f).place + 1
                || (*arguments).tag != Tag::Table
                || self.heap.wants_safe_point()
                || self.heap.doomed != 0
            {
                return false;
            }
            let (fuel, parameters) = {
                let p = self.proto((*called).proto);
                (i64::from(p.fuel) + 1, u32::from(p.parameters))
            };
            let t = (*arguments).as_ref();
            let answer = n > 0 && (*self.slot(first)).is_true();
            let locals = arguments.add((*f).extra as usize);
            let indices = locals.add(INDICES as usize);
            let (mut i, mut j) = split(*indices);
            let (pivot, a, b) = (
                locals.add(PIVOT as usize),
                locals.add(A as usize),
                locals.add(B as usize),
            );
            let went_up = (*f).pc == ANSWERED_UP;
            let (_, end) = split(*locals.add(RANGE as usize));
            let up = went_up == answer;
            if up {
                i += 1;
            } else {
                j -= 1;
            }
            let Some(item) = self.heap.item(t, if up { i } else { j }) else {
                return false;
            };
            if self.fuel < fuel {
                return false;
            }
            if went_up {
                if up && i == end {
                    return false;
                }
            } else if up {
                // Both were found: they change places.
                let (low, high) = (self.heap.item(t, i - 1), self.heap.item(t, j));
                if j < i - 1 || self.heap.barrier != 0 {
                    return false;
                }
                let (Some(low), Some(high)) = (low, high) else {
                    return false;
                };
                Value::copy(b, low.cast_mut());
                Value::copy(a, high.cast_mut());
            } else if j + 1 < i {
                return false;
            }
            self.fuel -= fuel;
            let (to, x, y, state) = if up {
                (a, a, pivot, ANSWERED_UP)
            } else {
                (b, pivot, b, ANSWERED_DOWN)
            };
            Value::copy(item, to);
            (*indices).payload = pair(i, j).payload;
            let call = self.slot((*f).place);
            Value::copy(x, call.add(1));
            Value::copy(y, call.add(2));
            for n in 2..parameters {
                *call.add(n as usize + 1) = Value::NIL;
            }
            (*f).pc = state;
            (*called).pc = 0;
            (*called).extra = 0;
            (*called).failed = 0;
            true
        }
    }

    /// Sorts a list with the comparison function that is the second argument, as far as its next call.
    /// `None` when the list has a metatable by now.
    pub fn sort_by(&mut self, f: &Args, t: Ref) -> Result<Option<Step>, Raise> {
        if self.heap.meta(t) != 0 {
            return Ok(None);
        }
        let locals = self.slot(f.base + f.count);
        let local = |i: u32| locals.wrapping_add(i as usize);
        let (pivot, a, b) = (local(PIVOT), local(A), local(B));
        let mut state = f.state;
        let mut answer = false;
        if state != START {
            // SAFETY: the comparison function's one result.
            answer = unsafe { (*self.slot(f.results)).is_true() };
            self.top = f.results;
        }
        self.charge(1)?;
        // SAFETY: the sort's locals are below the top, and stay there; room is made for a call; the function
        // is the second argument.
        unsafe {
            let (mut low, mut up) = split(*local(RANGE));
            let (mut i, mut j) = split(*local(INDICES));
            // Leaves for the comparison of two locals.
            macro_rules! compare {
                ($x:expr, $y:expr, $then:expr) => {{
                    *local(INDICES) = pair(i, j);
                    if self.top + 3 > self.stack_soft {
                        self.ensure_stack(3)?;
                    }
                    let call = self.slot(self.top);
                    *call = *self.slot(f.base + 1);
                    *call.add(1) = *$x;
                    *call.add(2) = *$y;
                    self.top += 3;
                    return Ok(Some(Step::Call {
                        nargs: 2,
                        nresults: 1,
                        state: $then,
                    }));
                }};
            }
            loop {
                match state {
                    ANSWERED_UP if answer => {
                        if i == up - 1 {
                            return Err(self.unordered());
                        }
                        i += 1;
                        *a = self.heap.get_int(t, i);
                        compare!(a, pivot, ANSWERED_UP);
                    }
                    ANSWERED_UP => {
                        j -= 1;
                        *b = self.heap.get_int(t, j);
                        compare!(pivot, b, ANSWERED_DOWN);
                    }
                    ANSWERED_DOWN if answer => {
                        if j < i {
                            return Err(self.unordered());
                        }
                        j -= 1;
                        *b = self.heap.get_int(t, j);
                        compare!(pivot, b, ANSWERED_DOWN);
                    }
                    ANSWERED_DOWN if j >= i => {
                        self.put_item(t, i, b)?;
                        self.put_item(t, j, a)?;
                        i += 1;
                        *a = self.heap.get_int(t, i);
                        compare!(a, pivot, ANSWERED_UP);
                    }
                    ANSWERED_DOWN => {
                        // The pivot goes between both parts; the larger one waits.
                        self.put_item(t, up - 1, a)?;
                        self.put_item(t, i, pivot)?;
                        let (small, large) = halves(low, up, i);
                        self.push(pair(large.0, large.1))?;
                        *local(WAITING) = Value::int((*local(WAITING)).as_int() + 1);
                        if skewed(small, large) {
                            let random = crate::stdlib::random::next(&mut self.random);
                            *local(CHOICE) = Value::int((random >> 1) as i64);
                        }
                        *local(RANGE) = pair(small.0, small.1);
                        (low, up) = small;
                        state = START;
                    }
                    ANSWERED_ENDS => {
                        if answer {
                            self.put_item(t, low, b)?;
                            self.put_item(t, up, a)?;
                        }
                        if up - low == 1 {
                            (low, up, state) = (0, 0, START);
                            continue;
                        }
                        i = middle(low, up, (*local(CHOICE)).as_int() as u64);
                        *a = self.heap.get_int(t, i);
                        *b = self.heap.get_int(t, low);
                        compare!(a, b, ANSWERED_MIDDLE);
                    }
                    ANSWERED_MIDDLE if !answer => {
                        *b = self.heap.get_int(t, up);
                        compare!(b, a, ANSWERED_MIDDLE2);
                    }
                    ANSWERED_MIDDLE | ANSWERED_MIDDLE2 => {
                        if answer {
                            let other = if state == ANSWERED_MIDDLE { low } else { up };
                            self.put_item(t, i, b)?;
                            self.put_item(t, other, a)?;
                        }
                        if up - low == 2 {
                            (low, up, state) = (0, 0, START);
                            continue;
                        }
                        *pivot = self.heap.get_int(t, i);
                        *a = self.heap.get_int(t, up - 1);
                        self.put_item(t, i, a)?;
                        self.put_item(t, up - 1, pivot)?;
                        i = low + 1;
                        j = up - 1;
                        *a = self.heap.get_int(t, i);
                        compare!(a, pivot, ANSWERED_UP);
                    }
                    _ => {
                        if low >= up {
                            let left = (*local(WAITING)).as_int();
                            if left < 1 {
                                return Ok(Some(Step::Return(0)));
                            }
                            *local(WAITING) = Value::int(left - 1);
                            *local(RANGE) = self.pop();
                            (low, up) = split(*local(RANGE));
                            continue;
                        }
                        *a = self.heap.get_int(t, low);
                        *b = self.heap.get_int(t, up);
                        compare!(b, a, ANSWERED_ENDS);
                    }
                }
            }
        }
    }

    /// Writes an item of a list without a metatable.
    ///
    /// # Safety
    ///
    /// `from` is a slot of the stack.
    #[inline]
    unsafe fn put_item(&mut self, t: Ref, i: i64, from: *const Value) -> Result<(), Raise> {
        // SAFETY: the caller's promise.
        let v = unsafe { *from };
        let item = self.heap.listed(t, i);
        if self.heap.barrier == 0 && !item.is_null() && !v.is_nil() {
            // SAFETY: the item's place in the table.
            unsafe { *item = v };
            return Ok(());
        }
        self.raw_set_int(t, i, v)
    }

    #[cold]
    fn unordered(&mut self) -> Raise {
        self.error(format_args!("invalid order function for sorting"))
    }
}

/// Sorts `n` items in place. Each `1 << cheap` comparisons cost one unit of fuel. Ranges that wait are
/// the caller's, so that neither has a large frame.
#[inline(never)]
fn quicksort(
    list: &List,
    n: i64,
    random: &mut [u64; 4],
    fuel: &mut i64,
    cheap: u32,
    ranges: &mut [(u32, u32); RANGES],
    less: impl Fn(&Heap, &Value, &Value) -> bool,
) -> Result<(), Stop> {
    let mut waiting = 0;
    let mut choice = 0;
    let (mut low, mut up) = (1, n);
    // SAFETY: indices stay inside the range at hand, which is part of the list: the indices that go up
    // and down stop where the middle of three is, or else the order is none.
    unsafe {
        let at = |i: i64| list.at(i);
        let below = |a: i64, b: i64| less(list.heap, &*at(a), &*at(b));
        let swap = |a: i64, b: i64| core::ptr::swap(at(a), at(b));
        loop {
            while low < up {
                *fuel -= ((up - low) >> cheap) + 1 + i64::from(list.heap.owed.replace(0));
                if *fuel < 0 {
                    return Err(Stop::Fuel);
                }
                if below(up, low) {
                    swap(low, up);
                }
                if up - low == 1 {
                    break;
                }
                let mut i = middle(low, up, choice);
                if below(i, low) {
                    swap(i, low);
                } else if below(up, i) {
                    swap(i, up);
                }
                if up - low == 2 {
                    break;
                }
                let pivot = *at(i);
                swap(i, up - 1);
                i = low;
                let mut j = up - 1;
                loop {
                    i += 1;
                    while less(list.heap, &*at(i), &pivot) {
                        if i == up - 1 {
                            return Err(Stop::Order);
                        }
                        i += 1;
                    }
                    j -= 1;
                    while less(list.heap, &pivot, &*at(j)) {
                        if j < i {
                            return Err(Stop::Order);
                        }
                        j -= 1;
                    }
                    if j < i {
                        break;
                    }
                    swap(i, j);
                }
                swap(up - 1, i);
                let (small, large) = halves(low, up, i);
                if skewed(small, large) {
                    choice = crate::stdlib::random::next(random) >> 1;
                }
                if let Some(slot) = ranges.get_mut(waiting) {
                    *slot = (large.0 as u32, large.1 as u32);
                    waiting += 1;
                }
                (low, up) = small;
            }
            if waiting == 0 {
                return Ok(());
            }
            waiting -= 1;
            if let Some(&(first, last)) = ranges.get(waiting) {
                (low, up) = (i64::from(first), i64::from(last));
            }
        }
    }
}
