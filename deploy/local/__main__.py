"""The command line: run, up, down, scale, servers, status, clean."""

import argparse
import logging
import shutil
import signal
import sys
from collections.abc import Callable, Sequence

from deploy.local import environment
from deploy.local.problems import Problem, of_os_error
from deploy.local.screen import Screen
from deploy.local.servers import start_servers
from deploy.local.stack import Stack

Command = Callable[[Screen, argparse.Namespace], None]
# Stacks of tests and demos live inside the folder of the stack of `make run`.
_INNER = ("test", "demo", "faults")


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    # aiokafka logs each refused connection while we wait for Kafka to come up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # A closed terminal or a polite kill stops the stack exactly as Ctrl-C does; and Ctrl-C does it
    # even for a shell script's background job, which is started with that signal ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with Screen() as screen:
        try:
            command: Command = arguments.command
            command(screen, arguments)
        except Problem as problem:
            screen.problem(problem)
            return 1
        except OSError as error:
            known = of_os_error(error)
            if known is None:
                raise
            screen.problem(known)
            return 1
        except KeyboardInterrupt:
            screen.say("Interrupted.")
            return 130
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        its_parser = commands.add_parser(name, help=text, description=text)
        its_parser.set_defaults(command=command)
        return its_parser

    for name, command, text in (
        ("run", _run, "start everything and keep it until Ctrl-C"),
        ("up", _up, "start everything and leave it running"),
    ):
        add(name, command, text).add_argument(
            "--without-app", action="store_true", help="do not build the browser application"
        )
    add("down", _down, "stop everything that this stack started")
    scale = add("scale", _scale, "change the number of executors of a broker")
    scale.add_argument("broker")
    scale.add_argument("replicas", type=int)
    servers = add("servers", _servers, "start only PostgreSQL, Redis and Kafka")
    servers.add_argument("--json", action="store_true", help="print their addresses as JSON")
    add("status", _status, "say what runs")
    add("clean", _clean, "stop everything and remove the state folder")
    return parser


def _run(screen: Screen, arguments: argparse.Namespace) -> None:
    from deploy.local.product import start_product

    stack = Stack.open(environment.given(), screen)
    with stack.locked("run.lock", wait=False):
        try:
            with stack.locked():
                stack.clear()
                environment.keep(stack.environment, stack.layout.state)
                supervisor = stack.ensure_supervisor(dies_with_us=True)
                crowd = start_product(stack, application=not arguments.without_app)
            screen.welcome(stack.address, [*crowd.rows(), ("stop", "Ctrl-C")])
            if supervisor is not None:
                supervisor.wait()
            raise Problem(
                "The supervisor ended, so everything was stopped",
                f"Read {stack.layout.log / 'supervisord.log'} and run the same command again",
            )
        except KeyboardInterrupt:
            screen.say("")
        finally:
            _stop(stack)


def _stop(stack: Stack) -> None:
    # A second Ctrl-C must not leave half of it running; what hangs is killed after its grace.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stack.screen.begin("stopping", "the services first, then the servers")
    stack.stop()
    stack.screen.end("stopping")


def _up(screen: Screen, arguments: argparse.Namespace) -> None:
    from deploy.local.product import start_product

    stack = Stack.open(environment.given(), screen)
    with stack.locked():
        environment.keep(stack.environment, stack.layout.state)
        started = stack.ensure_supervisor()
        try:
            crowd = start_product(stack, application=not arguments.without_app)
        except (Problem, KeyboardInterrupt):
            if started is not None:
                _stop(stack)
            raise
    screen.welcome(stack.address, [*crowd.rows(), ("stop", "python -m deploy.local down")])


def _servers(screen: Screen, arguments: argparse.Namespace) -> None:
    stack = Stack.open(environment.given(), screen)
    with stack.locked():
        stack.ensure_supervisor()
        addresses = start_servers(stack)
        stack.remember()
    if arguments.json:
        sys.stdout.write(addresses.as_json() + "\n")


def _scale(screen: Screen, arguments: argparse.Namespace) -> None:
    from deploy.local.product import scale

    stack = Stack.open(environment.kept(environment.given()), screen)
    with stack.locked():
        scale(stack, arguments.broker, arguments.replicas)


def _down(screen: Screen, arguments: argparse.Namespace) -> None:
    stack = Stack.open(environment.kept(environment.given()), screen)
    with stack.locked():
        _stop(stack)


def _status(screen: Screen, arguments: argparse.Namespace) -> None:
    stack = Stack.open(environment.kept(environment.given()), screen)
    if not stack.supervisor.alive():
        raise Problem("Nothing runs here", "Start it: make run")
    for name, state in stack.supervisor.states().items():
        sys.stdout.write(f"{name:<24} {state.lower()}\n")


def _clean(screen: Screen, arguments: argparse.Namespace) -> None:
    stack = Stack.open(environment.given(), screen)
    for state in (*(stack.layout.state / name for name in _INNER), stack.layout.state):
        if (state / "stack.id").exists():
            one = Stack.open(environment.given() | {"LOCKSTEP_STATE_DIR": str(state)}, screen)
            _stop(one)
            one.forget()
    shutil.rmtree(stack.layout.state, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
