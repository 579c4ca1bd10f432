"""A test authority, new for each server, and the certificate that it issues for a store's host names.

Why not a certificate in the repository: a private key that others trust must not be shared, and certificates expire.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path


def context(hosts: Sequence[str], authority: Path) -> ssl.SSLContext:
    """Makes the context of a server that answers under the names of hosts.

    Args:
        hosts: Host names.
        authority: Where the authority's own certificate is written; whoever trusts this file trusts the server. The
            authority's key is kept nowhere.
    """
    import trustme

    signer = trustme.CA()
    signer.cert_pem.write_to_path(authority)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert(*hosts).configure_cert(server)
    return server
