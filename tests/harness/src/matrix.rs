// SPDX-License-Identifier: GPL-2.0-only
//! The end-to-end cases in one suite: one machine, both back ends of iptables.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::check::{Counts, Prefixed};
use crate::dist::Packages;
use crate::machine::{Machine, Shape};
use crate::session::{self, Input, Job, Outcome};
use crate::suite::Suite;
use crate::{tools, vm};

/// All cases take about 3 minutes on an idle machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Boots the suite with the packages and runs every case.
pub fn run(name: &str, packages: &Packages) -> Result<Counts> {
    let suite = Suite::by_name(name)?;
    let boot = vm::boot_files_with(&suite, packages)?;
    let mut machine = Machine::boot(&boot, Shape::default())?;
    let job = Job {
        arguments: vec!["/share/run".into()],
        share: Some(&tools::workspace().join("tests/e2e")),
        input: Input::Nothing,
        timeout: Some(LIMIT),
    };
    let mut out = Prefixed::new(name);
    let mut err = Prefixed::new(name);
    let outcome = session::run(&mut machine, job, &mut out, &mut err)?;
    let counts = count(name, &out.whole);
    match outcome {
        Outcome::TimedOut => bail!("the cases did not end in time\n{}", machine.log_tail()),
        // Without its last line the runner did not get to its end.
        Outcome::Exited(status) if (status == 0) != counts.failed.is_empty() => {
            bail!(
                "the runner ended with status {status} after {} cases",
                counts.passed
            )
        }
        Outcome::Exited(_) if counts.passed + counts.failed.len() == 0 => bail!("no case ran"),
        Outcome::Exited(_) => Ok(counts),
    }
}

/// Reads the runner's `ok CASE (…)` and `FAILED CASE (…)`.
fn count(suite: &str, said: &str) -> Counts {
    let mut counts = Counts::default();
    for line in said.lines() {
        if line.starts_with("ok ") {
            counts.passed += 1;
        } else if let Some(case) = line.strip_prefix("FAILED ") {
            counts.failed.push(format!("{suite}: {case}"));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn cases_are_counted() {
        let said = "ok a (nft, 12 ms)\nFAILED b (legacy, 3 ms)\n    | ok not this\nresult: …\n";
        let counts = super::count("sid", said);
        assert_eq!(counts.passed, 1);
        assert_eq!(counts.failed, ["sid: b (legacy, 3 ms)"]);
    }
}
