"""A real WAP gateway, Kannel's bearerbox and wapbox, and the HTTP server behind it."""

import heapq
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path

from peers import need

CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = bar
admin-allow-ip = "127.0.0.1"
wapbox-port = {wapbox}
wdp-interface-name = "{address}"
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
udp-deny-ip = "*.*.*.*"
udp-allow-ip = "127.*.*.*"
log-file = "{folder}/bearerbox.log"
log-level = 1

group = wapbox
bearerbox-host = 127.0.0.1
timer-freq = 1
http-timeout = 60
log-file = "{folder}/wapbox.log"
log-level = 1
syslog-level = none
"""


_LISTEN = "0A"
"""The state of a socket in /proc/net/tcp, proc(5)."""


@contextmanager
def gateway(folder: Path) -> Iterator[str]:
    """Run a gateway; give its address. Its ports are 9200, without connection, and 9201.

    Kannel knows no other ports: so that runs do not meet, each has an address of its own.
    """
    bearerbox, wapbox = need("bearerbox"), need("wapbox")
    number = os.getpid()
    address = f"127.77.{number >> 8 & 0xFF}.{number & 0xFF}"
    ports = _free_ports(2)
    path = folder / "kannel.conf"
    path.write_text(
        CONFIGURATION.format(folder=folder, address=address, admin=ports[0], wapbox=ports[1])
    )
    with _running(bearerbox, path):
        _wait_for_tcp(ports[1])
        with _running(wapbox, path):
            _wait_for_udp(address)
            yield address


@contextmanager
def _running(program: str, path: Path) -> Iterator[None]:
    with (path.parent / f"{Path(program).name}.out").open("wb") as output:
        command = [program, "-v", "4", str(path)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for_tcp(port: int) -> None:
    """Look for the port among those that listen: bearerbox can die of a box that goes at once."""
    for _ in range(200):
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        sockets = [line.split()[1:4] for line in lines]
        if any(here.endswith(f":{port:04X}") and state == _LISTEN for here, _, state in sockets):
            return
        time.sleep(0.05)
    raise TimeoutError("bearerbox does not listen")


def _wait_for_udp(address: str) -> None:
    """Ask, without a connection, for what gives an error at once, until there is an answer."""
    question = b"\x01\x40\x13http://127.0.0.1:1/"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(0.2)
        for _ in range(100):
            end.sendto(question, (address, 9200))
            try:
                end.recv(1000)
            except OSError:
                continue
            return
    raise TimeoutError("wapbox does not answer")


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a server in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Fate = Callable[[bool, bytes], Iterable[float]]
"""Gives the delays of the copies of a datagram, in seconds: () is loss, (0, 0) is repetition.

It is asked with whether the datagram is on its way to the server.
"""


@contextmanager
def lossy_path(address: str, loses: Callable[[bool, bytes], bool]) -> Iterator[int]:
    """Bring the datagrams of one client to the gateway's port 9201 and back; give the port."""
    with unkind_path((address, 9201), lambda *one: () if loses(*one) else (0.0,)) as port:
        yield port


@contextmanager
def unkind_path(server: tuple[str, int], fate: Fate) -> Iterator[int]:
    """Bring the datagrams of one client to a server and back, as `fate` wants; give the port."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    ends[0].bind(("127.0.0.1", 0))
    ends[1].connect(server)
    over = threading.Event()

    def carry() -> None:
        client: tuple[str, int] | None = None
        waiting: list[tuple[float, int, bool, bytes]] = []
        number = count()
        while not over.is_set():
            for end in select.select(ends, [], [], 0.01 if waiting else 0.05)[0]:
                datagram, where = end.recvfrom(65_536)
                there, now = end is ends[0], time.monotonic()
                client = where if there else client
                for delay in fate(there, datagram):
                    heapq.heappush(waiting, (now + delay, next(number), there, datagram))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, there, datagram = heapq.heappop(waiting)
                if there:
                    ends[1].send(datagram)
                elif client is not None:
                    ends[0].sendto(datagram, client)

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield ends[0].getsockname()[1]
    finally:
        over.set()
        thread.join()
        for end in ends:
            end.close()
