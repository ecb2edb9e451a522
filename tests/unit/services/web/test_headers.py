"""What crosses the edge in headers, and what browsers are told."""

from services.web.headers import asset_headers, document_headers, towards_browser, towards_service


def test_a_service_sees_who_asked_and_never_what_only_the_edge_may_say() -> None:
    sent = towards_service(
        [
            (b"Host", b"lockstep.example"),
            (b"X-Service-Token", b"forged"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"X-Forwarded-Proto", b"ftp"),
            (b"Forwarded", b"for=10.0.0.1"),
            (b"X-Real-IP", b"10.0.0.1"),
            (b"Connection", b"keep-alive, X-Secret"),
            (b"X-Secret", b"1"),
            (b"TE", b"trailers"),
            (b"Cookie", b"lockstep=t"),
            (b"Origin", b"https://lockstep.example"),
        ],
        peer="203.0.113.9",
        scheme="https",
    )

    assert sent == [
        (b"host", b"lockstep.example"),
        (b"cookie", b"lockstep=t"),
        (b"origin", b"https://lockstep.example"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"lockstep.example"),
    ]


def test_repeated_headers_of_a_service_stay_apart() -> None:
    answered = towards_browser(
        [
            (b"Set-Cookie", b"a=1"),
            (b"Set-Cookie", b"b=2"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Server", b"x"),
        ],
        {},
    )

    assert answered == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


def test_a_service_that_has_its_own_policy_keeps_it() -> None:
    own = [(b"Content-Security-Policy", b"script-src 'self'")]

    answered = towards_browser(own, {"content-security-policy": "default-src 'none'"})

    assert answered == [(b"content-security-policy", b"script-src 'self'")]


def test_documents_have_the_policy_that_was_tried_and_let_popups_keep_their_opener() -> None:
    headers = document_headers("", secure=False)

    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert headers["cache-control"] == "no-cache"
    assert "strict-transport-security" not in headers


def test_in_production_the_sockets_origin_is_named_and_https_is_kept_for_a_year() -> None:
    headers = document_headers("https://lockstep.example", secure=True)

    assert "connect-src 'self' wss://lockstep.example;" in headers["content-security-policy"]
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_only_hashed_files_are_kept_for_long() -> None:
    assert "immutable" in asset_headers(hashed=True, secure=False)["cache-control"]
    assert asset_headers(hashed=False, secure=False)["cache-control"] == "no-cache"
