# SPDX-License-Identifier: GPL-2.0-only
#
# The Nix entry point. The pieces are in packaging/nix, one file an output.
{
  description = "Lua that decides about packets, inside the Linux kernel";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      system = "x86_64-linux";
      pkgs = import nixpkgs {
        inherit system;
        overlays = [ self.overlays.default ];
      };
      # The kernels that the module is built for. `linuxPackages.packetscript` works for any other.
      kernels = {
        kmod-6_1 = pkgs.linuxPackages_6_1;
        kmod-6_12 = pkgs.linuxPackages_6_12;
        kmod-latest = pkgs.linuxPackages_latest;
      };
    in
    {
      overlays.default = import ./packaging/nix/overlay.nix;

      packages.${system} = builtins.mapAttrs (_: kernelPackages: kernelPackages.packetscript) kernels // {
        default = pkgs.pstui;
        engine = pkgs.packetscript-engine;
        iptables-plugin = pkgs.packetscript-iptables;
        pstui = pkgs.pstui;
      };

      nixosModules.default = {
        imports = [ ./packaging/nix/module.nix ];
        nixpkgs.overlays = [ self.overlays.default ];
      };
    };
}
