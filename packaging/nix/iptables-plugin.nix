# SPDX-License-Identifier: GPL-2.0-only
#
# libxt_LUA.so. Put $out/lib/xtables into XTABLES_LIBDIR, or use the NixOS module.
{ lib, rustPlatform }:

rustPlatform.buildRustPackage (
  import ./workspace.nix
  // {
    pname = "packetscript-iptables";
    cargoBuildFlags = [
      "--package"
      "xtables-plugin"
    ];
    postInstall = ''
      mkdir -p $out/lib/xtables
      mv $out/lib/libxt_LUA.so $out/lib/xtables/
    '';

    meta = {
      description = "iptables extension that binds Lua scripts to rules";
      license = lib.licenses.gpl2Only;
      platforms = [ "x86_64-linux" ];
    };
  }
)
