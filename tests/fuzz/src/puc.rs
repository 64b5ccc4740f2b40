// SPDX-License-Identifier: GPL-2.0-only
//! PUC Lua beside the engine: both run the same functions on the same values, and must say the same.

use std::cell::RefCell;

use packetscript_engine::value::Value;

use crate::machine::{self, Limits, Machine};

/// A value for both.
#[derive(Clone, Debug)]
pub enum Given {
    /// nil.
    Nil,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string.
    Bytes(Vec<u8>),
}

/// Functions of scripts that show whatever comes back, so that no two results look the same.
const PRELUDE: &str = r##"
local type, tostring, select, pcall, concat = type, tostring, select, pcall, table.concat
local format, mathtype = string.format, math.type
function show(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = (select(i, ...))
    local kind = mathtype(v) or type(v)
    if v ~= v then v = "nan"
    elseif kind == "float" then v = format("%a", v)
    elseif kind == "table" or kind == "function" then v = "" end
    out[i] = kind .. " " .. #tostring(v) .. ":" .. tostring(v)
  end
  return concat(out, "\n")
end
function try(f, ...) return show(pcall(f, ...)) end
"##;

/// Enough for what one input asks for, and no more than PUC does in an instant.
const LIMITS: Limits = Limits {
    memory: 256 << 10,
    fuel: 200_000,
    stress: false,
};

/// What a script says whose memory has ended.
const MEMORY: &[u8] = b"not enough memory";

/// Calls that an environment serves.
const USES: u32 = 100;

/// A script in both.
struct Loaded {
    script: &'static str,
    image: Vec<u8>,
    machine: Option<Machine>,
    uses: u32,
    lua: mlua::Lua,
}

/// Calls the function `test` of a script with the same values here and there.
///
/// # Panics
///
/// The answers differ. What ends by fuel or memory here is not tried there.
pub fn compare(script: &'static str, given: &[Given]) {
    thread_local! {
        static LOADED: RefCell<Option<Loaded>> = const { RefCell::new(None) };
    }
    LOADED.with_borrow_mut(|loaded| {
        if loaded.as_ref().is_none_or(|loaded| loaded.script != script) {
            let whole = [PRELUDE, script].concat();
            let image = machine::compile(whole.as_bytes(), machine::options(false));
            let image = image.unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
            let lua = mlua::Lua::new();
            lua.load(whole).set_name("=fuzz").exec().expect("a script");
            *loaded = Some(Loaded {
                script,
                image,
                machine: None,
                uses: 0,
                lua,
            });
        }
        let loaded = loaded.as_mut().expect("it was just loaded");
        loaded.uses += 1;
        // Making an environment takes longer than most calls.
        if loaded.uses % USES == 0 {
            loaded.machine = None;
        }
        let image = &loaded.image;
        let machine = loaded.machine.get_or_insert_with(|| {
            let mut machine = Machine::new(image, LIMITS).expect("memory");
            machine.main().expect("a script");
            machine
        });
        let lua = &loaded.lua;
        let answer = machine.call("test", |vm| {
            let value = |given: &Given| match given {
                Given::Nil => Ok(Value::NIL),
                Given::Boolean(b) => Ok(Value::boolean(*b)),
                Given::Integer(n) => Ok(Value::int(*n)),
                Given::Float(x) => Ok(Value::float(*x)),
                Given::Bytes(bytes) => vm.new_string(bytes),
            };
            given.iter().map(value).collect()
        });
        // PUC has as much memory as it likes.
        let ran_out = |text: &Vec<u8>| text.windows(MEMORY.len()).any(|words| words == MEMORY);
        let Some(ours) = answer.filter(|text| !ran_out(text)) else {
            loaded.machine = None;
            return;
        };
        let value = |given: &Given| match given {
            Given::Nil => Ok(mlua::Value::Nil),
            Given::Boolean(b) => Ok(mlua::Value::Boolean(*b)),
            Given::Integer(n) => Ok(mlua::Value::Integer(*n)),
            Given::Float(x) => Ok(mlua::Value::Number(*x)),
            Given::Bytes(bytes) => lua.create_string(bytes).map(mlua::Value::String),
        };
        let values: mlua::Result<mlua::MultiValue> = given.iter().map(value).collect();
        let test: mlua::Function = lua.globals().get("test").expect("a function");
        let answer: mlua::Result<mlua::LuaString> = values.and_then(|values| test.call(values));
        let theirs = answer.expect("an answer").as_bytes().to_vec();
        let lines = |text: &[u8]| {
            text.split(|&b| b == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        let (ours, theirs) = (lines(&ours), lines(&theirs));
        let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let line = |lines: &[Vec<u8>]| lines.get(same).map(|line| line.escape_ascii().to_string());
        assert!(
            ours == theirs,
            "{given:?}\nline {same} of the answer\nours {:?}\nPUC  {:?}",
            line(&ours),
            line(&theirs)
        );
    });
}
