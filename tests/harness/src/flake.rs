// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask nix`: builds the flake in Nix's real sandbox.
//!
//! nixpkgs needs caches that not every machine reaches, so the nixpkgs input is replaced by
//! tests/nix/stub, which has Debian's toolchain in its place; the files in packaging/nix are the
//! same for both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cache::{self, Key};
use crate::command::{as_root, logged, output};
use crate::debian::{self, Index};
use crate::machine::{Machine, Shape};
use crate::root::Root;
use crate::session::{self, Input, Job, Outcome};
use crate::sources::renew;
use crate::suite::Suite;
use crate::tools::workspace;
use crate::{deps, progress, vm};

/// What is built, and whether it is built again to see that it comes out the same.
const OUTPUTS: [(&str, bool); 6] = [
    ("engine", true),
    ("kmod-6_1", true),
    ("kmod-6_12", true),
    ("kmod-latest", true),
    ("iptables-plugin", false),
    ("pstui", false),
];

/// The kernels' attributes in nixpkgs, and which of Debian's stands in for each.
const KERNELS: [(&str, &str); 3] = [
    ("linuxPackages_6_1", "6.1."),
    ("linuxPackages_6_12", "6.12."),
    ("linuxPackages_latest", ""),
];

/// Modules that are loaded into the kernel of a suite.
const LOADED: [(&str, &str); 3] = [
    ("kmod-6_1", "bookworm"),
    ("kmod-6_12", "trixie"),
    ("kmod-latest", "backports"),
];

const LOAD: &str = r#"
module=$(find /share -name 'xt_LUA.ko*')
for needed in $(modinfo -F depends "$module" | tr , ' '); do modprobe "$needed"; done
case $module in
*.xz) xz -dc "$module" >/tmp/xt_LUA.ko ;;
*) cp "$module" /tmp/xt_LUA.ko ;;
esac
insmod /tmp/xt_LUA.ko
[ -d /sys/module/xt_LUA ]
rmmod xt_LUA
! dmesg | grep -E 'WARNING:|BUG:'
"#;

const RELEASE: &str = "trixie";
const TOOLS: &str = "bc,binutils,cargo-web,dpkg-dev,gcc,gcc-12,kmod,libc6-dev,libelf1t64,make,pahole,\
                     rust-web-src,rustc-web,xz-utils";

/// The parts of the work tree that the flake reads.
const PARTS: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "examples",
    "flake.lock",
    "flake.nix",
    "kmod",
    "packaging",
    "pstui",
    "tests",
    "xtables-plugin",
];

/// Builds all outputs and says what that proves.
pub fn run() -> Result<()> {
    deps::need(deps::MACHINES)?;
    deps::need(deps::NIX)?;
    let tools = tools()?;
    let scratch = tempfile::tempdir()?;
    let flake = scratch.path().join("flake");
    fs::create_dir(&flake)?;
    for part in PARTS {
        renew(&workspace().join(part), &flake.join(part))?;
    }
    let stub = scratch.path().join("stub");
    renew(&workspace().join("tests/nix/stub"), &stub)?;
    fs::write(stub.join("pins.json"), pins(&tools)?)?;

    let builder = Builder {
        configuration: configuration(&tools),
        flake,
        stub,
    };
    let mut paths = Vec::new();
    for (name, again) in OUTPUTS {
        progress::step(&format!("nix build .#{name}"), || builder.build(name, &[]))?;
        if again {
            let what = format!("nix build --rebuild .#{name}");
            progress::step(&what, || builder.build(name, &["--rebuild"]))?;
        }
        paths.push((name, builder.path(name)?));
    }
    for (name, path) in &paths {
        println!("{name:<16} {path}");
    }
    println!(
        "Built by Nix in its sandbox with Debian's toolchain; the engine and the modules came out \
         the same twice."
    );
    for (name, suite) in LOADED {
        let path = paths
            .iter()
            .find(|(built, _)| *built == name)
            .map(|(_, path)| path);
        println!("{}", load(suite, path.context("not built")?)?);
    }
    println!("{}", builder.with_nixpkgs());
    Ok(())
}

/// Loads a module that Nix built into Debian's kernel of the same release, and unloads it.
fn load(name: &str, built: &str) -> Result<String> {
    let suite = Suite::by_name(name)?;
    let root = Root::of(&suite)?;
    let release = root.release()?;
    let folder = Path::new(built).join("lib/modules").join(&release);
    if !folder.is_dir() {
        return Ok(format!(
            "{name} has kernel {release}, for which Nix built no module."
        ));
    }
    let what = format!("loading what Nix built into {name}'s kernel");
    progress::step(&what, || {
        let mut machine = Machine::boot(
            &vm::boot_files(&suite, vm::Products::Nothing)?,
            Shape::default(),
        )?;
        let job = Job {
            arguments: ["sh", "-euxc", LOAD].map(String::from).into(),
            share: Some(&folder),
            input: Input::Nothing,
            timeout: Some(Duration::from_secs(300)),
        };
        let mut said = Vec::new();
        let mut complained = Vec::new();
        match session::run(&mut machine, job, &mut said, &mut complained)? {
            Outcome::Exited(0) => Ok(format!(
                "Loaded into {name}'s kernel {release}, and unloaded."
            )),
            outcome => bail!("{outcome:?}\n{}", String::from_utf8_lossy(&complained)),
        }
    })
}

/// A root with compilers, which the sandbox has as /usr.
fn tools() -> Result<PathBuf> {
    let mut key = Key::default();
    let sources = debian::sources(&[RELEASE, "trixie-updates"]);
    key.add(TOOLS).add(sources.join("\n"));
    cache::folder_of("nix", "tools", &key.finish(), |making| {
        progress::step("building a root with compilers (about 2 minutes)", || {
            let mut command = as_root("mmdebstrap");
            command.args(["--variant=minbase", "--mode=root", "--format=directory"]);
            command.args(["--dpkgopt=force-unsafe-io", &format!("--include={TOOLS}")]);
            command.arg(RELEASE).arg(making.join("root")).args(&sources);
            logged(&mut command, &making.join("mmdebstrap.log"))
        })
    })
    .map(|folder| folder.join("root"))
}

fn configuration(root: &Path) -> String {
    let paths = [
        ("/usr", "usr"),
        ("/bin", "usr/bin"),
        ("/lib", "usr/lib"),
        ("/lib64", "usr/lib64"),
        ("/etc/alternatives", "etc/alternatives"),
    ];
    let paths = paths.map(|(inside, outside)| format!("{inside}={}", root.join(outside).display()));
    [
        "experimental-features = nix-command flakes",
        "sandbox = true",
        "sandbox-fallback = false",
        &format!("sandbox-paths = {}", paths.join(" ")),
        "build-users-group =",
        "substituters =",
        "flake-registry =",
        "connect-timeout = 20",
    ]
    .join("\n")
}

/// pins.json: see tests/nix/stub/README.md.
fn pins(tools: &Path) -> Result<String> {
    let mut query = Command::new("dpkg-query");
    query
        .arg(format!(
            "--admindir={}",
            tools.join("var/lib/dpkg").display()
        ))
        .arg("-W");
    let toolchain = Key::default().add(output(&mut query)?).finish();
    let index = progress::step("reading Debian's package index", || {
        Index::fetch(&["bookworm", RELEASE, "trixie-backports"])
    })?;
    let mut kernels = serde_json::Map::new();
    for (attribute, version) in KERNELS {
        let meta = index
            .newest("linux-headers-cloud-amd64", version)
            .with_context(|| format!("no headers of a kernel {version}"))?;
        let headers = index.needed(&meta, "linux-headers-", "-cloud-amd64")?;
        let release = headers
            .name()
            .trim_start_matches("linux-headers-")
            .to_owned();
        let common = index.needed(&headers, "linux-headers-", "")?;
        let kbuild = index.needed(&headers, "linux-kbuild-", "")?;
        let version: String = headers
            .version()
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let debs = [&headers, &common, &kbuild].map(|package| {
            json!({ "url": package.url(), "sha256": package.sha256(), "name": store_name(package.file()) })
        });
        let kernel = json!({ "release": release, "version": version, "debs": debs });
        kernels.insert(attribute.to_owned(), kernel);
    }
    Ok(format!(
        "{:#}\n",
        json!({ "toolchain": toolchain, "kernels": kernels })
    ))
}

/// A file name that the Nix store takes.
fn store_name(file: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".+_-".contains(c);
    file.chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect()
}

struct Builder {
    configuration: String,
    flake: PathBuf,
    stub: PathBuf,
}

impl Builder {
    fn nix(&self, verb: &[&str], name: &str) -> Command {
        let mut command = as_root("env");
        command
            .arg(format!("NIX_CONFIG={}", self.configuration))
            .arg("nix")
            .args(verb);
        command.arg(format!("path:{}#{name}", self.flake.display()));
        command.arg("--no-write-lock-file");
        command
    }

    fn on_the_stub<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let stub = format!("path:{}", self.stub.display());
        command.args(["--override-input", "nixpkgs", &stub])
    }

    fn build(&self, name: &str, more: &[&str]) -> Result<()> {
        let mut command = self.nix(&["build"], name);
        self.on_the_stub(&mut command)
            .args(["--no-link", "--print-build-logs"])
            .args(more);
        output(&mut command).map(drop)
    }

    fn path(&self, name: &str) -> Result<String> {
        let mut command = self.nix(&["eval", "--raw"], &format!("{name}.outPath"));
        Ok(String::from_utf8(output(self.on_the_stub(&mut command))?)?
            .trim()
            .to_owned())
    }

    /// How far the same flake gets with the nixpkgs that it is locked to.
    fn with_nixpkgs(&self) -> String {
        let mut command = self.nix(&["eval", "--raw"], "kmod-6_1.drvPath");
        match output(&mut command) {
            Ok(path) => format!(
                "With nixpkgs itself it evaluates, to {}; nothing was built with that.",
                String::from_utf8_lossy(&path).trim()
            ),
            Err(_) => "nixpkgs itself is out of reach here, so nothing was built with it.".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_for_the_store() {
        assert_eq!(
            super::store_name("linux-kbuild_6.1~bpo_amd64.deb"),
            "linux-kbuild_6.1-bpo_amd64.deb"
        );
    }
}
