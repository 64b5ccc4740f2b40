// SPDX-License-Identifier: GPL-2.0-only
//! `string.format`.

use super::directive::{self, Directive};
use super::text::{identity, place};
use super::{bulk, bytewise, local, search};
use crate::number::arith::split;
use crate::number::format::{self as number, Spec, Text};
use crate::number::{Number, digits};
use crate::value::{Ref, Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{Args, Meta, Step};

// Locals, behind the arguments.
const BUFFER: u32 = 0;
/// Where the format goes on.
const AT: u32 = 1;
/// The argument used last.
const ARGUMENT: u32 = 2;
const LOCALS: u32 = 3;

/// `string.format`.
pub fn format(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state == 0 {
        vm.check_str(&f, 0)?;
        let buffer = vm.new_buffer(0)?;
        vm.push(Value::object(Tag::Str, buffer))?;
        vm.push(Value::int(0))?;
        vm.push(Value::int(0))?;
    }
    let buffer = vm.get(local(&f, BUFFER)).as_ref();
    let mut at = vm.get(local(&f, AT)).as_int() as usize;
    let mut argument = vm.get(local(&f, ARGUMENT)).as_int() as u32;
    let mut answer = None;
    if f.state == 1 {
        answer = Some(super::text_result(vm, &f)?);
        vm.set_top(local(&f, LOCALS))?;
    }
    loop {
        let text = vm.arg(&f, 0);
        let rest = vm.bytes(text).get(at..).unwrap_or_default();
        if answer.is_none() {
            let Some(plain) = search::byte(rest, b'%') else {
                vm.charge(bulk(rest.len()))?;
                vm.push_part(buffer, text, at, usize::MAX)?;
                break;
            };
            let sign = at.wrapping_add(plain);
            vm.push_part(buffer, text, at, sign)?;
            at = sign.wrapping_add(1);
            vm.charge(bulk(plain))?;
            if vm.bytes(text).get(at) == Some(&b'%') {
                vm.push_part(buffer, text, sign, at)?;
                at = at.wrapping_add(1);
                continue;
            }
            argument = argument.wrapping_add(1);
            if argument >= f.count {
                return Err(vm.arg_error(&f, argument, format_args!("no value")));
            }
            vm.set(local(&f, AT), Value::int(at as i64));
            vm.set(local(&f, ARGUMENT), Value::int(i64::from(argument)));
        }
        // Here `at` is behind the sign of the directive for `argument`.
        let len = match convert(vm, &f, buffer, at, argument, answer.take())? {
            Outcome::Done(len) => len,
            Outcome::Call(nargs) => {
                return Ok(Step::Call {
                    nargs,
                    nresults: 1,
                    state: 1,
                });
            }
        };
        at = at.wrapping_add(len);
    }
    let s = vm.heap.finish_buffer(buffer);
    vm.push(s)?;
    Ok(Step::Return(1))
}

/// What a directive came to.
enum Outcome {
    /// It is in the buffer; its length.
    Done(usize),
    /// A `__tostring` was pushed.
    Call(u32),
}

/// The text of a directive as C would show it.
fn shown(text: &[u8]) -> Bytes<'_> {
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    Bytes(text.get(..end).unwrap_or_default())
}

fn invalid(vm: &mut Vm, text: &[u8]) -> Raise {
    let text = shown(text);
    vm.error(format_args!("invalid conversion specification: '%{text}'"))
}

/// One directive.
#[inline(never)]
fn convert(
    vm: &mut Vm,
    f: &Args,
    buffer: Ref,
    at: usize,
    i: u32,
    answer: Option<Value>,
) -> Result<Outcome, Raise> {
    let format = vm.arg(f, 0);
    // Directives are short, so a copy lets the machine be used meanwhile.
    let mut copy = [0u8; 24];
    let rest = vm.bytes(format).get(at..).unwrap_or_default();
    let Some(read) = Directive::read(rest) else {
        return Err(vm.error(format_args!("invalid format (too long)")));
    };
    let len = read.text.len();
    for (slot, b) in copy.iter_mut().zip(read.text) {
        *slot = *b;
    }
    let conversion = read.conversion;
    let directive = Directive {
        text: copy.get(..len).unwrap_or_default(),
        conversion,
    };
    let (flags, precision) = match conversion {
        b'd' | b'i' => (directive::INT, true),
        b'u' => (directive::UNSIGNED, true),
        b'o' | b'x' | b'X' => (directive::HEX, true),
        b'a' | b'A' | b'e' | b'E' | b'f' | b'g' | b'G' => (directive::FLOAT, true),
        b'c' | b'p' => (directive::TEXT, false),
        b's' => return string(vm, f, buffer, i, directive, answer),
        b'q' => {
            if directive.is_modified() {
                return Err(vm.error(format_args!("specifier '%q' cannot have modifiers")));
            }
            quote(vm, f, buffer, i)?;
            return Ok(Outcome::Done(len));
        }
        _ => {
            let text = shown(directive.text);
            return Err(vm.error(format_args!("invalid conversion '%{text}' to 'format'")));
        }
    };
    // An argument of the wrong type is found before a wrong specification.
    match conversion {
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
            vm.check_int(f, i)?;
        }
        b'e' | b'E' | b'f' | b'g' | b'G' => {
            vm.check_float(f, i)?;
        }
        _ => {}
    }
    let Some(spec) = directive.spec(flags, precision) else {
        return Err(invalid(vm, directive.text));
    };
    vm.charge(2)?;
    match conversion {
        b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
            let value = vm.check_int(f, i)?;
            // At most 99 wide, or 99 digits with a sign.
            let mut room = [0u8; 128];
            let mut out = Text::new(&mut room);
            number::int(&mut out, spec, conversion, value);
            vm.push_bytes(buffer, out.bytes())?;
        }
        b'c' => {
            let value = vm.check_int(f, i)?;
            pad(vm, buffer, spec, &[value as u8])?;
        }
        b'p' => {
            let value = vm.check_any(f, i)?;
            pointer(vm, buffer, spec, value)?;
        }
        _ => {
            let value = vm.check_float(f, i)?;
            float(vm, buffer, spec, conversion, value)?;
        }
    }
    Ok(Outcome::Done(len))
}

/// Appends text with spaces to its width.
fn pad(vm: &mut Vm, buffer: Ref, spec: Spec, text: &[u8]) -> Result<(), Raise> {
    let missing = usize::from(spec.width).saturating_sub(text.len());
    let (before, behind) = if spec.left {
        (0, missing)
    } else {
        (missing, 0)
    };
    vm.push_fill(buffer, b' ', before)?;
    vm.push_bytes(buffer, text)?;
    vm.push_fill(buffer, b' ', behind)
}

/// Appends a float. Its digits need more room than the stack of a kernel has: the buffer lends it.
#[inline(never)]
fn float(vm: &mut Vm, buffer: Ref, spec: Spec, conversion: u8, value: f64) -> Result<(), Raise> {
    let precision = usize::from(spec.precision.unwrap_or(6));
    // A double below 2^64 has at most 20 digits before the point.
    let (_, exponent) = split(value);
    let large = conversion == b'f' && exponent > 11;
    let whole = if large { digits::MOST } else { 20 };
    let work = whole.wrapping_add(precision);
    let room = work
        .wrapping_add(16)
        .max(usize::from(spec.width).wrapping_add(1));
    // The long way costs a pass over the expansion for each 19 digits.
    vm.charge(if large || precision > 17 { 40 } else { 8 })?;
    let have = vm.heap.buffer_bytes(buffer).len();
    vm.push_fill(buffer, 0, room.wrapping_add(work))?;
    let bytes = vm
        .heap
        .buffer_bytes_mut(buffer)
        .get_mut(have..)
        .unwrap_or_default();
    let Some((room, work)) = bytes.split_at_mut_checked(room) else {
        return Ok(());
    };
    let mut out = Text::new(room);
    number::float(&mut out, work, spec, conversion, value);
    let used = out.bytes().len();
    vm.heap.truncate_buffer(buffer, have.wrapping_add(used));
    Ok(())
}

/// `%p`: the place in the environment's own memory, never an address of the kernel.
fn pointer(vm: &mut Vm, buffer: Ref, spec: Spec, value: Value) -> Result<(), Raise> {
    let mut room = [0u8; 24];
    let mut out = Text::new(&mut room);
    match identity(vm, value) {
        Some(at) => place(&mut out, at),
        None => out.put(b"(null)"),
    }
    pad(vm, buffer, spec, out.bytes())
}

/// `%s`.
#[inline(never)]
fn string(
    vm: &mut Vm,
    f: &Args,
    buffer: Ref,
    i: u32,
    directive: Directive,
    answer: Option<Value>,
) -> Result<Outcome, Raise> {
    let value = vm.check_any(f, i)?;
    let text = match answer {
        Some(text) => text,
        None => match super::text_of(vm, value)? {
            Meta::Done(text) => text,
            Meta::Call(nargs) => return Ok(Outcome::Call(nargs)),
        },
    };
    let len = vm.bytes(text).len();
    vm.charge(bulk(len))?;
    let done = Ok(Outcome::Done(directive.text.len()));
    if !directive.is_modified() {
        vm.push_part(buffer, text, 0, len)?;
        return done;
    }
    if vm.bytes(text).contains(&0) {
        return Err(vm.arg_error(f, i, format_args!("string contains zeros")));
    }
    let Some(spec) = directive.spec(directive::TEXT, true) else {
        return Err(invalid(vm, directive.text));
    };
    let shown = if directive.has_precision() {
        len.min(usize::from(spec.precision.unwrap_or(0)))
    } else {
        len
    };
    let missing = usize::from(spec.width).saturating_sub(shown);
    let (before, behind) = if spec.left {
        (0, missing)
    } else {
        (missing, 0)
    };
    vm.push_fill(buffer, b' ', before)?;
    vm.push_part(buffer, text, 0, shown)?;
    vm.push_fill(buffer, b' ', behind)?;
    done
}

/// `%q`: what Lua reads back as the same value.
#[inline(never)]
fn quote(vm: &mut Vm, f: &Args, buffer: Ref, i: u32) -> Result<(), Raise> {
    let value = vm.check_any(f, i)?;
    let mut room = [0u8; 48];
    let mut out = Text::new(&mut room);
    match literal(value) {
        Literal::Text => return quote_string(vm, buffer, value),
        Literal::Word(word) => out.put(word),
        Literal::Number(Number::Int(i64::MIN)) => out.put(b"0x8000000000000000"),
        Literal::Number(Number::Int(n)) => out.int(n),
        Literal::Number(Number::Float(x)) => {
            if x == f64::INFINITY {
                out.put(b"1e9999");
            } else if x == f64::NEG_INFINITY {
                out.put(b"-1e9999");
            } else if x.is_nan() {
                out.put(b"(0/0)");
            } else {
                number::float(&mut out, &mut [], Spec::default(), b'a', x);
            }
        }
        Literal::None => {
            return Err(vm.arg_error(f, i, format_args!("value has no literal form")));
        }
    }
    vm.push_bytes(buffer, out.bytes())
}

/// How a value is written in a program.
enum Literal {
    Text,
    Word(&'static [u8]),
    Number(Number),
    None,
}

fn literal(v: Value) -> Literal {
    match v.tag {
        Tag::Str | Tag::Bytes => Literal::Text,
        Tag::Int => Literal::Number(Number::Int(v.as_int())),
        Tag::Float => Literal::Number(Number::Float(v.as_float())),
        Tag::Nil => Literal::Word(b"nil"),
        Tag::True => Literal::Word(b"true"),
        Tag::False => Literal::Word(b"false"),
        _ => Literal::None,
    }
}

fn quote_string(vm: &mut Vm, buffer: Ref, s: Value) -> Result<(), Raise> {
    let len = vm.bytes(s).len();
    vm.charge(bytewise(len).saturating_mul(8))?;
    vm.push_bytes(buffer, b"\"")?;
    for i in 0..len {
        let b = vm.bytes(s).get(i).copied().unwrap_or(0);
        let next = vm.bytes(s).get(i.wrapping_add(1)).copied().unwrap_or(0);
        let mut room = [0u8; 4];
        let mut out = Text::new(&mut room);
        match b {
            b'"' | b'\\' | b'\n' => out.put(&[b'\\', b]),
            _ if b.is_ascii_control() => {
                out.byte(b'\\');
                let precision = if next.is_ascii_digit() { Some(3) } else { None };
                let spec = Spec {
                    precision,
                    ..Spec::default()
                };
                number::int(&mut out, spec, b'd', i64::from(b));
            }
            _ => out.byte(b),
        }
        vm.push_bytes(buffer, out.bytes())?;
    }
    vm.push_bytes(buffer, b"\"")
}
