"""Arrow's many types brought to a few: what is a text becomes `string`, short decimals become long
ones, dictionaries and run ends are unfolded.
"""

import pyarrow as pa
import pyarrow.compute as pc

from riskstream.workbench.mapping.declared import Source

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)


def plain(column: pa.Array) -> pa.Array:
    """The same values. Bytes become texts where they are UTF-8, and stay bytes where they are
    not.
    """
    if isinstance(column.type, pa.UuidType):
        return pa.array([each and str(each) for each in column.to_pylist()], pa.string())
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    elif pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    kind = column.type
    if any(is_so(kind) for is_so in _TEXTS):
        return column if pa.types.is_string(kind) else column.cast(pa.string())
    if any(is_so(kind) for is_so in _BYTES):
        column = column.cast(pa.binary())
        try:
            return column.cast(pa.string())
        except pa.ArrowInvalid:
            return column
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        # Arrow counts and compares the two wide kinds alone
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    return column


def column_of(batch: pa.RecordBatch, source: Source) -> pa.Array:
    """The source's column, several joined by a space; null where one of them is."""
    found = [plain(batch.column(name)) for name in source.columns]
    if len(found) == 1:
        return found[0]
    return pc.binary_join_element_wise(*map(as_texts, found), " ")


def as_texts(column: pa.Array) -> pa.Array:
    """A column as texts; null where the type has none."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.string())
