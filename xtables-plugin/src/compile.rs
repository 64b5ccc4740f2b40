// SPDX-License-Identifier: GPL-2.0-only
//! Compiling a script before the kernel sees it, with the compiler that the kernel has too.

use packetscript_abi::source::Bundle;
use packetscript_engine::compiler::{self, Chunk, Options};

/// Compiles the script and its modules; a mistake comes back as `name:line: message`.
pub fn check(bundle: &Bundle) -> Result<(), String> {
    let chunks: Vec<Chunk> = bundle
        .chunks
        .iter()
        .map(|chunk| Chunk {
            name: chunk.name.as_bytes(),
            text: &chunk.text,
        })
        .collect();
    let source = bundle.chunks.iter().map(|chunk| chunk.text.len()).sum();
    // Zeroed memory costs nothing until it is used, and most of this never is.
    let mut workspace = vec![0; compiler::workspace_size(source)];
    let options = Options {
        packet: true,
        file: true,
        seed: 0,
    };
    match compiler::compile(&chunks, options, &mut workspace) {
        Ok(_) => Ok(()),
        Err(diagnostic) => Err(String::from_utf8_lossy(diagnostic.bytes()).into_owned()),
    }
}
