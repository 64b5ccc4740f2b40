// SPDX-License-Identifier: GPL-2.0-only
//! `cargo xtask demo`: everything installed, real packets, the console over them.

use std::fs;
use std::process::ExitCode;

use anyhow::Result;

use crate::machine::Shape;
use crate::suite::Suite;
use crate::vm::{self, Products};
use crate::{progress, tools};

/// What the demonstration consists of, below tests/.
const FILES: [(&str, &str); 2] = [("demo/run", "run"), ("e2e/lib.sh", "lib.sh")];

/// Boots `suite` and runs the demonstration in it, on our terminal if we have one.
pub fn run(suite: &str, products: Products<'_>) -> Result<ExitCode> {
    let suite = Suite::by_name(suite)?;
    let share = tempfile::tempdir()?;
    for (from, to) in FILES {
        fs::copy(
            tools::workspace().join("tests").join(from),
            share.path().join(to),
        )?;
    }
    progress::note("the first time, this builds everything and takes about 10 minutes");
    vm::run(&vm::Request {
        suite: &suite,
        products,
        shape: Shape::default(),
        share: Some(share.path()),
        timeout: None,
        command: &["/share/run".to_owned()],
    })
}
