// SPDX-License-Identifier: GPL-2.0-only
//! Running a program as the `lua` command runs it: protected, with a message handler that adds the
//! traceback.

use super::{MESSAGE, PROTECTED};
use crate::value::{Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Step};
use crate::vm::{Event, Vm};
use std::vec::Vec;

/// What the command was given.
pub struct CommandLine<'a> {
    /// What stands before the script: `arg[-1]` is the last of it.
    pub before: &'a [&'a [u8]],
    /// Texts that run before the program (`-e`).
    pub first: &'a [Vec<u8>],
    /// The script's name, `arg[0]`.
    pub script: &'a [u8],
    /// Its arguments: the table `arg` and the `...` of the main chunk.
    pub args: &'a [&'a [u8]],
}

/// Runs the program.
///
/// # Errors
///
/// The message with its traceback.
pub fn run(vm: &mut Vm, line: &CommandLine) -> Result<(), Vec<u8>> {
    match start(vm, line) {
        Ok(None) => Ok(()),
        Ok(Some(message)) => Err(message),
        Err(_) => Err(vm.last_error_text().to_vec()),
    }
}

fn start(vm: &mut Vm, line: &CommandLine) -> Result<Option<Vec<u8>>, Raise> {
    super::modules::look_beside(vm, line.script)?;
    // As the command begins, unlike a host that runs Lua.
    vm.library.generational = true;
    let t = vm.new_table(line.args.len() as u32, 1)?;
    let globals = Value::object(Tag::Table, vm.globals());
    vm.raw_set_str(vm.globals(), b"arg", Value::object(Tag::Table, t))?;
    let script = vm.new_string(line.script)?;
    vm.raw_set_int(t, 0, script)?;
    for (i, text) in (1..).zip(line.before.iter().rev()) {
        let v = vm.new_string(text)?;
        vm.raw_set_int(t, -i, v)?;
    }
    for text in line.first {
        let (text, name) = (vm.new_string(text)?, vm.new_string(b"=(command line)")?);
        let ended = match vm.load_text(text, name, globals)? {
            Ok(chunk) => protect(vm, &[MESSAGE, chunk])?,
            Err(message) => Some(vm.bytes(message).to_vec()),
        };
        if ended.is_some() {
            return Ok(ended);
        }
    }
    let mut values = std::vec![MESSAGE, vm.program_main()?];
    for (i, arg) in (1..).zip(line.args) {
        let v = vm.new_string(arg)?;
        vm.raw_set_int(t, i, v)?;
        values.push(v);
    }
    protect(vm, &values)
}

/// Calls [`protected`] with these values; the message if there is one.
fn protect(vm: &mut Vm, values: &[Value]) -> Result<Option<Vec<u8>>, Raise> {
    vm.call_from_host(PROTECTED, values, 1, |vm, at| {
        let message = vm.get(at);
        (!message.is_nil()).then(|| vm.bytes(message).to_vec())
    })
}

const RETURNED: u32 = 1;
const FAILED: u32 = 2;

/// Calls its second argument with the rest under the first as message handler; nil, or the message.
pub fn protected(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    match f.state {
        RETURNED => Ok(Step::Return(0)),
        FAILED => {
            let message = vm.result(&f, 0);
            super::give(vm, message)
        }
        _ => {
            for i in 1..f.count {
                let v = vm.arg(&f, i);
                vm.push(v)?;
            }
            Ok(Step::Protect {
                nargs: f.count - 2,
                state: RETURNED,
                failed: FAILED,
                handler: f.base,
            })
        }
    }
}

/// The message handler.
pub fn message(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let error = vm.arg(&f, 0);
    if f.state > 0 {
        let text = vm.result(&f, 0);
        if matches!(text.tag, Tag::Str | Tag::Bytes) {
            return super::give(vm, text);
        }
    } else if !matches!(error.tag, Tag::Str | Tag::Bytes | Tag::Int | Tag::Float) {
        let method = vm.metamethod(error, Event::ToString);
        if !method.is_nil() {
            let nargs = vm.push_meta_call(method, &[error])?;
            return Ok(Step::Call {
                nargs,
                nresults: 1,
                state: 1,
            });
        }
    }
    let buffer = vm.new_buffer(256)?;
    match error.tag {
        Tag::Str | Tag::Bytes => vm.push_part(buffer, error, 0, usize::MAX)?,
        Tag::Int | Tag::Float => {
            let text = vm.number_to_string(error)?;
            vm.push_part(buffer, text, 0, usize::MAX)?;
        }
        _ => {
            let kind = crate::vm::error::type_name(error);
            vm.write(buffer, format_args!("(error object is a {kind} value)"))?;
        }
    }
    vm.write(buffer, format_args!("\n"))?;
    vm.write_traceback(buffer, 1)?;
    let text = vm.heap.finish_buffer(buffer);
    super::give(vm, text)
}
