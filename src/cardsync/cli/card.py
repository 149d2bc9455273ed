"""`cardsync card`: make cards, look at one, put one into a reader.

The image of a card and the list for its operator hold its keys: both are written for their owner
alone, and neither is written over.
"""

import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardsync.errors import ConfigError

if TYPE_CHECKING:
    from cardsync.card.making import Made
    from cardsync.card.profile import Profile

app = typer.Typer(help="Software cards: make them, look at them, read them.", no_args_is_help=True)

READER_PORT = 35963  # of the first reader that vpcd offers

_Image = Annotated[Path, typer.Argument(help="The card's memory image.")]
_Profile = Annotated[Path | None, typer.Option(help="The files of the card, TOML.")]
_List = Annotated[
    Path | None, typer.Option("--list", help="Where the operator's list goes; else to the screen.")
]


@app.command()
def personalise(
    *,
    iccid: Annotated[str, typer.Option(help="19 or 20 digits.")] = "",
    imsi: Annotated[str, typer.Option(help="15 digits.")] = "",
    msisdn: Annotated[str, typer.Option(help="The subscriber's number.")] = "",
    batch: Annotated[Path | None, typer.Option(help="Many cards: CSV with a head line.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the images go, ICCID.image.")] = Path(),
    profile: _Profile = None,
    told: _List = None,
) -> None:
    """Make a card, or one for each line of --batch; tell the operator their keys in JSON.

    Columns are iccid, imsi and, as far as they are known, msisdn, mnc_length, centre, provider,
    k, opc or op, kic, kid, kik, algorithm (AES, TRIPLE_DES_2 or TRIPLE_DES_3), pin1, pin2, puk1,
    puk2, adm1, pin1_enabled, scp02 and scp03 (three keys with blanks between them, or none), level
    (the least security of packets, 16 unless less is asked for). Keys and codes that are not given
    are made by chance.
    """
    from cardsync.card import making  # noqa: PLC0415  # fast --help

    if batch is None:
        orders = [{"iccid": iccid, "imsi": imsi, "msisdn": msisdn}]
    elif iccid or imsi or msisdn:
        raise ConfigError("either --batch or --iccid, --imsi and --msisdn is expected")
    else:
        orders = list(making.orders(_read(batch)))
    files = _profile(profile)
    made = [making.make(order, secrets.token_bytes, files) for order in orders]
    _write_all(made, folder, told)


def _write_all(made: "list[Made]", folder: Path, told: Path | None) -> None:
    """Write the images, then the list; nothing is written over."""
    from cardsync.card.slot import write_image  # noqa: PLC0415

    paths = [folder / f"{one.iccid}.image" for one in made]
    for path in [*paths, *([told] if told else [])]:
        if path.exists():
            raise ConfigError(f"{path}: is there already; it is not written over")
    for one, path in zip(made, paths, strict=True):
        write_image(path, one.memory)
    text = json.dumps([one.told for one in made], indent=2) + "\n"
    if told is None:
        sys.stdout.write(text)
        return
    try:
        descriptor = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise ConfigError(f"{told}: cannot be written: {exc}") from exc


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read: {exc}") from exc


def _profile(path: Path | None) -> "Profile | None":
    from cardsync.card import profile  # noqa: PLC0415

    if path is None:
        return None
    try:
        return profile.parse(_read(path))
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


@app.command()
def serve(
    image: _Image,
    *,
    host: Annotated[str, typer.Option(help="Where vpcd listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port; the second reader has the next.")] = (
        READER_PORT
    ),
    block: Annotated[bool, typer.Option("--t1", help="Speak T=1, whole APDUs; else T=0.")] = False,
) -> None:
    """Put a card into a virtual reader of pcscd, until it is taken out (Ctrl-C)."""
    from cardsync.card.reader import ReaderSession, Transmission  # noqa: PLC0415
    from cardsync.card.slot import CardSlot, connect, serve  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    transmission = Transmission.T1 if block else Transmission.T0
    session = ReaderSession(CardSlot(image), transmission)
    try:
        connection = connect(host, port)
        print(f"{image} is in the reader at {host}:{port}, {transmission.name}", flush=True)
        serve(session, connection)
    except KeyboardInterrupt:
        print("taken out")
    else:
        print("the reader is gone")


@app.command()
def show(
    image: _Image,
    *,
    files: Annotated[bool, typer.Option("--files", help="All files with their contents.")] = False,
) -> None:
    """Tell what a card is and what is in it; no key and no code is shown."""
    from cardsync.card import showing  # noqa: PLC0415
    from cardsync.card.slot import read_image  # noqa: PLC0415

    memory = read_image(image)
    for line in showing.card(memory):
        print(line)
    if files:
        for line in showing.files(memory):
            print(line)
