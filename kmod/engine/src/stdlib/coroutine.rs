// SPDX-License-Identifier: GPL-2.0-only
//! `coroutine`.

use super::bulk;
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::coroutine::Status;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Library, NativeDef, Step, index_of, native};
use crate::vm::{Vm, lib};

/// The functions of `coroutine`.
pub const NATIVES: &[NativeDef] = &[
    NativeDef::new("close", close),
    NativeDef::new("create", create),
    NativeDef::new("isyieldable", isyieldable),
    NativeDef::new("resume", resume),
    NativeDef::new("running", running),
    NativeDef::new("status", status),
    NativeDef::new("wrap", wrap),
    NativeDef::new("yield", yield_),
    NativeDef::hidden("wrapped", resume_wrapped),
];

/// `coroutine`.
pub const LIBRARY: Library = Library {
    name: "coroutine",
    natives: NATIVES,
    open: Some(open),
};

/// The main program has a value as a coroutine, too, which nothing can resume.
fn open(vm: &mut Vm, _: Ref) -> Result<(), OutOfMemory> {
    let main = vm.new_thread(Value::NIL).map_err(|_| OutOfMemory)?;
    vm.heap.make_permanent(main.as_ref());
    vm.library.main = main.as_ref();
    Ok(())
}

/// What a coroutine is doing, in Lua's words.
fn state(vm: &Vm, thread: Ref) -> &'static str {
    if thread == vm.library.main {
        return if vm.running() == 0 {
            "running"
        } else {
            "normal"
        };
    }
    match vm.thread_status(thread) {
        Status::Suspended => "suspended",
        Status::Running => "running",
        Status::Normal => "normal",
        Status::Dead | Status::Failed => "dead",
    }
}

/// State of `resume` and of what `wrap` made: the coroutine has yielded or returned.
pub(crate) const DONE: u32 = 1;
const FAILED: u32 = 2;
/// A wrapped coroutine that failed was closed; closing may fail in turn.
const CLOSED: u32 = 3;
const CLOSE_FAILED: u32 = 4;

fn create(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let function = vm.check_function(&f, 0)?;
    let thread = vm.new_thread(function)?;
    vm.push(thread)?;
    Ok(Step::Return(1))
}

fn resume(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    match f.state {
        0 => {
            let thread = vm.check_thread(&f, 0)?;
            if thread == vm.library.main {
                vm.push(Value::boolean(false))?;
                let message = vm.new_string(b"cannot resume non-suspended coroutine")?;
                vm.push(message)?;
                return Ok(Step::Return(2));
            }
            // `true` waits below the coroutine for its values.
            super::insert_below(vm, f.count, Value::boolean(true))?;
            let nargs = f.count.wrapping_sub(1);
            Ok(Step::Resume {
                nargs,
                state: DONE,
                failed: FAILED,
            })
        }
        DONE => Ok(Step::Return(vm.top().wrapping_sub(f.base))),
        _ => {
            let error = vm.result(&f, 0);
            vm.push(Value::boolean(false))?;
            vm.push(error)?;
            Ok(Step::Return(2))
        }
    }
}

fn wrap(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let function = vm.check_function(&f, 0)?;
    let thread = vm.new_thread(function)?;
    let wrapped = vm.new_native_closure(WRAPPED, &[thread])?;
    vm.push(wrapped)?;
    Ok(Step::Return(1))
}

const WRAPPED: Value = native(lib::COROUTINE, index_of(NATIVES, "wrapped"));

fn resume_wrapped(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    match f.state {
        0 => {
            let thread = vm.upvalue(&f, 0);
            super::insert_below(vm, f.count, thread)?;
            Ok(Step::Resume {
                nargs: f.count,
                state: DONE,
                failed: FAILED,
            })
        }
        DONE => {
            let count = vm.result_count(&f);
            Ok(Step::Return(count))
        }
        FAILED => {
            let error = vm.result(&f, 0);
            let thread = vm.upvalue(&f, 0);
            if vm.thread_status(thread.as_ref()) == Status::Failed {
                // It died by this error: its variables are closed before it goes on.
                vm.push(error)?;
                vm.push(thread)?;
                return Ok(Step::CloseThread {
                    state: CLOSED,
                    failed: CLOSE_FAILED,
                });
            }
            raise_here(vm, error)
        }
        CLOSED => {
            let error = vm.get(vm.top().wrapping_sub(1));
            raise_here(vm, error)
        }
        _ => {
            let error = vm.result(&f, 0);
            raise_here(vm, error)
        }
    }
}

/// Raises an error of a coroutine, with the position of the caller before a message.
fn raise_here(vm: &mut Vm, error: Value) -> Result<Step, Raise> {
    if !matches!(error.tag, Tag::Str | Tag::Bytes) {
        return Err(vm.raise(error));
    }
    vm.charge(bulk(vm.bytes(error).len()))?;
    let position = vm.position(1)?;
    let buffer = vm.new_buffer(0)?;
    vm.push_part(buffer, position, 0, usize::MAX)?;
    vm.push_part(buffer, error, 0, usize::MAX)?;
    let whole = vm.heap.finish_buffer(buffer);
    Err(vm.raise(whole))
}

fn yield_(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if vm.running() == 0 {
        return Err(vm.fault(format_args!("attempt to yield from outside a coroutine")));
    }
    Ok(Step::Yield(f.count))
}

fn status(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let thread = vm.check_thread(&f, 0)?;
    let status = state(vm, thread);
    let status = vm.new_string(status.as_bytes())?;
    vm.push(status)?;
    Ok(Step::Return(1))
}

fn isyieldable(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.charge(u64::from(vm.depth >> 3))?;
    let yieldable = if f.count > 0 {
        // Another one would yield where it stands: at the start, or in a `yield` or `resume` of its own.
        let thread = vm.check_thread(&f, 0)?;
        thread != vm.library.main
            && !vm.finalizes_in(thread)
            && (thread != vm.running() || vm.may_yield())
    } else {
        vm.may_yield()
    };
    vm.push(Value::boolean(yieldable))?;
    Ok(Step::Return(1))
}

fn running(vm: &mut Vm, _: Args) -> Result<Step, Raise> {
    let running = vm.running();
    let thread = if running == 0 {
        vm.library.main
    } else {
        running
    };
    vm.push(Value::object(Tag::Thread, thread))?;
    vm.push(Value::boolean(running == 0))?;
    Ok(Step::Return(2))
}

fn close(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    match f.state {
        0 => {
            let thread = vm.check_thread(&f, 0)?;
            let status = state(vm, thread);
            if status != "suspended" && status != "dead" {
                let status = Bytes(status.as_bytes());
                return Err(vm.error(format_args!("cannot close a {status} coroutine")));
            }
            vm.push(Value::object(Tag::Thread, thread))?;
            Ok(Step::CloseThread {
                state: DONE,
                failed: FAILED,
            })
        }
        DONE => {
            vm.push(Value::boolean(true))?;
            Ok(Step::Return(1))
        }
        _ => {
            let error = vm.result(&f, 0);
            vm.push(Value::boolean(false))?;
            vm.push(error)?;
            Ok(Step::Return(2))
        }
    }
}
