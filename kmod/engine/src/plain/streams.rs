// SPDX-License-Identifier: GPL-2.0-only
//! `io` for the three standard streams: no other files.

use super::read::{self, What};
use super::{FIRST_METHOD, METHODS, NEXT_LINE, give};
use crate::host::user::{Output, write as write_out};
use crate::memory::OutOfMemory;
use crate::number::format::{Spec, Text, float};
use crate::value::{Ref, Tag, Value};
use crate::vm::error::Raise;
use crate::vm::native::{Args, Step, native};
use crate::vm::{Vm, lib};
use std::vec::Vec;

/// The class of a stream among objects, of which packet scripts' are the low numbers.
const CLASS: u16 = 100;

/// Which stream an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    In,
    Out,
    Err,
}

/// `io.stdin` and the others, with their methods.
pub fn open(vm: &mut Vm, io: Ref) -> Result<(), OutOfMemory> {
    let meta = vm.heap.new_table(0, 4)?;
    let methods = vm.heap.new_table(0, 8)?;
    let key = vm.shared_string(b"__index")?;
    vm.heap.set(meta, key, Value::object(Tag::Table, methods))?;
    let key = vm.shared_string(b"__name")?;
    let name = vm.shared_string(b"FILE*")?;
    vm.heap.set(meta, key, name)?;
    for (i, name) in (FIRST_METHOD..).zip(METHODS) {
        let to = if name.starts_with("__") {
            meta
        } else {
            methods
        };
        let key = vm.shared_string(name.as_bytes())?;
        vm.heap.set(to, key, native(lib::PLAIN, i))?;
    }
    for (number, name) in (0..).zip(["stdin", "stdout", "stderr"]) {
        let r = vm.heap.new_object(CLASS, 0)?;
        vm.heap.set_object_value(r, Value::int(number));
        vm.heap.set_object_meta(r, meta);
        let key = vm.shared_string(name.as_bytes())?;
        vm.heap.set(io, key, Value::object(Tag::Object, r))?;
    }
    Ok(())
}

fn stream_of(vm: &Vm, v: Value) -> Option<Stream> {
    if v.tag != Tag::Object || vm.heap.object_class(v.as_ref()) != CLASS {
        return None;
    }
    Some(match vm.heap.object_value(v.as_ref()).as_int() {
        0 => Stream::In,
        1 => Stream::Out,
        _ => Stream::Err,
    })
}

/// The stream that a method was called on.
fn check(vm: &mut Vm, f: &Args) -> Result<Stream, Raise> {
    let v = vm.arg(f, 0);
    match stream_of(vm, v) {
        Some(stream) => Ok(stream),
        None => Err(vm.type_error(f, 0, "FILE*")),
    }
}

/// `io.type`.
pub fn kind(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let v = vm.check_any(&f, 0)?;
    let answer = if stream_of(vm, v).is_some() {
        vm.new_string(b"file")?
    } else {
        Value::NIL
    };
    give(vm, answer)
}

/// `io.output()`: there is no other than the standard one.
pub fn output(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    standard(vm, &f, b"stdout", Stream::Out)
}

/// `io.input()`.
pub fn input(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    standard(vm, &f, b"stdin", Stream::In)
}

fn standard(vm: &mut Vm, f: &Args, name: &[u8], stream: Stream) -> Result<Step, Raise> {
    if !vm.arg(f, 0).is_nil() && check(vm, f)? != stream {
        return Err(vm.arg_error(f, 0, format_args!("there are only the standard streams")));
    }
    let v = super::field(vm, b"io", name);
    give(vm, v)
}

/// `file:__tostring`.
pub fn file_text(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    check(vm, &f)?;
    let v = vm.arg(&f, 0);
    let mut room = [0; 24];
    let mut out = Text::new(&mut room);
    crate::stdlib::place(&mut out, u64::from(v.as_ref()));
    let text = std::format!(
        "file ({})",
        std::string::String::from_utf8_lossy(out.finish())
    );
    let text = vm.new_string(text.as_bytes())?;
    give(vm, text)
}

/// `file:__gc` and `file:__close`: the standard streams stay open.
pub fn file_keep(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    check(vm, &f)?;
    Ok(Step::Return(0))
}

// --- writing ------------------------------------------------------------------------------------

/// `io.write(…)`.
pub fn write(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    write_from(vm, &f, 0, Stream::Out)?;
    let v = super::field(vm, b"io", b"stdout");
    give(vm, v)
}

/// `file:write(…)`.
pub fn file_write(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let stream = check(vm, &f)?;
    if stream == Stream::In {
        vm.push(Value::NIL)?;
        let message = vm.new_string(b"Bad file descriptor")?;
        vm.push(message)?;
        vm.push(Value::int(9))?;
        return Ok(Step::Return(3));
    }
    write_from(vm, &f, 1, stream)?;
    let v = vm.arg(&f, 0);
    give(vm, v)
}

fn write_from(vm: &mut Vm, f: &Args, first: u32, stream: Stream) -> Result<(), Raise> {
    for i in first..f.count {
        let v = vm.arg(f, i);
        let put = |bytes: &[u8]| {
            write_out(if stream == Stream::Err {
                Output::Err(bytes)
            } else {
                Output::Out(bytes)
            });
        };
        if v.tag == Tag::Float {
            // As C prints it: no `.0` is added.
            let mut room = [0; 64];
            let mut out = Text::new(&mut room);
            let spec = Spec {
                precision: Some(14),
                ..Spec::default()
            };
            float(&mut out, &mut [0; 20], spec, b'g', v.as_float());
            put(out.finish());
        } else {
            let text = vm.check_str(f, i)?;
            put(vm.bytes(text));
        }
    }
    Ok(())
}

/// `file:flush()`.
pub fn file_flush(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    check(vm, &f)?;
    write_out(Output::Flush);
    let v = vm.arg(&f, 0);
    give(vm, v)
}

/// `file:setvbuf(…)`: what is written goes out when the program ends or flushes.
pub fn file_setvbuf(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    check(vm, &f)?;
    vm.check_str(&f, 1)?;
    give(vm, Value::boolean(true))
}

// --- reading ------------------------------------------------------------------------------------

/// `io.read(…)`.
pub fn read(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    read_from(vm, &f, 0)
}

/// `file:read(…)`.
pub fn file_read(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if check(vm, &f)? != Stream::In {
        vm.push(Value::NIL)?;
        let message = vm.new_string(b"Bad file descriptor")?;
        vm.push(message)?;
        vm.push(Value::int(9))?;
        return Ok(Step::Return(3));
    }
    read_from(vm, &f, 1)
}

fn read_from(vm: &mut Vm, f: &Args, first: u32) -> Result<Step, Raise> {
    write_out(Output::Flush);
    let mut wanted = Vec::new();
    for i in first..f.count {
        wanted.push(format_of(vm, f, i)?);
    }
    if wanted.is_empty() {
        wanted.push(What::Line(false));
    }
    let mut count = 0;
    for what in wanted {
        let v = one(vm, what)?;
        vm.push(v)?;
        count += 1;
        if v.is_nil() {
            break;
        }
    }
    Ok(Step::Return(count))
}

fn format_of(vm: &mut Vm, f: &Args, i: u32) -> Result<What, Raise> {
    let v = vm.arg(f, i);
    if v.tag == Tag::Int || v.tag == Tag::Float {
        let n = vm.check_int(f, i)?;
        return Ok(What::Bytes(usize::try_from(n).unwrap_or(0)));
    }
    let text = vm.check_str(f, i)?;
    let text = vm.bytes(text);
    match text.strip_prefix(b"*").unwrap_or(text).first() {
        Some(b'n') => Ok(What::Number),
        Some(b'l') => Ok(What::Line(false)),
        Some(b'L') => Ok(What::Line(true)),
        Some(b'a') => Ok(What::All),
        _ => Err(vm.arg_error(f, i, format_args!("invalid format"))),
    }
}

fn one(vm: &mut Vm, what: What) -> Result<Value, Raise> {
    match read::one(&mut std::io::stdin().lock(), what) {
        None => Ok(Value::NIL),
        Some(read::Found::Text(bytes)) => vm.new_string(&bytes),
        Some(read::Found::Number(crate::number::Number::Int(i))) => Ok(Value::int(i)),
        Some(read::Found::Number(crate::number::Number::Float(x))) => Ok(Value::float(x)),
    }
}

/// `io.lines()`: lines of the standard input.
pub fn lines(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if !vm.arg(&f, 0).is_nil() {
        return Err(vm.arg_error(&f, 0, format_args!("there are only the standard streams")));
    }
    iterate(vm, &f)
}

/// `file:lines([format])`.
pub fn file_lines(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    check(vm, &f)?;
    iterate(vm, &f)
}

fn iterate(vm: &mut Vm, f: &Args) -> Result<Step, Raise> {
    if f.count > 1 {
        format_of(vm, f, 1)?;
    }
    let format = vm.arg(f, 1);
    let next = vm.new_native_closure(NEXT_LINE, &[format])?;
    give(vm, next)
}

/// The iterator of `lines`.
pub fn next_line(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let format = vm.upvalue(&f, 0);
    let what = if format.is_nil() {
        What::Line(false)
    } else {
        vm.set_top(f.base)?;
        vm.push(format)?;
        let window = Args { count: 1, ..f };
        format_of(vm, &window, 0)?
    };
    let v = one(vm, what)?;
    give(vm, v)
}
