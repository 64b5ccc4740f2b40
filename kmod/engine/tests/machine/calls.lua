-- SPDX-License-Identifier: GPL-2.0-only
-- The calls of other coroutines: those that have resumed the one that runs, and those that wait.
local traceback = debug.traceback
local outer
local function inner() print(traceback(outer)) print(traceback(outer, "message")) print(traceback(outer, nil, 0)) print(traceback(outer, "x", 1)) print(traceback(outer, "x", 2)) print(traceback(outer, "x", 99)) end
local function resume(f) local co = coroutine.create(f) print(coroutine.resume(co)) end
outer = coroutine.create(function() resume(inner) end)
print(coroutine.resume(outer))
print(traceback(outer))
-- The main program, from a coroutine of a coroutine.
local main = coroutine.running()
local function look() print(traceback(main)) print(traceback(main, "from inside", 1)) print(traceback("own")) print(coroutine.status(main)) end
resume(function() resume(look) end)
-- One that has not begun, that waits, that is dead.
local co = coroutine.create(function(a) local b = a coroutine.yield(b) error("late") end)
print(traceback(co)) coroutine.resume(co, 1) print(traceback(co)) print(traceback(co, nil, 1)) coroutine.resume(co) print(traceback(co)) coroutine.close(co) print(traceback(co))
