"""The library `h2` for one connection of a server: what it announces, and what it enforces."""

import h2.config
import h2.connection
import h2.settings
from h2.settings import SettingCodes

from riskstream.gateway.http2.frames import PREFACE

STREAM_WINDOW, CONNECTION_WINDOW = 65_535, 262_140
"""Bytes of bodies that a peer may send ahead of the application, on a stream and in all."""
HEAD_SLACK = 4
"""Headers of up to so many times their limit are read, so that their stream gets its 431."""
_TABLE_BYTES = 4096
"""Headers that we remember to compress with, whatever the peer would have us remember."""
_CONFIG = h2.config.H2Configuration(
    client_side=False,
    header_encoding=None,
    # ours are lower case and well-formed: they come from our own routes
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


def engine_of(max_streams: int, max_head_bytes: int) -> h2.connection.H2Connection:
    """A connection that has had the client's preface; what it has to send begins with SETTINGS."""
    found = h2.connection.H2Connection(_CONFIG)
    found.local_settings = _settings(max_streams, max_head_bytes)
    found.initiate_connection()
    # one more than announced: that one is refused alone, where `h2` would end the connection
    hard = _settings(max_streams + 1, HEAD_SLACK * max_head_bytes)
    found.local_settings = hard
    found.decoder.max_header_list_size = hard.max_header_list_size or 0
    found.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)
    found.receive_data(PREFACE)
    return found


def keep_table_small(engine: h2.connection.H2Connection) -> None:
    """To be called after the peer's SETTINGS."""
    engine.encoder.header_table_size = min(engine.remote_settings.header_table_size, _TABLE_BYTES)


def _settings(max_streams: int, max_head_bytes: int) -> h2.settings.Settings:
    values = {
        SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
        SettingCodes.MAX_HEADER_LIST_SIZE: max_head_bytes,
        SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
    }
    return h2.settings.Settings(client=False, initial_values=values)
