"""The seven networks of the benchmarks as a user of PyTorch would write them.

Each function gives a network and what one step of its training minimises, on random inputs that are
ready: no noise is drawn, nothing is augmented. `convolutional` ones run in PyTorch's usual memory
format and with channels last. Needs the extra `bench`; never imports JAX.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENTS = 8
RECONSTRUCTION_WEIGHT, CODING_FACTOR = 56.0, 0.2


class Reference(NamedTuple):
    """loss: of one step, from the network. optimizer: of its parameters."""

    network: nn.Module
    loss: Callable[[], Tensor]
    optimizer: torch.optim.Optimizer


class Cut(nn.Module):
    """Padding before a layer and cropping behind it: what SAME means at stride 2."""

    def __init__(self, layer: nn.Module, pad: tuple[int, ...] = (), crop: int = 0):
        super().__init__()
        self.layer, self.pad, self.crop = layer, pad, crop

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(functional.pad(x, self.pad) if self.pad else x)
        return x[:, :, : -self.crop, : -self.crop] if self.crop else x


def _halving(inputs: int, features: int) -> nn.Module:
    return Cut(nn.Conv2d(inputs, features, 3, 2), pad=(0, 1, 0, 1))


def _doubling(inputs: int, features: int) -> nn.Module:
    return Cut(nn.ConvTranspose2d(inputs, features, 3, 2), crop=1)


def step_of(reference: Reference) -> Callable[[], None]:
    """Forward, backward, optimiser; waits for the loss."""

    def step() -> None:
        loss = reference.loss()
        reference.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        reference.optimizer.step()
        loss.item()

    return step


def _normal(*shape: int, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    return torch.rand(*shape).to(memory_format=layout) if len(shape) == 4 else torch.rand(*shape)


# The laser grids' notebook.


class Notebook(nn.Module):
    """Encoder and decoder, layer by layer those of lvae.models.notebook_vae."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(_halving(2, 32), nn.ReLU(), _halving(32, 64), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(1600, 16), nn.ReLU()),
        )
        self.mean, self.log_variance = nn.Linear(16, LATENTS), nn.Linear(16, LATENTS)
        self.decoder = nn.Sequential(
            *(nn.Linear(LATENTS, 1600), nn.ReLU(), nn.Unflatten(1, (64, 5, 5))),
            *(_doubling(64, 64), nn.ReLU(), _doubling(64, 32), nn.ReLU()),
            nn.ConvTranspose2d(32, 2, 3, padding=1),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                layer.bias.data.zero_()
        assert sum(weight.numel() for weight in self.parameters()) == 115_362

    def loss(self, frames: Tensor) -> Tensor:
        """Cross-entropy and divergence as the notebook weighs them."""
        hidden = self.encoder(frames)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        logits = self.decoder(code)
        error = functional.binary_cross_entropy_with_logits(logits, frames)
        divergence = 1 + log_variance - mean.square() - log_variance.exp()
        return RECONSTRUCTION_WEIGHT * error - 0.5 * CODING_FACTOR * divergence.mean()


def notebook(layout: torch.memory_format) -> Reference:
    """Batches of 4 frames of 18 x 18 points."""
    network = Notebook().to(memory_format=layout)  # type: ignore[call-overload]
    frames = _normal(4, 2, 20, 20, layout=layout)
    return Reference(network, lambda: network.loss(frames), _adam(network, 1e-3, eps=1e-7))


def _adam(network: nn.Module, rate: float, eps: float = 1e-8) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), rate, eps=eps)


# Denoisers of 28 x 28 digits.


def pyramid(layout: torch.memory_format) -> Reference:
    """configs/denoise_conv.py:reference, 4,385 parameters, batches of 256."""
    layers: list[nn.Module] = []
    channels = 1
    for width in (16, 8, 8):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    for width, padding in ((8, 1), (8, 1), (16, 0)):
        layers += [nn.Conv2d(channels, width, 3, padding=padding), nn.ReLU()]
        layers += [nn.Upsample(scale_factor=2)]
        channels = width
    network = nn.Sequential(*layers, nn.Conv2d(16, 1, 3, padding=1))
    assert sum(weight.numel() for weight in network.parameters()) == 4_385
    network.to(memory_format=layout)  # type: ignore[call-overload]
    clean, noisy = (_normal(256, 1, 28, 28, layout=layout) for _ in range(2))

    def loss() -> Tensor:
        return functional.binary_cross_entropy_with_logits(network(noisy), clean)

    return Reference(network, loss, _adam(network, 3e-3))


def dense(layout: torch.memory_format) -> Reference:
    """configs/denoise_mlp.py:reference, batches of 32, plain gradient descent."""
    del layout
    widths = (784, 256, 128, 128, 64, 128, 128, 256)
    layers: list[nn.Module] = []
    for first, second in itertools.pairwise(widths):
        layers += [nn.Linear(first, second), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(256, 784), nn.Sigmoid())
    clean, noisy = _normal(32, 784), _normal(32, 784)
    optimizer = torch.optim.SGD(network.parameters(), 5e-4, weight_decay=1e-5)
    return Reference(network, lambda: functional.mse_loss(network(noisy), clean), optimizer)


# Brain slices.


class VQVAE(nn.Module):
    """configs/vqvae_brain.py:reference: 128 codes of 16 numbers."""

    def __init__(self) -> None:
        super().__init__()
        down: list[nn.Module] = []
        channels = 1
        for width in (32, 32, 64, 64):
            down += [_halving(channels, width), nn.ReLU()]
            channels = width
        down += [nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 16, 1)]
        up: list[nn.Module] = [nn.ConvTranspose2d(16, 128, 3, padding=1), nn.ReLU()]
        channels = 128
        for width in (64, 64, 32, 32):
            up += [_doubling(channels, width), nn.ReLU()]
            channels = width
        up += [nn.ConvTranspose2d(32, 1, 3, padding=1)]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)
        self.codes = nn.Embedding(128, 16)

    def loss(self, images: Tensor) -> Tensor:
        """Squared error, and the two errors of the quantiser."""
        features = self.down(images)
        flat = features.permute(0, 2, 3, 1).reshape(-1, 16)
        chosen = torch.cdist(flat, self.codes.weight).argmin(1)
        rows = self.codes(chosen).view(*features.permute(0, 2, 3, 1).shape)
        quantised = rows.permute(0, 3, 1, 2)
        errors = functional.mse_loss(quantised, features.detach())
        errors = errors + 0.25 * functional.mse_loss(features, quantised.detach())
        rebuilt = self.up(features + (quantised - features).detach())
        return functional.mse_loss(rebuilt, images) / 0.05 + errors


def vqvae(layout: torch.memory_format) -> Reference:
    """Batches of 8 slices of 128 x 128."""
    network = VQVAE().to(memory_format=layout)  # type: ignore[call-overload]
    images = _normal(8, 1, 128, 128, layout=layout)
    return Reference(network, lambda: network.loss(images), _adam(network, 1e-3, eps=1e-7))


class MaskedConv(nn.Conv2d):
    """A convolution that sees earlier codes, and with 'B' its own place."""

    mask: Tensor

    def __init__(self, inputs: int, features: int, size: int, kind: str):
        super().__init__(inputs, features, size, padding=size // 2)
        mask = torch.zeros(size * size)
        mask[: size * size // 2 + (kind == "B")] = 1
        self.register_buffer("mask", mask.view(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    """1 x 1, 3 x 3 'B', 1 x 1, added; then 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *(nn.Conv2d(128, 64, 1), nn.ReLU(), MaskedConv(64, 64, 3, "B"), nn.ReLU()),
            *(nn.Conv2d(64, 128, 1), nn.ReLU()),
        )
        self.after = nn.Conv2d(128, 128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.after(x + self.inner(x)))


def pixelcnn(layout: torch.memory_format) -> Reference:
    """configs/pixelcnn_brain.py:reference, batches of 8 maps of 8 x 8 codes, which are there already."""
    network = nn.Sequential(
        *(MaskedConv(128, 128, 7, "A"), nn.ReLU()),
        *(Block() for _ in range(4)),
        nn.Conv2d(128, 128, 1),
    )
    network.to(memory_format=layout)  # type: ignore[call-overload]
    codes = torch.randint(128, (8, 8, 8))

    def loss() -> Tensor:
        maps = functional.one_hot(codes, 128).permute(0, 3, 1, 2).float()
        return functional.cross_entropy(network(maps.contiguous(memory_format=layout)), codes)

    return Reference(network, loss, _adam(network, 3e-4))


# Patches.


class PatchVAE(nn.Module):
    """configs/patches.py:isles_reference: 784 - 256 - 2 - 256 - 784."""

    def __init__(self) -> None:
        super().__init__()
        self.inward, self.moments = nn.Linear(784, 256), nn.Linear(256, 4)
        self.outward, self.pixels = nn.Linear(2, 256), nn.Linear(256, 784)

    def loss(self, patches: Tensor) -> Tensor:
        """Cross-entropy and divergence."""
        mean, log_variance = self.moments(functional.relu(self.inward(patches))).chunk(2, 1)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        logits = self.pixels(functional.relu(self.outward(code)))
        error = functional.binary_cross_entropy_with_logits(logits, patches, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        return (error + divergence) / len(patches)


def patch_vae(layout: torch.memory_format, networks: int = 2) -> Reference:
    """Batches of 128; two parameter sets side by side, as ours trains."""
    del layout
    both = nn.ModuleList(PatchVAE() for _ in range(networks))
    patches = _normal(128, 784)

    def loss() -> Tensor:
        return torch.stack([network.loss(patches) for network in both]).sum()  # type: ignore[operator]

    return Reference(both, loss, _adam(both, 1e-3))


# The U-Net of the laser grids' matcher.


def _block(inputs: int, features: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, features, 3, padding=1, bias=False),
        nn.BatchNorm2d(features),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """configs/registration.py with `images` as its input."""

    def __init__(self, filters: int, levels: int):
        super().__init__()
        widths = [filters * 2**level for level in range(levels)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels = 2
        for wide in widths:
            self.down.append(nn.Sequential(_block(channels, wide), _block(wide, wide)))
            channels = wide
        self.lowest = _block(channels, 2 * channels)
        channels = 2 * channels
        for wide in reversed(widths):
            self.up.append(nn.Sequential(_block(channels + wide, wide), _block(wide, wide)))
            channels = wide
        self.last = nn.Conv2d(channels, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.down:
            x = down(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.lowest(x)
        for up, skip in zip(self.up, reversed(skips)):
            x = up(torch.cat([functional.interpolate(x, scale_factor=2), skip], 1))
        return self.last(x)


def unet(layout: torch.memory_format, size: int = 192, filters: int = 12) -> Reference:
    """Batches of 4 images, 300 points read from each."""
    network = UNet(filters, 4).to(memory_format=layout)  # type: ignore[call-overload]
    images = _normal(4, 2, size, size, layout=layout)
    points, targets = torch.randint(size, (4, 300, 2)), torch.randn(4, 300, 2)
    frames = torch.arange(4)[:, None]

    def loss() -> Tensor:
        field: Any = network(images)
        read = field[frames, :, points[..., 1], points[..., 0]]
        return (read - targets).square().sum(-1).mean()

    return Reference(network, loss, _adam(network, 1e-3))


NETWORKS: dict[str, Callable[[torch.memory_format], Reference]] = {
    "laser-grid notebook": notebook,
    "convolutional denoiser": pyramid,
    "dense denoiser": dense,
    "VQ-VAE": vqvae,
    "PixelCNN": pixelcnn,
    "patch VAE": patch_vae,
    "registration U-Net": unet,
}
