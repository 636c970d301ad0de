"""The blocks of a PixelCNN as a config writes them; without JAX, which config files do not wait for."""

import re

BLOCK = r"(R|G|A)((?<=G)[1-9][0-9]*)?"


def block_kinds(blocks: str) -> list[tuple[str, int]]:
    """(letter, distance of the codes that it reads) per block: "GG4A" -> G 1, G 4, A 1.

    Raises:
      ValueError: other letters than R, G and A, or numbers that are not behind a G.
    """
    if not re.fullmatch(rf"({BLOCK})*", blocks):
        raise ValueError(f"blocks={blocks!r}: must be R, G and A, with numbers behind G only")
    return [(kind, int(apart or 1)) for kind, apart in re.findall(BLOCK, blocks)]
