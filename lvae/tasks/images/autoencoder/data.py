"""What an autoencoder learns from."""

from lvae.data.image_folder import read_splits
from lvae.errors import UserError
from lvae.tasks.images.autoencoder.settings import ConcreteModel, Settings
from lvae.tasks.task import Spec, Splits, spec_of


def load_data(settings: Settings) -> Splits:
    """Images by split: image, uint8 (N, height, width); for digits label, int32 (N,).

    Raises:
      UserError: see `lvae.data.image_folder`; images with fewer pixels than are to be selected.
    """
    splits = read_splits(settings.data.path, settings.data.validation_share)
    height, width = splits["train"]["image"].shape[1:]
    if isinstance(settings.model, ConcreteModel) and settings.model.code > height * width:
        raise UserError(
            f"config.model.code={settings.model.code}: images of {width} x {height} have fewer "
            f"pixels; set it to {height * width} or less"
        )
    return splits


def spec(settings: Settings, splits: Splits) -> Spec:
    """The fields: of them the network needs the images' size."""
    return spec_of(splits)
