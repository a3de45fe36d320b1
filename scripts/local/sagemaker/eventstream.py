"""AWS's event stream encoding, as far as `InvokeEndpointWithResponseStream` needs it."""

import json
import struct
from zlib import crc32

STRING = 7
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Encode one message: lengths, their checksum, headers, payload, checksum of all before."""
    head = b"".join(map(_header, headers.items()))
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))


def payload_part(part: bytes) -> bytes:
    headers = {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    return frame(headers, part)


def exception(name: str, members: dict[str, str]) -> bytes:
    headers = {
        ":message-type": "exception",
        ":exception-type": name,
        ":content-type": "application/json",
    }
    return frame(headers, json.dumps(members).encode())


def _header(item: tuple[str, str]) -> bytes:
    name, value = (text.encode() for text in item)
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", STRING, len(value)) + value
