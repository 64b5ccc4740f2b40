// SPDX-License-Identifier: GPL-2.0-only
//! What PacketScript's fuzzers do with their input.
//!
//! A target is a function of bytes that returns, or panics where something is wrong; it keeps nothing from
//! one input to the next. The program in `libfuzzer` feeds them with what reaches new code, and the test
//! of this crate with the corpus that was kept.

pub mod input;
pub mod machine;
pub mod puc;
mod targets;
pub mod tokens;

/// Something that is fuzzed.
pub struct Target {
    /// The name, which is also that of its folder in `corpus`.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Bytes of an input, at most.
    pub longest: usize,
    /// Whether inputs are Lua sources.
    pub source: bool,
    /// Takes one input.
    pub run: fn(&[u8]),
}

const fn of(name: &'static str, longest: usize, run: fn(&[u8]), about: &'static str) -> Target {
    Target {
        name,
        about,
        longest,
        source: false,
        run,
    }
}

const fn source(mut target: Target) -> Target {
    target.source = true;
    target
}

/// Every target.
pub const TARGETS: &[Target] = &[
    source(of(
        "compiler",
        2048,
        targets::compiler::run,
        "any bytes as source: refused with PUC's words or taken as PUC takes it; any workspace",
    )),
    source(of(
        "vm",
        2048,
        targets::vm::run,
        "any packet script, run with little fuel and memory, and with everything collected all the time",
    )),
    of(
        "image",
        512,
        targets::image::run,
        "damaged images: refused, or run without harm",
    ),
    of(
        "patterns",
        160,
        targets::patterns,
        "find, match, gmatch and gsub with any pattern, as PUC",
    ),
    of(
        "format",
        160,
        targets::format,
        "string.format with any directives and values, as PUC",
    ),
    of(
        "pack",
        160,
        targets::pack,
        "string.pack, packsize and unpack with any format, as PUC",
    ),
    of(
        "number",
        64,
        targets::number,
        "numbers read, written and computed with, as PUC",
    ),
    of("utf8", 96, targets::utf8, "the utf8 library, as PUC"),
    of(
        "dns",
        600,
        targets::dissect::dns,
        "any bytes as a DNS message",
    ),
    of(
        "tls",
        800,
        targets::dissect::tls,
        "any bytes as a TLS record",
    ),
    of(
        "http",
        600,
        targets::dissect::http,
        "any bytes as an HTTP head",
    ),
    of(
        "tftp",
        200,
        targets::dissect::tftp,
        "any bytes as a TFTP message",
    ),
    of(
        "hello",
        120,
        targets::hello::run,
        "a ClientHello in segments that come in any order: its name is seen, and no other",
    ),
    of(
        "store",
        600,
        targets::store::run,
        "stores outside environments, beside a map, and with their memory overwritten",
    ),
    of(
        "packet",
        400,
        targets::packet::run,
        "any frame, read and written by any statements: checksums stay right",
    ),
    of(
        "define",
        200,
        targets::define::run,
        "proto.define with any fields, as a decoder of its own reads them",
    ),
    of(
        "border",
        600,
        targets::border::run,
        "what the kernel says: /proc lines and netlink messages",
    ),
    of(
        "capture",
        400,
        targets::capture::run,
        "any bytes as pcap or pcapng, whole and in pieces, and written again",
    ),
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
