"""A schema registry that speaks Confluent's API: schemas by id, and registering ours. Its ids are
whatever it gives.

Set by RISKSTREAM_SCHEMA_REGISTRY_URL, _USERNAME, _PASSWORD, _CA and _REGISTER, one set for a
process as Kafka's security is.
"""

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from riskstream.domain.contracts.resolution import Names
from riskstream.domain.contracts.writers import Schema
from riskstream.runtime.errors import Fatal, Retryable
from riskstream.runtime.exits import Exit

MAX_BYTES = 1 << 20
"""Most bytes of an answer."""
TIMEOUT_S = 5.0
"""Time for one whole answer, however slowly it comes."""
MAX_REFERENCES = 32
_SCHEMA_NOT_FOUND = 40403
_MEDIA = "application/vnd.schemaregistry.v1+json"


class RegistrySettings(BaseSettings):
    """Where the registry is, and as whom; no registry where `url` is empty."""

    model_config = SettingsConfigDict(
        env_prefix="riskstream_schema_registry_", frozen=True, extra="ignore"
    )

    url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    username: str = Field(default="")
    password: SecretStr = Field(default=SecretStr(""))
    ca: Path | None = Field(default=None)
    register_ours: bool = Field(
        default=False, validation_alias="riskstream_schema_registry_register"
    )


def registry_settings() -> RegistrySettings:
    """Read from the environment; Fatal where a value is wrong."""
    try:
        return RegistrySettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).removeprefix(
            "riskstream_schema_registry_"
        )
        raise Fatal(
            what=f"{name} is wrong: {first['msg']}",
            where=f"RISKSTREAM_SCHEMA_REGISTRY_{name.upper()}",
            do="correct it",
            exit_code=Exit.INPUT,
        ) from None


class SchemaRegistry:
    """A place to ask for schemas. It never follows a redirect, and reads no more than MAX_BYTES
    within TIMEOUT_S.
    """

    name = "the schema registry"

    def __init__(self, settings: RegistrySettings, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = settings.url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Accept": f"{_MEDIA}, application/json", "Content-Type": _MEDIA}
        if settings.username:
            pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if settings.ca is not None:
            if not settings.ca.is_file():
                raise Fatal(
                    what=f"there is no file {settings.ca}",
                    where="RISKSTREAM_SCHEMA_REGISTRY_CA",
                    do="give the certificate of the authority that signed the registry's",
                    exit_code=Exit.INPUT,
                )
            handlers.append(
                urllib.request.HTTPSHandler(
                    context=ssl.create_default_context(cafile=str(settings.ca))
                )
            )
        self._opener = urllib.request.build_opener(*handlers)

    def fetch(self, schema_ids: Sequence[int]) -> dict[int, Schema]:
        """Those of the ids that the registry has; Retryable where it cannot say."""
        out = {}
        for each in schema_ids:
            answer = self._get(f"/schemas/ids/{each}", missing_is=_SCHEMA_NOT_FOUND)
            if answer is not None:
                out[each] = self._schema(answer)
        return out

    def register(self, subject: str, schema: Schema) -> int:
        """The id of a schema, registered under a subject where it was not; Fatal where the registry
        refuses it.
        """
        path = f"/subjects/{urllib.parse.quote(subject, safe='')}/versions"
        answer = self._ask(path, json.dumps({"schema": json.dumps(schema)}).encode())
        found = answer.get("id")
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**32:
            raise Retryable(what=f"the registry gave no id for {subject}", where=self._url)
        return found

    def _schema(self, answer: dict[str, Any]) -> Schema:
        kind = answer.get("schemaType") or "AVRO"
        if kind != "AVRO":  # reads as no contract: refused by its name, with this word in it
            return {"type": "record", "name": f"of {kind}", "fields": []}
        schema = self._parsed(answer)
        for name, inner in self._references(answer).items():
            schema = _with(schema, name, inner)
        return (
            schema
            if isinstance(schema, dict)
            else {"type": "record", "name": f"{schema!r:.40}", "fields": []}
        )

    def _parsed(self, answer: dict[str, Any]) -> Any:
        try:
            return json.loads(answer["schema"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise Retryable(
                what="the registry's answer holds no Avro schema", where=self._url
            ) from error

    def _references(self, answer: dict[str, Any], seen: int = 0) -> dict[str, Any]:
        """By name the schemas that this one refers to, and those that they do: the deepest last."""
        out: dict[str, Any] = {}
        for each in answer.get("references") or ():
            if seen + len(out) >= MAX_REFERENCES:
                raise Retryable(
                    what=f"a schema refers to more than {MAX_REFERENCES} others", where=self._url
                )
            subject = urllib.parse.quote(str(each["subject"]), safe="")
            found = self._ask(f"/subjects/{subject}/versions/{int(each['version'])}")
            out[str(each["name"])] = self._parsed(found)
            out |= self._references(found, seen + len(out))
        return out

    def _get(self, path: str, *, missing_is: int) -> dict[str, Any] | None:
        """The answer; None where the registry itself says that there is none. A 404 of a proxy says
        nothing.
        """
        try:
            return self._ask(path)
        except _Refused as refused:
            if refused.status == 404 and refused.code == missing_is:
                return None
            raise Retryable(what=refused.what, where=refused.where) from refused

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, body, self._headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    said = self._read(error)
                except Retryable:
                    said = {}
            what = (
                f"the registry answers {error.code} {str(said.get('message', ''))[:200]}".rstrip()
            )
            raise _Refused(
                what=what, where=self._url, status=error.code, code=said.get("error_code")
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise Retryable(
                what=f"the registry does not answer: {error}", where=self._url
            ) from error

    def _read(self, answer: Any) -> dict[str, Any]:
        end = time.monotonic() + self._timeout_s
        raw = b""
        while part := answer.read1(65_536):
            raw += part
            if len(raw) > MAX_BYTES:
                raise Retryable(
                    what=f"the registry's answer has more than {MAX_BYTES} bytes", where=self._url
                )
            if time.monotonic() > end:
                raise Retryable(
                    what=f"the registry's answer took more than {self._timeout_s} s",
                    where=self._url,
                )
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Retryable(what="the registry's answer is not JSON", where=self._url) from error
        if not isinstance(found, dict):
            raise Retryable(what="the registry's answer is not a JSON object", where=self._url)
        return found


class _Refused(Retryable):
    """The registry answered with a status that is no success. `code`: its own, where it gives
    one.
    """

    def __init__(self, *, what: str, where: str, status: int, code: Any) -> None:
        super().__init__(what=what, where=where)
        self.status, self.code = status, code


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _with(schema: Any, name: str, inner: Any) -> Any:
    """The schema with the first reference to a named type in place of its name."""
    done = False

    def put(part: Any) -> Any:
        nonlocal done
        if isinstance(part, str):
            if done or part not in (name, name.rsplit(".", 1)[-1]):
                return part
            done = True
            return inner
        if isinstance(part, list):
            return [put(each) for each in part]
        out = dict(part)
        if "fields" in part:
            out["fields"] = [{**field, "type": put(field["type"])} for field in part["fields"]]
        for key in ("items", "values"):
            if key in part:
                out[key] = put(part[key])
        if isinstance(part.get("type"), dict | list):
            out["type"] = put(part["type"])
        return out

    Names(inner)
    return put(schema)
