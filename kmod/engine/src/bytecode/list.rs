// SPDX-License-Identifier: GPL-2.0-only
//! A listing of an image for people.

use super::image::{Constant, Image, Proto, Source};
use super::op::{Inst, Op};
use super::shape::{Off, Operand, shape};
use core::fmt::{self, Write};

/// Writes all prototypes: one line for each instruction, with what its operands stand for.
pub fn list(image: &Image<'_>, out: &mut impl Write) -> fmt::Result {
    for index in 0..image.proto_count() {
        if let Some(proto) = image.proto(index) {
            if index > 0 {
                writeln!(out)?;
            }
            list_proto(image, index, &proto, out)?;
        }
    }
    Ok(())
}

/// Bytes of a program as text: what is not printable is escaped.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for &byte in self.0.iter().take(40) {
            write!(f, "{}", byte.escape_ascii())?;
        }
        f.write_str(if self.0.len() > 40 { "…\"" } else { "\"" })
    }
}

struct Named<'a>(Option<&'a [u8]>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.unwrap_or(b"?") {
            write!(f, "{}", byte.escape_ascii())?;
        }
        Ok(())
    }
}

fn list_proto(image: &Image<'_>, index: u32, proto: &Proto, out: &mut impl Write) -> fmt::Result {
    let what = if proto.first_line == 0 {
        "main"
    } else {
        "function"
    };
    write!(
        out,
        "{what} #{index} <{}",
        Named(Some(image.chunk_name(proto.chunk)))
    )?;
    if proto.first_line != 0 {
        write!(out, ":{}-{}", proto.first_line, proto.last_line)?;
    }
    write!(out, ">")?;
    if let Some(name) = image.name(proto.name) {
        write!(out, " {}", Named(Some(name)))?;
    }
    writeln!(
        out,
        ": {} parameters{}, {} registers, {} upvalues, {} instructions, fuel {}",
        proto.params,
        if proto.vararg { " and more" } else { "" },
        proto.registers,
        proto.upvalue_count,
        proto.code_len,
        proto.fuel
    )?;
    for i in 0..proto.upvalue_count {
        if let Some(up) = image.upvalue(proto, i) {
            let from = match up.source {
                Source::Register => "register",
                Source::Upvalue => "upvalue",
                Source::Itself => "itself",
            };
            let boxed = if up.boxed { ", boxed" } else { "" };
            writeln!(
                out,
                "  up {i} = {from} {} ({}{boxed})",
                up.index,
                Named(image.name(up.name))
            )?;
        }
    }
    let mut line = 0;
    for pc in 0..proto.code_len {
        let number = proto.code.wrapping_add(pc);
        let Some(inst) = image.inst(number) else {
            continue;
        };
        let this = image.line(proto, pc);
        if this == line {
            write!(out, "        ")?;
        } else {
            write!(out, "  {this:>5} ")?;
            line = this;
        }
        let mark = if image.is_leader(number) { '>' } else { ' ' };
        write!(out, "{mark}{pc:>4}  ")?;
        list_inst(image, proto, pc, inst, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn list_inst(
    image: &Image<'_>,
    proto: &Proto,
    pc: u32,
    inst: Inst,
    out: &mut impl Write,
) -> fmt::Result {
    let Some(op) = Op::from_byte(inst.op_byte()) else {
        return write!(out, "?{:02x}", inst.op_byte());
    };
    let shape = shape(op);
    let name = super::op::OPERATIONS
        .get(op as usize)
        .map_or("?", |&(_, name)| name);
    write!(out, "{name:<10}")?;
    let next = i64::from(pc).wrapping_add(1);
    let b = if shape.wide {
        i64::from(inst.imm())
    } else {
        i64::from(inst.b())
    };
    for (operand, value) in [
        (shape.a, i64::from(inst.a())),
        (shape.b, b),
        (shape.c, i64::from(inst.c())),
    ] {
        match operand {
            Operand::Zero => {}
            Operand::Register => write!(out, " R{value}")?,
            Operand::Value | Operand::Box => write!(out, " U{value}")?,
            Operand::Name | Operand::Number | Operand::Integer | Operand::Constant => {
                list_constant(image, value, out)?;
            }
            Operand::Path => {
                list_constant(image, value, out)?;
                list_constant(image, value.wrapping_add(1), out)?;
            }
            Operand::Signed if !shape.wide => write!(out, " {}", value as i16)?,
            Operand::Unsigned | Operand::Signed | Operand::Count | Operand::Flag => {
                write!(out, " {value}")?;
            }
            Operand::Prototype => write!(out, " #{value}")?,
            Operand::Forward | Operand::Either => write!(out, " ->{}", next.wrapping_add(value))?,
            Operand::Backward => write!(out, " ->{}", next.wrapping_sub(value))?,
        }
    }
    match shape.off {
        Off::Skip => write!(out, " ->{}", next.wrapping_add(i64::from(inst.off())))?,
        Off::Fuel | Off::FuelBack if inst.off() != 0 => write!(out, " fuel {}", inst.off())?,
        Off::Path => write!(out, " path {}", inst.off())?,
        Off::Most(_) if inst.off() != 0 => write!(out, " /{}", inst.off())?,
        _ => {}
    }
    if matches!(shape.a, Operand::Register)
        && let Some(name) = image.local_name(proto, u32::from(inst.a()), pc)
    {
        write!(out, "  ; {}", Named(Some(name)))?;
    }
    Ok(())
}

fn list_constant(image: &Image<'_>, index: i64, out: &mut impl Write) -> fmt::Result {
    match u32::try_from(index)
        .ok()
        .and_then(|index| image.constant(index))
    {
        None => write!(out, " K{index}?"),
        Some(Constant::Nil) => write!(out, " nil"),
        Some(Constant::Boolean(b)) => write!(out, " {b}"),
        Some(Constant::Int(i)) => write!(out, " {i}"),
        Some(Constant::Float(f)) => write!(out, " {f:?}"),
        Some(Constant::Str(text, _)) => write!(out, " {}", Quoted(text)),
        Some(Constant::Verdict(payload)) => write!(out, " verdict {payload}"),
    }
}
