from __future__ import annotations

import pytest

from support.access import LocalAccess
from support.api import echo_app
from support.asgi import Reply, call

CHECK = "/v1/tasks/census/check"
PREFIX = "urn:dissonance:problem:"


def post(body: bytes | list[bytes], limit: int = 10_000, **headers: str) -> Reply:
    access = LocalAccess()
    given = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return call(echo_app(access, max_body_bytes=limit), "POST", CHECK, headers={**access.header(), **given}, body=body)


def problem(reply: Reply) -> tuple[int, str, str]:
    told = reply.json()
    return reply.status, told["type"].removeprefix(PREFIX), told.get("where", "")


def test_a_body_in_many_chunks_is_read_whole() -> None:
    reply = post([b'{"rows": [{"a": 1}', b', {"a": nul', b"l}]}", b""])
    assert (reply.status, len(reply.json()["checks"])) == (200, 2)


def test_a_body_as_large_as_the_limit_is_taken_and_a_byte_more_is_not() -> None:
    body = b'{"rows": [{"a": 1}]}'
    assert post(body, limit=len(body)).status == 200
    assert problem(post(body, limit=len(body) - 1)) == (413, "body-too-large", "body")


@pytest.mark.parametrize(("rows", "status"), [("[]", 200), ("[{}, {}, {}]", 413)])
def test_a_route_may_take_less_than_the_app_and_knows_who_asks(rows: str, status: int) -> None:
    access = LocalAccess()
    headers = {**access.header("labeller"), "content-type": "application/json"}
    reply = call(
        echo_app(access), "POST", "/v1/tasks/census/labels", headers=headers, body=f'{{"rows": {rows}}}'.encode()
    )
    assert reply.status == status
    assert status == 413 or reply.body == b"tester"


def test_a_body_announced_as_too_large_is_refused_before_it_is_read() -> None:
    reply = post([b"x" * 100] * 5, limit=200, content_length="500")
    assert problem(reply) == (413, "body-too-large", "body")
    assert reply.chunks_read == 0


@pytest.mark.parametrize("announced", ["5", "0", "-5", "many", None])
def test_a_body_larger_than_announced_is_refused_as_soon_as_the_limit_is_passed(announced: str | None) -> None:
    headers = {} if announced is None else {"content_length": announced}
    reply = post([b"x" * 100] * 5, limit=200, **headers)
    assert problem(reply) == (413, "body-too-large", "body")
    assert reply.chunks_read == 3


def test_a_caller_that_leaves_mid_body_gets_no_answer_and_counts_as_aborted() -> None:
    access = LocalAccess()
    app = echo_app(access)
    headers = {**access.header(), "content-type": "application/json"}
    reply = call(app, "POST", CHECK, headers=headers, body=[b'{"rows": ['], disconnects=True)
    assert reply.status == 0
    shown = call(app, "GET", "/metrics", headers=access.header("operator")).body.decode()
    assert 'route="/v1/tasks/{task}/check",status="499"} 1.0' in shown
    assert "dissonance_unexpected_errors_total{" not in shown


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf_8_is_read(content_type: str, status: int) -> None:
    reply = post(b'{"rows": []}', content_type=content_type)
    assert reply.status == status
    assert status == 200 or problem(reply) == (415, "unsupported-media-type", "header Content-Type")


def test_a_compressed_body_is_refused() -> None:
    reply = post(b"\x1f\x8b", content_encoding="gzip")
    assert problem(reply) == (415, "unsupported-media-type", "header Content-Encoding")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "body, byte 0"),
        (b"{", "body, byte 1"),
        (b'{"rows": [}', "body, byte 10"),
        (b'{"rows": []} x', "body, byte 13"),
        (b"{'rows': []}", "body, byte 1"),
        (b'\xef\xbb\xbf{"rows": []}', "body, byte 0"),
        (b'{"rows": [{"a": "\xff"}]}', "body"),
    ],
)
def test_what_is_not_json_is_malformed_at_a_byte(body: bytes, where: str) -> None:
    assert problem(post(body)) == (400, "malformed-body", where)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"])
def test_nan_and_infinity_get_an_answer_of_their_own(number: str) -> None:
    status, slug, where = problem(post(f'{{"rows": [{{"a": 1, "b": {number}}}]}}'.encode()))
    assert (status, slug) == (422, "not-finite")
    assert where == "body, rows[0].b" if number.strip("-")[0].isupper() else where.startswith("body, byte 2")


def test_text_that_says_nan_near_a_mistake_is_not_taken_for_the_number() -> None:
    assert problem(post(b'{"rows": [{"a": "finance" 1}]}'))[1] == "malformed-body"


def test_a_number_too_large_for_a_float_is_not_finite() -> None:
    for number in ("1e999", "-1e999", "9" * 5000):
        body = f'{{"rows": [{{"a": 1, "b": 2}}, {{"a": 1, "b": {number}}}]}}'.encode()
        assert problem(post(body)) == (422, "not-finite", "body, rows[1].b")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"rows": 7}', "body, rows"),
        (b'{"rows": [{"a": 1}, 5]}', "body, rows[1]"),
        (b'{"rows": [{"a": 1}, {"a": 1, "b": [2]}]}', "body, rows[1].b"),
        (b'{"rows": [{"a": {"b": 1}}]}', "body, rows[0].a"),
        (b'{"rows": [{"odd.[name]": []}]}', "body, rows[0].odd.[name]"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(body: bytes, where: str) -> None:
    assert problem(post(body)) == (422, "wrong-type", where)


@pytest.mark.parametrize("body", [b"[1]", b"7", b"null", b"{}", b'{"rows": [], "raws": []}'])
def test_a_body_of_another_shape_is_malformed(body: bytes) -> None:
    assert problem(post(body)) == (400, "malformed-body", "body")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"rows":' + b"[" * 100_000,
        b'{"rows":[{"a":' + b"[" * 100_000,
        b'{"rows":[{"a":' + b'{"a":' * 100_000,
        b'{"rows":[{"a":1,"b":' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
    ],
)
def test_deep_nesting_is_refused_and_harms_nothing(body: bytes) -> None:
    assert post(body, limit=1_000_000).status in (400, 422)


def test_no_value_of_a_row_is_repeated_in_the_answer() -> None:
    reply = post(b'{"rows": [{"a": "Ada", "b": ["Lovelace"]}]}')
    assert reply.status == 422
    assert b"Ada" not in reply.body
    assert b"Lovelace" not in reply.body


def test_wrong_parameters_are_named() -> None:
    access = LocalAccess()
    headers = {**access.header(), "content-type": "application/json"}
    reply = call(echo_app(access), "POST", f"{CHECK}?repeat=often", headers=headers, body=b'{"rows": []}')
    assert problem(reply) == (422, "input", "query repeat")
