// SPDX-License-Identifier: GPL-2.0-only
//! A state with a script, and the loop that is timed.

use std::ffi::{CStr, CString, c_int};

use mlua_sys as ffi;

use crate::accessors;

/// What packet scripts have beside accessors: verdicts as a module in C would have them, and a set of
/// domains as somebody would write it in Lua.
const PRELUDE: &CStr = c"
    DROP, ACCEPT, CONTINUE = 0, 1, 2
    function domainset(list)
      local set = {}
      for i = 1, #list do set[list[i]] = true end
      return {
        has = function(_, name)
          local find, sub = string.find, string.sub
          while name do
            if set[name] then return true end
            local dot = find(name, '.', 1, true)
            name = dot and sub(name, dot + 1)
          end
          return false
        end,
      }
    end";

/// A script that is ready to run.
pub struct Loaded {
    state: *mut ffi::lua_State,
    function: c_int,
    packet: c_int,
}

impl Loaded {
    /// Runs the top level of a script and takes one of its functions.
    pub fn new(path: &str, function: &str, packet: Option<Vec<u8>>, interpreted: bool) -> Self {
        let source = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = CString::new(format!("@{path}")).expect("a path");
        let function = CString::new(function).expect("a name");
        // SAFETY: a state of our own, used as the manual says; errors are caught by lua_pcall.
        unsafe {
            let state = ffi::luaL_newstate();
            assert!(!state.is_null());
            ffi::luaL_openlibs(state);
            if interpreted {
                execute(state, c"jit.off()".to_bytes(), c"=jit");
            }
            let packet = packet.map_or(ffi::LUA_NOREF, |bytes| {
                execute(state, PRELUDE.to_bytes(), c"=prelude");
                accessors::push(state, bytes);
                ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX)
            });
            execute(state, &source, &name);
            ffi::lua_getglobal(state, function.as_ptr());
            assert_eq!(ffi::lua_type(state, -1), ffi::LUA_TFUNCTION, "{path}");
            let function = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
            Self {
                state,
                function,
                packet,
            }
        }
    }

    /// Runs the function so many times: nanoseconds of processor time, and what the last run gave.
    pub fn run(&mut self, times: u64) -> (u64, String) {
        let mut result = String::new();
        let begin = now();
        for left in (0..times).rev() {
            // SAFETY: the state is ours, its references are alive, and the stack ends as it was.
            unsafe {
                let state = self.state;
                let mut handler = 0;
                if self.packet != ffi::LUA_NOREF {
                    // Who runs scripts on packets wants to know where they fail.
                    ffi::lua_pushcfunction(state, accessors::traceback);
                    handler = ffi::lua_gettop(state);
                }
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, self.function.into());
                if self.packet != ffi::LUA_NOREF {
                    ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, self.packet.into());
                }
                let failed = ffi::lua_pcall(state, c_int::from(handler != 0), 1, handler);
                if left == 0 {
                    result = self.shown(failed != 0);
                }
                ffi::lua_settop(state, 0);
            }
        }
        (now() - begin, result)
    }

    /// The value on top of the stack.
    fn shown(&self, failed: bool) -> String {
        // SAFETY: there is a value, and it stays there while its text is copied.
        unsafe {
            if failed {
                let error = ffi::lua_tostring(self.state, -1);
                assert!(self.packet != ffi::LUA_NOREF, "{:?}", CStr::from_ptr(error));
                return "error".into();
            }
            let number = ffi::lua_tonumber(self.state, -1);
            if self.packet == ffi::LUA_NOREF {
                number.to_string()
            } else {
                ["drop", "accept", "continue"][number as usize].into()
            }
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: nothing uses the state any more.
        unsafe { ffi::lua_close(self.state) }
    }
}

/// # Safety
///
/// The state is alive.
unsafe fn execute(state: *mut ffi::lua_State, source: &[u8], name: &CStr) {
    // SAFETY: the caller's promise; the source is readable for its length.
    unsafe {
        let loaded =
            ffi::luaL_loadbuffer(state, source.as_ptr().cast(), source.len(), name.as_ptr());
        if loaded != 0 || ffi::lua_pcall(state, 0, 0, 0) != 0 {
            panic!("{:?}", CStr::from_ptr(ffi::lua_tostring(state, -1)));
        }
    }
}

/// Processor time of this thread.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
