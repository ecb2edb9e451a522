"""Strategies: created, described and read; nobody else's can be touched."""

from uuid_utils import uuid7

from tests.integration.signal.running import RunningService


async def test_a_strategy_is_created_renamed_and_read_by_everyone_signed_in(
    service: RunningService,
) -> None:
    master, strategy_id = await service.master()
    follower = await service.person("follower")

    changed = await master.http.patch(
        f"/strategies/{strategy_id}", json={"description": "Large caps, intraday."}
    )
    read = await follower.http.get(f"/strategies/{strategy_id}")
    listed = await follower.http.get("/strategies")

    assert changed.status_code == 200
    assert read.json() == changed.json()
    assert (read.json()["name"], read.json()["description"]) == (
        "Momentum",
        "Large caps, intraday.",
    )
    assert listed.json() == {"strategies": [read.json()], "cursor": None}


async def test_names_are_unique_per_master_whatever_their_case(service: RunningService) -> None:
    master, strategy_id = await service.master()
    other = await master.open_strategy("Carry")

    created = await master.http.post("/strategies", json={"name": "MOMENTUM"})
    renamed = await master.http.patch(f"/strategies/{other}", json={"name": "momentum"})
    same = await master.http.patch(f"/strategies/{strategy_id}", json={"name": "MOMENTUM"})
    await service.master()  # Another master's Momentum is fine.

    assert (created.status_code, created.json()["code"]) == (409, "NAME_TAKEN")
    assert (renamed.status_code, renamed.json()["code"]) == (409, "NAME_TAKEN")
    assert same.json()["name"] == "MOMENTUM"


async def test_another_masters_strategy_cannot_be_changed(service: RunningService) -> None:
    _, strategy_id = await service.master()
    stranger, _ = await service.master()

    foreign = await stranger.http.patch(f"/strategies/{strategy_id}", json={"name": "Mine"})
    absent = await stranger.http.patch(f"/strategies/{uuid7()}", json={"name": "Mine"})

    assert (foreign.status_code, foreign.json()) == (absent.status_code, absent.json())
    assert foreign.status_code == 404


async def test_strategies_are_listed_page_by_page(service: RunningService) -> None:
    master = await service.person("master")
    made = [await master.open_strategy(f"Strategy {number}") for number in range(5)]

    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"before": cursor} if cursor else {})}
        page = (await master.http.get("/strategies", params=query)).json()
        seen += [item["strategy_id"] for item in page["strategies"]]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert seen == made[::-1]


async def test_followers_open_no_strategies(service: RunningService) -> None:
    follower = await service.person("follower")

    answer = await follower.http.post("/strategies", json={"name": "Mine"})

    assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")
