"""TensorBoard with a Profile tab that is complete without a network.

XProf draws its charts and tables by Google Charts, which its page loads from www.gstatic.com: without a network its
overview, step-time graph, input pipeline and operations stay blank. A filter around TensorBoard's application points
the page at the stand-in in `offline_charts/` instead, and takes the fonts that XProf asks Google for out of its styles.
What another version of XProf serves without the addresses below passes unchanged.
"""

import gzip
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.report import access_token
from bench.report.access_token import Application
from flowers_core.cli import quiet

CHARTS = ("data.js", "marks.js", "charts.js", "pie.js", "table.js")  # in this order: the first know nothing of the last
PROFILE = "/data/plugin/profile/"
STAND_IN = "offline_charts.js"
REPLACED = {
    "index.html": ((b"`https://${domain}/charts/loader.js`", b"'" + STAND_IN.encode() + b"'"),),
    "bundle.js": (
        (b'@import"https://fonts.googleapis.com/css2?family=Google+Sans+Code";', b""),
        # It takes steps on a CPU for requests to a server, and hides step time and graph: not where there are none.
        (
            b'get isInference(){return"false"===this.isTrainingString}',
            b'get isInference(){return"false"===this.isTrainingString&&!!this.inferenceLatencyData?.rows?.length}',
        ),
    ),
}


@lru_cache(maxsize=1)
def stand_in() -> bytes:
    """The script that takes the place of Google's chart loader: a function of its own, so that no name of it leaks."""
    folder = Path(__file__).parent / "offline_charts"
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in CHARTS)
    return f'(() => {{\n"use strict";\n{source}}})();\n'.encode()


def complete(application: Application) -> Application:
    """Puts the filter around a WSGI application, TensorBoard's."""

    def filter_requests(environ: dict, start_response: Callable) -> Iterable[bytes]:
        folder, _, name = environ.get("PATH_INFO", "").rpartition("/")
        if f"{folder}/" != PROFILE:
            return application(environ, start_response)
        if name == STAND_IN:
            headers = [("Content-Type", "text/javascript; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
            start_response("200 OK", headers)
            return [stand_in()]
        if name not in REPLACED:
            return application(environ, start_response)
        return _rewrite(application, environ, start_response, REPLACED[name])

    return filter_requests


def _rewrite(application: Application, environ: dict, start_response: Callable, replaced: Iterable) -> list[bytes]:
    """An answer with some bytes of it replaced by others; its headers stay, but for its length."""
    said: list[Any] = []
    parts = application(environ, lambda status, headers, *_: said.extend((status, headers)))
    try:
        body = b"".join(parts)  # an application may start its response with the first part only
    finally:
        getattr(parts, "close", lambda: None)()
    status, headers = said
    packed = ("Content-Encoding", "gzip") in headers
    body = _replace(body, tuple(replaced), packed)
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, [*kept, ("Content-Length", str(len(body)))])
    return [body]


@lru_cache(maxsize=len(REPLACED))
def _replace(body: bytes, replaced: tuple, packed: bool) -> bytes:
    plain = gzip.decompress(body) if packed else body
    for before, after in replaced:
        plain = plain.replace(before, after)
    return gzip.compress(plain, compresslevel=1) if packed else plain


def main() -> None:
    """TensorBoard's own entry point, with the filter; takes its options, and the token from its environment."""
    quiet.imports()
    from absl import app
    from tensorboard import default, main_lib, program

    token = os.environ.pop(access_token.VARIABLE)

    def server(application: Application, flags: Any) -> Any:
        guarded = access_token.require(complete(application), token)
        made = program.create_port_scanning_werkzeug_server(guarded, flags)
        address = f"{made.get_url()}?{access_token.PARAMETER}={token}"
        made.get_url = lambda: address  # which TensorBoard prints when it listens
        return made

    main_lib.global_init()
    tensorboard = program.TensorBoard(plugins=default.get_plugins(), server_class=server)
    app.run(tensorboard.main, flags_parser=tensorboard.configure)


if __name__ == "__main__":
    main()
