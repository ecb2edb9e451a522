"""The simulator as a process of its own: what it answered is still there after kill -9."""

import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import websockets

from libs.brokers.registry import BROKERS

BROKER = BROKERS[0]
ROOT = Path(__file__).parents[3]
APP, SECRET, CLIENT = "LOCKSTEP01-100", "paper-secret", "XB00001"
ORDER: dict[str, Any] = {
    "symbol": "NSE:SBIN-EQ",
    "qty": 1,
    "type": 2,
    "side": 1,
    "productType": "INTRADAY",
    "limitPrice": 0,
    "stopPrice": 0,
    "validity": "DAY",
}


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def a_process(state: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "PATH": os.environ["PATH"],
        "SIMULATOR_BROKER": BROKER,
        "SIMULATOR_PORT": str(port),
        "SIMULATOR_STATE_DIR": str(state),
        "SIMULATOR_LIMITS_ENABLED": "false",
    }
    command = [sys.executable, "-m", "services.simulator"]
    with (state.parent / "log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program.
            command, cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the simulator did not become ready")


async def signed_in(http: httpx.AsyncClient) -> str:
    await http.post("/_control/accounts", json={"client_id": CLIENT, "funds": "90000000"})
    wanted = {"client_id": CLIENT, "app_id": APP, "redirect_uri": "http://127.0.0.1/callback"}
    reply = await http.post("/_control/authorizations", json=wanted)
    code = parse_qs(urlsplit(reply.json()["redirect_to"]).query)["auth_code"][0]
    digest = hashlib.sha256(f"{APP}:{SECRET}".encode()).hexdigest()
    body = {"grant_type": "authorization_code", "appIdHash": digest, "code": code}
    tokens = (await http.post("/api/v3/validate-authcode", json=body)).json()
    return f"{APP}:{tokens['access_token']}"


def a_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=10)


async def test_every_answered_order_is_there_after_kill_9(tmp_path: Path) -> None:
    port = a_free_port()
    url, state = f"http://127.0.0.1:{port}", tmp_path / "state"
    answered: list[str] = []
    enough = asyncio.Event()

    with a_process(state, port) as process:
        wait_until_ready(url)
        async with a_client(url) as http:
            header = {"Authorization": await signed_in(http)}

            async def place_until_the_line_breaks(worker: int) -> None:
                for number in range(10_000):
                    tag = {"orderTag": f"w{worker}n{number}"}
                    reply = await http.post("/api/v3/orders/sync", json=ORDER | tag, headers=header)
                    answered.append(reply.json()["id"])
                    if len(answered) == 300:
                        enough.set()

            workers = [asyncio.create_task(place_until_the_line_breaks(it)) for it in range(20)]
            await asyncio.wait_for(enough.wait(), 30)
            process.send_signal(signal.SIGKILL)
            outcomes = await asyncio.gather(*workers, return_exceptions=True)
            assert all(isinstance(it, httpx.TransportError) for it in outcomes), outcomes

    with a_process(state, port):
        wait_until_ready(url)
        async with a_client(url) as http:
            book = (await http.get("/api/v3/orders", headers=header)).json()["orderBook"]
            position = (await http.get("/api/v3/positions", headers=header)).json()
            next_id = (await http.post("/api/v3/orders/sync", json=ORDER, headers=header)).json()

    ids = [row["id"] for row in book]
    assert set(answered) <= set(ids)
    assert len(set(ids)) == len(ids)
    assert position["netPositions"][0]["netQty"] == len(ids)
    assert next_id["id"] not in ids


async def test_sigterm_closes_sockets_and_ends_the_process(tmp_path: Path) -> None:
    port = a_free_port()
    url = f"http://127.0.0.1:{port}"
    with a_process(tmp_path / "state", port) as process:
        wait_until_ready(url)
        async with a_client(url) as http:
            header = {"authorization": await signed_in(http)}
        address = f"ws://127.0.0.1:{port}/trade/v3"
        async with websockets.connect(address, additional_headers=header) as line:
            await line.send("ping")
            assert await line.recv() == "pong"
            process.send_signal(signal.SIGTERM)
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(line.recv(), 10)
        assert process.wait(10) in {0, -signal.SIGTERM}


async def test_second_process_on_the_same_state_says_so_in_one_line(tmp_path: Path) -> None:
    port, state = a_free_port(), tmp_path / "state"
    with a_process(state, port):
        wait_until_ready(f"http://127.0.0.1:{port}")
        with a_process(state, a_free_port()) as second:
            assert second.wait(20) == 1

    last_line = (tmp_path / "log").read_text().splitlines()[-1]
    assert "another simulator is using" in last_line
    assert "stop it first" in last_line
