---@meta
-- SPDX-License-Identifier: GPL-2.0-only
-- What packet scripts have beside Lua's own libraries, for editors with the Lua language server: add this folder
-- to workspace.library. It is never run. API.md says more.

---What `--arg KEY=VALUE` gave.
---@type table<string, string>
args = {}

---What a packet function returns.
---After it a reason that is counted may come: a string.
---@class verdict

---A verdict with more to say: `QUEUE(n [, "bypass"])`.
---@class queue: verdict
---@overload fun(number: integer, mode?: "bypass"): verdict

---@type verdict
ACCEPT = nil
---@type verdict
DROP = nil
---@type verdict
CONTINUE = nil
---@type queue
QUEUE = nil
---Not carried out by this version: an error when it is returned.
---@class reject: verdict
---@overload fun(answer: string): verdict
---@type reject
REJECT = nil
---Not carried out by this version: an error when it is returned.
---@type verdict
REPEAT = nil

---An IPv4 or IPv6 address.
---@class address
---@operator concat(string): string
local address = {}

---Whether the address lies in a prefix such as "10.0.0.0/8", or is the given one.
---@param prefix string|address
---@return boolean
function address:within(prefix) end

---The address that a text says.
---@param text string|address
---@return address
function ip(text) end

---Milliseconds of the kernel's tick clock.
---@return integer
function now() end

---A packet. Keep its fields from one call to the next, not the packet.
---@class packet
---@field len integer bytes from the network header on
---@field family "ipv4"|"ipv6"|"arp"|"bridge"|"netdev"
---@field hook "prerouting"|"input"|"forward"|"output"|"postrouting"|"ingress"|"egress"
---@field iifname string?
---@field oifname string?
---@field iif integer?
---@field oif integer?
---@field mark integer writable
---@field priority integer writable
---@field pkttype "host"|"broadcast"|"multicast"|"otherhost"|"outgoing"|"loopback"
---@field proto integer?
---@field src address? writable
---@field dst address? writable
---@field sport integer? writable
---@field dport integer? writable
---@field flow string? the same in both directions
---@field payload string? writable; of a later fragment nil, of an ICMP error the packet that it is about
---@field eth packet.eth?
---@field arp packet.arp?
---@field ip packet.ip?
---@field tcp packet.tcp?
---@field udp packet.udp?
---@field icmp packet.icmp?
---@field icmp6 packet.icmp6?
---@field dns packet.dns?
---@field tls packet.tls?
---@field http packet.http?
---@field tftp packet.tftp?
---@field ct packet.ct? where the kernel tracks connections
local packet = {}

---@param offset integer from 0 at the network header
---@return integer?
function packet:u8(offset) end
---@param offset integer
---@return integer?
function packet:u16(offset) end
---@param offset integer
---@return integer?
function packet:u32(offset) end
---@param offset integer
---@return integer?
function packet:u16le(offset) end
---@param offset integer
---@return integer?
function packet:u32le(offset) end
---@param offset integer
---@param length integer
---@return string?
function packet:bytes(offset, length) end
---A line to the event stream.
---@param ... any
function packet:log(...) end

---Where the packet came in by Ethernet.
---@class packet.eth
---@field src string such as "02:00:00:00:00:01"
---@field dst string
---@field type integer
---@field vlan integer? number of the outer tag, without its priority

---@class packet.arp
---@field op integer
---@field sha string
---@field spa address
---@field tha string
---@field tpa address

---@class packet.ip
---@field version 4|6
---@field ihl integer? IPv4
---@field tos integer writable
---@field dscp integer writable
---@field ecn integer writable
---@field tot_len integer in bytes, the header included in both versions
---@field len integer
---@field id integer? writable in IPv4
---@field df boolean? IPv4, writable
---@field mf boolean
---@field frag_off integer in bytes; a fragment that is not the first has no transport header
---@field ttl integer writable
---@field protocol integer
---@field proto integer
---@field check integer? IPv4
---@field saddr address writable
---@field daddr address writable
---@field src address writable
---@field dst address writable

---@class packet.tcp
---@field sport integer writable
---@field dport integer writable
---@field seq integer writable
---@field ack_seq integer writable
---@field doff integer
---@field flags integer writable
---@field fin boolean writable
---@field syn boolean writable
---@field rst boolean writable
---@field psh boolean writable
---@field ack boolean writable
---@field urg boolean writable
---@field ece boolean writable
---@field cwr boolean writable
---@field window integer writable; as sent, not scaled
---@field check integer
---@field urg_ptr integer writable
---@field mss integer? writable
---@field wscale integer?
---@field sack_ok boolean
---@field ts integer?
---@field ts_ecr integer?

---@class packet.udp
---@field sport integer writable
---@field dport integer writable
---@field length integer
---@field len integer
---@field check integer

---@class packet.icmp
---@field type integer writable
---@field code integer writable
---@field check integer
---@field id integer? writable
---@field seq integer? writable
---@field mtu integer?
---@field gateway address?

---@class packet.icmp6
---@field type integer writable
---@field code integer writable
---@field check integer
---@field id integer? writable
---@field seq integer? writable
---@field mtu integer?
---@field target address?

---@class packet.dns
---@field id integer
---@field qr boolean
---@field opcode integer
---@field aa boolean
---@field tc boolean
---@field rd boolean
---@field ra boolean
---@field rcode integer
---@field qdcount integer
---@field ancount integer
---@field qname string?
---@field qtype string|integer|nil
---@field questions {name: string?, type: string|integer, class: integer}[]
---@field answers {name: string?, type: string|integer, class: integer, ttl: integer, data: address|string|nil}[]

---@class packet.tls
---@field sni string?
---@field alpn string[]?
---@field version string|integer

---@class packet.http
---@field method string?
---@field path string?
---@field host string? lower case, with the port if there is one
---@field status integer?

---@class packet.tftp
---@field op "read"|"write"|"data"|"ack"|"error"|"oack"
---@field file string?
---@field mode string?
---@field block integer?

---A set of networks.
---@class ipset
local networks = {}
---@param a address|string?
---@return boolean
function networks:has(a) end
---What the longest network around an address holds.
---@param a address|string?
---@return any
function networks:get(a) end
---@param network string|address
---@param value any nil takes it out; true when absent
function networks:add(network, value) end

---@param entries table<string|integer, any> with `name`, `max` and `ttl` shared by all scripts
---@return ipset
function ipset(entries) end

---A set of domain names; the domains below them are in it.
---@class domainset
local domains = {}
---@param name string?
---@return boolean
function domains:has(name) end
---@param name string?
---@return any
function domains:get(name) end
---@param name string
---@param value any nil takes it out; true when absent
function domains:add(name, value) end

---@param entries table<string|integer, any> with `name`, `max` and `ttl` shared by all scripts
---@return domainset
function domainset(entries) end

---Rates by key.
---@class bucket
local tokens = {}
---@param key any
---@param n? integer
---@return boolean
function tokens:take(key, n) end
---@param key any
---@return integer
function tokens:left(key) end

---Tokens a second of each key, and how many it saves; keys that are remembered.
---@param rates {rate: number, burst: number?, max: number?}
---@return bucket
function bucket(rates) end

---A bounded table.
---@class map
local entries = {}
---@param key boolean|number|address|string
---@return boolean|number|address|string|nil
function entries:get(key) end
---@param key boolean|number|address|string
---@param value boolean|number|address|string|nil
---@param ttl? integer milliseconds, 0 for ever
function entries:set(key, value, ttl) end
---@param key boolean|number|address|string
---@param n? integer
---@param init? integer
---@param ttl? integer milliseconds, 0 for ever
---@return integer
function entries:incr(key, n, init, ttl) end
---@param key boolean|number|address|string
function entries:delete(key) end

---@param specification {name: string?, max: integer?, ttl: integer?}
---@return map
function map(specification) end

proto = {}
---A dissector of fields that lie one behind the other.
---@param specification {udp: integer?, tcp: integer?, fields: string[][]}
---@return fun(from: packet|string): table?
function proto.define(specification) end

---The connection that a packet belongs to.
---@class packet.ct
---@field state "new"|"established"|"related"|"untracked"
---@field mark integer? writable
---@field id integer? as `conntrack -L -o id` has it
---@field orig packet.tuple? the first packet's direction
---@field reply packet.tuple? what answers look like, after NAT

---One direction of a connection.
---@class packet.tuple
---@field src address
---@field dst address
---@field sport integer?
---@field dport integer?
---@field proto integer

---Something that happens later.
---@class timer
local timer = {}

---Forgets it; says whether it was still waiting.
---@return boolean
function timer:cancel() end

---Calls a function once, so many milliseconds from now.
---@param ms integer
---@param f fun()
---@return timer
function after(ms, f) end

---Calls a function every so many milliseconds.
---@param ms integer
---@param f fun()
---@return timer
function every(ms, f) end
