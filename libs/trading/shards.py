"""Which shard an account belongs to: the same on every machine, for ever (decision 0001)."""

import zlib


def shard_of(account_id: str, partitions: int) -> int:
    return zlib.crc32(account_id.encode()) % partitions
