"""SyncML sessions whose messages go by a carrier."""

from cardsync.syncml.elements import AlertCode
from cardsync.transport.carrier import Carrier
from syncml.pair import Pair


def synchronize(pair: Pair, carrier: Carrier, url: str, kind: AlertCode) -> None:
    """Run a session whose messages go by a carrier; both sides are equal then."""
    session = pair.begin(kind)
    while (octets := session.data_to_send()) is not None:
        answer_type, answer = carrier.exchange(url, pair.content_type, octets)
        assert pair.content_type == answer_type
        session.receive_data(answer)
    assert session.result is not None
    assert session.result.ok
    assert pair.equal()


def journey(pair: Pair, carrier: Carrier, url: str) -> None:
    """Fill the server by a refresh, bring changes both ways, compare everything."""
    for number in range(200):
        pair.client.put(f"item{number}", f"content <{number}> ".encode() * 12)
    synchronize(pair, carrier, url, AlertCode.REFRESH_FROM_CLIENT)
    pair.client.put("item1", b"changed by the client")
    pair.client.remove("item2")
    pair.store.put("fresh", b"added by the server")
    synchronize(pair, carrier, url, AlertCode.TWO_WAY)
    synchronize(pair, carrier, url, AlertCode.SLOW)
