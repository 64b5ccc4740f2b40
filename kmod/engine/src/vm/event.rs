// SPDX-License-Identifier: GPL-2.0-only
//! Events: what a metatable may have a field for.

/// An event that a metatable may have a field for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Event {
    /// `__index`.
    Index,
    /// `__newindex`.
    NewIndex,
    /// `__eq`.
    Eq,
    /// `__len`.
    Len,
    /// `__call`.
    Call,
    /// `__gc`.
    Gc,
    /// `__mode`.
    Mode,
    /// `__close`.
    Close,
    /// `__add`.
    Add,
    /// `__sub`.
    Sub,
    /// `__mul`.
    Mul,
    /// `__mod`.
    Mod,
    /// `__idiv`.
    IDiv,
    /// `__band`.
    BAnd,
    /// `__bor`.
    BOr,
    /// `__bxor`.
    BXor,
    /// `__shl`.
    Shl,
    /// `__shr`.
    Shr,
    /// `__div`.
    Div,
    /// `__pow`.
    Pow,
    /// `__unm`.
    Unm,
    /// `__bnot`.
    BNot,
    /// `__concat`.
    Concat,
    /// `__lt`.
    Lt,
    /// `__le`.
    Le,
    /// `__tostring`.
    ToString,
    /// `__name`.
    Name,
    /// `__pairs`.
    Pairs,
    /// `__metatable`.
    Metatable,
}

impl Event {
    /// How many there are.
    pub const COUNT: usize = Self::Metatable as usize + 1;

    /// The fields of a metatable, in the order of the events.
    pub const NAMES: [&'static str; Self::COUNT] = [
        "__index",
        "__newindex",
        "__eq",
        "__len",
        "__call",
        "__gc",
        "__mode",
        "__close",
        "__add",
        "__sub",
        "__mul",
        "__mod",
        "__idiv",
        "__band",
        "__bor",
        "__bxor",
        "__shl",
        "__shr",
        "__div",
        "__pow",
        "__unm",
        "__bnot",
        "__concat",
        "__lt",
        "__le",
        "__tostring",
        "__name",
        "__pairs",
        "__metatable",
    ];

    /// The field's name.
    pub fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or("")
    }

    /// Whether metatables remember its absence.
    #[inline(always)]
    pub const fn is_cached(self) -> bool {
        self as u8 <= Self::Close as u8
    }
}
