// SPDX-License-Identifier: GPL-2.0-only
//! The fuzz targets under libFuzzer. `PACKETSCRIPT_FUZZ` names the target, the arguments are
//! libFuzzer's own; without it the targets are listed. `cargo xtask fuzz` is how it is built and run.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_target, fuzzer_mutate};
use packetscript_fuzz::{TARGETS, Target, target, tokens};

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&'static Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let Ok(name) = std::env::var("PACKETSCRIPT_FUZZ") else {
            for target in TARGETS {
                println!("{}\t{}\t{}", target.name, target.longest, target.about);
            }
            std::process::exit(0);
        };
        target(&name).unwrap_or_else(|| {
            eprintln!("no target '{name}': PACKETSCRIPT_FUZZ is to name one");
            std::process::exit(2)
        })
    })
}

fuzz_target!(init: { chosen(); }, |input: &[u8]| {
    (chosen().run)(input);
});

/// Mutates sources by their tokens every other time, and everything else as libFuzzer does.
///
/// # Safety
///
/// `data` is writable for `max` bytes, of which the first `size` are the input.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerCustomMutator(
    data: *mut u8,
    size: usize,
    max: usize,
    seed: u32,
) -> usize {
    // SAFETY: the caller's promise.
    let room = unsafe { std::slice::from_raw_parts_mut(data, max) };
    let size = size.min(max);
    if !chosen().source || seed & 1 == 0 {
        return fuzzer_mutate(room, size, max);
    }
    let mut text = room[..size].to_vec();
    tokens::mutate(&mut text, seed >> 1);
    text.truncate(max);
    room[..text.len()].copy_from_slice(&text);
    text.len()
}
