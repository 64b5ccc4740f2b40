// SPDX-License-Identifier: GPL-2.0-only
//! `debug.traceback`; the rest of `debug` would let a script reach into others.

use crate::value::Tag;
use crate::vm::Vm;
use crate::vm::error::Raise;
use crate::vm::native::{Args, Library, NativeDef, Step};

/// The functions of `debug`.
pub const NATIVES: &[NativeDef] = &[NativeDef::new("traceback", traceback)];

/// `debug`.
pub const LIBRARY: Library = Library {
    name: "debug",
    natives: NATIVES,
    open: None,
};

/// `debug.traceback([thread,] [message [, level]])`.
fn traceback(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let first = vm.arg(&f, 0);
    let (thread, i) = if first.tag == Tag::Thread {
        (first.as_ref(), 1)
    } else {
        (vm.running(), 0)
    };
    let message = vm.arg(&f, i);
    if !matches!(
        message.tag,
        Tag::Nil | Tag::Str | Tag::Bytes | Tag::Int | Tag::Float
    ) {
        vm.push(message)?;
        return Ok(Step::Return(1));
    }
    let thread = if thread == vm.library.main { 0 } else { thread };
    let own = thread == vm.running();
    let level = vm.opt_int(&f, i.wrapping_add(1), i64::from(own))?;
    let buffer = vm.new_buffer(0)?;
    if !message.is_nil() {
        let message = vm.check_str(&f, i)?;
        vm.push_part(buffer, message, 0, usize::MAX)?;
        vm.write(buffer, format_args!("\n"))?;
    }
    let calls = u64::try_from(level).unwrap_or(0).saturating_add(50);
    vm.charge(
        calls
            .min(u64::from(vm.depth))
            .saturating_mul(4)
            .saturating_add(100),
    )?;
    vm.write_thread_traceback(buffer, thread, u32::try_from(level).unwrap_or(u32::MAX))?;
    let text = vm.heap.finish_buffer(buffer);
    vm.push(text)?;
    Ok(Step::Return(1))
}
