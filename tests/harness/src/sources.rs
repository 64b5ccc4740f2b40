// SPDX-License-Identifier: GPL-2.0-only
//! A copy of the sources to build from: what is in the cache under a hash was built from just what
//! was hashed, even if somebody saves a file meanwhile.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::Flock;

use crate::cache::{self, Key};
use crate::tools::{target_folder, workspace};

/// All that packages are made from, and how.
const PARTS: [&str; 12] = [
    "Cargo.lock",
    "Cargo.toml",
    "examples",
    "kmod",
    "packaging/debian",
    "pstui",
    "tests/harness/src/deb.rs",
    "tests/harness/src/dist.rs",
    "tests/harness/src/engine.rs",
    "tests/harness/src/tools.rs",
    "tests/harness/src/userspace.rs",
    "xtables-plugin",
];

/// Of members of the workspace that are not built, cargo wants to see that they exist.
const MEMBERS: [&str; 7] = [
    "tests/fuzz/Cargo.toml",
    "tests/fuzz/src/lib.rs",
    "tests/guest/Cargo.toml",
    "tests/guest/src/lib.rs",
    "tests/guest/src/main.rs",
    "tests/harness/Cargo.toml",
    "tests/harness/src/main.rs",
];

/// The copy. Only one process has it at a time.
pub struct Sources {
    top: PathBuf,
    _lock: Flock<File>,
}

impl Sources {
    /// Brings the copy up to date. It keeps its place and its files' dates, so that cargo builds
    /// only what changed.
    pub fn take() -> Result<Self> {
        let top = target_folder().join("sources");
        fs::create_dir_all(&top)?;
        let place = Key::default()
            .add(top.as_os_str().as_encoded_bytes())
            .finish();
        let lock = cache::lock(&format!("sources-{place}"))?;
        for part in PARTS.iter().chain(&MEMBERS) {
            let (from, to) = (workspace().join(part), top.join(part));
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            renew(&from, &to)?;
        }
        Ok(Self { top, _lock: lock })
    }

    /// Where a part of the copy is.
    pub fn path(&self, part: &str) -> PathBuf {
        self.top.join(part)
    }

    /// The copy itself.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// What tells these sources from others.
    pub fn key(&self) -> Result<String> {
        let mut key = Key::default();
        for part in PARTS {
            key.add_tree(&self.top, part)?;
        }
        Ok(key.finish())
    }
}

/// Makes `to` the same as `from`, touching only what differs.
pub fn renew(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return renew_file(from, to).with_context(|| format!("copying {}", from.display()));
    }
    fs::create_dir_all(to)?;
    let mut wanted = HashSet::new();
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if cache::is_source(&name.to_string_lossy()) {
            renew(&from.join(&name), &to.join(&name))?;
            wanted.insert(name);
        }
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if wanted.contains(&entry.file_name()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn renew_file(from: &Path, to: &Path) -> Result<()> {
    let contents = fs::read(from)?;
    if fs::read(to).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    fs::write(to, contents)?;
    fs::set_permissions(to, from.metadata()?.permissions())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MEMBERS, PARTS, renew};
    use crate::tools::workspace;
    use std::fs;

    /// Without a member's manifest cargo builds nothing, neither here nor under Nix.
    #[test]
    fn packages_are_built_from_every_member() {
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        let mut lines = manifest.lines();
        let list = lines
            .find_map(|line| line.strip_prefix("members = ["))
            .unwrap();
        let nix = fs::read_to_string(workspace().join("packaging/nix/workspace.nix")).unwrap();
        let named = |file: &str| nix.contains(&format!("\"{file}\""));
        let members: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert!(members.len() >= 6, "{members:?}");
        for member in members {
            let manifest = format!("{member}/Cargo.toml");
            let copied = PARTS.iter().any(|part| member.starts_with(part));
            assert!(copied || MEMBERS.contains(&manifest.as_str()), "{member}");
            // A folder that is copied brings the members below along.
            let ends = member.match_indices('/').map(|(at, _)| at);
            let within = ends.chain([member.len()]).any(|at| named(&member[..at]));
            assert!(within || named(&manifest), "{member} under Nix");
        }
        assert!(MEMBERS.iter().all(|file| named(file)), "under Nix");
    }

    #[test]
    fn copies_follow() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("a"), scratch.path().join("b"));
        fs::create_dir_all(from.join("below")).unwrap();
        fs::create_dir_all(from.join("target")).unwrap();
        fs::write(from.join("below/one"), "1").unwrap();
        fs::write(from.join("two"), "2").unwrap();
        renew(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("below/one")).unwrap(), b"1");
        assert!(!to.join("target").exists());
        let before = to.join("two").metadata().unwrap().modified().unwrap();
        fs::remove_dir_all(from.join("below")).unwrap();
        fs::write(from.join("three"), "3").unwrap();
        renew(&from, &to).unwrap();
        assert!(!to.join("below").exists() && to.join("three").exists());
        assert_eq!(
            to.join("two").metadata().unwrap().modified().unwrap(),
            before
        );
    }
}
