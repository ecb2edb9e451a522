"""Rows 26 to 29 and 45: Kafka repeats, reorders, loses, dies, runs full or carries nonsense."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.local.visitor import Visitor
from libs.contracts import topics
from libs.contracts.v1 import signal_pb2
from tests.faults.armed import find, lose
from tests.faults.case import AT_BROKER, OVER
from tests.faults.rows import NotPossible, Whole, row
from tests.faults.scene import Failed, Scene
from tests.faults.world import PARTITIONS

_KAFKA = "kafka"
_AWAY = "KAFKA_AWAY"
_TIMES = 10
_RECORD_BYTES_MAX = 20 * 1024 * 1024
_REFILLED_WITHIN_S = 3


@row(26, "deliveries repeated 10 times and reordered", followers=6)
async def repeats_and_reorders(scene: Scene) -> None:
    async with _published_only_to(scene, []):
        place = await scene.emit(scene.place_body(away="0.98"))
        await scene.emit(scene.change_body("MODIFY", place, away="0.985"))
        await scene.emit(scene.place_body(scene.instruments[1]))
        await scene.emit(scene.change_body("CANCEL", place))
    payloads = [payload for payload in await _payloads(scene) for _ in range(_TIMES)]
    scene.dice.shuffle(payloads)
    async with _producer(scene) as producer:
        for payload in payloads:
            for partition in range(PARTITIONS):
                await producer.send(
                    topics.SIGNALS, payload, key=b"a-test-producer", partition=partition
                )
            await asyncio.sleep(0.05)
        await producer.flush()
    await scene.mend()
    await scene.until_states(place, OVER, 20)


@row(27, "gap in seq: a lost Kafka record", followers=6)
async def loses_a_record(scene: Scene) -> None:
    deaf = scene.dice.choice(scene.followers).shard
    scene.strikes([follower for follower in scene.followers if follower.shard == deaf])
    await scene.expect_alarm("SIGNALS_REFILLED")
    async with _published_only_to(scene, [p for p in range(PARTITIONS) if p != deaf]):
        missed = await scene.emit()
    await scene.pause(0, 0.5)
    await scene.emit(scene.place_body(scene.instruments[1]))
    await scene.until_states(missed, AT_BROKER, _REFILLED_WITHIN_S)
    await scene.mend()


@row(
    28,
    "Kafka broker SIGKILL, stop and restart",
    within_s=150,
    size="away as long as orders need",
    whole=Whole(size="away for 60 s", within_s=300),
)
async def dies(scene: Scene) -> None:
    await scene.expect_alarm(_AWAY)
    scene.world.machine.kill(_KAFKA)
    back_at = time.monotonic() + (60 if scene.world.full else 0)
    await scene.pause(0, 1)
    first = await scene.emit()
    await scene.pause(4, 8)
    second = await scene.emit(scene.place_body(scene.instruments[1]))
    # Copied by reading PostgreSQL: Kafka is not there yet.
    await scene.until_states(first, AT_BROKER, 25)
    await scene.until_states(second, AT_BROKER, 10)
    while time.monotonic() < back_at:
        later = await scene.emit(scene.place_body(scene.instruments[2]))
        await scene.until_states(later, AT_BROKER, 10)
        await scene.pause(4, 8)
    await scene.mend()


@row(29, "Kafka data dir full", within_s=150)
async def runs_full(scene: Scene) -> None:
    disk = scene.world.disk
    if disk.why_not:
        raise NotPossible(disk.why_not)
    await scene.expect_alarm(_AWAY)
    disk.fill()
    try:
        for turn in range(5):
            await scene.emit(scene.place_body(scene.instruments[turn % 3]))
            await scene.pause(0.5, 1)
    finally:
        disk.make_room()
    # With its only folder lost to it, Kafka ends itself; it may also have survived.
    await scene.world.machine.gone(_KAFKA, 3)
    await scene.mend()


@row(45, "malformed protobuf, unknown enum, unknown field, huge record, wrong schema", followers=6)
async def carries_nonsense(scene: Scene) -> None:
    place = await scene.emit()
    await scene.until_states(place, AT_BROKER)
    valid = (await _payloads(scene))[0]
    stranger = scene.world.crowd.masters[-1]
    # Nonsense is nobody's: every follower of the row is one of the others.
    scene.strikes([])
    await scene.expect_alarm("DEAD_LETTER")
    await scene.expect_alarm("MASTER_PAUSED_BY_DEAD_LETTER")
    before = await _dead_letters(scene)
    nonsense = [
        scene.dice.randbytes(64),
        _with_unknown_action(valid, stranger.user_id),
        b"\x0a\x05wrong\x12\xff",
    ]
    async with _producer(scene) as producer:
        for payload in nonsense:
            await _sent(producer, scene, payload)
        # Unknown fields are a newer writer's, so the record is the known signal once more.
        await _sent(producer, scene, valid + b"\xc0\x3e\x01")
        try:
            await _sent(producer, scene, bytes(10 * 1024 * 1024))
        except KafkaError:
            scene.said.append("Kafka refused the huge record")
    meanwhile = await scene.emit(scene.place_body(scene.instruments[1]))
    await scene.until_states(meanwhile, AT_BROKER)

    async def paused() -> bool:
        rows = await scene.world.ledger.fetch(
            "SELECT FROM executor.kill_switches_now WHERE subject = $1", stranger.user_id
        )
        return bool(rows)

    async def buried() -> bool:
        return await _dead_letters(scene) - before >= len(nonsense)

    await scene.until(f"{len(nonsense)} dead letters", buried)
    await scene.until("the master of an unknown action is paused", paused)
    await _set_right(scene, stranger.user_id)
    await scene.mend()


async def _set_right(scene: Scene, master_id: str) -> None:
    """Do what an operator does: set the letters aside, let the master go on."""
    operator = scene.world.crowd.operators[0]
    reason = "nonsense of a fault test"
    async with Visitor(scene.world.stack.address, operator.cookie) as visitor:
        letters = (await visitor.call("GET", "/dead-letters?limit=200"))["dead_letters"]
        for letter in letters:
            path = f"/dead-letters/{letter['id']}/set-aside"
            await visitor.call("POST", path, {"reason": reason})
        query = urlencode({"scope": "MASTER", "subject": master_id, "reason": reason})
        await visitor.call("DELETE", f"/kill-switches?{query}")


async def _sent(producer: AIOKafkaProducer, scene: Scene, payload: bytes) -> None:
    partition = scene.dice.choice(scene.followers).shard
    await producer.send_and_wait(topics.SIGNALS, payload, key=b"nonsense", partition=partition)


async def _dead_letters(scene: Scene) -> int:
    rows = await scene.world.ledger.fetch("SELECT count(*) AS n FROM executor.dead_letters")
    return int(rows[0]["n"])


def _with_unknown_action(payload: bytes, master_id: str) -> bytes:
    message = signal_pb2.SignalEmitted.FromString(payload)
    message.master_id = master_id
    # Proto3 keeps a number nobody has named yet.
    message.action = 99  # type: ignore[assignment]  # as above
    return bytes(message.SerializeToString())


async def _payloads(scene: Scene) -> list[bytes]:
    """Read the row's records as the outbox carried them, in order of their seq."""
    rows = await scene.world.ledger.fetch(
        "SELECT payload FROM signal.signals WHERE signal_id = ANY($1::uuid[]) ORDER BY seq",
        scene.signal_ids,
    )
    return [row["payload"] for row in rows]


@asynccontextmanager
async def _published_only_to(scene: Scene, kept: Sequence[int]) -> AsyncIterator[None]:
    """Let the master's records reach only these partitions: the others lose them."""
    folder = scene.world.arming("signal")
    lose(folder, scene.master.user_id, kept)
    try:
        yield
        await _published(scene)
    finally:
        find(folder)


async def _published(scene: Scene) -> None:
    async def empty() -> bool:
        rows = await scene.world.ledger.fetch("SELECT count(*) AS n FROM signal.outbox")
        return not rows[0]["n"]

    try:
        await scene.until("the outbox is empty", empty, 5)
    except Failed as error:
        raise Failed("the signal service does not publish") from error


@asynccontextmanager
async def _producer(scene: Scene) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.world.addresses.kafka_bootstrap_servers,
        max_request_size=_RECORD_BYTES_MAX,
        request_timeout_ms=5000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
