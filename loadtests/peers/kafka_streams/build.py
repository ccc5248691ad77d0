"""Kafka Streams' jars and the compiled peer, in one folder: `… FOLDER` makes it.

Jars come from Maven's index, each held to its hash in jars.txt. Java is the runtime of the local
stack, which has no compiler: Eclipse's is among the jars.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.run import run_main
from riskstream.workbench.local.downloads import cache_folder, java

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE.parents[2] / "schemas"
RECORDS = ("transaction.v1", "score.v1")
COMPILER = "ecj-*.jar"
_JAVA_VERSION = "-21"


def pinned(text: str) -> dict[str, str]:
    """SHA-256 by coordinates (group:artifact:version), as jars.txt has them."""
    out = {}
    for line in text.splitlines():
        coordinates, digest = line.split(" sha256:")
        out[coordinates] = digest
    return out


def build(folder: Path) -> int:
    """Download, check, generate the records' classes, compile; the exit code."""
    shutil.rmtree(folder, ignore_errors=True)
    jars, classes, records = folder / "jars", folder / "classes", folder / "records"
    for each in (jars, classes, records):
        each.mkdir(parents=True)
    for coordinates, digest in pinned((HERE / "jars.txt").read_text()).items():
        _fetch(coordinates, digest, jars)
    schemas = [_plain_schema(name, records) for name in RECORDS]
    _compile(jars, classes, HERE / "src/Records.java")
    _java(folder, "Records", str(records), *map(str, schemas))
    _compile(jars, classes, HERE / "src", records)
    return Exit.DONE


def command(folder: Path) -> list[str]:
    """How the peer is started; its options follow."""
    return [
        java(),
        "-Dorg.apache.avro.SERIALIZABLE_PACKAGES=riskstream",
        "-Dorg.apache.avro.specific.use_custom_coders=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
        "--enable-native-access=ALL-UNNAMED",
        f"-XX:ErrorFile={folder / 'crash.log'}",
        "-cp",
        f"{folder / 'classes'}:{folder / 'jars'}/*",
        "Main",
    ]


def _fetch(coordinates: str, digest: str, jars: Path) -> None:
    from jgo.maven import MavenContext  # here: it is slow to import

    group, artifact, version = coordinates.split(":")
    try:
        context = MavenContext(repo_cache=cache_folder() / "maven", timeout=60)
        found = context.project(group, artifact).at_version(version).artifact().resolve()
    except Exception as error:
        # jgo raises whatever its HTTP library does: here it becomes one sentence
        raise Fatal(
            what=f"{coordinates} could not be had: {type(error).__name__}: {error}",
            where=str(jars),
            do="connect to Maven Central once",
            exit_code=Exit.NO_NETWORK,
        ) from error
    data = Path(found).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise Fatal(
            what=f"{coordinates} is not the jar of jars.txt",
            where=str(found),
            do="remove it and try again",
        )
    target = jars / Path(found).name
    try:
        os.link(found, target)
    except OSError:  # the cache is on another disk
        target.write_bytes(data)


def _plain_schema(name: str, folder: Path) -> Path:
    """The schema without logical types: instants stay integers, which is faster."""

    def plain(each: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in each.items() if key != "logicalType"}

    path = folder / f"{name}.avsc"
    text = (SCHEMAS / path.name).read_text()
    path.write_text(json.dumps(json.loads(text, object_hook=plain)))
    return path


def _compile(jars: Path, classes: Path, *sources: Path) -> None:
    compiler = next(jars.glob(COMPILER))
    path = ":".join(str(each) for each in sorted(jars.glob("*.jar")))
    options = [_JAVA_VERSION, "-proc:none", "-nowarn", "-cp", path, "-d", str(classes)]
    _run([java(), "-jar", str(compiler), *options, *map(str, sources)])


def _java(folder: Path, name: str, *arguments: str) -> None:
    _run([java(), "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", name, *arguments])


def _run(line: list[str]) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fatal(
            what=f"the peer was not built: {(done.stdout + done.stderr).strip()[-400:]}",
            where=" ".join(line[-2:]),
            do="read what the compiler said",
        )


if __name__ == "__main__":
    run_main(lambda: build(Path(sys.argv[1])))
