"""Ed25519 keys and signatures (RFC 8032), by the library `cryptography` (weighed: PyNaCl, which has
no PEM).
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from riskstream.runtime.errors import Fatal
from riskstream.runtime.exits import Exit
from riskstream.runtime.files import read_regular


def make_keys(path: Path) -> Path:
    """A private key at `path` (readable by its owner alone) and the public one beside it as .pub.
    Fatal where one is there.
    """
    public = path.with_name(path.name + ".pub")
    for each in (path, public):
        if os.path.lexists(each):
            raise Fatal(
                what=f"{each.name} is there already",
                where=str(path),
                do="give another --out",
                exit_code=Exit.INPUT,
            )
    key = Ed25519PrivateKey.generate()
    texts = {
        path: (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600),
        public: (
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            0o644,
        ),
    }
    made: list[Path] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for each, (text, mode) in texts.items():  # neither ever takes the place of another file
            handle = os.open(each, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(each)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
    except OSError as error:
        for each in made:  # half a pair is no use
            each.unlink(missing_ok=True)
        raise Fatal(
            what=f"the key cannot be written: {error.strerror}",
            where=str(path),
            do="give another --out",
        ) from error
    return public


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A signer's public key, read once. `fingerprint`: 16 hexadecimal digits of the SHA-256 of its
    32 bytes.
    """

    fingerprint: str
    _key: Ed25519PublicKey

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> "PublicKey":
        return cls(hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16], key)

    @classmethod
    def read(cls, path: Path) -> "PublicKey":
        """Fatal where it is none."""
        return cls.of(_public(path))

    def is_signed(self, data: bytes, signature: bytes) -> bool:
        """True where the signature is of these bytes by this key."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def public_of(private: Path) -> PublicKey:
    """The public half of a private key. Fatal where the key is none."""
    return PublicKey.of(_private(private).public_key())


def sign(private: Path, data: bytes) -> bytes:
    """64 bytes. Fatal where the key is none."""
    return _private(private).sign(data)


def _private(private: Path) -> Ed25519PrivateKey:
    text = _read(private)
    if b"BEGIN PUBLIC KEY" in text:
        raise Fatal(
            what="it is a public key, and what is signed needs the private one",
            where=str(private),
            do="give the file with the same name without .pub",
            exit_code=Exit.INPUT,
        )
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError) as error:
        raise Fatal(
            what="it is not a private key in PEM form",
            where=str(private),
            do="make one with `riskstream release keygen`",
            exit_code=Exit.INPUT,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Fatal(
            what="the key is not Ed25519",
            where=str(private),
            do="make one with `riskstream release keygen`",
            exit_code=Exit.INPUT,
        )
    return key


def _public(public: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(public))
    except ValueError as error:
        raise Fatal(
            what="it is not a public key in PEM form",
            where=str(public),
            do="give the .pub file of the signer",
            exit_code=Exit.INPUT,
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise Fatal(
            what="the key is not Ed25519",
            where=str(public),
            do="give the .pub file of the signer",
            exit_code=Exit.INPUT,
        )
    return key


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        raise Fatal(
            what=f"the key cannot be read: {error.strerror}",
            where=str(path),
            do="give a key file",
            exit_code=Exit.INPUT,
        ) from error
