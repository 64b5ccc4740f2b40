// SPDX-License-Identifier: GPL-2.0-only
//! The built library inside the iptables of this machine, both back ends, in a network namespace of
//! its own: registration, layout of structures, options and messages. What needs the kernel module
//! is tested in the virtual machines.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder with the library that belongs to this test.
fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let folder = test
        .parent()
        .expect("a test is built in a folder")
        .to_owned();
    assert!(
        folder.join("libxt_LUA.so").exists(),
        "no libxt_LUA.so in {}",
        folder.display()
    );
    folder
}

fn hosts() -> Vec<&'static str> {
    let names = [
        "iptables-nft",
        "ip6tables-nft",
        "iptables-legacy",
        "ip6tables-legacy",
    ];
    let exists = |name: &&str| {
        ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(name).exists())
    };
    let found: Vec<_> = names.into_iter().filter(exists).collect();
    assert!(
        !found.is_empty(),
        "these tests need iptables (apt-get install iptables)"
    );
    found
}

/// Runs a host program in a namespace of its own, with its script's folder as working directory.
fn run(host: &str, arguments: &str, folder: &Path) -> Output {
    let own = library_folder();
    let mut command = Command::new("unshare");
    if !std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.contains("Uid:\t0\t0"))
    {
        command.arg("--map-root-user");
    }
    command
        .args(["--net", host])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env(
            "XTABLES_LIBDIR",
            format!("{}:/usr/lib/x86_64-linux-gnu/xtables", own.display()),
        )
        .env("LC_ALL", "C")
        .output()
        .expect("unshare runs")
}

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("packetscript-plugin-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_explains_the_target() {
    let folder = Folder::new("help");
    for host in hosts() {
        let output = run(host, "-j LUA --help", &folder.0);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("LUA target options"),
            "{host}: {}",
            stderr(&output)
        );
        for (_, name) in xt_LUA::options::ALL {
            let name = name.to_str().unwrap();
            assert!(
                name == "rule-id" || text.contains(&format!("  --{name} ")),
                "{name}"
            );
        }
    }
}

#[test]
fn mistakes_end_with_status_2_and_a_sentence() {
    let folder = Folder::new("mistakes");
    for host in hosts() {
        for (arguments, expected) in [
            ("-A INPUT -j LUA", "--script FILE is needed, or --name NAME"),
            (
                "-A INPUT -j LUA --script none.lua",
                "none.lua: No such file or directory",
            ),
            ("-A INPUT -j LUA --script .", "give it one with --name"),
            (
                "-C INPUT -j LUA --script x.lua --on-error foo",
                "--on-error wants drop or accept or continue",
            ),
            ("-A INPUT -j LUA --name a --name b", "--name is given twice"),
            (
                "-A INPUT -j LUA ! --name a",
                "\"!\" cannot stand before --name",
            ),
            (
                "-A INPUT -j LUA --name a --memory 3k",
                "--memory is at least 64k",
            ),
            (
                "-A INPUT -j LUA --name a --arg k=v",
                "--arg goes with --script",
            ),
        ] {
            let output = run(host, arguments, &folder.0);
            let said = stderr(&output);
            assert!(said.contains(expected), "{host} {arguments}: {said}");
            assert_eq!(output.status.code(), Some(2), "{host} {arguments}: {said}");
        }
    }
}

/// Nothing of this needs the module: the compiler is in the plugin.
#[test]
fn a_script_with_a_mistake_is_refused_by_file_and_line() {
    let folder = Folder::new("wrong");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.0.join(name), text).expect("the folder is writable");
    };
    write(
        "wrong.lua",
        "local ok = 1\n\nfunction process_packet(p)\n  return )\nend\n",
    );
    write(
        "outer.lua",
        "local m = require 'inner'\nfunction process_packet(p) return m end\n",
    );
    write("inner.lua", "return {\n  a = = 1\n}\n");
    write("lost.lua", "\nlocal m = require 'nowhere'\n");
    write("verdict.lua", "DROP = 1\n");
    let here = folder.0.display();
    for host in hosts() {
        for (script, expected) in [
            (
                "wrong.lua".to_owned(),
                "wrong.lua:4: unexpected symbol near ')'".to_owned(),
            ),
            (format!("{here}/wrong.lua"), format!("{here}/wrong.lua:4: ")),
            ("outer.lua".to_owned(), "inner.lua:2: ".to_owned()),
            (
                "lost.lua".to_owned(),
                "lost.lua:2: module 'nowhere' not found: no file nowhere.lua".to_owned(),
            ),
            ("verdict.lua".to_owned(), "verdict.lua:1: ".to_owned()),
        ] {
            let output = run(
                host,
                &format!("-A INPUT -j LUA --script {script}"),
                &folder.0,
            );
            let said = stderr(&output);
            assert!(said.contains(&expected), "{host} {script}: {said}");
            assert_eq!(output.status.code(), Some(2), "{host} {script}: {said}");
        }
    }
}

#[test]
fn a_rule_that_is_only_compared_asks_for_no_script() {
    let folder = Folder::new("compare");
    for host in hosts() {
        for command in ["-D", "-C"] {
            let output = run(
                host,
                &format!("{command} INPUT -j LUA --script none.lua"),
                &folder.0,
            );
            let said = stderr(&output);
            assert!(!said.contains("none.lua"), "{host} {command}: {said}");
            assert_eq!(output.status.code(), Some(1), "{host} {command}: {said}");
        }
    }
}

/// A program that only asks for the version, as `pstui doctor` does, with libxtables there or not.
#[test]
fn programs_that_are_no_hosts_can_open_it() {
    type Number = unsafe extern "C" fn() -> u32;
    for with in [None, Some(c"libxtables.so.12")] {
        if let Some(name) = with {
            // SAFETY: libxtables has no constructor that asks anything of its user.
            let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
            assert!(
                !library.is_null(),
                "these tests need libxtables.so.12 (apt-get install iptables)"
            );
        }
        let path = library_folder().join("libxt_LUA.so");
        // A copy under another name, so that its constructor runs each time.
        let copy = std::env::temp_dir().join(format!(
            "packetscript-open-{}-{}.so",
            with.is_some(),
            std::process::id()
        ));
        std::fs::copy(&path, &copy).expect("the temporary folder is writable");
        let name = std::ffi::CString::new(copy.to_str().unwrap()).unwrap();
        // SAFETY: opening runs the constructor, which is what is tested.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        std::fs::remove_file(copy).expect("the test's own file can go");
        assert!(!library.is_null());
        // SAFETY: the name is NUL-terminated.
        let found = unsafe { libc::dlsym(library, c"packetscript_plugin_abi".as_ptr()) };
        assert!(!found.is_null());
        // SAFETY: the function has this type.
        let number = unsafe { std::mem::transmute::<*mut libc::c_void, Number>(found)() };
        assert_eq!(number, packetscript_abi::border::ABI);
    }
}
