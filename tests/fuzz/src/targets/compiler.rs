// SPDX-License-Identifier: GPL-2.0-only
//! The compiler: refuses what PUC refuses, with its words, whatever the room it is given.

use packetscript_engine::bytecode::{image::Image, list};
use packetscript_engine::compiler::{self, Chunk, Options};

use crate::input::hash;
use crate::machine::{self, Workspace};

/// Bytes of a message that are compared: behind them one side or the other cuts it.
const COMPARED: usize = 90;

/// What PUC says of too many levels.
const OVERFLOW: &[u8] = b"C stack overflow";

/// Compiles the input as plain Lua and as a packet script.
pub fn run(source: &[u8]) {
    // To PUC that begins a compiled program, to which nothing here corresponds.
    if source.first() == Some(&0x1b) {
        return;
    }
    let plain = Options {
        file: false,
        ..machine::options(false)
    };
    let ours = machine::compile(source, plain);
    let theirs = puc(source);
    // How deep one may go depends on who asked PUC to compile it.
    let too_deep = |message: &[u8]| {
        message
            .windows(OVERFLOW.len())
            .any(|words| words == OVERFLOW)
    };
    let ours_is = ours
        .as_ref()
        .is_err_and(|diagnostic| too_deep(diagnostic.bytes()));
    match (&ours, &theirs) {
        (Ok(_), None) => {}
        _ if ours_is || theirs.as_deref().is_some_and(too_deep) => {}
        (Err(diagnostic), Some(theirs)) => {
            let start = |bytes: &[u8]| bytes[..bytes.len().min(COMPARED)].to_vec();
            let ours = start(diagnostic.bytes());
            assert!(
                ours == start(theirs),
                "ours {}\nPUC  {}",
                ours.escape_ascii(),
                theirs.escape_ascii()
            );
        }
        (Ok(_), Some(theirs)) => panic!("PUC refuses it: {}", theirs.escape_ascii()),
        (Err(diagnostic), None) => panic!("PUC takes it: {diagnostic}"),
    }
    any_room(source, plain, ours.ok().as_deref());
    let packet = machine::options(true);
    match machine::compile(source, packet) {
        Ok(image) => {
            let opened = Image::open(&image).unwrap_or_else(|why| panic!("{}", why.0));
            let mut listing = String::new();
            list::list(&opened, &mut listing).expect("room for a listing");
            assert!(!listing.is_empty());
        }
        Err(diagnostic) => assert!(
            diagnostic.line > 0 && !diagnostic.is_out_of_memory(),
            "{diagnostic}"
        ),
    }
}

/// What PUC has against it.
fn puc(source: &[u8]) -> Option<Vec<u8>> {
    thread_local! {
        static LUA: (mlua::Lua, mlua::Function) = {
            let lua = mlua::Lua::new();
            let refuse = "local load = load return function(s) return select(2, load(s, '=fuzz', 't')) end";
            let refuse = lua.load(refuse).eval().expect("a function");
            (lua, refuse)
        };
    }
    LUA.with(|(lua, refuse)| {
        let source = lua.create_string(source).expect("a string");
        let message: Option<mlua::LuaString> = refuse.call(source).expect("an answer");
        message.map(|message| message.as_bytes().to_vec())
    })
}

/// With less room it is the same program or none at all.
fn any_room(source: &[u8], options: Options, image: Option<&[u8]>) {
    let room = hash(source) as usize % compiler::workspace_size(source.len());
    let mut workspace = Workspace::of(room);
    let chunk = Chunk {
        name: b"fuzz",
        text: source,
    };
    match compiler::compile(&[chunk], options, workspace.bytes()) {
        Ok(smaller) => assert!(Some(smaller) == image, "another image with {room} bytes"),
        Err(diagnostic) => assert!(
            diagnostic.is_out_of_memory() || image.is_none(),
            "with {room} bytes: {diagnostic}"
        ),
    }
}
