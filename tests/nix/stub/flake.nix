# SPDX-License-Identifier: GPL-2.0-only
{
  description = "What packaging/nix uses of nixpkgs, made from Debian's toolchain";
  outputs = _: { };
}
