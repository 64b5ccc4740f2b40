// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask dist`: the packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{self, Key};
use crate::deb::{Package, Release};
use crate::sources::Sources;
use crate::tools::workspace;
use crate::{command, deps, engine, progress, userspace};

/// Where iptables looks for plugins on Debian.
const PLUGINS: &str = "usr/lib/x86_64-linux-gnu/xtables";

/// Packages, and what tells them from others.
pub struct Packages {
    /// The folder that holds the .deb files.
    pub folder: PathBuf,
    /// Changes with any source.
    pub key: String,
}

/// Packages that were built before.
pub fn given(folder: &Path) -> Result<Packages> {
    let mut key = Key::default();
    let names = names(folder)?;
    if names.is_empty() {
        bail!("{} holds no .deb files", folder.display());
    }
    for name in names {
        key.add_tree(folder, &name)?;
    }
    // A mount needs to know where they are, wherever we are.
    Ok(Packages {
        folder: folder.canonicalize()?,
        key: key.finish(),
    })
}

/// The packages, built if they are not in the cache.
pub fn packages() -> Result<Packages> {
    deps::need(deps::MACHINES)?;
    deps::need(deps::PACKAGING)?;
    let sources = Sources::take()?;
    let mut rustc = Command::new("rustc");
    let rustc = command::output(rustc.arg("-V").current_dir(workspace()))?;
    let mut key = Key::default();
    let key = key
        .add(sources.key()?)
        .add(engine::key(&sources)?)
        .add(rustc)
        .finish();
    let folder = cache::folder_of("packages", "packages", &key, |making| {
        build(&sources, making)
    })?;
    Ok(Packages { folder, key })
}

/// What is compiled, kept beside the packages.
const ENGINE: &str = "engine.o";
const PLUGIN: &str = "libxt_LUA.so";
const CONSOLE: &str = "pstui";
const COMPLETIONS: [(&str, &str); 3] = [
    ("pstui.bash", "usr/share/bash-completion/completions/pstui"),
    (
        "pstui.fish",
        "usr/share/fish/vendor_completions.d/pstui.fish",
    ),
    ("pstui.zsh", "usr/share/zsh/vendor-completions/_pstui"),
];

fn build(sources: &Sources, making: &Path) -> Result<()> {
    let mut built = userspace::programs(sources, Release::read(sources)?.epoch)?;
    built.push(engine::object(sources)?);
    let parts = making.join("parts");
    fs::create_dir(&parts)?;
    for from in built {
        let name = from.file_name().context("a part without a name")?;
        fs::copy(&from, parts.join(name)).with_context(|| format!("copying {}", from.display()))?;
    }
    pack(sources, &parts, making)
}

/// Makes the packages from their compiled `parts` and the sources.
pub fn pack(sources: &Sources, parts: &Path, to: &Path) -> Result<()> {
    let release = Release::read(sources)?;
    progress::step("packing", || {
        let work = to.join("work");
        let module = Package::new("packetscript-dkms", &release, &work)?;
        let shim = format!("usr/src/packetscript-{}", release.version);
        module.folder(&sources.path("kmod"), &shim, &is_of_the_shim)?;
        module.copy(
            &parts.join(ENGINE),
            &format!("{shim}/object/engine.elf"),
            0o644,
        )?;
        let dkms = fs::read_to_string(sources.path("packaging/debian/dkms.conf"))?;
        let dkms = dkms.replace("@VERSION@", &release.version);
        module.file(&format!("{shim}/dkms.conf"), dkms.as_bytes(), 0o644)?;
        module.build(to)?;

        let plugin = Package::new("packetscript-iptables", &release, &work)?;
        plugin.copy(&parts.join(PLUGIN), &format!("{PLUGINS}/{PLUGIN}"), 0o644)?;
        plugin.build(to)?;

        let console = Package::new("pstui", &release, &work)?;
        console.copy(&parts.join(CONSOLE), "usr/bin/pstui", 0o755)?;
        let page = command::output(
            Command::new("gzip")
                .args(["-9nc"])
                .arg(parts.join("pstui.1")),
        )?;
        console.file("usr/share/man/man1/pstui.1.gz", &page, 0o644)?;
        for (part, to) in COMPLETIONS {
            console.copy(&parts.join(part), to, 0o644)?;
        }
        let examples = "usr/share/packetscript/examples";
        console.folder(&sources.path("examples"), examples, &|_| true)?;
        console.build(to)?;
        fs::remove_dir_all(work).context("removing the work folder")
    })
}

/// The C side: what gcc and the kernel's headers turn into the module together with engine.o.
fn is_of_the_shim(path: &str) -> bool {
    let is_top = !path.contains('/');
    let is_source = Path::new(path)
        .extension()
        .is_some_and(|end| end == "c" || end == "h" || end == "S");
    path == "abi/packetscript.h" || is_top && (is_source || path == "Kbuild" || path == "Makefile")
}

/// Copies the packages to `dist/` and names them.
pub fn run() -> Result<()> {
    let packages = packages()?;
    let to = workspace().join("dist");
    fs::create_dir_all(&to)?;
    for name in names(&packages.folder)? {
        let path = to.join(&name);
        fs::copy(packages.folder.join(&name), &path)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The packages in a folder, by file name.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    names.retain(|name| Path::new(name).extension().is_some_and(|end| end == "deb"));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::is_of_the_shim;

    #[test]
    fn the_shim_is_c_alone() {
        for path in [
            "main.c",
            "thunks.S",
            "engine.h",
            "Kbuild",
            "Makefile",
            "abi/packetscript.h",
        ] {
            assert!(is_of_the_shim(path), "{path}");
        }
        for path in [
            "main.o",
            "abi/src/lib.rs",
            "object/build.sh",
            "main.mod.c.cmd",
            "engine.o",
        ] {
            assert!(!is_of_the_shim(path), "{path}");
        }
    }
}
