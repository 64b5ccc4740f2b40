// SPDX-License-Identifier: GPL-2.0-only
//! Chunks and modules from files: `dofile`, `loadfile`, `require` with `package.searchers`.

use super::{FILE_SEARCHER, LIBRARY_SEARCHER, PRELOAD_SEARCHER, field, give};
use crate::memory::OutOfMemory;
use crate::value::{Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};
use crate::vm::native::{ALL, Args, Step, is_function};
use std::ffi::OsStr;
use std::format;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

/// Where modules are looked for.
const PATH: &str = "./?.lua;./?/init.lua";

/// The fields of `package` that name and find files.
pub fn open(vm: &mut Vm) -> Result<(), OutOfMemory> {
    let package = field(vm, b"_G", b"package").as_ref();
    let path = ["LUA_PATH_5_4", "LUA_PATH"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .map_or(String::from(PATH), |set| {
            set.replace(";;", &format!(";{PATH};"))
        });
    for (name, text) in [
        ("path", path.trim_matches(';')),
        ("cpath", ""),
        ("config", "/\n;\n?\n!\n-\n"),
    ] {
        let key = vm.shared_string(name.as_bytes())?;
        let text = vm.heap.new_string(text.as_bytes())?;
        vm.heap.set(package, key, text)?;
    }
    let searchers = vm.heap.new_table(3, 0)?;
    vm.heap.set_int(searchers, 1, PRELOAD_SEARCHER)?;
    vm.heap.set_int(searchers, 2, FILE_SEARCHER)?;
    vm.heap.set_int(searchers, 3, LIBRARY_SEARCHER)?;
    let key = vm.shared_string(b"searchers")?;
    vm.heap
        .set(package, key, Value::object(Tag::Table, searchers))
}

/// `package.loadlib(path, name)`: nil, since there are no libraries of C.
pub fn loadlib(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    vm.check_str(&f, 0)?;
    vm.check_str(&f, 1)?;
    let why = vm.new_string(b"dynamic libraries not enabled; check your Lua installation")?;
    let what = vm.new_string(b"absent")?;
    for v in [Value::NIL, why, what] {
        vm.push(v)?;
    }
    Ok(Step::Return(3))
}

/// Modules are looked for beside the script, too, and there first.
pub fn look_beside(vm: &mut Vm, script: &[u8]) -> Result<(), Raise> {
    let package = vm.raw_get_str(vm.loaded(), b"package");
    let Some(end) = script.iter().rposition(|&b| b == b'/') else {
        return Ok(());
    };
    let folder = script.get(..end).unwrap_or_default();
    let rest = field(vm, b"package", b"path");
    let rest = vm.bytes(rest).to_vec();
    let path = [folder, b"/?.lua;", folder, b"/?/init.lua;", &rest].concat();
    let path = vm.new_string(&path)?;
    vm.raw_set_str(package.as_ref(), b"path", path)
}

// --- files --------------------------------------------------------------------------------------

/// A chunk's text: without a byte order mark and a first line for the shell.
fn text_of(file: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let (read, name) = match file {
        Some(name) => (
            std::fs::read(Path::new(OsStr::from_bytes(name))),
            String::from_utf8_lossy(name),
        ),
        None => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            (read.map(|_| bytes), "stdin".into())
        }
    };
    let mut text = read.map_err(|why| {
        let why = format!("{why}");
        let why = why.split(" (os error").next().unwrap_or_default();
        format!("cannot open {name}: {why}")
    })?;
    if text.starts_with(b"\xef\xbb\xbf") {
        text.drain(..3);
    }
    if text.first() == Some(&b'#') {
        let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
        text.drain(..end);
    }
    Ok(text)
}

/// Compiles a file: the function, or what is wrong.
fn load_file(vm: &mut Vm, file: Option<Value>, env: Value) -> Result<Result<Value, Value>, Raise> {
    let named = file.map(|file| vm.bytes(file).to_vec());
    let text = match text_of(named.as_deref()) {
        Ok(text) => text,
        Err(message) => return Ok(Err(vm.new_string(message.as_bytes())?)),
    };
    let mut name = Vec::from(*b"=stdin");
    if let Some(named) = named {
        name.splice(.., *b"@");
        name.extend(named);
    }
    let (name, text) = (vm.new_string(&name)?, vm.new_string(&text)?);
    vm.load_text(text, name, env)
}

/// `loadfile([name [, mode [, env]]])`.
pub fn loadfile(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let file = vm.opt_str(&f, 0)?;
    let mode = vm.opt_str(&f, 1)?;
    let env = if f.count > 2 {
        vm.arg(&f, 2)
    } else {
        Value::object(Tag::Table, vm.globals())
    };
    let loaded = match mode {
        Some(mode) if !vm.bytes(mode).contains(&b't') => {
            let text = format!(
                "attempt to load a text chunk (mode is '{}')",
                String::from_utf8_lossy(vm.bytes(mode))
            );
            Err(vm.new_string(text.as_bytes())?)
        }
        _ => load_file(vm, file, env)?,
    };
    match loaded {
        Ok(function) => give(vm, function),
        Err(message) => {
            vm.push(Value::NIL)?;
            vm.push(message)?;
            Ok(Step::Return(2))
        }
    }
}

/// `dofile([name])`.
pub fn dofile(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    if f.state > 0 {
        let count = vm.result_count(&f);
        return Ok(Step::Return(count));
    }
    let file = vm.opt_str(&f, 0)?;
    let env = Value::object(Tag::Table, vm.globals());
    match load_file(vm, file, env)? {
        Ok(function) => {
            vm.push(function)?;
            Ok(Step::Call {
                nargs: 0,
                nresults: ALL,
                state: 1,
            })
        }
        Err(message) => Err(vm.raise(message)),
    }
}

// --- modules ------------------------------------------------------------------------------------

/// The first readable file that a path gives for a name, or what was tried.
fn search(
    path: &[u8],
    name: &[u8],
    separator: &[u8],
    replacement: &[u8],
) -> Result<Vec<u8>, Vec<u8>> {
    let mut wanted = Vec::new();
    let mut rest = name;
    while let Some(&first) = rest.first() {
        if !separator.is_empty() && rest.starts_with(separator) {
            wanted.extend_from_slice(replacement);
            rest = rest.get(separator.len()..).unwrap_or_default();
        } else {
            wanted.push(first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    let mut tried = Vec::new();
    for template in path.split(|&b| b == b';') {
        let mut file = Vec::new();
        for &b in template {
            if b == b'?' {
                file.extend_from_slice(&wanted);
            } else {
                file.push(b);
            }
        }
        if std::fs::File::open(Path::new(OsStr::from_bytes(&file))).is_ok() {
            return Ok(file);
        }
        if !tried.is_empty() {
            tried.extend_from_slice(b"\n\t");
        }
        tried.extend_from_slice(b"no file '");
        tried.extend_from_slice(&file);
        tried.push(b'\'');
    }
    Err(tried)
}

/// `package.searchpath(name, path [, sep [, rep]])`.
pub fn searchpath(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let (name, path) = (vm.check_str(&f, 0)?, vm.check_str(&f, 1)?);
    let separator = vm.opt_str(&f, 2)?;
    let replacement = vm.opt_str(&f, 3)?;
    let found = search(
        vm.bytes(path),
        vm.bytes(name),
        separator.map_or(b".", |v| vm.bytes(v)),
        replacement.map_or(b"/", |v| vm.bytes(v)),
    );
    match found {
        Ok(file) => {
            let file = vm.new_string(&file)?;
            give(vm, file)
        }
        Err(tried) => {
            vm.push(Value::NIL)?;
            let tried = vm.new_string(&tried)?;
            vm.push(tried)?;
            Ok(Step::Return(2))
        }
    }
}

/// The searcher of what `package.preload` or the program itself has.
pub fn preload_searcher(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let preload = field(vm, b"package", b"preload");
    let mut loader = Value::NIL;
    if preload.tag == Tag::Table {
        loader = vm.raw_get(preload.as_ref(), name);
    }
    let mut extra: &[u8] = b":preload:";
    if loader.is_nil()
        && let Some(main) = vm.find_module(name)?
    {
        loader = main;
        extra = b":bundled:";
    }
    if loader.is_nil() {
        let buffer = vm.new_buffer(0)?;
        vm.write(buffer, format_args!("no field package.preload['"))?;
        vm.push_part(buffer, name, 0, usize::MAX)?;
        vm.write(buffer, format_args!("']"))?;
        let text = vm.heap.finish_buffer(buffer);
        return give(vm, text);
    }
    vm.push(loader)?;
    let extra = vm.new_string(extra)?;
    vm.push(extra)?;
    Ok(Step::Return(2))
}

/// The searcher of files along `package.path`.
pub fn file_searcher(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let path = field(vm, b"package", b"path");
    if !matches!(path.tag, Tag::Str | Tag::Bytes) {
        return Err(vm.error(format_args!("'package.path' must be a string")));
    }
    match search(vm.bytes(path), vm.bytes(name), b".", b"/") {
        Err(tried) => {
            let tried = vm.new_string(&tried)?;
            give(vm, tried)
        }
        Ok(file) => {
            let file = vm.new_string(&file)?;
            vm.push(file)?;
            let env = Value::object(Tag::Table, vm.globals());
            match load_file(vm, Some(file), env)? {
                Ok(function) => {
                    vm.push(function)?;
                    vm.push(file)?;
                    Ok(Step::Return(2))
                }
                Err(message) => {
                    let (name, file, why) = (
                        vm.bytes(name).to_vec(),
                        vm.bytes(file).to_vec(),
                        vm.bytes(message).to_vec(),
                    );
                    Err(vm.error(format_args!(
                        "error loading module '{}' from file '{}':\n\t{}",
                        Bytes(&name),
                        Bytes(&file),
                        Bytes(&why)
                    )))
                }
            }
        }
    }
}

/// The searcher of C's libraries along `package.cpath`, which never loads one.
pub fn library_searcher(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let path = field(vm, b"package", b"cpath");
    if !matches!(path.tag, Tag::Str | Tag::Bytes) {
        return Err(vm.error(format_args!("'package.cpath' must be a string")));
    }
    if vm.bytes(path).is_empty() {
        return Ok(Step::Return(0));
    }
    match search(vm.bytes(path), vm.bytes(name), b".", b"/") {
        Err(tried) => {
            let tried = vm.new_string(&tried)?;
            give(vm, tried)
        }
        Ok(file) => Err(vm.error(format_args!(
            "file '{}' is a library of C, which cannot be loaded",
            Bytes(&file)
        ))),
    }
}

const LOADED: u32 = 1;
/// The states behind this one: searcher number `state - SEARCHED` has answered.
const SEARCHED: u32 = 1;

/// `require(name)`. Its locals are the searchers and what was tried; then, while the module loads, the
/// loader's second value.
pub fn require(vm: &mut Vm, f: Args) -> Result<Step, Raise> {
    let name = vm.check_str(&f, 0)?;
    let loaded = vm.loaded();
    let local = f.base + f.count;
    if f.state == LOADED {
        return crate::stdlib::loading::required(vm, &f, name);
    }
    let mut next = 1;
    if f.state > LOADED {
        let (loader, extra) = (vm.result(&f, 0), vm.result(&f, 1));
        if is_function(loader) {
            vm.set_top(local)?;
            for v in [extra, loader, name, extra] {
                vm.push(v)?;
            }
            return Ok(Step::Call {
                nargs: 2,
                nresults: 1,
                state: LOADED,
            });
        }
        let tried = vm.get(local + 1).as_ref();
        if matches!(loader.tag, Tag::Str | Tag::Bytes) {
            vm.write(tried, format_args!("\n\t"))?;
            vm.push_part(tried, loader, 0, usize::MAX)?;
        }
        vm.set_top(local + 2)?;
        next = f.state - SEARCHED + 1;
    } else {
        let module = vm.raw_get(loaded, name);
        if module.is_true() {
            return give(vm, module);
        }
        let searchers = field(vm, b"package", b"searchers");
        if searchers.tag != Tag::Table {
            return Err(vm.error(format_args!("'package.searchers' must be a table")));
        }
        vm.push(searchers)?;
        let buffer = vm.new_buffer(0)?;
        vm.push(Value::object(Tag::Str, buffer))?;
    }
    let searcher = vm.raw_get_int(vm.get(local).as_ref(), i64::from(next));
    if searcher.is_nil() {
        let tried = vm.get(local + 1).as_ref();
        let tried = vm.heap.finish_buffer(tried);
        let (name, tried) = (vm.bytes(name).to_vec(), vm.bytes(tried).to_vec());
        return Err(vm.error(format_args!(
            "module '{}' not found:{}",
            Bytes(&name),
            Bytes(&tried)
        )));
    }
    vm.push(searcher)?;
    vm.push(name)?;
    Ok(Step::Call {
        nargs: 1,
        nresults: 2,
        state: SEARCHED + next,
    })
}
