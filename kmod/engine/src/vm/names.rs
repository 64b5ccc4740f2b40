// SPDX-License-Identifier: GPL-2.0-only
//! What messages call things: positions, functions, and the variable that held a bad value, which is
//! found by looking at the instructions that led there.

use super::error::{Bytes, Raise};
use super::native::PASSED;
use super::{CLOSING, COROUTINE, FINALIZER, FrameKind, HANDLER, META, UNWINDING, Vm};
use crate::bytecode::image::{Image, Proto};
use crate::bytecode::op::{Inst, Op};
use crate::memory::cell::{ImageCell, ProtoCell};
use crate::value::{Ref, Tag, Value};

/// Globals among which the name of a function is looked for.
const GLOBALS: u32 = 1000;
/// Bytes of a [`Name`].
const NAME: usize = 94;

/// A short text by value; what is longer is cut.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8,
    text: [u8; NAME],
    /// Of a function: it was called as a method.
    pub is_method: bool,
}

impl Name {
    /// The text.
    pub fn new(text: &[u8]) -> Self {
        let mut name = Self {
            len: 0,
            text: [0; NAME],
            is_method: false,
        };
        name.add(text);
        name
    }
    /// Appends.
    pub fn add(&mut self, more: &[u8]) {
        let room = NAME - usize::from(self.len);
        for &b in more.iter().take(room) {
            if let Some(slot) = self.text.get_mut(usize::from(self.len)) {
                *slot = b;
                self.len += 1;
            }
        }
    }
    /// The text.
    pub fn text(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A kind of variable and its name.
type Named<'a> = (&'static str, &'a [u8]);

impl Vm {
    /// The image that a prototype is from, and its record.
    pub(crate) fn record(&self, proto: Ref) -> Option<(Image<'_>, Proto)> {
        let cell = self.proto(proto);
        let image = self.image_of(cell)?;
        let record = image.proto(cell.index)?;
        Some((image, record))
    }

    fn image_of(&self, proto: &ProtoCell) -> Option<Image<'_>> {
        if proto.image == 0 {
            return self.program();
        }
        // SAFETY: an image's cell, and the bytes in its body; they stay while `self` is borrowed.
        let bytes = unsafe {
            let cell = self.heap.at::<ImageCell>(proto.image);
            core::slice::from_raw_parts(self.heap.at::<u8>((*cell).body), (*cell).len as usize)
        };
        Image::open(bytes).ok()
    }

    /// The instruction that a Lua frame is at.
    pub(crate) fn pc_of(&self, depth: u32) -> u32 {
        let f = self.frame(depth);
        // A frame that waits to run its instruction again stands on it.
        if f.place == 0 {
            f.pc.saturating_sub(1)
        } else {
            f.pc
        }
    }

    /// Chunk and line where a frame is; none for natives.
    pub(crate) fn place_of(&self, depth: u32) -> Option<(Name, u32)> {
        let f = self.frame(depth);
        if f.kind != FrameKind::Lua {
            return None;
        }
        let (image, proto) = self.record(f.proto)?;
        Some((
            Name::new(image.chunk_name(proto.chunk)),
            image.line(&proto, self.pc_of(depth)),
        ))
    }

    /// Chunk of a function value and the line where it is defined: (name, 0) for a main function.
    pub fn defined_at(&self, f: Value) -> Option<(Name, u32)> {
        let closure = self.lua_closure(f)?;
        self.definition(self.heap.header(closure).hash)
    }

    /// Chunk of a prototype and the line where it is defined.
    pub(crate) fn definition(&self, proto: Ref) -> Option<(Name, u32)> {
        let (image, proto) = self.record(proto)?;
        Some((Name::new(image.chunk_name(proto.chunk)), proto.first_line))
    }

    /// The line that the function at a level is at.
    pub fn line_at(&self, level: u32) -> Option<(Name, u32)> {
        self.place_of(self.level(level)?)
    }

    // --- operands ------------------------------------------------------------------------------------

    fn inst_at(&self, proto: Ref, pc: u32) -> Option<Inst> {
        let cell = self.proto(proto);
        if pc >= cell.code_len {
            return None;
        }
        // SAFETY: below the length of the prototype's code.
        unsafe { *cell.code.wrapping_add(pc as usize) }.unpack()
    }

    fn constant_name(&self, proto: Ref, index: u32) -> Option<&[u8]> {
        // SAFETY: constants of verified instructions are inside the pool.
        let v = unsafe { *self.proto(proto).constants.wrapping_add(index as usize) };
        (v.tag == Tag::Str).then(|| self.bytes(v))
    }

    fn upvalue_name(&self, proto: Ref, index: u32) -> Option<&[u8]> {
        let (image, record) = self.record(proto)?;
        image.name(image.upvalue(&record, index)?.name)
    }

    /// The instruction that last set a register before `pc`, as far as one can tell.
    fn setter(&self, proto: Ref, pc: u32, register: u32) -> Option<u32> {
        let mut found = None;
        let mut target = 0;
        for at in 0..pc {
            let i = self.inst_at(proto, at)?;
            let op = Op::from_byte(i.op_byte())?;
            let a = u32::from(i.a());
            let sets = match op {
                Op::LoadNil => (a..a + u32::from(i.b())).contains(&register),
                Op::Call | Op::TailCall | Op::VarArg => register >= a,
                Op::TForCall => register >= a + 4,
                Op::ForLoop | Op::ForPrep => (a..a + 4).contains(&register),
                Op::TForLoop => register == a + 2,
                Op::SelfField => register == a || register == a + 1,
                Op::Jmp => {
                    let to = (at + 1).wrapping_add(i.imm() as u32);
                    if i.imm() > 0 && to <= pc {
                        target = target.max(to);
                    }
                    false
                }
                _ => sets_a(op) && register == a,
            };
            let skips = branches(op) && i.off() > 0;
            if skips && at + 1 + u32::from(i.off()) <= pc {
                target = target.max(at + 1 + u32::from(i.off()));
            }
            if sets {
                // A jump goes around it: it may not have run.
                found = if at < target { None } else { Some(at) };
            }
        }
        found
    }

    /// What a register of the frame on top is called.
    fn register_name(&self, register: u32) -> Option<Named<'_>> {
        let proto = self.this().proto;
        self.register_name_at(proto, self.pc_of(self.depth), register)
    }

    fn register_name_at(&self, proto: Ref, pc: u32, register: u32) -> Option<Named<'_>> {
        let (image, record) = self.record(proto)?;
        let mut pc = pc;
        let mut register = register;
        // Moves lead to other registers, each earlier in the code.
        for _ in 0..64 {
            if let Some(name) = image.local_name(&record, register, pc) {
                return Some(("local", name));
            }
            let at = self.setter(proto, pc, register)?;
            let i = self.inst_at(proto, at)?;
            let (b, c) = (u32::from(i.b()), u32::from(i.c()));
            return Some(match Op::from_byte(i.op_byte())? {
                Op::Move | Op::GetBox => {
                    if b >= u32::from(i.a())
                        && !matches!(Op::from_byte(i.op_byte()), Some(Op::GetBox))
                    {
                        return None;
                    }
                    register = b;
                    pc = at;
                    continue;
                }
                Op::GetTabUp => {
                    let is_env = self.upvalue_name(proto, b) == Some(b"_ENV");
                    (
                        if is_env { "global" } else { "field" },
                        self.constant_name(proto, c)?,
                    )
                }
                Op::GetField => {
                    let is_env = match image.local_name(&record, b, at) {
                        Some(name) => name == b"_ENV",
                        None => self.is_env_copy(proto, at, b),
                    };
                    (
                        if is_env { "global" } else { "field" },
                        self.constant_name(proto, c)?,
                    )
                }
                Op::GetField2 => ("field", self.constant_name(proto, c + 1)?),
                // PUC has an instruction of its own for keys up to 255.
                Op::GetInt if c <= 255 => ("field", b"integer index"),
                Op::GetInt => ("field", b"?"),
                Op::GetIndex => match self.register_constant(proto, at, c) {
                    Some(name) => ("field", name),
                    None => ("field", b"?"),
                },
                Op::GetUp | Op::GetUpBox => ("upvalue", self.upvalue_name(proto, b)?),
                Op::LoadK => ("constant", self.constant_name(proto, i.imm() as u32)?),
                Op::SelfField if register == u32::from(i.a()) => {
                    ("method", self.constant_name(proto, c)?)
                }
                _ => return None,
            });
        }
        None
    }

    /// Whether a register holds what the upvalue `_ENV` has in its box.
    fn is_env_copy(&self, proto: Ref, pc: u32, register: u32) -> bool {
        self.setter(proto, pc, register)
            .and_then(|at| self.inst_at(proto, at))
            .is_some_and(|i| {
                matches!(Op::from_byte(i.op_byte()), Some(Op::GetUpBox | Op::GetUp))
                    && self.upvalue_name(proto, u32::from(i.b())) == Some(b"_ENV")
            })
    }

    /// A register's contents when they are a constant string.
    fn register_constant(&self, proto: Ref, pc: u32, register: u32) -> Option<&[u8]> {
        match self.register_name_at(proto, pc, register)? {
            ("constant", name) => Some(name),
            _ => None,
        }
    }

    /// ` (local 'x')` or the like for an operand of the instruction that runs, or nothing.
    pub(crate) fn describe(&self, operand: Operand) -> Name {
        let mut text = Name::new(b"");
        let named = match operand {
            Operand::Register(r) => self.register_name(r),
            Operand::Upvalue(u) => self
                .upvalue_name(self.this().proto, u)
                .map(|n| ("upvalue", n)),
            Operand::Constant(k) => self
                .constant_name(self.this().proto, k)
                .map(|n| ("constant", n)),
            Operand::Field(k) => self
                .constant_name(self.this().proto, k)
                .map(|n| ("field", n)),
            Operand::None => None,
        };
        if let Some((kind, name)) = named {
            text.add(b" (");
            text.add(kind.as_bytes());
            text.add(b" '");
            text.add(name.get(..name.len().min(64)).unwrap_or(&[]));
            text.add(b"')");
        }
        text
    }

    /// The operand that a value of the stack is, when it is a register of the frame on top.
    pub(crate) fn operand_of(&self, index: u32) -> Operand {
        let f = self.this();
        if f.kind == FrameKind::Lua && index >= f.base && index < self.extent() {
            Operand::Register(index - f.base)
        } else {
            Operand::None
        }
    }

    // --- messages ------------------------------------------------------------------------------------

    /// `attempt to … a nil value (local 'x')`.
    #[cold]
    pub(crate) fn type_failure(&mut self, action: &str, v: Value, operand: Operand) -> Raise {
        if let Some(raise) = self.hush() {
            return raise;
        }
        let what = if self.this().kind == FrameKind::Lua {
            self.describe(operand)
        } else {
            Name::new(b"")
        };
        let kind = self.type_name_of(v);
        self.fault(format_args!(
            "attempt to {action} a {} value{}",
            Bytes(kind.text()),
            Bytes(what.text())
        ))
    }

    /// The value at `func` was called and is no function.
    #[cold]
    pub(crate) fn call_error(&mut self, func: u32, v: Value) -> Raise {
        let f = *self.this();
        let i = if f.kind == FrameKind::Lua {
            self.inst_at(f.proto, self.pc_of(self.depth))
        } else {
            None
        };
        let kind = self.type_name_of(v);
        match i.and_then(|i| Op::from_byte(i.op_byte())) {
            None | Some(Op::Call | Op::TailCall) => {
                let operand = self.operand_of(func);
                self.type_failure("call", v, operand)
            }
            Some(Op::TForCall) => self.fault(format_args!(
                "attempt to call a {} value (for iterator 'for iterator')",
                Bytes(kind.text())
            )),
            Some(op) => self.fault(format_args!(
                "attempt to call a {} value (metamethod '{}')",
                Bytes(kind.text()),
                event_name(op)
            )),
        }
    }

    /// The value in a slot is to be closed and cannot.
    #[cold]
    pub(crate) fn not_closable(&mut self, index: u32) -> Raise {
        let f = *self.this();
        let name = self
            .record(f.proto)
            .and_then(|(image, proto)| {
                image.local_name(
                    &proto,
                    index.wrapping_sub(f.base),
                    self.pc_of(self.depth) + 1,
                )
            })
            // The hidden variable of a generic loop has no name of its own.
            .map_or_else(|| Name::new(b"(for state)"), Name::new);
        self.fault(format_args!(
            "variable '{}' got a non-closable value",
            Bytes(name.text())
        ))
    }

    // --- functions -----------------------------------------------------------------------------------

    /// What the caller of the frame at a depth calls its function: kind and name.
    pub(crate) fn called_name(&self, depth: u32) -> Option<(&'static str, Name)> {
        let f = self.frame(depth);
        if f.is_tail_call() || depth == 0 {
            return None;
        }
        if f.flags & FINALIZER != 0 {
            return Some(("metamethod", Name::new(b"__gc")));
        }
        if f.flags & (CLOSING | UNWINDING) != 0 {
            return Some(("metamethod", Name::new(b"close")));
        }
        let caller = self.frame(depth - 1);
        if caller.kind != FrameKind::Lua || f.flags & (COROUTINE | HANDLER) != 0 {
            return None;
        }
        let (proto, pc) = (caller.proto, self.pc_of(depth - 1));
        let i = self.inst_at(proto, pc)?;
        let op = Op::from_byte(i.op_byte())?;
        if f.flags & META != 0 {
            return Some(("metamethod", Name::new(event_name(op).as_bytes())));
        }
        match op {
            Op::Call | Op::TailCall => {
                let (kind, name) = self.register_name_at(proto, pc, u32::from(i.a()))?;
                Some((kind, Name::new(name)))
            }
            Op::TForCall => Some(("for iterator", Name::new(b"for iterator"))),
            _ => None,
        }
    }

    /// A function of a library by its value: `string.format`, `print`.
    pub(super) fn library_name(f: Value) -> Option<Name> {
        let number = if f.tag == Tag::Native {
            f.payload as u32
        } else {
            return None;
        };
        let library = super::LIBRARIES.get((number >> 16) as usize)?;
        let def = library.natives.get((number & 0xffff) as usize)?;
        if !def.public {
            return None;
        }
        let mut name = Name::new(b"");
        if !matches!(library.name, "" | "*") {
            name.add(library.name.as_bytes());
            name.add(b".");
        }
        name.add(def.name.as_bytes());
        Some(name)
    }

    /// The name of the native function in a frame, as its messages say it.
    pub(crate) fn native_name(&self, depth: u32) -> Name {
        if let Some((kind, mut name)) = self.called_name(depth) {
            name.is_method = kind == "method";
            return name;
        }
        let f = self.get(self.frame(depth).func);
        Self::library_name(f)
            .or_else(|| self.native_of(f).map(|def| Name::new(def.name.as_bytes())))
            .unwrap_or_else(|| Name::new(b"?"))
    }

    /// The name of a global function.
    pub(super) fn global_name(&mut self, f: Value) -> Option<Name> {
        let mut key = Value::NIL;
        for _ in 0..GLOBALS {
            let mut passed = 0;
            let entry = self.heap.next(self.globals, key, &mut passed);
            self.fuel -= 1 + i64::from(passed >> PASSED);
            let Ok(Some((k, v))) = entry else {
                return None;
            };
            if v.tag == f.tag && v.payload == f.payload && k.tag == Tag::Str {
                return Some(Name::new(self.bytes(k)));
            }
            key = k;
        }
        None
    }
}

/// Where a bad value came from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// A register of the frame on top.
    Register(u32),
    /// An upvalue of its function.
    Upvalue(u32),
    /// A constant of its program.
    Constant(u32),
    /// A field of that name.
    Field(u32),
    /// Nowhere that has a name.
    None,
}

/// Whether an operation sets its register A.
const fn sets_a(op: Op) -> bool {
    !branches(op)
        && !matches!(
            op,
            Op::Return0
                | Op::Return1
                | Op::Return
                | Op::Jmp
                | Op::SetField
                | Op::SetFieldK
                | Op::SetIndex
                | Op::SetIndexK
                | Op::SetInt
                | Op::SetTabUp
                | Op::SetTabUpK
                | Op::SetList
                | Op::Extra
                | Op::SetBox
                | Op::SetUp
                | Op::TForPrep
                | Op::Tbc
                | Op::Close
                | Op::PktNo
                | Op::PktNeI
        )
}

/// Whether an operation is a compare and branch with `OFF` as its distance.
pub(crate) const fn branches(op: Op) -> bool {
    matches!(
        op,
        Op::JmpNeI
            | Op::JmpEqI
            | Op::JmpF
            | Op::JmpT
            | Op::JmpEq
            | Op::JmpNe
            | Op::JmpLt
            | Op::JmpNLt
            | Op::JmpLe
            | Op::JmpNLe
            | Op::JmpEqK
            | Op::JmpNeK
            | Op::JmpLtI
            | Op::JmpNLtI
            | Op::JmpLeI
            | Op::JmpNLeI
            | Op::JmpGtI
            | Op::JmpNGtI
            | Op::JmpGeI
            | Op::JmpNGeI
    )
}

/// The event that an instruction calls a metamethod for.
const fn event_name(op: Op) -> &'static str {
    match op {
        Op::GetField | Op::GetField2 | Op::GetIndex | Op::GetInt | Op::GetTabUp | Op::SelfField => {
            "index"
        }
        Op::SetField
        | Op::SetFieldK
        | Op::SetIndex
        | Op::SetIndexK
        | Op::SetInt
        | Op::SetTabUp
        | Op::SetTabUpK => "newindex",
        Op::Add | Op::AddI | Op::AddK => "add",
        Op::Sub | Op::SubK => "sub",
        Op::Mul | Op::MulK => "mul",
        Op::Mod | Op::ModK => "mod",
        Op::IDiv | Op::IDivK => "idiv",
        Op::BAnd | Op::BAndK => "band",
        Op::BOr | Op::BOrK => "bor",
        Op::BXor | Op::BXorK => "bxor",
        Op::Shl | Op::ShlK => "shl",
        Op::Shr | Op::ShrK => "shr",
        Op::Div | Op::DivK => "div",
        Op::Pow | Op::PowK => "pow",
        Op::Unm => "unm",
        Op::BNot => "bnot",
        Op::Len => "len",
        Op::Concat => "concat",
        Op::JmpEq | Op::JmpNe | Op::JmpEqK | Op::JmpNeK | Op::JmpEqI | Op::JmpNeI => "eq",
        Op::JmpLt | Op::JmpNLt | Op::JmpLtI | Op::JmpNLtI | Op::JmpGtI | Op::JmpNGtI => "lt",
        Op::Close | Op::Return | Op::Return0 | Op::Return1 => "close",
        Op::JmpLe | Op::JmpNLe | Op::JmpLeI | Op::JmpNLeI | Op::JmpGeI | Op::JmpNGeI => "le",
        _ => "?",
    }
}
