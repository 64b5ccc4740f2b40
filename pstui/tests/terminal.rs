// SPDX-License-Identifier: GPL-2.0-only
//! The real program on a real pseudo-terminal, over a recording.

#[path = "common/terminal.rs"]
mod terminal;

use std::path::Path;
use terminal::Terminal;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gate.rec");

fn start(args: &[&str], env: &[(&str, &str)]) -> Terminal {
    let mut all = vec!["--replay", RECORDING, "--interval", "0.1"];
    all.extend(args);
    Terminal::start(Path::new(env!("CARGO_BIN_EXE_pstui")), &all, env, (80, 24))
}

#[test]
fn keys_lead_through_the_screens_and_out() {
    let mut console = start(&[], &[]);
    console.wait("rates", |screen| {
        screen.contains("PREROUTING") && screen.contains("12.3k")
    });
    console.send("3");
    console.wait("the rules", |screen| {
        screen.contains("process_packet") || screen.contains("HOOKS")
    });
    console.send("jj\r");
    console.wait("the details of rule 4", |screen| {
        screen.contains("accept the packet")
    });
    console.resize(160, 45);
    console.wait("the text beside the table", |screen| {
        screen.contains("function allow(p)")
    });
    console.send("?");
    console.wait("help", |screen| screen.contains("Columns of Rules"));
    console.send("x/ipv6");
    console.wait("two lines", |screen| {
        !screen.contains("allow-list        ipv4")
    });
    console.send("\x1b");
    console.wait("all lines", |screen| screen.contains("PREROUTING"));
    console.send("q");
    assert_eq!(console.end(), 0);
    // The terminal is as it was: the other screen left, the cursor back.
    let raw = String::from_utf8_lossy(&console.raw).into_owned();
    assert!(raw.contains("\x1b[?1049l") && raw.contains("\x1b[?25h"));
}

#[test]
fn a_recording_cannot_be_changed() {
    let mut console = start(&[], &[]);
    console.wait("the table", |screen| screen.contains("PREROUTING"));
    assert!(console.text().contains("read-only"));
    console.send("2LUR?");
    console.wait("help and no dialog", |screen| screen.contains("Help"));
    assert!(!console.text().contains("Change"));
    console.send("\x03");
    assert_eq!(console.end(), 0);
}

#[test]
fn no_color_means_none() {
    let mut console = start(&[], &[("NO_COLOR", "1")]);
    console.wait("the table", |screen| screen.contains("12.3k"));
    console.send("q");
    assert_eq!(console.end(), 0);
    let raw = String::from_utf8_lossy(&console.raw).into_owned();
    for (at, _) in raw.match_indices("\x1b[") {
        let code: String = raw[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == ';')
            .collect();
        let sets_colour = raw[at + 2 + code.len()..].starts_with('m')
            && code.split(';').any(|n| {
                n.parse::<u32>()
                    .is_ok_and(|n| matches!(n, 30..=38 | 40..=48 | 90..=97 | 100..=107))
            });
        assert!(!sets_colour, "colour {code:?}");
    }
}
