"""FYERS replies, spelled short."""

from typing import Any

import orjson

from libs.brokers.http import HTTPReply

JSON = {"content-type": "application/json; charset=utf-8"}


def a_reply(status: int = 200, headers: dict[str, str] | None = None, **payload: Any) -> HTTPReply:
    return HTTPReply(status=status, headers={**JSON, **(headers or {})}, body=orjson.dumps(payload))


def a_refusal(
    status: int, code: int, message: str = "the broker's words", **more: Any
) -> HTTPReply:
    return a_reply(status, s="error", code=code, message=message, **more)


def a_page(status: int, body: bytes = b"<html>", content_type: str = "text/html") -> HTTPReply:
    return HTTPReply(status=status, headers={"content-type": content_type}, body=body)
