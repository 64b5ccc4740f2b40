// SPDX-License-Identifier: GPL-2.0-only
//! Where data come from and where verbs go: the running kernel, or a recording of one.

pub mod live;
pub mod recording;
pub mod tables;

use crate::error::Result;
use crate::snapshot::{About, ScriptText, Snapshot};
use std::path::Path;

pub use live::Live;
pub use recording::Recording;

/// Something that can be watched, and steered if it is alive.
pub trait Source: Send {
    /// What it is.
    fn about(&mut self) -> About;
    /// The state now.
    fn snapshot(&mut self) -> Result<Snapshot>;
    /// The text of a loaded version.
    fn text(&mut self, name: &str, hash: &str) -> Result<ScriptText>;
    /// Loads a script from a file; answers what there is to say about it.
    fn load(&mut self, path: &Path, name: Option<&str>, args: &[String]) -> Result<Loaded>;
    /// Forgets what was loaded.
    fn unload(&mut self, name: &str) -> Result<()>;
    /// Loads a file again and moves the rules of its name.
    fn reload(&mut self, path: &Path, name: &str, args: &[String]) -> Result<Loaded>;
    /// Zeroes the counters of one script's rules, or of all.
    fn reset(&mut self, name: Option<&str>) -> Result<()>;
    /// Loads the kernel module.
    fn load_module(&mut self) -> Result<()>;
}

/// What became of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Its version.
    pub hash: String,
    /// How many rules moved.
    pub moved: u32,
    /// What the kernel has to say, and what the script printed.
    pub notice: String,
}
