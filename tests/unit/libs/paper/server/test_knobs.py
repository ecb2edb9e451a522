from libs.paper.server.knobs import Failure, Knob, Knobs, Operation, Outcome


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

    assert knobs.by_client == {}
