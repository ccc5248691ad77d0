"""TLS on the gateway's port, and callers by their certificates: with certificates made here."""

import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry
from tests.support.builders import request
from tests.support.guarded import Guarded
from tests.support.http2_peer import SocketPeer
from tests.support.protos import transaction
from tests.support.rpc_server import method, rpc_running

from riskstream.gateway.auth.caller import SCOPES
from riskstream.gateway.auth.guard import Access
from riskstream.gateway.auth.tls import certificates_of, read_subjects
from riskstream.gateway.listening import bound
from riskstream.gateway.serving import http_server
from riskstream.gateway.settings import GatewaySettings
from riskstream.platform.telemetry.metrics import GatewayMetrics
from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string(f"CN={name}")
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(self._pem(self._certificate(self._name, self._key, is_ca=True)))

    def make(self, subject: str, file: str) -> tuple[Path, Path]:
        """(certificate, key) of a subject, for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = self._folder / f"{file}.crt", self._folder / f"{file}.key"
        name = x509.Name.from_rfc4514_string(subject)
        found[0].write_bytes(self._pem(self._certificate(name, key, is_ca=False)))
        found[1].write_bytes(_pem_of(key))
        return found

    def _certificate(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _pem(self, certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


class Port:
    """A gateway's port with TLS. `settings`: where its files are."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.authority, self.callers = Authority(folder, "ours"), Authority(folder, "callers")
        self.certificate, self.key = self.authority.make("CN=gateway", "gateway")
        self.settings: dict[str, Any] = {
            "tls_certificate": self.certificate,
            "tls_key": self.key,
            **more,
        }
        self.guarded = Guarded()
        self.port = 0

    @contextmanager
    def serving(self) -> Iterator["Port"]:
        settings = GatewaySettings(**self.settings)
        listening = bound("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        server = http_server(self.guarded.app, settings, GatewayMetrics(CollectorRegistry()))
        assert server._certificates is not None
        self.certificates = server._certificates
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield self
        finally:
            server.should_exit = True
            thread.join()

    def ask(
        self,
        *files: Path,
        key: str | None = None,
        path: str = "/v1/transactions",
        version: str = "1.1",
    ) -> int:
        """The status, by a certificate where files of one are given."""
        context = ssl.create_default_context(cafile=str(self.authority.pem))
        if files:
            context.load_cert_chain(files[0], files[1])
        if version == "2":
            context.set_alpn_protocols(["h2", "http/1.1"])
            plain = socket.create_connection(("127.0.0.1", self.port), timeout=5)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as peer:
                assert peer.selected_alpn_protocol() == "h2"
                client = SocketPeer(peer)
                more = [] if key is None else [("authorization", f"Bearer {key}")]
                number = client.ask(path, b"{}", *more)
                client.send()
                got = client.until_over(number)
            if number not in got.status:
                raise ConnectionResetError("it was not answered")
            return got.status[number]
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=5)
        try:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            connection.request("POST", path, b"{}", headers)
            answer = connection.getresponse()
            json.loads(answer.read())
            return answer.status
        finally:
            connection.close()


@pytest.fixture
def port(tmp_path: Path) -> Port:
    return Port(tmp_path)


def test_a_port_with_tls_answers_tls_alone(port: Port) -> None:
    key = port.guarded.keys.make(*SCOPES)
    with port.serving():
        assert port.ask(key=key) == 200
        assert port.ask() == 401
        plain = http.client.HTTPConnection("127.0.0.1", port.port, timeout=5)
        plain.request("GET", "/subjects")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain.getresponse()
        old = ssl.create_default_context(cafile=str(port.authority.pem))
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            http.client.HTTPSConnection("127.0.0.1", port.port, context=old, timeout=5).connect()


def _with_callers(port: Port, tmp_path: Path, clients: str) -> None:
    port.settings |= {"tls_client_ca": port.callers.pem, "tls_clients": clients}
    (tmp_path / "subjects.yaml").write_text(
        '"CN=payments,O=Bank": [transactions:write]\n"CN=nothing,O=Bank": []\n'
    )
    port.guarded.access._subjects = read_subjects(tmp_path / "subjects.yaml")


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_certificates_subject_gives_its_scopes(port: Port, tmp_path: Path, version: str) -> None:
    ask = partial(port.ask, version=version)
    _with_callers(port, tmp_path, "required")
    known = port.callers.make("CN=payments,O=Bank", "known")
    nothing = port.callers.make("CN=nothing,O=Bank", "nothing")
    unknown = port.callers.make("CN=payments,O=Bank,C=BE", "unknown")
    strange = port.authority.make("CN=payments,O=Bank", "strange")
    key = port.guarded.keys.make("labels:write")
    with port.serving():
        assert ask(*known) == 200
        assert ask(*known, path="/v1/labels") == 403
        assert ask(*nothing) == 403
        assert ask(*unknown) == 401
        # a key counts before the certificate, and a wrong one is not made up for
        assert ask(*known, key=key, path="/v1/labels") == 200
        assert ask(*known, key="rsk_wrong") == 401
        for files in ((), strange):
            with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
                ask(*files)
    assert [name for _, name in port.guarded.reached] == [
        "certificate:CN=payments,O=Bank",
        f"key:{key.split('_')[1]}",
    ]


def test_a_certificate_may_be_left_out_where_it_is_optional(port: Port, tmp_path: Path) -> None:
    _with_callers(port, tmp_path, "optional")
    known = port.callers.make("CN=payments,O=Bank", "known")
    with port.serving():
        assert port.ask(*known) == 200
        assert port.ask() == 401
        assert port.ask(key=port.guarded.keys.make(*SCOPES)) == 200


def test_a_header_that_names_a_subject_lets_nobody_in(port: Port, tmp_path: Path) -> None:
    _with_callers(port, tmp_path, "optional")
    for name in ("X-SSL-Client-S-DN", "X-Forwarded-Client-Cert", "Client-Cert"):
        found = port.guarded.ask(headers=[(name, "CN=payments,O=Bank")])
        assert found.status == 401


def test_a_new_certificate_is_used_and_a_broken_one_is_not(port: Port) -> None:
    def served() -> str:
        pem = ssl.get_server_certificate(("127.0.0.1", port.port), timeout=5)
        return x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()

    with port.serving() as running:
        certificates = running.certificates
        assert served() == "CN=gateway"
        port.certificate.write_bytes(b"broken")
        os.utime(port.certificate, ns=(1, 1))
        certificates.renew()
        assert served() == "CN=gateway"
        port.authority.make("CN=renewed", "gateway")
        certificates.renew()
        assert served() == "CN=renewed"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"tls_certificate": "none.crt"}, "No such file"),
        ({"tls_key": "other.key"}, "key values mismatch"),
        ({"tls_key": "locked.key"}, "certificate and key cannot be used"),
        ({"tls_client_ca": "gateway.key"}, "authority of callers cannot be used"),
    ],
)
def test_files_that_cannot_be_used_end_the_start_in_one_sentence(
    port: Port, tmp_path: Path, given: dict[str, str], word: str
) -> None:
    port.authority.make("CN=other", "other")
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "locked.key").write_bytes(_pem_of(key, b"secret"))
    files = {name: tmp_path / file for name, file in given.items()}
    with pytest.raises(Fatal, match=word) as found:
        certificates_of(GatewaySettings(**{**port.settings, **files}))
    assert found.value.exit_code == Exit.INPUT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "x: [labels:write]",
        '"CN=a, O=b": [labels:write]',
        '"CN=a": all',
        '"CN=a": [everything]',
        ": : :",
    ],
)
def test_subjects_that_cannot_be_read_end_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "subjects.yaml").write_text(text)
    with pytest.raises(Fatal, match="the subjects cannot be read"):
        read_subjects(tmp_path / "subjects.yaml")


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"tls_certificate": "a"}, "of tls_certificate and tls_key one is given"),
        ({"tls_client_ca": "a"}, "tls_client_ca is given without tls_certificate"),
        ({"tls_subjects": "a"}, "tls_subjects is given without tls_client_ca"),
    ],
)
def test_settings_that_contradict_each_other_are_told(given: dict[str, Any], word: str) -> None:
    assert [what for what, _ in GatewaySettings(**given).contradictions()] == [word]


def test_the_grpc_port_has_the_same_certificates_and_subjects(tmp_path: Path) -> None:
    port = Port(tmp_path, tls_client_ca=tmp_path / "callers.pem")
    subjects = tmp_path / "subjects.yaml"
    subjects.write_text('"CN=payments": [transactions:write]\n"CN=reader": [registry:read]\n')
    access = Access(port.guarded.keys.live, port.guarded.clock, None, read_subjects(subjects))
    files = {name: port.callers.make(f"CN={name}", name) for name in ("payments", "reader", "who")}
    body = transaction(request())

    def ask(rpc_port: int, name: str | None, ca: Path) -> grpc.StatusCode:
        key, chain = (None, None)
        if name is not None:
            key, chain = files[name][1].read_bytes(), files[name][0].read_bytes()
        given = grpc.ssl_channel_credentials(ca.read_bytes(), key, chain)
        with grpc.secure_channel(f"127.0.0.1:{rpc_port}", given) as channel:
            try:
                method(channel, "Accept", "Receipt")(body, timeout=5)
            except grpc.RpcError as error:
                found: grpc.StatusCode = error.code()
                return found
        return grpc.StatusCode.OK

    with rpc_running(access, **port.settings) as found:
        ours = port.authority.pem
        told = [ask(found.port, name, ours) for name in ("payments", "reader", "who", None)]
        assert [each.name for each in told] == [
            "OK", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNAVAILABLE",
        ]  # fmt: skip
        newer = Authority(tmp_path, "newer")
        newer.make("CN=gateway", "gateway")
        assert ask(found.port, "payments", newer.pem).name == "OK"
        port.key.write_text("no key")
        assert ask(found.port, "payments", newer.pem).name == "OK", "the old one stays"


def test_grpc_refuses_certificates_that_a_caller_may_leave_out() -> None:
    files = ("tls_client_ca", "tls_certificate", "tls_key")
    given: dict[str, Any] = dict.fromkeys(files, "a")
    settings = GatewaySettings(**given, tls_clients="optional", grpc_port=1)
    assert [what for what, _ in settings.contradictions()] == [
        "gRPC cannot ask for certificates and go on without"
    ]
    settings = GatewaySettings(port=7, grpc_port=7)
    assert [what for what, _ in settings.contradictions()] == ["another door has grpc_port 7 too"]
