"""The command line: run, up, down, scale, servers, status."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

from deploy.local.problems import Problem, of_os_error
from deploy.local.screen import Screen
from deploy.local.servers import start_servers
from deploy.local.stack import Stack


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    # aiokafka logs each refused connection while we wait for Kafka to come up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with Screen() as screen:
        try:
            command: Callable[[Screen, argparse.Namespace], int] = arguments.command
            return command(screen, arguments)
        except Problem as problem:
            screen.problem(problem)
        except OSError as error:
            known = of_os_error(error)
            if known is None:
                raise
            screen.problem(known)
        except KeyboardInterrupt:
            screen.say("Stopped before it was up.")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    servers = commands.add_parser("servers", help="only PostgreSQL, Redis and Kafka, detached")
    servers.add_argument("--json", action="store_true", help="print their addresses as JSON")
    servers.set_defaults(command=_servers)
    down = commands.add_parser("down", help="stop everything this stack started")
    down.set_defaults(command=_down)
    status = commands.add_parser("status", help="what runs")
    status.set_defaults(command=_status)
    return parser


def _servers(screen: Screen, arguments: argparse.Namespace) -> int:
    stack = Stack.open(os.environ, screen)
    with stack.locked():
        stack.ensure_supervisor()
        addresses = start_servers(stack)
        stack.remember()
    if arguments.json:
        sys.stdout.write(addresses.as_json() + "\n")
    return 0


def _down(screen: Screen, arguments: argparse.Namespace) -> int:
    stack = Stack.open(os.environ, screen)
    with stack.locked(), screen.step("stopped"):
        stack.stop()
    return 0


def _status(screen: Screen, arguments: argparse.Namespace) -> int:
    stack = Stack.open(os.environ, screen)
    if not stack.supervisor.alive():
        sys.stdout.write("nothing runs\n")
        return 1
    for name, state in stack.supervisor.states().items():
        sys.stdout.write(f"{name:<24} {state.lower()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
