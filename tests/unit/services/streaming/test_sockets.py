"""Who sees what, and what becomes of a reader that is too slow."""

import orjson
import pytest

from libs.runtime.identity import Principal, Role
from libs.trading.events import Notice, NoticeKind
from services.streaming.sockets import ClientSocket, Hub
from tests.factories import NOON, an_account, an_order_changed


def a_socket(user_id: str, *roles: Role, lines_max: int = 256) -> ClientSocket:
    principal = Principal(user_id, frozenset(roles or {Role.FOLLOWER}), f"{user_id}@x", "cookie")
    return ClientSocket(principal, f"token-{user_id}", lines_max)


def a_notice(user_id: str | None) -> Notice:
    return Notice(
        notice_id="notice-1",
        kind=NoticeKind.ALARM_OPENED,
        code="FEED_DOWN",
        subject="account:account-1",
        at=NOON,
        user_id=user_id,
        figures={"broker": "one"},
    )


def admitted(*sockets: ClientSocket) -> Hub:
    hub = Hub()
    for socket in sockets:
        assert hub.admit(socket, NOON)
        socket.line.get_nowait()  # Its hello.
    return hub


def heard(socket: ClientSocket) -> list[str]:
    return [socket.line.get_nowait() for _ in range(socket.line.qsize())]


async def test_hello_is_the_first_frame() -> None:
    socket, hub = a_socket("user-1"), Hub()

    hub.admit(socket, NOON)

    assert orjson.loads(socket.line.get_nowait()) == {
        "type": "hello",
        "server_time": "2026-11-23T06:30:00.000000Z",
        "heartbeat_s": 10,
    }


async def test_an_order_event_reaches_its_follower_and_its_master_and_nobody_else() -> None:
    follower, other = a_socket("user-1"), a_socket("user-2")
    master, other_master = a_socket("master-1", Role.MASTER), a_socket("master-2", Role.MASTER)
    operator, admin = a_socket("operator", Role.OPERATOR), a_socket("admin", Role.ADMIN)
    hub = admitted(follower, other, master, other_master, operator, admin)

    hub.tell(an_order_changed(user_id="user-1", master_id="master-1"))

    assert [len(heard(s)) for s in (follower, master)] == [1, 1]
    assert [len(heard(s)) for s in (other, other_master, operator, admin)] == [0, 0, 0, 0]


async def test_only_a_master_sees_orders_of_own_signals() -> None:
    former_master = a_socket("master-1", Role.FOLLOWER)
    hub = admitted(former_master)

    hub.tell(an_order_changed(user_id="user-1", master_id="master-1"))

    assert heard(former_master) == []


async def test_a_master_who_follows_own_strategy_hears_each_event_once() -> None:
    both = a_socket("person", Role.MASTER, Role.FOLLOWER)
    hub = admitted(both)

    hub.tell(an_order_changed(user_id="person", master_id="person"))

    assert len(heard(both)) == 1


async def test_every_tab_gets_the_same_text() -> None:
    one, two = a_socket("user-1"), a_socket("user-1")
    hub = admitted(one, two)

    hub.tell(an_order_changed(user_id="user-1"))

    [first], [second] = heard(one), heard(two)
    assert first is second
    assert orjson.loads(first)["order"]["order_id"] == an_order_changed().order_id


@pytest.mark.parametrize("role", [Role.VIEWER_OPERATOR, Role.OPERATOR, Role.ADMIN])
async def test_a_notice_for_the_operators_reaches_them_alone(role: Role) -> None:
    operator, follower = a_socket("operator", role), a_socket("user-1")
    hub = admitted(operator, follower)

    hub.tell(a_notice(None))

    assert len(heard(operator)) == 1
    assert heard(follower) == []


async def test_a_persons_notice_and_session_reach_that_person_alone() -> None:
    operator, own = a_socket("operator", Role.OPERATOR), a_socket("user-1")
    hub = admitted(operator, own)

    hub.tell(a_notice("user-1"))
    hub.tell(an_account(user_id="user-1"))

    notice, session = map(orjson.loads, heard(own))
    assert notice["notice"]["figures"] == {"broker": "one"}
    assert session["account"]["session_state"] == "CONNECTED"
    assert "user_id" not in session["account"]
    assert heard(operator) == []


async def test_a_slow_reader_is_let_go_and_the_others_hear_everything() -> None:
    slow, quick = a_socket("user-1", lines_max=8), a_socket("user-1")
    hub = admitted(slow, quick)

    for version in range(20):
        hub.tell(an_order_changed(user_id="user-1", version=version))

    assert slow.ending.result() == 4408
    assert len(heard(slow)) == 8
    assert len(heard(quick)) == 20


async def test_who_left_hears_nothing_more() -> None:
    gone, operator = a_socket("user-1"), a_socket("operator", Role.OPERATOR)
    hub = admitted(gone, operator)

    hub.leave(gone)
    hub.leave(operator)
    hub.leave(operator)
    hub.tell(an_order_changed(user_id="user-1"))
    hub.tell(a_notice(None))

    assert heard(gone) == []
    assert heard(operator) == []
    assert not hub.everyone


async def test_sockets_are_bounded_per_person_and_together() -> None:
    hub = Hub(sockets_max=3, sockets_per_user_max=2)

    admissions = [hub.admit(a_socket(u), NOON) for u in ("one", "one", "one", "two", "three")]

    assert admissions == [True, True, False, True, False]


async def test_clients_learn_once_that_the_bus_is_away_and_once_that_it_is_back() -> None:
    early = a_socket("user-1")
    hub = admitted(early)

    hub.became_stale(NOON)
    hub.became_stale(NOON)
    late = a_socket("user-2")
    hub.admit(late, NOON)
    hub.is_back()
    hub.is_back()

    assert [orjson.loads(f)["type"] for f in heard(early)] == ["stale", "resync"]
    assert [orjson.loads(f)["type"] for f in heard(late)] == ["hello", "stale", "resync"]
