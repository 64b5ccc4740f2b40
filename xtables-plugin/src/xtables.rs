// SPDX-License-Identifier: GPL-2.0-only
//! The border to libxtables: its structures, its functions, and the callbacks that it is given.
//!
//! The host program brings libxtables along, so nothing is linked: the three symbols that are needed
//! are looked up when the library is opened. Where they are missing or not set up (a program that only
//! asks for [`packetscript_plugin_abi`]) nothing is registered. The layout below is the same from libxtables
//! 1.8.7 to 1.8.13; only `extra_opts` and `parse` are used, since the newer parser's tables changed
//! their size in between. No panic crosses this border.

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use packetscript_abi::border::{ABI, TgInfo};

use crate::command::{self, Command};
use crate::help;
use crate::options::{self, Opt, Options};
use crate::prepare::{Failure, Session};
use crate::show;

/// `struct xt_entry_target`: 32 bytes before the target's data.
#[repr(C)]
struct EntryTarget {
    target_size: u16,
    name: [c_char; 29],
    revision: u8,
    data: [TgInfo; 0],
}

/// `struct xtables_target`.
#[repr(C)]
struct XtablesTarget {
    version: *const c_char,
    next: *mut XtablesTarget,
    name: *const c_char,
    real_name: *const c_char,
    revision: u8,
    ext_flags: u8,
    family: u16,
    size: usize,
    userspacesize: usize,
    help: Option<extern "C" fn()>,
    init: Option<unsafe extern "C" fn(*mut EntryTarget)>,
    parse: Option<
        unsafe extern "C" fn(
            c_int,
            *mut *mut c_char,
            c_int,
            *mut c_uint,
            *const c_void,
            *mut *mut EntryTarget,
        ) -> c_int,
    >,
    final_check: Option<extern "C" fn(c_uint)>,
    print: Option<unsafe extern "C" fn(*const c_void, *const EntryTarget, c_int)>,
    save: Option<unsafe extern "C" fn(*const c_void, *const EntryTarget)>,
    alias: *const c_void,
    extra_opts: *const libc::option,
    x6_parse: *const c_void,
    x6_fcheck: *const c_void,
    x6_options: *const c_void,
    xlate: *const c_void,
    udata_size: usize,
    udata: *mut c_void,
    option_offset: c_uint,
    t: *mut EntryTarget,
    tflags: c_uint,
    used: c_uint,
    loaded: c_uint,
}

const _: () = {
    assert!(size_of::<XtablesTarget>() == 200);
    assert!(std::mem::offset_of!(XtablesTarget, parse) == 72);
    assert!(std::mem::offset_of!(XtablesTarget, extra_opts) == 112);
    assert!(std::mem::offset_of!(XtablesTarget, t) == 176);
    assert!(std::mem::offset_of!(EntryTarget, data) == 32);
    assert!(TgInfo::SIZE.is_multiple_of(8));
};

/// `struct xtables_globals`, as far as it is needed.
#[repr(C)]
struct XtablesGlobals {
    option_offset: c_uint,
    program_name: *const c_char,
    program_version: *const c_char,
    orig_opts: *mut c_void,
    opts: *mut c_void,
    exit_err: unsafe extern "C" fn(c_int, *const c_char, ...) -> !,
}

/// `enum xtables_exittype`.
const OTHER_PROBLEM: c_int = 1;
const PARAMETER_PROBLEM: c_int = 2;

unsafe extern "C" {
    /// The argument of the option that getopt found last.
    static optarg: *mut c_char;
}

/// What libxtables keeps a pointer to, and writes to, for as long as the process lives.
#[repr(transparent)]
struct Handed<T>(UnsafeCell<T>);

// SAFETY: only libxtables touches the contents after the constructor, and its hosts have one thread.
unsafe impl<T> Sync for Handed<T> {}

static OPTIONS: Handed<[libc::option; options::ALL.len() + 1]> = Handed(UnsafeCell::new({
    let end = libc::option {
        name: ptr::null(),
        has_arg: 0,
        flag: ptr::null_mut(),
        val: 0,
    };
    let mut table = [end; options::ALL.len() + 1];
    let mut at = 0;
    while at < options::ALL.len() {
        let (option, name) = options::ALL[at];
        table[at] = libc::option {
            name: name.as_ptr(),
            has_arg: 1,
            flag: ptr::null_mut(),
            val: option as c_int,
        };
        at += 1;
    }
    table
}));

static TARGET: Handed<XtablesTarget> = Handed(UnsafeCell::new(XtablesTarget {
    version: c"libxtables.so.12".as_ptr(),
    next: ptr::null_mut(),
    name: c"LUA".as_ptr(),
    real_name: ptr::null(),
    revision: 0,
    ext_flags: 0,
    family: 0, // NFPROTO_UNSPEC: every family
    size: TgInfo::SIZE,
    userspacesize: TgInfo::USER_SIZE,
    help: Some(on_help),
    init: Some(on_init),
    parse: Some(on_parse),
    final_check: Some(on_final_check),
    print: Some(on_print),
    save: Some(on_save),
    alias: ptr::null(),
    extra_opts: OPTIONS.0.get().cast(),
    x6_parse: ptr::null(),
    x6_fcheck: ptr::null(),
    x6_options: ptr::null(),
    xlate: ptr::null(),
    udata_size: 0,
    udata: ptr::null_mut(),
    option_offset: 0,
    t: ptr::null_mut(),
    tflags: 0,
    used: 0,
    loaded: 0,
}));

/// Runs when the library is opened.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = register;

extern "C" fn register() {
    type Register = unsafe extern "C" fn(*mut XtablesTarget);
    let found = symbol(c"xtables_register_target");
    // Before a host has set these up, registering would follow null pointers.
    let ready = is_set(c"xt_params") == Some(true) && is_set(c"afinfo") != Some(false);
    if !found.is_null() && ready {
        // SAFETY: libxtables' function of that name has this type in every version of its ABI 12.
        let register = unsafe { std::mem::transmute::<*mut c_void, Register>(found) };
        // SAFETY: TARGET has the layout that libxtables expects, lives for ever, and is not touched here again.
        unsafe { register(TARGET.0.get()) };
    }
}

/// Whether a pointer variable of libxtables is set; `None` if there is no such variable.
fn is_set(name: &CStr) -> Option<bool> {
    let variable = symbol(name).cast::<*const c_void>();
    // SAFETY: only variables that hold a pointer are asked for, and nothing else writes to them now.
    (!variable.is_null()).then(|| unsafe { !(*variable).is_null() })
}

/// The ABI that this plugin speaks; for programs that look whether plugin and module fit.
#[unsafe(no_mangle)]
pub extern "C" fn packetscript_plugin_abi() -> u32 {
    ABI
}

/// The plugin's version, NUL-terminated.
#[unsafe(no_mangle)]
pub extern "C" fn packetscript_plugin_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// A symbol of libxtables: from the host, or from the library where a host opened it for itself.
fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: both calls take NUL-terminated names; RTLD_NOLOAD opens nothing that is not open.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        if !found.is_null() {
            return found;
        }
        let library = libc::dlopen(
            c"libxtables.so.12".as_ptr(),
            libc::RTLD_NOW | libc::RTLD_NOLOAD,
        );
        if library.is_null() {
            ptr::null_mut()
        } else {
            libc::dlsym(library, name.as_ptr())
        }
    }
}

/// Ends the host program as its own errors do.
fn exit_with(status: c_int, message: &str) -> ! {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let globals = symbol(c"xt_params").cast::<*const XtablesGlobals>();
    if !globals.is_null() {
        // SAFETY: xt_params is libxtables' variable; it is null or points to the host's globals,
        // whose exit_err is set by every host before it opens a plugin. The format takes one string.
        unsafe {
            if let Some(globals) = (*globals).as_ref() {
                (globals.exit_err)(status, c"%s".as_ptr(), text.as_ptr());
            }
        }
    }
    eprintln!("{message}");
    std::process::exit(status);
}

/// Runs a callback's work: a failure, or a panic, ends the host with a message.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> T {
    // Nothing of the work is used after a panic: the process ends.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => value,
        Ok(Err(Failure::Mistake(message))) => exit_with(PARAMETER_PROBLEM, &message),
        Ok(Err(Failure::Machine(message))) => exit_with(OTHER_PROBLEM, &message),
        Err(_) => exit_with(
            OTHER_PROBLEM,
            "LUA: this plugin has a mistake; please report it",
        ),
    }
}

/// The rule that is being parsed, and what lasts.
struct State {
    options: Options,
    /// Where its data goes: libxtables gives no pointer to the final check.
    data: *mut TgInfo,
    session: Option<Session>,
}

// SAFETY: the pointer is only followed inside callbacks, which libxtables makes on one thread.
unsafe impl Send for State {}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Runs `work` on the state.
fn with_state<T>(work: impl FnOnce(&mut State) -> T) -> T {
    let mut guard: MutexGuard<Option<State>> = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = || State {
        options: Options::default(),
        data: ptr::null_mut(),
        session: None,
    };
    work(guard.get_or_insert_with(fresh))
}

/// Prints through C's stdout, so that it stands where it belongs among the host's own output.
fn print(text: &str) {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    // SAFETY: the format takes one string, which is NUL-terminated.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

extern "C" fn on_help() {
    guarded(|| {
        print(help::TEXT);
        Ok(())
    });
}

/// A rule begins.
unsafe extern "C" fn on_init(entry: *mut EntryTarget) {
    guarded(|| {
        // SAFETY: libxtables gives an entry with room for `size` bytes of data.
        let data = unsafe { &raw mut (*entry).data }.cast::<TgInfo>();
        // SAFETY: likewise; the data may be unaligned in principle, and is written whole.
        unsafe { data.write_unaligned(TgInfo::new()) };
        with_state(|state| {
            state.options = Options::default();
            state.data = data;
        });
        Ok(())
    });
}

/// An option of the rule.
unsafe extern "C" fn on_parse(
    number: c_int,
    _arguments: *mut *mut c_char,
    invert: c_int,
    flags: *mut c_uint,
    _rule: *const c_void,
    entry: *mut *mut EntryTarget,
) -> c_int {
    guarded(|| {
        let Some(option) = Opt::from_number(number) else {
            return Ok(0);
        };
        // SAFETY: getopt has set optarg, for each of our options takes an argument.
        let value = unsafe { CStr::from_ptr(optarg) };
        let value = value
            .to_str()
            .map_err(|_| Failure::Mistake(format!("{} is not UTF-8", option.text())))?;
        // SAFETY: libxtables gives the entry that init was given, which it may have moved.
        let data = unsafe { &raw mut (**entry).data }.cast::<TgInfo>();
        with_state(|state| {
            state.data = data;
            state.options.set(option, value, invert != 0)
        })
        .map_err(Failure::Mistake)?;
        // SAFETY: libxtables gives a pointer to its flags.
        unsafe { *flags |= 1 << (option as c_uint) };
        Ok(1)
    })
}

/// All options of the rule are there.
extern "C" fn on_final_check(_flags: c_uint) {
    guarded(|| {
        with_state(|state| {
            state.options.finish().map_err(Failure::Mistake)?;
            if command::of_this_process() == Command::Make {
                let session = state.session.get_or_insert_default();
                for notice in session.prepare(&mut state.options)? {
                    for line in notice.lines() {
                        eprintln!("LUA: {line}");
                    }
                }
            }
            if !state.data.is_null() {
                // SAFETY: the pointer is of this rule's init or parse, and the entry lives on.
                unsafe { state.data.write_unaligned(state.options.info) };
            }
            Ok(())
        })
    });
}

/// The data of a rule that is shown.
///
/// # Safety
/// `entry` is an entry of target LUA as libxtables gives it to print and save.
unsafe fn data_of(entry: *const EntryTarget) -> TgInfo {
    // SAFETY: by contract there are `size` bytes of data behind the header.
    unsafe { (&raw const (*entry).data).cast::<TgInfo>().read_unaligned() }
}

unsafe extern "C" fn on_print(_rule: *const c_void, entry: *const EntryTarget, _numeric: c_int) {
    guarded(|| {
        // SAFETY: libxtables gives an entry of this target.
        let info = unsafe { data_of(entry) };
        let origin = with_state(|state| state.session.get_or_insert_default().origin(&info));
        print(&show::listed(&info, origin.as_ref()));
        Ok(())
    });
}

unsafe extern "C" fn on_save(_rule: *const c_void, entry: *const EntryTarget) {
    guarded(|| {
        // SAFETY: libxtables gives an entry of this target.
        let info = unsafe { data_of(entry) };
        let origin = with_state(|state| state.session.get_or_insert_default().origin(&info));
        let ids = std::env::var_os("PACKETSCRIPT_IDS").is_some();
        print(&show::saved(&info, origin.as_ref(), ids));
        Ok(())
    });
}
