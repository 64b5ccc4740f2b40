// SPDX-License-Identifier: GPL-2.0-only
//! Text to tokens.

use crate::bytecode::arena::Full;
use crate::number::{self, Number};

/// Where the contents of names and strings go.
pub trait Strings {
    /// Where the next string begins.
    fn begin(&self) -> usize;
    /// Appends a byte.
    fn byte(&mut self, byte: u8) -> Result<(), Full>;
    /// Makes what was appended since `begin` a string; answers its number.
    fn end(&mut self, begin: usize) -> Result<u32, Full>;
    /// The number of a whole string.
    fn whole(&mut self, text: &[u8]) -> Result<u32, Full>;
}

/// Declares the tokens that always look the same, with their text.
macro_rules! tokens {
    ($($name:ident $text:literal,)*) => {
        /// A token.
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub enum Token {
            $(#[doc = $text] $name,)*
            /// End of the text.
            Eof,
            /// A name.
            Name(u32),
            /// A string.
            Str(u32),
            /// An integer.
            Int(i64),
            /// A float.
            Float(f64),
            /// A byte that begins no token.
            Byte(u8),
        }

        impl Token {
            /// How messages write it, without quotes; names and literals by their kind.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Token::$name => $text,)*
                    Token::Eof => "<eof>",
                    Token::Name(_) => "<name>",
                    Token::Str(_) => "<string>",
                    Token::Int(_) => "<integer>",
                    Token::Float(_) => "<number>",
                    Token::Byte(_) => "<byte>",
                }
            }

            /// The keyword or operator that is written so.
            fn fixed(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() { return Some(Token::$name); })*
                None
            }
        }
    };
}

tokens! {
    And "and", Break "break", Do "do", Else "else", ElseIf "elseif", End "end", False "false",
    For "for", Function "function", Goto "goto", If "if", In "in", Local "local", Nil "nil",
    Not "not", Or "or", Repeat "repeat", Return "return", Then "then", True "true",
    Until "until", While "while",
    Plus "+", Minus "-", Star "*", Slash "/", Percent "%", Caret "^", Hash "#", Ampersand "&",
    Tilde "~", Bar "|", Less "<", Greater ">", Assign "=", OpenParen "(", CloseParen ")",
    OpenBrace "{", CloseBrace "}", OpenBracket "[", CloseBracket "]", Semicolon ";", Colon ":",
    Comma ",", Dot ".", DoubleSlash "//", Concat "..", Dots "...", Equal "==", NotEqual "~=",
    LessEqual "<=", GreaterEqual ">=", ShiftLeft "<<", ShiftRight ">>", DoubleColon "::",
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug)]
pub enum LexError {
    /// The workspace is too small.
    Full,
    /// A message, with the piece of text that it is `near` to.
    Near(&'static str, (usize, usize)),
    /// A message about a string, near to its first byte, its contents so far and the piece of text at
    /// which it goes wrong.
    InString(&'static str, usize, (usize, usize)),
    /// A message that ends in the line where something began, at the end of the text.
    Unfinished(&'static str, u32),
    /// Too many lines.
    Lines,
}

impl From<Full> for LexError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// Reads tokens from a text.
#[derive(Clone, Copy)]
pub struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    /// Line of the reading point.
    pub line: u32,
    /// Where the last token begins.
    pub start: usize,
}

const fn is_newline(c: u8) -> bool {
    matches!(c, b'\n' | b'\r')
}

const fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

impl<'t> Lexer<'t> {
    /// Begins at the text's first byte.
    pub fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            start: 0,
        }
    }

    /// Passes what only files begin with: a byte order mark and a first line that begins with `#`.
    pub fn skip_preamble(&mut self) {
        if self.text.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        if self.peek() == Some(b'#') {
            while self.peek().is_some_and(|c| c != b'\n') {
                self.advance();
            }
        }
    }

    /// Where the last token ends.
    pub fn end(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at.wrapping_add(ahead)).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// Passes a byte if it is this one.
    fn take(&mut self, c: u8) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.advance();
        }
        there
    }

    /// A piece of text from a point to here, for messages.
    pub fn piece(&self, (start, end): (usize, usize)) -> &'t [u8] {
        self.text
            .get(start..end.min(self.text.len()))
            .unwrap_or(&[])
    }

    fn near(&self, message: &'static str) -> LexError {
        LexError::Near(message, (self.start, self.at))
    }

    /// Passes a newline in any of its four forms.
    fn newline(&mut self) -> Result<(), LexError> {
        let first = self.peek();
        self.advance();
        if self.peek().is_some_and(is_newline) && self.peek() != first {
            self.advance();
        }
        self.line = self.line.wrapping_add(1);
        if self.line >= i32::MAX as u32 {
            Err(LexError::Lines)
        } else {
            Ok(())
        }
    }

    /// The next token.
    pub fn next<S: Strings>(&mut self, strings: &mut S) -> Result<Token, LexError> {
        loop {
            self.start = self.at;
            let Some(c) = self.peek() else {
                return Ok(Token::Eof);
            };
            match c {
                b'\n' | b'\r' => self.newline()?,
                b' ' | b'\t' | 0x0b | 0x0c => self.advance(),
                b'-' if self.peek_at(1) == Some(b'-') => self.comment()?,
                b'[' if matches!(self.peek_at(1), Some(b'[' | b'=')) => {
                    self.advance();
                    let level = self.level();
                    if !self.take(b'[') {
                        if level == 0 {
                            return Ok(Token::OpenBracket);
                        }
                        return Err(self.near("invalid long string delimiter"));
                    }
                    let begin = strings.begin();
                    self.long(level, "string", |c| strings.byte(c))?;
                    return Ok(Token::Str(strings.end(begin)?));
                }
                b'"' | b'\'' => return self.string(c, strings),
                b'0'..=b'9' => return self.number(),
                b'.' if self.peek_at(1).is_some_and(|c| c.is_ascii_digit()) => {
                    return self.number();
                }
                _ if is_name(c) => {
                    while self.peek().is_some_and(is_name) {
                        self.advance();
                    }
                    let text = self.piece((self.start, self.at));
                    return match Token::fixed(text) {
                        Some(keyword) => Ok(keyword),
                        None => Ok(Token::Name(strings.whole(text)?)),
                    };
                }
                _ => return Ok(self.operator()),
            }
        }
    }

    /// The longest operator here, or a byte that is none.
    fn operator(&mut self) -> Token {
        for len in [3, 2, 1] {
            let end = self.start.wrapping_add(len);
            if let Some(token) = self.text.get(self.start..end).and_then(Token::fixed) {
                self.at = end;
                return token;
            }
        }
        let byte = self.peek().unwrap_or(0);
        self.advance();
        Token::Byte(byte)
    }

    fn comment(&mut self) -> Result<(), LexError> {
        self.advance();
        self.advance();
        if self.peek() == Some(b'[') {
            let back = self.at;
            self.advance();
            let level = self.level();
            if self.take(b'[') {
                return self.long(level, "comment", |_| Ok(()));
            }
            self.at = back;
        }
        while self.peek().is_some_and(|c| !is_newline(c)) {
            self.advance();
        }
        Ok(())
    }

    /// Passes the `=` of a long bracket and counts them.
    fn level(&mut self) -> usize {
        let from = self.at;
        while self.take(b'=') {}
        self.at.wrapping_sub(from)
    }

    /// The contents of a long bracket, behind its second `[`.
    fn long(
        &mut self,
        level: usize,
        what: &'static str,
        mut byte: impl FnMut(u8) -> Result<(), Full>,
    ) -> Result<(), LexError> {
        let line = self.line;
        if self.peek().is_some_and(is_newline) {
            self.newline()?;
        }
        loop {
            match self.peek() {
                None => {
                    return Err(LexError::Unfinished(what, line));
                }
                Some(b']') => {
                    let from = self.at;
                    self.advance();
                    if self.level() == level && self.take(b']') {
                        return Ok(());
                    }
                    // A second ']' may begin the real end.
                    for i in from..self.at {
                        byte(self.text.get(i).copied().unwrap_or(b']'))?;
                    }
                }
                Some(c) if is_newline(c) => {
                    self.newline()?;
                    byte(b'\n')?;
                }
                Some(c) => {
                    self.advance();
                    byte(c)?;
                }
            }
        }
    }

    fn number(&mut self) -> Result<Token, LexError> {
        let _ = self.take(b'.');
        let first = self.peek();
        self.advance();
        let mut exponent = [b'e', b'E'];
        if first == Some(b'0') && (self.take(b'x') || self.take(b'X')) {
            exponent = [b'p', b'P'];
        }
        while let Some(c) = self.peek() {
            if exponent.contains(&c) {
                self.advance();
                let _ = self.take(b'-') || self.take(b'+');
            } else if c.is_ascii_hexdigit() || c == b'.' {
                self.advance();
            } else {
                break;
            }
        }
        if self.peek().is_some_and(is_name) {
            self.advance();
            return Err(self.near("malformed number"));
        }
        match number::parse(self.piece((self.start, self.at))) {
            Some(Number::Int(i)) => Ok(Token::Int(i)),
            Some(Number::Float(f)) => Ok(Token::Float(f)),
            None => Err(self.near("malformed number")),
        }
    }

    fn string<S: Strings>(&mut self, quote: u8, strings: &mut S) -> Result<Token, LexError> {
        let begin = strings.begin();
        self.advance();
        loop {
            match self.peek() {
                None => {
                    return Err(LexError::Near("unfinished string", (self.at, self.at)));
                }
                Some(b'\n' | b'\r') => {
                    return Err(LexError::InString(
                        "unfinished string",
                        begin,
                        (self.at, self.at),
                    ));
                }
                Some(b'\\') => {
                    let from = self.at;
                    self.escape(strings).map_err(|error| match error {
                        LexError::Near(message, _) => {
                            LexError::InString(message, begin, (from, self.at))
                        }
                        other => other,
                    })?;
                }
                Some(c) => {
                    self.advance();
                    if c == quote {
                        return Ok(Token::Str(strings.end(begin)?));
                    }
                    strings.byte(c)?;
                }
            }
        }
    }

    /// An escape is wrong at the byte at hand, which the message shows too.
    fn bad_escape(&mut self, message: &'static str) -> LexError {
        if self.peek().is_some() {
            self.advance();
        }
        self.near(message)
    }

    fn hex_digit(&mut self) -> Result<u32, LexError> {
        match self.peek().and_then(|c| (c as char).to_digit(16)) {
            Some(digit) => {
                self.advance();
                Ok(digit)
            }
            None => Err(self.bad_escape("hexadecimal digit expected")),
        }
    }

    fn escape<S: Strings>(&mut self, strings: &mut S) -> Result<(), LexError> {
        self.advance();
        let Some(c) = self.peek() else {
            return Ok(());
        };
        let plain = match c {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'"' | b'\'' => c,
            b'\n' | b'\r' => {
                self.newline()?;
                return Ok(strings.byte(b'\n')?);
            }
            b'x' => {
                self.advance();
                let high = self.hex_digit()?;
                let low = self.hex_digit()?;
                return Ok(strings.byte((high << 4 | low) as u8)?);
            }
            b'z' => {
                self.advance();
                while let Some(c) = self.peek() {
                    if is_newline(c) {
                        self.newline()?;
                    } else if number::parse::is_space(c) {
                        self.advance();
                    } else {
                        break;
                    }
                }
                return Ok(());
            }
            b'u' => return self.unicode(strings),
            b'0'..=b'9' => {
                let mut code = 0u32;
                for _ in 0..3 {
                    let Some(digit) = self.peek().and_then(|c| (c as char).to_digit(10)) else {
                        break;
                    };
                    self.advance();
                    code = code.wrapping_mul(10).wrapping_add(digit);
                }
                let Ok(code) = u8::try_from(code) else {
                    return Err(self.bad_escape("decimal escape too large"));
                };
                return Ok(strings.byte(code)?);
            }
            _ => return Err(self.bad_escape("invalid escape sequence")),
        };
        self.advance();
        Ok(strings.byte(plain)?)
    }

    /// `\u{…}`: up to 2^31, in UTF-8 as it was once defined.
    fn unicode<S: Strings>(&mut self, strings: &mut S) -> Result<(), LexError> {
        self.advance();
        if !self.take(b'{') {
            return Err(self.bad_escape("missing '{'"));
        }
        let mut code = self.hex_digit()?;
        while self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
            if code >= 1 << 27 {
                return Err(self.bad_escape("UTF-8 value too large"));
            }
            code = code << 4 | self.hex_digit()?;
        }
        if !self.take(b'}') {
            return Err(self.bad_escape("missing '}'"));
        }
        if code < 0x80 {
            return Ok(strings.byte(code as u8)?);
        }
        // So many continuation bytes of six bits; the first byte holds the rest.
        let mut continuations = 1u32;
        while code >> continuations.wrapping_mul(5).wrapping_add(6) != 0 && continuations < 5 {
            continuations = continuations.wrapping_add(1);
        }
        let mark = !(0xffu32 >> continuations.wrapping_add(1));
        strings.byte((mark | code >> continuations.wrapping_mul(6)) as u8)?;
        while let Some(left) = continuations.checked_sub(1) {
            continuations = left;
            strings.byte((0x80 | code >> left.wrapping_mul(6) & 0x3f) as u8)?;
        }
        Ok(())
    }
}
