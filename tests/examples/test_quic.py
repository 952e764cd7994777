"""QUIC (aioquic) over a link like 4G, and over one that loses: data arrives, and the round trip is that of the link."""

from __future__ import annotations

import asyncio
import datetime
import sys
import time
from pathlib import Path
from typing import Any

import needs
import pytest

pytestmark = [needs.package("aioquic", "aioquic")]
SIZE = 100_000  # bytes
PORT = 4433


def write_certificate(directory: Path) -> tuple[str, str]:
    """Write a certificate for the name ``server`` that signs itself, and its key; return the paths."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("server")]), critical=False)
    certificate = directory / "certificate.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = directory / "key.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return str(certificate), str(private)


async def echoed(certificate: str, data: bytes) -> tuple[bytes, float]:
    """Send data on a stream and return what comes back, and the seconds that the handshake took."""
    from aioquic.asyncio import connect
    from aioquic.quic.configuration import QuicConfiguration

    configuration = QuicConfiguration(alpn_protocols=["echo"], server_name="server")
    configuration.load_verify_locations(certificate)
    start = time.monotonic()
    async with connect("10.0.0.1", PORT, configuration=configuration) as connection:
        took = time.monotonic() - start
        reader, writer = await connection.create_stream()
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 60), took


@pytest.mark.parametrize(("preset", "round_trip"), [("4g", 0.17), ("lossy", 0.03)])
def test_data_arrives(lab: Any, tmp_path: Path, preset: str, round_trip: float) -> None:
    server, client = lab.netns(label="server"), lab.netns(label="client")
    lab.wire(server.port("eth0", "10.0.0.1/24"), client.port("eth0", "10.0.0.2/24"))
    lab.up()
    certificate, key = write_certificate(tmp_path)
    program = str(Path(__file__).with_name("quic_server.py"))
    server.start([sys.executable, program, "10.0.0.1", str(PORT), certificate, key], ready=f"udp port {PORT}", timeout=20)
    lab.preset("client:eth0", preset)
    lab.up()
    data = bytes(range(256)) * (SIZE // 256)
    with client.entered():
        answer, took = asyncio.run(echoed(certificate, data))
    assert answer == data
    print(f"handshake {took * 1000:.0f} ms")
    assert took >= round_trip
