// SPDX-License-Identifier: GPL-2.0-only
//! The cache folder: what was built once is kept under the hash of what it was built from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::progress::note;

/// `$XDG_CACHE_HOME/packetscript`, or `~/.cache/packetscript`.
pub fn folder() -> Result<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty());
    let base = if let Some(base) = given {
        PathBuf::from(base)
    } else {
        let home = std::env::var_os("HOME").context("HOME is not set")?;
        PathBuf::from(home).join(".cache")
    };
    let folder = base.join("packetscript");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// Collects what a cached thing depends on.
#[derive(Default)]
pub struct Key(Sha256);

impl Key {
    /// Adds one ingredient; its length is hashed too, so that ingredients cannot run together.
    pub fn add(&mut self, ingredient: impl AsRef<[u8]>) -> &mut Self {
        let bytes = ingredient.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds names and contents of a file or of a whole folder, `path` below `top`. What builds
    /// leave behind is not looked at, nor is where the work tree lies.
    pub fn add_tree(&mut self, top: &Path, path: &str) -> Result<&mut Self> {
        let place = top.join(path);
        if place.is_dir() {
            let mut names = fs::read_dir(&place)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<std::io::Result<Vec<_>>>()?;
            names.sort();
            for name in names.iter().filter(|name| is_source(name)) {
                self.add_tree(top, &format!("{path}/{name}"))?;
            }
        } else {
            let contents =
                fs::read(&place).with_context(|| format!("reading {}", place.display()))?;
            self.add(path).add(contents);
        }
        Ok(self)
    }

    /// The key: enough digits to tell everything here apart.
    pub fn finish(&self) -> String {
        let digest = self.0.clone().finalize();
        let start = digest.first_chunk::<8>().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(start))
    }
}

/// Whether a file or folder of this name is something that people wrote.
pub fn is_source(name: &str) -> bool {
    const BUILT: [&str; 6] = ["cmd", "elf", "ko", "mod", "o", "snap.new"];
    let is_built = BUILT.iter().any(|end| name.ends_with(&format!(".{end}")));
    !(is_built || name == "target" || name.starts_with('.') || name.ends_with(".mod.c"))
}

/// Waits until no other process holds the lock named `name`; it is held until dropped.
pub fn lock(name: &str) -> Result<Flock<File>> {
    let folder = folder()?.join("locks");
    fs::create_dir_all(&folder)?;
    let open = || File::create(folder.join(name)).context("creating a lock file");
    match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
            note(&format!(
                "waiting for another cargo xtask that builds {name}"
            ));
            Flock::lock(open()?, FlockArg::LockExclusive)
                .map_err(|(_, error)| anyhow::Error::from(error).context("waiting for a lock"))
        }
        Err((_, error)) => Err(anyhow::Error::from(error).context("taking a lock")),
    }
}

/// The folder `kind/name-key`, made by `build` in a temporary folder if it is not there yet:
/// it is seen either whole or not at all. Older ones of the same name are removed.
pub fn folder_of(
    kind: &str,
    name: &str,
    key: &str,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let parent = folder()?.join(kind);
    let wanted = parent.join(format!("{name}-{key}"));
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let _lock = lock(&format!("{kind}-{name}"))?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    fs::create_dir_all(&parent)?;
    let siblings = siblings(&parent, name)?;
    let making = parent.join(format!("{name}-{key}.tmp"));
    remove(&making)?;
    fs::create_dir(&making)?;
    if let Err(error) = build(&making) {
        remove(&making)?;
        return Err(error);
    }
    fs::rename(&making, &wanted)?;
    for old in superseded(siblings) {
        remove(&old)?;
    }
    Ok(wanted)
}

/// Those that can go: unfinished ones, and all but the newest few, which others may be using.
fn superseded(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    const KEPT: usize = 2;
    let unfinished = |path: &PathBuf| path.extension().is_some_and(|end| end == "tmp");
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    paths.sort_by_key(|path| std::cmp::Reverse((!unfinished(path)).then(|| modified(path))));
    let finished = paths.iter().filter(|path| !unfinished(path)).count();
    paths.split_off(finished.min(KEPT))
}

/// What is in `parent` under `name`, whatever its key.
fn siblings(parent: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let stem = file
            .trim_end_matches(".tmp")
            .rsplit_once('-')
            .map(|(stem, _)| stem.to_owned());
        if stem.as_deref() == Some(name) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes a folder of the cache, where parts may belong to root.
pub fn remove(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let mut command = crate::command::as_root("rm");
    command.args(["-rf", "--one-file-system", "--"]).arg(path);
    crate::command::output(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn ingredients_do_not_run_together() {
        let key = |parts: &[&str]| {
            let mut key = Key::default();
            for part in parts {
                key.add(part);
            }
            key.finish()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab"]), key(&["ab", ""]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
