"""Keys: the pair that signs the log of approvals, made at first use. The private half stays in its folder, for its owner alone."""

import os
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from importer.core.errors import LedgerError
from importer.folders import put_whole

KEY, PUBLIC = "key.pem", "public.pem"
KEEP = "Put the folder back as it was, from a copy; what is approved cannot be told without it."


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What tells whether a line was signed here."""

    key: Ed25519PublicKey

    @property
    def name(self) -> str:
        """16 hexadecimal digits that tell keys apart."""
        raw = self.key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return sha256(raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key as PEM."""
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(serialization.Encoding.PEM, info).decode()

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether the private half of this key signed the text."""
        try:
            self.key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


def public_key(folder: Path) -> PublicKey:
    """The key that verifies. Raises LedgerError where there is none."""
    path = folder / PUBLIC
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as problem:
        raise LedgerError(f"The public key of the approvals, {path}, cannot be read: {problem}.", KEEP) from problem
    if not isinstance(key, Ed25519PublicKey):
        raise LedgerError(f"{path} is not a public key of Ed25519.", KEEP)
    return PublicKey(key)


def private_key(folder: Path, *, may_make: bool) -> Ed25519PrivateKey:
    """The key that signs; with `may_make` a new pair where there is none. Call under the log's lock. Raises LedgerError, OSError."""
    path = folder / KEY
    if not path.exists() and may_make:
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        put_whole(path, pem)
    key = _read(path)
    if may_make:  # also after a kill between the two files
        public = key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        put_whole(folder / PUBLIC, pem)
    if PublicKey(key.public_key()).name != public_key(folder).name:
        raise LedgerError(f"{path} and {PUBLIC} beside it are not one pair.", KEEP)
    return key


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        handle = os.open(path, os.O_RDONLY)
        with os.fdopen(handle, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read()
        key = serialization.load_pem_private_key(pem, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise LedgerError(f"The key that signs approvals, {path}, cannot be read: {problem}.", KEEP) from problem
    if sys.platform != "win32" and mode & 0o077:
        raise LedgerError(f"Others may read the key that signs approvals, {path}.", f"chmod 600 {path}")
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path} is not a private key of Ed25519.", KEEP)
    return key
