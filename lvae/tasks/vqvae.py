"""VQ-VAE of brain slices: images to maps of codes and back."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lvae.configuration import section
from lvae.data import brain
from lvae.errors import UserError
from lvae.figures import brain as pictures
from lvae.grids.encoding import contact_sheet
from lvae.keys import stream
from lvae.metrics.images import psnr, ssim
from lvae.models import quantizer, vqvae
from lvae.tasks._export import Export
from lvae.tasks.interface import Run, SamplingOptions, Splits, Variables

ARCHITECTURES = ("reference", "residual")
QUANTIZERS = ("gradient", "ema", "fsq")
CONTENT = 13  # of 255: a block whose brightest pixel is darker counts as background


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """See `configs/vqvae_brain.py`."""

    architecture: str
    width: int
    encoder_blocks: int
    decoder_blocks: int
    places: int
    quantizer: str
    codes: int
    dimension: int
    levels: tuple[int, ...]
    decay: float
    kmeans_iterations: int
    kmeans_slices: int
    smallest_share: float

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture {self.architecture!r}: known: {ARCHITECTURES}")
        if self.quantizer not in QUANTIZERS:
            raise ValueError(f"quantizer {self.quantizer!r}: known: {QUANTIZERS}")
        if self.quantizer == "fsq" and quantizer.fsq_size(self.levels) != self.codes:
            raise ValueError(
                f"codes {self.codes}: the levels make {quantizer.fsq_size(self.levels)}"
            )
        if self.quantizer == "fsq" and len(self.levels) != self.dimension:
            raise ValueError(f"dimension {self.dimension}: there are {len(self.levels)} levels")
        if not 0 <= self.places < self.dimension:
            raise ValueError(f"places {self.places}: expected 0 to dimension - 1")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """See `configs/vqvae_brain.py`."""

    ssim: float
    codebook: float
    commitment: float
    spread: float
    temperature: float
    mirror: bool


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """See `configs/vqvae_brain.py`."""

    batch_size: int


def settings(config: Any) -> tuple[ModelConfig, LossConfig]:
    """The checked groups of a config."""
    return section(ModelConfig, config.model, "model"), section(LossConfig, config.loss, "loss")


def load_data(config: Any) -> Splits:
    """Slices by subject: {"image", "subject", "slice"} in every split."""
    return brain.load(section(brain.BrainConfig, config.data, "data"))


def build(config: Any) -> vqvae.VQVAE:
    """The network of a config."""
    model, _ = settings(config)
    if model.architecture == "reference":
        return vqvae.VQVAE(vqvae.ReferenceEncoder(model.dimension), vqvae.ReferenceDecoder())
    places, width = model.places, model.width
    return vqvae.VQVAE(
        vqvae.ResidualEncoder(model.dimension, places, width, model.encoder_blocks),
        vqvae.ResidualDecoder(places, width, model.decoder_blocks),
    )


def grid(config: Any) -> tuple[int, int]:
    """Rows and columns of a code map."""
    size = int(config.data.size)
    edge = size // (16 if config.model.architecture == "reference" else 4)
    return edge, edge


def init(config: Any, splits: Splits, key: Array) -> Variables:
    """{"params": network and, learned by gradients, codes; "buffers": EMA codebook, counts of
    uses}.

    The EMA codebook starts at the clusters of the untrained encoder's features of some training
    slices.
    """
    model, _ = settings(config)
    size, network = int(config.data.size), build(config)
    params = {"network": network.init(key, jnp.zeros((1, size, size, 1)))["params"]}
    buffers: dict[str, Any] = {
        "uses": jnp.zeros(model.codes),
        "epoch_uses": jnp.zeros(model.codes),
    }
    if model.quantizer == "gradient":
        shape, reach = (model.codes, model.dimension), 1 / model.codes
        draw_key = jax.random.fold_in(key, 1)
        params["codes"] = jax.random.uniform(draw_key, shape, minval=-reach, maxval=reach)
    elif model.quantizer == "ema":
        some = spread_out(splits["train"]["image"], model.kmeans_slices)
        features = _features(network, model, {"params": params["network"]}, jnp.asarray(some))
        vectors = features.reshape(-1, model.dimension)
        clusters = quantizer.kmeans(
            vectors, model.codes, jax.random.fold_in(key, 1), model.kmeans_iterations
        )
        codes_a_step = int(config.training.batch_size) * len(vectors) // len(some)
        buffers["codebook"] = dict(quantizer.codebook_from(clusters, codes_a_step / model.codes))
    return {"params": params, "buffers": buffers}


def codes_of(model: ModelConfig, variables: Variables) -> Float[Array, "k dimension"]:
    """The vectors that the codes stand for."""
    if model.quantizer == "gradient":
        return variables["params"]["codes"]
    if model.quantizer == "ema":
        return variables["buffers"]["codebook"]["codes"]
    return quantizer.fsq_codebook(model.levels)


def make_loss(config: Any, splits: Splits) -> Any:
    """Reconstruction (MSE over the data's variance, 1 - SSIM) and the quantiser's terms.

    Codes are counted over an epoch: `codes_used_share`, `perplexity` and `dead_share` are those of
    the last whole one.
    """
    model, weights = settings(config)
    network = build(config)
    train = splits["train"]["image"]
    variance = float(np.var(train / 255.0))
    steps_per_epoch = max(1, len(train) // int(config.training.batch_size))

    def quantise(params: Any, book: Any, vectors: Array, key: Array) -> Any:
        """(quantised, codes, per-vector terms, codebook)."""
        still = jax.lax.stop_gradient
        if model.quantizer == "fsq":
            quantised = quantizer.fsq_quantise(vectors, model.levels)
            codes = quantizer.fsq_codes(still(quantised), model.levels)
            return quantised, codes, jnp.zeros(len(vectors)), book
        if model.quantizer == "gradient":
            codes = quantizer.nearest(still(vectors), still(params["codes"]))
            chosen = params["codes"][codes]
            pull = weights.codebook * jnp.mean((still(vectors) - chosen) ** 2, 1)
            stay = weights.commitment * jnp.mean((vectors - still(chosen)) ** 2, 1)
            return quantizer.straight_through(vectors, chosen), codes, pull + stay, book
        codes = quantizer.nearest(still(vectors), book["codes"])
        chosen = book["codes"][codes]
        terms = weights.commitment * jnp.mean((vectors - chosen) ** 2, 1)
        if weights.spread:
            spread = quantizer.spread(vectors, book["codes"], weights.temperature)
            terms = terms + weights.spread * spread
        new = quantizer.ema_update(book, still(vectors), codes, model.decay)
        new, _ = quantizer.revive(new, still(vectors), key, model.smallest_share)
        return quantizer.straight_through(vectors, chosen), codes, terms, dict(new)

    def loss(params: Any, buffers: Any, batch: Any, key: Array, step: Array) -> Any:
        images = batch["image"][..., None].astype(jnp.float32) / 255.0
        if weights.mirror:
            images = mirrored(images, jax.random.fold_in(key, 2))
        network_params = {"params": params["network"]}
        features: Any = network.apply(network_params, images, method="encode")
        vectors = features.reshape(-1, model.dimension)
        quantised, codes, terms, book = quantise(params, buffers.get("codebook"), vectors, key)
        decoded: Any = network.apply(
            network_params, quantised.reshape(features.shape), method="decode"
        )
        errors = jnp.mean((decoded - images) ** 2, axis=(1, 2, 3))
        likeness = ssim(decoded, images)
        extra = terms.reshape(len(images), -1).mean(1)
        total = errors / variance + weights.ssim * (1 - likeness) + extra

        epoch_ends = (step + 1) % steps_per_epoch == 0
        now = buffers["epoch_uses"] + quantizer.uses(codes, model.codes)
        last = jnp.where(epoch_ends | (step < steps_per_epoch), now, buffers["uses"])
        buffers = dict(buffers, uses=last, epoch_uses=jnp.where(epoch_ends, 0.0, now))
        if book is not None:
            buffers["codebook"] = book
        parts = {
            "squared_error": errors,
            "ssim": likeness,
            "quantiser": extra,
            "codes_used_share": quantizer.used_share(last),
            "dead_share": 1 - quantizer.used_share(last),
            "perplexity": quantizer.perplexity(last),
        }
        return jnp.mean(total), (parts, buffers)

    return loss


def mirrored(images: Float[Array, "batch height width 1"], key: Array) -> Array:
    """Left and right exchanged in half of the images, drawn afresh."""
    flip = jax.random.bernoulli(key, 0.5, (len(images), 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


# ------------------------------------------------------------------ what others do with a model


class Codec:
    """A trained VQ-VAE as functions on arrays, in batches of one size (one compilation)."""

    def __init__(self, config: Any, variables: Variables):
        self.config = config
        self.model, _ = settings(config)
        self.batch_size = section(EvaluationConfig, config.evaluation, "evaluation").batch_size
        self.grid = grid(config)
        self._network = build(config)
        self._params = {"params": variables["params"]["network"]}
        self._vectors = jnp.asarray(codes_of(self.model, variables))

    def codes_of(self, images: Array) -> Array:
        """(B, H, W), uint8 or in [0, 1] -> code maps, int32 (B, rows, columns); traceable."""
        return _codes(self._network, self.model, self._params, self._vectors, images)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Code maps of any number of images."""
        return in_batches(self.codes_of, images, self.batch_size)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images, float32 (N, H, W) in [0, 1], of any number of code maps."""
        decoder = functools.partial(_images, self._network, self._params, self._vectors)
        return in_batches(decoder, codes, self.batch_size)

    def shades(self, codes: np.ndarray) -> np.ndarray:
        """Code maps as grey values in [0, 1]: like codes alike, by rank on their first principal
        axis."""
        centred = np.asarray(self._vectors) - np.asarray(self._vectors).mean(0)
        axis = np.linalg.svd(centred, full_matrices=False)[2][0]
        along = centred @ axis * np.sign(axis[np.argmax(np.abs(axis))])
        return (np.argsort(np.argsort(along)) / (len(along) - 1))[codes]

    def features(self, images: np.ndarray) -> np.ndarray:
        """One vector an image: encoder features averaged over a 4 x 4 grid of regions."""
        pooled = functools.partial(_pooled, self._network, self.model, self._params)
        return in_batches(pooled, images, self.batch_size)


# Compiled once for a network, whichever codec asks: networks and settings are compared by value.


@functools.partial(jax.jit, static_argnums=(0, 1))
def _features(network: vqvae.VQVAE, model: ModelConfig, params: Any, images: Array) -> Array:
    """Encoder features before quantisation, on the scale of the codes."""
    if images.dtype == jnp.uint8:
        images = images.astype(jnp.float32) / 255.0
    features: Any = network.apply(params, images[..., None], method="encode")
    if model.quantizer == "fsq":
        flat = quantizer.fsq_quantise(features.reshape(-1, model.dimension), model.levels)
        return flat.reshape(features.shape)
    return features


@functools.partial(jax.jit, static_argnums=(0, 1))
def _codes(
    network: vqvae.VQVAE, model: ModelConfig, params: Any, vectors: Array, images: Array
) -> Array:
    features = _features(network, model, params, images)
    codes = quantizer.nearest(features.reshape(-1, model.dimension), vectors)
    return codes.reshape(features.shape[:3])


@functools.partial(jax.jit, static_argnums=0)
def _images(network: vqvae.VQVAE, params: Any, vectors: Array, codes: Array) -> Array:
    decoded: Any = network.apply(params, vectors[codes], method="decode")
    return jnp.clip(decoded[..., 0], 0, 1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pooled(network: vqvae.VQVAE, model: ModelConfig, params: Any, images: Array) -> Array:
    features = _features(network, model, params, images)
    batch, rows, columns, dimension = features.shape
    edge = (min(4, rows), min(4, columns))
    blocks = features.reshape(
        batch, edge[0], rows // edge[0], edge[1], columns // edge[1], dimension
    )
    return blocks.mean((2, 4)).reshape(batch, -1)


def in_batches(function: Any, array: np.ndarray, size: int) -> np.ndarray:
    """`function` over the leading axis, `size` at a time; the last batch is filled up with its
    first."""
    results = []
    for first in range(0, len(array), size):
        batch = array[first : first + size]
        count = len(batch)
        filled = np.concatenate([batch, np.repeat(batch[:1], size - count, 0)])
        results.append(np.asarray(function(filled))[:count])
    return np.concatenate(results)


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """SSIM, PSNR, MSE and the use of the codes: on validation, or thorough on test subjects."""
    split = splits["test" if thorough else "validation"]
    codec = Codec(config, variables)
    codes = codec.encode(split["image"])
    scores = image_scores(codec.decode(codes), split["image"])
    result: dict[str, Any] = {name: float(values.mean()) for name, values in scores.items()}
    result |= code_use(codes, codec.model.codes)
    if thorough:
        subjects = np.unique(split["subject"])
        by_subject = [scores["ssim"][split["subject"] == subject].mean() for subject in subjects]
        result["ssim_by_subject"] = {
            str(subject): float(value) for subject, value in zip(subjects, by_subject)
        }
        result["ssim_lowest_subject"] = float(min(by_subject))
        shown = has_content(split["image"], codec.grid)
        result["foreground_share"] = float(shown.mean())
        result["foreground_perplexity"] = code_use(codes[shown], codec.model.codes)["perplexity"]
        result["images"] = len(codes)
        result["subjects"] = len(subjects)
        result["codes"] = codec.model.codes
        result["bits_per_image"] = float(codes[0].size * np.log2(codec.model.codes))
    return result


def image_scores(decoded: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """Per image: ssim, psnr (dB) and squared_error of decoded images against uint8 ones."""

    pairs = np.stack([decoded, images.astype(np.float32) / 255.0], 1)
    table = in_batches(_scores, pairs, min(64, len(pairs)))
    return dict(zip(("ssim", "psnr", "squared_error"), table.T))


@jax.jit
def _scores(pair: Array) -> Array:
    first, second = pair[:, 0, ..., None], pair[:, 1, ..., None]
    error = jnp.mean((first - second) ** 2, axis=(1, 2, 3))
    return jnp.stack([ssim(first, second), psnr(first, second), error], 1)


def code_use(codes: np.ndarray, size: int) -> dict[str, float]:
    """Used and dead share of the codebook, and the perplexity of the uses."""
    counts = jnp.asarray(np.bincount(codes.ravel(), minlength=size), jnp.float32)
    used = float(quantizer.used_share(counts))
    return {
        "codes_used_share": used,
        "dead_share": 1 - used,
        "perplexity": float(quantizer.perplexity(counts)),
    }


def has_content(images: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """bool (N, rows, columns): whether a code's block of pixels is more than black background."""
    count, height, width = images.shape
    blocks = images.reshape(count, grid[0], height // grid[0], grid[1], width // grid[1])
    return blocks.max((2, 4)) > CONTENT


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Losses, SSIM by epoch against the reference's, slices with reconstructions and code maps."""
    codec = Codec(config, variables)
    chosen = spread_out(splits["validation"]["image"], 6)
    codes = codec.encode(chosen)
    pictures.reconstructions(
        directory / "reconstructions.png", chosen, codec.decode(codes), codec.shades(codes)
    )
    steps = len(splits["train"]["image"]) / int(config.training.batch_size)
    pictures.histories(directory, directory.parent / "metrics.jsonl", steps)


def spread_out(array: np.ndarray, count: int) -> np.ndarray:
    """`count` examples evenly spaced over the array."""
    return array[np.linspace(0, len(array) - 1, min(count, len(array))).astype(int)]


def read_inputs(config: Any, options: SamplingOptions, splits: Splits) -> tuple[list[str], Any]:
    """Names and images of --data, or of the test split without it; at most --num_samples."""
    data = section(brain.BrainConfig, config.data, "data")
    if options.data is None:
        split = splits["test"]
        names = [
            f"{subject}_slice_{index}" for subject, index in zip(split["subject"], split["slice"])
        ]
        images = split["image"]
    else:
        names, images = brain.read_images(Path(options.data), data)
    count = len(images) if options.num_samples is None else min(options.num_samples, len(images))
    return names[:count], images[:count]


def reconstruct(run: Run, options: SamplingOptions) -> None:
    """A folder of images in; reconstructions (PNG) and code maps (NPY) out."""
    write_reconstructions(run, options, Codec(run.config, run.variables), run.config)


def write_reconstructions(
    run: Run, options: SamplingOptions, codec: Codec, data_config: Any
) -> None:
    """The mode `reconstruct`, for whichever run holds the codec."""
    names, images = read_inputs(data_config, options, load_data(data_config))
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
        pairs += [np.rint(255 * decoded[place]).astype(np.uint8) for place in shown]
        export.preview(contact_sheet(pairs, columns=len(shown)))


def sample_keys(seed: int, mode: str, indices: list[int]) -> Array:
    """One key a sample: of the seed, the mode and the sample's own index."""
    key = stream(seed, mode)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.asarray(indices))


MODES = {"reconstruct": reconstruct}
