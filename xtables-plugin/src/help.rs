// SPDX-License-Identifier: GPL-2.0-only
//! What `iptables -j LUA --help` says.

/// The whole text.
pub const TEXT: &str = "
LUA target options: a Lua script decides about each packet, inside the kernel
  --script FILE       the script; it is compiled before the rule is made, together with
                      the modules that it requires from its folder
  --name NAME         what the script is called (default: the file's name without .lua);
                      without --script: a script that is loaded already
  --function NAME     the global function called for each packet (default: process_packet)
  --arg KEY=VALUE     args.KEY in the script; may be given several times
  --state N           which environment (globals, tables) of the script the rule uses;
                      rules with the same number share it (default: 0)
  --scope shared|cpu  one environment for all CPUs, or one for each (default: shared)
  --on-error drop|accept|continue
                      what becomes of a packet on which the script fails (default: drop)
  --fuel N            how long it may run: a unit is about 50 machine instructions
                      (default: 100000)
  --memory N          live memory of the environment, in bytes or with k or M (default: 1M)

The function gets the packet and returns ACCEPT, DROP, QUEUE or CONTINUE (the next rule decides,
as when it returns nothing). A script that drops DNS questions:

    function process_packet(p)
      if p.udp and p.udp.dport == 53 then return DROP end
    end

    iptables -A FORWARD -j LUA --script /etc/packetscript/no-dns.lua
";
