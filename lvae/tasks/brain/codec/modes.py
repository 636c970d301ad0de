"""The sampling mode: reconstructions."""

from typing import Any

import numpy as np

from lvae.errors import UserError
from lvae.grids.encoding import contact_sheet
from lvae.tasks._export import Export, as_bytes
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.vqvae.codec import Codec
from lvae.tasks.vqvae.measures import image_scores
from lvae.tasks.vqvae.slices import read_inputs


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """A folder of images in; reconstructions (PNG) and code maps (NPY) out."""
    write_reconstructions(run, options, Codec(run.config, run.variables), run.config)


def write_reconstructions(
    run: Run, options: SamplingOptions, codec: Codec, data_config: Any
) -> None:
    """The mode `reconstruct`, for whichever run holds the codec.

    Raises:
      UserError: bad input, or nothing to reconstruct.
    """
    names, images = read_inputs(data_config, options)
    if not names:
        raise UserError(f"--num_samples={options.num_samples}: nothing to reconstruct")
    with Export(run, options, {"images": len(names)}) as export:
        mine = export.mine(len(names))
        if not mine:
            return
        codes = codec.encode(images[mine])
        decoded = codec.decode(codes)
        scores = image_scores(decoded, images[mine])
        for place, index in enumerate(mine):
            export.write_image(f"{names[index]}.png", decoded[place])
            export.write_array(f"{names[index]}_codes.npy", codes[place].astype(np.int32))
            export.note({"id": names[index], "ssim": float(scores["ssim"][place]).__round__(6)})
        shown = list(range(min(6, len(mine))))
        pairs = [images[mine[place]] for place in shown]
        pairs += [as_bytes(decoded[place]) for place in shown]
        export.preview(contact_sheet(pairs, columns=len(shown)))


MODES = {"reconstruct": reconstruct}
