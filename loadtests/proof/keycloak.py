"""A real Keycloak for the proof of tokens: downloaded once, a process on 127.0.0.1, set up by its
admin API.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit
from riskstream.workbench.local.downloads import cache_folder, java
from riskstream.workbench.local.server import Server, free_port

VERSION = "26.7.3"
START_DEADLINE_S = 300.0
_ADMIN = "admin"


class Keycloak:
    """Realms, clients and keys of one server. `url` is its base."""

    def __init__(self, folder: Path) -> None:
        self._folder, port = folder, free_port()
        self.url = f"http://127.0.0.1:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        home = _unpacked(folder)
        command = [
            "sh",
            str(home / "bin/kc.sh"),
            "start-dev",
            "--http-host=127.0.0.1",
            f"--http-port={port}",
            "--cache=local",
        ]
        runtime = Path(java()).parent.parent
        env = {
            "JAVA_HOME": str(runtime),
            "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1 -Xmx512m",
            "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": _ADMIN,
        }
        self._server = Server("keycloak", command, folder / "keycloak.log", env)

    def wait(self) -> None:
        """Return when it answers."""
        end = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < end:
            if not self._server.is_running:
                raise self._server.failure()
            try:
                with urllib.request.urlopen(f"{self.url}/realms/master", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise Retryable(what=f"Keycloak was not up in {START_DEADLINE_S:.0f} s", where=self.url)

    def stop(self) -> None:
        self._server.stop()

    def realm(self, name: str, scopes: tuple[str, ...]) -> None:
        """A realm whose clients may ask for `scopes`."""
        self._admin("POST", "", {"realm": name, "enabled": True, "accessTokenLifespan": 60})
        for scope in scopes:
            told = {"include.in.token.scope": "true"}
            given = {"name": scope, "protocol": "openid-connect", "attributes": told}
            self._admin("POST", f"/{name}/client-scopes", given)

    def client(
        self, realm: str, name: str, scopes: tuple[str, ...], *, audience: str = "", life_s: int = 0
    ) -> None:
        """A client with a secret (its name) that gets tokens for itself. `life_s`: of its tokens,
        where it is not the realm's.
        """
        add_audience = {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": audience, "access.token.claim": "true"},
        }
        given = {
            "clientId": name,
            "secret": name,
            "serviceAccountsEnabled": True,
            "standardFlowEnabled": False,
            "publicClient": False,
            "optionalClientScopes": list(scopes),
            "protocolMappers": [add_audience] if audience else [],
            "attributes": {"access.token.lifespan": str(life_s)} if life_s else {},
        }
        self._admin("POST", f"/{realm}/clients", given)

    def token(self, realm: str, client: str, scope: str = "") -> str:
        """An access token by the client's credentials."""
        asked = {"grant_type": "client_credentials", "client_id": client, "client_secret": client}
        where = f"{self.url}/realms/{realm}/protocol/openid-connect/token"
        return str(_posted_form(where, {**asked, **({"scope": scope} if scope else {})}))

    def rotate(self, realm: str) -> None:
        """A new key signs from now on; those before stay in the set."""
        home = self._admin("GET", f"/{realm}")["id"]
        config = {"priority": ["200"], "enabled": ["true"], "active": ["true"]}
        given = {
            "name": "next",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": home,
            "config": config,
        }
        self._admin("POST", f"/{realm}/components", given)

    def forget_old_keys(self, realm: str) -> None:
        """All RSA keys but the newest leave the set, as after a theft."""
        kind = "?type=org.keycloak.keys.KeyProvider"
        for each in self._admin("GET", f"/{realm}/components{kind}"):
            if each["providerId"].startswith("rsa") and each["name"] != "next":
                self._admin("DELETE", f"/{realm}/components/{each['id']}")

    def _admin(self, method: str, path: str, given: Any = None) -> Any:
        where = f"{self.url}/realms/master/protocol/openid-connect/token"
        form = {"grant_type": "password", "client_id": "admin-cli"}
        token = _posted_form(where, {**form, "username": _ADMIN, "password": _ADMIN})
        asked = urllib.request.Request(
            f"{self.url}/admin/realms{path}",
            None if given is None else json.dumps(given).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None


def _posted_form(where: str, form: dict[str, str]) -> Any:
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(where, data, timeout=60) as answer:
        return json.loads(answer.read())["access_token"]


def _unpacked(folder: Path) -> Path:
    """Keycloak's folder: 170 MB are downloaded the first time."""
    from jgo.maven import MavenContext  # here: it is slow to import

    try:
        project = MavenContext(repo_cache=cache_folder() / "maven", timeout=60).project(
            "org.keycloak", "keycloak-quarkus-dist"
        )
        archive = project.at_version(VERSION).artifact(packaging="zip").resolve()
    except Exception as error:
        # jgo raises whatever its HTTP library does: here it becomes one sentence
        raise Fatal(
            what=f"Keycloak could not be had: {type(error).__name__}: {error}",
            where=str(folder),
            do="connect to Maven Central once",
            exit_code=Exit.NO_NETWORK,
        ) from error
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    home = folder / f"keycloak-{VERSION}"
    (home / "bin/kc.sh").chmod(0o755)
    return home
