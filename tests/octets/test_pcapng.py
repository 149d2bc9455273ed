"""Capture files, judged by tshark."""

import json
import subprocess
from pathlib import Path
from typing import Any

from cardsync.octets import pcapng
from peers import need


def read(octets: bytes, folder: Path) -> list[dict[str, Any]]:
    """Give the layers of each packet as tshark reads them."""
    path = folder / "trace.pcapng"
    path.write_bytes(octets)
    command = [need("tshark"), "-r", str(path), "-T", "json", "-d", "tcp.port==4000,data",
               "-d", "udp.port==4001,data"]  # fmt: skip
    found = subprocess.run(command, check=True, capture_output=True)
    return [packet["_source"]["layers"] for packet in json.loads(found.stdout)]


def test_a_datagram_with_its_time_and_comment(tmp_path: Path) -> None:
    """Time to the microsecond, ports, octets, and a comment of odd length."""
    octets = pcapng.header() + pcapng.packet(pcapng.udp(4001, 4002, b"hello"), 1.5, "a word")
    (packet,) = read(octets, tmp_path)

    assert "1.500000000" == packet["frame"]["frame.time_epoch"]
    assert ("4001", "4002") == (packet["udp"]["udp.srcport"], packet["udp"]["udp.dstport"])
    assert b"hello".hex(":") == packet["data"]["data.data"]
    assert "a word" in json.dumps(packet)
    assert "_ws.malformed" not in packet


def test_a_connection_is_one_stream(tmp_path: Path) -> None:
    """Opening, then data both ways without a gap, a long one in pieces."""
    stream = pcapng.TcpStream(4000, 4002)
    long = bytes(range(256)) * 160
    crossed = [
        *stream.opening(),
        *stream.data(b"ask", from_client=True),
        *stream.data(long, from_client=False),
        *stream.data(b"thanks", from_client=True),
    ]
    octets = pcapng.header() + b"".join([pcapng.packet(one, 2.0) for one in crossed])
    packets = read(octets, tmp_path)
    told = [packet["data"]["data.data"].replace(":", "") for packet in packets if "data" in packet]

    assert 3 + 1 + 2 + 1 == len(packets)
    assert (b"ask" + long + b"thanks").hex() == "".join(told)
    assert {"0"} == {packet["tcp"]["tcp.stream"] for packet in packets}
    assert not [packet for packet in packets if "tcp.analysis.flags" in json.dumps(packet)]
