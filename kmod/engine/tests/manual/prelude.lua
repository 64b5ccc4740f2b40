-- SPDX-License-Identifier: GPL-2.0-only
-- What the sections check with; each prints how many statements it has tried.
local tried = 0
local function shown(v) return type(v) == "string" and string.format("%q", v) or tostring(v) end
local function equal(a, b) return math.type(a) == math.type(b) and (a == b or a ~= a and b ~= b) end
-- The first value is the second, subtype included.
local function is(a, b)
  tried = tried + 1
  if not equal(a, b) then error(shown(a) .. " is not " .. shown(b), 2) end
end
-- The values are those of the list, no more and no less.
local function are(list, ...)
  tried = tried + 1
  local got = table.pack(...)
  local n = list.n or #list
  if got.n ~= n then error(got.n .. " values, not " .. n, 2) end
  for i = 1, n do
    if not equal(got[i], list[i]) then error("value " .. i .. ": " .. shown(got[i]) .. " is not " .. shown(list[i]), 2) end
  end
end
-- The call fails with a message that has this text.
local function fails(text, f, ...)
  tried = tried + 1
  local ok, e = pcall(f, ...)
  if ok then error("no error", 2) end
  if not string.find(tostring(e), text, 1, true) then error(shown(e) .. " does not have " .. shown(text), 2) end
end
-- The text does not compile, and the message has this text.
local function wrong(code, text)
  tried = tried + 1
  local f, e = load(code, "=code")
  if f then error("it compiles: " .. code, 2) end
  if not string.find(e, text, 1, true) then error(shown(e) .. " does not have " .. shown(text), 2) end
end
-- The values of a text.
local function value(code) return assert(load("return " .. code, "=code"))() end
local function run(code, ...) return assert(load(code, "=code"))(...) end
