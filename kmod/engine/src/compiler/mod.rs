// SPDX-License-Identifier: GPL-2.0-only
//! Lua source to image.
//!
//! One pass makes code as it parses ([`parse`], [`expression`], [`code`]); it runs twice over each
//! text. The first time it only learns which local variables are captured and which are assigned, so
//! that the second time knows which ones must live in boxes. When a function ends, [`finish`] threads
//! its jumps, lays its instructions out and prices its loops.
//!
//! Nothing here recurses: what the parser has still to do is on a stack of tasks in the workspace.
//!
//! * `lexer` — text to tokens
//! * the grammar: `parse` — texts and blocks; `assign`, `loops`, `functions` — statements; `expression`;
//!   `tasks` — what is still to be done
//! * what is known meanwhile: `scope` — functions and blocks; `variables` — what names mean; `labels`;
//!   `exp` — an expression whose code is not finished
//! * the code: `code` — instructions; `jumps` — lists of jumps; `fold` — arithmetic on constants;
//!   `finish` — the end of a function
//! * `diagnostic` — messages

mod assign;
mod code;
mod diagnostic;
mod exp;
mod expression;
mod finish;
mod fold;
mod functions;
mod jumps;
mod labels;
mod lexer;
mod loops;
mod parse;
mod scope;
mod tasks;
#[cfg(test)]
mod tests;
mod variables;

pub use diagnostic::{Diagnostic, Fault, chunk_id};

use crate::bytecode::arena::{Arena, Full, Vec};
use crate::bytecode::builder::Builder;
use crate::bytecode::image::{FLAG_PACKET, FLAG_SHARED, HEADER, Malformed};
use crate::bytecode::op::Inst;
use crate::bytecode::verify::{FULL, prove, verify};
use core::mem::MaybeUninit;
use diagnostic::{Message, ROOM, Text};
use exp::{Exp, Kind};
use lexer::{LexError, Lexer, Strings, Token};
use scope::{Block, ClosedLocal, Func, Goto, Label, OpenUpvalue, Var};
use tasks::Task;

/// One text of a program.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'t> {
    /// What messages call it; of a module, the name that `require` knows it by.
    pub name: &'t [u8],
    /// The source.
    pub text: &'t [u8],
}

/// How to compile.
#[derive(Clone, Copy)]
pub struct Options {
    /// The texts are packet scripts: verdicts are constants.
    pub packet: bool,
    /// The texts are files: a byte order mark and a first line with `#` are passed over.
    pub file: bool,
    /// Every captured variable lives in a box, so that `debug` finds it shared by those who share it.
    pub shared: bool,
    /// Keys the hashes of the compiler.
    pub seed: u64,
}

/// Something is wrong, and [`Compiler::fault`] says what.
#[derive(Clone, Copy, Debug)]
pub struct Stop;

type Result<T> = core::result::Result<T, Stop>;

/// Instructions of the function at hand before they are laid out.
#[derive(Clone, Copy)]
struct Open {
    inst: Inst,
    line: u32,
    /// Where it jumps to; while that is unknown, the next jump that goes to the same place.
    target: u32,
}

/// The compiler of one program.
struct Compiler<'w, 't> {
    b: &'w mut Builder<'w>,
    options: Options,
    /// The first time over a text: learn, and keep no code.
    dry: bool,
    /// What was learnt of each local variable, in the order of their declarations.
    learnt: Vec<'w, u8>,
    declared: u32,
    chunk: u32,
    // Reading.
    lexer: Lexer<'t>,
    token: Token,
    span: (usize, usize),
    ahead: Option<(Token, (usize, usize))>,
    last_line: u32,
    // The function at hand, and those around it.
    f: Func,
    funcs: Vec<'w, Func>,
    /// Instructions of the functions that are open, and how many those are: while learning, only the
    /// last one is kept.
    code: Vec<'w, Open>,
    code_len: u32,
    code_most: u32,
    vars: Vec<'w, Var>,
    closed: Vec<'w, ClosedLocal>,
    ups: Vec<'w, OpenUpvalue>,
    free_up: u32,
    blocks: Vec<'w, Block>,
    labels: Vec<'w, Label>,
    gotos: Vec<'w, Goto>,
    // Parsing.
    tasks: Vec<'w, Task>,
    targets: Vec<'w, Exp>,
    level: u32,
    e: Exp,
    count: u32,
    // Laying out.
    flags: Vec<'w, u8>,
    places: Vec<'w, u32>,
    // Names that mean something.
    env_name: u32,
    break_name: u32,
    for_name: u32,
    message: Message<'w>,
    fault: Fault,
}

impl Strings for Builder<'_> {
    fn begin(&self) -> usize {
        self.string_start()
    }
    fn byte(&mut self, byte: u8) -> core::result::Result<(), Full> {
        self.string_byte(byte)
    }
    fn end(&mut self, begin: usize) -> core::result::Result<u32, Full> {
        self.intern(begin)
    }
    fn whole(&mut self, text: &[u8]) -> core::result::Result<u32, Full> {
        self.name(text)
    }
}

/// Bytes of workspace that are enough for any program of so many bytes of source. Besides what grows
/// with the source, 200 levels of calls within calls need 80 KiB of what the parser has still to do.
pub const fn workspace_size(source: usize) -> usize {
    source.saturating_mul(96).saturating_add(96 << 10)
}

/// Bytes of workspace that ordinary programs of so many bytes of source do with. Where memory is
/// dear, try these first, and more when a diagnostic says that it ran
/// [out of memory](Diagnostic::is_out_of_memory).
pub const fn usual_workspace(source: usize) -> usize {
    source.saturating_mul(32).saturating_add(4 << 10)
}

/// Compiles a script, the first chunk, and the modules it requires into one image at the front of
/// the workspace, which should be 8-byte aligned.
#[allow(
    clippy::result_large_err,
    reason = "the message has nowhere else to be"
)]
pub fn compile<'w>(
    chunks: &[Chunk<'_>],
    options: Options,
    workspace: &'w mut [u8],
) -> core::result::Result<&'w [u8], Diagnostic> {
    match compile_within(chunks, options, workspace) {
        Ok(len) => Ok(workspace.get(..len).unwrap_or(&[])),
        Err(fault) => {
            let name = chunks.first().map_or(&b"?"[..], |chunk| chunk.name);
            Err(Diagnostic::new(fault, workspace, name))
        }
    }
}

/// [`compile`] with little stack: answers the image's length, or a fault whose words are in the
/// workspace.
pub fn compile_within(
    chunks: &[Chunk<'_>],
    options: Options,
    workspace: &mut [u8],
) -> core::result::Result<usize, Fault> {
    let len = compile_all(chunks, options, workspace)?;
    trust(len, workspace)
}

/// Verifies an image at the beginning of a workspace.
#[inline(never)]
fn trust(len: usize, workspace: &mut [u8]) -> core::result::Result<usize, Fault> {
    // What the image leaves of the workspace is room for the proof that it may run.
    let end = len.next_multiple_of(8).min(workspace.len());
    let (image, room) = workspace.split_at_mut(end);
    match verify(image.get(..len).unwrap_or(&[])).and_then(|image| prove(&image, room)) {
        Ok(()) => Ok(len),
        Err(FULL) => Err(Fault::MEMORY),
        Err(Malformed(why)) => Err(Fault::untrusted(why)),
    }
}

/// Compiles, writes the header and answers the image's length.
#[inline(never)]
fn compile_all(
    chunks: &[Chunk<'_>],
    options: Options,
    workspace: &mut [u8],
) -> core::result::Result<usize, Fault> {
    let mut header = [0; HEADER];
    compile_image(chunks, options, workspace, &mut header)?;
    let len = header
        .get(8..12)
        .and_then(|len| len.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    for (to, from) in workspace.iter_mut().zip(header) {
        *to = from;
    }
    Ok(len as usize)
}

#[inline(never)]
fn compile_image(
    chunks: &[Chunk<'_>],
    options: Options,
    workspace: &mut [u8],
    header: &mut [u8; HEADER],
) -> core::result::Result<(), Fault> {
    let full = |_: Full| Fault::MEMORY;
    let mut arena = Arena::new(workspace);
    // The message comes first, so that it is at the workspace's end.
    let message = Message::new(arena.bytes(ROOM).map_err(full)?);
    let place = arena.place().map_err(full)?;
    let b = start_builder(place, arena, options.seed).map_err(full)?;
    let place = b.arena.place().map_err(full)?;
    let c = start(place, b, options, message).map_err(full)?;
    for (i, chunk) in chunks.iter().enumerate() {
        if c.chunk(chunk, i > 0).is_err() {
            return Err(c.fault);
        }
    }
    let mut flags = 0;
    if options.packet {
        flags |= FLAG_PACKET;
    }
    if options.shared {
        flags |= FLAG_SHARED;
    }
    c.b.finish(flags, header).map_err(full)
}

#[inline(never)]
fn start_builder<'w>(
    place: &'w mut MaybeUninit<Builder<'w>>,
    arena: Arena<'w>,
    seed: u64,
) -> core::result::Result<&'w mut Builder<'w>, Full> {
    Ok(place.write(Builder::new(arena, seed, known::field_id)?))
}

#[inline(never)]
fn start<'w, 't>(
    place: &'w mut MaybeUninit<Compiler<'w, 't>>,
    b: &'w mut Builder<'w>,
    options: Options,
    message: Message<'w>,
) -> core::result::Result<&'w mut Compiler<'w, 't>, Full> {
    let env_name = b.name(b"_ENV")?;
    let break_name = b.name(b"break")?;
    let for_name = b.name(b"(for state)")?;
    Ok(place.write(Compiler {
        b,
        options,
        dry: true,
        learnt: Vec::default(),
        declared: 0,
        chunk: 0,
        lexer: Lexer::new(b""),
        token: Token::Eof,
        span: (0, 0),
        ahead: None,
        last_line: 1,
        f: Func::default(),
        funcs: Vec::default(),
        code: Vec::default(),
        code_len: 0,
        code_most: 0,
        vars: Vec::default(),
        closed: Vec::default(),
        ups: Vec::default(),
        free_up: exp::NOWHERE,
        blocks: Vec::default(),
        labels: Vec::default(),
        gotos: Vec::default(),
        tasks: Vec::default(),
        targets: Vec::default(),
        level: 0,
        e: Exp::new(Kind::Void),
        count: 0,
        flags: Vec::default(),
        places: Vec::default(),
        env_name,
        break_name,
        for_name,
        message,
        fault: Fault::MEMORY,
    }))
}

impl<'t> Compiler<'_, 't> {
    /// Compiles one text.
    fn chunk(&mut self, chunk: &Chunk<'t>, module: bool) -> Result<()> {
        let start = self.b.string_start();
        for &byte in chunk.name {
            let shown = if module && byte == b'.' { b'/' } else { byte };
            self.b.string_byte(shown).or_else(|f| self.full(f))?;
        }
        if module {
            for &byte in b".lua" {
                self.b.string_byte(byte).or_else(|f| self.full(f))?;
            }
        }
        let shown = self.b.intern(start).or_else(|f| self.full(f))?;
        self.chunk = self.b.chunk(shown).or_else(|f| self.full(f))?;
        self.learnt.truncate(0);
        self.dry = true;
        self.code_most = 0;
        self.text(chunk)?;
        self.dry = false;
        // Boxes may take a few more instructions than were counted; then the vector grows.
        let room = self.code_most as usize;
        let nothing = Open {
            inst: Inst(0),
            line: 0,
            target: 0,
        };
        self.push(|c| c.code.make_room(&mut c.b.arena, room, nothing))?;
        let main = self.text(chunk)?;
        if module {
            let name = self.b.name(chunk.name).or_else(|f| self.full(f))?;
            self.b.module(name, main).or_else(|f| self.full(f))?;
        }
        Ok(())
    }

    /// Goes over a text once; answers its main prototype.
    fn text(&mut self, chunk: &Chunk<'t>) -> Result<u32> {
        self.lexer = Lexer::new(chunk.text);
        if self.options.file {
            self.lexer.skip_preamble();
        }
        self.last_line = 1;
        self.ahead = None;
        self.declared = 0;
        self.level = 0;
        self.code.truncate(0);
        self.code_len = 0;
        self.main_function()
    }

    /// Reads the next token.
    fn next(&mut self) -> Result<()> {
        self.last_line = self.lexer.line;
        (self.token, self.span) = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.read()?,
        };
        Ok(())
    }

    /// The token behind the one at hand.
    fn look_ahead(&mut self) -> Result<Token> {
        let ahead = match self.ahead {
            Some(ahead) => ahead,
            None => self.read()?,
        };
        self.ahead = Some(ahead);
        Ok(ahead.0)
    }

    fn read(&mut self) -> Result<(Token, (usize, usize))> {
        match self.lexer.next(self.b) {
            Ok(token) => Ok((token, (self.lexer.start, self.lexer.end()))),
            Err(LexError::Full) => self.full(Full),
            Err(LexError::Lines) => self.fail(&[Text::Str("chunk has too many lines")]),
            Err(LexError::Near(message, span)) => {
                let piece = self.lexer.piece(span);
                let piece = if piece.is_empty() { b"<eof>" } else { piece };
                self.fail(&[
                    Text::Str(message),
                    Text::Str(" near "),
                    Text::Near(piece, span.0 != span.1),
                ])
            }
            Err(LexError::InString(message, begin, span)) => {
                let quote = self
                    .lexer
                    .piece((self.lexer.start, self.lexer.start.wrapping_add(1)));
                let so_far = self.b.string_since(begin);
                let is_cut = so_far.contains(&0);
                let piece = if is_cut { &[] } else { self.lexer.piece(span) };
                let fault = self.diagnose(&[
                    Text::Str(message),
                    Text::Str(" near '"),
                    Text::Bytes(quote),
                    Text::Near(so_far, false),
                    Text::Near(piece, false),
                    Text::Str("'"),
                ]);
                self.raise(fault)
            }
            Err(LexError::Unfinished(what, line)) => self.fail(&[
                Text::Str("unfinished long "),
                Text::Str(what),
                Text::Str(" (starting at line "),
                Text::Number(line),
                Text::Str(") near <eof>"),
            ]),
        }
    }

    /// The workspace is too small.
    fn full<T>(&mut self, _: Full) -> Result<T> {
        self.fault = Fault::MEMORY;
        Err(Stop)
    }

    /// Does something that may need more of the workspace than there is.
    fn push<T>(
        &mut self,
        what: impl FnOnce(&mut Self) -> core::result::Result<T, Full>,
    ) -> Result<T> {
        let done = what(self);
        done.or_else(|full| self.full(full))
    }

    /// A message about the reading point.
    #[inline(never)]
    fn diagnose(&self, message: &[Text<'_>]) -> Fault {
        self.message
            .begin(self.b.chunk_name(self.chunk), self.lexer.line, message);
        self.message.fault(self.chunk, self.lexer.line)
    }

    /// Stops with a message.
    fn raise<T>(&mut self, fault: Fault) -> Result<T> {
        self.fault = fault;
        Err(Stop)
    }

    /// An error at the reading point.
    fn fail<T>(&mut self, message: &[Text<'_>]) -> Result<T> {
        let fault = self.diagnose(message);
        self.raise(fault)
    }

    /// An error at the token at hand.
    fn fail_near<T>(&mut self, message: &[Text<'_>]) -> Result<T> {
        self.diagnose(message);
        let piece = self.lexer.piece(self.span);
        match self.token {
            Token::Eof => self.message.push(&[Text::Str(" near <eof>")]),
            // PUC takes its token 0 for none.
            Token::Byte(0) => {}
            Token::Str(contents) => self.near_string(piece, self.b.text(contents)),
            Token::Byte(byte) if !(0x20..0x7f).contains(&byte) => self.message.push(&[
                Text::Str(" near '<\\"),
                Text::Number(u32::from(byte)),
                Text::Str(">'"),
            ]),
            _ => self
                .message
                .push(&[Text::Str(" near "), Text::Near(piece, true)]),
        }
        let fault = self.message.fault(self.chunk, self.lexer.line);
        self.raise(fault)
    }

    /// A string is shown with what its escapes mean, between the quotes or brackets of its `piece` of the
    /// text.
    fn near_string(&self, piece: &[u8], contents: &[u8]) {
        let bracket = piece.iter().skip(1).position(|&byte| byte == b'[');
        let quote = match bracket {
            Some(at) if piece.first() == Some(&b'[') => at.wrapping_add(2),
            _ => 1,
        };
        let end = piece.len().wrapping_sub(quote);
        let close = if contents.contains(&0) {
            &[]
        } else {
            piece.get(end..).unwrap_or(&[])
        };
        self.message.push(&[
            Text::Str(" near '"),
            Text::Bytes(piece.get(..quote).unwrap_or(&[])),
            Text::Near(contents, false),
            Text::Bytes(close),
            Text::Str("'"),
        ]);
    }
}

/// What the packet part knows of names.
mod known {
    use crate::packet::verdict::CONSTANTS;
    pub use crate::packet::{field_id, path_id};

    /// The payload of the verdict of that name.
    pub fn verdict(name: &[u8]) -> Option<u64> {
        let known = CONSTANTS
            .iter()
            .find(|known| known.name.as_bytes() == name)?;
        Some(known.verdict as u64)
    }

    /// The name of the verdict of that payload.
    pub fn verdict_name(payload: u64) -> &'static [u8] {
        let known = CONSTANTS
            .iter()
            .find(|known| known.verdict as u64 == payload);
        known.map_or(b"?", |known| known.name.as_bytes())
    }
}

/// The names that a text requires by a literal (`require "name"`), each with its line. A text that
/// cannot be read as Lua ends the search; compiling it tells why.
pub fn requires(text: &[u8], file: bool, mut found: impl FnMut(&[u8], u32)) {
    let mut lexer = Lexer::new(text);
    if file {
        lexer.skip_preamble();
    }
    let mut sink = Short {
        bytes: [0; 256],
        len: 0,
    };
    // 0: anything; 1: `require`; 2: `require (`; 9: behind `.` or `:`, where a name is a field.
    let mut state = 0;
    while let Ok(token) = lexer.next(&mut sink) {
        state = match (state, token) {
            (_, Token::Eof) => return,
            (9, _) => 0,
            (_, Token::Dot | Token::Colon) => 9,
            (_, Token::Name(_)) if lexer.piece((lexer.start, lexer.end())) == b"require" => 1,
            (1, Token::OpenParen) => 2,
            (1 | 2, Token::Str(len)) => {
                if let Some(name) = sink.bytes.get(..len as usize) {
                    found(name, lexer.line);
                }
                0
            }
            _ => 0,
        };
    }
}

/// Holds the last string that was read; a string's number is its length.
struct Short {
    bytes: [u8; 256],
    len: usize,
}

impl Strings for Short {
    fn begin(&self) -> usize {
        0
    }
    fn byte(&mut self, byte: u8) -> core::result::Result<(), Full> {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
        Ok(())
    }
    fn end(&mut self, _: usize) -> core::result::Result<u32, Full> {
        Ok(core::mem::take(&mut self.len) as u32)
    }
    fn whole(&mut self, _: &[u8]) -> core::result::Result<u32, Full> {
        Ok(0)
    }
}
