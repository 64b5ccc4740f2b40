-- SPDX-License-Identifier: GPL-2.0-only
-- Objects with a class above them.
local Account = {}
Account.__index = Account
function Account.new(n) return setmetatable({ n = n }, Account) end
function Account:add(n)
  self.n = self.n + n
  return self
end
function Account:get() return self.n end
function run()
  local a, s = Account.new(0), 0
  for i = 1, 5000 do
    a:add(i)
    s = s + a:get()
  end
  return s
end
