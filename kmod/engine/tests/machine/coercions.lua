-- SPDX-License-Identifier: GPL-2.0-only
-- The metamethods by which strings are numbers to arithmetic: called, replaced and taken away.
local mt = getmetatable("")
for _, n in ipairs{"__add","__sub","__mul","__mod","__pow","__div","__idiv","__unm","__band","__concat","__lt", "__index", "__len","__name","__eq"} do print(n, type(mt[n])) end
print(pcall(mt.__add or print, "1", 2))
print(pcall(mt.__add or print, {}, 2))
print(pcall(mt.__add or print, "x", 2))
print(pcall(mt.__unm or print, "4"))
print(pcall(function() return "x" + 1 end))
print(pcall(function() return {} + "1" end))
print(pcall(function() return "1" + {} end))
print(pcall(function() return "10" + setmetatable({}, {__add = function(a, b) return "tbl" end}) end))
print(pcall(function() return -"x" end))
print(pcall(function() return "x" // "y" end))
print(pcall(function() return "5" // 0 end))
print(pcall(function() return "1" | "x" end))
mt.__add = function(a, b) return "added " .. tostring(a) .. tostring(b) end
print("1" + "2", pcall(function() return "x" + 1 end), pcall(function() return 1 + "3" end), 1 + 1)
local k = "7"
print(k + 1, 1 + k)
mt.__sub = nil
print(pcall(function() return "1" - 1 end))
print(pcall(function() return 1 - "1" end))
print(pcall(function() local a = "3" for i = 1, 3 do a = a * 2 end return a end))
mt.__unm = function(x) return "minus " .. x end
print(-"2", - -"3")
