"""A filter that answers only those who show a token."""

import pytest

from bench.report import access_token

TOKEN = "a-token_of-this-run"


def ask(query="", cookie="", port="6006"):
    """Asks an application behind the filter; gives status, headers, and the query that the application saw."""
    seen, said = [], []

    def application(environ, start_response):
        seen.append(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"inside"]

    environ = {"QUERY_STRING": query, "HTTP_COOKIE": cookie, "SERVER_PORT": port, "PATH_INFO": "/"}
    body = access_token.require(application, TOKEN)(environ, lambda *given: said.extend(given))
    return said[0], dict(said[1]), seen[0] if seen else b"".join(body).decode()


def test_token_of_the_address_becomes_a_cookie():
    """The application does not see it; what else is asked reaches it as it was; no script reads the cookie."""
    status, headers, query = ask(f"tool=overview_page&run=traces%2Fa+b&token={TOKEN}")

    assert (status, query) == ("200 OK", "tool=overview_page&run=traces%2Fa+b")
    assert headers["Set-Cookie"] == f"token_6006={TOKEN}; Path=/; HttpOnly; SameSite=Strict"


def test_cookie_opens_all_that_follows():
    """Among other cookies, without being set again."""
    status, headers, query = ask("a=1&a=2&b", f"other=1; token_6006={TOKEN}")

    assert (status, query) == ("200 OK", "a=1&a=2&b")
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    ("query", "cookie"),
    [
        ("", ""),
        ("token=", ""),
        ("token=wrong", ""),
        ("token=é", "token_6006=é"),
        ("", "token_6006=wrong"),
        ("", f"token_6007={TOKEN}"),
        ("", f"token={TOKEN}"),
        ("", "token_6006=;;\x00=,"),
        (f"tokens={TOKEN}", ""),
        ("token=wrong", f"token_6006={TOKEN}"),
    ],
)
def test_without_the_token_there_is_a_sentence(query, cookie):
    """403, which tells how to get in and nothing of what is inside; a wrong token is not saved by the cookie."""
    status, headers, body = ask(query, cookie)

    assert status == "403 Forbidden"
    assert "open the address that its command printed" in body
    assert TOKEN not in body + str(headers)


def test_tokens_are_not_guessed():
    """Each run has another, of 32 random bytes."""
    assert len(access_token.new()) >= 43
    assert access_token.new() != access_token.new()
