"""The world's name server: a zone out of JSON, names that change their mind, and answers that do not fit."""

import collections
import ipaddress
import struct

import message


class Zone:
    """Answers by name; `*` in the zone stands for the first label."""

    def __init__(self, entries):
        self.entries = entries
        self.asked = collections.Counter()

    def entry(self, name):
        _, _, rest = name.partition(".")
        return self.entries.get(name) or self.entries.get("*." + rest)

    def values(self, name, kind, entry):
        """The values of that type; a name with `then` has others from the second query on."""
        if kind == "A" and "then" in entry:
            self.asked[name] += 1
            if self.asked[name] > 1:
                return entry["then"]
        return entry.get(kind, [])

    def records(self, name, kind, left=4):
        """What there is, behind its aliases; `None`: there is no such name."""
        entry = self.entry(name)
        if entry is None or left == 0:
            return None
        ttl = entry.get("ttl", 60)
        if "CNAME" in entry:
            alias = message.record(name, "CNAME", entry["CNAME"], ttl)
            return [alias] + (self.records(entry["CNAME"], kind, left - 1) or [])
        values = self.values(name, kind, entry)
        return [message.record(name, kind, value, ttl) for value in values]


class NameServer:
    """Over UDP and TCP; each query is a line of the log."""

    def __init__(self, zone, log):
        self.zone = zone
        self.log = log

    def answers(self, packet, local, peer):
        """What a datagram is answered with, a forger's words first."""
        answer = self.answer(packet, local, peer, False)
        if answer is None:
            return []
        name, _, asked = message.question(packet)
        forged = (self.zone.entry(name) or {}).get("forged")
        return [*self.forgeries(packet, asked, name, forged or []), answer]

    def forgeries(self, packet, asked, name, addresses):
        """Answers that lead elsewhere: one with another number, one to another question."""
        records = [message.record(name, "A", address, 60) for address in addresses]
        others = [message.record("other." + name, "A", address, 60) for address in addresses]
        if records:
            another = bytes([packet[0] ^ 1]) + packet[1:]
            yield message.reply(another, asked, records)
            yield message.reply(packet, message.name_bytes("other." + name) + asked[-4:], others)

    def answer(self, packet, local, peer, over_tcp):
        try:
            name, number, asked = message.question(packet)
        except (IndexError, struct.error):
            return None
        kind = message.TYPES.get(number, str(number))
        self.log.add("dns", local, peer, name=name, kind=kind, tcp=over_tcp)
        entry = self.zone.entry(name) or {}
        if entry.get("silent"):
            return None
        if "code" in entry:
            return message.reply(packet, asked, [], code=entry["code"])
        if entry.get("truncated") and not over_tcp:
            return message.reply(packet, asked, [], truncated=True)
        records = self.zone.records(name, kind)
        if records is None:
            return message.reply(packet, asked, [], code=message.NO_SUCH_NAME)
        return message.reply(packet, asked, records)

    def serve(self, stream, local, peer):
        """A client over TCP."""
        with stream.makefile("rb") as reader:
            while len(head := reader.read(2)) == 2:
                packet = reader.read(struct.unpack("!H", head)[0])
                reply = self.answer(packet, local, peer, True)
                if reply is None:
                    return
                stream.sendall(struct.pack("!H", len(reply)) + reply)


def as_text(address):
    """A socket address as the log has it."""
    if not isinstance(address, tuple):
        return address.decode() if isinstance(address, bytes) else address
    host = ipaddress.ip_address(address[0].partition("%")[0])
    return f"[{host}]:{address[1]}" if host.version == 6 else f"{host}:{address[1]}"
