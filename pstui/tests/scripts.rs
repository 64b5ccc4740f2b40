// SPDX-License-Identifier: GPL-2.0-only
//! `check`, `lua` and `test` as a shell sees them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn pstui(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pstui"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Runs `pstui lua` with something on its standard input.
fn lua_reading(folder: &Path, args: &[&str], input: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_pstui"))
        .arg("lua")
        .args(args)
        .current_dir(folder)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn lua_reads_and_writes_the_standard_streams() {
    let folder = tempfile::tempdir().unwrap();
    let program = r#"
        io.write("a", 1, " ", 2.5, "\n")
        print(io.read())
        print(io.read("n", "n", "l"))
        for line in io.lines() do io.stdout:write("[", line, "]") if line == "last" then break end end
        print(io.read("L"), io.read(3), io.read("a"), io.read("a"), io.read("l"), io.read(0))
        print(io.type(io.stdout), io.type(42), io.output() == io.stdout, io.input() == io.stdin)
        io.stderr:write("to stderr\n")
        print(io.stdin:write("x")) print(pcall(io.stdin.write, 1))
        print(tostring(io.stdout):match("^file %(0x%x+%)$") ~= nil, io.open, io.popen)
    "#;
    std::fs::write(folder.path().join("io.lua"), program).unwrap();
    let input = "first\n 0x10 -2.5e1 rest\nmiddle\nlast\nwhole\nabcdef\n";
    let output = lua_reading(folder.path(), &["io.lua"], input);
    assert_eq!(err(&output), "to stderr\n");
    assert_eq!(
        out(&output),
        "a1 2.5\nfirst\n16\t-25.0\t rest\n[middle][last]whole\n\tabc\tdef\n\t\tnil\tnil\n\
         file\tnil\ttrue\ttrue\n\
         nil\tBad file descriptor\t9\nfalse\tbad argument #1 to 'write' (FILE* expected, got number)\n\
         true\tnil\tnil\n"
    );
    let output = lua_reading(
        folder.path(),
        &["-", "x"],
        "#!/bin/lua\nprint('from stdin', ...)",
    );
    assert_eq!(out(&output), "from stdin\tx\n", "{}", err(&output));
    let output = lua_reading(folder.path(), &["-e", "dofile()"], "print 'dofile'");
    assert_eq!(out(&output), "dofile\n", "{}", err(&output));
}

#[test]
fn lua_finds_modules_and_chunks_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (
            "m.lua",
            "local name, file = ... return { name = name, file = file }",
        ),
        ("deep/init.lua", "return 'deep'"),
        ("bad.lua", "x = = 1"),
        ("fails.lua", "error('inside', 0)"),
        ("chunk.lua", "#!shell\nlocal a = ... return 'chunk', x, a"),
        (
            "main.lua",
            r#"
            print(require("m").name, require("m").file, select(2, require("m")))
            local m, where = require("deep") print(m, where)
            local name = "m" print(require(name) == package.loaded.m)
            print(pcall(require, "bad"))
            print(pcall(require, "fails"))
            print(pcall(require, "absent.one"))
            print(dofile("chunk.lua"))
            print(loadfile("chunk.lua", "t", { x = "env" })(5))
            print(loadfile("none.lua"))
            print(loadfile("chunk.lua", "b"))
            print(package.searchpath("m", "?.txt;./?.lua"), package.searchpath("a-b", "?/x", "-", "_"))
            package.preload.pre = function(...) return { ... } end
            package.searchers[1], package.searchers[2] = package.searchers[2], package.searchers[1]
            local pre = require("pre") print(pre[1], pre[2])
            package.path = "nowhere/?" package = nil print(pcall(require, "other"))
            "#,
        ),
    ];
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // Modules are also found beside a script elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    let beside = folder.path().join("beside.lua");
    std::fs::write(&beside, "print(require('m').name, (...))").unwrap();
    let output = pstui(elsewhere.path(), &["lua", beside.to_str().unwrap(), "arg"]);
    assert_eq!(out(&output), "m\targ\n", "{}", err(&output));
    let output = pstui(folder.path(), &["lua", "main.lua"]);
    let expected = "m\t./m.lua\ndeep\t./deep/init.lua\ntrue\n\
        false\terror loading module 'bad' from file './bad.lua':\n\t./bad.lua:1: unexpected symbol near '='\n\
        false\tinside\n\
        false\tmodule 'absent.one' not found:\n\tno field package.preload['absent.one']\n\tno file './absent/one.lua'\n\
        \tno file './absent/one/init.lua'\n\
        chunk\tnil\tnil\nchunk\tenv\t5\n\
        nil\tcannot open none.lua: No such file or directory\n\
        nil\tattempt to load a text chunk (mode is 'b')\n\
        ./m.lua\tnil\tno file 'a_b/x'\n\
        pre\t:preload:\n\
        false\tmodule 'other' not found:\n\tno file 'nowhere/other'\n\tno field package.preload['other']\n";
    assert_eq!(
        (out(&output).as_str(), err(&output).as_str()),
        (expected, "")
    );
}

#[test]
fn lua_ends_as_the_lua_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let run = |chunk: &str| pstui(folder.path(), &["lua", "-e", chunk]);
    for (chunk, status) in [
        ("io.write('x') os.exit()", 0),
        ("io.write('x') os.exit(true, true)", 0),
        ("io.write('x') os.exit(false)", 1),
        ("io.write('x') os.exit(7)", 7),
        ("io.write('x') error()", 1),
    ] {
        let output = run(chunk);
        assert_eq!(
            (out(&output).as_str(), output.status.code()),
            ("x", Some(status)),
            "{chunk}"
        );
    }
    let output = run("error(setmetatable({}, { __tostring = function() return 'as text' end }))");
    assert_eq!(err(&output), "lua: as text\n");
    let output = run("error({})");
    assert!(err(&output).starts_with("lua: (error object is a table value)\n"));
    let output = run("local function f() error('deep', 2) end f()");
    assert_eq!(
        err(&output),
        "lua: (command line):1: deep\nstack traceback:\n\t[C]: in function 'error'\n\
         \t(command line):1: in local 'f'\n\t(command line):1: in main chunk\n\t[C]: in ?\n"
    );
    let output = run("error(('long '):rep(2000), 0)");
    assert!(err(&output).len() > 10_000);
    std::fs::write(folder.path().join("after.lua"), "print('script', x, ...)").unwrap();
    let args = [
        "lua",
        "-e",
        "x = 1",
        "-e",
        "x = x + 1 print(x)",
        "after.lua",
        "arg",
    ];
    assert_eq!(out(&pstui(folder.path(), &args)), "2\nscript\t2\targ\n");
    // A script may be called anything, as test programs are.
    std::fs::write(folder.path().join("suite.t"), "print('suite', x, arg[0])").unwrap();
    let output = pstui(folder.path(), &["lua", "-e", "x = 1", "suite.t"]);
    assert_eq!(out(&output), "suite\t1\tsuite.t\n");
    let output = pstui(
        folder.path(),
        &["lua", "-e", "error('first', 0)", "after.lua"],
    );
    assert_eq!(
        (
            out(&output).as_str(),
            err(&output).starts_with("lua: first\nstack")
        ),
        ("", true)
    );
    let output = run("warn('off') warn('@on') warn('a', 'b') print('printed')");
    assert_eq!(
        (out(&output).as_str(), err(&output).as_str()),
        ("printed\n", "Lua warning: ab\n")
    );
    let output =
        run("setmetatable({}, { __gc = function() print('closed') end }) print(arg[-1], arg[0])");
    assert_eq!(out(&output), "lua\t(command line)\nclosed\n");
    let output = run(
        "print(os.getenv('PATH') ~= nil, os.getenv('NO SUCH'), os.setlocale(), os.setlocale('xx'))",
    );
    assert_eq!(out(&output), "true\tnil\tC\tnil\n");
}

#[test]
fn lua_warns_of_finalizers_that_fail() {
    let folder = tempfile::tempdir().unwrap();
    let program = r#"
        local function mark(f) return setmetatable({}, { __gc = f }) end
        mark(function() error("unheard", 0) end) collectgarbage()
        warn "@on"
        mark(function() error("heard", 0) end) collectgarbage()
        mark(function() error {} end) collectgarbage()
        mark(function() error("placed") end) collectgarbage()
        print "done"
        last = mark(function() error("at the end", 0) end)
        "#;
    let output = lua_reading(folder.path(), &["-"], program);
    assert_eq!(out(&output), "done\n");
    assert_eq!(
        err(&output),
        "Lua warning: error in __gc (heard)\n\
         Lua warning: error in __gc (error object is not a string)\n\
         Lua warning: error in __gc (stdin:7: placed)\n\
         Lua warning: error in __gc (at the end)\n"
    );
}

#[test]
fn lua_prints_takes_arguments_and_fails_with_a_traceback() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("helper.lua"),
        "return { twice = function(x) return x * 2 end }",
    )
    .unwrap();
    std::fs::write(
        folder.path().join("a.lua"),
        "#!/usr/bin/env pstui lua\nprint(arg[0], arg[1], ..., #arg, require('helper').twice(21))\nlocal function f() error('away') end\nf()\n",
    )
    .unwrap();
    let output = pstui(folder.path(), &["lua", "a.lua", "-x", "y"]);
    assert_eq!(
        out(&output),
        "a.lua\t-x\t-x\ty\t2\t42\n".replace("-x\ty\t2", "-x\t2")
    );
    assert!(
        err(&output).starts_with("lua: a.lua:3: away\nstack traceback:\n"),
        "{}",
        err(&output)
    );
    assert_eq!(output.status.code(), Some(1));

    let output = pstui(folder.path(), &["lua", "-e", "print(7 // 2, 7 / 2, ...)"]);
    assert_eq!(
        (out(&output).as_str(), output.status.code()),
        ("3\t3.5\n", Some(0))
    );
    let output = pstui(folder.path(), &["lua", "-e", "x = = 1"]);
    assert!(err(&output).contains("unexpected symbol near '='"));
    assert_eq!(pstui(folder.path(), &["lua"]).status.code(), Some(2));
    assert!(err(&pstui(folder.path(), &["lua", "none.lua"])).contains("none.lua: No such file"));
}

#[test]
fn lua_ends_when_its_fuel_does_and_when_its_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    let output = pstui(
        folder.path(),
        &[
            "lua",
            "--fuel",
            "100000",
            "-e",
            "pcall(function() while true do end end) print 'no'",
        ],
    );
    assert_eq!((out(&output).as_str(), output.status.code()), ("", Some(1)));
    assert!(err(&output).contains("fuel"), "{}", err(&output));
    let output = pstui(
        folder.path(),
        &[
            "lua",
            "--memory",
            "1M",
            "-e",
            "local t = {} for i = 1, 1e9 do t[i] = i end",
        ],
    );
    assert!(
        err(&output).contains("not enough memory"),
        "{}",
        err(&output)
    );
}

#[test]
fn lists_what_the_compiler_makes() {
    let folder = tempfile::tempdir().unwrap();
    let output = pstui(folder.path(), &["lua", "--list", "-e", "return 1 + x"]);
    assert!(
        out(&output).contains("GetTabUp") && out(&output).contains("\"x\""),
        "{}",
        out(&output)
    );
    std::fs::write(
        folder.path().join("v.lua"),
        "function process_packet(p) return p.udp.dport end ACCEPT = 1",
    )
    .unwrap();
    assert_eq!(
        pstui(folder.path(), &["lua", "--list", "v.lua"])
            .status
            .code(),
        Some(0)
    );
    let output = pstui(folder.path(), &["lua", "--list", "--packet", "v.lua"]);
    assert!(
        err(&output).starts_with("v.lua:1: "),
        "a verdict is a constant: {}",
        err(&output)
    );
}

#[test]
fn check_compiles_loads_and_sends_packets() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "good.lua",
        "function process_packet(p) if p.udp and p.udp.dport == 53 then return DROP end end",
    );
    write("syntax.lua", "x =\n= 1");
    write("top.lua", "\nerror 'at load'");
    write(
        "arp.lua",
        "function process_packet(p)\n  return p.ip.ttl > 1 and ACCEPT or DROP\nend",
    );
    write("other.lua", "function on_input(p) return 3 end");
    write(
        "module.lua",
        "local m = require 'm'\nfunction process_packet(p) return m(p) end",
    );
    write("m.lua", "return function(p)\n  return p.nonsense\nend");
    let check = |args: &[&str]| pstui(folder.path(), &[&["check"], args].concat());

    let output = check(&["good.lua"]);
    assert_eq!(
        (out(&output).as_str(), output.status.code()),
        ("good.lua: ok, 23 packets\n", Some(0))
    );
    for (args, wanted) in [
        (
            &["syntax.lua"][..],
            "syntax.lua:2: unexpected symbol near '='",
        ),
        (&["top.lua"], "top.lua:2: at load"),
        (
            &["arp.lua"],
            "arp.lua:2: attempt to index a nil value (field 'ip')",
        ),
        (&["arp.lua"], "on this packet: "),
        (&["module.lua"], "m.lua:2: no field 'nonsense'"),
        (
            &["other.lua", "--function", "on_input"],
            "other.lua:1: the number 3 is not a verdict",
        ),
        (
            &["other.lua", "--function", "gone"],
            "there is no global function gone",
        ),
        (&["none.lua"], "none.lua: No such file"),
    ] {
        let output = check(args);
        assert!(err(&output).contains(wanted), "{args:?}: {}", err(&output));
        assert_eq!(output.status.code(), Some(1));
    }
    assert_eq!(check(&["other.lua"]).status.code(), Some(0));
    // What a rule's limits would allow.
    write(
        "large.lua",
        "local t = {}\nfor i = 1, 60000 do t[i] = { i } end\nfunction process_packet() for _ = 1, 2000 do end end",
    );
    let output = check(&["large.lua"]);
    let wanted = "large.lua:2: not enough memory";
    assert!(err(&output).starts_with(wanted), "{}", err(&output));
    assert!(
        err(&output).contains("\n  --memory gives it more"),
        "{}",
        err(&output)
    );
    assert!(check(&["large.lua", "--memory", "16M"]).status.success());
    let output = check(&["large.lua", "--memory", "16M", "--fuel", "1000"]);
    let wanted = "large.lua:3: out of fuel";
    assert!(err(&output).starts_with(wanted), "{}", err(&output));
    // One wrong file does not hide the others.
    let output = check(&["syntax.lua", "good.lua", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["files"][0]["ok"], false);
    assert_eq!(value["files"][1]["packets"], 23);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_examples_pass_their_tests() {
    let output = pstui(&examples(), &["test", "."]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        out(&output),
        err(&output)
    );
    assert!(out(&output).lines().count() >= 4);
}

#[test]
fn a_failing_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.lua",
        "if args.bad then error('bad arg') end\n\
         function process_packet(p) print('saw ' .. tostring(p.src)) if p.proto == 17 then return DROP, 'udp' end return p.x end",
    );
    write(
        "a_test.lua",
        "return {\n\
           { { expect = 'DROP', reason = 'udp' }, { expect = 'ACCEPT' } },\n\
           { { proto = 'tcp', error = \"no field 'x'\" }, { proto = 'tcp', expect = 'DROP' } },\n\
           { args = { bad = 1 }, fails = 'bad arg' }, { fails = 'bad arg' },\n\
           { { check = function(o) assert(#o.packet == 28 and o.reason == 'udp' and o.fuel > 0) end } },\n\
           { { check = function(o) error('odd ' .. o.verdict) end } },\n\
         }",
    );
    let output = pstui(folder.path(), &["test", "a_test.lua"]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.starts_with("FAIL  a_test.lua: 6 runs, 6 packets\n"),
        "{text}"
    );
    for wanted in [
        "run 1: packet 2: gives DROP \"udp\", and should give ACCEPT",
        "run 1: packet 2: it printed: saw 192.0.2.1",
        "run 2: packet 2: a.lua:2: no field 'x'",
        "run 4: loads, and should fail with: bad arg",
        "run 6: packet 1:",
        "odd DROP",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(!text.contains("run 3") && !text.contains("run 5"), "{text}");
    let output = pstui(folder.path(), &["test", "a.lua"]);
    assert!(out(&output).contains("the name of a test is the script's with _test.lua"));
}

#[test]
fn timers_connections_and_named_maps_are_tested() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "t.lua",
        "local seen = map { name = 'seen', max = 10 }\n\
         local open = false\n\
         after(100, function() open = true print('open at', now()) end)\n\
         after(250, function() error 'late' end)\n\
         function process_packet(p)\n\
           if p.ct then p.ct.mark = p.ct.mark + 1 return ACCEPT, p.ct.state .. ' ' .. tostring(p.ct.reply.dst) end\n\
           return open and ACCEPT or DROP, tostring(seen:incr(p.src))\n\
         end",
    );
    write(
        "t_test.lua",
        "return {\n\
           { { expect = 'DROP', reason = '1' }, { at = 99, expect = 'DROP', reason = '2' },\n\
             { at = 100, expect = 'ACCEPT', reason = '3', printed = 'open at\\t100' },\n\
             { reload = true, expect = 'DROP', reason = '4' },\n\
             { at = 200, times = 0, printed = 'open at' }, { at = 350, times = 0, error = 'late' },\n\
             { expect = 'ACCEPT', reason = '5' } },\n\
           { { expect = 'DROP', reason = '1' } },\n\
           { { ct = { state = 'established', mark = 4 }, expect = 'ACCEPT', reason = 'established 192.0.2.1',\n\
               check = function(o) assert(o.ct_mark == 5) end } },\n\
         }",
    );
    let output = pstui(folder.path(), &["test", "t_test.lua"]);
    assert_eq!(
        (out(&output).as_str(), output.status.code()),
        ("ok    t_test.lua: 3 runs, 7 packets\n", Some(0))
    );
    write(
        "t_test.lua",
        "return { { { at = 300, expect = 'ACCEPT', reason = '1' } }, { { at = 50, times = 0, printed = 'open' } },\n\
           { { at = 50, times = 0, error = 'late' } } }",
    );
    let text = out(&pstui(folder.path(), &["test", "t_test.lua"]));
    for wanted in [
        "run 1: packet 1: a timer: t.lua:4: late",
        "run 2: packet 1: it should print: open",
        "run 3: packet 1: no timer fails with: late",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
}

#[test]
fn plain_lua_runs_its_timers_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let chunk = "local n = 0\n\
        local t = every(10, function() n = n + 1 print('beat', n) end)\n\
        after(35, function() print 'end' end)\n\
        after(5, function() after(20, function() print 'nested' end) end)\n\
        print 'main'";
    let output = pstui(folder.path(), &["lua", "-e", chunk]);
    assert_eq!(
        out(&output),
        "main\nbeat\t1\nbeat\t2\nnested\nbeat\t3\nend\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let output = pstui(
        folder.path(),
        &["lua", "-e", "after(1, function() error 'rang' end)"],
    );
    assert!(err(&output).contains("rang") && output.status.code() == Some(1));
}

/// A script that compiles, loads and runs, and does not do what it says.
#[test]
fn check_warns_of_what_is_hardly_meant() {
    let folder = tempfile::tempdir().unwrap();
    let script = "function process_packet(p)\n  if p.src == '10.0.0.1' then return DROP end\n  \
                  if p.udp then return drop end\nend\n";
    std::fs::write(folder.path().join("w.lua"), script).unwrap();
    let output = pstui(folder.path(), &["check", "w.lua"]);
    assert!(output.status.success());
    assert_eq!(
        err(&output),
        "w.lua:2: warning: 'src' is an address, never equal to a string: compare with ip \"10.0.0.1\"\n\
         w.lua:3: warning: nothing defines the global 'drop', so it is nil; did you mean 'DROP'?\n"
    );
    let output = pstui(folder.path(), &["check", "--json", "w.lua"]);
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(report["files"][0]["warnings"].as_array().unwrap().len(), 2);
    assert_eq!(err(&output), "");
    // What is shipped as an example gives no reason to.
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        let is_script = path.extension().is_some_and(|kind| kind == "lua");
        let path = path.to_str().unwrap();
        if is_script && !path.ends_with("_test.lua") {
            let told = err(&pstui(folder.path(), &["check", path]));
            assert!(!told.contains("warning"), "{told}");
        }
    }
}

#[test]
fn a_test_says_where_a_packet_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let script = "function process_packet(p)\n  if p.tcp.syn and not p.tcp.ack then return DROP, p.iifname end\n  \
                  p:log(p.tcp.flags, p.hook, p.oifname, p.mark)\nend\n";
    std::fs::write(folder.path().join("w.lua"), script).unwrap();
    let cases = "return { {
        { proto = 'tcp', flags = 'S', iifname = 'eth0', expect = 'DROP', reason = 'eth0' },
        { proto = 'tcp', flags = 'SAE', hook = 'forward', oifname = 'lo', mark = 7, printed = '82\\tforward\\tlo\\t7' },
        { proto = 'tcp', printed = '16\\tprerouting\\tnil\\t0' },
    } }";
    std::fs::write(folder.path().join("w_test.lua"), cases).unwrap();
    let output = pstui(folder.path(), &["test", "w_test.lua"]);
    assert_eq!(
        out(&output),
        "ok    w_test.lua: 1 runs, 3 packets\n",
        "{}",
        err(&output)
    );
}
