// SPDX-License-Identifier: GPL-2.0-only
//! Environments that an input decides all about: nothing of them is random.

use std::cell::RefCell;
use std::rc::Rc;

use packetscript_engine::compiler::{self, Chunk, Diagnostic, Options};
use packetscript_engine::host::Status;
use packetscript_engine::host::user::UserPacket;
use packetscript_engine::user::{Environment, Outcome, Program, Settings};
use packetscript_engine::value::Value;
use packetscript_engine::vm::error::Raise;

/// How a source is compiled here: always with the same keys.
pub const fn options(packet: bool) -> Options {
    Options {
        packet,
        file: true,
        shared: false,
        seed: 7,
    }
}

/// Memory for a compiler, aligned as it likes it.
pub struct Workspace(Vec<u64>);

impl Workspace {
    /// About so many bytes.
    pub fn of(bytes: usize) -> Self {
        Self(vec![0; bytes.div_ceil(8)])
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the bytes of a vector of words, borrowed as long as it is.
        unsafe {
            std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len().wrapping_mul(8))
        }
    }
}

/// The image of a source.
///
/// # Errors
///
/// What is wrong with the source.
pub fn compile(source: &[u8], options: Options) -> Result<Vec<u8>, Diagnostic> {
    let mut workspace = Workspace::of(compiler::workspace_size(source.len()));
    let chunk = Chunk {
        name: b"fuzz",
        text: source,
    };
    compiler::compile(&[chunk], options, workspace.bytes()).map(<[u8]>::to_vec)
}

/// The limits of an environment.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes of live memory.
    pub memory: u64,
    /// Fuel of the top level, and of each call.
    pub fuel: u64,
    /// Whether everything is collected at every safe point.
    pub stress: bool,
}

/// Enough for scripts of this crate's own.
pub const AMPLE: Limits = Limits {
    memory: 128 << 10,
    fuel: 2_000_000,
    stress: false,
};

/// An environment and what it printed.
pub struct Machine {
    environment: Environment,
    limits: Limits,
    printed: Rc<RefCell<Vec<u8>>>,
}

impl Machine {
    /// An environment whose top level has not run; nothing where the memory is too little for one.
    pub fn new(image: &[u8], limits: Limits) -> Option<Self> {
        let program = Program::from_image(image).ok()?;
        let printed = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&printed);
        let settings = Settings {
            memory: limits.memory,
            load_fuel: limits.fuel,
            packet_fuel: limits.fuel,
            seed: Some(*b"the same always."),
            print: Box::new(move |line| {
                sink.borrow_mut().extend_from_slice(line);
                sink.borrow_mut().push(b'\n');
            }),
            ..Settings::default()
        };
        let mut environment = Environment::prepare(program, settings).ok()?;
        environment.machine().heap.set_stress(limits.stress);
        Some(Self {
            environment,
            limits,
            printed,
        })
    }

    /// An environment of a source of this crate's own, its top level run.
    pub fn load(source: &[u8], packet: bool, limits: Limits) -> Self {
        let image = match compile(source, options(packet)) {
            Ok(image) => image,
            Err(diagnostic) => panic!("{diagnostic}\n{}", String::from_utf8_lossy(source)),
        };
        let mut machine = Self::new(&image, limits).expect("memory for an environment");
        machine.main().unwrap_or_else(|error| panic!("{error}"));
        machine
    }

    /// Runs the top level.
    ///
    /// # Errors
    ///
    /// The message with its traceback.
    pub fn main(&mut self) -> Result<(), String> {
        let machine = self.environment.machine();
        machine.fuel = self.limits.fuel.cast_signed();
        match machine.run_main() {
            Ok(()) => Ok(()),
            Err(_) => Err(self.environment.last_error()),
        }
    }

    /// Runs a function of the script on a packet; nothing if there is no such function.
    pub fn packet(&mut self, function: &str, packet: &mut UserPacket) -> Option<Outcome> {
        let handle = self.environment.bind(function).ok()?;
        let outcome = self.environment.run(handle, packet, 0);
        assert_ne!(outcome.status, Status::Poisoned, "a panic in the engine");
        Some(outcome)
    }

    /// Calls a global function with values that `arguments` makes; its first result is a string.
    /// Nothing is answered when fuel or memory ends.
    pub fn call(
        &mut self,
        function: &str,
        arguments: impl FnOnce(&mut packetscript_engine::vm::Vm) -> Result<Vec<Value>, Raise>,
    ) -> Option<Vec<u8>> {
        let machine = self.environment.machine();
        machine.fuel = self.limits.fuel.cast_signed();
        let globals = machine.globals();
        let function = machine.raw_get_str(globals, function.as_bytes());
        let arguments = arguments(machine).ok()?;
        let result = machine.call_from_host(function, &arguments, 1, |machine, first| {
            let value = machine.get(first);
            machine.bytes(value).to_vec()
        });
        match result {
            Ok(text) => Some(text),
            Err(Raise::Fuel | Raise::Memory) => None,
            Err(Raise::Error) => panic!("{}", self.environment.last_error()),
        }
    }

    /// What was printed since it was last asked for.
    pub fn printed(&mut self) -> Vec<u8> {
        self.printed.take()
    }
}
