"""Records of releases.v1 that nobody should act on: of strangers without a key, and of a signer
whose files are wrong.
"""

import base64
import hashlib
import io
import json
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from riskstream.cli.release_desk import read_standing
from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.standard import STANDARD
from riskstream.platform.adapters.release import MANIFEST, SIGNATURE, Release, pack, read_bytes
from riskstream.platform.adapters.release_records import (
    CONTRACT,
    RELEASES,
    Active,
    Head,
    Withdrawn,
    content_frame,
    content_key,
    head_frame,
    head_key,
)
from riskstream.platform.adapters.signing import make_keys, public_of, sign
from riskstream.platform.kafka.clients.produce import put
from riskstream.runtime.errors import Fatal

Records = list[tuple[bytes, bytes | None]]
Case = tuple[str, Records, int]
"""Name, records, and how many of them a scorer refuses."""
SET = STANDARD.label
_DOMAIN = b"riskstream statement 1\n"
_BOMB = 120_000_000


class Hostile:
    """`private` is the key that scorers follow; `packed` a release of it, and the model folder it
    was packed from.
    """

    def __init__(self, kafka: str, private: Path, folder: Path, packed: bytes, model: Path) -> None:
        self._kafka, self._private, self._folder, self._packed, self._model = (
            kafka,
            private,
            folder,
            packed,
            model,
        )
        self._mine = public_of(private)
        self._other = folder / "strangers"
        make_keys(self._other)
        self._head = self._read_head()
        self._count = 0

    def write(self, records: Records) -> None:
        """In their order; returns when the broker has them."""
        for key, value in records:
            put(self._kafka, RELEASES, key, value)

    def traps(self) -> list[Path]:
        """Where a path in an id or in an archive would lead."""
        return [self._folder / "pwned", self._folder / "pwned.zip", self._folder / "pwned.release"]

    def cases(self) -> Iterator[Case]:
        """Made when asked for: heads of the signer need numbers that rise."""
        yield from self._strangers()
        yield from self._statements()
        for name, make in self._archives().items():
            self._count += 1
            raw = make()
            release_id = self._id_of(raw)
            content = self._content(release_id, raw)
            sha256 = hashlib.sha256(raw).hexdigest()
            self._head = self._head.activated(
                Active(release_id=release_id, sha256=sha256, at=0, by="mallory")
            )
            yield f"archive: {name}", [content, self._signed(self._head)], 1
            self._head = self._head.without(Withdrawn(release_id=release_id, at=0, by="mallory"))

    def _id_of(self, raw: bytes) -> str:
        """Its own, so that nothing but what is in it can be wrong."""
        try:
            found = read_bytes(raw, None, "").release_id
        except Fatal:
            found = ""
        mine = read_bytes(self._packed, None, "").release_id
        return found if found not in ("", mine) else f"bad{self._count:09d}"

    def _strangers(self) -> Iterator[Case]:
        path = str(self._folder / "pwned")
        evil = base64.b64encode(_zip({"../" * 12 + path: b"x"})).decode()
        yield (
            "a path as id, unsigned",
            [(path.encode(), self._record(path, content_base64=evil, status="ACTIVE"))],
            1,
        )
        now = self._signed(self._head)
        said = codec(CONTRACT).decode(now[1])
        forged = said["statement"].replace(
            f'"number":{self._head.number}', f'"number":{self._head.number + 9}'
        )
        yield (
            "a statement changed after it was signed",
            [(now[0], codec(CONTRACT).encode({**said, "statement": forged}))],
            1,
        )
        theirs = codec(CONTRACT).decode(head_frame(self._head, self._other, 5, "mallory"))
        stolen = {**theirs, "signer": self._mine.fingerprint}
        yield "a signature by an unknown key", [(now[0], codec(CONTRACT).encode(stolen))], 1
        yield "a head of another key", [(now[0], codec(CONTRACT).encode(theirs))], 1
        empty = Head(feature_set=SET, number=self._head.number - 1000)
        yield "a number that goes back", [self._signed(empty)], 1
        key = head_key(SET, self._mine.fingerprint)
        heads = [each.value for each in read_standing(self._kafka).records if each.key == now[0]]
        yield "a copy of an old head", [(now[0], heads[0])], 1
        yield (
            "junk under any key",
            [(b"\xff\xfe", b"junk"), (key, b""), (key, b"\0" * 9), (key, b"\xff" * 200_000)],
            4,
        )
        yield "a schema that nobody knows", [(key, b"\0\xde\xad\xbe\xef" + b"\2" * 50)], 1
        gone: Records = [(each.key or b"", None) for each in read_standing(self._kafka).records]
        yield "everything deleted", gone, 0
        yield (
            "a head of a megabyte",
            [(key, codec(CONTRACT).encode({**said, "statement": "[" * 1_000_000}))],
            1,
        )
        huge = self._record("big", content_base64="A" * 8_000_000, signer=self._mine.fingerprint)
        yield "eight megabytes without a signature", [(b"big", huge)], 1
        yield "a content that no head lists", [self._content("0" * 12, self._packed)], 0

    def _statements(self) -> Iterator[Case]:
        """Signed by the right key, and no statement of ours."""
        number = self._head.number + 5
        head = f'{{"kind":"head","feature_set":"{SET}"'
        numbers = ("NaN", "true", "1e300", "9" * 5000, str(2**60), "-1")
        texts = [f'{head},"number":{each},"active":[],"withdrawn":[]}}' for each in numbers]
        texts += [f"{head}}}", head.replace("head", "spell") + "}", "[" * 100_000, "[]", ""]
        texts += [f'{head},"number":{number},"active":[{{"release_id":7}}],"withdrawn":{{}}}}']
        yield "statements that are none", [self._said(each) for each in texts], len(texts)
        nowhere = Active(release_id="nowhere00000", sha256="0" * 64, at=0, by="mallory")
        self._head = self._head.activated(nowhere)
        yield "a head that lists a content that is nowhere", [self._signed(self._head)], 1
        self._head = self._head.without(Withdrawn(release_id="nowhere00000", at=0))

    def _archives(self) -> dict[str, Callable[[], bytes]]:
        files = _files(self._packed)
        manifest = json.loads(files[MANIFEST])
        text = files[MANIFEST].decode()

        def signed(changed: str, **other: bytes) -> bytes:
            raw = changed.encode()
            return _zip({**files, MANIFEST: raw, SIGNATURE: sign(self._private, raw), **other})

        def with_file(name: str, content: bytes) -> bytes:
            listed = {**manifest["files"], name: hashlib.sha256(content).hexdigest()}
            return signed(json.dumps({**manifest, "files": listed}), **{name: content})

        return {
            "cut in half": lambda: self._packed[: len(self._packed) // 2],
            "its first bytes": lambda: self._packed[:100],
            "empty": lambda: b"",
            "no archive": lambda: b"hello" * 1000,
            "encrypted": lambda: _flagged(self._packed),
            "LZMA": lambda: _zip(files, zipfile.ZIP_LZMA),
            "bzip2": lambda: _zip(files, zipfile.ZIP_BZIP2),
            "a bomb": lambda: _zip({**files, "model.onnx": bytes(_BOMB)}),
            "a bomb for a manifest": lambda: _zip({**files, MANIFEST: bytes(_BOMB)}),
            "a path in it": lambda: _zip({**files, "../" * 12 + str(self._folder / "pwned"): b"x"}),
            "an absolute path in it": lambda: _zip({**files, str(self._folder / "pwned"): b"x"}),
            "a symlink in place of a file": lambda: _linked(
                with_file("card.html", str(self._folder / "pwned").encode()), "model.onnx"
            ),
            "two entries of one name": lambda: _twice(files),
            "a file altered": lambda: _zip({**files, "model.onnx": files["model.onnx"] + b"!"}),
            "no signature": lambda: _zip(
                {name: each for name, each in files.items() if name != SIGNATURE}
            ),
            "signed by another key": lambda: _zip(
                {**files, SIGNATURE: sign(self._other, files[MANIFEST])}
            ),
            "another id than its content": lambda: self._packed,
            "keys twice": lambda: signed(text[:-1] + ',"format":99}'),
            "nested deep": lambda: signed("[" * 100_000),
            "a list for a manifest": lambda: signed("[]"),
            "files that are no names": lambda: signed(
                json.dumps({**manifest, "files": [["a", 1]]})
            ),
            "of another feature set": lambda: signed(
                json.dumps({**manifest, "feature_set": "handbook.v1"})
            ),
            "of unknown contracts": lambda: signed(
                json.dumps({**manifest, "schemas": {"score.v9": 1}})
            ),
            "thresholds that are no numbers": lambda: self._packed_with(
                lambda card: card["thresholds"].update(review=float("nan"))
            ),
            "a card that is nested deep": lambda: with_file("model.json", b"[" * 100_000),
            "a model that is none": lambda: self._packed_with(
                lambda _: None, onnx=b"no model" * 100
            ),
            "reasons that are none": lambda: with_file("reasons.npz", b"\x80\x04cos\nsystem\n."),
        }

    def _packed_with(
        self, change: Callable[[dict[str, Any]], Any], onnx: bytes | None = None
    ) -> bytes:
        """The model packed as it should be, with a card that was changed."""
        folder = self._folder / f"model-{self._count}"
        folder.mkdir()
        for name in ("model.onnx", "reasons.npz", "card.html", "model.json"):
            (folder / name).write_bytes((self._model / name).read_bytes())
        card = json.loads((folder / "model.json").read_text())
        if onnx is not None:
            (folder / "model.onnx").write_bytes(onnx)
            card["version"] = hashlib.sha256(onnx).hexdigest()[:12]
        change(card)
        (folder / "model.json").write_text(json.dumps(card))
        return pack(folder, STANDARD, self._private, 1)[1]

    def _read_head(self) -> Head:
        found = read_standing(self._kafka).channel(self._mine, SET, []).head
        assert found is not None, "a release is active"
        return found

    def _signed(self, head: Head) -> tuple[bytes, bytes]:
        return head_key(SET, self._mine.fingerprint), head_frame(head, self._private, 5, "mallory")

    def _content(self, release_id: str, raw: bytes) -> tuple[bytes, bytes]:
        release = Release(release_id=release_id, manifest={"feature_set": SET}, files={})
        return content_key(release_id, self._mine.fingerprint), content_frame(
            raw, release, self._private, 5, "mallory"
        )

    def _said(self, statement: str) -> tuple[bytes, bytes]:
        signature = base64.b64encode(sign(self._private, _DOMAIN + statement.encode())).decode()
        key = head_key(SET, self._mine.fingerprint)
        fields = {"signer": self._mine.fingerprint, "statement": statement, "signature": signature}
        return key, self._record(key.decode(), **fields)

    def _record(self, name: str, **changes: Any) -> bytes:
        return codec(CONTRACT).encode(
            {
                "release_id": name,
                "feature_set": SET,
                "status": "UNKNOWN",
                "content_base64": "",
                "changed_at": 5,
                "changed_by": "mallory",
                **changes,
            }
        )


def _files(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def _twice(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")
        for name, content in [*files.items(), ("model.onnx", b"another")]:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _linked(raw: bytes, name: str) -> bytes:
    """The archive with one entry marked as a symbolic link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for each, content in _files(raw).items():
            info = zipfile.ZipInfo(each)
            if each == name:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, b"/etc/passwd" if each == name else content)
    return out.getvalue()


def _flagged(raw: bytes) -> bytes:
    """The archive with the flag of encryption set in each entry of its directory and before each
    file.
    """
    out = bytearray(raw)
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = out.find(mark)
        while start >= 0:
            out[start + at] |= 1
            start = out.find(mark, start + 4)
    return bytes(out)
