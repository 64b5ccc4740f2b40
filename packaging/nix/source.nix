# SPDX-License-Identifier: GPL-2.0-only
#
# The parts of this tree that a build depends on, and nothing else, so that a change of a document
# rebuilds nothing. `parts` are paths from the top, files or folders.
parts:
let
  top = ../..;
  prefix = toString top + "/";
  wanted =
    path:
    let
      relative = builtins.substring (builtins.stringLength prefix) (-1) path;
      isBelow = part: builtins.substring 0 (builtins.stringLength part + 1) relative == part + "/";
      leadsTo =
        part:
        builtins.substring 0 (builtins.stringLength relative + 1) part == relative + "/";
    in
    builtins.any (part: relative == part || isBelow part || leadsTo part) parts;
in
builtins.path {
  name = "packetscript-source";
  path = top;
  filter = path: _: baseNameOf path != "target" && wanted path;
}
