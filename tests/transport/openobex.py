"""libopenobex, an OBEX of others, as a program: `client PORT FILE` or `server`.

The client connects to SYNCML-SYNC, puts a file and gets the answer, twice, and writes the last
answer to its output; the server takes what is put, gives it back reversed to who gets, and
writes its port and at the end the requests that it saw.
"""

import ctypes
import socket
import struct
import sys
from ctypes import POINTER, byref, c_int, c_uint, c_uint8, c_uint32, c_void_p
from pathlib import Path

CONNECT, DISCONNECT, PUT, GET = range(4)
INET, FILES = 2, 5
REQUEST_HINT, REQUEST, REQUEST_DONE = 1, 2, 3
CONTINUE, SUCCESS, NOT_FOUND = 0x10, 0x20, 0x44
BODY, TARGET, WHO, TYPE, CONNECTION, LENGTH = 0x48, 0x46, 0x4A, 0x42, 0xCB, 0xC3
SERVICE = b"SYNCML-SYNC"
WBXML = b"application/vnd.syncml+wbxml\0"


class HeaderData(ctypes.Union):
    """The value of a header."""

    _fields_ = (("bq4", c_uint32), ("bq1", c_uint8), ("bs", c_void_p))


Callback = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_int, c_int, c_int, c_int)
library = ctypes.CDLL("libopenobex.so.2")
library.OBEX_Init.restype = library.OBEX_ObjectNew.restype = c_void_p
library.OBEX_ServerAccept.restype = c_void_p
library.OBEX_ObjectAddHeader.argtypes = [c_void_p, c_void_p, c_uint8, HeaderData, c_uint32, c_uint]
library.OBEX_ObjectGetNextHeader.argtypes = [
    c_void_p, c_void_p, POINTER(c_uint8), POINTER(HeaderData), POINTER(c_uint32),
]  # fmt: skip

kept: list[object] = []  # what the library holds pointers to
heard: list[str] = []  # the requests, as command and headers
state: dict[str, bytes | int] = {"body": b"", "connection": 0, "done": 0}


def address(port: int) -> ctypes.Array[ctypes.c_char]:
    """Give a sockaddr_in of this machine."""
    octets = struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + bytes([127, 0, 0, 1])
    return ctypes.create_string_buffer(octets + bytes(8), 16)


def add(handle: int, thing: int, header: int, value: bytes | int) -> None:
    """Add a header to an object."""
    if isinstance(value, int):
        data, size = HeaderData(bq4=value), 4
    else:
        buffer = ctypes.create_string_buffer(value, len(value))
        kept.append(buffer)
        data, size = HeaderData(bs=ctypes.addressof(buffer)), len(value)
    library.OBEX_ObjectAddHeader(c_void_p(handle), c_void_p(thing), header, data, size, 0)


def headers(handle: int, thing: int) -> dict[int, bytes | int]:
    """Give the headers of an object."""
    found: dict[int, bytes | int] = {}
    header, data, size = c_uint8(), HeaderData(), c_uint32()
    while library.OBEX_ObjectGetNextHeader(
        c_void_p(handle), c_void_p(thing), byref(header), byref(data), byref(size)
    ) > 0:  # fmt: skip
        if header.value & 0xC0 == 0xC0:
            found[header.value] = data.bq4
        else:
            found[header.value] = ctypes.string_at(data.bs, size.value) if size.value else b""
    return found


def client_event(handle: int, thing: int, _mode: int, event: int, command: int, code: int) -> None:
    """Hear the answer to a request."""
    if event != REQUEST_DONE:
        return
    found = headers(handle, thing) if thing else {}
    state["code"], state["done"] = code, 1
    if command == CONNECT:
        state["connection"] = found.get(CONNECTION, 0)
    if command == GET:
        state["body"] = found.get(BODY, b"")


def ask(handle: int, command: int, *pairs: tuple[int, bytes | int]) -> None:
    """Send a request, and wait until it is answered with success."""
    thing = library.OBEX_ObjectNew(c_void_p(handle), c_uint8(command))
    for header, value in pairs:
        add(handle, thing, header, value)
    state["done"] = 0
    library.OBEX_Request(c_void_p(handle), c_void_p(thing))
    while not state["done"]:
        if library.OBEX_HandleInput(c_void_p(handle), 5) <= 0:
            sys.exit("no answer")
    if state["code"] != SUCCESS:
        sys.exit("another code than success")


def client(port: int, body: bytes) -> bytes:
    """Bring a message and fetch its answer."""
    callback = Callback(client_event)
    handle = library.OBEX_Init(INET, callback, 0)
    where = address(port)
    if library.TcpOBEX_TransportConnect(c_void_p(handle), where, 16) < 0:
        sys.exit("no connection")
    ask(handle, CONNECT, (TARGET, SERVICE))
    connection = (CONNECTION, state["connection"])
    for _ in range(2):
        ask(handle, PUT, connection, (TYPE, WBXML), (LENGTH, len(body)), (BODY, body))
        ask(handle, GET, connection, (TYPE, WBXML))
    ask(handle, DISCONNECT, connection)
    answer = state["body"]
    assert isinstance(answer, bytes)
    return answer


def server_event(handle: int, thing: int, _mode: int, event: int, command: int, _code: int) -> None:
    """Answer a request."""
    if event == REQUEST_HINT:
        library.OBEX_ObjectSetRsp(c_void_p(thing), CONTINUE, SUCCESS)
        return
    if event != REQUEST:
        if event == REQUEST_DONE and command == DISCONNECT:
            state["done"] = 1
        return
    found = headers(handle, thing)
    heard.append(f"{command}:{','.join(f'{header:02x}' for header in sorted(found))}")
    code = SUCCESS
    if command == CONNECT:
        code = SUCCESS if found.get(TARGET) == SERVICE else NOT_FOUND
        add(handle, thing, CONNECTION, 3)
        add(handle, thing, WHO, SERVICE)
    elif command == PUT:
        body = found.get(BODY, b"")
        assert isinstance(body, bytes)
        state["body"] = body[::-1]
    elif command == GET:
        body = state["body"]
        assert isinstance(body, bytes)
        add(handle, thing, LENGTH, len(body))
        add(handle, thing, BODY, body)
    library.OBEX_ObjectSetRsp(c_void_p(thing), CONTINUE, code)


def serve() -> None:
    """Serve one connection on a free port, and say which."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        link, _ = listener.accept()
    callback = Callback(server_event)
    handle = library.OBEX_Init(FILES, callback, 0)
    number = link.fileno()
    library.FdOBEX_TransportSetup(c_void_p(handle), number, number, 4096)
    while not state["done"]:
        if library.OBEX_HandleInput(c_void_p(handle), 10) <= 0:
            break
    print(*heard)


if __name__ == "__main__":
    if sys.argv[1] == "client":
        message = Path(sys.argv[3]).read_bytes()
        sys.stdout.buffer.write(client(int(sys.argv[2]), message))
    else:
        serve()
