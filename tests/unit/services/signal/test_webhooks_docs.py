"""The examples of docs/webhooks.md, copied and used as a reader would."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.signal.alerts import entries_of, moment_of
from services.signal.alerts_mapping import MappingBody
from services.signal.proposal import check
from services.signal.webhooks import ALERT_BYTES_MAX
from services.signal.webhooks_bodies import WebhookBody
from services.signal.webhooks_pace import ALERTS_PER_MINUTE
from services.signal.webhooks_repository import DELIVERIES_KEPT

DOCS = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()
STRATEGY = "01980000-0000-7000-8000-000000000001"
NOW = datetime(2026, 12, 29, 9, 56, 30, tzinfo=UTC)
_PLACEHOLDER = re.compile(r"\{\{[a-z._]+\}\}")


def blocks(word: str) -> list[str]:
    return re.findall(rf"```(?:json|text) {word}\n(.*?)```", DOCS, re.DOTALL)


EXAMPLES = list(zip(blocks("webhook"), blocks("alert"), blocks("signals"), strict=True))


def proposals(webhook: WebhookBody, alert: str) -> list[dict[str, Any]]:
    found = []
    for entry in entries_of(webhook.format, alert.encode(), secret="no secret"):
        proposal = webhook.mapping.proposal(STRATEGY, entry, at=None)
        check(proposal)
        assert proposal.terms is not None
        found.append(
            {
                "action": proposal.action,
                "instrument": proposal.instrument,
                "side": proposal.side,
                "product": proposal.product,
                "order_type": proposal.terms.order_type,
                "quantity": proposal.terms.quantity,
                "limit_price": str(proposal.terms.limit_price),
            }
        )
    return found


@pytest.mark.parametrize(("webhook", "alert", "signals"), EXAMPLES, ids=["chart", "scanner"])
def test_an_example_becomes_the_signals_that_stand_below_it(
    webhook: str, alert: str, signals: str
) -> None:
    assert proposals(WebhookBody.model_validate_json(webhook), alert) == json.loads(signals)


@pytest.mark.parametrize(("webhook", "alert", "signals"), EXAMPLES, ids=["chart", "scanner"])
def test_the_moment_of_an_example_is_understood(webhook: str, alert: str, signals: str) -> None:
    body = WebhookBody.model_validate_json(webhook)
    source = body.mapping.alerted_at
    assert source is not None

    said = source.value("alerted_at", json.loads(alert))

    assert moment_of(said, NOW).first.tzinfo is UTC


def test_the_message_has_the_fields_that_arrive() -> None:
    (message,) = blocks("message")

    filled = json.loads(_PLACEHOLDER.sub("x", message))

    assert list(filled) == list(json.loads(EXAMPLES[0][1]))


def test_every_part_of_a_mapping_and_every_figure_is_explained() -> None:
    named = set(re.findall(r"`(\w+)`", DOCS))

    assert set(MappingBody.model_fields) <= named
    assert f"the last {DELIVERIES_KEPT}" in DOCS
    assert f"over {ALERT_BYTES_MAX // 1024} KiB" in DOCS
    assert f"more than {ALERTS_PER_MINUTE} in a minute" in DOCS
