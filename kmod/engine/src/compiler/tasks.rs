// SPDX-License-Identifier: GPL-2.0-only
//! What the parser has still to do.
//!
//! A rule of the grammar that contains another one pushes the rest of itself as a task, then the
//! inner rule's task, and returns: the source nests on this stack, never on the machine's. An
//! expression leaves its result in `e`, a list of expressions its length in `count` too.

use super::diagnostic::Text;
use super::exp::{Binary, Exp, Unary};
use super::{Compiler, Result};

/// How deep the source may nest.
const MAX_LEVEL: u32 = 197;

/// A table constructor in progress.
#[derive(Clone, Copy)]
pub(super) struct Constructor {
    pub pc: u32,
    pub table: u8,
    pub line: u32,
    /// Array items that are in the table.
    pub stored: u32,
    /// Array items that wait in registers, the one in `e` included.
    pub waiting: u16,
    pub fields: u32,
    /// Whether `e` is an array item that has no register yet.
    pub item: bool,
}

/// A `for` loop whose body is being parsed.
#[derive(Clone, Copy)]
pub(super) struct ForLoop {
    pub base: u8,
    pub line: u32,
    /// The line that calls of the iterator belong to.
    pub call: u32,
    pub prepare: u32,
    /// Variables of a generic loop; 0 for a numeric one.
    pub generic: u16,
}

/// The rest of a rule.
#[derive(Clone, Copy)]
pub(super) enum Task {
    // Statements.
    Statements,
    EndStatement,
    EndText,
    EndIf {
        escape: u32,
        line: u32,
    },
    Then {
        escape: u32,
        line: u32,
    },
    Else {
        escape: u32,
        otherwise: u32,
        line: u32,
    },
    EndDo {
        line: u32,
    },
    WhileDo {
        start: u32,
        line: u32,
    },
    EndWhile {
        start: u32,
        exit: u32,
        line: u32,
    },
    Until {
        start: u32,
        line: u32,
    },
    EndRepeat {
        start: u32,
    },
    ForStart {
        base: u8,
        line: u32,
    },
    ForLimit {
        base: u8,
        line: u32,
    },
    ForStep {
        base: u8,
        line: u32,
    },
    ForIn {
        base: u8,
        variables: u16,
        line: u32,
        call: u32,
    },
    EndFor(ForLoop),
    Labels,
    EndLabel {
        name: u32,
        line: u32,
    },
    EndLocal {
        variables: u32,
        close: u32,
    },
    EndLocalFunction {
        variable: u32,
    },
    EndFunctionStatement {
        target: Exp,
        line: u32,
    },
    ExpressionStatement,
    Target {
        count: u32,
    },
    EndAssignment {
        count: u32,
    },
    EndReturn,
    // Functions.
    EndFunction {
        line: u32,
    },
    // Expressions.
    Expression {
        power: u8,
    },
    Operators {
        power: u8,
    },
    EndUnary {
        op: Unary,
        line: u32,
    },
    EndBinary {
        op: Binary,
        left: Exp,
        line: u32,
    },
    ListMore {
        count: u32,
    },
    EndParenthesis {
        line: u32,
    },
    Suffixes,
    EndIndex {
        table: Exp,
    },
    EndArguments {
        line: u32,
        open: u32,
        base: u8,
    },
    TableItems(Constructor),
    EndKey {
        constructor: Constructor,
        free: u16,
    },
    EndField {
        constructor: Constructor,
        target: Exp,
        free: u16,
    },
}

impl Compiler<'_, '_> {
    /// Something is to be done after what is pushed later.
    pub(super) fn todo(&mut self, task: Task) -> Result<()> {
        self.push(|c| c.tasks.push(&mut c.b.arena, task))
    }

    /// One level deeper.
    pub(super) fn enter_level(&mut self) -> Result<()> {
        self.level = self.level.wrapping_add(1);
        if self.level > MAX_LEVEL {
            return self.fail_near(&[Text::Str("C stack overflow")]);
        }
        Ok(())
    }

    pub(super) fn leave_level(&mut self) {
        self.level = self.level.wrapping_sub(1);
    }

    /// Does what is to be done until nothing is left.
    pub(super) fn run(&mut self) -> Result<()> {
        self.tasks.truncate(0);
        self.targets.truncate(0);
        self.todo(Task::EndText)?;
        self.todo(Task::Statements)?;
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Statements => self.statements()?,
                Task::EndStatement => self.end_statement(),
                Task::EndText => self.end_text()?,
                Task::EndIf { escape, line } => self.end_if(escape, line)?,
                Task::Then { escape, line } => self.then(escape, line)?,
                Task::Else {
                    escape,
                    otherwise,
                    line,
                } => self.end_else(escape, otherwise, line)?,
                Task::EndDo { line } => self.end_do(line)?,
                Task::WhileDo { start, line } => self.while_do(start, line)?,
                Task::EndWhile { start, exit, line } => self.end_while(start, exit, line)?,
                Task::Until { start, line } => self.until(start, line)?,
                Task::EndRepeat { start } => self.end_repeat(start)?,
                Task::ForStart { base, line } => self.for_start(base, line)?,
                Task::ForLimit { base, line } => self.for_limit(base, line)?,
                Task::ForStep { base, line } => self.for_step(base, line)?,
                Task::ForIn {
                    base,
                    variables,
                    line,
                    call,
                } => {
                    self.for_in(base, variables, line, call)?;
                }
                Task::EndFor(this) => self.end_for(this)?,
                Task::Labels => self.labels()?,
                Task::EndLabel { name, line } => self.end_label(name, line)?,
                Task::EndLocal { variables, close } => self.end_local(variables, close)?,
                Task::EndLocalFunction { variable } => self.end_local_function(variable)?,
                Task::EndFunctionStatement { target, line } => {
                    self.end_function_statement(&target, line)?;
                }
                Task::ExpressionStatement => self.expression_statement()?,
                Task::Target { count } => self.target(count)?,
                Task::EndAssignment { count } => self.end_assignment(count)?,
                Task::EndReturn => self.end_return()?,
                Task::EndFunction { line } => self.end_function(line)?,
                Task::Expression { power } => self.expression(power)?,
                Task::Operators { power } => self.operators(power)?,
                Task::EndUnary { op, line } => self.end_unary(op, line)?,
                Task::EndBinary { op, left, line } => self.end_binary(op, left, line)?,
                Task::ListMore { count } => self.list_more(count)?,
                Task::EndParenthesis { line } => self.end_parenthesis(line)?,
                Task::Suffixes => self.suffixes()?,
                Task::EndIndex { table } => self.end_index(table)?,
                Task::EndArguments { line, open, base } => self.end_arguments(line, open, base)?,
                Task::TableItems(constructor) => self.table_items(constructor)?,
                Task::EndKey { constructor, free } => self.end_key(constructor, free)?,
                Task::EndField {
                    constructor,
                    target,
                    free,
                } => {
                    self.end_field(constructor, &target, free)?;
                }
            }
        }
        Ok(())
    }
}
