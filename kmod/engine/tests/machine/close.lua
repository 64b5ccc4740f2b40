-- SPDX-License-Identifier: GPL-2.0-only
-- To-be-closed variables: order, errors, returns, loops, goto.
local log = {}
local function closer(name, err)
  return setmetatable({}, { __close = function(_, e) log[#log + 1] = name .. ":" .. tostring(e) if err then error(err, 0) end end })
end
local function show(...) print(table.concat(log, " "), ...) log = {} end
do local a <close> = closer("a") local b <close> = closer("b") local c <close> = nil local d <close> = false end show()
local function f(...) local a <close> = closer("a") local b <close> = closer("b") return ... end
show(f(1, 2, 3)) show((f())) show(f())
local function g() local a <close> = closer("a") return f(7, 8) end show(g())
local function h() local a <close> = closer("a") return (function() return log[#log], #log end)() end show(h())
show(pcall(function() local a <close> = closer("a") local b <close> = closer("b", "eb") error("e", 0) end))
show(pcall(function() local a <close> = closer("a", "ea") local b <close> = closer("b", "eb") return 1 end))
for i = 1, 3 do local a <close> = closer("i" .. i) if i == 2 then goto continue end log[#log + 1] = "body" ::continue:: end show()
for i = 1, 3 do local a <close> = closer("i" .. i) if i == 2 then break end end show()
while true do local a <close> = closer("w") if #log > 2 then break end end show()
local function iter() return function(_, i) if i < 3 then return i + 1 end end, nil, 0, closer("iter") end
for i in iter() do log[#log + 1] = i end show()
for i in iter() do if i == 2 then break end end show()
show(pcall(function() for i in iter() do error("in loop", 0) end end))
local function ret() for i in iter() do if i == 2 then return "returned", i end end end show(ret())
show(pcall(function() local x <close> = 42 end))
show(pcall(function() local x <close> = setmetatable({}, {}) end))
show(pcall(function() for _ in next, {}, nil, 1 do end end))
show(select("#", (function(...) local a <close> = closer("v") return ... end)(nil, nil)))
show(xpcall(function() local a <close> = closer("x") error("e", 0) end, function(m) log[#log + 1] = "handler" return m .. "!" end))
local function deep(n) local a <close> = closer("d" .. n) if n > 0 then return deep(n - 1) end error("deep", 0) end show(pcall(deep, 4))
do local x <const> = 5 local a <close> = closer("const" .. x) end show()
local up do local a <close> = closer("up") up = function() return a end end show(up() ~= nil)
local function catcher(name) return setmetatable({}, { __close = function(_, e) log[#log + 1] = name .. ":" .. tostring(e) pcall(error, "inner") end }) end
show(pcall(function() local a <close> = catcher("a") local b <close> = catcher("b") error("outer", 0) end))
local co co = coroutine.wrap(function() local a <close> = catcher("co") error("wrapped", 0) end) show(pcall(co)) show(pcall(co))
co = coroutine.create(function() local a <close> = catcher("co") error("failed", 0) end) show(coroutine.resume(co)) show(coroutine.close(co))
-- A return without values where every register of the frame is a local's.
local function bare(up) local a <close> = up local b = up return end show(bare(closer("bare")))
