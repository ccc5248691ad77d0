"""HTTP/2 on the gateway's port: each stream is one request of the same ASGI application.

The library `h2` keeps the protocol's states and compresses headers. What it does not bound is
bounded here: sizes, times, and what a peer may send for nothing (RFC 9113, section 10.5).
"""
