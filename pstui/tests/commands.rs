// SPDX-License-Identifier: GPL-2.0-only
//! The commands as a shell sees them: output, errors, exit statuses.

use std::process::{Command, Output};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gate.rec");

fn pstui(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pstui"))
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("PSTUI_THEME")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn status_for_people() {
    let output = pstui(&["status", "--replay", RECORDING]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("status", out(&output));
}

/// The schema is stable: this list only ever grows, together with doc/json.md.
#[test]
fn status_for_programs() {
    let output = pstui(&["status", "--json", "--replay", RECORDING]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/json.md")).unwrap();
    let mut keys = Vec::new();
    collect("", &value, &mut keys);
    keys.sort();
    keys.dedup();
    insta::assert_snapshot!("status_json_keys", keys.join("\n"));
    for key in keys {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            document.contains(&format!("`{name}`")),
            "{key} is not documented"
        );
    }
    assert_eq!(value["schema"], 1);
    assert_eq!(value["rules"][2]["counters"]["errors"], 40580);
}

fn collect(path: &str, value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                collect(&format!("{path}.{key}"), value, keys);
            }
        }
        serde_json::Value::Array(list) if !list.is_empty() && list[0].is_object() => {
            for value in list {
                collect(&format!("{path}[]"), value, keys);
            }
        }
        _ => keys.push(path.to_owned()),
    }
}

#[test]
fn errors_are_sentences_or_json_and_have_their_status() {
    let output = pstui(&["load", "/none/x.lua"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        "pstui: /none/x.lua: No such file or directory\n"
    );
    let output = pstui(&["load", "/none/x.lua", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["error"]["kind"], "file");
    assert_eq!(err(&output), "");
    let output = pstui(&["nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_broken_recording_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.rec");
    let file = file.to_str().unwrap();
    for (text, message) in [
        ("", ":1: not a recording"),
        (
            "packetscript-recording\t1\nabout\th\tk\t\nnonsense\n",
            ":3: a row outside of any table",
        ),
        ("packetscript-recording\t1\n@ x\n", ":2: expected seconds"),
        ("packetscript-recording\t1\n", ": there is no moment"),
        (
            "packetscript-recording\t1\n@ 1.5\n",
            ": at 1.500: scripts:1: the file is empty",
        ),
        (
            "packetscript-recording\t1\ntext\ta\tb\tc\t3\nx\n",
            ":2: the text is cut off",
        ),
    ] {
        std::fs::write(file, text).unwrap();
        let output = pstui(&["status", "--replay", file]);
        assert_eq!(output.status.code(), Some(1), "{text:?}");
        assert!(
            err(&output).contains(&format!("{file}{message}")),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn the_text_of_a_script() {
    let output = pstui(&["source", "allow-list", "--replay", RECORDING]);
    assert!(out(&output).starts_with("-- Only these sources may come in.\nlocal nets"));
    let output = pstui(&["source", "none", "--replay", RECORDING]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_console_wants_a_terminal_and_says_what_does_not() {
    let output = pstui(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("`pstui status` prints what it shows"));
}

#[test]
fn completions_and_man_page_know_every_command() {
    for args in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["man"],
    ] {
        let output = pstui(args);
        assert_eq!(output.status.code(), Some(0));
        for command in ["status", "load", "unload", "reload"] {
            assert!(out(&output).contains(command), "{args:?} {command}");
        }
    }
}
