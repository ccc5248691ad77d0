"""The public book's windows by pandas, in two ways. Needs pandas and pyarrow alone.

`groups`: one groupby-rolling a window over all keys, the fastest that pandas allows. `book`: the
book's own way (chapter 3), a function applied to the frame of each key. `python pandas_peer.py WAY
DATA OUT` writes the columns to OUT and prints the CPU seconds from the file read to the columns
made.
"""

import json
import sys
import time

import pandas as pd


def of_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """The book's 14 columns, in the order of the rows."""
    out = _of_time(frame)
    cards = frame.set_index("TX_DATETIME").groupby("CUSTOMER_ID")
    card_rows = frame.sort_values(["CUSTOMER_ID", "TX_DATETIME"], kind="stable").index
    for days in (1, 7, 30):
        rolled = cards.TX_AMOUNT.rolling(f"{days}D")
        out.loc[card_rows, f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = rolled.count().to_numpy()
        out.loc[card_rows, f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = rolled.mean().to_numpy()
    shops = frame.set_index("TX_DATETIME").groupby("TERMINAL_ID").TX_FRAUD
    shop_rows = frame.sort_values(["TERMINAL_ID", "TX_DATETIME"], kind="stable").index
    late = shops.rolling("7D")
    late_count, late_frauds = late.count().to_numpy(), late.sum().to_numpy()
    for days in (1, 7, 30):
        rolled = shops.rolling(f"{days + 7}D")
        count = rolled.count().to_numpy() - late_count
        frauds = rolled.sum().to_numpy() - late_frauds
        out.loc[shop_rows, f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = count
        out.loc[shop_rows, f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = (
            pd.Series(frauds / count).fillna(0).to_numpy()
        )
    return out


def of_book(frame: pd.DataFrame) -> pd.DataFrame:
    """The same, key by key."""
    out = _of_time(frame)
    mine = frame[["CUSTOMER_ID", "TERMINAL_ID", "TX_DATETIME", "TX_AMOUNT", "TX_FRAUD"]]
    cards = (
        mine.groupby("CUSTOMER_ID", group_keys=False)
        .apply(_customer, include_groups=False)
        .sort_index()
    )
    shops = (
        mine.groupby("TERMINAL_ID", group_keys=False)
        .apply(_terminal, include_groups=False)
        .sort_index()
    )
    return pd.concat([out, cards, shops], axis=1)


def _customer(rows: pd.DataFrame) -> pd.DataFrame:
    amounts = rows.set_index("TX_DATETIME").TX_AMOUNT
    out = pd.DataFrame(index=rows.index)
    for days in (1, 7, 30):
        rolled = amounts.rolling(f"{days}D")
        total, count = rolled.sum().to_numpy(), rolled.count().to_numpy()
        out[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = count
        out[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = total / count
    return out


def _terminal(rows: pd.DataFrame) -> pd.DataFrame:
    frauds = rows.set_index("TX_DATETIME").TX_FRAUD
    late = frauds.rolling("7D")
    late_frauds, late_count = late.sum().to_numpy(), late.count().to_numpy()
    out = pd.DataFrame(index=rows.index)
    for days in (1, 7, 30):
        rolled = frauds.rolling(f"{days + 7}D")
        count = rolled.count().to_numpy() - late_count
        share = (rolled.sum().to_numpy() - late_frauds) / count
        out[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = count
        out[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = pd.Series(share, index=rows.index).fillna(0)
    return out


def _of_time(frame: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame(index=frame.index)
    out["TX_DURING_WEEKEND"] = (frame.TX_DATETIME.dt.weekday >= 5).astype("int8")
    out["TX_DURING_NIGHT"] = (frame.TX_DATETIME.dt.hour <= 6).astype("int8")
    return out


if __name__ == "__main__":
    way, data, out = sys.argv[1:]
    started = time.process_time()
    frame = pd.read_parquet(data)
    made = {"groups": of_groups, "book": of_book}[way](frame)
    spent = time.process_time() - started
    made.insert(0, "TRANSACTION_ID", frame.TRANSACTION_ID)
    made.to_parquet(out)
    print(json.dumps({"seconds": spent}))
