// SPDX-License-Identifier: GPL-2.0-only
//! PUC Lua 5.4, which says what is right.

use std::cell::RefCell;
use std::rc::Rc;

/// The lines that a chunk of this name prints with PUC, and the error that it ends with, if it does.
pub fn run(chunk: &str, source: &str) -> (Vec<String>, Option<mlua::Error>) {
    // A fresh state each time: scripts change the metatables and globals that they find.
    // SAFETY: the scripts are ours; some look at themselves by `debug`, so the whole library is there.
    let lua = unsafe { mlua::Lua::unsafe_new() };
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&lines);
    let print = lua
        .create_function(move |lua, values: mlua::Variadic<mlua::Value>| {
            let tostring: mlua::Function = lua.globals().get("tostring")?;
            let mut line = Vec::new();
            for v in values {
                line.push(tostring.call::<mlua::LuaString>(v)?.to_string_lossy());
            }
            sink.borrow_mut().push(line.join("\t"));
            Ok(())
        })
        .expect("a function");
    lua.globals().set("print", print).expect("a global");
    let error = lua.load(source).set_name(chunk).exec().err();
    // Finalizers that run when the state goes may print.
    drop(lua);
    (lines.take(), error)
}
