"""A test authority, made anew for each server, and what it signs: the host names of a store."""

import ssl
from collections.abc import Sequence
from pathlib import Path


def context(hosts: Sequence[str], authority: Path) -> ssl.SSLContext:
    """What a server needs to answer as `hosts`.

    Args:
        hosts: Host names.
        authority: Where the authority's own certificate is written; who trusts this file trusts the server. The
            authority's key is kept nowhere.
    """
    import trustme

    signer = trustme.CA()
    signer.cert_pem.write_to_path(authority)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(*hosts).configure_cert(made)
    return made
