"""One request and its answer, against servers that do with a connection what they should not."""

import asyncio
import json

from yarl import URL

from importer.targets.transport import HttpTransport, Reply, Request


async def test_transport_takes_no_late_bytes_for_the_next_answer() -> None:
    """A server that sends an answer twice cannot have its second copy taken for the answer to another row's call."""
    taken, told_twice = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        body = json.dumps({"id": (await reader.readexactly(size)).decode()}).encode()
        answer = (
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        writer.write(answer)
        await taken.wait()
        writer.write(answer)
        told_twice.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2/tasks")
        transport = HttpTransport()
        for row in ("row-a", "row-b"):
            taken.clear()
            told_twice.clear()
            reply = await transport.send(Request("POST", url, {}, row.encode()))
            assert isinstance(reply, Reply)
            assert reply.body == {"id": row}
            taken.set()
            await told_twice.wait()
            for _ in range(20):  # what was written is there before the next request goes out
                await asyncio.sleep(0)
        await transport.close()
