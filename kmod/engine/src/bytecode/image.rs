// SPDX-License-Identifier: GPL-2.0-only
//! The image: a compiled program as flat bytes.
//!
//! Position independent, immutable, 8-byte aligned, little-endian, offsets from its first byte:
//!
//! ```text
//!   0  magic "PSLI"       4  version u16   6  flags u16     8  length u32   12  zero u32
//!  16  table of sections: (offset u32, count u32) each, in the order of [`Section`]
//! 104  sections, each at a multiple of 8
//!
//!  Code       Inst, 8 bytes        the instructions of all prototypes, one after another
//!  Protos     64 bytes             see [`Proto`]; number 0 is the script's main function
//!  Leaders    u64                  bit i: a jump may go to instruction i
//!  Upvalues   8 bytes              see [`Upvalue`]
//!  Lines      pc u32, line u32     from this pc of its prototype on, this line; ascending
//!  Locals     16 bytes             see [`Local`]
//!  Constants  16 bytes             laid out as a `Value` (tag u32, aux u32, payload u64); a string's
//!                                  payload is its name's number, its aux the packet field id plus
//!                                  one, or 0
//!  Names      offset u32, len u32  every string of the program, once, into Bytes
//!  Bytes      u8                   the contents of names
//!  Modules    name u32, proto u32  main functions of the modules that `require` finds
//!  Chunks     name u32, zero u32   what messages call each text
//! ```
//!
//! Constants: nil, false, true, integers, floats, strings and plain verdicts. Two string constants
//! side by side may serve `GetField2`.

use super::op::Inst;
use super::word::Word;
use crate::value::Tag;

/// First bytes of an image.
pub const MAGIC: [u8; 4] = *b"PSLI";
/// Version of the format and of the instruction set.
pub const VERSION: u16 = 2;
/// Bytes before the first section.
pub const HEADER: usize = 104;
/// Flag of the header: compiled as a packet script (verdicts are constants).
pub const FLAG_PACKET: u16 = 1;

/// Flag of the header: every captured variable lives in a box.
pub const FLAG_SHARED: u16 = 2;

/// A section of the image; the number is its place in the header's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Section {
    /// Instructions.
    Code,
    /// Prototypes.
    Protos,
    /// Bitmap of instructions that jumps may go to.
    Leaders,
    /// Descriptors of upvalues.
    Upvalues,
    /// Line runs.
    Lines,
    /// Names of local variables.
    Locals,
    /// The pool of constants.
    Constants,
    /// Places of strings.
    Names,
    /// Contents of strings.
    Bytes,
    /// Modules.
    Modules,
    /// Texts.
    Chunks,
}

/// Every section with the size of its items, in the order of the table.
pub const SECTIONS: [(Section, usize); 11] = [
    (Section::Code, 8),
    (Section::Protos, PROTO_SIZE),
    (Section::Leaders, 8),
    (Section::Upvalues, 8),
    (Section::Lines, 8),
    (Section::Locals, 16),
    (Section::Constants, 16),
    (Section::Names, 8),
    (Section::Bytes, 1),
    (Section::Modules, 8),
    (Section::Chunks, 8),
];

/// Size of a prototype's record.
pub const PROTO_SIZE: usize = 64;
/// "No name" and "no parent".
pub const NONE: u32 = u32::MAX;

/// A function's record.
///
/// ```text
///   0 code     4 code_len   8 params u8   9 vararg u8   10 registers u16   12 fuel
///  16 upvalues 20 count    24 lines      28 count       32 locals          36 count
///  40 first_line           44 last_line  48 chunk       52 parent          56 name     60 zero
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proto {
    /// Number of its first instruction in the code section.
    pub code: u32,
    /// How many instructions it has.
    pub code_len: u32,
    /// Fixed parameters; they are the first registers.
    pub params: u8,
    /// Whether it takes more arguments than that.
    pub vararg: bool,
    /// Size of its frame in registers.
    pub registers: u16,
    /// Fuel of a call: what its instructions outside of loops' turns cost.
    pub fuel: u32,
    /// First of its upvalue descriptors.
    pub upvalues: u32,
    /// How many upvalues it has.
    pub upvalue_count: u32,
    /// First of its line runs.
    pub lines: u32,
    /// How many line runs it has.
    pub line_count: u32,
    /// First of its local names.
    pub locals: u32,
    /// How many local names it has.
    pub local_count: u32,
    /// Line of `function`; 0 for a main function.
    pub first_line: u32,
    /// Line of its `end`; 0 for a main function.
    pub last_line: u32,
    /// The text it comes from.
    pub chunk: u32,
    /// The function that it is written in, or [`NONE`].
    pub parent: u32,
    /// The name it was written with (`function a.b:c`), or [`NONE`].
    pub name: u32,
}

/// Where a new closure finds an upvalue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Source {
    /// The contents of a register of the function that makes the closure, copied as they are:
    /// a box, or the value itself of a variable that never changes.
    Register = 0,
    /// An upvalue of the function that makes the closure, copied as it is.
    Upvalue = 1,
    /// The new closure itself (a local function that names itself).
    Itself = 2,
}

/// The descriptor of an upvalue: source u8, index u8, boxed u8, zero u8, name u32.
///
/// Main functions have one upvalue, `_ENV`, that whoever makes their closure gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upvalue {
    /// Where a new closure finds it.
    pub source: Source,
    /// Register or upvalue of the maker.
    pub index: u8,
    /// Whether the upvalue is a box (`GetUpBox`, `SetUp`) or a value (`GetUp`, `GetTabUp`, …).
    pub boxed: bool,
    /// Name of the variable.
    pub name: u32,
}

/// A local variable's name: name u32, start u32, end u32, register u32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    /// The name.
    pub name: u32,
    /// First instruction (of its prototype) where it lives.
    pub start: u32,
    /// First instruction where it no longer does.
    pub end: u32,
    /// The register.
    pub register: u32,
}

/// A constant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Constant<'a> {
    /// nil.
    Nil,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string, and its packet field id if it names one.
    Str(&'a [u8], Option<u16>),
    /// A verdict's payload.
    Verdict(u64),
}

/// The bytes are no image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

/// A view of an image whose header and sections were checked; [`verify`](super::verify) checks the
/// rest. No accessor can fail but by answering `None`.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    bytes: &'a [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    Some(u32::from_le_bytes(bytes.get(at..end)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let end = at.checked_add(8)?;
    Some(u64::from_le_bytes(bytes.get(at..end)?.try_into().ok()?))
}

impl<'a> Image<'a> {
    /// Checks the header and that every section lies inside.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER || bytes.get(..4) != Some(&MAGIC) {
            return Err(Malformed("not a PacketScript image"));
        }
        let word = u32_at(bytes, 4).unwrap_or(0);
        if word as u16 != VERSION {
            return Err(Malformed("an image of another version of PacketScript"));
        }
        if u32_at(bytes, 8).map(|n| n as usize) != Some(bytes.len()) {
            return Err(Malformed("an image of another length than it says"));
        }
        let image = Self { bytes };
        for (section, size) in SECTIONS {
            let (offset, count) = image.section(section);
            let end = size.checked_mul(count).and_then(|n| n.checked_add(offset));
            if offset < HEADER
                || !offset.is_multiple_of(8)
                || end.is_none_or(|end| end > bytes.len())
            {
                return Err(Malformed("an image with a section outside of it"));
            }
        }
        Ok(image)
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Flags of the header.
    pub fn flags(&self) -> u16 {
        u32_at(self.bytes, 4).map_or(0, |word| (word >> 16) as u16)
    }

    /// Offset in bytes and number of items of a section.
    pub fn section(&self, section: Section) -> (usize, usize) {
        let at = (section as usize).wrapping_mul(8).wrapping_add(16);
        (
            u32_at(self.bytes, at).unwrap_or(0) as usize,
            u32_at(self.bytes, at.wrapping_add(4)).unwrap_or(0) as usize,
        )
    }

    /// The bytes of an item.
    fn item(&self, section: Section, index: u32) -> Option<&'a [u8]> {
        let (offset, count) = self.section(section);
        let index = index as usize;
        if index >= count {
            return None;
        }
        let &(_, size) = SECTIONS.get(section as usize)?;
        let start = offset.checked_add(index.checked_mul(size)?)?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// How many prototypes there are.
    pub fn proto_count(&self) -> u32 {
        self.section(Section::Protos).1 as u32
    }

    /// How many constants there are.
    pub fn constant_count(&self) -> u32 {
        self.section(Section::Constants).1 as u32
    }

    /// How many instructions there are.
    pub fn code_count(&self) -> u32 {
        self.section(Section::Code).1 as u32
    }

    /// How many modules there are.
    pub fn module_count(&self) -> u32 {
        self.section(Section::Modules).1 as u32
    }

    /// A prototype.
    pub fn proto(&self, index: u32) -> Option<Proto> {
        let r = self.item(Section::Protos, index)?;
        let word = |at| u32_at(r, at);
        Some(Proto {
            code: word(0)?,
            code_len: word(4)?,
            params: *r.get(8)?,
            vararg: *r.get(9)? != 0,
            registers: (word(8)? >> 16) as u16,
            fuel: word(12)?,
            upvalues: word(16)?,
            upvalue_count: word(20)?,
            lines: word(24)?,
            line_count: word(28)?,
            locals: word(32)?,
            local_count: word(36)?,
            first_line: word(40)?,
            last_line: word(44)?,
            chunk: word(48)?,
            parent: word(52)?,
            name: word(56)?,
        })
    }

    /// An instruction of the code section, if it is one.
    pub fn inst(&self, index: u32) -> Option<Inst> {
        Word::from_bits(u64_at(self.item(Section::Code, index)?, 0)?).unpack()
    }

    /// Whether a jump may go to this instruction of the code section.
    pub fn is_leader(&self, index: u32) -> bool {
        self.item(Section::Leaders, index >> 6)
            .and_then(|word| u64_at(word, 0))
            .is_some_and(|word| word >> (index & 63) & 1 != 0)
    }

    /// The descriptor of a prototype's upvalue.
    pub fn upvalue(&self, proto: &Proto, index: u32) -> Option<Upvalue> {
        if index >= proto.upvalue_count {
            return None;
        }
        let r = self.item(Section::Upvalues, proto.upvalues.checked_add(index)?)?;
        let source = match r.first()? {
            0 => Source::Register,
            1 => Source::Upvalue,
            2 => Source::Itself,
            _ => return None,
        };
        Some(Upvalue {
            source,
            index: *r.get(1)?,
            boxed: *r.get(2)? != 0,
            name: u32_at(r, 4)?,
        })
    }

    /// A prototype's local name.
    pub fn local(&self, proto: &Proto, index: u32) -> Option<Local> {
        if index >= proto.local_count {
            return None;
        }
        let r = self.item(Section::Locals, proto.locals.checked_add(index)?)?;
        Some(Local {
            name: u32_at(r, 0)?,
            start: u32_at(r, 4)?,
            end: u32_at(r, 8)?,
            register: u32_at(r, 12)?,
        })
    }

    /// The name of the local variable that lives in a register at an instruction of a prototype.
    pub fn local_name(&self, proto: &Proto, register: u32, pc: u32) -> Option<&'a [u8]> {
        let mut found = None;
        for i in 0..proto.local_count {
            let local = self.local(proto, i)?;
            if local.register == register && local.start <= pc && pc < local.end {
                found = Some(local.name);
            }
        }
        self.name(found?)
    }

    /// A prototype's line run: from this pc on, this line.
    pub fn line_run(&self, proto: &Proto, index: u32) -> Option<(u32, u32)> {
        if index >= proto.line_count {
            return None;
        }
        let r = self.item(Section::Lines, proto.lines.checked_add(index)?)?;
        Some((u32_at(r, 0)?, u32_at(r, 4)?))
    }

    /// The source line of an instruction of a prototype; 0 if unknown.
    pub fn line(&self, proto: &Proto, pc: u32) -> u32 {
        let (mut low, mut high) = (0, proto.line_count);
        let mut line = 0;
        while low < high {
            let middle = low.midpoint(high);
            match self.line_run(proto, middle) {
                Some((start, this)) if start <= pc => {
                    line = this;
                    low = middle.wrapping_add(1);
                }
                _ => high = middle,
            }
        }
        line
    }

    /// A string of the program.
    pub fn name(&self, index: u32) -> Option<&'a [u8]> {
        let r = self.item(Section::Names, index)?;
        let (start, len) = (u32_at(r, 0)? as usize, u32_at(r, 4)? as usize);
        let (offset, size) = self.section(Section::Bytes);
        if start.checked_add(len)? > size {
            return None;
        }
        let start = start.checked_add(offset)?;
        self.bytes.get(start..start.checked_add(len)?)
    }

    /// What messages call a text, if there is one of that number.
    pub fn chunk(&self, chunk: u32) -> Option<&'a [u8]> {
        self.name(u32_at(self.item(Section::Chunks, chunk)?, 0)?)
    }

    /// What messages call the text that a prototype comes from.
    pub fn chunk_name(&self, chunk: u32) -> &'a [u8] {
        self.chunk(chunk).unwrap_or(b"?")
    }

    /// Tag, auxiliary word and payload of a constant.
    pub fn raw_constant(&self, index: u32) -> Option<(u32, u32, u64)> {
        let r = self.item(Section::Constants, index)?;
        Some((u32_at(r, 0)?, u32_at(r, 4)?, u64_at(r, 8)?))
    }

    /// A constant.
    pub fn constant(&self, index: u32) -> Option<Constant<'a>> {
        const NIL: u32 = Tag::Nil as u32;
        const FALSE: u32 = Tag::False as u32;
        const TRUE: u32 = Tag::True as u32;
        const INT: u32 = Tag::Int as u32;
        const FLOAT: u32 = Tag::Float as u32;
        const STR: u32 = Tag::Str as u32;
        const VERDICT: u32 = Tag::Verdict as u32;
        let (tag, aux, payload) = self.raw_constant(index)?;
        Some(match tag {
            NIL => Constant::Nil,
            FALSE => Constant::Boolean(false),
            TRUE => Constant::Boolean(true),
            INT => Constant::Int(payload as i64),
            FLOAT => Constant::Float(f64::from_bits(payload)),
            STR => Constant::Str(
                self.name(u32::try_from(payload).ok()?)?,
                aux.checked_sub(1).and_then(|id| u16::try_from(id).ok()),
            ),
            VERDICT => Constant::Verdict(payload),
            _ => return None,
        })
    }

    /// Name and main prototype of a module.
    pub fn module(&self, index: u32) -> Option<(&'a [u8], u32)> {
        let r = self.item(Section::Modules, index)?;
        Some((self.name(u32_at(r, 0)?)?, u32_at(r, 4)?))
    }

    /// The main prototype of the module of that name.
    pub fn find_module(&self, name: &[u8]) -> Option<u32> {
        (0..self.module_count())
            .filter_map(|i| self.module(i))
            .find(|&(n, _)| n == name)
            .map(|(_, proto)| proto)
    }
}
