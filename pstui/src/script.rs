// SPDX-License-Identifier: GPL-2.0-only
//! Scripts as files: reading them with their modules, and naming them.

use crate::error::{Error, Result};
use packetscript_abi::names;
use packetscript_abi::source::{self, Bundle};
use std::path::Path;

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Self {
        match error {
            source::Error::Io { path, source } => Self::file(path, &source),
            source::Error::Module { .. } => Self::Script(error.to_string()),
            source::Error::Other { .. } => Self::Data(error.to_string()),
        }
    }
}

/// Reads a script with its modules.
pub fn read(path: &Path) -> Result<Bundle> {
    Ok(Bundle::read(path)?)
}

/// The name that a script gets: the one asked for, or its file's.
pub fn name(path: &Path, name: Option<&str>) -> Result<String> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => names::default_script(path).ok_or_else(|| {
            Error::Data(format!(
                "{}: give the script a name with --name",
                path.display()
            ))
        })?,
    };
    names::check_script(&name).map_err(Error::Data)?;
    Ok(name)
}
