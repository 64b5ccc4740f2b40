// SPDX-License-Identifier: GPL-2.0-only
//! The kernel inside a root: its image, its release, and the modules that booting takes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;

/// What is needed to reach the root disk and the harness; built in on some kernels.
const NEEDED: [&str; 4] = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"];

/// A root's kernel.
pub struct Kernel {
    release: String,
    modules: PathBuf,
    image: PathBuf,
}

impl Kernel {
    /// Finds the one kernel of the root at `root`.
    pub fn find(root: &Path) -> Result<Self> {
        // Before bookworm /lib is a folder; after, a link to usr/lib.
        let modules = root.join("lib/modules");
        let mut releases = Vec::new();
        for entry in
            fs::read_dir(&modules).with_context(|| format!("reading {}", modules.display()))?
        {
            let path = entry?.path();
            if path.join("modules.dep").exists() {
                releases.push(path);
            }
        }
        let [folder] = releases.as_slice() else {
            bail!(
                "expected one kernel in {}, found {}",
                modules.display(),
                releases.len()
            );
        };
        let release = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let image = [
            root.join("boot").join(format!("vmlinuz-{release}")),
            folder.join("vmlinuz"),
            folder.join("vmlinuz.unsigned"),
        ]
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("no image of kernel {release} in {}", root.display()))?;
        Ok(Self {
            release,
            modules: folder.clone(),
            image,
        })
    }

    /// What `uname -r` says.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The image to boot.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The modules to load, in order, as names and contents.
    pub fn boot_modules(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let dependencies = fs::read_to_string(self.modules.join("modules.dep"))?;
        let builtin = fs::read_to_string(self.modules.join("modules.builtin"))?;
        let builtin: HashSet<_> = builtin.lines().map(module_name).collect();
        let by_name: HashMap<_, _> = dependencies
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, needs)| (module_name(path), (path, needs)))
            .collect();
        let mut order: Vec<&str> = Vec::new();
        for name in NEEDED {
            let Some((path, needs)) = by_name.get(name) else {
                if builtin.contains(name) {
                    continue;
                }
                bail!("kernel {} has no module {name}", self.release);
            };
            // modules.dep lists what a module needs with the deepest need last.
            for path in needs.split_whitespace().rev().chain([*path]) {
                if !order.contains(&path) {
                    order.push(path);
                }
            }
        }
        order
            .into_iter()
            .map(|path| Ok((module_name(path), unpacked(&self.modules.join(path))?)))
            .collect()
    }
}

/// `kernel/net/ipv4/x-y.ko.xz` is the module x_y.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("reading {}", path.display())),
    };
    output(Command::new(program).arg("-dc").arg(path))
}

#[cfg(test)]
mod tests {
    #[test]
    fn module_names() {
        assert_eq!(
            super::module_name("kernel/drivers/char/virtio-rng.ko.xz"),
            "virtio_rng"
        );
        assert_eq!(super::module_name("ext4.ko"), "ext4");
    }
}
