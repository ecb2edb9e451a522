"""The mutants of what signals are made of: alerts of strangers, and a master's own orders."""

from tests.mutants.mutant import Edit, Mutant

_WEBHOOKS = "services/signal/webhooks.py"
_SECRETS = "services/signal/webhooks_secrets.py"
_SYMBOLS = "services/signal/alerts_symbols.py"
_CAPTURE = "services/signal/capture.py"
_DECISION = "services/signal/capture_decision.py"
_WEBHOOK_TESTS = ("tests/unit/services/signal/test_webhooks.py",)
_CAPTURE_TESTS = (
    "tests/unit/services/signal/test_capture.py",
    "tests/unit/services/signal/test_capture_decision.py",
)

MUTANTS = (
    Mutant(
        name="a webhook's secret is compared",
        why="who knows a strategy trades for its followers",
        edits=[
            Edit(
                file=_WEBHOOKS,
                old="if hmac.compare_digest(secret_hash, given):",
                new="if given is not None:",
            )
        ],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="the signature covers the body",
        why="an alert is altered on its way",
        edits=[Edit(file=_SECRETS, old="hmac.new(key, body,", new='hmac.new(key, b"",')],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="a missing signature is a wrong one",
        why="who leaves the header out needs no key",
        edits=[
            Edit(
                file=_WEBHOOKS,
                old="return signature is not None and signature_fits(",
                new="return signature is None or signature_fits(",
            )
        ],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="an alert is named after its first coming",
        why="a repeated alert is a second order",
        edits=[
            Edit(
                file=_WEBHOOKS,
                old="{sighting.first_at.isoformat()}",
                new="{sighting.at.isoformat()}",
            )
        ],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="a moment from the future is remembered as long as it may come",
        why="an alert that runs ahead of our clock is taken twice",
        edits=[Edit(file=_WEBHOOKS, old="self.replay_window_s * 2 + 60 if", new="300 if")],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="an alert out of its time is refused",
        why="a copy of an alert trades again tomorrow",
        edits=[
            Edit(
                file=_WEBHOOKS,
                old="if not moment.within(webhook.replay_window_s, now):",
                new="if moment is None:",
            )
        ],
        tests=_WEBHOOK_TESTS,
    ),
    Mutant(
        name="an ambiguous symbol is refused",
        why="another instrument is traded than the one on the chart",
        edits=[Edit(file=_SYMBOLS, old="    if doubt:\n", new="    if doubt is False:\n")],
        tests=("tests/unit/services/signal/test_alerts_symbols.py",),
    ),
    Mutant(
        name="our own orders are no master's",
        why="a master who also follows echoes without end",
        edits=[
            Edit(
                file=_CAPTURE,
                old="        if is_ours(self.tag_key, update.report.client_order_id):\n"
                "            return False\n",
                new="",
            )
        ],
        tests=_CAPTURE_TESTS,
    ),
    Mutant(
        name="history is not captured",
        why="all that waits in a master's book is copied the moment he turns capture on",
        edits=[
            Edit(
                file=_DECISION,
                old="if report.placed_at is None or report.placed_at < capture.began_at:",
                new="if report.placed_at is None:",
            )
        ],
        tests=_CAPTURE_TESTS,
    ),
    Mutant(
        name="a captured order is named after itself alone",
        why="what is heard again after a crash is a second order, or a refusal",
        edits=[
            Edit(
                file=_CAPTURE,
                old="{order.broker_order_id}:{name}",
                new="{order.broker_order_id}:{name}:{order.filled_quantity}",
            )
        ],
        tests=_CAPTURE_TESTS,
    ),
)
