// SPDX-License-Identifier: GPL-2.0-only
//! Numbers against PUC Lua, on random and on hard values.
#![allow(clippy::pedantic, clippy::arithmetic_side_effects, clippy::panic)]

use super::format::{LONGEST, Spec, TEXT, Text, float, int, to_text};
use super::{Number, arith, digits, parse, power};
use crate::random::Random;
use std::format;
use std::string::String;
use std::vec::Vec;

impl Random {
    /// As `below`, in 64 bits.
    fn less(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// A double of any kind: any bits, near powers of two and ten, small integers and fractions.
    fn double(&mut self) -> f64 {
        let bits = self.bits();
        let f = match self.less(8) {
            0 => f64::from_bits(bits),
            1 => f64::from_bits(bits & !(0x7ff << 52) | (1000 + self.less(64)) << 52),
            2 => f64::from_bits(bits & 0xf_ffff_ffff_ffff >> self.less(52)),
            3 => (bits as i64 >> self.less(64)) as f64,
            4 => self.less(100_000) as f64 / 8.0,
            5 => self.less(1_000_000) as f64 / 1000.0,
            6 => format!("1e{}", self.less(600) as i64 - 300)
                .parse()
                .unwrap(),
            _ => f64::from_bits((self.less(2046) + 1) << 52).next_up(),
        };
        if f.is_nan() { 1.5 } else { f }
    }
}

/// How often a random test runs: more with `PACKETSCRIPT_ROUNDS=n` in the environment.
fn rounds(n: u64) -> u64 {
    let times = std::env::var("PACKETSCRIPT_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok());
    n * times.unwrap_or(1)
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn check_parse(text: &str) {
    let expected: f64 = text.trim().parse().unwrap();
    let got = match parse(text.as_bytes()) {
        Some(Number::Float(f)) => f,
        Some(Number::Int(i)) => i as f64,
        None => panic!("{text}: not read"),
    };
    assert!(same(got, expected), "{text}: {got:e} is not {expected:e}");
}

#[test]
fn powers_are_below_the_truth_by_less_than_the_error() {
    // mantissa × 2^exponent <= 10^q < (mantissa + ERROR) × 2^exponent, by big integers.
    fn times(n: &mut Vec<u64>, by: u64) {
        let mut carry = 0u128;
        for limb in n.iter_mut() {
            carry += *limb as u128 * by as u128;
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            n.push(carry as u64);
        }
    }
    fn number(m: u128, shift: u32) -> Vec<u64> {
        let mut n = std::vec![m as u64, (m >> 64) as u64];
        for _ in 0..shift {
            times(&mut n, 2);
        }
        n
    }
    fn trimmed(mut n: Vec<u64>) -> Vec<u64> {
        while n.last() == Some(&0) {
            n.pop();
        }
        n.reverse();
        n
    }
    fn less_or_equal(a: &[u64], b: &[u64]) -> bool {
        a.len() < b.len() || a.len() == b.len() && a <= b
    }
    for q in power::LOWEST..power::LOWEST + 728 {
        let ten = power::ten_to(q).unwrap();
        assert_eq!(ten.mantissa >> 127, 1);
        // In terms of 5^q: value = 5^q 2^q.
        let e = ten.exponent - q;
        let mut five = std::vec![1u64];
        for _ in 0..q.abs() {
            times(&mut five, 5);
        }
        let check = |m: u128| -> (Vec<u64>, Vec<u64>) {
            // Left: m × 2^e (× 5^-q), right: 5^q or 1, both integers.
            let mut left = number(m, e.max(0) as u32);
            let mut right = number(1, (-e).max(0) as u32);
            for _ in 0..q.abs() {
                times(if q < 0 { &mut left } else { &mut right }, 5);
            }
            (trimmed(left), trimmed(right))
        };
        let (left, right) = check(ten.mantissa);
        assert!(less_or_equal(&left, &right), "10^{q} is too large");
        assert_eq!(left == right, ten.exact, "10^{q}");
        let (left, right) = check(ten.mantissa.saturating_add(power::ERROR));
        assert!(
            !less_or_equal(&left, &right) || ten.mantissa > u128::MAX - 4,
            "10^{q} too small"
        );
    }
    assert!(
        power::ten_to(power::LOWEST - 1).is_none() && power::ten_to(power::LOWEST + 728).is_none()
    );
}

#[test]
fn decimal_floats_are_the_nearest() {
    let mut r = Random(1);
    for _ in 0..rounds(40_000) {
        let f = r.double().abs();
        if f.is_infinite() {
            continue;
        }
        let p = r.less(25) as usize;
        check_parse(&format!("{f:.p$e}"));
        check_parse(&format!("{f:e}"));
        let digits = r.bits() >> r.less(64);
        check_parse(&format!("{digits}e{}", r.less(700) as i64 - 350));
        check_parse(&format!(
            "{digits}.{}e{}",
            r.bits(),
            r.less(700) as i64 - 370
        ));
    }
}

#[test]
fn decimal_floats_at_and_around_halfway_points() {
    let mut r = Random(2);
    for i in 0..rounds(1_000) {
        let bits = if i % 3 == 0 {
            r.bits() >> 12 >> r.less(52)
        } else {
            r.bits() >> 1
        };
        let (a, b) = (f64::from_bits(bits), f64::from_bits(bits + 1));
        if !b.is_finite() {
            continue;
        }
        // The exact decimal expansions of a and b, and so of the point between them.
        let p = 1100;
        let (x, y) = (format!("{a:.p$}"), format!("{b:.p$}"));
        let mut sum: Vec<u8> = Vec::new();
        let mut carry = 0;
        let wide = y.len();
        let x = format!("{x:0>wide$}");
        for (d, e) in x.bytes().rev().zip(y.bytes().rev()) {
            if d == b'.' {
                sum.push(b'.');
                continue;
            }
            let digit = (d - b'0') + (e - b'0') + carry;
            sum.push(b'0' + digit % 10);
            carry = digit / 10;
        }
        sum.push(b'0' + carry);
        sum.reverse();
        let mut half: Vec<u8> = Vec::new();
        let mut rest = 0;
        for d in sum {
            if d == b'.' {
                half.push(b'.');
                continue;
            }
            let digit = rest * 10 + (d - b'0');
            half.push(b'0' + digit / 2);
            rest = digit % 2;
        }
        let mut half = String::from_utf8(half).unwrap();
        half.push(if rest == 1 { '5' } else { '0' });
        check_parse(&half);
        check_parse(&format!("{half}1"));
        check_parse(&format!("{half}0000000000000000000000e0"));
        // One unit less in the last place that is not zero.
        let last = half
            .rfind(|c: char| c.is_ascii_digit() && c != '0')
            .unwrap();
        let mut below = half.into_bytes();
        below[last] -= 1;
        let mut below = String::from_utf8(below).unwrap();
        below.push_str("99");
        check_parse(&below);
    }
    for text in [
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "9007199254740993",
        "9007199254740992.5",
        "0.000",
        "1e400",
        "1e-400",
        "00000.00001e5",
        "0e999999999999999999",
        "1e99999999999999999999",
        "1e-99999999999999999999",
    ] {
        check_parse(text);
    }
    let long = format!("0.{}1e1001", "0".repeat(1000));
    check_parse(&long);
    let long = format!("{}e-999", "12345".repeat(200));
    check_parse(&long);
}

#[test]
fn texts_are_read_as_puc_reads_them() {
    let lua = mlua::Lua::new();
    let tonumber: mlua::Function = lua.globals().get("tonumber").unwrap();
    let mut texts: Vec<String> = [
        "",
        " ",
        "0",
        "-0",
        "+0",
        "- 1",
        "--1",
        "1 ",
        " \t\n\r\u{b}\u{c}12 ",
        "0x",
        "0x.",
        "0xp1",
        "0x.p1",
        "0x1p",
        "0x1p+",
        "0x1p4",
        "0x.8",
        "0x8.",
        "0xA.8p-1",
        "0xffffffffffffffff",
        "0x1ffffffffffffffff",
        "-0x8000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        ".",
        ".5",
        "5.",
        "5.e",
        "5e",
        "5e+",
        "5e+1",
        ".e1",
        "inf",
        "nan",
        "-inf",
        "0x1.fffffffffffff8p1023",
        "0x1.fffffffffffff7fffp1023",
        "0x1p-1074",
        "0x1p-1075",
        "0x1.8p-1075",
        "0x1.0000000000000800000000000000000000001",
        "1_000",
        "1e1.5",
        "0x1.2.3",
        "1..2",
        "1\0",
        "0b1",
        "0x0.00000000000000000000000000000000000000001p200",
        "0x123456789abcdef01234567p-90",
        "1e5x",
        "1e+-5",
        "0X1P+5",
        "1E5",
        "  0x10  ",
        "99999999999999999999",
        "0xp",
        "0x1e5",
        "0x1e+5",
    ]
    .map(String::from)
    .into();
    let mut r = Random(3);
    let letters = b"0123456789.eExXpP+-aF ";
    for _ in 0..rounds(30_000) {
        let n = r.less(12);
        texts.push(
            (0..n)
                .map(|_| letters[r.less(letters.len() as u64) as usize] as char)
                .collect(),
        );
    }
    for _ in 0..rounds(10_000) {
        texts.push(format!(
            "0x{:x}.{:x}p{}",
            r.bits() >> r.less(64),
            r.bits(),
            r.less(2400) as i64 - 1200
        ));
    }
    for text in texts {
        let expected: mlua::Value = tonumber.call(text.as_str()).unwrap();
        let got = parse(text.as_bytes());
        let agree = match (&expected, got) {
            (mlua::Value::Nil, None) => true,
            (mlua::Value::Integer(a), Some(Number::Int(b))) => *a == b,
            (mlua::Value::Number(a), Some(Number::Float(b))) => same(*a, b),
            _ => false,
        };
        assert!(agree, "{text:?}: {got:?} is not {expected:?}");
    }
}

#[test]
fn numbers_are_written_as_puc_writes_them() {
    let lua = mlua::Lua::new();
    let tostring: mlua::Function = lua.globals().get("tostring").unwrap();
    let formatted: mlua::Function = lua.load("return string.format").eval().unwrap();
    let mut r = Random(4);
    let mut work = [0; digits::MOST];
    let mut buf = [0; LONGEST];
    for i in 0..rounds(40_000) {
        let f = if i == 0 { f64::NAN } else { r.double() };
        let expected: String = tostring.call(f).unwrap();
        let mut small = [0; TEXT];
        assert_eq!(
            to_text(Number::Float(f), &mut small),
            expected.as_bytes(),
            "{f:e}"
        );
        let mut spec = Spec::default();
        let mut text = String::from("%");
        for (flag, on) in [
            ("-", &mut spec.left),
            ("+", &mut spec.plus),
            (" ", &mut spec.space),
            ("#", &mut spec.alt),
            ("0", &mut spec.zero),
        ] {
            if r.less(5) == 0 {
                *on = true;
                text.push_str(flag);
            }
        }
        if r.less(3) == 0 {
            spec.width = r.less(60) as u8;
            // A width of 0 would be read as the flag.
            if spec.width > 0 {
                text.push_str(&format!("{}", spec.width));
            }
        }
        if r.less(4) != 0 {
            let p = if r.less(2) == 0 {
                r.less(20)
            } else {
                r.less(100)
            } as u8;
            spec.precision = Some(p);
            text.push_str(&format!(".{p}"));
        }
        let conversion = b"eEfgGaA"[r.less(7) as usize];
        text.push(conversion as char);
        let expected: mlua::LuaString = formatted.call((text.as_str(), f)).unwrap();
        let mut out = Text::new(&mut buf);
        float(&mut out, &mut work, spec, conversion, f);
        let got = String::from_utf8_lossy(out.bytes());
        assert_eq!(got, expected.to_string_lossy(), "{text} of {f:e}");
    }
    let mut small = [0; TEXT];
    for i in [0, 1, -1, 9, 10, 99, 100, i64::MAX, i64::MIN] {
        assert_eq!(
            to_text(Number::Int(i), &mut small),
            format!("{i}").as_bytes()
        );
    }
}

#[test]
fn integers_are_written_as_puc_writes_them() {
    let lua = mlua::Lua::new();
    let formatted: mlua::Function = lua.load("return string.format").eval().unwrap();
    let mut r = Random(5);
    let mut buf = [0; LONGEST];
    for _ in 0..rounds(30_000) {
        let i = r.bits() as i64 >> r.less(64);
        let conversion = b"dioxX"[r.less(5) as usize];
        let mut spec = Spec::default();
        let mut text = String::from("%");
        let decimal = matches!(conversion, b'd' | b'i');
        for (flag, legal, on) in [
            ("-", true, &mut spec.left),
            ("+", decimal, &mut spec.plus),
            (" ", decimal, &mut spec.space),
            ("#", !decimal, &mut spec.alt),
            ("0", true, &mut spec.zero),
        ] {
            if legal && r.less(4) == 0 {
                *on = true;
                text.push_str(flag);
            }
        }
        if r.less(2) == 0 {
            spec.width = 1 + r.less(40) as u8;
            text.push_str(&format!("{}", spec.width));
        }
        if r.less(2) == 0 {
            let p = r.less(30) as u8;
            spec.precision = Some(p);
            text.push_str(&format!(".{p}"));
        }
        text.push(conversion as char);
        let expected: String = formatted.call((text.as_str(), i)).unwrap();
        let mut out = Text::new(&mut buf);
        int(&mut out, spec, conversion, i);
        assert_eq!(
            String::from_utf8_lossy(out.bytes()),
            expected,
            "{text} of {i}"
        );
    }
}

#[test]
fn arithmetic_is_as_puc_does_it() {
    let lua = mlua::Lua::new();
    let run: mlua::Function = lua
        .load("local a, b = ... return a // b, a % b, math.floor(a), math.ceil(a), a < b, a <= b, math.fmod(a, b)")
        .into_function()
        .unwrap();
    let mut r = Random(6);
    for _ in 0..rounds(40_000) {
        let (a, b) = (r.double(), if r.less(20) == 0 { 0.0 } else { r.double() });
        let (q, m, fl, ce, lt, le, fm): (f64, f64, f64, f64, bool, bool, f64) =
            run.call((a, b)).unwrap();
        assert!(same(q, arith::float_floor_div(a, b)), "{a:e} // {b:e}");
        assert!(
            same(m, arith::float_mod(a, b)),
            "{a:e} % {b:e}: {m:e} {:e}",
            arith::float_mod(a, b)
        );
        assert!(same(fm, arith::fmod(a, b)), "fmod({a:e}, {b:e})");
        assert!(
            fl == arith::floor(a) && ce == arith::ceil(a),
            "floor, ceil of {a:e}"
        );
        let order = arith::compare(Number::Float(a), Number::Float(b));
        assert_eq!(
            (lt, le),
            (
                order.is_some_and(|o| o.is_lt()),
                order.is_some_and(|o| o.is_le())
            )
        );
        let (i, f) = (r.bits() as i64 >> r.less(64), r.double());
        let f = if r.less(2) == 0 { i as f64 } else { f };
        let (_, _, _, _, lt, le, _): (
            mlua::Value,
            mlua::Value,
            mlua::Value,
            mlua::Value,
            bool,
            bool,
            mlua::Value,
        ) = run.call((i, f)).unwrap();
        let order = arith::compare(Number::Int(i), Number::Float(f));
        assert_eq!(
            (lt, le),
            (
                order.is_some_and(|o| o.is_lt()),
                order.is_some_and(|o| o.is_le())
            ),
            "{i} {f:e}"
        );
    }
    let run: mlua::Function = lua
        .load("local a, b = ... return a // b, a % b, a << b, a >> b")
        .into_function()
        .unwrap();
    for _ in 0..rounds(20_000) {
        let a = r.bits() as i64 >> r.less(64);
        let b = match r.bits() as i64 >> r.less(64) {
            0 => i64::MIN,
            b => b,
        };
        let expected: (i64, i64, i64, i64) = run.call((a, b)).unwrap();
        let got = (
            arith::floor_div(a, b),
            arith::floor_mod(a, b),
            arith::shift_left(a, b),
            arith::shift_right(a, b),
        );
        assert_eq!(got, expected, "{a} {b}");
    }
}

#[test]
fn angles_are_within_a_unit_of_c() {
    let lua = mlua::Lua::new();
    let run: mlua::Function = lua
        .load("local x = ... return math.sin(x), math.cos(x), math.tan(x)")
        .into_function()
        .unwrap();
    let mut r = Random(9);
    let (mut off, mut all) = (0, 0);
    for i in 0..rounds(30_000) {
        let x = match i % 4 {
            0 => r.double(),
            1 => (r.bits() as i64 as f64) / (1u64 << 56) as f64,
            2 => (r.less(2000) as f64 - 1000.0) * core::f64::consts::FRAC_PI_4,
            _ => f64::from_bits((1023 + r.less(1000)) << 52 | r.bits() >> 12),
        };
        let (s, c, t): (f64, f64, f64) = run.call(x).unwrap();
        let got = [
            super::trig::sin(x),
            super::trig::cos(x),
            super::trig::tan(x),
        ];
        for (i, (expected, got)) in [s, c, t].into_iter().zip(got).enumerate() {
            if same(expected, got) {
                all += 1;
                continue;
            }
            let apart = (expected.to_bits() as i64).wrapping_sub(got.to_bits() as i64);
            assert!(
                apart.abs() <= 2,
                "function {i} of {x:e}: {got:e} is not {expected:e}"
            );
            off += 1;
        }
    }
    assert!(off * 3 < all, "{off} of {all} are off");
}

#[test]
fn powers_that_are_integers_are_exact() {
    for base in 2..200u64 {
        let mut exact = base;
        for n in 1.. {
            assert_eq!(
                arith::pow(base as f64, n as f64),
                exact as f64,
                "{base} ^ {n}"
            );
            exact = match exact.checked_mul(base) {
                Some(next) if next < 1 << 53 => next,
                _ => break,
            };
        }
    }
    for n in -1074..1024 {
        let bits = if n < -1022 {
            1 << (n + 1074)
        } else {
            ((n + 1023) as u64) << 52
        };
        assert_eq!(
            arith::pow(2.0, f64::from(n)),
            f64::from_bits(bits),
            "2 ^ {n}"
        );
    }
}
