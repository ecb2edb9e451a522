"""Rows 31 and 34 to 36: PostgreSQL and Redis go, stall or are cut off."""

import asyncio

import httpx
import redis.asyncio as redis

from tests.faults.case import AT_BROKER, OVER
from tests.faults.rows import Whole, row
from tests.faults.scene import Scene
from tests.faults.world import PROOF_S, postgres_program

_AWAY = "LEDGER_AWAY"
_POSTGRES = "postgres"
_REDIS = "redis"


@row(31, "Postgres restart (fast), then SIGKILL", within_s=150)
async def restarts(scene: Scene) -> None:
    machine = scene.world.machine
    for polite in (True, False):
        await scene.expect_alarm(_AWAY)
        await scene.emit(scene.place_body(scene.instruments[int(polite)]))
        await scene.pause(0, 0.2)
        if polite:
            await machine.stop(_POSTGRES)
        else:
            machine.kill(_POSTGRES)
        answer = await scene.send(scene.place_body(scene.instruments[2]))
        scene.check(
            answer.status_code == httpx.codes.SERVICE_UNAVAILABLE,
            f"without its ledger the product answered {answer.status_code}",
        )
        await scene.pause(2, 4)
        scene.fault_over()
        await _start_postgres(scene)
    await scene.mend()


@row(
    34,
    "lock held on the table of follower orders",
    within_s=150,
    size="6 s",
    whole=Whole(size="30 s", within_s=240),
)
async def holds_a_lock(scene: Scene) -> None:
    await scene.expect_alarm(_AWAY)
    deadlocks = await _deadlocks(scene)
    held_s = 30 if scene.world.full else 6
    async with scene.world.ledger.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE executor.orders IN EXCLUSIVE MODE")
        short = await scene.emit(scene.place_body(expires_in_s=held_s - 2))
        await scene.pause(0, 1)
        long = await scene.emit(scene.place_body(scene.instruments[1], expires_in_s=held_s + 24))
        await asyncio.sleep(held_s)
    await scene.mend()
    await scene.until_states(long, AT_BROKER, 20)
    await scene.until_states(short, OVER, 20)
    scene.check(await _deadlocks(scene) == deadlocks, "there was a deadlock")


@row(35, "Redis FLUSHALL, 5 s stall, SIGKILL", within_s=150)
async def loses_its_cache(scene: Scene) -> None:
    machine = scene.world.machine
    async with redis.Redis.from_url(scene.world.addresses.redis_url) as client:
        await client.flushall()
    await _copied(scene, 0)
    machine.freeze(_REDIS)
    await scene.pause(0, 1)
    await _copied(scene, 1)
    await asyncio.sleep(4)
    machine.thaw(_REDIS)
    machine.kill(_REDIS)
    await _copied(scene, 2)
    await scene.mend()


@row(36, "partition executor to Postgres, to broker, to Kafka", within_s=180)
async def is_cut_off(scene: Scene) -> None:
    wires = scene.world.wires
    await scene.expect_alarm(_AWAY)
    await wires.silence("postgres")
    closed = await scene.emit(scene.place_body(expires_in_s=4))
    await scene.pause(5, 7)
    arrived = await scene.arrivals_of(closed)
    scene.check(not arrived, f"{arrived} orders left without a ledger")
    await scene.world.mend()

    await scene.expect_alarm("ORDERS_IN_DOUBT", "BROKER_AWAY")
    await wires.silence("simulator")
    doubtful = await scene.emit(scene.place_body(scene.instruments[1]))
    await scene.pause(3, 4)
    await scene.world.mend()

    await scene.expect_alarm("KAFKA_AWAY")
    await wires.silence("kafka")
    await scene.pause(1, 3)
    read = await scene.emit(scene.place_body(scene.instruments[2]))
    await scene.until_states(read, AT_BROKER, 25)
    await scene.mend()
    await scene.until_states(doubtful, AT_BROKER | OVER | {"NOT_PLACED"}, PROOF_S)


async def _copied(scene: Scene, at: int) -> None:
    """Trade while Redis is as it is: it must make no difference to orders."""
    signal_id = await scene.emit(scene.place_body(scene.instruments[at]))
    await scene.until_states(signal_id, AT_BROKER, 10)


async def _start_postgres(scene: Scene) -> None:
    """Start it again; a killed one has children that hold its memory for a moment."""
    world = scene.world
    for _ in range(5):
        program = await asyncio.to_thread(postgres_program, world.stack)
        try:
            await world.machine.start([program])
        except Exception:  # noqa: BLE001  # Whatever it is, the last try tells.
            await asyncio.sleep(0.5)
        else:
            return
    await world.machine.start([program])


async def _deadlocks(scene: Scene) -> int:
    rows = await scene.world.ledger.fetch(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(rows[0]["deadlocks"])
