"""A QUIC server that answers each stream with its own bytes: ``quic_server.py ADDRESS PORT CERTIFICATE KEY``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aioquic.asyncio import serve
from aioquic.quic.configuration import QuicConfiguration


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, to its end."""
    writer.write(await reader.read())
    writer.write_eof()


async def main(address: str, port: str, certificate: str, key: str) -> None:
    """Serve for ever."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    configuration.load_cert_chain(certificate, key)
    tasks = set()

    def begin(*streams: Any) -> None:
        task = asyncio.ensure_future(answer(*streams))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await serve(address, int(port), configuration=configuration, stream_handler=begin)
    await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
