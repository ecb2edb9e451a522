"""The demo people: made through the product's routes, connected by the simulator's login."""

from dataclasses import dataclass

from deploy.local.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who can sign in, and how many of them are connected."""

    sign_ins: tuple[str, ...] = ()
    password: str = "lockstep-demo"  # noqa: S105 (a demo sign-in, printed on purpose)

    def rows(self) -> list[tuple[str, str]]:
        return [("sign in", ", ".join(self.sign_ins)), ("password", self.password)]


def settle(stack: Stack) -> Crowd:
    return Crowd()
