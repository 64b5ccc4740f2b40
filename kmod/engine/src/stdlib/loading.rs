// SPDX-License-Identifier: GPL-2.0-only
//! `load` and `require`.

use super::{base, bulk, local};
use crate::memory::OutOfMemory;
use crate::value::{Ref, Tag, Value};
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Step, index_of, is_function, native};
use crate::vm::{Vm, lib};

/// `package`, with the modules that are loaded and those that scripts provide themselves.
pub fn open(vm: &mut Vm, globals: Ref) -> Result<(), OutOfMemory> {
    let package = vm.heap.new_table(0, 2)?;
    let key = vm.shared_string(b"package")?;
    let value = Value::object(Tag::Table, package);
    vm.heap.set(globals, key, value)?;
    vm.heap.set(vm.loaded(), key, value)?;
    let loaded = Value::object(Tag::Table, vm.loaded());
    let key = vm.shared_string(b"loaded")?;
    vm.heap.set(package, key, loaded)?;
    let preload = vm.heap.new_table(0, 0)?;
    let key = vm.shared_string(b"preload")?;
    vm.heap
        .set(package, key, Value::object(Tag::Table, preload))?;
    let key = vm.shared_string(b"_G")?;
    vm.heap
        .set(vm.loaded(), key, Value::object(Tag::Table, globals))
}

// --- load ---------------------------------------------------------------------------------------

const ERROR: Value = native(lib::BASE, index_of(base::NATIVES, "error"));
const PIECE: u32 = 1;
const FAILED: u32 = 2;

/// `load(chunk [, chunkname [, mode [, env]]])`. When a function provides the text in pieces, the locals
/// are the text and where the message handler is that hears of the function's errors: that of the
/// `xpcall` around.
pub fn load(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let chunk = vm.arg(&f, 0);
    if f.state == 0 {
        vm.opt_str(&f, 1)?;
        vm.opt_str(&f, 2)?;
        if matches!(chunk.tag, Tag::Str | Tag::Bytes | Tag::Int | Tag::Float) {
            let chunk = vm.check_str(&f, 0)?;
            return compile(vm, &f, chunk);
        }
        if !is_function(chunk) {
            return Err(vm.type_error(&f, 0, "function"));
        }
        let buffer = vm.new_buffer(0)?;
        vm.push(Value::object(Tag::Str, buffer))?;
        let handler = vm.outer_handler();
        vm.push(Value::int(i64::from(handler)))?;
    }
    let buffer = vm.get(local(&f, 0)).as_ref();
    if f.state == FAILED {
        // What the function raised is what is wrong.
        let error = vm.result(&f, 0);
        return failure(vm, error);
    }
    if f.state == PIECE {
        let piece = vm.result(&f, 0);
        vm.set_top(local(&f, 2))?;
        let piece = vm.number_to_string(piece)?;
        let len = vm.bytes(piece).len();
        match piece.tag {
            Tag::Str | Tag::Bytes if len > 0 => {
                vm.charge(bulk(len))?;
                vm.push_part(buffer, piece, 0, len)?;
            }
            Tag::Nil | Tag::Str | Tag::Bytes => {
                let text = vm.heap.finish_buffer(buffer);
                return compile(vm, &f, text);
            }
            _ => {
                // Raised where the handler hears of it.
                vm.error(format_args!("reader function must return a string"));
                let message = vm.raised();
                return call_piece(vm, &f, &[ERROR, message, Value::int(0)]);
            }
        }
    }
    call_piece(vm, &f, &[chunk])
}

/// Calls a function with arguments for the next piece.
fn call_piece(vm: &mut Vm, f: &Args, values: &[Value]) -> Result<Step, Raise> {
    let handler = vm.get(local(f, 1)).as_int() as u32;
    for &v in values {
        vm.push(v)?;
    }
    Ok(Step::Protect {
        nargs: (values.len() as u32).wrapping_sub(1),
        state: PIECE,
        failed: FAILED,
        handler,
    })
}

fn failure(vm: &mut Vm, error: Value) -> Result<Step, Raise> {
    vm.push(Value::NIL)?;
    vm.push(error)?;
    Ok(Step::Return(2))
}

/// What `load` answers to a chunk whose mode does not allow it.
#[cold]
#[inline(never)]
fn refuse(vm: &mut Vm, binary: bool, mode: Value) -> Result<Step, Raise> {
    let kind = if binary { "binary" } else { "text" };
    let mut shown = [0u8; 8];
    let given = if mode.is_nil() {
        &b"t"[..]
    } else {
        vm.bytes(mode)
    };
    let len = given.len().min(shown.len());
    for (slot, b) in shown.iter_mut().zip(given) {
        *slot = *b;
    }
    let buffer = vm.new_buffer(0)?;
    let shown = Bytes(shown.get(..len).unwrap_or_default());
    vm.write(
        buffer,
        format_args!("attempt to load a {kind} chunk (mode is '{shown}')"),
    )?;
    let message = vm.heap.finish_buffer(buffer);
    failure(vm, message)
}

fn compile(vm: &mut Vm, f: &Args, text: Value) -> Result<Step, Raise> {
    let named = vm.arg(f, 1);
    let name = if !named.is_nil() {
        named
    } else if matches!(vm.arg(f, 0).tag, Tag::Str | Tag::Bytes) {
        vm.arg(f, 0)
    } else {
        vm.new_string(b"=(load)")?
    };
    let mode = vm.arg(f, 2);
    let binary = vm.bytes(text).first() == Some(&27);
    if binary || (!mode.is_nil() && !vm.bytes(mode).contains(&b't')) {
        return refuse(vm, binary, mode);
    }
    // Compiling costs some hundred instructions a byte.
    vm.charge((vm.bytes(text).len() as u64).saturating_mul(4))?;
    let env = if f.count > 3 {
        vm.arg(f, 3)
    } else {
        Value::object(Tag::Table, vm.globals())
    };
    match vm.load_text(text, name, env)? {
        Ok(function) => {
            vm.push(function)?;
            Ok(Step::Return(1))
        }
        Err(message) => failure(vm, message),
    }
}

// --- require ------------------------------------------------------------------------------------

const LOADED: u32 = 1;

/// The end of `require`: the loader has returned the module, or put it where it belongs, or neither.
/// The first local is the loader's second value.
pub(crate) fn required(vm: &mut Vm, f: &Args, name: Value) -> Result<Step, Raise> {
    let loaded = vm.loaded();
    let value = vm.result(f, 0);
    let mut module = vm.raw_get(loaded, name);
    if !value.is_nil() {
        module = value;
    } else if module.is_nil() {
        module = Value::boolean(true);
    }
    vm.raw_set(loaded, name, module)?;
    vm.push(module)?;
    let extra = vm.get(local(f, 0));
    vm.push(extra)?;
    Ok(Step::Return(2))
}

/// `require(name)`: a module that is loaded, one of `package.preload`, or one that was bundled with
/// the program. The local is the second value that the module's loader is given.
pub fn require(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let loaded = vm.loaded();
    if f.state == LOADED {
        return required(vm, &f, name);
    }
    let module = vm.raw_get(loaded, name);
    if module.is_true() {
        vm.push(module)?;
        return Ok(Step::Return(1));
    }
    let preload = preloaded(vm, name);
    let (loader, extra): (Value, &[u8]) = if preload.is_nil() {
        match vm.find_module(name)? {
            Some(main) => (main, b":bundled:"),
            None => return Err(not_found(vm, name)),
        }
    } else {
        (preload, b":preload:")
    };
    let extra = vm.new_string(extra)?;
    vm.push(extra)?;
    vm.push(loader)?;
    vm.push(name)?;
    vm.push(extra)?;
    Ok(Step::Call {
        nargs: 2,
        nresults: 1,
        state: LOADED,
    })
}

fn preloaded(vm: &mut Vm, name: Value) -> Value {
    // A script may have another `package`; this one stays.
    let package = vm.raw_get_str(vm.loaded(), b"package");
    if package.tag != Tag::Table {
        return Value::NIL;
    }
    let preload = vm.raw_get_str(package.as_ref(), b"preload");
    if preload.tag != Tag::Table {
        return Value::NIL;
    }
    vm.raw_get(preload.as_ref(), name)
}

fn not_found(vm: &mut Vm, name: Value) -> Raise {
    let mut shown = [0u8; 64];
    let given = vm.bytes(name);
    let len = given.len().min(shown.len());
    for (slot, b) in shown.iter_mut().zip(given) {
        *slot = *b;
    }
    let shown = Bytes(shown.get(..len).unwrap_or_default());
    vm.error(format_args!(
        "module '{shown}' not found: it is neither in package.preload nor bundled with the script"
    ))
}
