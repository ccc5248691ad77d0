"""Ways to write instants."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from tests.support.tables.truth import GRAINS_MS
from tests.support.tables.way import CELL, JSON, TYPED, Way, coded, of_integers, of_texts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
_ORDER = list(GRAINS_MS)
_FORMATS = (
    ("%d.%m.%Y %H:%M:%S.%f", "ms"),
    ("%Y%m%d%H%M%S%f", "ms"),
    ("%d.%m.%Y %H:%M:%S", "s"),
    ("%m/%d/%Y %I:%M:%S %p", "s"),
    ("%Y%m%d%H%M%S", "s"),
    ("%d %b %Y %H:%M:%S", "s"),
    ("%y-%m-%d %H:%M:%S", "s"),
    ("%d/%m/%Y %H:%M", "min"),
    ("%m/%d/%y %I:%M %p", "min"),
    ("%Y/%m/%d %H:%M", "min"),
    ("%d%m%Y%H%M", "min"),
    ("%d.%m.%Y", "d"),
    ("%m-%d-%Y", "d"),
    ("%d%m%Y", "d"),
    ("%y%m%d", "d"),
)
"""strptime's letters, and the finest grain that they hold."""
_ADJACENT = re.compile(r"%[a-zA-Z]%[a-zA-Z]")


def time_ways(rng: Random, times: list[int], grain: str, medium: str) -> Way:
    """One way to write these instants, ms since 1970."""
    ways: list[Callable[[Random, list[int], str, str], Way | None]] = [
        _iso,
        _formatted,
        _epoch,
        _epoch,
        _steps,
        _apart,
    ]
    if medium == TYPED:
        ways += [_timestamps] * 5
    if medium == CELL:
        ways += [_cells] * 3
    found = rng.choice(ways)(rng, times, grain, medium)
    return found if found is not None else _iso(rng, times, grain, medium)


def wall(ms: int, zone: str) -> tuple[datetime, bool]:
    """What a clock there shows, and whether it shows it for this instant alone."""
    at = (EPOCH + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    both = {at.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)}
    return at, len(both) == 1


def _walls(rng: Random, times: list[int]) -> tuple[list[datetime], dict[str, Any], bool]:
    """(what clocks of a zone show, what a mapping says of it, whether all of it can be told)."""
    zone = rng.choice(ZONES)
    found = [wall(each, zone) for each in times]
    source = {"zone": zone} if zone != "UTC" or rng.random() < 0.3 else {}
    return [at for at, _ in found], source, all(is_one for _, is_one in found)


def _is_fine(grain: str, needed: str) -> bool:
    """Whether a way that is as fine as `needed` holds instants of a grain."""
    return _ORDER.index(needed) <= _ORDER.index(grain)


def _timestamps(rng: Random, times: list[int], grain: str, _medium: str) -> Way:
    zone = rng.choice([None, "UTC", "+05:30", "Europe/Berlin", "America/New_York"])
    units = [unit for unit in ("s", "ms", "us", "ns") if unit != "s" or _is_fine(grain, "s")]
    unit = rng.choice(units)
    source: dict[str, Any] = {}
    is_sure, raw = True, [each * 1000 for each in times]  # us
    if zone is None:
        walls, source, is_sure = _walls(rng, times)
        raw = [round((at - datetime(1970, 1, 1)) / timedelta(microseconds=1)) for at in walls]
        if all(each % 86_400_000_000 == 0 for each in raw) and rng.random() < 0.5:
            days = [at.date() for at in walls]
            kind = rng.choice([pa.date32(), pa.date64()])
            return Way(columns=[pa.array(days, kind)], source=source, is_sure=is_sure)
    if unit in ("us", "ns") and rng.random() < 0.3:
        raw = [each + rng.randint(0, 999) for each in raw]  # below a millisecond: cut
    held = {"s": [each // 10**6 for each in raw], "ms": [each // 1000 for each in raw]}
    held |= {"us": raw, "ns": [each * 1000 for each in raw]}
    column = pa.array(held[unit], pa.timestamp(unit, zone))
    if rng.random() < 0.15:
        column = coded(rng, column)
    return Way(columns=[column], source=source, is_sure=is_sure)


def _cells(rng: Random, times: list[int], grain: str, _medium: str) -> Way:
    walls, source, is_sure = _walls(rng, times)
    return Way(columns=[walls], source=source, is_sure=is_sure and _is_fine(grain, "s"))


def _iso(rng: Random, times: list[int], grain: str, medium: str) -> Way:
    named = rng.choice(["", "Z", " UTC", "+00:00", "+01:00", "-0530", "+02"])
    if named == "":
        walls, source, is_sure = _walls(rng, times)
    else:
        ahead = _ahead(named)
        walls = [
            (EPOCH + timedelta(milliseconds=each) + ahead).replace(tzinfo=None) for each in times
        ]
        source, is_sure = ({"zone": "Asia/Kolkata"} if rng.random() < 0.3 else {}), True
    clock = _clock(rng, grain)
    between = rng.choice(["T", " "])
    texts = [f"{at:%Y-%m-%d}{between}{at:%H:%M}{clock(at)}{named}" for at in walls]
    if named == "" and all(at.hour == at.minute == 0 for at in walls) and _is_fine(grain, "min"):
        texts = [f"{at:%Y-%m-%d}" if rng.random() < 0.8 else f"{at:%Y%m%d}" for at in walls]
    elif rng.random() < 0.15 and _is_fine(grain, "s"):
        texts = [f"{at:%Y%m%dT%H%M%S}{named}" for at in walls]
    return Way(columns=[of_texts(rng, texts, medium)], source=source, is_sure=is_sure)


def _clock(rng: Random, grain: str) -> Any:
    """What stands behind hours and minutes."""
    if grain == "ms":
        point, zeros = rng.choice([".", ","]), rng.choice(["", "000", "000000"])
        return lambda at: f":{at:%S}{point}{at.microsecond // 1000:03d}{zeros}"
    if grain == "s" or rng.random() < 0.5:
        zeros = rng.choice(["", ".0", ".000000"])
        return lambda at: f":{at:%S}{zeros}"
    return lambda _at: ""


def _ahead(named: str) -> timedelta:
    if named[0] not in "+-":
        return timedelta(0)
    minutes = int(named[1:3]) * 60 + int(named[3:].lstrip(":") or 0)
    return timedelta(minutes=-minutes if named[0] == "-" else minutes)


def _formatted(rng: Random, times: list[int], grain: str, medium: str) -> Way | None:
    walls, source, is_sure = _walls(rng, times)
    fit = [each for each, needed in _FORMATS if _holds(walls, needed)]
    if not fit:
        return None
    form = rng.choice(fit)
    is_short = rng.random() < 0.3 and "%f" not in form  # whose digits may be fewer anyway
    texts = [_unpadded(at, form) if is_short else at.strftime(form) for at in walls]
    if is_short and _ADJACENT.search(form):
        is_sure = False  # digits that belong to nobody: a number lost its zeros
    source = {**source, "format": form}
    if rng.random() < 0.15:
        del source["format"]
        is_sure = False
    return Way(columns=[of_texts(rng, texts, medium)], source=source, is_sure=is_sure)


def _holds(walls: list[datetime], needed: str) -> bool:
    """Whether a format of this grain says all of what the clocks show."""
    return {
        "ms": True,
        "s": all(at.microsecond == 0 for at in walls),
        "min": all(at.microsecond == at.second == 0 for at in walls),
        "d": all(at.microsecond == at.second == at.minute == at.hour == 0 for at in walls),
    }[needed]


def _unpadded(at: datetime, form: str) -> str:
    """As strftime, without zeros before days, months and hours."""
    short = {"%d": at.day, "%m": at.month, "%H": at.hour, "%I": at.hour % 12 or 12}
    for letter, value in short.items():
        form = form.replace(letter, str(value))
    return at.strftime(form)


_EPOCH_UNITS = {"ns": -6, "us": -3, "ms": 0, "s": 3}
"""Powers of ten of a millisecond."""


def _epoch(rng: Random, times: list[int], grain: str, medium: str) -> Way:
    unit = rng.choice(list(_EPOCH_UNITS))
    power = _EPOCH_UNITS[unit]
    source: dict[str, Any] = {"unit": unit} if unit != "ms" or rng.random() < 0.5 else {}
    is_sure = True
    if rng.random() < 0.2 and source:
        del source["unit"]
        is_sure = unit == "ms"
    if power <= 0:
        whole = [each * 10**-power for each in times]
        if power < 0 and rng.random() < 0.3:
            whole = [each + rng.randint(0, 10**-power - 1) for each in whole]
        return _numbered(rng, whole, source, medium, is_sure=is_sure)
    if _is_fine(grain, "s") and rng.random() < 0.8:
        return _numbered(rng, [each // 1000 for each in times], source, medium, is_sure=is_sure)
    seconds = [Decimal(each) / 1000 for each in times]
    if medium == TYPED:
        held = [float(each) for each in seconds]
        kind = rng.choice([pa.float64(), pa.float32()])
        is_sure = is_sure and kind == pa.float64()
        return Way(columns=[pa.array(held, kind)], source=source, is_sure=is_sure)
    if medium in (JSON, CELL) and rng.random() < 0.5:
        return Way(columns=[[float(each) for each in seconds]], source=source, is_sure=is_sure)
    return Way(columns=[[f"{each:.3f}" for each in seconds]], source=source, is_sure=is_sure)


def _numbered(
    rng: Random, whole: list[int], source: dict[str, Any], medium: str, *, is_sure: bool
) -> Way:
    """Whole numbers in a column of the medium."""
    if medium == TYPED:
        if rng.random() < 0.3:
            return Way(
                columns=[of_texts(rng, list(map(str, whole)), medium)],
                source=source,
                is_sure=is_sure,
            )
        return Way(columns=[of_integers(rng, list(whole))], source=source, is_sure=is_sure)
    if medium == CELL:
        is_told = max(map(abs, whole)) < 10**15
        return Way(columns=[whole], source=source, is_sure=is_sure and is_told)
    if medium == JSON and rng.random() < 0.7:
        return Way(columns=[whole], source=source, is_sure=is_sure)
    return Way(columns=[list(map(str, whole))], source=source, is_sure=is_sure)


def _steps(rng: Random, times: list[int], grain: str, medium: str) -> Way:
    """Counts of steps since a day; days with a fraction, as spreadsheets count them."""
    first = (EPOCH + timedelta(milliseconds=min(times))).date() - timedelta(rng.randint(0, 3))
    if rng.random() < 0.5 or not _is_fine(grain, "min"):
        first = date(1899, 12, 30)
        since = [_since(each, first) / Decimal(86_400_000) for each in times]
        texts = [f"{each:.10f}" for each in since]
        source = {"unit": "d", "start": first}
        if medium in (CELL, JSON) or (medium == TYPED and rng.random() < 0.5):
            held = [float(each) for each in since]
            column = pa.array(held) if medium == TYPED else held
            return Way(columns=[column], source=source)
        return Way(columns=[of_texts(rng, texts, medium)], source=source)
    unit = rng.choice([each for each in ("min", "h", "d") if _is_fine(grain, each)])
    counts = [int(_since(each, first) / GRAINS_MS[unit]) for each in times]
    given: Any = str(first) if rng.random() < 0.5 else first
    source = {"unit": unit, "start": given}
    is_sure = True
    if rng.random() < 0.2:
        del source["start"]
        is_sure = False
    return _numbered(rng, counts, source, medium, is_sure=is_sure)


def _since(ms: int, first: date) -> Decimal:
    """ms since the day."""
    begun = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return Decimal(ms - round((begun - EPOCH) / timedelta(milliseconds=1)))


def _apart(rng: Random, times: list[int], grain: str, medium: str) -> Way | None:
    """A column of days and one of times."""
    if not _is_fine(grain, "s"):
        return None
    walls, source, is_sure = _walls(rng, times)
    if medium == TYPED and rng.random() < 0.6:
        kind = rng.choice([pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")])
        clocks = pa.array([at.time() for at in walls], kind)
        days = pa.array([at.date() for at in walls], rng.choice([pa.date32(), pa.date64()]))
        return Way(columns=[days, clocks], source=source, is_sure=is_sure)
    if rng.random() < 0.3:  # numbers, which lost their zeros
        days = [int(f"{at:%Y%m%d}") for at in walls]
        clocks = [int(f"{at:%H%M%S}") for at in walls]
        if rng.random() < 0.5:
            source = {**source, "format": "%Y%m%d %H%M%S"}
        if medium == TYPED:
            days, clocks = pa.array(days), pa.array(clocks)
        elif medium != CELL:
            days, clocks = list(map(str, days)), list(map(str, clocks))
        return Way(columns=[days, clocks], source=source, is_sure=False)
    days = of_texts(rng, [f"{at:%Y-%m-%d}" for at in walls], medium)
    clocks = of_texts(rng, [f"{at:%H:%M:%S}" for at in walls], medium)
    return Way(columns=[days, clocks], source=source, is_sure=is_sure)
