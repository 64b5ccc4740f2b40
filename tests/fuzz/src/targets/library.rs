// SPDX-License-Identifier: GPL-2.0-only
//! Parts of the standard library beside PUC's.

use crate::input::Input;
use crate::puc::{Given, compare};

/// Which function, where to begin, the pattern, the replacement, the subject.
pub fn patterns(input: &[u8]) {
    let mut input = Input::new(input);
    let which = i64::from(input.u8() % 8);
    let init = i64::from(input.u8() as i8);
    let pattern = input.string().to_vec();
    let replacement = input.string().to_vec();
    let subject = input.rest().to_vec();
    compare(
        r#"
        local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub
        function test(which, s, p, r, init)
          if which == 0 then return try(find, s, p, init) end
          if which == 1 then return try(match, s, p, init) end
          if which == 2 then return try(gsub, s, p, r) end
          if which == 3 then return try(gsub, s, p, r, init) end
          if which == 4 then return try(gsub, s, p, function(...) return #show(...) % 3 > 0 and r end) end
          if which == 5 then return try(gsub, s, p, { a = r, b = 1, [""] = 2.5, [1] = "one" }) end
          if which == 6 then return try(find, s, p, init, true) end
          return try(function()
            local all = {}
            for a, b, c in gmatch(s, p, init) do all[#all + 1] = show(a, b, c) end
            return table.concat(all, ";")
          end)
        end"#,
        &[
            Given::Integer(which),
            Given::Bytes(subject),
            Given::Bytes(pattern),
            Given::Bytes(replacement),
            Given::Integer(init),
        ],
    );
}

/// A value of the input's.
fn value(input: &mut Input) -> Given {
    match input.u8() % 9 {
        0 => Given::Nil,
        1 => Given::Boolean(true),
        2 => Given::Integer(i64::from(input.u8() as i8)),
        3 => Given::Integer(input.u64().cast_signed()),
        4 => Given::Float(f64::from(input.u8() as i8) / 4.0),
        5 => Given::Float(f64::from_bits(input.u64())),
        6 => Given::Float(f64::from(input.u32().cast_signed())),
        _ => Given::Bytes(input.string().to_vec()),
    }
}

fn values(input: &mut Input) -> Vec<Given> {
    let mut values = Vec::new();
    while !input.is_empty() && values.len() < 12 {
        values.push(value(input));
    }
    values
}

/// Whether a format has `%p`, which shows what nobody else can know.
fn shows_addresses(format: &[u8]) -> bool {
    let is_flag = |byte: &&u8| b"-+ #0123456789.".contains(byte);
    (0..format.len()).any(|at| {
        format[at] == b'%' && format[at + 1..].iter().find(|byte| !is_flag(byte)) == Some(&b'p')
    })
}

/// A format and its values.
pub fn format(input: &[u8]) {
    let mut input = Input::new(input);
    let format = input.string().to_vec();
    if shows_addresses(&format) {
        return;
    }
    let mut given = vec![Given::Bytes(format)];
    given.extend(values(&mut input));
    compare(
        "function test(...) return try(string.format, ...) end",
        &given,
    );
}

/// Items of a format, at most: PUC with its assertions stops where it fails to unpack more.
const ITEMS: usize = 12;

/// A format, and what is packed by it or unpacked from it.
pub fn pack(input: &[u8]) {
    let mut input = Input::new(input);
    let packs = input.u8() & 1 == 0;
    let position = i64::from(input.u8() as i8);
    let format = input.string().to_vec();
    if format.iter().filter(|b| b.is_ascii_alphabetic()).count() > ITEMS {
        return;
    }
    let format = Given::Bytes(format);
    if packs {
        let mut given = vec![format];
        given.extend(values(&mut input));
        compare(
            "function test(f, ...)
               local size, ok, s = try(string.packsize, f), pcall(string.pack, f, ...)
               return show(size, ok, s, ok and try(string.unpack, f, s))
             end",
            &given,
        );
    } else {
        let data = Given::Bytes(input.rest().to_vec());
        compare(
            "function test(f, s, at) return try(string.unpack, f, s, at) .. try(string.unpack, f, s) end",
            &[format, data, Given::Integer(position)],
        );
    }
}

/// A text that may be a number and two values to compute with.
pub fn number(input: &[u8]) {
    let mut input = Input::new(input);
    let base = i64::from(input.u8() % 40);
    let given = [
        Given::Integer(base),
        value(&mut input),
        value(&mut input),
        Given::Bytes(input.rest().to_vec()),
    ];
    compare(
        r#"
        local math, string = math, string
        local two = {
          function(a, b) return a + b end, function(a, b) return a - b end, function(a, b) return a * b end,
          function(a, b) return a / b end, function(a, b) return a // b end, function(a, b) return a % b end,
          function(a, b) return a & b end, function(a, b) return a | b end, function(a, b) return a ~ b end,
          function(a, b) return a << b end, function(a, b) return a >> b end, function(a, b) return a .. b end,
          function(a, b) return a < b end, function(a, b) return a <= b end, function(a, b) return a == b end,
          math.fmod, math.ult, math.max, math.min,
        }
        local one = {
          function(a) return -a end, function(a) return ~a end, tostring, math.floor, math.ceil, math.tointeger,
          math.abs, math.modf, math.sqrt, math.type, tonumber,
          function(a) return string.format("%.14g %.17g %.3f %g %e %a", a, a, a, a, a, a) end,
          function(a) return string.format("%d %x", a, a) end,
          function(a) return string.format("%q", a) end,
          function(a) return tonumber(string.format("%.17g", a)) == a, tonumber(string.format("%a", a)) == a end,
          function(a) local n = 0 for i = a, a + 2 do n = n + 1 if n > 9 then break end end return n end,
          function(a) local t = { [a] = 1 } return t[a], next(t) end,
        }
        function test(base, a, b, s)
          local out = { try(tonumber, s, base), try(tonumber, s) }
          for _, f in ipairs(two) do
            out[#out + 1] = try(f, a, b)
            out[#out + 1] = try(f, a, s)
          end
          for _, f in ipairs(one) do
            out[#out + 1] = try(f, a)
            out[#out + 1] = try(f, s)
          end
          out[#out + 1] = try(function()
            local n = 0
            for i = a, b, tonumber(s) do n = n + 1 if n > 5 then return i end end
            return n
          end)
          return table.concat(out, "\n")
        end"#,
        &given,
    );
}

/// Positions, codes, and bytes that may be UTF-8.
pub fn utf8(input: &[u8]) {
    let mut input = Input::new(input);
    let lax = Given::Boolean(input.u8() & 1 == 1);
    let positions = [(); 3].map(|()| Given::Integer(i64::from(input.u8() as i8)));
    let code = Given::Integer(i64::from(input.u32()));
    let [i, j, n] = positions;
    let text = Given::Bytes(input.rest().to_vec());
    compare(
        r#"
        function test(lax, i, j, n, code, s)
          return table.concat({
            try(utf8.len, s, i, j, lax), try(utf8.codepoint, s, i, j, lax), try(utf8.offset, s, n, i),
            try(utf8.offset, s, n), try(utf8.char, code, n), try(utf8.len, s),
            try(function()
              local all = {}
              for at, c in utf8.codes(s, lax) do all[#all + 1] = at .. "=" .. c end
              return table.concat(all, " ")
            end),
            try(function()
              local all = {}
              for c in s:gmatch(utf8.charpattern) do all[#all + 1] = #c end
              return table.concat(all, " ")
            end),
          }, "\n")
        end"#,
        &[lax, i, j, n, code, text],
    );
}
