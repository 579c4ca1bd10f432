"""A test authority and what it signs."""

import ssl

import pytest

from bench.input.object_store import tls


def shake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Lets two ends shake hands in memory."""
    there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(here, there, server_hostname=host), server.wrap_bio(there, here, server_side=True)]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_who_trusts_the_authority_trusts_the_server(tmp_path):
    """Under the names that were asked for and no other; others who do not trust it refuse."""
    server = tls.context(["storage.here", "api.here"], tmp_path / "authority.pem")
    trusting = ssl.create_default_context(cafile=tmp_path / "authority.pem")
    shake(server, trusting, "api.here")
    for client, host in ((trusting, "other.here"), (ssl.create_default_context(), "api.here")):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(server, client, host)
