# SPDX-License-Identifier: GPL-2.0-only
#
# Adds the packages, and the module to every kernel's package set.
final: prev: {
  packetscript-engine = final.callPackage ./engine.nix { };
  packetscript-iptables = final.callPackage ./iptables-plugin.nix { };
  pstui = final.callPackage ./pstui.nix { };

  kernelPackagesExtensions = (prev.kernelPackagesExtensions or [ ]) ++ [
    (kernelFinal: _: {
      packetscript = kernelFinal.callPackage ./kmod.nix { };
    })
  ];
}
