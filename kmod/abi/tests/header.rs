// SPDX-License-Identifier: GPL-2.0-only
//! Compiles `packetscript.h` with the C compiler and compares it with its Rust twin: every value,
//! every offset, and that neither knows a name which the other does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use packetscript_abi::border::{self, TgInfo};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packetscript.h");

fn numbers() -> BTreeMap<&'static str, u64> {
    [
        border::TABLE,
        border::on_error::TABLE,
        border::scope::TABLE,
        border::cmd::TABLE,
        border::attr::TABLE,
        border::flags::TABLE,
        border::event::TABLE,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

/// Names that the header defines: macros with a value, and enumerators.
fn header_names() -> BTreeSet<String> {
    let text = std::fs::read_to_string(HEADER).expect("the header is readable");
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        let end = rest[start..].find("*/").expect("comments end") + start + 2;
        rest = &rest[end..];
    }
    code.push_str(rest);
    let mut names = BTreeSet::new();
    let mut in_enum = false;
    for line in code.lines() {
        if let Some(definition) = line.strip_prefix("#define ") {
            let mut words = definition.split_whitespace();
            let name = words.next().expect("a macro has a name");
            if words.next().is_some() {
                names.insert(name.to_owned());
            }
            continue;
        }
        let body = if line.starts_with("enum ") {
            line.split_once('{')
                .expect("an enum's brace stands on its line")
                .1
        } else if in_enum {
            line
        } else {
            continue;
        };
        in_enum = !body.contains('}');
        for part in body.split(['}', ',']) {
            let word: String = part
                .trim()
                .chars()
                .take_while(|&c| c.is_alphanumeric() || c == '_')
                .collect();
            if word.starts_with("PS_") {
                names.insert(word);
            }
        }
    }
    names
}

fn compile_and_run(body: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("border-{}.c", std::process::id()));
    let program = source.with_extension("bin");
    let text = format!(
        "#include <stdio.h>\n#include <stddef.h>\n#include \"{HEADER}\"\nint main(void)\n{{\n{body}\treturn 0;\n}}\n"
    );
    std::fs::write(&source, text).expect("the build folder is writable");
    let built = Command::new("cc")
        .args(["-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(&source)
        .output();
    let built = built.expect("a C compiler is installed");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let ran = Command::new(&program).output().expect("the program runs");
    assert!(ran.status.success());
    for file in [source, program] {
        std::fs::remove_file(file).expect("the test's own files can go");
    }
    String::from_utf8(ran.stdout).expect("numbers are text")
}

#[test]
fn header_and_twin_agree() {
    let numbers = numbers();
    let texts: BTreeMap<_, _> = border::TEXT_TABLE.iter().copied().collect();
    let mut known: BTreeSet<String> = numbers.keys().map(|&name| name.to_owned()).collect();
    known.extend(texts.keys().map(|&name| name.to_owned()));
    assert_eq!(
        header_names(),
        known,
        "the header and the twin know different names"
    );

    macro_rules! fields {
        ($($field:ident),*) => {
            [$((stringify!($field), offset_of!(TgInfo, $field))),*]
        };
    }
    let fields = fields!(
        abi, flags, name, function, state, on_error, scope, pad, fuel, memory, rule_id, stage_id,
        kernel
    );

    let mut body = String::new();
    let mut expected = String::new();
    for (name, value) in &numbers {
        writeln!(
            body,
            "\tprintf(\"{name} %llu\\n\", (unsigned long long)({name}));"
        )
        .unwrap();
        writeln!(expected, "{name} {value}").unwrap();
    }
    for (name, value) in &texts {
        writeln!(body, "\tprintf(\"{name} %s\\n\", {name});").unwrap();
        writeln!(expected, "{name} {value}").unwrap();
    }
    for (name, offset) in fields {
        writeln!(
            body,
            "\tprintf(\"{name} %zu\\n\", offsetof(struct xt_lua_tginfo, {name}));"
        )
        .unwrap();
        writeln!(expected, "{name} {offset}").unwrap();
    }
    body.push_str("\tprintf(\"size %zu\\n\", sizeof(struct xt_lua_tginfo));\n");
    writeln!(expected, "size {}", size_of::<TgInfo>()).unwrap();
    body.push_str("\tprintf(\"attributes %d\\n\", __PS_A_MAX);\n\tprintf(\"commands %d\\n\", __PS_CMD_MAX);\n");
    writeln!(expected, "attributes {}", border::attr::TABLE.len()).unwrap();
    writeln!(expected, "commands {}", border::cmd::TABLE.len()).unwrap();

    assert_eq!(compile_and_run(&body), expected);
}
