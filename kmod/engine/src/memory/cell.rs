// SPDX-License-Identifier: GPL-2.0-only
//! What a cell of 64 bytes holds: a header of 16 and, by its kind, 48 bytes of contents.
//!
//! ```text
//! header   kind u8 | mark u8 | flags u16 | next u32 | hash u32 | serial u32
//! ```
//!
//! `next` links free cells, and grey cells while a collection marks. It is left alone when a cell is
//! taken from the free list, so that everything a packet allocated can be given back by walking the
//! list from where it stood.

use crate::bytecode::word::Word;
use crate::value::{Ref, Tag, Value};

/// Bytes of a cell.
pub const CELL: u32 = 64;
/// Bytes of a short string that fit into its cell.
pub const SHORT: usize = 48;
/// Upvalues of a closure that fit into its cell; a Lua closure with more has them in a body.
pub const INLINE_UPVALUES: usize = 3;
/// The mark of a cell that lives as long as its environment.
pub const PERMANENT: u8 = 0xff;
/// The mark of an object that entries of weak tables wait for; only within the end of marking.
pub(super) const AWAITED: u8 = 0xfe;

/// What a cell is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// On the free list.
    Free = 0,
    /// A string of at most [`SHORT`] bytes; `flags` is its length.
    Short,
    /// A longer string, its bytes in a body.
    Long,
    /// A table.
    Table,
    /// A Lua closure.
    Closure,
    /// A native function with values of its own; `hash` is its index, `flags` the number of values.
    NativeClosure,
    /// The box of a captured local.
    Box,
    /// A coroutine.
    Thread,
    /// A prototype, ready to run.
    Proto,
    /// A program that `load` compiled, in a body.
    Image,
    /// The 16 bytes of an IPv6 address; `hash` is their hash.
    Addr6,
    /// A string under construction.
    Buffer,
    /// An object of the engine.
    Object,
}

/// The first 16 bytes of every cell.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Header {
    /// What the cell is.
    pub kind: Kind,
    /// The colour of the last collection that met it, or [`PERMANENT`].
    pub mark: u8,
    /// By kind.
    pub flags: u16,
    /// The next free or grey cell.
    pub next: Ref,
    /// A string's hash, 0 for not yet known; otherwise by kind.
    pub hash: u32,
    /// The step of the machine during which it was allocated.
    pub serial: u32,
}

/// A short string.
#[repr(C)]
pub struct ShortCell {
    /// Header.
    pub header: Header,
    /// Its bytes; `header.flags` of them count.
    pub bytes: [u8; SHORT],
}

/// A long string, or one under construction.
#[repr(C)]
pub struct LongCell {
    /// Header.
    pub header: Header,
    /// The body with the bytes.
    pub body: Ref,
    /// How many bytes count.
    pub len: u32,
    /// How many the body holds.
    pub capacity: u32,
}

/// A table. See `memory::table`.
#[repr(C)]
pub struct TableCell {
    /// Header; `flags` says which references are weak, `hash` links tables with finalizers.
    pub header: Header,
    /// Body of the array part: `cap` values for the keys 1…cap.
    pub array: Ref,
    /// Values in the array part.
    pub cap: u32,
    /// Body of the hash part, or the shared empty node.
    pub nodes: Ref,
    /// Body of the hash part before the last growth, while its nodes move.
    pub old_nodes: Ref,
    /// Metatable, or 0.
    pub meta: Ref,
    /// The hash part has `mask + 1` nodes.
    pub mask: u32,
    /// The same of the old one.
    pub old_mask: u32,
    /// Values of the array part that are not nil.
    pub array_live: u32,
    /// Values of both hash parts that are not nil.
    pub hash_live: u32,
    /// Nodes from here upwards were all used once.
    pub last_free: u32,
    /// Nodes of the old hash part below this have not moved yet.
    pub cursor: u32,
    /// Where the border was last seen (low 31 bits); the top bit: integer keys may be in the hash part.
    pub hint: u32,
}

/// A Lua closure.
#[repr(C)]
pub struct ClosureCell {
    /// Header; `flags` is the number of upvalues, `hash` its prototype's cell.
    pub header: Header,
    /// The upvalues; when there are more than fit, the first payload is the body that has them.
    pub values: [Value; INLINE_UPVALUES],
}

/// A native function with values of its own.
#[repr(C)]
pub struct NativeClosureCell {
    /// Header; `flags` is the number of values, `hash` the function's number.
    pub header: Header,
    /// Its values.
    pub values: [Value; INLINE_UPVALUES],
}

/// The box of a captured local.
#[repr(C)]
pub struct BoxCell {
    /// Header.
    pub header: Header,
    /// What is in it.
    pub value: Value,
}

/// A coroutine: its slice of the stack is in a body while it does not run.
#[repr(C)]
pub struct ThreadCell {
    /// Header; `flags` is its status.
    pub header: Header,
    /// The saved slice: values first, then frames.
    pub body: Ref,
    /// Bytes that the body holds.
    pub capacity: u32,
    /// Values saved.
    pub values: u32,
    /// Frames saved.
    pub frames: u32,
    /// While it runs: where its slice of the stack begins, in values.
    pub base: u32,
    /// While it runs: where its frames begin.
    pub frame_base: u32,
    /// The thread that resumed it, or 0 for the main one.
    pub resumer: Ref,
    /// Variables to be closed in the saved slice; their indices follow the frames in the body.
    pub tbc: u32,
}

/// A prototype, ready to run.
#[repr(C)]
pub struct ProtoCell {
    /// Header.
    pub header: Header,
    /// Its first instruction.
    pub code: *const Word,
    /// The constants of its program.
    pub constants: *const Value,
    /// Instructions.
    pub code_len: u32,
    /// The image's cell, or 0 for the program itself.
    pub image: Ref,
    /// Its number in the image.
    pub index: u32,
    /// Fuel of one call.
    pub fuel: u32,
    /// The cell of prototype 0 of its image; they follow each other through `sibling`.
    pub sibling: Ref,
    /// From its first instruction to the descriptors of its upvalues, in bytes.
    pub descriptors: i32,
    /// Registers of a frame.
    pub registers: u8,
    /// Parameters.
    pub parameters: u8,
    /// Whether it takes further arguments.
    pub vararg: u8,
    /// Upvalues.
    pub upvalues: u8,
    /// Slots from its function on that a call by the short way needs, more than any stack has when
    /// there is no such way.
    pub need: u32,
}

/// A program that `load` compiled.
#[repr(C)]
pub struct ImageCell {
    /// Header.
    pub header: Header,
    /// The image, with its constants as values behind it.
    pub body: Ref,
    /// Where in the body the constants begin.
    pub constants: u32,
    /// How many there are.
    pub constant_count: u32,
    /// Bytes of the image.
    pub len: u32,
    /// The first of its prototypes.
    pub protos: Ref,
}

/// An IPv6 address.
#[repr(C)]
pub struct Addr6Cell {
    /// Header.
    pub header: Header,
    /// The address, in network order.
    pub bytes: [u8; 16],
}

/// An object of the engine.
#[repr(C)]
pub struct ObjectCell {
    /// Header; `flags` is its class.
    pub header: Header,
    /// Its bytes, or 0.
    pub body: Ref,
    /// How many.
    pub len: u32,
    /// Metatable, or 0.
    pub meta: Ref,
    /// For the class to use.
    pub word: u32,
    /// A value that it keeps alive.
    pub value: Value,
}

/// A node of a hash part.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Node {
    /// The key's tag; [`Tag::Nil`] in a node that was never used.
    pub tag: Tag,
    /// The next node of the chain, plus one.
    pub link: u32,
    /// The key's payload; of strings and IPv6 addresses with the hash in the upper half.
    pub key: u64,
    /// The value.
    pub value: Value,
}

impl Node {
    /// Its key.
    pub const fn key(&self) -> Value {
        Value {
            tag: self.tag,
            aux: 0,
            payload: self.key,
        }
    }
}

/// Bytes in front of a body's data: who owns it and how long it is.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct BodyHeader {
    /// The cell that owns it, 0 when it is garbage.
    pub owner: Ref,
    /// Bytes, this header included; a multiple of 16.
    pub size: u32,
    /// Which field of the owner names it: the offset in the cell.
    pub field: u32,
    /// Keeps the data 16-byte aligned.
    pub pad: u32,
}

/// Bytes of a body's header.
pub const BODY_HEADER: u32 = 16;

const _: () = assert!(
    size_of::<Header>() == 16
        && size_of::<ShortCell>() == 64
        && size_of::<TableCell>() <= 64
        && size_of::<ClosureCell>() <= 64
        && size_of::<NativeClosureCell>() <= 64
        && size_of::<ThreadCell>() <= 64
        && size_of::<ProtoCell>() <= 64
        && size_of::<ImageCell>() <= 64
        && size_of::<ObjectCell>() <= 64
        && size_of::<Node>() == 32
        && size_of::<BodyHeader>() == 16
);
