// SPDX-License-Identifier: GPL-2.0-only
//! `table.sort`: quicksort by the median of three, with an explicit stack, as a state machine that is
//! left at each comparison and access that runs Lua.
//!
//! Which elements are compared and swapped, and when, is as in PUC, so that equal elements end in the
//! same places and a comparison function without order raises the same error.

use super::local;
use super::table::{self, length, length_value, raw};
use crate::number::Number;
use crate::number::arith::compare;
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Meta, Step};
use core::cmp::Ordering;

// Locals, behind the arguments. Above them lie the ranges that wait.
/// The range at hand: its first and its last index, see [`pair`].
pub const RANGE: u32 = 0;
/// The index that goes up (first the pivot's place), and the one that goes down.
pub const INDICES: u32 = 1;
/// The pivot.
pub const PIVOT: u32 = 2;
/// Two values that were read.
pub const A: u32 = 3;
/// The second of them.
pub const B: u32 = 4;
/// What the pivot is chosen with in large, badly divided ranges; 0 for the middle.
pub const CHOICE: u32 = 5;
/// How many ranges lie above.
pub const WAITING: u32 = 6;

/// Two indices as one value: they are below 2^31.
#[inline(always)]
pub const fn pair(a: i64, b: i64) -> Value {
    Value::int(a | b << 32)
}

/// The two indices of a value.
#[inline(always)]
pub const fn split(v: Value) -> (i64, i64) {
    (v.as_int() & 0xffff_ffff, v.as_int() >> 32)
}

/// From this size on the pivot may be chosen at random.
const LARGE: i64 = 100;

/// The state to come back with after the length was asked for.
const LEN: u32 = 1;
/// After any other call: this and the number of the phase.
const CALLED: u32 = 2;

/// The state of a sort that has compared nothing yet.
pub const START: u32 = 0;
/// States after the calls that compare, for the sort of lists without a metatable.
pub const ANSWERED_ENDS: u32 = CALLED + Phase::CompareEnds as u32;
/// See above.
pub const ANSWERED_MIDDLE: u32 = CALLED + Phase::CompareMiddle as u32;
/// See above.
pub const ANSWERED_MIDDLE2: u32 = CALLED + Phase::CompareMiddle2 as u32;
/// See above.
pub const ANSWERED_UP: u32 = CALLED + Phase::CompareUp as u32;
/// See above.
pub const ANSWERED_DOWN: u32 = CALLED + Phase::CompareDown as u32;

/// What to do next. Phases that read a value or compare may wait for a call; the value or the truth
/// is then the call's result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Begin a range: read its ends.
    Range,
    ReadUp,
    /// Is the last one below the first?
    CompareEnds,
    /// Then swap them.
    SwapEnds,
    SwapEnds2,
    /// Go on with the middle.
    Middle,
    ReadLow,
    CompareMiddle,
    SwapMiddle,
    SwapMiddle2,
    ReadUp2,
    CompareMiddle2,
    SwapMiddleUp,
    SwapMiddleUp2,
    /// Take the pivot and put it before the end.
    Pivot,
    ReadBeforeUp,
    StorePivot,
    StorePivot2,
    /// Go up while below the pivot.
    Up,
    CompareUp,
    /// Go down while above it.
    Down,
    CompareDown,
    Swap,
    Swap2,
    /// Put the pivot between both parts.
    Close,
    Close2,
    /// Choose the part to go on with.
    Divide,
    /// Take up a range that waits.
    Next,
}

const PHASES: [Phase; 28] = [
    Phase::Range,
    Phase::ReadUp,
    Phase::CompareEnds,
    Phase::SwapEnds,
    Phase::SwapEnds2,
    Phase::Middle,
    Phase::ReadLow,
    Phase::CompareMiddle,
    Phase::SwapMiddle,
    Phase::SwapMiddle2,
    Phase::ReadUp2,
    Phase::CompareMiddle2,
    Phase::SwapMiddleUp,
    Phase::SwapMiddleUp2,
    Phase::Pivot,
    Phase::ReadBeforeUp,
    Phase::StorePivot,
    Phase::StorePivot2,
    Phase::Up,
    Phase::CompareUp,
    Phase::Down,
    Phase::CompareDown,
    Phase::Swap,
    Phase::Swap2,
    Phase::Close,
    Phase::Close2,
    Phase::Divide,
    Phase::Next,
];

/// `table.sort`.
pub fn sort(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let t = vm.arg(&f, 0);
    let mut answer = None;
    if compares(f.state)
        && vm.arg(&f, 1).tag != Tag::Nil
        && t.tag == Tag::Table
        && let Some(step) = vm.sort_by(&f, t.as_ref())?
    {
        return Ok(step);
    }
    if f.state == 0 {
        table::check(vm, &f, 0, table::ALL)?;
    }
    if f.state <= LEN {
        let len = if f.state == LEN {
            let n = vm.result(&f, 0);
            length_value(vm, n)?
        } else {
            table::done_or_call!(length(vm, t)?, 1, LEN)
        };
        vm.set_top(f.base.wrapping_add(f.count))?;
        if len < 2 {
            return Ok(Step::Return(0));
        }
        if len >= i64::from(i32::MAX) {
            return Err(vm.arg_error(&f, 0, format_args!("array too big")));
        }
        if !vm.arg(&f, 1).is_nil() {
            vm.check_function(&f, 1)?;
        } else if let Some(t) = raw(vm, t)
            && vm.sort_at_once(t, len)?
        {
            return Ok(Step::Return(0));
        }
        vm.push(pair(1, len))?;
        vm.push(pair(0, 0))?;
        for _ in 0..3 {
            vm.push(Value::NIL)?;
        }
        vm.push(Value::int(0))?;
        vm.push(Value::int(0))?;
        if let Some(t) = raw(vm, t)
            && !vm.arg(&f, 1).is_nil()
            && let Some(step) = vm.sort_by(&Args { state: START, ..f }, t)?
        {
            return Ok(step);
        }
    } else {
        answer = Some(vm.result(&f, 0));
        vm.set_top(f.results)?;
    }
    let (low, up) = split(vm.get(local(&f, RANGE)));
    let (i, j) = split(vm.get(local(&f, INDICES)));
    let function = vm.arg(&f, 1);
    let mut sorter = Sorter {
        t,
        plain: raw(vm, t),
        function,
        f,
        low,
        up,
        i,
        j,
        answer,
    };
    let mut phase = f.state.saturating_sub(CALLED) as usize;
    loop {
        let Some(&at) = PHASES.get(phase) else {
            return Ok(Step::Return(0));
        };
        match sorter.step(vm, at)? {
            Go::To(next) => phase = next as usize,
            Go::Done => return Ok(Step::Return(0)),
            Go::Call(nargs) => {
                // The call's answer belongs to this very phase.
                vm.set(local(&f, INDICES), pair(sorter.i, sorter.j));
                let state = CALLED.wrapping_add(phase as u32);
                return Ok(Step::Call {
                    nargs,
                    nresults: 1,
                    state,
                });
            }
        }
    }
}

/// Whether a state is that of a comparison function that has answered.
const fn compares(state: u32) -> bool {
    matches!(
        state,
        ANSWERED_ENDS | ANSWERED_MIDDLE | ANSWERED_MIDDLE2 | ANSWERED_UP | ANSWERED_DOWN
    )
}

enum Go {
    To(Phase),
    Call(u32),
    Done,
}

/// The machine between two calls.
struct Sorter {
    f: Args,
    t: Value,
    plain: Option<Ref>,
    function: Value,
    low: i64,
    up: i64,
    i: i64,
    j: i64,
    /// What the call that was waited for gave.
    answer: Option<Value>,
}

impl Sorter {
    /// Reads an element into a local, then goes on.
    fn read(&mut self, vm: &mut Vm, i: i64, into: u32, then: Phase) -> Result<Go, Raise> {
        let value = match (self.answer.take(), self.plain) {
            (Some(value), _) => value,
            (None, Some(t)) => vm.raw_get_int(t, i),
            (None, None) => match vm.index(self.t, Value::int(i))? {
                Meta::Done(value) => value,
                Meta::Call(nargs) => return Ok(Go::Call(nargs)),
            },
        };
        vm.set(local(&self.f, into), value);
        Ok(Go::To(then))
    }

    /// Writes an element from a local, then goes on.
    fn write(&mut self, vm: &mut Vm, i: i64, from: u32, then: Phase) -> Result<Go, Raise> {
        if self.answer.take().is_some() {
            return Ok(Go::To(then));
        }
        let value = vm.get(local(&self.f, from));
        if let Some(t) = self.plain {
            vm.raw_set_int(t, i, value)?;
        } else if let Meta::Call(nargs) = vm.set_index(self.t, Value::int(i), value)? {
            // Its result, though it has no use, tells that it was called.
            return Ok(Go::Call(nargs));
        }
        Ok(Go::To(then))
    }

    /// Whether local `a` is less than local `b`.
    fn less(&mut self, vm: &mut Vm, a: u32, b: u32) -> Result<Meta<bool>, Raise> {
        if let Some(answer) = self.answer.take() {
            return Ok(Meta::Done(answer.is_true()));
        }
        vm.charge(1)?;
        let (a, b) = (vm.get(local(&self.f, a)), vm.get(local(&self.f, b)));
        if !self.function.is_nil() {
            return vm.push_meta_call(self.function, &[a, b]).map(Meta::Call);
        }
        if let (Some(a), Some(b)) = (number(a), number(b)) {
            return Ok(Meta::Done(compare(a, b) == Some(Ordering::Less)));
        }
        vm.less(a, b)
    }

    /// Goes one of two ways by a comparison.
    fn choose(
        &mut self,
        vm: &mut Vm,
        (a, b): (u32, u32),
        yes: Phase,
        no: Phase,
    ) -> Result<Go, Raise> {
        Ok(match self.less(vm, a, b)? {
            Meta::Done(less) => Go::To(if less { yes } else { no }),
            Meta::Call(nargs) => Go::Call(nargs),
        })
    }

    fn step(&mut self, vm: &mut Vm, phase: Phase) -> Result<Go, Raise> {
        #[allow(clippy::enum_glob_use)] // a state machine is its states
        use Phase::*;
        let (low, up) = (self.low, self.up);
        match phase {
            Range => {
                if low >= up {
                    return Ok(Go::To(Next));
                }
                self.read(vm, low, A, ReadUp)
            }
            ReadUp => self.read(vm, up, B, CompareEnds),
            CompareEnds => self.choose(vm, (B, A), SwapEnds, Middle),
            SwapEnds => self.write(vm, low, B, SwapEnds2),
            SwapEnds2 => self.write(vm, up, A, Middle),
            Middle => {
                if up.wrapping_sub(low) == 1 {
                    return Ok(Go::To(Next));
                }
                if self.answer.is_none() {
                    let choice = vm.get(local(&self.f, CHOICE)).as_int() as u64;
                    self.i = middle(low, up, choice);
                }
                self.read(vm, self.i, A, ReadLow)
            }
            ReadLow => self.read(vm, low, B, CompareMiddle),
            CompareMiddle => self.choose(vm, (A, B), SwapMiddle, ReadUp2),
            SwapMiddle => self.write(vm, self.i, B, SwapMiddle2),
            SwapMiddle2 => self.write(vm, low, A, Pivot),
            ReadUp2 => self.read(vm, up, B, CompareMiddle2),
            CompareMiddle2 => self.choose(vm, (B, A), SwapMiddleUp, Pivot),
            SwapMiddleUp => self.write(vm, self.i, B, SwapMiddleUp2),
            SwapMiddleUp2 => self.write(vm, up, A, Pivot),
            Pivot => {
                if up.wrapping_sub(low) == 2 {
                    return Ok(Go::To(Next));
                }
                self.read(vm, self.i, PIVOT, ReadBeforeUp)
            }
            ReadBeforeUp => self.read(vm, up.wrapping_sub(1), A, StorePivot),
            StorePivot => self.write(vm, self.i, A, StorePivot2),
            StorePivot2 => {
                let go = self.write(vm, up.wrapping_sub(1), PIVOT, Up)?;
                if let Go::To(_) = go {
                    self.i = low.wrapping_add(1);
                    self.j = up.wrapping_sub(1);
                }
                Ok(go)
            }
            Up => self.read(vm, self.i, A, CompareUp),
            CompareUp => {
                let go = self.choose(vm, (A, PIVOT), Up, Down)?;
                match go {
                    Go::To(Up) => {
                        if self.i == up.wrapping_sub(1) {
                            return Err(unordered(vm));
                        }
                        self.i = self.i.wrapping_add(1);
                    }
                    Go::To(_) => self.j = self.j.wrapping_sub(1),
                    _ => {}
                }
                Ok(go)
            }
            Down => self.read(vm, self.j, B, CompareDown),
            CompareDown => {
                let go = self.choose(vm, (PIVOT, B), Down, Swap)?;
                if let Go::To(next) = go {
                    if next == Down {
                        if self.j < self.i {
                            return Err(unordered(vm));
                        }
                        self.j = self.j.wrapping_sub(1);
                    } else if self.j < self.i {
                        return Ok(Go::To(Close));
                    }
                }
                Ok(go)
            }
            Swap => self.write(vm, self.i, B, Swap2),
            Swap2 => {
                let go = self.write(vm, self.j, A, Up)?;
                if let Go::To(_) = go {
                    self.i = self.i.wrapping_add(1);
                }
                Ok(go)
            }
            // The pivot is still before the end; A is the element at i.
            Close => self.write(vm, up.wrapping_sub(1), A, Close2),
            Close2 => self.write(vm, self.i, PIVOT, Divide),
            Divide => self.divide(vm),
            Next => Ok(self.next(vm)),
        }
    }

    /// The larger part waits, the smaller one is next.
    fn divide(&mut self, vm: &mut Vm) -> Result<Go, Raise> {
        let (small, large) = halves(self.low, self.up, self.i);
        let waiting = vm.get(local(&self.f, WAITING)).as_int();
        vm.push(pair(large.0, large.1))?;
        vm.set(local(&self.f, WAITING), Value::int(waiting.wrapping_add(1)));
        if skewed(small, large) {
            let random = crate::stdlib::random::next(&mut vm.random);
            vm.set(local(&self.f, CHOICE), Value::int((random >> 1) as i64));
        }
        self.take(vm, small);
        Ok(Go::To(Phase::Range))
    }

    fn next(&mut self, vm: &mut Vm) -> Go {
        let waiting = vm.get(local(&self.f, WAITING)).as_int();
        if waiting < 1 {
            return Go::Done;
        }
        let range = split(vm.pop());
        vm.set(local(&self.f, WAITING), Value::int(waiting.wrapping_sub(1)));
        self.take(vm, range);
        Go::To(Phase::Range)
    }

    /// Goes on with a range.
    fn take(&mut self, vm: &mut Vm, range: (i64, i64)) {
        (self.low, self.up) = range;
        vm.set(local(&self.f, RANGE), pair(range.0, range.1));
    }
}

fn unordered(vm: &mut Vm) -> Raise {
    vm.error(format_args!("invalid order function for sorting"))
}

/// A range.
pub type Range = (i64, i64);

/// The smaller and the larger part of what the pivot at `p` divides.
#[inline]
pub const fn halves(low: i64, up: i64, p: i64) -> (Range, Range) {
    let (before, behind) = ((low, p.wrapping_sub(1)), (p.wrapping_add(1), up));
    if p.wrapping_sub(low) < up.wrapping_sub(p) {
        (before, behind)
    } else {
        (behind, before)
    }
}

/// Whether a range was divided so badly that the pivot is to be chosen differently from now on.
#[inline]
pub const fn skewed(small: Range, large: Range) -> bool {
    let other = small.1.wrapping_sub(small.0).wrapping_add(1);
    large.1.wrapping_sub(large.0) / 128 > other
}

/// Where to look for the pivot.
#[inline]
pub fn middle(low: i64, up: i64, choice: u64) -> i64 {
    let size = up.wrapping_sub(low);
    if size < LARGE || choice == 0 {
        return low.wrapping_add(up) / 2;
    }
    // Somewhere in the middle half.
    let quarter = size / 4;
    let offset = choice
        .checked_rem((quarter as u64).wrapping_mul(2))
        .unwrap_or(0);
    low.wrapping_add(quarter).wrapping_add(offset as i64)
}

fn number(v: Value) -> Option<Number> {
    match v.tag {
        Tag::Int => Some(Number::Int(v.as_int())),
        Tag::Float => Some(Number::Float(v.as_float())),
        _ => None,
    }
}
