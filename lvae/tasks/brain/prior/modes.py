"""The sampling modes: new slices, reconstructions, holes filled anew, maps of surprise."""

import numpy as np

from lvae.configuration import section
from lvae.grids.encoding import contact_sheet
from lvae.tasks._export import Export, as_bytes
from lvae.tasks.interface import Run, SamplingOptions
from lvae.tasks.pixelcnn.below import check_codes, data_config
from lvae.tasks.pixelcnn.drawing import draw
from lvae.tasks.pixelcnn.inpainting import fill, hole
from lvae.tasks.pixelcnn.network import network_of, surprises
from lvae.tasks.pixelcnn.settings import EvaluationConfig, SamplingConfig
from lvae.tasks.vqvae.modes import write_reconstructions
from lvae.tasks.vqvae.slices import read_inputs


def prior(run: Run, options: SamplingOptions) -> None:
    """New slices: PNGs and their code maps. --factor multiplies the temperature."""
    settings = section(SamplingConfig, run.config.sampling, "sampling")
    codec = check_codes(run.config, run.variables)
    count = settings.count if options.num_samples is None else options.num_samples
    with Export(run, options, {"samples": count}) as export:
        mine = export.mine(count)
        if not mine:
            return
        codes = draw(run.config, run.variables, options.seed, "prior", mine, options.factor)
        images = codec.decode(codes)
        for place, index in enumerate(mine):
            export.write_image(f"sample_{index:05d}.png", images[place])
            export.write_array(f"sample_{index:05d}_codes.npy", codes[place])
            export.note({"id": f"sample_{index:05d}", "index": index})
        export.preview(contact_sheet(list(as_bytes(images[:36])), columns=6))


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """A folder of images in; reconstructions and code maps out."""
    codec = check_codes(run.config, run.variables)
    write_reconstructions(run, options, codec, data_config(run.config))


def inpaint(run: Run, options: SamplingOptions) -> None:
    """Codes under a mask redrawn: a square of `sampling.hole` of the edge, at a place drawn per
    image.

    Each hole is filled `sampling.candidates` times; the filling that makes the whole map likeliest
    is kept, since the codes after the hole are not seen while it is drawn.
    """
    settings = section(SamplingConfig, run.config.sampling, "sampling")
    codec = check_codes(run.config, run.variables)
    names, images = read_inputs(data_config(run.config), options)
    with Export(run, options, {"images": len(names)}) as export:
        mine = export.mine(len(names))
        if not mine:
            return
        codes = codec.encode(images[mine])
        free = np.stack([hole(options.seed, index, codec.grid, settings.hole) for index in mine])
        filled = fill(run, options.seed, mine, codes, free)
        decoded, original = codec.decode(filled), codec.decode(codes)
        sheet = []
        for place, index in enumerate(mine):
            name = names[index]
            export.write_image(f"{name}.png", decoded[place])
            export.write_array(f"{name}_codes.npy", filled[place])
            export.write_array(f"{name}_mask.npy", free[place])
            export.note({"id": name, "redrawn": int(free[place].sum())})
            if place < 6:
                pixels = enlarged(free[place], images.shape[1])
                masked = np.where(pixels, 0.5, original[place])
                sheet.append([images[index], as_bytes(masked), as_bytes(decoded[place])])
        columns = len(sheet)
        rows = [cells[row] for row in range(3) for cells in sheet]
        export.preview(contact_sheet(rows, columns=columns))


def anomaly(run: Run, options: SamplingOptions) -> None:
    """-ln p of the codes of every image, as a map: NPY, nats a code, and PNG."""
    batch = section(EvaluationConfig, run.config.evaluation, "evaluation").batch_size
    codec = check_codes(run.config, run.variables)
    names, images = read_inputs(data_config(run.config), options)
    with Export(run, options, {"images": len(names)}) as export:
        mine = export.mine(len(names))
        if not mine:
            return
        network = network_of(run.config)
        surprise = surprises(network, run.variables, codec.encode(images[mine]), batch)
        sheet: list[list[np.ndarray]] = []
        for place, index in enumerate(mine):
            level = surprise[place] / (1.5 * np.log(codec.model.codes))
            shown = enlarged(np.clip(level, 0, 1), images.shape[1])
            export.write_image(f"{names[index]}_anomaly.png", shown)
            export.write_array(f"{names[index]}_anomaly.npy", surprise[place].astype(np.float32))
            export.note({"id": names[index], "nats": round(float(surprise[place].sum()), 4)})
            if place < 6:
                sheet.append([images[index], as_bytes(shown)])
        rows = [cells[row] for row in range(2) for cells in sheet]
        export.preview(contact_sheet(rows, columns=len(sheet)))


def enlarged(array: np.ndarray, size: int) -> np.ndarray:
    """Every entry as a square of pixels."""
    edge = size // array.shape[0]
    return np.repeat(np.repeat(array, edge, 0), edge, 1)


MODES = {
    "prior": prior,
    "reconstruct": reconstruct,
    "inpaint": inpaint,
    "anomaly": anomaly,
}
