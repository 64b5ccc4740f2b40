// SPDX-License-Identifier: GPL-2.0-only
//! Paths of scripts that start with a text.

use std::path::PathBuf;

/// At most this many are offered: nobody reads more.
const MOST: usize = 200;

/// A leading `~/` is the user's home.
pub fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Folders (with a slash) and Lua files that start with the text, folders first; hidden ones only
/// if the dot is typed.
pub fn scripts(start: &str) -> Vec<String> {
    let (folder, prefix) = start.rsplit_once('/').map_or(("", start), |(f, p)| (f, p));
    let typed = if start.contains('/') {
        format!("{folder}/")
    } else {
        String::new()
    };
    let looked = if typed.is_empty() {
        PathBuf::from(".")
    } else {
        expand(&typed)
    };
    let Ok(entries) = std::fs::read_dir(&looked) else {
        return Vec::new();
    };
    let mut found: Vec<(bool, String)> = entries
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !prefix.starts_with('.');
            if hidden || !name.starts_with(prefix) {
                return None;
            }
            // Follows links, which the entry's own type does not.
            let is_folder = entry.path().is_dir();
            // Tests of scripts lie beside them, and are none.
            let is_script = entry.path().extension().is_some_and(|end| end == "lua")
                && !name.ends_with("_test.lua");
            if is_folder {
                Some((false, format!("{typed}{name}/")))
            } else {
                is_script.then(|| (true, format!("{typed}{name}")))
            }
        })
        .collect();
    found.sort();
    found.truncate(MOST);
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_first_then_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().to_str().unwrap();
        for name in [
            "block.lua",
            "blind.lua",
            "bleak.txt",
            "block_test.lua",
            ".hidden.lua",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("blue")).unwrap();
        assert_eq!(
            scripts(&format!("{base}/bl")),
            [
                format!("{base}/blue/"),
                format!("{base}/blind.lua"),
                format!("{base}/block.lua")
            ]
        );
        assert_eq!(
            scripts(&format!("{base}/.h")),
            [format!("{base}/.hidden.lua")]
        );
        assert_eq!(scripts(&format!("{base}/none/x")), [""; 0]);
    }
}
