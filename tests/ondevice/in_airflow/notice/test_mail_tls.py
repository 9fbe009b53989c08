"""Mails over TLS, to servers on 127.0.0.1 that take them in no other way, with a certificate of the test's own."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.ondevice.in_airflow.notice.senders import send
from nightlite.ondevice.in_airflow.notice.settings import notice_settings
from tests.receivers import mail_server

NOTICE = Notice(event="failed", pipeline="p", run_id="r", headline="A failed", run_url="http://airflow/r")
# What aiosmtpd says where it does not see the TLS below it.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return the file of a certificate for 127.0.0.1 that signs itself, and a server's context that has it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


@pytest.fixture
def mail_to(monkeypatch):
    """Mail the notice to this box in this way; returns why it was not sent."""

    def tell(box, scheme, way=""):
        url = f"{scheme}://{box.user}:{box.password}@127.0.0.1:{box.port}/a@example.com?from=ci@example.com&cto=60{way}"
        monkeypatch.setenv("NIGHTLITE_NOTIFY_URLS", url)
        [reason] = send(notice_settings(), NOTICE).values()
        return reason

    return tell


@pytest.mark.parametrize(("way", "server"), [("", "starttls"), ("&mode=starttls", "starttls"), ("&mode=ssl", "tls")])
def test_a_mail_goes_over_tls(certificate, mail_to, monkeypatch, way, server):
    file, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with mail_server(**{server: context}) as box:
        assert mail_to(box, "mailtos", way) is None
    assert [letter["Subject"] for letter in box.mails] == [NOTICE.subject]


@pytest.mark.parametrize(("way", "server"), [("", "starttls"), ("&mode=ssl", "tls")])
def test_a_server_whose_certificate_no_one_vouches_for_gets_no_password(certificate, mail_to, way, server):
    with mail_server(**{server: certificate[1]}) as box:
        assert "CERTIFICATE_VERIFY_FAILED" in mail_to(box, "mailtos", way)
    assert (box.logins, box.mails) == ([], [])


def test_a_server_without_tls_gets_no_password_unless_the_address_says_so(mail_to):
    with mail_server() as box:
        assert "STARTTLS" in mail_to(box, "mailtos")
        assert (box.logins, box.mails) == ([], [])
        assert mail_to(box, "mailto") is None
    assert box.logins == [True]
