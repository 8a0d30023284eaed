"""Letter: a decision as a file of its own, signed where it was made, for a state folder that is not there."""

import base64
import binascii
import json
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from importer.approvals.keys import PublicKey
from importer.approvals.log import ApprovalLog
from importer.core.approval import Approval, approval_read
from importer.core.errors import UsageError
from importer.core.plan import canonical

SCHEMA = "importer.decision/1"
LONGEST = 1_000_000
"""Bytes of a letter at most; one that leaves 10,000 rows out has about half of that."""
AGAIN = "Ask for the file that importer approve --to wrote, unchanged."


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter says, if its signature fits the key that lies in it. Whose key that is, the letter cannot tell."""

    approval: Approval
    key: PublicKey


def written(approval: Approval, log: ApprovalLog) -> bytes:
    """The letter of a decision that this log has, signed with its key. Raises LedgerError."""
    key = log.key()
    said = {"schema": SCHEMA, "decision": approval.record(), "public_key": key.text}
    _, signature = log.signed(canonical(said).encode())
    letter = {**said, "key": key.name, "signature": base64.b64encode(signature).decode()}
    return (json.dumps(letter, ensure_ascii=False, indent=1) + "\n").encode()


def read(text: bytes) -> Letter:
    """The letter. Raises UsageError where it is none, or says something else than what was signed."""
    if len(text) > LONGEST:
        raise UsageError(f"This is no decision: it has more than {LONGEST:,} bytes.", AGAIN)
    try:
        letter = json.loads(text)
        said = {name: letter[name] for name in ("schema", "decision", "public_key")}
        if said["schema"] != SCHEMA:
            raise UsageError(f"This is no decision of {SCHEMA}.", AGAIN)
        key = key_read(said["public_key"])
        fits = key.signed(canonical(said).encode(), base64.b64decode(letter["signature"], validate=True))
        approval = approval_read(dict(said["decision"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as problem:
        raise UsageError(f"This is no decision: {type(problem).__name__}.", AGAIN) from problem
    if not fits:
        raise UsageError("The decision was altered: its signature does not fit.", AGAIN)
    return Letter(approval, key)


def key_read(pem: str | bytes) -> PublicKey:
    """A public key from its PEM. Raises UsageError."""
    try:
        key = serialization.load_pem_public_key(pem.encode() if isinstance(pem, str) else pem)
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as problem:
        raise UsageError("This is no public key.", "Give public.pem of the approver, or a decision.") from problem
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError("This is a public key, but not one of Ed25519.", "Give public.pem of the approver.")
    return PublicKey(key)
