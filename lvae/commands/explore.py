"""The latent space by hand, in the browser: lvae explore [--workdir=DIR] [--data=DIR].

Prints an address for the browser of this machine. Nothing leaves the machine, and nothing is written
but samples that are saved there, into --out.
"""

import importlib.util
import ipaddress
import secrets
import socket
import webbrowser

from lvae.commands import arguments, process
from lvae.errors import UserError

FIRST_PORT, PORTS = 8717, 20  # tried one after another without --port
NEEDED = ("starlette", "uvicorn")


def main(words: list[str]) -> None:
    """Parses the flags, loads the run, answers the page until it is stopped."""
    parser = _parser()
    chosen = parser.parse_args(words)
    place = arguments.chosen_run(chosen, words).absolute()
    refuse_open_host(chosen.host, chosen.open_to_network)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"lvae explore needs {' and '.join(missing)}: pip install 'lvae[explore]'")
    from lvae.storage import records

    if chosen.model is None:
        records.read_config(place)  # refused before JAX is imported, which takes a second
    process.prepare_jax(chosen.device)

    from lvae.explorer import server, session

    folder = place.parent / f"{place.stem}-samples" if chosen.model else place / "samples"
    out = (chosen.out or folder / "explored").absolute()
    data = None if chosen.data is None else chosen.data.absolute()
    listening = server.listen(chosen.host, chosen.port, FIRST_PORT, PORTS)
    opened = session.Session(session.Place(place, data, out))
    opened.start()
    token = secrets.token_urlsafe(24)
    address = f"http://{_named(chosen.host)}:{listening.getsockname()[1]}/#token={token}"
    print(
        f"{place}: open {address}\nsamples that are saved go to {out}; stop with Ctrl-C", flush=True
    )
    if chosen.browser:
        webbrowser.open(address)
    names = {"localhost"} | ({socket.gethostname().lower()} if chosen.open_to_network else set())
    server.serve(opened, listening, token, frozenset(names))


def refuse_open_host(host: str, open_to_network: bool) -> None:
    """Raises a UserError unless `host` is this machine alone, or others are let in on purpose."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise UserError(f"--host={host}: is no address; write one such as 127.0.0.1") from None
    if not address.is_loopback and not open_to_network:
        raise UserError(
            f"--host={host}: others on the network could then see this run and its data and write "
            "to --out, without encryption; if that is meant, add --open_to_network=true"
        )


def _named(host: str) -> str:
    """An address as a browser takes it; every address of this machine is its name."""
    if ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).is_unspecified:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _parser() -> arguments.Parser:
    parser = arguments.Parser(description=__doc__)
    arguments.add_run(parser, "Run to explore.")
    parser.add_argument(
        "--data",
        type=arguments.path,
        help="Examples to start from, as --data of lvae sample. Default: the run's own.",
    )
    parser.add_argument(
        "--out",
        type=arguments.path,
        help="Folder for saved samples; nothing else is written. Default: WORKDIR/samples/explored.",
    )
    parser.add_argument(
        "--port",
        type=arguments.positive,
        help=f"Port to listen on. Default: the first free one from {FIRST_PORT} on.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on.")
    parser.add_argument(
        "--open_to_network",
        type=arguments.boolean,
        default=False,
        help="Allow a --host that other machines reach: whoever sees the printed address, which is "
        "sent without encryption, can then use the page.",
    )
    parser.add_argument(
        "--browser", type=arguments.boolean, default=False, help="Open the page in a browser."
    )
    arguments.add_device(parser)
    return parser
