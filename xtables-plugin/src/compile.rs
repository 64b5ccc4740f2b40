// SPDX-License-Identifier: GPL-2.0-only
//! Compiling a script before the kernel sees it, with the compiler that the kernel has too.

use packetscript_abi::source::Bundle;
use packetscript_engine::user::{self, Chunk};

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
    match user::check(&chunks) {
        Ok(_) => Ok(()),
        Err(diagnostic) => Err(String::from_utf8_lossy(diagnostic.bytes()).into_owned()),
    }
}
