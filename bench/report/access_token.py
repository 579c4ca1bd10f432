"""A token that a server on this machine demands of every client: other users of the machine must not read its files.

A browser shows it once, in the address that the command printed, and then keeps it as a cookie.
"""

import secrets
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

PARAMETER = "token"
VARIABLE = "FLOWERS_TENSORBOARD_TOKEN"
"""How a child gets it: other users can read a command line, but no environment."""

Application = Callable[[dict, Callable], Iterable[bytes]]

# Where a page from elsewhere leads here, as a report does, a browser sends no strict cookie; it does for this link.
_REFUSED = """<!doctype html><meta charset="utf-8"><title>A token is wanted</title>
<p>This server answers only those who know its token: open the address that its command printed, which ends in
<code>?token=…</code>. If you have done so in this browser, <a href="">go on</a>.</p>
"""


def new() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe()


def require(application: Application, token: str) -> Application:
    """Puts a filter around a WSGI application that answers 403, a sentence, to a client that does not show the token.

    Who shows it in the query gets it as a cookie, for all that the page then asks; the application does not see it.
    """

    def filter_requests(environ: dict, start_response: Callable) -> Iterable[bytes]:
        name = f"{PARAMETER}_{environ.get('SERVER_PORT', '')}"  # browsers send a host's cookies to all of its ports
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        shown = [value for key, value in query if key == PARAMETER]
        if any(_same(value, token) for value in shown):
            rest = urlencode([(key, value) for key, value in query if key != PARAMETER])
            cookie = f"{name}={token}; Path=/; HttpOnly; SameSite=Strict"
            return application({**environ, "QUERY_STRING": rest}, _with_cookie(start_response, cookie))
        if not shown and _same(_cookie(environ, name), token):
            return application(environ, start_response)
        body = _REFUSED.encode()
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", [*headers, ("Cache-Control", "no-store")])
        return [body]

    return filter_requests


def _same(shown: str, token: str) -> bool:
    return secrets.compare_digest(shown.encode(), token.encode())


def _cookie(environ: dict, name: str) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _with_cookie(start_response: Callable, cookie: str) -> Callable:
    def start(status: str, headers: list, *error: object) -> object:
        return start_response(status, [*headers, ("Set-Cookie", cookie)], *error)

    return start
