"""The sampling mode: reconstructions."""

import io

import numpy as np
from jaxtyping import Int

from lvae.data.brain import DataSettings
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png
from lvae.tasks.brain.codec.codec import Codec, codec_of
from lvae.tasks.brain.codec.measures import image_scores
from lvae.tasks.brain.codec.settings import Settings
from lvae.tasks.brain.slices import read_inputs
from lvae.tasks.task import Encoded, Mode, Plan, Request, Run, Sample

FORMATS = ("files", "webdataset")


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """Slices of --data, or held-out ones, in; reconstructions (PNG) and code maps (NPY) out."""
    return reconstruction(codec_of(run), run.settings.data, request)


def reconstruction(codec: Codec, data: DataSettings, request: Request) -> Plan:
    """The mode `reconstruct`, for whichever run holds the codec.

    Raises:
      UserError: bad input.
    """
    names, images = read_inputs(data, request)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        codes = codec.encode(images[indices])
        decoded = codec.decode(codes)
        found = image_scores(decoded, images[indices])["ssim"]
        levels = to_levels(decoded)
        return [
            Sample(
                {"ssim": round(float(found[place]), 6)},
                lambda place=place, index=index: Encoded(
                    {".png": png(levels[place]), "_codes.npy": npy(codes[place].astype(np.int32))},
                    np.concatenate([images[index], levels[place]]),
                ),
                {"image": levels[place], "codes": codes[place].astype(np.int32)},
            )
            for place, index in enumerate(indices.tolist())
        ]

    return Plan(names, (".png", "_codes.npy"), draw)


def npy(array: np.ndarray) -> bytes:
    """The array as an .npy file holds it."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


MODES = {
    "reconstruct": Mode(
        reconstruct, "Slices rebuilt from their codes, and the codes.", formats=FORMATS
    ),
}
