"""What must not slow a signal down: followers of other masters, and orders of the past."""

from tests.bench.bench import LARGEST, SIZES, Bench
from tests.bench.crowd import Group
from tests.bench.old_orders import OldOrders, order_tables

_BROKER_MS = 5
_MASTERS = 20


async def other_masters(bench: Bench) -> None:
    """Measure without, with, and again without many followers of other masters in one executor."""
    n = bench.options.others
    bench.begin(f"{n} followers of others")
    await bench.product.scale(1, bench.pool, afresh=True)
    await bench.warm_up()
    await _rounds(bench, "without_others")
    strangers = [await _strangers(bench, n // _MASTERS) for _ in range(_MASTERS)]
    bench.note(f"{n} accounts with follows and sessions written")
    await bench.product.scale(1, bench.pool, afresh=True)
    await bench.warm_up()
    await _rounds(bench, "with_others")
    for group in strangers:
        await bench.crowd.leave(group)
    await bench.product.scale(1, bench.pool, afresh=True)
    await bench.warm_up()
    await _rounds(bench, "without_others")
    await bench.check()
    bench.end()


async def ledger(bench: Bench) -> None:
    """Measure with an empty ledger, then with millions of orders and their history in it."""
    rows = bench.options.ledger_rows
    bench.begin(f"ledger of {rows} orders")
    await _empty(bench)
    await bench.product.scale(1, bench.pool, afresh=True)
    await bench.warm_up()
    await _rounds(bench, "ledger_empty")
    await bench.check()
    await bench.product.scale(0, bench.pool, afresh=True)
    await _fill(bench, rows)
    await bench.product.scale(1, bench.pool, afresh=True)
    await bench.warm_up()
    await _rounds(bench, "ledger_full")
    await bench.check()
    bench.end()


async def _rounds(bench: Bench, who: str) -> None:
    for turn in range(bench.options.rounds):
        for n in SIZES:
            await bench.shot(who, n, _BROKER_MS)
        await bench.floor_shot(f"floor_beside_{who}", "run", LARGEST, _BROKER_MS, LARGEST)
        bench.note(f"{who.replace('_', ' ')}, round {turn + 1} of {bench.options.rounds}")


async def _strangers(bench: Bench, followers: int) -> Group:
    master_id, _ = await bench.crowd.master()
    return await bench.crowd.group(master_id, followers)


async def _empty(bench: Bench) -> None:
    """Take away what earlier sections wrote, executors stopped."""
    await bench.check()
    await bench.product.scale(0, bench.pool, afresh=True)
    await bench.pool.execute(f"TRUNCATE {', '.join(await order_tables(bench.pool))} CASCADE")


async def _fill(bench: Bench, rows: int) -> None:
    accounts = [account_id for group in bench.groups.values() for account_id in group.account_ids]
    dsn = bench.product.addresses.postgres_dsn
    writing = OldOrders(dsn, accounts, bench.groups[LARGEST].strategy_id)
    await writing.prepare()
    done = 0
    async for written in writing.write(rows):
        done += written
        bench.note(f"{done} of {rows} old orders written")
    bench.note("indexes and vacuum")
    await writing.tidy()
    bench.figures.facts["ledger"] = await writing.sizes()
