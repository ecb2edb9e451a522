"""Every service as a program: what each is told, and nothing it need not know.

A service gets its own database role and port, the keys it works with, and the settings that carry
its own prefix (EXECUTOR_LEASE_S reaches executors only).
"""

import http.client
import json
from collections.abc import Callable, Mapping

from deploy.local.layout import REPLICAS_MAX, clean_environment
from deploy.local.program import Program, Tier
from deploy.local.servers import Addresses
from deploy.local.stack import Stack
from libs.brokers.registry import BROKERS, manifest
from libs.runtime.migrations import service_dsn

_SHARED = ("LOG_LEVEL", "LOG_FORMAT", "POSTGRES_POOL_MAX")


class Services:
    """Builds the programs of one stack from its addresses, ports and keys."""

    def __init__(self, stack: Stack, python: str, addresses: Addresses) -> None:
        self._stack = stack
        self._python = python
        self._addresses = addresses
        self._ports = stack.layout.ports
        self._keys = stack.keys

    def all(self, replicas: Mapping[str, int], *, application: bool) -> list[Program]:
        programs = [self.simulator(broker) for broker in BROKERS]
        programs += [self.auth(), self.signal(), self.streaming()]
        for broker, count in replicas.items():
            programs += [self.executor(broker, number) for number in range(count)]
        return [*programs, self.web(application=application)]

    def simulator(self, broker: str) -> Program:
        settings = {
            "SIMULATOR_BROKER": broker,
            "SIMULATOR_STATE_DIR": str(self._stack.layout.state / "simulators" / broker),
            "SIMULATOR_CONTROL_TOKEN": self._keys.simulator_control_token,
            **self._app_of(broker),
        }
        port = self._ports.simulator_of(broker)
        name = f"simulator-{_word(broker)}"
        return self._program(name, "simulator", port, settings, tier=Tier.SIMULATOR)

    def auth(self) -> Program:
        settings = {
            "ENCRYPTION_KEY": self._keys.encryption_key,
            **self._session_settings(),
            **self._connections("auth"),
        }
        for broker in BROKERS:
            settings |= self._app_of(broker)
        return self._program("auth", "auth", self._ports.auth, settings)

    def signal(self) -> Program:
        settings = {"ORDER_TAG_KEY": self._keys.order_tag_key, **self._connections("signal")}
        return self._program("signal", "signal", self._ports.signal, settings)

    def streaming(self) -> Program:
        settings = {**self._session_settings(), **self._connections("streaming")}
        return self._program("streaming", "streaming", self._ports.streaming, settings)

    def executor(self, broker: str, number: int) -> Program:
        settings = {
            "EXECUTOR_BROKER": broker,
            "ORDER_TAG_KEY": self._keys.order_tag_key,
            **self._session_settings(),
            **self._connections("executor"),
        }
        port = self._ports.executor_of(broker, number)
        return self._program(executor_name(broker, number), "executor", port, settings)

    def web(self, *, application: bool) -> Program:
        ports = self._ports
        executors = {
            broker: [_local(ports.executor_of(broker, n)) for n in range(REPLICAS_MAX)]
            for broker in BROKERS
        }
        settings = {
            "WEB_PUBLIC_URL": self._stack.address,
            "WEB_AUTH_URL": _local(ports.auth),
            "WEB_SIGNAL_URL": _local(ports.signal),
            "WEB_STREAMING_URL": _local(ports.streaming),
            "WEB_EXECUTOR_URLS": _compact(executors),
        }
        # Without the application the edge still routes, but never counts itself as ready.
        ready = "/edge/readyz" if application else "/edge/healthz"
        return self._program("web", "web", ports.web, settings, tier=Tier.EDGE, ready=ready)

    def _program(
        self,
        name: str,
        service: str,
        port: int,
        settings: Mapping[str, str],
        *,
        tier: Tier = Tier.SERVICE,
        ready: str = "/readyz",
    ) -> Program:
        given = self._stack.environment
        prefix = f"{service.upper()}_"
        chosen = {k: v for k, v in given.items() if k.startswith(prefix) or k in _SHARED}
        return Program(
            name=name,
            command=(self._python, "-m", f"services.{service}"),
            tier=tier,
            environment={
                **clean_environment(given),
                "LOCKSTEP_ENV": "local",
                **chosen,
                **settings,
                f"{prefix}PORT": str(port),
            },
            ports={port: service},
            ready=_answers(port, ready),
        )

    def _session_settings(self) -> dict[str, str]:
        """Name what everyone needs who opens broker sessions, and where paper accounts trade."""
        simulators = {broker: _local(self._ports.simulator_of(broker)) for broker in BROKERS}
        return {
            "SESSION_ENCRYPTION_KEY": self._keys.session_encryption_key,
            "SIMULATOR_URLS": _compact(simulators),
        }

    def _connections(self, service: str) -> dict[str, str]:
        """Name what every service behind the edge speaks to, the database under its own role."""
        return {
            "POSTGRES_DSN": service_dsn(
                self._addresses.postgres_dsn, service, self._keys.service_password
            ),
            "REDIS_URL": self._addresses.redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": self._addresses.kafka_bootstrap_servers,
            "AUTH_URL": _local(self._ports.auth),
            "INTERNAL_SERVICE_TOKEN": self._keys.internal_service_token,
        }

    def _app_of(self, broker: str) -> dict[str, str]:
        """Give a broker an app of this stack's own; what the environment names, wins."""
        prefix = f"{broker.upper()}_"
        made = {
            f"{prefix}APP_ID": "LOCKSTEP01-100",
            f"{prefix}SECRET_ID": self._keys.app_secret[:24],
            f"{prefix}REDIRECT_URI": f"{self._stack.address}{manifest(broker).callback_path}",
        }
        given = self._stack.environment.items()
        return made | {key: value for key, value in given if key.startswith(prefix) and value}


def executor_name(broker: str, number: int) -> str:
    return f"executor-{_word(broker)}-{number}"


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _word(broker: str) -> str:
    return broker.replace("_", "-")


def _answers(port: int, path: str) -> Callable[[], bool]:
    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask
