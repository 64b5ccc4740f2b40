// SPDX-License-Identifier: GPL-2.0-only
//! `pstui run` as a shell sees it.

use crate::make::{self, ETHERNET, Order, RAW, ethernet, udp};
use packetscript_capture::read::Reader;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A folder with a script and a capture.
struct Case(tempfile::TempDir);

impl Case {
    fn new(script: &str, capture: &[u8]) -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        case.put("a.lua", script.as_bytes());
        case.put("in.pcap", capture);
        case
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn start(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_pstui"))
            .args(["run", "a.lua", "--pcap"])
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn output(&self, args: &[&str]) -> Output {
        self.start(args).wait_with_output().unwrap()
    }

    /// Standard output, of a run that went well and complained of nothing.
    fn out(&self, args: &[&str]) -> String {
        let output = self.output(&[&["in.pcap"], args].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.out(&[&["--json"], args].concat())).unwrap()
    }

    /// What goes wrong, and the status.
    fn fails(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.output(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    }

    /// What it wrote: of each packet time stamp, original length and bytes.
    fn wrote(&self) -> Vec<(u64, u32, Vec<u8>)> {
        wrote(&self.0.path().join("out.pcap"))
    }
}

fn wrote(path: &Path) -> Vec<(u64, u32, Vec<u8>)> {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = Reader::new(file, "out.pcap").unwrap();
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        packets.push((packet.time, packet.original, packet.data.to_vec()));
    }
    packets
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

const START: u64 = 1_700_000_000_000_000_000;

/// One of everything.
const SCRIPT: &str = r#"print("loaded")
function process_packet(p)
  if p.udp.dport == 1 then return DROP, "one" end
  if p.udp.dport == 2 then return ACCEPT end
  if p.udp.dport == 3 then return QUEUE(7) end
  if p.udp.dport == 4 then error("four") end
  print("port", p.udp.dport)
end
"#;

fn everything() -> Vec<u8> {
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6]);
    arp.resize(60, 0);
    let mut lldp = arp.clone();
    lldp[12..14].copy_from_slice(&[0x88, 0xcc]);
    let mut broken = ethernet(5, b"");
    broken[14] = 0x44;
    let of = |port| ethernet(port, b"payload");
    let packets = [
        of(1),
        of(2),
        arp,
        of(3),
        of(4),
        of(5),
        broken,
        lldp,
        of(4),
        of(1),
    ];
    let packets: Vec<_> = packets
        .into_iter()
        .enumerate()
        .map(|(at, data)| (at as u64 * 250, data))
        .collect();
    let mut file = make::pcap(ETHERNET, &packets);
    file.extend(make::record(
        Order::Little,
        (1_700_000_003, 0),
        1000,
        &of(2)[..50],
    ));
    file
}

#[test]
fn a_summary_for_people() {
    let case = Case::new(SCRIPT, &everything());
    assert_eq!(
        case.out(&["--write", "out.pcap"])
            .lines()
            .filter(|line| !line.starts_with("fuel of a packet: least "))
            .collect::<Vec<_>>()
            .join("\n"),
        r#"loaded
port	5
a.lua:6: four (2 times, first at packet 5)
11 packets in 3.000 s
  not IP                          2  ARP 1, LLDP 1
  no IP header                    1
  cut by the capture              1
  given to process_packet         8
  ACCEPT                          2
  CONTINUE                        1
  DROP                            2  "one" 2
  QUEUE(7)                        1
  errors                          2  dropped
5 packets written to out.pcap"#
    );
    let lengths: Vec<u32> = case.wrote().iter().map(|packet| packet.1).collect();
    assert_eq!(lengths, [60, 60, 60, 60, 1000]);
}

#[test]
fn a_line_for_each_packet() {
    let case = Case::new(SCRIPT, &everything());
    let all = case.out(&["-v", "--count", "7"]);
    let rows: Vec<&str> = all.lines().collect();
    let row = |at: usize| rows[at].split("  fuel").next().unwrap();
    assert_eq!(row(0), "loaded");
    assert_eq!(
        row(1),
        r#"     1     0.000000  192.0.2.1:4000 > 192.0.2.2:1 udp  DROP "one""#
    );
    assert_eq!(row(3), "     3     0.500000  ARP: not IP");
    assert_eq!(
        row(4),
        "     4     0.750000  192.0.2.1:4000 > 192.0.2.2:3 udp  QUEUE(7)"
    );
    assert_eq!(
        row(5),
        "     5     1.000000  192.0.2.1:4000 > 192.0.2.2:4 udp  error a.lua:6: four"
    );
    // What a packet makes it print comes before what became of it.
    assert_eq!(row(6), "port\t5");
    assert_eq!(row(8), "     7     1.500000  no IP header");
    assert_eq!(row(9), "a.lua:6: four (at packet 5)");
    assert!(rows[10..].contains(&"7 packets in 1.500 s"), "{all}");
    assert!(all.contains("in function 'process_packet'"), "{all}");
}

/// The schema is stable: these keys only ever get company, together with doc/json.md.
#[test]
fn a_document_for_programs() {
    let case = Case::new(SCRIPT, &everything());
    let output = case.output(&["in.pcap", "-v", "--json"]);
    // What the script prints would be no JSON.
    assert_eq!(text(&output.stderr), "loaded\nport\t5\n");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!((&value["frames"], &value["given"]), (&11.into(), &8.into()));
    assert_eq!(
        value["verdicts"][2],
        serde_json::json!({ "verdict": "DROP", "reason": "one", "packets": 2 })
    );
    assert_eq!(
        value["others"][0],
        serde_json::json!({ "ethertype": 0x806, "packets": 1 })
    );
    let failure = &value["failures"][0];
    assert_eq!(failure["message"], "a.lua:6: four");
    assert_eq!(
        (&failure["count"], &failure["first"]),
        (&2.into(), &5.into())
    );
    let packets = value["packets"].as_array().unwrap();
    assert_eq!(packets.len(), 11);
    assert_eq!(packets[1]["time"], START + 250_000_000);
    assert_eq!(packets[1]["verdict"], "ACCEPT");
    assert_eq!(packets[1]["dport"], 2);
    assert_eq!(packets[2]["skipped"], "ARP: not IP");
    assert_eq!(packets[4]["error"], "a.lua:6: four");
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/json.md")).unwrap();
    let (_, about) = document.split_once("## `run --json`").unwrap();
    let objects = [
        &value,
        failure,
        &value["verdicts"][0],
        &value["others"][0],
        &value["fuel"],
        &packets[1],
        &packets[2],
    ];
    for object in objects {
        for key in object.as_object().unwrap().keys() {
            assert!(
                about.contains(&format!("`{key}`")),
                "{key} is not documented"
            );
        }
    }
    // Without -v the same, but for the packets.
    let mut short = case.output(&["in.pcap", "--json"]);
    let short: Value = serde_json::from_slice(&std::mem::take(&mut short.stdout)).unwrap();
    assert_eq!(short["packets"], Value::Null);
    for key in ["frames", "verdicts", "failures", "first", "latest"] {
        assert_eq!(short[key], value[key], "{key}");
    }
    // And of nothing it is a document, too.
    let empty = Case::new(SCRIPT, &make::head(Order::Big, true, RAW));
    let output = empty.output(&["in.pcap", "--json", "-v"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["packets"], serde_json::json!([]));
    assert_eq!(value["fuel"], Value::Null);
}

#[test]
fn what_gets_through_is_written_as_the_script_leaves_it() {
    let script = "function process_packet(p)
        if p.udp.dport == 1 then p.payload = 'much longer than it was before, and than the padding' end
        if p.udp.dport == 2 then p.payload = '' end
        if p.udp.dport == 3 then p.ip.ttl = 9 end
        if p.udp.dport == 4 then return DROP end
    end";
    let packets: Vec<_> = (1..=4)
        .map(|port| (u64::from(port), ethernet(port, b"payload")))
        .collect();
    let case = Case::new(script, &make::pcap(ETHERNET, &packets));
    case.out(&["--write", "out.pcap"]);
    let wrote = case.wrote();
    let frame = |packet: &[u8]| [&packets[0].1[..14], packet].concat();
    let longer = udp(1, b"much longer than it was before, and than the padding");
    let ms = 1_000_000;
    // The frames' padding goes where the length changes, and stays where it does not.
    let mut expected = vec![
        (START + ms, 94, frame(&longer)),
        (START + 2 * ms, 42, frame(&udp(2, b""))),
    ];
    let mut aged = packets[2].1.clone();
    aged[22] = 9;
    expected.push((START + 3 * ms, 60, aged));
    assert_eq!(wrote.len(), 3);
    for (got, expected) in wrote.iter().zip(&mut expected) {
        // A changed checksum: the script's library is tested elsewhere, that it is right is looked at here.
        let faults = packetscript_engine::host::frame::faults(&got.2[14..], false);
        let padded = got.2.len() == 60 && got.2[22] == 9;
        assert!(padded || faults.is_empty(), "{faults:?}");
        expected.2[24..26].copy_from_slice(&got.2[24..26]);
        assert_eq!(got, expected);
    }
    // Read again by itself, it goes through unchanged.
    case.put("a.lua", b"function process_packet() end");
    std::fs::rename(
        case.0.path().join("out.pcap"),
        case.0.path().join("in.pcap"),
    )
    .unwrap();
    let before = std::fs::read(case.0.path().join("in.pcap")).unwrap();
    case.out(&["--write", "out.pcap"]);
    let after = std::fs::read(case.0.path().join("out.pcap")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_cut_packets_original_length_goes_with_its_payload() {
    let script = "function process_packet(p) p.payload = p.payload .. 'abc' end";
    let mut file = make::head(Order::Big, true, RAW);
    file.extend(make::record(Order::Big, (5, 7), 100, &udp(1, b"text")));
    let case = Case::new(script, &file);
    case.out(&["--write", "out.pcap"]);
    // Nanoseconds stay nanoseconds.
    let expected = vec![(5_000_000_007, 103, udp(1, b"textabc"))];
    assert_eq!(case.wrote(), expected);
}

#[test]
fn errors_are_dropped_accepted_or_left_to_the_next_rule() {
    let case = Case::new(
        SCRIPT,
        &make::pcap(RAW, &[(0, udp(4, b"")), (1, udp(2, b""))]),
    );
    for (option, count) in [("drop", 1), ("accept", 2), ("continue", 2)] {
        let value: Value = serde_json::from_slice(
            &case
                .output(&[
                    "in.pcap",
                    "--json",
                    "--on-error",
                    option,
                    "--write",
                    "out.pcap",
                ])
                .stdout,
        )
        .unwrap();
        assert_eq!(
            (&value["errors"], &value["written"]),
            (&1.into(), &count.into())
        );
        assert_eq!(case.wrote().len(), count);
    }
}

#[test]
fn nothing_is_written_over_what_is_read() {
    let case = Case::new(SCRIPT, &everything());
    std::fs::hard_link(
        case.0.path().join("in.pcap"),
        case.0.path().join("again.pcap"),
    )
    .unwrap();
    for name in ["in.pcap", "./in.pcap", "again.pcap", "a.lua"] {
        let (status, error) = case.fails(&["in.pcap", "--write", name]);
        assert_eq!(status, Some(1));
        let says = format!("pstui: {name}: this is what is read: give --write another file\n");
        assert_eq!(error, says);
    }
    assert_eq!(
        std::fs::read(case.0.path().join("in.pcap")).unwrap(),
        everything()
    );
    // A script that does not load leaves what was there.
    case.put("out.pcap", b"kept");
    case.put("a.lua", b"error('no')");
    assert_eq!(
        case.output(&["in.pcap", "--write", "out.pcap"])
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        std::fs::read(case.0.path().join("out.pcap")).unwrap(),
        b"kept"
    );
}

#[test]
fn a_written_capture_has_one_link_type() {
    let order = Order::Little;
    let mut file = make::section(order);
    file.extend(make::interface(order, RAW, 0, b""));
    file.extend(make::interface(order, ETHERNET, 0, b""));
    file.extend(make::enhanced(order, 1, 0, &ethernet(2, b"")));
    let one = file.len();
    file.extend(make::enhanced(order, 0, 0, &udp(2, b"")));
    let case = Case::new(SCRIPT, &file);
    assert!(
        case.out(&[])
            .contains("  ACCEPT                          2\n")
    );
    let (status, error) = case.fails(&["in.pcap", "--write", "out.pcap"]);
    assert_eq!(status, Some(1));
    assert!(
        error.contains(
            "in.pcap: packet 2: its link type is 101 (raw IP), and packets before have 1 (Ethernet)"
        ),
        "{error}"
    );
    assert_eq!(case.wrote().len(), 1);
    // It is the packets' that counts, not the first interface's.
    case.put("in.pcap", &file[..one]);
    case.out(&["--write", "out.pcap"]);
    assert_eq!(case.wrote(), [(0, 60, ethernet(2, b""))]);
}

#[test]
fn the_clock_and_the_timers_follow_the_time_stamps() {
    let script = "print(os.time(), now())
        local beats = 0
        every(100, function() beats = beats + 1 end)
        after(450, function() print('late', now()) end)
        after(700, function() local x = nil + 1 end)
        function process_packet(p) print(p.udp.dport, os.time(), os.date('%H:%M:%S'), now(), beats) end";
    // The third is of before the second, and the last of before the first.
    let packets = [(1000, 1), (1500, 2), (1200, 3), (4250, 4), (0, 5)];
    let packets: Vec<_> = packets.map(|(ms, port)| (ms, udp(port, b""))).to_vec();
    let case = Case::new(script, &make::pcap(RAW, &packets));
    let all = case.out(&[]);
    let printed: Vec<&str> = all.lines().take(7).collect();
    assert_eq!(
        printed,
        [
            "1700000001\t0",
            "1\t1700000001\t22:13:21\t0\t0",
            "late\t450",
            "2\t1700000001\t22:13:21\t500\t5",
            "3\t1700000001\t22:13:21\t500\t5",
            "4\t1700000004\t22:13:24\t3250\t32",
            "5\t1700000004\t22:13:24\t3250\t32",
        ]
    );
    assert!(
        all.contains(
            "a.lua:5: attempt to perform arithmetic on a nil value (in a timer before packet 4)\n"
        ),
        "{all}"
    );
    assert!(all.contains("5 packets in 3.250 s\n"), "{all}");
    assert!(all.contains("timers: 34 runs\n"), "{all}");
}

/// 86 million beats in a day, and a file that is damaged in its time stamps has centuries: that would be a hang.
#[test]
fn days_of_nothing_pass_at_once() {
    let script = "every(1, function() end) function process_packet(p) print(now()) end";
    let day = 86_400_000;
    let packets: Vec<_> = [0, day, day + 1000].map(|ms| (ms, udp(1, b""))).to_vec();
    let case = Case::new(script, &make::pcap(RAW, &packets));
    let all = case.out(&[]);
    assert!(all.starts_with("0\n86400000\n86401000\n"), "{all}");
    let says = "timers: 11001 runs; gaps between packets with too many of them, passed over: 1\n";
    assert!(all.contains(says), "{all}");
    // Timers that use all their fuel are fewer.
    case.put(
        "a.lua",
        b"every(1, function() while true do end end) function process_packet() end",
    );
    let value = case.json(&[]);
    assert_eq!(value["timers"], 2 * 1001);
    assert_eq!(value["hurried"], 1);
    assert_eq!(value["failures"][0]["timer"], true);
    assert_eq!(value["failures"][0]["count"], 2 * 1001);
}

#[test]
fn packets_have_the_hook_and_the_interfaces_that_are_asked_for() {
    let script = "function other(p) print(p.hook, p.iifname, p.oifname, p.pkttype, p.eth and p.eth.vlan, args.a) end";
    let mut tagged = ethernet(1, b"");
    tagged.splice(12..12, [0x81, 0, 0, 42]);
    tagged[..6].fill(0xff);
    let case = Case::new(script, &make::pcap(ETHERNET, &[(0, tagged)]));
    for (args, says) in [
        (&[][..], "forward\tnil\tnil\tbroadcast\t42\tnil"),
        (
            &["--in", "eth0", "--out", "eth1", "--arg", "a=b"],
            "forward\teth0\teth1\tbroadcast\t42\tb",
        ),
        (
            &["--hook", "prerouting", "--in", "eth0"],
            "prerouting\teth0\tnil\tbroadcast\t42\tnil",
        ),
        (&["--hook", "input"], "input\tnil\tnil\tbroadcast\t42\tnil"),
        (
            &["--hook", "output", "--out", "eth1"],
            "output\tnil\teth1\tbroadcast\t42\tnil",
        ),
        (
            &["--hook", "postrouting"],
            "postrouting\tnil\tnil\tbroadcast\t42\tnil",
        ),
    ] {
        let all = case.out(&[&["--function", "other"], args].concat());
        assert_eq!(all.lines().next(), Some(says));
        assert!(all.contains("given to other"));
    }
    for args in [["output", "--in"], ["input", "--out"]] {
        let (status, error) = case.fails(&["in.pcap", "--hook", args[0], args[1], "eth0"]);
        let says = format!(
            "pstui: {}: there is no such interface in {}\n",
            args[1], args[0]
        );
        assert_eq!((status, error), (Some(1), says));
    }
    let (status, error) = case.fails(&["in.pcap"]);
    let says = "a.lua: the script has no global function 'process_packet'\n";
    assert_eq!((status, error.as_str()), (Some(1), says));
    for args in [
        ["--function", "a b"],
        ["--arg", "a"],
        ["--in", "a-name-that-is-too-long"],
        ["--fuel", "0"],
        ["--memory", "1k"],
        ["--hook", "entry"],
    ] {
        let (status, error) = case.fails(&[&["in.pcap"], &args[..]].concat());
        assert!(matches!(status, Some(1 | 2)), "{args:?}");
        assert!(!error.is_empty() && !error.contains("panicked"), "{error}");
    }
}

#[test]
fn fuel_and_memory_are_a_rules() {
    let script = "local t = {} function process_packet(p)
        if p.udp.dport == 1 then while true do end end
        for i = 1, 30000 do t[#t + 1] = i end
    end";
    let case = Case::new(script, &make::pcap(RAW, &[(0, udp(1, b""))]));
    assert_eq!(case.json(&[])["fuel"]["most"], 100_000);
    assert_eq!(case.json(&["--fuel", "1k"])["fuel"]["most"], 1024);
    case.put("in.pcap", &make::pcap(RAW, &[(0, udp(2, b""))]));
    let fuel = ["--fuel", "1G"];
    assert_eq!(case.json(&fuel)["errors"], 0);
    let small = case.json(&[&fuel[..], &["--memory", "64k"]].concat());
    assert_eq!(
        small["failures"][0]["message"],
        "a.lua:3: not enough memory"
    );
}

/// What came before the damage was run, and is told.
#[test]
fn a_damaged_capture_is_told_with_what_came_before() {
    let file = everything();
    let case = Case::new(SCRIPT, &file[..24 + 76 + 76 + 30]);
    let output = case.output(&["in.pcap", "--write", "out.pcap"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "pstui: in.pcap: packet 3 (byte 176): the file is cut off in the middle of it\n"
    );
    assert!(text(&output.stdout).contains("\n2 packets in 0.250 s\n"));
    assert_eq!(case.wrote().len(), 1);
    for verbose in [&[][..], &["-v"]] {
        let output = case.output(&[&["in.pcap", "--json"], verbose].concat());
        assert_eq!(output.status.code(), Some(1));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["error"]["kind"], "data");
        assert_eq!(value["frames"], 2);
    }
    case.put("in.pcap", b"nothing");
    let output = case.output(&["in.pcap", "--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        value["error"]["message"]
            .as_str()
            .unwrap()
            .contains("neither pcap nor pcapng")
    );
    let (status, error) = case.fails(&["none.pcap"]);
    assert_eq!(
        (status, error.as_str()),
        (Some(1), "pstui: none.pcap: No such file or directory\n")
    );
    let (status, error) = case.fails(&["."]);
    assert_eq!(
        (status, error.as_str()),
        (Some(1), "pstui: .: Is a directory\n")
    );
}

#[test]
fn the_standard_input_is_a_capture_too() {
    let case = Case::new(SCRIPT, b"");
    let mut child = case.start(&["-", "--count", "2"]);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&everything())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("\n2 packets in 0.250 s\n"));
    // A script that is wrong is told of before anything is there to be read.
    case.put("a.lua", b"x = = 1");
    let mut child = case.start(&["-"]);
    let pipe = child.stdin.take();
    let mut error = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    assert!(error.starts_with("a.lua:1: "), "{error}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(pipe);
}

/// A million lines that nobody wants to read: it ends with the reader, and writes the capture to its end if it has to.
#[test]
fn a_reader_that_goes_away_ends_it() {
    let packets: Vec<_> = (0..20_000).map(|at| (at, udp(2, b""))).collect();
    let case = Case::new(SCRIPT, &make::pcap(RAW, &packets));
    for (args, wrote) in [
        (&["in.pcap", "-v"][..], None),
        (&["in.pcap", "-v", "--json"], None),
        (&["in.pcap", "-v", "--write", "out.pcap"], Some(20_000)),
    ] {
        let mut child = case.start(args);
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = text(&output.stderr).replace("loaded\n", "");
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
        if let Some(count) = wrote {
            assert_eq!(case.wrote().len(), count);
        }
    }
}

/// Ctrl-C ends it where it is, also where nothing comes any more, and what was done is told. A capture of a program that is
/// interrupted together with it may end in the middle of a packet.
#[test]
fn an_interrupted_run_tells_what_it_did() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    for rest in [&[][..], &[0; 10]] {
        let case = Case::new(SCRIPT, b"");
        let mut child = case.start(&["-", "-v"]);
        let mut pipe = child.stdin.take().unwrap();
        let packets: Vec<_> = (0..10).map(|at| (at, udp(2, b""))).collect();
        let file = [&make::pcap(RAW, &packets)[..], rest].concat();
        pipe.write_all(&file).unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // What comes out of a pipe may come slowly: each line goes out at once.
        let mut line = String::new();
        while !line.starts_with("    10 ") {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0);
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        let mut told = String::new();
        out.read_to_string(&mut told).unwrap();
        let output = child.wait_with_output().unwrap();
        // The pipe is open until here.
        drop(pipe);
        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""));
        assert!(told.starts_with("10 packets in 0.009 s\n"), "{told}");
    }
}

#[test]
fn help_says_what_there_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_pstui"))
        .args(["run", "--help"])
        .output()
        .unwrap();
    let help = text(&output.stdout);
    for option in [
        "--pcap <IN>",
        "--write <OUT>",
        "--hook <HOOK>",
        "--in <IF>",
        "--out <IF>",
        "--function <NAME>",
        "--arg <KEY=VALUE>",
        "--on-error <VERDICT>",
        "--fuel <UNITS>",
        "--memory <BYTES>",
        "--count <N>",
        "--verbose",
        "--json",
    ] {
        assert!(help.contains(option), "{option}");
    }
}
