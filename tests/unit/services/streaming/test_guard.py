"""A sign-in that ended closes its sockets; one that nobody can check is let stay for a while."""

from libs.runtime.identity import IdentityUnavailable, Principal, Role
from services.streaming.guard import SignInGuard
from services.streaming.sockets import ClientSocket, Hub
from tests.factories import NOON

SOMEONE = Principal("user-1", frozenset({Role.FOLLOWER}), "user-1@x", "cookie")


class SignIns:
    def __init__(self) -> None:
        self.known: dict[str, Principal] = {"good": SOMEONE, "other": SOMEONE}
        self.away = False
        self.asked = 0

    async def of_cookie(self, token: str) -> Principal | None:
        self.asked += 1
        if self.away:
            raise IdentityUnavailable("nobody there")
        return self.known.get(token)


def an_open_hub(*tokens: str) -> tuple[Hub, list[ClientSocket]]:
    hub = Hub()
    sockets = [ClientSocket(SOMEONE, token) for token in tokens]
    assert all(hub.admit(socket, NOON) for socket in sockets)
    return hub, sockets


async def test_a_revoked_sign_in_closes_its_sockets_and_no_others() -> None:
    hub, [revoked, revoked_too, good] = an_open_hub("other", "other", "good")
    sign_ins = SignIns()
    del sign_ins.known["other"]

    await SignInGuard(identities=sign_ins, hub=hub, step_s=0.25).step()

    assert revoked.ending.result() == 4401
    assert revoked_too.ending.result() == 4401
    assert not good.ending.done()


async def test_tabs_of_one_sign_in_are_asked_about_once() -> None:
    hub, _ = an_open_hub(*["good"] * 10)
    sign_ins = SignIns()

    await SignInGuard(identities=sign_ins, hub=hub, step_s=0.25).step()

    assert sign_ins.asked == 1


async def test_other_roles_send_the_client_back_to_the_door() -> None:
    hub, [socket] = an_open_hub("good")
    sign_ins = SignIns()
    sign_ins.known["good"] = Principal("user-1", frozenset(), "user-1@x", "cookie")

    await SignInGuard(identities=sign_ins, hub=hub, step_s=0.25).step()

    assert socket.ending.result() == 1012


async def test_who_nobody_can_vouch_for_stays_only_so_long() -> None:
    hub, [socket] = an_open_hub("good")
    sign_ins = SignIns()
    sign_ins.away = True
    guard = SignInGuard(identities=sign_ins, hub=hub, step_s=0.25, unverified_s_max=1.0)

    for _ in range(4):
        await guard.step()
    stayed = not socket.ending.done()
    await guard.step()

    assert stayed
    assert socket.ending.result() == 1013


async def test_the_patience_begins_anew_after_each_answer() -> None:
    hub, [socket] = an_open_hub("good")
    sign_ins = SignIns()
    guard = SignInGuard(identities=sign_ins, hub=hub, step_s=0.5, unverified_s_max=1.0)

    for away in (True, True, False, True, True, False, True):
        sign_ins.away = away
        await guard.step()

    assert not socket.ending.done()
