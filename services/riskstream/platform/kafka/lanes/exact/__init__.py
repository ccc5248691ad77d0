"""The exact lane: scores each record of a source partition once (docs/protocol.md)."""
