// SPDX-License-Identifier: GPL-2.0-only
//! What a row *is*, wherever it is shown: selections and histories belong to it, not to a line.

use crate::snapshot::{Hook, Rule, Script};

/// The identity of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowId {
    /// Family and hook.
    Hook(String, String),
    /// Name and hash.
    Script(String, String),
    /// The kernel's rule id.
    Rule(u64),
}

impl From<&Hook> for RowId {
    fn from(row: &Hook) -> Self {
        Self::Hook(row.family.clone(), row.hook.clone())
    }
}

impl From<&Script> for RowId {
    fn from(row: &Script) -> Self {
        Self::Script(row.name.clone(), row.hash.clone())
    }
}

impl From<&Rule> for RowId {
    fn from(row: &Rule) -> Self {
        Self::Rule(row.id)
    }
}
