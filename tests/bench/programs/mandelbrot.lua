-- SPDX-License-Identifier: GPL-2.0-only
-- Floats.
function run()
  local size, most, inside = 40, 50, 0
  for y = 0, size - 1 do
    for x = 0, size - 1 do
      local cr, ci, zr, zi = 2.0 * x / size - 1.5, 2.0 * y / size - 1.0, 0.0, 0.0
      local out = false
      for _ = 1, most do
        local t = zr * zr - zi * zi + cr
        zi = 2.0 * zr * zi + ci
        zr = t
        if zr * zr + zi * zi > 4.0 then
          out = true
          break
        end
      end
      if not out then inside = inside + 1 end
    end
  end
  return inside
end
