"""Sections that follow single signals: floors, product and baselines, warm and cold."""

from tests.bench.bench import BROKER_MS, LARGEST, SIZES, Bench
from tests.bench.figures import last

_CONCURRENCIES = (100, 200, 400, LARGEST)
_CHOOSING_ROUNDS = 3
_BASELINES = ("sequential", "httpx", "threads")
_BASELINE_BROKER_MS = 5


async def one_executor(bench: Bench) -> None:
    """Floor, product and baselines in turns, everything warm, one executor process."""
    bench.begin("fan-out, 1 executor")
    await bench.product.scale(1, bench.pool)
    await bench.warm_up()
    concurrency = {broker_ms: await _best_concurrency(bench, broker_ms) for broker_ms in BROKER_MS}
    bench.figures.facts["floor_concurrency"] = concurrency
    for turn in range(bench.options.rounds):
        for broker_ms in BROKER_MS:
            await _turn(bench, broker_ms, concurrency[broker_ms])
            bench.note(f"round {turn + 1} of {bench.options.rounds}, broker {broker_ms} ms")
        await _baselines(bench)
    await bench.check()
    bench.end(_summary(bench, "product"))


async def two_executors(bench: Bench) -> None:
    """Measure the same with the shards shared by two executor processes."""
    bench.begin("fan-out, 2 executors")
    await bench.product.scale(2, bench.pool)
    await bench.warm_up()
    for turn in range(bench.options.rounds):
        for broker_ms in BROKER_MS:
            for n in SIZES:
                await bench.shot("two_executors", n, broker_ms)
            await bench.floor_shot("floor_beside_two", "run", LARGEST, broker_ms, LARGEST)
            bench.note(f"round {turn + 1} of {bench.options.rounds}, broker {broker_ms} ms")
    await bench.check()
    bench.end(_summary(bench, "two_executors"))


async def cold(bench: Bench) -> None:
    """Measure the first signal after a start: nothing is warm but what executors warm."""
    bench.begin("cold starts")
    for turn in range(bench.options.rounds):
        for executors, who in ((1, "cold"), (2, "two_executors_cold")):
            for n in SIZES:
                await bench.product.scale(executors, bench.pool, afresh=True)
                await bench.shot(who, n, _BASELINE_BROKER_MS)
            bench.note(f"round {turn + 1} of {bench.options.rounds}, executors: {executors}")
    await bench.check()
    bench.end(_summary(bench, "cold"))


async def _turn(bench: Bench, broker_ms: int, concurrency: int) -> None:
    for n in SIZES:
        await bench.floor_shot("floor", "run", n, broker_ms, concurrency)
        await bench.shot("product", n, broker_ms)
    await bench.floor_shot("floor_alike_table", "alike", LARGEST, broker_ms, concurrency)
    for _ in range(3):
        times = await bench.floor.ask("commit")
        took_ms = (times["durable_ns"] - times["began_ns"]) / 1e6
        bench.figures.add("floor_hop_and_one_row_commit", took_ms)


async def _best_concurrency(bench: Bench, broker_ms: int) -> int:
    """Give the floor the number of requests at once that suits it best on this machine."""
    tried: dict[int, list[float]] = {}
    for concurrency in _CONCURRENCIES * _CHOOSING_ROUNDS:
        shot = await bench.meter.client(
            bench.floor, "run", LARGEST, broker_ms, concurrency=concurrency
        )
        tried.setdefault(concurrency, []).append(shot.last_ms)
        await bench.quiet(0)
    best = min(tried, key=lambda concurrency: sorted(tried[concurrency])[_CHOOSING_ROUNDS // 2])
    bench.note(f"the floor sends {best} at once, broker {broker_ms} ms")
    return best


async def _baselines(bench: Bench) -> None:
    for op in _BASELINES:
        shot = await bench.meter.client(bench.baselines, op, LARGEST, _BASELINE_BROKER_MS)
        bench.keep(op, LARGEST, _BASELINE_BROKER_MS, shot)
        await bench.quiet(0)


def _summary(bench: Bench, who: str) -> str:
    figure = bench.figures.median(last(who, LARGEST, 5))
    return f"last of {LARGEST}: {figure:.1f} ms" if figure is not None else ""
