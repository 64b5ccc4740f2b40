// SPDX-License-Identifier: GPL-2.0-only
//! The metamethods of strings for arithmetic, which make numbers of them (§3.4.3 of the manual). Scripts
//! may call them, replace them and take them away; the machine knows them and does their work without
//! a call ([`Vm::coerce`]).

use super::string::NATIVES;
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Step, index_of, native};
use crate::vm::operate::Coerced;
use crate::vm::{Event, Vm, lib};

/// The events, in the order of the functions.
pub const EVENTS: [Event; 8] = [
    Event::Add,
    Event::Sub,
    Event::Mul,
    Event::Mod,
    Event::Pow,
    Event::Div,
    Event::IDiv,
    Event::Unm,
];

/// The first of the functions.
const FIRST: Value = native(lib::STRING, index_of(NATIVES, "__add"));

/// The metamethod of an event, which is one of [`EVENTS`].
pub fn of(event: Event) -> Value {
    let i = EVENTS.iter().position(|&e| e == event).unwrap_or(0);
    Value {
        payload: FIRST.payload.wrapping_add(i as u64),
        ..FIRST
    }
}

/// Whether a value is the metamethod of an event.
pub fn is_of(v: Value, event: Event) -> bool {
    v.tag == Tag::Native
        && (v.payload.checked_sub(FIRST.payload))
            .and_then(|i| EVENTS.get(usize::try_from(i).ok()?))
            .is_some_and(|&e| e == event)
}

/// The metamethod of the event at a place in [`EVENTS`].
#[allow(
    clippy::indexing_slicing,
    reason = "only ever evaluated by the compiler"
)]
pub fn metamethod<const I: usize>(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (a, b) = (vm.arg(&f, 0), vm.arg(&f, 1));
    match vm.coerce(const { EVENTS[I] }, a, b)? {
        Coerced::Done(v) => {
            vm.push(v)?;
            Ok(Step::Return(1))
        }
        Coerced::Other(meta) => {
            for v in [meta, a, b] {
                vm.push(v)?;
            }
            Ok(Step::TailCall { nargs: 2 })
        }
    }
}
