// SPDX-License-Identifier: GPL-2.0-only
//! The corpus as a test: each input that was worth keeping goes once through its target.
#![allow(missing_docs)]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use packetscript_fuzz::{TARGETS, target};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Runs a target on all of its corpus, of which there must be some.
fn keeps(name: &str) {
    let target = target(name).expect("a target");
    let mut count = 0;
    for entry in fs::read_dir(corpus().join(name)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let input = fs::read(&path).expect("a file");
        assert!(
            input.len() <= target.longest,
            "{} is too long",
            path.display()
        );
        let ended = catch_unwind(|| (target.run)(&input));
        assert!(
            ended.is_ok(),
            "cargo xtask fuzz {name} --replay {}",
            path.display()
        );
        count += 1;
    }
    assert!(count > 3, "{count} inputs for {name}");
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { keeps(stringify!($name)); })*

        #[test]
        fn every_target_is_here() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here.map(Some).to_vec(), TARGETS.iter().map(|t| Some(t.name)).collect::<Vec<_>>());
            for entry in fs::read_dir(corpus()).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                assert!(here.iter().any(|target| name == *target), "{name:?} is no target");
            }
        }
    };
}

targets! {
    compiler vm image patterns format pack number utf8 dns tls http tftp hello store packet define border
    capture
}
