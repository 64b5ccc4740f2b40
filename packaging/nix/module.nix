# SPDX-License-Identifier: GPL-2.0-only
#
# NixOS module: `services.packetscript.enable = true;` makes the kernel module, the iptables
# extension and pstui available, and checks the scripts that it is given when the system is built.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.packetscript;
  iptables = pkgs.buildEnv {
    name = "iptables-with-packetscript";
    paths = [
      "${pkgs.iptables}/lib/xtables"
      "${pkgs.packetscript-iptables}/lib/xtables"
    ];
  };
in
{
  options.services.packetscript = {
    enable = lib.mkEnableOption "Lua scripts as iptables targets";

    scripts = lib.mkOption {
      type = lib.types.attrsOf lib.types.path;
      default = { };
      example = lib.literalExpression "{ block = ./block.lua; }";
      description = ''
        Scripts by name. Each is checked when the system is built and appears as
        {file}`/etc/packetscript/NAME.lua`, to be named in
        {option}`networking.firewall.extraCommands`.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !config.networking.nftables.enable;
        message = "services.packetscript binds scripts through iptables: networking.nftables.enable must be off.";
      }
    ];

    boot.extraModulePackages = [ config.boot.kernelPackages.packetscript ];
    environment.systemPackages = [ pkgs.pstui ];
    environment.etc = lib.mapAttrs' (
      name: source: lib.nameValuePair "packetscript/${name}.lua" { inherit source; }
    ) cfg.scripts;

    # iptables looks for extensions in this list of folders, for the firewall and for a shell.
    environment.variables.XTABLES_LIBDIR = "${iptables}";
    systemd.services.firewall.environment.XTABLES_LIBDIR = "${iptables}";

    system.checks = lib.mapAttrsToList (
      name: source:
      pkgs.runCommand "packetscript-check-${name}" { } ''
        ${pkgs.pstui}/bin/pstui check ${source} && touch $out
      ''
    ) cfg.scripts;
  };
}
