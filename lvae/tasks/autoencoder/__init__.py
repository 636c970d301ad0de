"""Regularised autoencoders (configs/autoencoder.py): sparse, contractive, concrete, variational."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lvae.data.image_folder import PREVIEW, read_named, read_splits
from lvae.errors import UserError
from lvae.imaging.conversion import to_float
from lvae.keys import stream
from lvae.tasks.autoencoder import losses, measures
from lvae.tasks.autoencoder.settings import Settings, read
from lvae.tasks.denoiser.corruption import corrupt_batch
from lvae.tasks.denoiser.files import to_levels, write_png, write_preview
from lvae.tasks.interface import Run, SamplingOptions, Splits, Variables

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]


def load_data(config: Any) -> Splits:
    """Images by split: image, uint8 (N, height, width); for digits label, int32 (N,).

    Raises:
      UserError: see `lvae.data.image_folder`.
    """
    settings = read(config).data
    return read_splits(settings.path, settings.validation_share)


def init(config: Any, splits: Splits, key: Any) -> Variables:
    """Parameters; for fixed pixels also the buffer `pixels`."""
    settings = read(config)
    images = splits["train"]["image"]
    network = losses.module(settings, images[0].size)
    blank = jnp.zeros((1, *images.shape[1:], 1))
    extra: tuple[Any, ...] = {"concrete": (key, 1.0), "variational": (key,)}.get(
        settings.model.design, ()
    )
    buffers = {}
    if settings.model.design == "concrete" and settings.model.selection == "variance":
        chosen = measures.variance_pixels(measures.to_images(images), settings.model.code)
        buffers["pixels"] = jnp.asarray(chosen)
    return {"params": network.init(key, blank, *extra)["params"], "buffers": buffers}


def make_loss(config: Any, splits: Splits):
    """Cross-entropy of the reconstruction and the design's own term; see `losses`."""
    settings = read(config)

    def loss(params, buffers, batch, key, step):
        noise_key, code_key = jax.random.split(key)
        clean = to_float(batch["image"])[..., None]
        noisy = corrupt_batch(noise_key, clean, settings.corruption)
        variables = {"params": params, "buffers": buffers}
        total, parts = losses.parts_of(settings, variables, noisy, clean, code_key, step)
        return total, (parts, buffers)

    return loss


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """PSNR, SSIM and MSE of the reconstruction, and the numbers of the design.

    On some validation images; with `thorough` on the test split.
    """
    settings = read(config)
    if thorough:
        images = splits["test"]["image"][: settings.evaluation.images]
    else:
        images = splits["validation"]["image"][: settings.evaluation.quick_images]
    images = measures.to_images(images)
    result = measures.measures(settings, variables, config.seed, splits, images)
    return result | ({"images": len(images)} if thorough else {})


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Reconstructions, the loss, and what the design has to show."""
    from lvae.figures import canvas, denoising
    from lvae.training.records import read_metrics

    settings = read(config)
    images = measures.to_images(splits["test"]["image"][:200])
    noisy = measures.noisy_images(settings, config.seed, images[:8])
    cleaned = measures.reconstruct(settings, variables, noisy)
    denoising.write_strip(
        directory / "reconstructions.png",
        list(noisy[..., 0]),
        list(cleaned[..., 0]),
        list(images[:8, ..., 0]),
    )
    canvas.loss_curves(
        directory / "loss.png", read_metrics(directory.parent), ("loss", "reconstruction")
    )
    design = settings.model.design
    if design in ("sparse", "contractive"):
        activations = measures.codes(settings, variables, images)
        shares = np.mean(activations > measures.ACTIVE, axis=0)
        denoising.write_activations(directory / "activations.png", activations[:40], shares)
    elif design == "concrete":
        train = measures.to_images(splits["train"]["image"])
        by_variance = measures.variance_pixels(train, settings.model.code)
        picked = {
            settings.model.selection: measures.chosen_pixels(settings, variables),
            "highest variance": by_variance,
        }
        denoising.write_selected_pixels(
            directory / "selected_pixels.png", train.mean(axis=0)[..., 0], picked
        )
    else:
        sheet = _manifold(settings, variables, images)
        denoising.write_manifold(directory / "manifold.png", sheet)


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """Images of --data (default: the held-out split) through the autoencoder, under their names.

    Raises:
      UserError: an image has another size than the training images.
    """
    settings = read(run.config)
    splits = load_data(run.config)
    size = splits["train"]["image"].shape[1:]
    if options.data is None:
        sources = {f"{i:05d}.png": image for i, image in enumerate(splits["test"]["image"])}
    else:
        sources = read_named(options.data)
        if options.out.resolve() in (options.data.resolve(), options.data.resolve().parent):
            raise UserError(f"--out={options.out}: holds the input; choose another folder")
    index, count = options.shard
    names = list(sources)[: options.num_samples][index::count]
    for name in names:
        if sources[name].shape != size:
            height, width = sources[name].shape
            raise UserError(
                f"{options.data}: {name} has {width} x {height} pixels; the autoencoder was "
                f"trained on {size[1]} x {size[0]}"
            )
    images = measures.to_images(np.stack([sources[name] for name in names]))
    cleaned = measures.reconstruct(settings, run.variables, images)
    _write(settings, options, names, images, cleaned)


def prior(run: Run, options: SamplingOptions) -> None:
    """New images, decoded from codes of the prior. Variational only.

    Raises:
      UserError: the run is of another design.
    """
    settings = read(run.config)
    if settings.model.design != "variational":
        raise UserError(
            f"--mode=prior: the {settings.model.design} autoencoder of {run.workdir} has no prior; "
            "train configs/autoencoder.py:variational"
        )
    count = options.num_samples or settings.sampling.samples
    index, shards = options.shard
    numbers = np.arange(count)[index::shards]
    key = stream(options.seed, "prior")
    draw = jax.vmap(
        lambda number: jax.random.normal(jax.random.fold_in(key, number), (settings.model.code,))
    )
    size = load_data(run.config)["train"]["image"].shape[1:]
    images = _decode(settings, run.variables, draw(numbers), size)[..., None]
    names = [f"{number:05d}.png" for number in numbers]
    _write(settings, options, names, None, images)


MODES = {"reconstruct": reconstruct, "prior": prior}


def _write(
    settings: Settings,
    options: SamplingOptions,
    names: list[str],
    inputs: np.ndarray | None,
    outputs: np.ndarray,
) -> None:
    for name, image in zip(names, outputs):
        write_png(options.out / name, to_levels(image))
    shown = [to_levels(image) for image in outputs[: 2 * settings.sampling.preview]]
    if inputs is None:  # two rows of new images
        half = len(shown) // 2
        write_preview(options.out / PREVIEW, shown[:half], shown[half : 2 * half])
    else:
        above = [to_levels(image) for image in inputs[: settings.sampling.preview]]
        write_preview(options.out / PREVIEW, above, shown[: len(above)])


def _decode(settings: Settings, variables: Variables, codes: Any, size: Any) -> np.ndarray:
    network = losses.module(settings, size[0] * size[1])
    decode = jax.jit(lambda params, z: network.apply({"params": params}, z, method="decode"))
    logits = np.asarray(jax.nn.sigmoid(decode(variables["params"], jnp.asarray(codes))))
    return logits.reshape(-1, *size)


def _manifold(settings: Settings, variables: Variables, images: np.ndarray) -> np.ndarray:
    """Decoded codes on the plane of the two widest directions of the codes of `images`."""
    codes = measures.codes(settings, variables, images)
    mean = codes.mean(axis=0)
    _, widths, directions = np.linalg.svd(codes - mean, full_matrices=False)
    spread = widths[:2] / np.sqrt(len(codes))
    steps = np.linspace(-2.0, 2.0, 16)
    down, across = np.meshgrid(steps[::-1], steps, indexing="ij")
    plane = np.stack([across, down], axis=-1) * spread
    sheet = mean + plane.reshape(-1, 2) @ directions[:2]
    decoded = _decode(settings, variables, sheet.astype(np.float32), images.shape[1:3])
    return decoded.reshape(16, 16, *images.shape[1:3])
