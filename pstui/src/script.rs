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

/// An error of the compiler or the kernel about this script, with the file in place of the chunk's
/// name: `block.lua:3: …` becomes `conf/block.lua:3: …`. None if it is not about a place in it.
pub fn located(bundle: &Bundle, text: &str) -> Option<String> {
    bundle.chunks.iter().find_map(|chunk| {
        let rest = text.strip_prefix(chunk.name.as_str())?;
        let place = rest.strip_prefix(':')?;
        let is_place = place.starts_with(|c: char| c.is_ascii_digit());
        is_place.then(|| format!("{}{rest}", chunk.file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_files_as_the_user_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lua");
        std::fs::write(&path, "require 'b'").unwrap();
        std::fs::write(folder.path().join("b.lua"), "").unwrap();
        let bundle = read(&path).unwrap();
        let shown = path.display().to_string();
        assert_eq!(
            located(&bundle, "a.lua:3: no"),
            Some(format!("{shown}:3: no"))
        );
        assert!(
            located(&bundle, "b:1: no")
                .unwrap()
                .ends_with("b.lua:1: no")
        );
        assert_eq!(located(&bundle, "a.lua is busy"), None);
        assert_eq!(located(&bundle, "no such name"), None);
    }

    #[test]
    fn names_come_from_files_unless_given() {
        assert_eq!(name(Path::new("/x/block.lua"), None).unwrap(), "block");
        assert_eq!(
            name(Path::new("/x/block.lua"), Some("other")).unwrap(),
            "other"
        );
        assert!(
            name(Path::new("/x/a b.lua"), None)
                .unwrap_err()
                .to_string()
                .contains("--name")
        );
    }
}
