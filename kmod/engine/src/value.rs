// SPDX-License-Identifier: GPL-2.0-only
//! Lua values: 16 bytes, tag at +0, auxiliary word at +4, payload at +8.
//!
//! The layout is shared with the kernel's native tier and is checked by a test.

/// What a value is. `Nil` and `False` come first, so that truth is one compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Tag {
    /// nil.
    Nil = 0,
    /// false.
    False = 1,
    /// true.
    True = 2,
    /// An integer: payload is an i64.
    Int = 3,
    /// A float: payload is the bits of an f64.
    Float = 4,
    /// A string of the region: payload is a [`Ref`], and in its upper half the string's hash, or 0
    /// where that is not known. `aux` of a program's constant is its packet field id plus one, or 0.
    Str = 5,
    /// A table: payload is a [`Ref`].
    Table = 6,
    /// A Lua closure: payload is a [`Ref`].
    Closure = 7,
    /// A native function: payload is its index in the table of natives.
    Native = 8,
    /// A coroutine: payload is a [`Ref`].
    Thread = 9,
    /// A view of the packet (`p`, `p.ip`, …): aux is the packet serial, payload is
    /// `kind | offset << 32`.
    Packet = 10,
    /// A string that is bytes of the packet: aux is the serial, payload is `offset | length << 32`.
    Bytes = 11,
    /// An IPv4 address: payload is the address as a host-order integer.
    Addr4 = 12,
    /// An IPv6 address: payload is a [`Ref`] to its 16 bytes, and in its upper half their hash.
    Addr6 = 13,
    /// A verdict: payload is `code | operand << 32`.
    Verdict = 14,
    /// An object of the engine (map, ipset, bucket …): payload is a [`Ref`].
    Object = 15,
    /// Internal, never seen by Lua: a box that holds a captured local; payload is a [`Ref`].
    Box = 16,
    /// Internal, never seen by Lua: a hash key whose value is gone.
    DeadKey = 17,
    /// A light userdata: payload is what it stands for. Only `debug.upvalueid` of stand-alone
    /// programs makes one.
    Light = 18,
}

/// Where an object lives: its byte offset in the environment's region.
pub type Ref = u32;

/// A Lua value.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Value {
    /// What it is.
    pub tag: Tag,
    /// A word that some tags use; elsewhere it carries no meaning and is not compared.
    pub aux: u32,
    /// The contents, as the tag says.
    pub payload: u64,
}

impl Value {
    /// nil.
    pub const NIL: Self = Self {
        tag: Tag::Nil,
        aux: 0,
        payload: 0,
    };

    /// A boolean.
    pub const fn boolean(b: bool) -> Self {
        Self {
            tag: if b { Tag::True } else { Tag::False },
            aux: 0,
            payload: 0,
        }
    }
    /// An integer.
    pub const fn int(i: i64) -> Self {
        Self {
            tag: Tag::Int,
            aux: 0,
            payload: i as u64,
        }
    }
    /// A float.
    pub const fn float(f: f64) -> Self {
        Self {
            tag: Tag::Float,
            aux: 0,
            payload: f.to_bits(),
        }
    }
    /// A value whose payload is a reference.
    pub const fn object(tag: Tag, r: Ref) -> Self {
        Self {
            tag,
            aux: 0,
            payload: r as u64,
        }
    }
    /// Copies a value in memory, word by word. Most values were stored as two words a moment ago, and a
    /// load of both at once, which a plain copy would be, has to wait until both stores are done.
    ///
    /// # Safety
    ///
    /// There is a value to be read at `from` and room for one at `to`.
    #[inline(always)]
    pub(crate) unsafe fn copy(from: *const Self, to: *mut Self) {
        let (from, to) = (from.cast::<u64>(), to.cast::<u64>());
        // SAFETY: the caller's promise; a value is two words. Volatile loads are not joined.
        unsafe {
            let words = (from.read_volatile(), from.add(1).read_volatile());
            to.write(words.0);
            to.add(1).write(words.1);
        }
    }

    /// Neither nil nor false.
    pub const fn is_true(self) -> bool {
        self.tag as u32 > Tag::False as u32
    }
    /// nil.
    pub const fn is_nil(self) -> bool {
        matches!(self.tag, Tag::Nil)
    }
    /// The payload of an integer.
    pub const fn as_int(self) -> i64 {
        self.payload as i64
    }
    /// The payload of a float.
    pub const fn as_float(self) -> f64 {
        f64::from_bits(self.payload)
    }
    /// The reference of an object.
    pub const fn as_ref(self) -> Ref {
        self.payload as Ref
    }
}

const _: () = assert!(
    size_of::<Value>() == 16
        && core::mem::offset_of!(Value, aux) == 4
        && core::mem::offset_of!(Value, payload) == 8
);
