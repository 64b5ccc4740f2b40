// SPDX-License-Identifier: GPL-2.0-only
//! Debian packages: a folder, a control file from packaging/debian, and dpkg-deb.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;
use crate::sources::Sources;

/// Scripts that dpkg runs, where a package has them.
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// What all packages have in common.
pub struct Release {
    /// The workspace's version.
    pub version: String,
    /// The date of the newest changelog entry, in seconds since 1970: every file's.
    pub epoch: u64,
    debian: PathBuf,
}

impl Release {
    /// Reads packaging/debian/changelog, which must be about the workspace's version.
    pub fn read(sources: &Sources) -> Result<Self> {
        let debian = sources.path("packaging/debian");
        let path = debian.join("changelog");
        let ask = |field: &str| -> Result<String> {
            let mut parser = Command::new("dpkg-parsechangelog");
            parser.arg("-l").arg(&path).args(["-S", field]);
            Ok(String::from_utf8(output(&mut parser)?)?.trim().to_owned())
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let logged = ask("Version")?;
        if logged != version {
            bail!(
                "{} is about {logged}, but this is {version}",
                path.display()
            );
        }
        let epoch = ask("Timestamp")?.parse()?;
        Ok(Self {
            version,
            epoch,
            debian,
        })
    }
}

/// A package that is being put together.
pub struct Package<'a> {
    name: &'a str,
    release: &'a Release,
    tree: PathBuf,
}

impl<'a> Package<'a> {
    /// An empty package in a folder below `work`.
    pub fn new(name: &'a str, release: &'a Release, work: &Path) -> Result<Self> {
        let tree = work.join(name);
        fs::create_dir_all(tree.join("DEBIAN"))?;
        Ok(Self {
            name,
            release,
            tree,
        })
    }

    /// Adds a file; `to` is its path from the root.
    pub fn file(&self, to: &str, contents: &[u8], mode: u32) -> Result<()> {
        let path = self.tree.join(to);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(&path, contents)?;
        Ok(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(mode),
        )?)
    }

    /// Adds a copy of a file.
    pub fn copy(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let contents = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        self.file(to, &contents, mode)
    }

    /// Adds a folder's files, those whose path from the folder `wanted` likes.
    pub fn folder(&self, from: &Path, to: &str, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        self.folder_below(from, "", to, wanted)
    }

    fn folder_below(
        &self,
        from: &Path,
        below: &str,
        to: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<()> {
        let folder = from.join(below);
        let entries =
            fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() {
                name
            } else {
                format!("{below}/{name}")
            };
            if entry.file_type()?.is_dir() {
                self.folder_below(from, &path, to, wanted)?;
            } else if wanted(&path) {
                self.copy(&entry.path(), &format!("{to}/{path}"), 0o644)?;
            }
        }
        Ok(())
    }

    /// Adds control data and packs it all into a .deb below `to`.
    pub fn build(self, to: &Path) -> Result<PathBuf> {
        let source = self.release.debian.join(self.name);
        let fill = |text: String| text.replace("@VERSION@", &self.release.version);
        let read = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        let documents = format!("usr/share/doc/{}", self.name);
        self.copy(
            &self.release.debian.join("copyright"),
            &format!("{documents}/copyright"),
            0o644,
        )?;
        let changelog = self.release.debian.join("changelog");
        let changelog = output(Command::new("gzip").args(["-9nc"]).arg(changelog))?;
        self.file(&format!("{documents}/changelog.gz"), &changelog, 0o644)?;

        let size = output(
            Command::new("du")
                .args(["-sk", "--apparent-size"])
                .arg(&self.tree),
        )?;
        let size = String::from_utf8_lossy(&size);
        let size = size.split_whitespace().next().unwrap_or("0").to_owned();
        let control = fill(read(&source.join("control"))?).replace("@SIZE@", &size);
        for script in SCRIPTS {
            let path = source.join(script);
            if path.exists() {
                self.file(
                    &format!("DEBIAN/{script}"),
                    fill(read(&path)?).as_bytes(),
                    0o755,
                )?;
            }
        }
        let sums = "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum";
        let sums = output(
            Command::new("sh")
                .args(["-euc", sums])
                .current_dir(&self.tree),
        )?;
        self.file("DEBIAN/md5sums", &sums, 0o644)?;
        self.file("DEBIAN/control", control.as_bytes(), 0o644)?;
        self.settle()?;

        let file = to.join(format!("{}_{}_amd64.deb", self.name, self.release.version));
        let mut pack = Command::new("dpkg-deb");
        // bullseye's dpkg reads no zstd.
        pack.args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&self.tree)
            .arg(&file);
        output(pack.env("SOURCE_DATE_EPOCH", self.release.epoch.to_string()))?;
        Ok(file)
    }

    /// Folders' modes and every date: whoever builds, whenever, gets the same bytes.
    fn settle(&self) -> Result<()> {
        output(
            Command::new("find")
                .arg(&self.tree)
                .args(["-type", "d", "-exec", "chmod", "0755"])
                .args(["{}", "+"]),
        )?;
        let date = format!("@{}", self.release.epoch);
        output(
            Command::new("find")
                .arg(&self.tree)
                .args(["-exec", "touch", "-h", "-d", &date])
                .args(["{}", "+"]),
        )?;
        Ok(())
    }
}
