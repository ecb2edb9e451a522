"""All chaos proxies of a run in one process: `python -m tests.faults.switchboard FILE`.

The file holds `{name: [port, control port, upstream port]}`; each proxy is steered over its
control port (`chaos_proxy.RemoteProxy`). Apart from the harness, so that judging slows no line.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.chaos_proxy import ChaosProxy, serve_control

_HOST = "127.0.0.1"


async def main(wires: Mapping[str, tuple[int, int, int]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as opened:
        for port, control_port, upstream in wires.values():
            proxy = ChaosProxy((_HOST, upstream), (_HOST, port))
            await opened.enter_async_context(proxy)
            control = await serve_control(proxy, _HOST, control_port)
            opened.callback(control.close)
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
