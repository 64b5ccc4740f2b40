// SPDX-License-Identifier: GPL-2.0-only
//! Debian's package index, read through apt, which checks its signatures.

use std::collections::HashMap;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::output;
use crate::suite::mirror;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Lines for sources.list.
pub fn sources(suites: &[&str]) -> Vec<String> {
    suites
        .iter()
        .map(|suite| format!("deb [signed-by={KEYRING}] {} {suite} main", mirror()))
        .collect()
}

/// The packages of some suites. It lives in a folder of its own and ignores the machine's settings.
pub struct Index {
    folder: tempfile::TempDir,
}

impl Index {
    /// Downloads the index.
    pub fn fetch(suites: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for below in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(folder.path().join(below))?;
        }
        std::fs::write(
            folder.path().join("sources.list"),
            sources(suites).join("\n") + "\n",
        )?;
        std::fs::write(folder.path().join("status"), "")?;
        let index = Self { folder };
        output(index.apt("apt-get").arg("update"))?;
        Ok(index)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |path: &str| self.folder.path().join(path).display().to_string();
        for (option, value) in [
            ("Dir::Etc::SourceList", at("sources.list")),
            ("Dir::Etc::SourceParts", "/dev/null".into()),
            ("Dir::State::Lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("cache")),
            // Some images turn these off, and every question then reads all lists again.
            ("Dir::Cache::pkgcache", "pkgcache.bin".into()),
            ("Dir::Cache::srcpkgcache", "srcpkgcache.bin".into()),
            ("APT::Sandbox::User", String::new()),
            ("APT::Architecture", "amd64".into()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command
    }

    /// Every version of a package.
    fn all(&self, name: &str) -> Result<Vec<Package>> {
        let said = output(self.apt("apt-cache").args(["show", name]))?;
        Ok(String::from_utf8_lossy(&said)
            .split("\n\n")
            .filter_map(Package::parse)
            .collect())
    }

    /// The newest version of a package that begins with `version`.
    pub fn newest(&self, name: &str, version: &str) -> Result<Package> {
        let mut found: Option<Package> = None;
        for package in self.all(name)? {
            if !package.version().starts_with(version) {
                continue;
            }
            let is_newer = match &found {
                Some(best) => is_newer(package.version(), best.version())?,
                None => true,
            };
            if is_newer {
                found = Some(package);
            }
        }
        found.with_context(|| format!("no {name} {version}"))
    }

    /// The package that `package` depends on, by the beginning and end of its name.
    pub fn needed(&self, package: &Package, start: &str, end: &str) -> Result<Package> {
        let name = package
            .dependencies()
            .find(|name| name.starts_with(start) && name.ends_with(end))
            .with_context(|| format!("{} needs no {start}…{end}", package.name()))?;
        self.newest(name, "")
    }
}

fn is_newer(one: &str, other: &str) -> Result<bool> {
    let status = Command::new("dpkg")
        .args(["--compare-versions", one, "gt", other])
        .status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("dpkg cannot compare {one} and {other}"),
    }
}

/// A package as the index describes it.
#[derive(Clone, Debug)]
pub struct Package(HashMap<String, String>);

impl Package {
    fn parse(text: &str) -> Option<Self> {
        let fields: HashMap<_, _> = text
            .lines()
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        fields.contains_key("Filename").then_some(Self(fields))
    }

    fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.field("Package")
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.field("Version")
    }

    /// The hash of its file.
    pub fn sha256(&self) -> &str {
        self.field("SHA256")
    }

    /// Its file's name.
    pub fn file(&self) -> &str {
        self.field("Filename")
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// Where its file is.
    pub fn url(&self) -> String {
        format!("{}/{}", mirror(), self.field("Filename"))
    }

    fn dependencies(&self) -> impl Iterator<Item = &str> {
        self.field("Depends")
            .split(", ")
            .filter_map(|need| need.split([' ', ':']).next())
    }
}

#[cfg(test)]
mod tests {
    use super::Package;

    #[test]
    fn stanzas() {
        let text = "Package: a\nVersion: 1~b\nDepends: x (>= 1), y:any, z | q\nFilename: pool/a/a_1~b.deb\n\
                    Description: text\n more: text\nSHA256: 00";
        let package = Package::parse(text).unwrap();
        assert_eq!(package.dependencies().collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!((package.file(), package.sha256()), ("a_1~b.deb", "00"));
        assert!(Package::parse("N: not a package").is_none());
    }
}
