// SPDX-License-Identifier: GPL-2.0-only
//! The engine for programs: compile, look, run. Memory is owned here, and errors are text.

use crate::bytecode::image::Image;
use crate::bytecode::list;
use crate::bytecode::verify::{prove, verify};
use crate::compiler::{self, Diagnostic, Options};
use crate::env::{self, Config, Text};
use crate::host::now_ms;
use crate::host::user::{Print, UserPacket, set_clock};
use crate::host::{NEVER, RunResult, Status};
use crate::memory::Usage;
use crate::packet::objects::timer;
use crate::vm::Vm;
use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

pub use crate::compiler::Chunk;

/// A compiled program.
pub struct Program {
    image: Box<[u64]>,
    len: usize,
}

/// Compiles a packet script (the first chunk) with its modules.
///
/// # Errors
///
/// What is wrong with the source, as `name:line: message`.
pub fn check(chunks: &[Chunk]) -> Result<Program, Diagnostic> {
    compile(
        chunks,
        Options {
            packet: true,
            file: true,
            shared: false,
            seed: seed(),
        },
    )
}

/// Compiles plain Lua, as `pstui lua` runs it.
///
/// # Errors
///
/// What is wrong with the source, as `name:line: message`.
pub fn check_plain(chunks: &[Chunk]) -> Result<Program, Diagnostic> {
    compile(
        chunks,
        Options {
            packet: false,
            file: true,
            shared: chunks.iter().any(shares_variables),
            seed: seed(),
        },
    )
}

/// Whether a text names what tells shared variables from copied ones.
fn shares_variables(chunk: &Chunk) -> bool {
    const NAMES: [&[u8]; 4] = [b"upvalueid", b"upvaluejoin", b"setupvalue", b"setlocal"];
    let rest = (0..chunk.text.len()).filter_map(|at| chunk.text.get(at..));
    rest.into_iter()
        .any(|rest| NAMES.iter().any(|name| rest.starts_with(name)))
}

fn compile(chunks: &[Chunk], options: Options) -> Result<Program, Diagnostic> {
    let source: usize = chunks.iter().map(|chunk| chunk.text.len()).sum();
    let size = compiler::workspace_size(source).div_ceil(8);
    let mut work = vec![0u64; size];
    // SAFETY: the bytes of a vector of words.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(work.as_mut_ptr().cast::<u8>(), size.saturating_mul(8))
    };
    let len = compiler::compile(chunks, options, bytes)?.len();
    work.truncate(len.div_ceil(8));
    Ok(Program {
        image: work.into_boxed_slice(),
        len,
    })
}

/// A number that nobody can guess.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

impl Program {
    /// A program from an image that came from elsewhere, if it may run.
    ///
    /// # Errors
    ///
    /// Why it may not.
    pub fn from_image(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut image = vec![0u64; bytes.len().div_ceil(8)];
        for (to, from) in image.iter_mut().zip(bytes.chunks(8)) {
            let mut word = [0; 8];
            word.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            *to = u64::from_le_bytes(word);
        }
        let program = Self {
            image: image.into_boxed_slice(),
            len: bytes.len(),
        };
        let image = verify(program.image()).map_err(|why| why.0)?;
        // What the proof asks for grows with the functions, and is far below this for each.
        let mut room = vec![0; bytes.len().saturating_mul(32).saturating_add(1 << 12)];
        prove(&image, &mut room).map_err(|why| why.0)?;
        Ok(program)
    }

    /// The image.
    pub fn image(&self) -> &[u8] {
        // SAFETY: the bytes of a slice of words.
        unsafe { core::slice::from_raw_parts(self.image.as_ptr().cast(), self.len) }
    }

    /// A listing for people.
    pub fn disassemble(&self) -> String {
        let mut text = String::new();
        if let Ok(image) = Image::open(self.image()) {
            let _ = list::list(&image, &mut text);
        }
        text
    }
}

/// Pages around a region that nothing may touch: what runs over an end of it faults.
const GUARD: usize = 4096;

/// Memory of the system's own, zeroed when it is used and not before: a large region that is hardly
/// used costs nothing, and is given even where there is not so much memory.
struct Mapping {
    whole: *mut u8,
    length: usize,
    base: *mut u8,
    size: usize,
}

impl Mapping {
    /// The region ends where the guard behind it begins, but for what its alignment takes.
    fn new(size: usize) -> Option<Self> {
        let room = size.checked_next_multiple_of(GUARD)?;
        let length = room.checked_add(GUARD.wrapping_mul(2))?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping somewhere harms nobody.
        let whole =
            unsafe { libc::mmap(core::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        if whole == libc::MAP_FAILED {
            return None;
        }
        let before = GUARD.saturating_add(room).saturating_sub(size) & !63;
        // SAFETY: the region lies inside the mapping.
        let base = unsafe { whole.cast::<u8>().add(before) };
        let mapping = Self {
            whole: whole.cast(),
            length,
            base,
            size,
        };
        // SAFETY: the pages between the guards are the mapping's own.
        let opened =
            unsafe { libc::mprotect(whole.cast::<u8>().add(GUARD).cast(), room, protection) };
        (opened == 0).then_some(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped with this size, and nothing refers to it any more.
        unsafe { libc::munmap(self.whole.cast(), self.length) };
    }
}

/// What an environment of user space is to be like.
pub struct Settings {
    /// Bytes of live memory that are guaranteed.
    pub memory: u64,
    /// Fuel of the top level.
    pub load_fuel: u64,
    /// Fuel of a packet.
    pub packet_fuel: u64,
    /// Milliseconds after a packet's error in which others that nothing catches have no text.
    pub error_pause: u64,
    /// The table `args`.
    pub args: Vec<(String, String)>,
    /// Keys of the hashes; random ones if there are none here.
    pub seed: Option<[u8; 16]>,
    /// Where `print` and `p:log` go.
    pub print: Print,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: 1 << 20,
            load_fuel: 100_000_000,
            packet_fuel: 100_000,
            error_pause: 0,
            args: Vec::new(),
            seed: None,
            print: Box::new(|_| ()),
        }
    }
}

/// What a packet came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Verdict, operand and reason, or the error with its traceback.
    pub verdict: Result<RunResult, String>,
    /// How the run ended.
    pub status: Status,
    /// Fuel used.
    pub fuel: u64,
}

/// A program instance with its globals.
pub struct Environment {
    region: *mut u8,
    // Goes before what the machine in it refers to.
    mapping: Mapping,
    // The machine reads the image and calls the print function by pointer.
    _program: Box<Program>,
    print: Box<Print>,
}

impl Drop for Environment {
    fn drop(&mut self) {
        crate::host::stores::release(core::ptr::from_mut::<Print>(&mut self.print).cast());
    }
}

impl Environment {
    /// Makes an environment and runs the top level.
    ///
    /// # Errors
    ///
    /// The message of the error in the top level, with a traceback.
    pub fn new(program: Program, settings: Settings) -> Result<Self, String> {
        let mut env = Self::prepare(program, settings)?;
        match env.machine().run_main() {
            Ok(()) => Ok(env),
            Err(_) => Err(env.last_error()),
        }
    }

    /// The same without running the top level.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn prepare(program: Program, settings: Settings) -> Result<Self, String> {
        let program = Box::new(program);
        let mut print = Box::new(settings.print);
        let size = env::region_size(program.image(), settings.memory);
        let size = usize::try_from(size)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| {
                format!(
                    "no environment can have {} bytes of memory",
                    settings.memory
                )
            })?;
        let mapping = Mapping::new(size)
            .ok_or_else(|| format!("the machine has no {size} bytes of memory to give"))?;
        let region = mapping.base;
        let args: Vec<(&[u8], &[u8])> = settings
            .args
            .iter()
            .map(|(k, v)| (k.as_bytes(), v.as_bytes()))
            .collect();
        let seed = settings.seed.unwrap_or_else(|| {
            let mut random = [0; 16];
            let words = seed().to_le_bytes().into_iter().chain(seed().to_le_bytes());
            random
                .iter_mut()
                .zip(words)
                .for_each(|(to, from)| *to = from);
            random
        });
        let config = Config {
            memory: settings.memory,
            load_fuel: settings.load_fuel,
            packet_fuel: settings.packet_fuel,
            error_pause: settings.error_pause,
            seed,
            args: &|i| args.get(i).copied(),
            cookie: core::ptr::from_mut::<Print>(&mut print).cast(),
        };
        let image = Image::open(program.image()).map_err(|e| String::from(e.0))?;
        let parts = crate::vm::Layout::of(&image, settings.memory)
            .ok_or_else(|| String::from("too much memory for one environment"))?;
        // SAFETY: the region is fresh, zeroed and of that layout's size; program and print live in
        // boxes that go with the environment; the compiler has verified the image.
        let made = unsafe { Vm::create(region, &parts, &image, &config) }.is_ok();
        let env = Self {
            region,
            mapping,
            _program: program,
            print,
        };
        if made {
            Ok(env)
        } else {
            Err(String::from("not enough memory for the program itself"))
        }
    }

    /// The machine inside.
    pub fn machine(&mut self) -> &mut Vm {
        // SAFETY: the region is this environment's own.
        unsafe { env::machine(self.region) }
    }

    /// Looks a global function up; the handle is for [`Environment::run`].
    ///
    /// # Errors
    ///
    /// There is no such function.
    pub fn bind(&mut self, name: &str) -> Result<u32, String> {
        let mut buf = [0; 256];
        let mut text = Text::new(&mut buf);
        let bound = self.machine().bind(name.as_bytes(), &mut text);
        let len = text.len;
        bound.map_err(|_| String::from_utf8_lossy(buf.get(..len).unwrap_or_default()).into_owned())
    }

    /// Whether there is a global of that name.
    pub fn has_global(&mut self, name: &str) -> bool {
        let machine = self.machine();
        !machine
            .raw_get_str(machine.globals(), name.as_bytes())
            .is_nil()
    }

    /// Runs a function on a packet. Fuel 0 is the environment's own limit.
    pub fn run(&mut self, handle: u32, packet: &mut UserPacket, fuel: u64) -> Outcome {
        // SAFETY: the packet is borrowed for the whole call.
        let result = unsafe { env::run(self.region, handle, packet.raw(), fuel) }.parts();
        let verdict = if result.status == Status::Ok {
            Ok(result)
        } else {
            Err(self.last_error())
        };
        Outcome {
            verdict,
            status: result.status,
            fuel: result.fuel,
        }
    }

    /// When the next timer is due, on the host's clock.
    pub fn next_timer(&mut self) -> Option<u64> {
        Some(timer::next_due(self.machine())).filter(|due| *due != NEVER)
    }

    /// Whether a timer waits that runs once.
    pub fn awaits_one(&mut self) -> bool {
        timer::any_once(self.machine())
    }

    /// Runs the timer that is due, if one is: `None` when none is, else its fuel or its error.
    pub fn run_timer(&mut self) -> Option<Result<u64, String>> {
        // SAFETY: the region is this environment's own.
        let timed = unsafe { env::run_timer(self.region) };
        match (timed.status, timed.ran) {
            (Status::Ok, 0) => None,
            (Status::Ok, _) => Some(Ok(timed.fuel)),
            _ => Some(Err(self.last_error())),
        }
    }

    /// Lets time pass until `until`, in no time: each timer that becomes due meanwhile runs at its own
    /// moment, in order. Gives the errors. The thread's clock stands at `until` afterwards.
    pub fn advance_to(&mut self, until: u64) -> Vec<String> {
        let mut errors = Vec::new();
        while let Some(due) = self.next_timer().filter(|due| *due <= until) {
            set_clock(Some(due.max(now_ms())));
            match self.run_timer() {
                Some(Ok(_)) => {}
                Some(Err(error)) => errors.push(error),
                None => break,
            }
        }
        set_clock(Some(until));
        errors
    }

    /// The last error with its traceback.
    pub fn last_error(&self) -> String {
        // SAFETY: the region is this environment's own.
        String::from_utf8_lossy(unsafe { env::last_error(self.region) }).into_owned()
    }

    /// The text of a reason that came in a result (`reason - 1`).
    pub fn reason(&self, number: u32) -> String {
        // SAFETY: the region is this environment's own.
        String::from_utf8_lossy(unsafe { env::reason(self.region, number) }).into_owned()
    }

    /// How much memory is in use.
    pub fn usage(&self) -> Usage {
        // SAFETY: the region is this environment's own.
        unsafe { env::usage(self.region) }
    }

    /// Bytes of the region.
    pub fn region_bytes(&self) -> usize {
        self.mapping.size
    }
}

/// Plain Lua, as the `lua` command runs it.
pub mod plain {
    use super::{Chunk, Environment, Print, Settings, String, Vec, check_plain, now_ms, set_clock};

    /// How to run.
    pub struct Options {
        /// Bytes of live memory that are guaranteed.
        pub memory: u64,
        /// Fuel; 0 is none to speak of a limit.
        pub fuel: u64,
        /// Where `print` goes.
        pub print: Print,
        /// What stands before the script on the command line: `arg[-1]` is the last of it.
        pub before: Vec<&'static [u8]>,
        /// Texts that run before it, one after the other.
        pub first: Vec<Vec<u8>>,
    }

    /// Runs a program with its arguments: the table `arg` and the `...` of the main chunk.
    /// `script` becomes `arg[0]`.
    ///
    /// # Errors
    ///
    /// What is wrong with the source, or the message of the error with a traceback.
    pub fn run(
        chunks: &[Chunk],
        script: &str,
        args: &[&[u8]],
        settings: Options,
    ) -> Result<(), Vec<u8>> {
        let program = check_plain(chunks).map_err(|d| d.bytes().to_vec())?;
        let fuel = if settings.fuel == 0 {
            u64::MAX / 4
        } else {
            settings.fuel
        };
        let mut env = Environment::prepare(
            program,
            Settings {
                memory: settings.memory,
                load_fuel: fuel,
                packet_fuel: fuel,
                print: settings.print,
                ..Settings::default()
            },
        )
        .map_err(String::into_bytes)?;
        let line = crate::plain::CommandLine {
            before: &settings.before,
            first: &settings.first,
            script: script.as_bytes(),
            args,
        };
        let ended = crate::plain::run(env.machine(), &line)
            .and_then(|()| run_timers(&mut env).map_err(String::into_bytes));
        env.machine().finish();
        ended
    }

    /// The timers that the program left behind run in order, each as if its time had come. One that
    /// comes again and again does so for as long as one waits that runs once.
    fn run_timers(env: &mut Environment) -> Result<(), String> {
        let mut outcome = Ok(());
        while env.awaits_one() && outcome.is_ok() {
            let Some(due) = env.next_timer() else { break };
            set_clock(Some(due.max(now_ms())));
            outcome = env.run_timer().map_or(Ok(()), |ran| ran.map(|_| ()));
        }
        set_clock(None);
        outcome
    }
}
