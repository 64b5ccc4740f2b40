// SPDX-License-Identifier: GPL-2.0-only
//! Scripts on this engine and on PUC, and what both print.

use crate::bytecode::image::Image;
use crate::compiler::{Chunk, Options, compile, workspace_size};
use crate::host::user::Print;
use crate::value::Value;
use crate::vm::{Config, Layout, Vm};
use std::alloc::{Layout as Room, alloc_zeroed, dealloc};
use std::boxed::Box;
use std::cell::RefCell;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

/// Runs a script on this engine: what it printed, and the error that ended it.
#[allow(unsafe_code)]
pub fn engine(source: &str, memory: u64, fuel: u64) -> (Vec<u8>, Option<String>) {
    let mut workspace = vec![0u64; workspace_size(source.len()) / 8 + 1];
    // SAFETY: the same memory, as bytes.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(workspace.as_mut_ptr().cast::<u8>(), workspace.len() * 8)
    };
    let options = Options {
        packet: false,
        file: true,
        shared: false,
        seed: 7,
    };
    let chunk = Chunk {
        name: b"test",
        text: source.as_bytes(),
    };
    let image = match compile(&[chunk], options, bytes) {
        Ok(image) => image,
        Err(diagnostic) => {
            let text = String::from_utf8_lossy(diagnostic.bytes()).to_string();
            return (Vec::new(), Some(text));
        }
    };
    let image = Image::open(image).expect("an image");
    let layout = Layout::of(&image, memory).expect("a layout");
    let printed = Rc::new(RefCell::new(Vec::new()));
    let to = printed.clone();
    let mut print: Print = Box::new(move |line: &[u8]| {
        to.borrow_mut().extend_from_slice(line);
        to.borrow_mut().push(b'\n');
    });
    let config = Config {
        memory,
        load_fuel: fuel,
        packet_fuel: fuel,
        error_pause: 0,
        seed: *b"0123456789abcdef",
        args: &|_| None,
        cookie: (&raw mut print).cast(),
    };
    let room = Room::from_size_align(layout.total() as usize, 64).expect("a size");
    // SAFETY: the region is as `create` wants it; the image, the cookie and the region outlive the
    // machine, which is gone when the region is given back.
    let error = unsafe {
        let region = alloc_zeroed(room);
        let error = match Vm::create(region, &layout, &image, &config) {
            Ok(vm) => run(vm),
            Err(_) => Some("no memory for the libraries".to_string()),
        };
        dealloc(region, room);
        error
    };
    drop(print);
    let out = printed.take();
    (out, error)
}

fn run(vm: &mut Vm) -> Option<String> {
    let main = vm.main_function(0).expect("a main function");
    match vm.host_call(main, &[], 0) {
        Ok(_) => {
            vm.host_done();
            None
        }
        Err(_) => {
            let error: Value = vm.raised();
            Some(String::from_utf8_lossy(vm.bytes(error)).to_string())
        }
    }
}

/// Runs a script on PUC.
pub fn puc(source: &str) -> (Vec<u8>, Option<String>) {
    // SAFETY: all libraries, as the scripts use `debug`.
    #[allow(unsafe_code)]
    let lua = unsafe { mlua::Lua::unsafe_new() };
    let printed = Rc::new(RefCell::new(Vec::new()));
    let to = printed.clone();
    let emit = lua
        .create_function(move |_, line: mlua::LuaString| {
            to.borrow_mut().extend_from_slice(&line.as_bytes());
            to.borrow_mut().push(b'\n');
            Ok(())
        })
        .expect("a function");
    let set = "local emit = ... local concat, tostring, select = table.concat, tostring, select
        function print(...)
            local t = {...}
            for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end
            emit(concat(t, '\\t'))
        end";
    lua.load(set).call::<()>(emit).expect("print");
    let error = match lua.load(source).set_name("=test").exec() {
        Ok(()) => None,
        Err(e) => Some(e.to_string()),
    };
    let out = printed.take();
    (out, error)
}

/// Runs a script on both and compares the lines that they print.
pub fn same(source: &str) -> usize {
    let (ours, error) = engine(source, 64 << 20, u64::MAX);
    let (theirs, expected) = puc(source);
    let (ours, theirs) = (
        String::from_utf8_lossy(&ours),
        String::from_utf8_lossy(&theirs),
    );
    let mut count = 0;
    let mut wrong = Vec::new();
    for (i, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        count += 1;
        if a != b {
            wrong.push(std::format!("{}: {a}\n   PUC: {b}", i + 1));
        }
    }
    wrong.truncate(40);
    assert!(wrong.is_empty(), "lines differ:\n{}", wrong.join("\n"));
    assert_eq!(
        error.is_some(),
        expected.is_some(),
        "{error:?} is not {expected:?}"
    );
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{error:?}");
    count
}
