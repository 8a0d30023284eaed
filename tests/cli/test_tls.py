"""TLS as a person meets it: what is said, what to set, and with which code it ends."""

from pathlib import Path

import trustme

from tests.cli.conftest import Shell
from tests.tls import listening, server_context


def test_tls_authority_of_ones_own_is_named_by_a_variable_or_a_profile(importer: Shell) -> None:
    """A server with a certificate of an unknown authority: 7, nothing sent, the fix names IMPORTER_CA_FILE; with it, or with
    ca_file in importer.toml, the log-in is tried (and refused: 6)."""
    authority = trustme.CA()
    ca_file = importer.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    file = importer.file("a.csv", "External ID,Queue,Description", "E1,Billing,one")
    with listening(server_context(authority.issue_cert("127.0.0.1"))) as server:
        importer.environment |= {
            "GENESYS_API_URL": server.url, "GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": "canary-s3cret",
        }  # fmt: skip
        refused = importer("preview", file)
        assert refused.code == 7
        assert "IMPORTER_CA_FILE" in refused.err
        assert server.read == []
        importer.environment["IMPORTER_CA_FILE"] = "ca.pem"
        assert importer("preview", file).code == 6
        del importer.environment["IMPORTER_CA_FILE"]
        importer.file("importer.toml", "[profile.default]", f'ca_file = "{ca_file.as_posix()}"')
        assert importer("preview", file).code == 6
        assert len(server.read) == 2


def test_tls_ca_file_that_is_none_is_a_mistake_in_the_settings(importer: Shell) -> None:
    """A ca_file that is not there ends with 2 before anything is sent."""
    file = importer.file("a.csv", "External ID,Queue,Description", "E1,Billing,one")
    importer.environment |= {
        "GENESYS_API_URL": "https://127.0.0.1:9", "GENESYS_CLIENT_ID": "me", "GENESYS_CLIENT_SECRET": "canary-s3cret",
        "IMPORTER_CA_FILE": str(Path("/nowhere/ca.pem")),
    }  # fmt: skip
    ended = importer("preview", file)
    assert ended.code == 2
    assert "IMPORTER_CA_FILE: /nowhere/ca.pem" in ended.err
