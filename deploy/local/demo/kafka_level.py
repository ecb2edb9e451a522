"""Asks Kafka for its `metadata.version` level: the one figure that names a cluster's version.

No client library we use reads it. It stands in the tagged fields of the ApiVersions answer (v3),
Apache Kafka protocol guide, "ApiVersions" and KIP-584.
"""

import asyncio
import struct

_API_VERSIONS = 18
_VERSION = 3
_FINALIZED_FEATURES = 2
_TIMEOUT_S = 5


async def metadata_version_level(bootstrap_servers: str) -> int | None:
    """Return the finalized level; None when Kafka does not say."""
    host, _, port = bootstrap_servers.split(",", maxsplit=1)[0].rpartition(":")
    async with asyncio.timeout(_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(_request())
            size = struct.unpack(">i", await reader.readexactly(4))[0]
            return _level(await reader.readexactly(size))
        finally:
            writer.close()


def _request() -> bytes:
    client = b"lockstep-demo"
    header = struct.pack(">hhih", _API_VERSIONS, _VERSION, 1, len(client)) + client + b"\x00"
    words = b"".join(bytes([len(word) + 1]) + word for word in (client, b"1"))
    body = header + words + b"\x00"
    return struct.pack(">i", len(body)) + body


def _level(answer: bytes) -> int | None:
    read = _Reader(answer)
    read.skip(4 + 2)  # Correlation id, error code.
    for _ in range(read.varint() - 1):
        read.skip(6)
        read.tags()
    read.skip(4)  # Throttle time.
    features = read.tags().get(_FINALIZED_FEATURES)
    if features is None:
        return None
    read = _Reader(features)
    for _ in range(read.varint() - 1):
        name = read.take(read.varint() - 1)
        level, _ = struct.unpack(">hh", read.take(4))
        read.tags()
        if name == b"metadata.version":
            return int(level)
    return None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        self._at += count

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def tags(self) -> dict[int, bytes]:
        found = {}
        for _ in range(self.varint()):
            tag = self.varint()
            found[tag] = self.take(self.varint())
        return found
