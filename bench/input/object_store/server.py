"""An object store on this machine, at a stated distance: folders served to TensorFlow's own `gs://` client.

The client's host names are compiled in and it speaks TLS only, so the entrance is a proxy: HTTPS_PROXY leads the
client to it, the client asks it to CONNECT to Google's hosts, and meets this server there, under a certificate that it
trusts by CURL_CA_BUNDLE. No root, no name service, no network.

Why not an emulator: gcp-storage-emulator and fake-gcs-server speak the API, but neither is a proxy or answers under
Google's names, and neither knows latency, bandwidth or faults. mitmproxy in front of them would be a second Python
process through which every byte passes twice more, on the cores that are being measured, and some thirty packages.
"""

import hmac
import secrets
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from time import thread_time

from bench.input.object_store import gcs_api, tls
from bench.input.object_store.network import CUT, SILENT, Conditions, Traffic
from bench.run import process
from flowers_core.errors import InputError

USER = "flowers"  # the name that goes with the token of a run


class _Server(ThreadingHTTPServer):
    """Listens on this machine alone, with a thread per connection."""

    block_on_close = False  # a connection may wait for ever, as an injected fault does
    request_queue_size = 1024  # a client that opens a hundred connections at once must not wait for a second try

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        traffic: Traffic,
        buckets: gcs_api.Buckets,
        tell: Callable[[str], object],
    ):
        super().__init__(("127.0.0.1", port), _Connection)
        self.context, self.traffic, self.buckets, self.tell, self.closed = context, traffic, buckets, tell, Event()
        self.token = secrets.token_urlsafe()
        self.expected = f"Basic {b64encode(f'{USER}:{self.token}'.encode()).decode()}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores a client that goes away: that is no error of the server."""


class _Connection(BaseHTTPRequestHandler):
    """One connection: CONNECT, TLS, then requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second would wait for 40 ms
    server: _Server  # pyrefly: ignore[bad-override-mutable-attribute] - only it makes connections
    host = ""

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing: the server tells of each request."""

    def do_CONNECT(self) -> None:
        """Takes the place of the host that is asked for."""
        if not hmac.compare_digest(self.headers.get("Proxy-Authorization", "").encode(), self.server.expected.encode()):
            self._send(gcs_api.error_response(407, "this store answers only those who know the token of its run"))
            return
        self.host = self.path.rpartition(":")[0]
        if self.host not in gcs_api.HOSTS:
            message = f"this store is {' and '.join(gcs_api.HOSTS)}, not {self.host}"
            self.host = ""
            self._send(gcs_api.error_response(403, message))
            return
        self.server.traffic.open_connection()
        self.send_response_only(200, "Connection established")
        self.end_headers()
        try:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        except OSError:  # ssl.SSLError is one: the client does not trust the authority
            self.server.traffic.refuse_connection()
            self.close_connection = True
            return
        self.setup()
        self.close_connection = False

    def handle(self) -> None:
        """Answers until the client goes."""
        start = thread_time()
        try:
            super().handle()
        finally:
            self.server.traffic.close_connection(thread_time() - start)

    def finish(self) -> None:
        """Closes the TLS socket; the server itself knows only the socket that was wrapped."""
        with suppress(OSError):  # what could not be sent, to a client that has gone
            super().finish()
        self.connection.close()

    def _serve(self) -> None:
        if not self.host:
            self._send(gcs_api.error_response(400, "this is a proxy: ask it to CONNECT"))
            return
        server = self.server
        try:
            body, request = self._body(), gcs_api.parse(self.command, self.host, self.path)
        except ValueError as error:  # a length or an address that is none: where the next request begins is unknown
            self._send(gcs_api.error_response(400, str(error)), end=True)
            return
        fault = server.traffic.begin_request(request.kind)
        effect = fault.effect if fault else None
        if effect == SILENT:
            server.closed.wait()
            self.close_connection = True
            return
        if isinstance(effect, int):
            response = gcs_api.error_response(effect, "injected")
        else:
            response = server.buckets.respond(request, self.headers, body)
        server.traffic.end_request(request.kind, response.status, sent=len(response.body), received=len(body))
        what = f"{self.command} {request.kind} {request.bucket}/{request.name}"
        server.tell(f"{response.status} {len(response.body):>9,} B  {what}")
        self._send(response, cut=effect == CUT)

    do_GET = do_PUT = do_POST = do_DELETE = _serve

    def _body(self) -> bytes:
        """The body of the request."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, response: gcs_api.Response, *, cut: bool = False, end: bool = False) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        body = memoryview(response.body)
        self.server.traffic.send(body[: len(body) // 2] if cut else body, self.connection.sendall)
        if cut or end:
            self.close_connection = True


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store that is open.

    Attributes:
        traffic: Counts of its requests; its conditions and faults may be changed.
        port: Where it listens.
        authority: The certificate that a client has to trust.
        token: What a client has to know: another user of this machine must not read or write with the owner's rights.
    """

    traffic: Traffic
    port: int
    authority: Path
    token: str

    def environment(self) -> dict[str, str]:
        """Variables that lead TensorFlow's client, in any program, here instead of to Google, without credentials."""
        proxy = f"http://{USER}:{self.token}@127.0.0.1:{self.port}"
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,  # which curl looks at first
            "NO_PROXY": "",
            "no_proxy": "",
            "CURL_CA_BUNDLE": str(self.authority),
            "NO_GCE_CHECK": "true",  # else the client looks for a metadata server, and waits
            "GOOGLE_APPLICATION_CREDENTIALS": "",
            "CLOUDSDK_CONFIG": str(self.authority.parent),  # holds no credentials
        }


@contextmanager
def serve(
    folders: Mapping[str, str | Path],
    conditions: Conditions | None = None,
    *,
    port: int = 0,
    writable: bool = False,
    tell: Callable[[str], object] = lambda _: None,
) -> Iterator[Store]:
    """Serves folders as buckets, in threads of this process, while the block runs.

    Args:
        folders: Folder of each bucket.
        conditions: How far away it is.
        port: 0 for any that is free.
        writable: Whether clients may write to the folders and delete from them.
        tell: Hears a line for each request.
    """
    with process.scratch() as scratch:
        authority = scratch / "authority.pem"
        context = tls.context(gcs_api.HOSTS, authority)
        traffic = Traffic(conditions or Conditions())
        try:
            server = _Server(port, context, traffic, gcs_api.Buckets(folders, writable=writable), tell)
        except OSError as error:
            raise InputError(f"`port` must be free. Received: port={port} ({error.strerror}). Leave it out") from error
        with server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield Store(traffic=traffic, port=server.server_port, authority=authority, token=server.token)
            finally:
                server.closed.set()
                server.shutdown()
                thread.join()
