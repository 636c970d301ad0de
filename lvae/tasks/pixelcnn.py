"""A prior over the code maps of a trained VQ-VAE: new slices, inpainting, anomaly maps."""

import dataclasses
import functools
import zlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae import configuration
from lvae.configuration import section
from lvae.errors import UserError
from lvae.figures import brain as pictures
from lvae.grids.encoding import contact_sheet
from lvae.keys import stream
from lvae.metrics import generative
from lvae.models import pixelcnn, raster_sampling
from lvae.tasks import vqvae
from lvae.tasks._export import Export, as_bytes
from lvae.tasks.interface import Run, SamplingOptions, Splits, Variables
from lvae.tasks.vqvae.codec import Codec, in_batches
from lvae.tasks.vqvae.modes import write_reconstructions
from lvae.tasks.vqvae.network import grid as grid_of
from lvae.tasks.vqvae.slices import has_content, mirrored, read_inputs, spread_out

SAMPLE_BATCH = 32  # maps drawn at once
TABLE_SLICES = 256  # training slices whose codes the prior's table of places starts from


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """See `configs/pixelcnn_brain.py`."""

    path: str


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """See `configs/pixelcnn_brain.py`."""

    features: int
    embedding: int
    kernel: int
    blocks: str
    heads: int
    places: bool
    dropout: float


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """See `configs/pixelcnn_brain.py`."""

    mirror: bool
    shift: int
    gain: float
    label_smoothing: float


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """See `configs/pixelcnn_brain.py`."""

    temperature: float
    top_k: int
    count: int
    candidates: int
    hole: float


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """See `configs/pixelcnn_brain.py`."""

    batch_size: int
    samples: int
    neighbours: int


# ----------------------------------------------------------------------------- the VQ-VAE below


@functools.lru_cache(maxsize=2)
def _restored(directory: str, _: float) -> tuple[Any, Variables]:
    from lvae.training import records, restore

    config = records.read_config(Path(directory))
    if config.task != "vqvae":
        raise UserError(
            f"--config.vqvae={directory}: a run of the task {config.task}; expected one of vqvae"
        )
    return config, restore.restore_variables(Path(directory), config, vqvae)


def vqvae_run(config: Any) -> tuple[Any, Variables]:
    """Config and variables of the VQ-VAE whose codes are modelled.

    Raises:
      UserError: none is named, or there is no run of that task in the directory.
    """
    directory = str(config.vqvae)
    if not directory:
        raise UserError(
            "--config.vqvae: no run directory is named; train one with train.py "
            "--config=configs/vqvae_brain.py, then give --config.vqvae=runs/vqvae_brain"
        )
    path = Path(directory)
    if not (path / "config.json").exists():
        raise UserError(
            f"--config.vqvae={directory}: no VQ-VAE run there (no config.json); train it with "
            f"train.py --config=configs/vqvae_brain.py --workdir={directory}"
        )
    newest = max((item.stat().st_mtime for item in path.iterdir()), default=0.0)
    return _restored(str(path.resolve()), newest)


def codec_of(config: Any) -> Codec:
    """The VQ-VAE as functions."""
    return Codec(*vqvae_run(config))


def fingerprint(variables: Variables) -> int:
    """A number that tells one trained VQ-VAE from another: CRC-32 of everything codes depend on."""
    value = 0
    relevant = (variables["params"], variables["buffers"].get("codebook", {}))
    for leaf in jax.tree.leaves(relevant):
        value = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), value)
    return value


def check_codes(config: Any, variables: Variables) -> Codec:
    """The VQ-VAE as functions, if it is the one that the prior was trained on.

    Raises:
      UserError: it is another one.
    """
    vqvae_config, below = vqvae_run(config)
    trained_on = int(np.asarray(variables["buffers"]["fingerprint"]))
    if trained_on != fingerprint(below):
        raise UserError(
            f"--config.vqvae={config.vqvae}: its codes are not those this prior was trained on "
            f"(fingerprint {fingerprint(below):08x}, trained on {trained_on:08x}); train the prior "
            "again, or bring back the VQ-VAE run as it was"
        )
    return Codec(vqvae_config, below)


# --------------------------------------------------------------------------------- the task


def data_config(config: Any) -> Any:
    """The VQ-VAE's config with this run's data path, where it names one."""
    vqvae_config, _ = vqvae_run(config)
    path = section(DataConfig, config.data, "data").path
    if path:
        vqvae_config = configuration.from_json(configuration.to_json(vqvae_config))
        vqvae_config.data.path = path
    return vqvae_config


def load_data(config: Any) -> Splits:
    """The slices that the VQ-VAE was trained on, in its splits (or those under `data.path`)."""
    return vqvae.load_data(data_config(config))


def build(config: Any, codes: int, grid: tuple[int, int]) -> pixelcnn.PixelCNN:
    """The network of a config for a codebook and a grid."""
    model = section(ModelConfig, config.model, "model")
    return pixelcnn.PixelCNN(size=codes, grid=grid, **dataclasses.asdict(model))


def network_of(config: Any) -> pixelcnn.PixelCNN:
    """The network for the codes of `config.vqvae`."""
    vqvae_config, _ = vqvae_run(config)
    return build(config, int(vqvae_config.model.codes), grid_of(vqvae_config))


def init(config: Any, splits: Splits, key: Array) -> Variables:
    """{"params": network, "buffers": which VQ-VAE the codes are of}.

    A network with places starts at the shares of the codes of training slices at every place.
    """
    network = network_of(config)
    blank = jnp.zeros((1, *network.grid), jnp.int32)
    mark = jnp.asarray(np.uint32(fingerprint(vqvae_run(config)[1])))
    params = network.init(key, blank)["params"]
    if network.places:
        codec = codec_of(config)
        some = spread_out(splits["train"]["image"], TABLE_SLICES)
        codes = [
            codec.codes_of(jnp.asarray(some[first : first + SAMPLE_BATCH]))
            for first in range(0, len(some), SAMPLE_BATCH)
        ]
        params = dict(params, table=pixelcnn.place_logits(jnp.concatenate(codes), network.size))
    return {"params": params, "buffers": {"fingerprint": mark}}


def make_loss(config: Any, splits: Splits) -> Any:
    """Cross-entropy of the codes, in nats a code.

    The frozen encoder runs inside the loss, so that images can be mirrored, shifted and dimmed
    before they become codes: fresh maps every step from the same slices.
    """
    del splits
    weights = section(LossConfig, config.loss, "loss")
    network, codec = network_of(config), codec_of(config)

    def loss(params: Any, buffers: Any, batch: Any, key: Array, step: Array) -> Any:
        del step
        images = augmented(batch["image"], jax.random.fold_in(key, 0), weights)
        codes = jax.lax.stop_gradient(codec.codes_of(images))
        logits: Any = network.apply(
            {"params": params}, codes, training=True, rngs={"dropout": jax.random.fold_in(key, 1)}
        )
        logs = jax.nn.log_softmax(logits)
        nats = -jnp.take_along_axis(logs, codes[..., None], axis=-1)[..., 0].mean((1, 2))
        smooth = -logs.mean((1, 2, 3))
        total = (1 - weights.label_smoothing) * nats + weights.label_smoothing * smooth
        return jnp.mean(total), ({"nats_per_code": nats}, buffers)

    return loss


def augmented(images: Array, key: Array, weights: LossConfig) -> Array:
    """uint8 (B, H, W) -> [0, 1]: mirrored in half of the cases, moved by whole pixels, dimmed."""
    batch, height, width = images.shape
    images = images.astype(jnp.float32) / 255.0
    if weights.mirror:
        images = mirrored(images[..., None], jax.random.fold_in(key, 0))[..., 0]
    if weights.shift:
        reach = weights.shift
        padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach)))
        offsets = jax.random.randint(jax.random.fold_in(key, 1), (batch, 2), 0, 2 * reach + 1)
        images = jax.vmap(
            lambda image, offset: jax.lax.dynamic_slice(image, offset, (height, width))
        )(padded, offsets)
    if weights.gain:
        draw = jax.random.normal(jax.random.fold_in(key, 2), (batch, 1, 1))
        images = jnp.clip(images * jnp.exp(weights.gain * draw), 0, 1)
    return images


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """Nats a code on held-out subjects beside three baselines; thorough: of samples, too."""
    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    codec = check_codes(config, variables)
    network = network_of(config)
    split = splits["test" if thorough else "validation"]
    train, held_out = codec.encode(splits["train"]["image"]), codec.encode(split["image"])
    surprise = surprises(network, variables, held_out, settings.batch_size)
    size = codec.model.codes
    context = context_nats(train, held_out, size)
    result: dict[str, Any] = {
        "nats_per_code": float(surprise.mean()),
        "unigram_nats": unigram_nats(train, held_out, size),
        "context_nats": float(context.mean()),
        "uniform_nats": float(np.log(size)),
    }
    result["share_below_unigram"] = 1 - result["nats_per_code"] / result["unigram_nats"]
    if thorough:
        shown = has_content(split["image"], codec.grid)
        shown_train = has_content(splits["train"]["image"], codec.grid)
        result["foreground_share"] = float(shown.mean())
        result["foreground_nats_per_code"] = float(surprise[shown].mean())
        result["foreground_context_nats"] = float(context[shown].mean())
        result["foreground_unigram_nats"] = unigram_nats(train[shown_train], held_out[shown], size)
        result["nats_per_image"] = float(surprise.sum((1, 2)).mean())
        result["bits_per_pixel"] = float(
            result["nats_per_image"] / np.log(2) / split["image"][0].size
        )
        result |= sample_measures(config, variables, splits, codec)
    return result


def surprises(
    network: pixelcnn.PixelCNN, variables: Variables, codes: np.ndarray, batch_size: int
) -> np.ndarray:
    """-ln p of every code of every map given those before it."""
    return in_batches(
        functools.partial(_surprises, network, variables["params"]), codes, batch_size
    )


@functools.partial(jax.jit, static_argnums=0)
def _surprises(network: pixelcnn.PixelCNN, params: Any, codes: Array) -> Array:
    logits: Any = network.apply({"params": params}, codes)
    return -pixelcnn.log_likelihood(logits, codes)


def unigram_nats(train: np.ndarray, held_out: np.ndarray, size: int) -> float:
    """Nats a held-out code by the shares in the training maps, one added to every count."""
    counts = np.bincount(train.ravel(), minlength=size) + 1.0
    return float(-np.log(counts / counts.sum())[held_out].mean())


def context_nats(train: np.ndarray, held_out: np.ndarray, size: int) -> np.ndarray:
    """Nats of every held-out code by a table of its left and its upper neighbour.

    Counts of (left, above, code) fall back on the mean of (left, code) and (above, code), these on
    the single shares: p = (n(context, code) + strength p_below(code)) / (n(context) + strength).
    The strengths are the best of a few for each table, chosen on the held-out maps themselves: the
    baseline gets every advantage.
    """
    strengths = (1.0, 4.0, 16.0, 64.0, 256.0)
    (left, above, code), (left_h, above_h, code_h) = (
        _contexts(train, size),
        _contexts(held_out, size),
    )
    counts = np.bincount(code, minlength=size) + 1.0
    base = (counts / counts.sum())[code_h]

    def backed_off(context: np.ndarray, context_h: np.ndarray, below: np.ndarray) -> np.ndarray:
        pairs, pair_counts = np.unique(context * size + code, return_counts=True)
        contexts, context_counts = np.unique(context, return_counts=True)
        joint = _looked_up(pairs, pair_counts, context_h * size + code_h)
        total = _looked_up(contexts, context_counts, context_h)
        tables = [(joint + s * below) / (total + s) for s in strengths]
        return max(tables, key=lambda table: np.log(table).mean())

    single = 0.5 * (backed_off(left, left_h, base) + backed_off(above, above_h, base))
    both = backed_off(left * (size + 1) + above, left_h * (size + 1) + above_h, single)
    return -np.log(both).reshape(held_out.shape)


def _contexts(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left neighbour, upper neighbour (`size` outside the map) and code, flat int64."""
    around = np.full((len(codes), codes.shape[1] + 1, codes.shape[2] + 1), size, np.int64)
    around[:, 1:, 1:] = codes
    return around[:, 1:, :-1].ravel(), around[:, :-1, 1:].ravel(), codes.astype(np.int64).ravel()


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key; 0 where there is none. `keys` ascend."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0).astype(np.float64)


def sample_measures(
    config: Any, variables: Variables, splits: Splits, codec: Codec
) -> dict[str, Any]:
    """Precision, recall, density and coverage against held-out slices, in the encoder's features.

    Of samples of the prior (`samples_...`), of as many real training slices (`train_...`) and of
    the reconstructions of these (`decoded_...`): the second is the most that a sample could reach,
    the third shows what of the loss is the decoder's.
    """
    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    real, groups = splits["test"]["image"], splits["test"]["subject"]
    count = min(settings.samples, len(splits["train"]["image"]))
    chosen = np.linspace(0, len(splits["train"]["image"]) - 1, count).astype(int)
    train, train_groups = splits["train"]["image"][chosen], splits["train"]["subject"][chosen]
    drawn = draw(config, variables, int(config.seed), "evaluation", list(range(count)))
    images = {
        "samples": as_bytes(codec.decode(drawn)),
        "train": train,
        "decoded": as_bytes(codec.decode(codec.encode(train))),
    }
    reference = codec.features(real)
    middle, scale = reference.mean(0), reference.std(0) + 1e-6
    result: dict[str, Any] = {}
    for name, group in images.items():
        compared = generative.compare(
            (reference - middle) / scale,
            (codec.features(group) - middle) / scale,
            settings.neighbours,
            groups,
            None if name == "samples" else train_groups,
        )
        for measure, value in compared._asdict().items():
            result[f"{name}_{measure}"] = value
    result["recall_share"] = result["samples_recall"] / max(result["train_recall"], 1e-9)
    return result


def draw(
    config: Any, variables: Variables, seed: int, stream_name: str, indices: list[int]
) -> np.ndarray:
    """New code maps, int32 (N, rows, columns); each of (seed, name, its own index) alone."""
    network = network_of(config)
    blank = np.zeros((len(indices), *network.grid), np.int32)
    return redraw(config, variables, seed, stream_name, indices, blank, np.ones(blank.shape, bool))


def redraw(
    config: Any,
    variables: Variables,
    seed: int,
    stream_name: str,
    indices: list[int],
    codes: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """The code maps with the codes under `free` drawn anew."""
    settings = section(SamplingConfig, config.sampling, "sampling")
    network, params = network_of(config), variables["params"]
    keys = sample_keys(seed, stream_name, indices)

    drawn = []
    for first in range(0, len(indices), SAMPLE_BATCH):
        rows = np.arange(first, min(first + SAMPLE_BATCH, len(indices)))
        filled = np.resize(rows, SAMPLE_BATCH)  # one compilation for every count
        maps = _sampled(
            network,
            params,
            keys[filled],
            codes[filled],
            free[filled],
            settings.temperature,
            settings.top_k,
        )
        drawn.append(np.asarray(maps)[: len(rows)])
    return np.concatenate(drawn) if drawn else codes


def sample_keys(seed: int, stream_name: str, indices: list[int]) -> Array:
    """One key a sample: of the seed, the stream's name and the sample's own index."""
    key = stream(seed, stream_name)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.asarray(indices))


_sampled = jax.jit(raster_sampling.sample_cached, static_argnums=(0, 6))


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """Losses; samples beside decoded real codes; where held-out codes surprise the prior."""
    settings = section(EvaluationConfig, config.evaluation, "evaluation")
    codec = check_codes(config, variables)
    real = spread_out(splits["validation"]["image"], 8)
    codes = codec.encode(real)
    drawn = draw(config, variables, int(config.seed), "figures", list(range(8)))
    pictures.generated(
        directory / "samples.png",
        real,
        codec.decode(codes),
        codec.decode(drawn),
        codec.shades(drawn),
    )
    surprise = surprises(network_of(config), variables, codes, settings.batch_size)
    pictures.anomalies(directory / "anomaly.png", real, surprise)
    pictures.loss_history(directory, directory.parent / "metrics.jsonl")


# ---------------------------------------------------------------------------------- the modes


def prior(run: Run, options: SamplingOptions) -> None:
    """New slices: PNGs and their code maps."""
    settings = section(SamplingConfig, run.config.sampling, "sampling")
    codec = check_codes(run.config, run.variables)
    count = settings.count if options.num_samples is None else options.num_samples
    with Export(run, options, {"samples": count}) as export:
        mine = export.mine(count)
        if not mine:
            return
        codes = draw(run.config, run.variables, options.seed, "prior", mine)
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
    below = data_config(run.config)
    names, images = read_inputs(below, options)
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


def hole(seed: int, index: int, grid: tuple[int, int], share: float) -> np.ndarray:
    """bool (rows, columns): a square, true inside, in the middle half of the map."""
    random = np.random.default_rng([seed, index])
    edge = max(1, round(share * grid[0]))
    middle = [int(random.integers(size // 4, size - size // 4)) for size in grid]
    mask = np.zeros(grid, bool)
    corner = [max(0, min(place - edge // 2, size - edge)) for place, size in zip(middle, grid)]
    mask[corner[0] : corner[0] + edge, corner[1] : corner[1] + edge] = True
    return mask


def fill(
    run: Run, seed: int, indices: list[int], codes: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """The best of several redrawings, by the likelihood of the whole map."""
    settings = section(SamplingConfig, run.config.sampling, "sampling")
    batch = section(EvaluationConfig, run.config.evaluation, "evaluation").batch_size
    network = network_of(run.config)
    best, lowest = codes, np.full(len(codes), np.inf)
    for candidate in range(settings.candidates):
        drawn = redraw(
            run.config, run.variables, seed, f"inpaint {candidate}", indices, codes, free
        )
        total = surprises(network, run.variables, drawn, batch).sum((1, 2))
        better = total < lowest
        best = np.where(better[:, None, None], drawn, best)
        lowest = np.minimum(total, lowest)
    return best


def anomaly(run: Run, options: SamplingOptions) -> None:
    """-ln p of the codes of every image, as a map (NPY, nats a code) and over the image (PNG)."""
    batch = section(EvaluationConfig, run.config.evaluation, "evaluation").batch_size
    codec = check_codes(run.config, run.variables)
    below = data_config(run.config)
    names, images = read_inputs(below, options)
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
