"""The look over the whole run: every signal of every row against the whole journal, at the end."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer

from libs.contracts import topics
from tests.faults.case import Case
from tests.faults.evidence import arrivals_of, created_of
from tests.faults.judge import doubled, ledger_is_book, lost, sent_once
from tests.faults.report import Result
from tests.faults.secrecy import Secrets
from tests.faults.world import World

_WAIT_MS = 1000


async def look(world: World, result: Result, searched: Secrets) -> None:
    """Count what was doubled or lost over all rows, and search where secrets may have ended up."""
    case = await _whole(world)
    result.doubled, result.lost = len(doubled(case)), len(lost(case))
    result.violations += [f"I1: {words}" for words in sent_once(case)]
    result.violations += [f"I4: {words}" for words in ledger_is_book(case)]
    result.violations += [f"lost: {words}" for words in lost(case)]
    leaks = await searched.leaks_in_database()
    letters = [letter async for letter in _dead_letters(world)]
    leaks += searched.leaks_in(topics.DEAD_LETTERS, letters)
    result.violations += [f"I11: {leak}" for leak in dict.fromkeys(leaks)]


async def _whole(world: World) -> Case:
    ids = [signal.signal_id for signal in world.signals]
    entries = await world.simulator.entries(0)
    clients = {member.account_id: member.client_id for member in world.crowd.everybody}
    return Case(
        now=await world.ledger.now(),
        signals=world.signals,
        signal_rows=await world.ledger.signal_rows(ids),
        orders=await world.ledger.orders(ids),
        history=(),
        arrivals=arrivals_of(entries),
        created=await created_of(entries, world.simulator),
        alarms=(),
        expected=(),
        # What the owners traded themselves is in no ledger: rows compare what each one gained.
        net_books={} if world.foreign else await world.simulator.net(clients),
        net_ours={} if world.foreign else await world.ledger.net(list(clients)),
        foreign=frozenset(world.foreign),
    )


async def _dead_letters(world: World) -> AsyncIterator[bytes]:
    consumer = AIOKafkaConsumer(
        topics.DEAD_LETTERS,
        bootstrap_servers=world.addresses.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
        group_id=None,
    )
    await consumer.start()
    try:
        while batches := await consumer.getmany(timeout_ms=_WAIT_MS):
            for records in batches.values():
                for record in records:
                    yield record.value or b""
    finally:
        await consumer.stop()
