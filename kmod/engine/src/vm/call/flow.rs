// SPDX-License-Identifier: GPL-2.0-only
//! What a piece of work tells the loop over instructions: how to go on, or how it was left.

use crate::packet::verdict::Verdict;
use crate::vm::error::Raise;

/// What the loop over instructions does after a slow path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// Goes on with the next instruction of the same frame.
    Next,
    /// Goes on with whatever is the topmost frame.
    Frame,
    /// Leaves: the function that the host called has returned.
    Leave,
}

/// How the loop over instructions was left: a [`Flow`], a [`Raise`], or the plain verdict that the
/// function which a packet was given to has returned. One number, for every packet looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Left(u32);

impl Left {
    const FLOW: u32 = 8;

    const RAISE: u32 = 16;

    /// The function that the host called has returned.
    pub(crate) const LEAVE: Self = Self::with(Flow::Leave);

    /// A flow.
    pub(crate) const fn with(flow: Flow) -> Self {
        Self(Self::FLOW + flow as u32)
    }

    /// Something was raised.
    pub(crate) const fn raised(raise: Raise) -> Self {
        Self(Self::RAISE + raise as u32)
    }

    /// The end with a plain verdict, by its code, if it is one.
    #[inline(always)]
    pub(crate) const fn plain(code: u64) -> Option<Self> {
        if code <= Verdict::Drop as u64 {
            Some(Self(code as u32))
        } else {
            None
        }
    }

    /// The plain verdict's code.
    #[inline(always)]
    pub(crate) const fn verdict(self) -> Option<u32> {
        if self.0 <= Verdict::Drop as u32 {
            Some(self.0)
        } else {
            None
        }
    }

    /// What it is otherwise.
    pub(crate) const fn flow(self) -> Result<Flow, Raise> {
        match self.0 {
            9 => Ok(Flow::Frame),
            16 => Err(Raise::Error),
            17 => Err(Raise::Memory),
            18 => Err(Raise::Fuel),
            _ => Ok(Flow::Leave),
        }
    }
}

const _: () = {
    assert!(matches!(Left::with(Flow::Frame).flow(), Ok(Flow::Frame)));
    assert!(matches!(Left::LEAVE.flow(), Ok(Flow::Leave)));
    assert!(matches!(
        Left::raised(Raise::Error).flow(),
        Err(Raise::Error)
    ));
    assert!(matches!(
        Left::raised(Raise::Memory).flow(),
        Err(Raise::Memory)
    ));
    assert!(matches!(Left::raised(Raise::Fuel).flow(), Err(Raise::Fuel)));
    assert!(Left::LEAVE.verdict().is_none());
};
