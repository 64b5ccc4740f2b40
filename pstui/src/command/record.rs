// SPDX-License-Identifier: GPL-2.0-only
//! `pstui record`: what the kernel shows, once a second, into a file.

use super::say;
use crate::cli;
use crate::error::{Error, Result};
use crate::source::recording::Recorder;
use crate::source::{Live, Source as _};
use packetscript_abi::border::{PROC_HOOKS, PROC_RULES, PROC_SCRIPTS};
use packetscript_abi::proc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Records until the time is over; each moment is complete in the file when the next begins, so
/// that an interrupted recording is a whole one.
pub fn run(args: &cli::Record) -> Result<()> {
    let mut live = Live::new(false);
    // Says what is wrong before the file is there.
    live.snapshot()?;
    let failed = |why: std::io::Error| Error::file(&args.file, &why);
    let file = std::fs::File::create(&args.file).map_err(failed)?;
    let mut recorder =
        Recorder::new(std::io::BufWriter::new(file), &live.about()).map_err(failed)?;
    let folder = proc::directory();
    let mut moments = 0;
    loop {
        for script in live.snapshot()?.scripts {
            if recorder.wants(&script.name, &script.hash) {
                // One that was unloaded in between has no text any more.
                if let Ok(text) = live.text(&script.name, &script.hash) {
                    recorder.text(&text).map_err(failed)?;
                }
            }
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let files = [PROC_HOOKS, PROC_SCRIPTS, PROC_RULES]
            .iter()
            .map(|name| proc::read(&folder.join(name)))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        recorder.moment(now, &files).map_err(failed)?;
        moments += 1;
        if args.seconds.is_some_and(|seconds| moments > seconds) {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    say(&format!("{moments} moments in {}", args.file.display()))
}
