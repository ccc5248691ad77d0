"""Texts of ISO 20022 as the contract's values, exactly: amounts, times, accounts. Each gives the
value, or says in words why there is none.
"""

import hmac
import re
from datetime import UTC, datetime, timedelta
from string import ascii_uppercase
from zoneinfo import ZoneInfo

from riskstream.domain.risk.money import digits_of

PLACES = 17
"""Digits behind the point that totals may have; sums are whole numbers of the last of them."""
_AMOUNT_PLACES, _AMOUNT_DIGITS = 5, 18
_DECIMAL = re.compile(r"([0-9]*)(?:\.([0-9]*))?")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?"
    r"(?:(Z)|([+-])([0-9]{2}):([0-9]{2}))?"
)
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Za-z0-9]{1,30}")
_DIGITS = {ord(letter): str(at) for at, letter in enumerate(ascii_uppercase, 10)}
_SHOWN = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def total_of(text: str) -> int | str:
    """A number of XML times 10^PLACES."""
    parts = _parts(text, PLACES)
    return parts if isinstance(parts, str) else int(parts[0] + parts[1].ljust(PLACES, "0"))


def amount_of(text: str, currency: str) -> int | str:
    """Minor units of a currency; what these cannot hold exactly is refused, not rounded."""
    parts = _parts(text, _AMOUNT_PLACES)
    if isinstance(parts, str):
        return parts
    whole, fraction = parts
    digits = digits_of(currency)
    if len(fraction) > digits:
        has = "no digit" if not digits else f"{digits} digits"
        return f"it is {text}, and {currency} has {has} behind the point"
    return int(whole + fraction.ljust(digits, "0"))


def _parts(text: str, places: int) -> tuple[str, str] | str:
    """Digits before and behind the point, without zeros that say nothing."""
    found = _DECIMAL.fullmatch(text) if len(text) <= 2 * _SHOWN else None
    if found is None or not (found[1] or found[2]):
        return f"it is {shown(text)}, no amount; write digits and a point, without sign or exponent"
    whole, fraction = found[1].lstrip("0") or "0", (found[2] or "").rstrip("0")
    if len(fraction) > places:
        return f"it is {shown(text)}, with more than {places} digits behind the point"
    if len(whole.lstrip("0")) + len(fraction) > _AMOUNT_DIGITS:
        return f"it is {shown(text)}, with more than {_AMOUNT_DIGITS} digits"
    return whole, fraction


def instant_of(text: str, zone: ZoneInfo | None) -> int | str:
    """ms since 1970 UTC. `zone` is that of times that name none; None: these are refused."""
    found = _TIME.fullmatch(text)
    if found is None:
        return f"it is {shown(text)}, no time like 2026-01-31T09:30:00+01:00"
    year, month, day, hour, minute, second = (int(found[at]) for at in range(1, 7))
    is_midnight = (hour, minute, second) == (24, 0, 0) and not int(found[7] or 0)
    try:
        at = datetime(year, month, day, 0 if is_midnight else hour, minute, second)
        at += timedelta(days=is_midnight, milliseconds=int((found[7] or "0").ljust(3, "0")[:3]))
    except (ValueError, OverflowError):
        return f"it is {shown(text)}, and there is no such day or time of day"
    if found[8]:
        ahead = timedelta(0)
    elif found[9]:
        hours, minutes = int(found[10]), int(found[11])
        if hours * 60 + minutes > 14 * 60 or minutes > 59:
            return f"it is {shown(text)}, and no zone is so far from UTC"
        ahead = timedelta(hours=hours, minutes=minutes) * (-1 if found[9] == "-" else 1)
    elif zone is None:
        return f"it is {text}, without a zone; send one, or declare `zone` in the mapping"
    else:
        offsets = [at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
        if offsets[0] != offsets[1] or offsets[0] is None:
            return f"it is {text}, not one instant in {zone}: its clocks were changed then"
        ahead = offsets[0]
    since = at.replace(tzinfo=UTC) - _EPOCH - ahead
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def why_no_iban(text: str) -> str:
    """What is wrong with an IBAN, empty where nothing is. It is not told itself."""
    if not _IBAN.fullmatch(text):
        return "it is not written as an IBAN: country, two check digits, at most 30 letters"
    turned = (text[4:] + text[:4]).upper()
    if int(turned.translate(_DIGITS)) % 97 != 1:
        return "it is no IBAN: its check digits are wrong"
    return ""


def token_of(account: str, key: bytes) -> str:
    """What stands for an account: 128 bits of its HMAC."""
    return f"acct-{hmac.digest(key, account.encode(), 'sha256').hex()[:32]}"


def shown(text: str) -> str:
    """A text of a message in a sentence, cut where it is long."""
    return repr(text[:_SHOWN]) + ("…" if len(text) > _SHOWN else "")
