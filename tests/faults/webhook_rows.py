"""Row 46: everything hostile that can be sent to a webhook, and nothing may come of it."""

import asyncio
import hashlib
import hmac
import json
import secrets
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.local.visitor import Visitor
from tests.faults.case import Emitted
from tests.faults.rows import row
from tests.faults.scene import Scene

_HEADER = "X-Signature"
_WINDOW_S = 300
_HUGE_BYTES = 50 * 1024 * 1024
_CHUNK = b" " * 65_536
_ROUNDS = 120
_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Address:
    """A webhook as its sender knows it."""

    path: str
    key: bytes

    @property
    def strategy(self) -> str:
        return self.path.split("/")[2]

    @property
    def secret(self) -> str:
        return self.path.rpartition("/")[2]

    def signed(self, body: bytes) -> str:
        return hmac.new(self.key, body, hashlib.sha256).hexdigest()


@row(46, "hostile webhook: unsigned, altered, old, replayed, huge, deep, foreign")
async def hostile_webhook(scene: Scene) -> None:
    mine = await _opened(scene, scene.strategy_id)
    foreign = await _opened(scene, await _another_strategy(scene))
    body = _alert(scene)
    signal_id = await _accepted(scene, mine, body)
    await scene.until_arrivals(len(scene.followers))
    before = await _signals(scene)
    await _forged(scene, mine, foreign)
    await _out_of_its_time(scene, mine)
    await _oversized(scene, mine)
    await _replayed(scene, mine, body, signal_id)
    await _misaddressed(scene, mine, foreign, body)
    await _indistinguishable(scene, mine)
    scene.check(await _signals(scene) == before, "a hostile alert became a signal")
    await scene.mend()


async def _forged(scene: Scene, mine: Address, foreign: Address) -> None:
    body = _alert(scene)
    fits = mine.signed(body)
    flipped = f"{int(fits[0], 16) ^ 1:x}{fits[1:]}"
    spelled_anew = json.dumps(json.loads(body), separators=(",", ":")).encode()
    attempts = {
        "no signature": (body, None),
        "an empty signature": (body, ""),
        "one bit of the signature": (body, flipped),
        "one bit of the body": (body.replace(b'"1"', b'"3"'), fits),
        "the same JSON, spelled anew": (spelled_anew, fits),
        "another webhook's signature": (body, foreign.signed(body)),
        "the secret for a key": (
            body,
            hmac.new(mine.secret.encode(), body, hashlib.sha256).hexdigest(),
        ),
    }
    for name, (altered, signature) in attempts.items():
        await _expect(scene, 401, name, mine.path, altered, signature)


async def _out_of_its_time(scene: Scene, mine: Address) -> None:
    for name, away_s in (("old", -_WINDOW_S - 5), ("from the future", _WINDOW_S + 60)):
        body = _alert(scene, away_s=away_s)
        await _expect(scene, 409, f"an alert {name}", mine.path, body, mine.signed(body))
    body = _alert(scene, time="half past nine")
    await _expect(scene, 422, "an alert without a moment", mine.path, body, mine.signed(body))


async def _oversized(scene: Scene, mine: Address) -> None:
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    await _expect(scene, 422, "deep JSON", mine.path, deep, mine.signed(deep))
    large = _alert(scene) + b" " * 70_000
    await _expect(scene, 413, "70 kB", mine.path, large, mine.signed(large))
    # Past the edge too: whoever reaches the service itself gets no further.
    for service in ("web", "signal"):
        try:
            answer = await scene.world.http.post(
                scene.world.url(service) + mine.path, content=_endless()
            )
            scene.check(answer.status_code == 413, f"50 MB at {service}: {answer.status_code}")
        except httpx.TransportError:
            scene.said.append(f"{service} hung up on 50 MB")


async def _replayed(scene: Scene, mine: Address, body: bytes, signal_id: str) -> None:
    """Send what was accepted again, all at once: nothing new comes of it."""
    signature = mine.signed(body)
    answers = await asyncio.gather(
        *(_post(scene, mine.path, body, signature) for _ in range(_AT_ONCE))
    )
    for answer in answers:
        same = answer.status_code == 202 and answer.json()["signal_ids"] == [signal_id]
        scene.check(same, f"a replay was answered {answer.status_code} {answer.text[:100]}")
    scene.check(
        await scene.arrivals_of(signal_id) == len(scene.followers), "a replay sent an order"
    )


async def _misaddressed(scene: Scene, mine: Address, foreign: Address, body: bytes) -> None:
    attempts = {
        "a secret one letter short": f"/webhooks/{mine.strategy}/{mine.secret[:-1]}",
        "a guess": f"/webhooks/{mine.strategy}/lsw_{secrets.token_urlsafe(32)}",
        "another strategy's secret": f"/webhooks/{mine.strategy}/{foreign.secret}",
        "the secret at another strategy": f"/webhooks/{foreign.strategy}/{mine.secret}",
        "a strategy that is not there": f"/webhooks/{uuid.uuid4()}/{mine.secret}",
        "no strategy": f"/webhooks/nobody/{mine.secret}",
    }
    answers = set()
    for name, path in attempts.items():
        answer = await _expect(scene, 404, name, path, body, mine.signed(body))
        answers.add(answer.content)
    scene.check(len(answers) == 1, f"wrong addresses are told apart: {answers}")


async def _indistinguishable(scene: Scene, mine: Address) -> None:
    """Time a nearly right secret, a wrong one and a wrong strategy, turn by turn."""
    paths = {
        "nearly right": f"/webhooks/{mine.strategy}/{mine.secret[:-1]}",
        "wrong": f"/webhooks/{mine.strategy}/x{mine.secret[1:-1]}",
        "elsewhere": f"/webhooks/{uuid.uuid4()}/{mine.secret[:-1]}",
    }
    took: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(_ROUNDS):
        for name in scene.dice.sample(list(paths), len(paths)):
            began = time.perf_counter()
            await _post(scene, paths[name], b"{}", None)
            took[name].append(time.perf_counter() - began)
    quartiles = {name: statistics.quantiles(times, n=4) for name, times in took.items()}
    medians = [middle for _, middle, _ in quartiles.values()]
    # What cannot be seen in a hundred requests side by side is inside one request's own spread.
    spread = max(high - low for low, _, high in quartiles.values())
    figures = ", ".join(f"{name} {q[1] * 1000:.2f}" for name, q in quartiles.items())
    scene.said.append(f"medians in ms: {figures}; spread {spread * 1000:.2f}")
    scene.check(max(medians) - min(medians) <= spread, f"addresses differ in time: {figures}")


async def _opened(scene: Scene, strategy_id: str) -> Address:
    """Open a signed webhook through the product's own route; its secrets must show up nowhere."""
    body = {
        "name": "Row 46",
        "format": "TRADINGVIEW",
        "signature_header": _HEADER,
        "replay_window_s": _WINDOW_S,
        "mapping": {
            "instrument": {"field": "ticker"},
            "side": {"field": "side"},
            "product": {"constant": "INTRADAY"},
            "quantity": {"field": "contracts"},
            "alerted_at": {"field": "time"},
        },
    }
    async with Visitor(scene.world.stack.address, scene.master.cookie) as visitor:
        opened = await visitor.call("POST", f"/strategies/{strategy_id}/webhooks", body)
    address = Address(path=str(opened["path"]), key=str(opened["signing_key"]).encode())
    scene.secrets.words[f"the secret of the webhook of {strategy_id}"] = address.secret
    scene.secrets.words[f"the signing key of the webhook of {strategy_id}"] = address.key.decode()
    return address


async def _another_strategy(scene: Scene) -> str:
    async with Visitor(scene.world.stack.address, scene.master.cookie) as visitor:
        name = f"Row 46 beside {uuid.uuid4().hex[:8]}"
        return str((await visitor.call("POST", "/strategies", {"name": name}))["strategy_id"])


def _alert(scene: Scene, *, away_s: int = 0, **changes: Any) -> bytes:
    at = datetime.now(UTC) + timedelta(seconds=away_s)
    body = {
        "ticker": scene.instruments[0],
        "side": "buy",
        "contracts": "1",
        "time": at.isoformat(),
        "nonce": uuid.uuid4().hex,
    }
    return json.dumps({**body, **changes}).encode()


async def _accepted(scene: Scene, address: Address, body: bytes) -> str:
    """Send the one honest alert; the judge waits for its orders."""
    answer = await _expect(scene, 202, "an honest alert", address.path, body, address.signed(body))
    (signal_id,) = answer.json()["signal_ids"]
    emitted = Emitted(
        signal_id=signal_id,
        action="PLACE",
        instrument=scene.instruments[0],
        eligible=[follower.account_id for follower in scene.followers],
    )
    scene.signals.append(emitted)
    scene.world.signals.append(emitted)
    return str(signal_id)


async def _signals(scene: Scene) -> int:
    rows = await scene.world.ledger.fetch(
        """SELECT count(*) AS n FROM signal.signals JOIN signal.strategies USING (strategy_id)
        WHERE strategies.master_id = (
            SELECT master_id FROM signal.strategies WHERE strategy_id = $1::uuid)""",
        scene.strategy_id,
    )
    return int(rows[0]["n"])


async def _expect(
    scene: Scene, status: int, name: str, path: str, body: bytes, signature: str | None
) -> httpx.Response:
    answer = await _post(scene, path, body, signature)
    scene.check(answer.status_code == status, f"{name} was answered {answer.status_code}")
    return answer


async def _post(scene: Scene, path: str, body: bytes, signature: str | None) -> httpx.Response:
    headers = {} if signature is None else {_HEADER: signature}
    return await scene.world.http.post(scene.world.url("web") + path, content=body, headers=headers)


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(_HUGE_BYTES // len(_CHUNK)):
        yield _CHUNK
