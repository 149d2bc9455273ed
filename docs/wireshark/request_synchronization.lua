-- REQUEST SYNCHRONIZATION for Wireshark and tshark.
--
-- Names the command, its data objects, the results of its TERMINAL RESPONSE, its event and its
-- byte of TERMINAL PROFILE, as docs/request-synchronization.md describes them. It is a
-- post-dissector: Wireshark's own dissectors `gsm_sim` and `etsi_cat` find the octets (in GSMTAP,
-- in CCID, wherever they look), this one reads those of them that are ours.
--
-- The code points are experimental; they stand in the preferences of the protocol "reqsync".
-- Of an authentication reference only the scheme and the length are shown: a one-time token is
-- as good as a password until the server has taken it.

local reqsync = Proto("reqsync", "REQUEST SYNCHRONIZATION")

reqsync.prefs.command = Pref.uint("Type of command", 0xF5, "F0 to FE are for proprietary use")
reqsync.prefs.event = Pref.uint("Event", 0xF5, "Synchronization status")
reqsync.prefs.temporary = Pref.uint("Temporary result", 0x2E, "Synchronization temporary problem")
reqsync.prefs.permanent = Pref.uint("Permanent result", 0x3E, "Synchronization error")
reqsync.prefs.tags = Pref.uint("Tags", 0x7E00, "The objects are this and their number")
reqsync.prefs.profile_byte = Pref.uint("Byte of TERMINAL PROFILE", 40, "Counted from 1")

-- The lists of the specification: annex A and clause 8 there, in the same words.

local OPERATIONS = {
  [0] = "start", [1] = "cancel", [2] = "query status", [3] = "query capabilities",
}
local PROTOCOLS = {
  [0x00] = "terminal default", [0x01] = "SyncML DS", [0x02] = "OMA DM", [0x03] = "LwM2M",
  [0x04] = "compact delta",
}
local REPRESENTATIONS = {
  [0x00] = "any", [0x01] = "WBXML", [0x02] = "XML", [0x03] = "CBOR", [0x04] = "TLV",
}
local TRANSPORTS = {
  [0x01] = "WSP", [0x02] = "WSP connectionless", [0x03] = "HTTP", [0x04] = "HTTPS",
  [0x05] = "OBEX", [0x06] = "CoAP", [0x07] = "CoAPs", [0x08] = "SMS", [0x09] = "BIP",
}
local TYPES = {
  [0x00] = "agent decides", [0xC8] = "two-way", [0xC9] = "slow",
  [0xCA] = "one-way from client", [0xCB] = "refresh from client",
  [0xCC] = "one-way from server", [0xCD] = "refresh from server",
}
local DEVICE_TYPES = {
  [0x00] = "this terminal", [0x01] = "IMEI", [0x02] = "IMEISV", [0x03] = "ICCID",
  [0x04] = "URI", [0x05] = "MEID", [0x06] = "EID",
}
local DATABASE_TYPES = {
  [0x00] = "default", [0x01] = "URI", [0x02] = "UICC file", [0x03] = "AID",
  [0x04] = "well-known",
}
local WELL_KNOWN = {
  [0x01] = "device record", [0x02] = "applications", [0x03] = "settings", [0x04] = "contacts",
}
local NOTIFICATIONS = { [0] = "none", [1] = "final", [2] = "final and progress" }
local SCHEMES = {
  [0x00] = "none", [0x01] = "stored", [0x02] = "TLS-PSK", [0x03] = "GBA", [0x04] = "IoT SAFE",
  [0x05] = "one-time token",
}
local PHASES = { [0] = "queued", [1] = "connecting", [2] = "exchanging", [3] = "done" }
local TERMINAL_PROBLEMS = {
  [0x00] = "no specific cause", [0x01] = "screen busy", [0x02] = "busy on call",
  [0x04] = "no service", [0x05] = "access control class bar",
  [0x06] = "radio resource not granted",
  [0x70] = "already running", [0x71] = "agent not ready", [0x72] = "battery low",
  [0x73] = "constraint not met", [0x74] = "storage",
}
local REFUSALS = {
  [0x00] = "refused now", [0x01] = "refused permanently", [0x02] = "consent withdrawn",
}
local TEMPORARY = {
  [0x01] = "timeout", [0x02] = "transport lost", [0x03] = "server busy", [0x04] = "suspended",
  [0x05] = "interrupted by reset",
}
local PERMANENT = {
  [0x01] = "protocol", [0x02] = "version", [0x03] = "representation", [0x04] = "transport",
  [0x05] = "client authentication", [0x06] = "server authentication",
  [0x07] = "not this terminal", [0x08] = "source unknown", [0x09] = "target unreachable",
  [0x0A] = "target database unknown", [0x0B] = "type", [0x0C] = "category forbidden",
  [0x0D] = "quota", [0x0E] = "conflict unresolved", [0x0F] = "partial",
  [0x10] = "reference conflict", [0x11] = "internal",
}
local GENERAL = {
  [0x00] = "performed", [0x01] = "performed with partial comprehension",
  [0x02] = "performed with missing information", [0x04] = "performed, icon not displayed",
  [0x06] = "performed, limited service", [0x07] = "performed with modification",
  [0x10] = "session terminated by the user", [0x11] = "backward move requested by the user",
  [0x12] = "no response from the user", [0x13] = "help requested by the user",
  [0x20] = "terminal unable", [0x21] = "network unable", [0x22] = "user did not accept",
  [0x30] = "beyond the terminal's capabilities", [0x31] = "type not understood",
  [0x32] = "data not understood", [0x33] = "command number not known",
  [0x36] = "required values are missing", [0x3A] = "bearer independent protocol error",
}
local CATEGORIES = {
  "identity", "language", "sounds", "settings", "applications", "application versions",
  "application sizes", "games", "network", "battery",
}
local BEARERS = { "cellular", "roaming", "WLAN", "charging only" }
local FLAGS = { [3] = "confirm", [4] = "when convenient", [5] = "source in UICC" }
local PROFILE = {
  "REQUEST SYNCHRONIZATION", "synchronization status", "SyncML DS", "OMA DM", "compact delta",
  "source in UICC", "profile reference", "capability query",
}

-- The fields. `all` registers them, `f` finds them.

local all, f = {}, {}

local function field(kind, name, label, ...)
  local made = ProtoField[kind]("reqsync." .. name, label, ...)
  all[#all + 1], f[name] = made, made
end

local function code(name, label, names)
  field("uint8", name, label, base.HEX, names)
end

local function word(text)
  return (text:lower():gsub("[^%w]+", "_"))
end

local function bits(name, label, kind, width, names)
  field(kind, name, label, base.HEX)
  for position, text in pairs(names) do
    field("bool", name .. "." .. word(text), text, width, nil, 2 ^ (position - 1))
  end
end

field("string", "message", "Message")
bits("qualifier", "Qualifier", "uint8", 8, FLAGS)
field("uint8", "operation", "Operation", base.HEX, OPERATIONS, 0x03)
code("protocol", "Protocol", PROTOCOLS)
field("string", "version", "Version")
code("representation", "Representation", REPRESENTATIONS)
code("transport", "Transport", TRANSPORTS)
code("type", "Synchronization type", TYPES)
for _, side in ipairs({ "source", "target" }) do
  code(side .. ".device_type", "Type of device identifier", DEVICE_TYPES)
  field("string", side .. ".device", "Device")
  code(side .. ".database_type", "Type of database identifier", DATABASE_TYPES)
  field("string", side .. ".database", "Database")
end
code("notification", "Notification", NOTIFICATIONS)
field("uint16", "notification.interval", "Least time between two, in seconds")
field("bytes", "reference", "Session reference")
code("scheme", "Authentication scheme", SCHEMES)
field("uint8", "authentication_length", "Octets of authentication data")
bits("categories", "Category mask", "uint16", 16, CATEGORIES)
field("uint16", "constraints.kilobytes", "Most kilobytes")
field("uint8", "constraints.battery", "Least battery, in percent")
bits("constraints.bearers", "Bearers", "uint8", 8, BEARERS)
field("uint8", "retry.attempts", "Attempts in all")
field("uint8", "retry.first_delay", "First delay, in minutes")
field("uint8", "retry.back_off", "Back-off, each delay shifted to the left by")
field("uint8", "retry.jitter", "Jitter, in percent")
code("phase", "Phase", PHASES)
field("uint16", "native", "Native status")
field("uint16", "added", "Items added")
field("uint16", "replaced", "Items replaced")
field("uint16", "deleted", "Items deleted")
field("uint16", "failed", "Items failed")
field("uint16", "conflicts", "Conflicts")
field("uint24", "octets_up", "Octets sent to the server")
field("uint24", "octets_down", "Octets received from the server")
field("uint16", "seconds", "Duration, in seconds")
field("string", "anchor", "Anchor")
field("uint8", "profile", "Profile reference")
code("result", "General result", GENERAL)
code("result.terminal", "Terminal problem", TERMINAL_PROBLEMS)
code("result.refusal", "Refusal", REFUSALS)
code("result.temporary", "Temporary problem", TEMPORARY)
code("result.permanent", "Permanent error", PERMANENT)
code("result.type", "Synchronization type performed", TYPES)
field("uint16", "result.pause", "Wait at least, in seconds")
field("uint16", "result.native", "Native status")
field("uint16", "result.failed", "Items failed")
field("bytes", "result.additional", "Additional information")
bits("terminal_profile", "Terminal profile", "uint8", 8, PROFILE)

reqsync.fields = all

local malformed = ProtoExpert.new(
  "reqsync.malformed", "Malformed object", expert.group.MALFORMED, expert.severity.ERROR)
reqsync.experts = { malformed }

-- Octets. A cursor reads an object's value; what it lacks raises SHORT, caught for each object.

local SHORT = {}

local function cursor(range)
  local at, length = 0, range and range:len() or 0
  local c = {}
  function c.left() return length - at end
  function c.take(count)
    if count > c.left() then error(SHORT) end
    at = at + count
    return range(at - count, count)
  end
  function c.lv()
    local count = c.take(1):uint()
    return count > 0 and c.take(count) or nil
  end
  function c.finish()
    if c.left() > 0 then error(SHORT) end
  end
  return c
end

local function add_bits(tree, name, range, names)
  local sub = tree:add(f[name], range)
  for position = 1, 16 do
    if names[position] then sub:add(f[name .. "." .. word(names[position])], range) end
  end
  return sub
end

local function hex(range)
  return range and range:bytes():tohex():lower() or ""
end

local function swapped(range)  -- semi-octets, the low one first; F is filling
  return (hex(range):gsub("(.)(.)", "%2%1"):gsub("f", ""))
end

local function text_of(range)
  return range and range:string(ENC_UTF_8) or ""
end

local function device_of(kind, range)
  if kind == 0x01 or kind == 0x02 then return swapped(range):sub(2) end  -- TS 24.008 10.5.1.4
  if kind == 0x03 then return swapped(range) end
  if kind == 0x04 then return text_of(range) end
  return hex(range)
end

local function database_of(kind, range)
  if kind == 0x01 then return text_of(range) end
  if kind == 0x04 and range and range:len() == 1 then
    return WELL_KNOWN[range:uint()] or hex(range)
  end
  return hex(range)
end

local function uints(tree, c, size, names)
  for _, name in ipairs(names) do tree:add(f[name], c.take(size)) end
end

-- The objects, by their number.

local function database(side)
  return function(tree, c)
    local kind = c.take(1)
    tree:add(f[side .. ".device_type"], kind)
    local name = c.lv()
    if name then tree:add(f[side .. ".device"], name, device_of(kind:uint(), name)) end
    kind = c.take(1)
    tree:add(f[side .. ".database_type"], kind)
    name = c.lv()
    if name then tree:add(f[side .. ".database"], name, database_of(kind:uint(), name)) end
  end
end

local OBJECTS = {
  [0x01] = { "Synchronization protocol", function(tree, c)
    tree:add(f.protocol, c.take(1))
    local version = c.take(1)
    local digits = hex(version)
    tree:add(f.version, version, digits == "00" and "any" or (digits:gsub("(.)(.)", "%1.%2")))
    tree:add(f.representation, c.take(1))
  end },
  [0x02] = { "Transport list", function(tree, c)
    if c.left() < 1 or c.left() > 8 then error(SHORT) end
    while c.left() > 0 do tree:add(f.transport, c.take(1)) end
  end },
  [0x03] = { "Synchronization type", function(tree, c) tree:add(f.type, c.take(1)) end },
  [0x04] = { "Source database", database("source") },
  [0x05] = { "Target database", database("target") },
  [0x06] = { "Notification", function(tree, c)
    tree:add(f.notification, c.take(1))
    if c.left() > 0 then
      local interval = c.take(1)
      tree:add(f["notification.interval"], interval, interval:uint() * 10)
    end
  end },
  [0x07] = { "Session reference", function(tree, c)
    if c.left() < 2 or c.left() > 8 then error(SHORT) end
    tree:add(f.reference, c.take(c.left()))
  end },
  [0x08] = { "Authentication reference", function(tree, c)
    tree:add(f.scheme, c.take(1))
    local count = c.left()
    if count > 0 then
      c.take(count)
      tree:add(f.authentication_length, count):set_generated()
    end
    if count > 32 then error(SHORT) end
  end },
  [0x09] = { "Category mask", function(tree, c)
    add_bits(tree, "categories", c.take(2), CATEGORIES)
  end },
  [0x0A] = { "Constraints", function(tree, c)
    tree:add(f["constraints.kilobytes"], c.take(2))
    tree:add(f["constraints.battery"], c.take(1))
    add_bits(tree, "constraints.bearers", c.take(1), BEARERS)
  end },
  [0x0B] = { "Retry", function(tree, c)
    uints(tree, c, 1, { "retry.attempts", "retry.first_delay", "retry.back_off", "retry.jitter" })
  end },
  [0x0C] = { "Summary", function(tree, c)
    tree:add(f.phase, c.take(1))
    uints(tree, c, 2, { "native", "added", "replaced", "deleted", "failed", "conflicts" })
    uints(tree, c, 3, { "octets_up", "octets_down" })
    uints(tree, c, 2, { "seconds" })
    local anchor = c.lv()
    if anchor then tree:add(f.anchor, anchor, text_of(anchor)) end
  end },
  [0x0D] = { "Capability", function(tree, c)
    for _, name in ipairs({ "protocol", "representation", "transport", "type", "scheme" }) do
      local list = cursor(c.lv())
      while list.left() > 0 do tree:add(f[name], list.take(1)) end
    end
  end },
  [0x0E] = { "Profile reference", function(tree, c) tree:add(f.profile, c.take(1)) end },
}

-- Results.

local function pair(tree, c, name)
  if c.left() == 2 then tree:add(f[name], c.take(2)) end
end

local function rest(tree, c)
  if c.left() > 0 then tree:add(f["result.additional"], c.take(c.left())) end
end

local function result(tree, range)
  local c = cursor(range)
  local octet = c.take(1)
  local general = octet:uint()
  local item = tree:add(f.result, octet)
  local ours = general == reqsync.prefs.temporary and "synchronization temporary problem"
    or general == reqsync.prefs.permanent and "synchronization error"
  if ours then item:set_text(string.format("General result: %s (0x%02x)", ours, general)) end
  if c.left() == 0 then return end
  if general == reqsync.prefs.temporary then
    local reason = c.take(1)
    item:add(f["result.temporary"], reason)
    pair(item, c, reason:uint() == 0x03 and "result.pause" or "result.native")
  elseif general == reqsync.prefs.permanent then
    local reason = c.take(1)
    item:add(f["result.permanent"], reason)
    pair(item, c, reason:uint() == 0x0F and "result.failed" or "result.native")
  elseif general == 0x07 then
    item:add(f["result.type"], c.take(1))
  elseif general == 0x20 then
    local reason = c.take(1)
    item:add(f["result.terminal"], reason)
    if reason:uint() == 0x70 and c.left() > 0 then item:add(f.reference, c.take(c.left())) end
  elseif general == 0x22 then
    item:add(f["result.refusal"], c.take(1))
  end
  rest(item, c)
end

-- Messages: the COMPREHENSION-TLVs that `etsi_cat` found.

local function length_of(c)
  local first = c.take(1):uint()
  if first < 0x80 then return first end
  if first < 0x81 or first > 0x83 then error(SHORT) end
  return c.take(first - 0x80):uint()
end

local function split(range)
  local found, c = {}, cursor(range)
  local whole = pcall(function()
    while c.left() > 0 do
      local start = range:len() - c.left()
      local tag, long = c.take(1):uint(), false
      if tag == 0x7F then tag, long = c.take(2):uint() % 0x8000, true else tag = tag % 0x80 end
      local count = length_of(c)
      local value = count > 0 and c.take(count) or nil
      local octets = range(start, range:len() - c.left() - start)
      found[#found + 1] = { tag = tag, long = long, value = value, octets = octets }
    end
  end)
  return found, whole
end

local function first(found, tag)
  for _, one in ipairs(found) do
    if one.tag == tag and not one.long and one.value then return one.value end
  end
end

local function read(tree, reader, ...)
  local fine, problem = pcall(reader, tree, ...)
  if not fine and problem == SHORT then
    tree:add_proto_expert_info(malformed)
  elseif not fine then
    error(problem, 0)
  end
end

local function object(tree, one)
  local known = OBJECTS[one.tag - reqsync.prefs.tags]
  if not one.long or not known then return end
  local branch = tree:add(reqsync, one.octets, known[1])
  read(branch, function(sub)
    local c = cursor(one.value)
    known[2](sub, c)
    c.finish()
  end)
end

local function message(found)
  local details, event = first(found, 0x01), first(found, 0x19)
  if details and details:len() == 3 and details(1, 1):uint() == reqsync.prefs.command then
    return first(found, 0x03) and "TERMINAL RESPONSE" or "command", details
  elseif event and event:len() == 1 and event:uint() == reqsync.prefs.event then
    return "event synchronization status"
  end
end

local function qualifier(tree, details)
  local octet = details(2, 1)
  local branch = add_bits(tree, "qualifier", octet, FLAGS)
  branch:add(f.operation, octet)
  return OPERATIONS[octet:uint() % 4]
end

local function toolkit(range, pinfo, tree)
  local found, whole = split(range)
  local name, details = message(found)
  if not name then return end
  local branch = tree:add(reqsync, range)
  branch:add(f.message, name):set_generated()
  branch:append_text(", " .. name)
  local operation = details and qualifier(branch, details)
  pinfo.cols.info:append(" REQUEST SYNCHRONIZATION " .. (operation or "status"))
  for _, one in ipairs(found) do
    object(branch, one)
    if one.tag == 0x03 and not one.long and one.value then read(branch, result, one.value) end
  end
  if not whole then branch:add_proto_expert_info(malformed) end
end

local TERMINAL_PROFILE = 0x10

local function profile(range, tree)
  if range:len() < 5 or range(1, 1):uint() ~= TERMINAL_PROFILE then return end
  local byte = reqsync.prefs.profile_byte
  if range(4, 1):uint() < byte or range:len() < 5 + byte then return end
  local octet = range(4 + byte, 1)
  local branch = tree:add(reqsync, octet)
  branch:append_text(", terminal profile")
  add_bits(branch, "terminal_profile", octet, PROFILE)
end

local cat, sim = Field.new("etsi_cat"), Field.new("gsm_sim")

function reqsync.dissector(_, pinfo, tree)
  for _, found in ipairs({ cat() }) do toolkit(found.range, pinfo, tree) end
  for _, found in ipairs({ sim() }) do profile(found.range, tree) end
end

register_postdissector(reqsync)
