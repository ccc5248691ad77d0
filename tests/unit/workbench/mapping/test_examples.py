"""The mappings of public sets that ship, each on rows of that set's shape, made here."""

from pathlib import Path
from typing import Any

import pytest

from riskstream.workbench.files.reader import Files
from riskstream.workbench.mapping.convert import Converter
from riskstream.workbench.mapping.file import read_mapping

FOLDER = Path(__file__).parents[4] / "examples/mappings"
NOW_MS = 1_800_000_000_000
_SETS: dict[str, tuple[str, dict[str, Any], str]] = {
    "handbook": (
        "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"
        "7,2018-04-01 00:00:31,596,3156,57.16,1\n",
        {"transaction_id": "h-7", "customer_id": "c-596", "amount_minor": 5716},
        "EUR",
    ),
    "paysim": (
        "step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,"
        "newbalanceDest,isFraud,isFlaggedFraud\n"
        "2,CASH_OUT,181.0,C840083671,181.0,0.0,C38997010,21182.0,0.0,1,0\n",
        {
            "transaction_id": "paysim-1",
            "customer_id": "C840083671",
            "kind": "CASH",
            "amount_minor": 18_100,
            "occurred_at": 1_577_836_800_000 + 2 * 3_600_000,
        },
        "EUR",
    ),
    "sparkov": (
        ",trans_date_trans_time,cc_num,merchant,category,amt,trans_num,unix_time,is_fraud\n"
        '0,2019-01-01 00:00:18,2703186189652095,"fraud_Rippin, Kub",misc_net,4.97,0b242a,1325376018'
        ",1\n",
        {
            "transaction_id": "0b242a",
            "customer_id": "2703186189652095",
            "merchant_id": "fraud_Rippin, Kub",
            "amount_minor": 497,
            "occurred_at": 1_546_300_818_000,
        },
        "USD",
    ),
    "tabformer": (
        "User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,"
        "Zip,MCC,Errors?,Is Fraud?\n"
        "0,3,2002,9,1,06:21,$-134.09,Online Transaction,-727612092139916043,La Verne,CA,91750.0,"
        "5300,,Yes\n",
        {
            "customer_id": "0",
            "account_token": "0 3",
            "merchant_id": "-727612092139916043",
            "mcc": 5300,
            "channel": "ECOM",
            "kind": "REFUND",
            "amount_minor": 13_409,
            "occurred_at": 1_030_861_260_000,
        },
        "USD",
    ),
    "ulb": (
        '"Time","V1","Amount","Class"\n61,-1.35,149.62,"1"\n',
        {
            "customer_id": "customer-1",
            "amount_minor": 14_962,
            "occurred_at": 1_377_993_600_000 + 61_000,
        },
        "EUR",
    ),
    "ieee-cis": (
        "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1\n"
        "2987000,1,86400,37.098,W,13926\n",
        {
            "transaction_id": "2987000",
            "customer_id": "card1-13926",
            "amount_minor": 3710,
            "occurred_at": 1_512_086_400_000 + 86_400_000,
        },
        "USD",
    ),
    "baf": (
        "fraud_bool,income,proposed_credit_limit,source,month\n1,0.3,1500.0,INTERNET,3\n",
        {
            "customer_id": "applicant-1",
            "channel": "ECOM",
            "amount_minor": 150_000,
            "occurred_at": 1_577_836_800_000 + 3 * 86_400_000,
        },
        "EUR",
    ),
}


def test_each_mapping_that_ships_is_tried_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(_SETS)


@pytest.mark.parametrize("name", _SETS)
def test_a_row_of_a_public_set_is_read_as_it_is_meant(tmp_path: Path, name: str) -> None:
    text, expected, currency = _SETS[name]
    (tmp_path / "in.csv").write_text(text)
    mapping = read_mapping(FOLDER / f"{name}.yaml")
    converter = Converter(mapping, currency, NOW_MS)
    [rows] = Files(tmp_path / "in.csv", mapping.layout).batches(converter.columns)
    found = converter.convert(rows)
    assert found.left_out == []
    [row] = found.transactions.to_pylist()
    assert {key: row[key] for key in expected} == expected
    assert found.labelled is not None
    assert found.labelled.is_fraud.tolist() == [True]
