import pytest

from libs.paper.server.knobs import Failure, Knob, Knobs, Operation, Outcome

CLIENT = "XB00001"


def outcomes(knobs: Knobs, requests: int) -> list[Outcome]:
    return [knobs.take(CLIENT, Operation.PLACE).outcome for _ in range(requests)]


def test_knob_serves_the_next_requests_and_then_no_more() -> None:
    knobs = Knobs()
    knobs.put(Knob(outcome=Outcome.ACT_THEN_FAIL, requests=2))

    taken = [knobs.take("XB00001", Operation.PLACE).outcome for _ in range(3)]

    assert taken == [Outcome.ACT_THEN_FAIL, Outcome.ACT_THEN_FAIL, Outcome.NORMAL]


def test_clients_own_knob_wins_over_everyones() -> None:
    knobs = Knobs()
    knobs.put(Knob(latency_ms=5))
    knobs.put(Knob(client_id="XB00001", latency_ms=500, failure=Failure.HTTP_500))

    assert knobs.take("XB00001", Operation.PLACE).latency_ms == 500
    assert knobs.take("XB00002", Operation.PLACE).latency_ms == 5


def test_knob_touches_only_its_operations() -> None:
    knobs = Knobs()
    knobs.put(Knob(outcome=Outcome.FAIL_BEFORE_ACT))

    assert knobs.take("XB00001", Operation.BOOK).outcome is Outcome.NORMAL
    assert knobs.take("XB00001", Operation.CANCEL).outcome is Outcome.FAIL_BEFORE_ACT


def test_knob_that_does_nothing_is_removed() -> None:
    knobs = Knobs()
    knobs.put(Knob(client_id="XB00001", latency_ms=5))

    knobs.put(Knob(client_id="XB00001"))

    assert knobs.standing() == []


def test_knob_skips_the_first_requests_that_fit_it() -> None:
    knobs = Knobs()
    knobs.put(Knob(outcome=Outcome.FAIL_BEFORE_ACT, after=2, requests=1))
    knobs.take(CLIENT, Operation.BOOK)

    assert outcomes(knobs, 4) == [
        Outcome.NORMAL,
        Outcome.NORMAL,
        Outcome.FAIL_BEFORE_ACT,
        Outcome.NORMAL,
    ]


def test_first_of_several_willing_knobs_serves_and_all_count() -> None:
    knobs = Knobs()
    knobs.add(Knob(client_id=CLIENT, outcome=Outcome.ACT_THEN_FAIL, requests=1))
    knobs.add(Knob(client_id=CLIENT, outcome=Outcome.FAIL_BEFORE_ACT, after=2))

    assert outcomes(knobs, 3) == [
        Outcome.ACT_THEN_FAIL,
        Outcome.NORMAL,
        Outcome.FAIL_BEFORE_ACT,
    ]
    assert [(it.id, it.seen, it.served) for it in knobs.standing()] == [
        ("knob-1", 3, 1),
        ("knob-2", 3, 1),
    ]


def test_clients_knob_comes_before_everyones_whichever_was_set_first() -> None:
    knobs = Knobs()
    knobs.add(Knob(outcome=Outcome.FAIL_BEFORE_ACT))
    knobs.add(Knob(client_id=CLIENT, outcome=Outcome.ACT_THEN_FAIL))

    assert outcomes(knobs, 1) == [Outcome.ACT_THEN_FAIL]


def test_chance_falls_the_same_way_in_every_run_of_a_seed() -> None:
    def run(seed: int) -> list[Outcome]:
        knobs = Knobs()
        knobs.put(Knob(outcome=Outcome.ACT_THEN_FAIL, probability=0.3, seed=seed))
        return outcomes(knobs, 200)

    assert run(1) == run(1) != run(2)
    assert 30 < run(1).count(Outcome.ACT_THEN_FAIL) < 90


def test_knob_of_an_id_is_replaced_in_its_place_and_starts_counting_anew() -> None:
    knobs = Knobs()
    knobs.put(Knob(id="first", outcome=Outcome.ACT_THEN_FAIL, requests=1))
    knobs.put(Knob(id="second", outcome=Outcome.FAIL_BEFORE_ACT))
    outcomes(knobs, 1)

    knobs.put(Knob(id="first", outcome=Outcome.ACT_THEN_FAIL, requests=1))

    assert [knob.id for knob in knobs.standing()] == ["first", "second"]
    assert outcomes(knobs, 2) == [Outcome.ACT_THEN_FAIL, Outcome.FAIL_BEFORE_ACT]


def test_knobs_are_removed_by_id_by_client_or_all() -> None:
    knobs = Knobs()
    for knob in (Knob(id="a"), Knob(id="b", client_id=CLIENT), Knob(id="c", client_id=CLIENT)):
        knob.latency_ms = 5
        knobs.add(knob)

    assert knobs.remove(knob_id="b") == 1
    assert knobs.remove(client_id=CLIENT) == 1
    assert [knob.id for knob in knobs.standing()] == ["a"]
    assert knobs.remove() == 1


def test_tags_are_lost_for_as_long_as_the_knob_stands_and_requests_pass_it_by() -> None:
    knobs = Knobs()
    knobs.add(Knob(id="mute", client_id=CLIENT, echo_tags=False, requests=1))
    knobs.add(Knob(client_id=CLIENT, latency_ms=5))

    assert knobs.take(CLIENT, Operation.PLACE).latency_ms == 5
    assert (knobs.echoes_tags(CLIENT), knobs.echoes_tags("XB00002")) == (False, True)
    knobs.remove(knob_id="mute")
    assert knobs.echoes_tags(CLIENT)


@pytest.mark.parametrize("spelling", ["HTTP_500", "http_500", "STATUS_500", "status_500"])
def test_words_are_understood_in_capitals_and_by_older_names(spelling: str) -> None:
    assert Failure(spelling) is Failure.STATUS_500
