"""Rows of a table by their names, customer and transaction: those that repeat an earlier row, and
those that contradict it.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


def names_of(table: pa.Table) -> pa.Array:
    """A text of each row's customer_id and transaction_id, by which rows of two tables are
    joined.
    """
    customers = table["customer_id"].cast(pa.string())
    length = pc.binary_length(customers).cast(pa.string())
    return pc.binary_join_element_wise(
        length, customers, table["transaction_id"].cast(pa.string()), "|"
    ).combine_chunks()


def once(table: pa.Table, names: pa.Array, value: str, path: Path) -> pa.Table:
    """The rows without those that say again what another row of the same name says; a row whose
    `value` is empty says nothing. Fatal where two rows of a name say different things.
    """
    codes = names.dictionary_encode().indices.to_numpy()
    is_empty = pc.is_null(table[value]).to_numpy().astype(np.bool_)
    order = np.lexsort((is_empty, codes))  # stable: earlier rows first
    is_first = np.r_[True, codes[order][1:] != codes[order][:-1]]
    if is_first.all():
        return table
    first = order[is_first][np.cumsum(is_first) - 1][~is_first]
    later = order[~is_first]
    said, again = table.take(pa.array(first)), table.take(pa.array(later))
    for name in table.column_names:
        differs = pc.fill_null(pc.not_equal(said[name], again[name]), False).to_numpy()
        if differs.any():
            at = int(np.flatnonzero(differs)[0])
            _refuse(said.slice(at, 1).to_pylist()[0], again.slice(at, 1).to_pylist()[0], name, path)
    return table.take(pa.array(np.sort(order[is_first])))


def _refuse(said: dict[str, object], again: dict[str, object], name: str, path: Path) -> None:
    of = (
        f" of customer {said['customer_id']}"
        if name != "customer_id" and "customer_id" in said
        else ""
    )
    raise Fatal(
        what=f"transaction {said['transaction_id']}{of} appears twice, with {name} {said[name]} "
        f"and with {again[name]}",
        where=str(path),
        do="keep one of the two rows"
        + ("" if "customer_id" in said else ", or add the column customer_id"),
        exit_code=Exit.INPUT,
    )
