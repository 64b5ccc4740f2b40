// SPDX-License-Identifier: GPL-2.0-only
//! Tests of the compiler.

use super::*;
use crate::bytecode::image::Image;
use crate::bytecode::list::list;
use std::string::{String, ToString};
use std::vec::Vec as List;

const PLAIN: Options = Options {
    packet: false,
    file: false,
    seed: 7,
};

/// Compiles a text under the name that PUC would show; its image, or the message.
fn compile_text(text: &[u8], options: Options) -> std::result::Result<List<u8>, String> {
    let mut workspace = std::vec![0u8; workspace_size(text.len())];
    match compile(
        &[Chunk {
            name: b"test",
            text,
        }],
        options,
        &mut workspace,
    ) {
        Ok(image) => Ok(image.to_vec()),
        Err(diagnostic) => Err(diagnostic.to_string()),
    }
}

fn listing(text: &str, options: Options) -> String {
    let image = compile_text(text.as_bytes(), options).unwrap();
    let mut out = String::new();
    list(&Image::open(&image).unwrap(), &mut out).unwrap();
    out
}

#[test]
fn show() {
    let Ok(path) = std::env::var("LIST") else {
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    std::println!(
        "{}",
        listing(
            &text,
            Options {
                packet: true,
                ..PLAIN
            }
        )
    );
}
