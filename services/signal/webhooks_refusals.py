"""Every no about webhooks: to the sender of an alert, and to the master who keeps them."""

from libs.runtime.problems import Problem


def address_unknown() -> Problem:
    """Answer a wrong strategy and a wrong secret alike, as any address that does not exist."""
    return Problem(404, "NOT_FOUND", "There is nothing here.")


def too_many_alerts() -> Problem:
    return Problem(
        429, "TOO_MANY_ALERTS", "This webhook sends too many alerts. Send fewer, or in a minute."
    )


def alert_too_large(bytes_max: int) -> Problem:
    return Problem(413, "TOO_LARGE", f"An alert may have {bytes_max} bytes at most.")


def alert_unsigned() -> Problem:
    return Problem(
        401, "SIGNATURE_WRONG", "The signature is missing or does not fit the body as it was sent."
    )


def alert_out_of_time(window_s: int) -> Problem:
    return Problem(
        409,
        "ALERT_OUT_OF_TIME",
        f"The alert was made more than {window_s} s ago, or in the future. Nothing was done.",
    )


def alert_refused(words: str) -> Problem:
    return Problem(422, "ALERT_REFUSED", f"Nothing was done: {words}.")


def webhook_unknown() -> Problem:
    return Problem(
        404,
        "WEBHOOK_UNKNOWN",
        "This strategy has no such webhook. GET /strategies/{strategy_id}/webhooks lists them.",
    )


def too_many_webhooks(most: int) -> Problem:
    return Problem(
        409,
        "TOO_MANY_WEBHOOKS",
        f"A strategy may have {most} webhooks. Delete one that is no longer used.",
    )
