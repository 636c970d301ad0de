"""What a denoiser learns from."""

from lvae.data.image_folder import read_splits
from lvae.errors import UserError
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.task import Spec, Splits, spec_of


def load_data(settings: Settings) -> Splits:
    """Images by split: image, uint8 (N, height, width); for digits label, int32 (N,).

    Raises:
      UserError: see `lvae.data.image_folder`; images smaller than the network's tile.
    """
    data = settings.data
    splits = read_splits(data.path, data.validation_share)
    height, width = splits["train"]["image"].shape[1:]
    if min(height, width) < data.tile:
        raise UserError(
            f"config.data.tile={data.tile}: the images of {data.path or 'the built-in set'} have "
            f"{width} x {height} pixels; set it to {min(height, width)} or less"
        )
    return splits


def spec(settings: Settings, splits: Splits) -> Spec:
    """Nothing but the fields: the network sees tiles of the config's own size."""
    return spec_of(splits)
