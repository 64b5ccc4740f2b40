// SPDX-License-Identifier: GPL-2.0-only
//! Root file systems, made by mmdebstrap from a release's own packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{self, Key};
use crate::command::{as_root, logged, output};
use crate::kernel::Kernel;
use crate::suite::Suite;
use crate::{image, initramfs, progress, tools};

/// Changed when the way roots are made changes.
const RECIPE: &str = "1";

/// What no machine of ours reads. Licences stay.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
];

/// A root that can be booted.
pub struct Root {
    key: String,
    folder: PathBuf,
}

impl Root {
    /// The root of `suite`, built if it is not in the cache.
    pub fn of(suite: &Suite) -> Result<Self> {
        let mut key = Key::default();
        key.add(RECIPE)
            .add(Suite::packages())
            .add(suite.preferences().unwrap_or_default());
        for line in suite.sources() {
            key.add(line);
        }
        let key = key.finish();
        let folder = cache::folder_of("roots", suite.name(), &key, |making| {
            let what = format!("building the root of {} (about 2 minutes)", suite.name());
            progress::step(&what, || build(suite, making))
        })?;
        Ok(Self { key, folder })
    }

    /// What tells this root from others.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The disk image.
    pub fn image(&self) -> PathBuf {
        self.folder.join("root.img")
    }

    /// The kernel to boot.
    pub fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// What `uname -r` says under it.
    pub fn release(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("release"))?)
    }

    /// The initramfs: the root's modules around our init, as it is built now.
    pub fn initramfs(&self, suite: &Suite) -> Result<PathBuf> {
        let init = fs::read(tools::guest()?)?;
        let mut key = Key::default();
        let key = key.add(&self.key).add(&init).finish();
        let folder = cache::folder_of("initramfs", suite.name(), &key, |making| {
            let modules = self.folder.join("modules");
            let order = fs::read_to_string(modules.join("order"))?;
            let modules = order
                .lines()
                .map(|name| Ok((name.to_owned(), fs::read(modules.join(name))?)))
                .collect::<std::io::Result<Vec<_>>>()?;
            Ok(fs::write(
                making.join("initramfs"),
                initramfs::pack(&init, &modules),
            )?)
        })?;
        Ok(folder.join("initramfs"))
    }
}

fn build(suite: &Suite, making: &Path) -> Result<()> {
    let tree = making.join("tree");
    let log = making.join("mmdebstrap.log");
    bootstrap(suite, &tree, &log)
        .with_context(|| format!("building the root of {}", suite.name()))?;
    let kernel = Kernel::find(&tree)?;
    // The image may be readable by root alone.
    output(
        as_root("install")
            .args(["-m", "0644"])
            .arg(kernel.image())
            .arg(making.join("vmlinuz")),
    )?;
    fs::write(making.join("release"), kernel.release())?;
    let modules = making.join("modules");
    fs::create_dir(&modules)?;
    let mut order = String::new();
    for (name, contents) in kernel.boot_modules()? {
        order.push_str(&name);
        order.push('\n');
        fs::write(modules.join(name), contents)?;
    }
    fs::write(modules.join("order"), order)?;
    image::make(&tree, &making.join("root.img"))?;
    cache::remove(&tree)
}

fn bootstrap(suite: &Suite, tree: &Path, log: &Path) -> Result<()> {
    // The initramfs is ours, so none is generated in the root.
    let preferences = suite.preferences().unwrap_or_default();
    let setup = format!(
        "mkdir -p \"$1/etc/initramfs-tools\" \"$1/etc/apt/preferences.d\"
         echo update_initramfs=no > \"$1/etc/initramfs-tools/update-initramfs.conf\"
         printf '%s' '{preferences}' > \"$1/etc/apt/preferences.d/kernel\""
    );
    let customize =
        "rm -rf \"$1\"/var/cache/apt/* \"$1\"/var/lib/apt/lists/* \"$1\"/etc/resolv.conf
         printf '127.0.0.1 localhost\\n::1 localhost\\n127.0.1.1 packetscript\\n' > \"$1/etc/hosts\"
         echo packetscript > \"$1/etc/hostname\"";
    let mut command = as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "INITRD=No", "mmdebstrap"]);
    command.args(["--variant=minbase", "--mode=root", "--format=directory"]);
    command.args(["--dpkgopt=force-unsafe-io", "--dpkgopt=force-confold"]);
    for path in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
    command
        .arg(format!("--setup-hook={setup}"))
        .arg(format!("--customize-hook={customize}"));
    command.arg(format!("--include={}", Suite::packages()));
    command.arg(suite.release()).arg(tree).args(suite.sources());
    logged(&mut command, log)
}
