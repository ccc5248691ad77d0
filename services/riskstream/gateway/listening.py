"""The gateway's port: taken before anything else is done, served once everything behind it
works.
"""

import socket

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


def bound(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet, so that nobody connects too early. Fatal
    where it is taken.
    """
    try:
        kind, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][::4]
        found = socket.socket(kind, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise Fatal(
            what=f"port {port} cannot be used: {error.strerror}",
            where=host,
            do="give another --port or --host",
            exit_code=Exit.NOT_NOW,
        ) from error
    return found
