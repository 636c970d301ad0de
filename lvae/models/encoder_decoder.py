"""An encoder and a decoder as one module, each with its own parameters."""

from typing import Any

import flax.linen as nn


class EncoderDecoder(nn.Module):
    """Parameters lie under "encoder" and "decoder"; `apply` with method="encode" or "decode" needs
    that part only."""

    encoder: nn.Module
    decoder: nn.Module

    def encode(self, *inputs: Any) -> Any:
        """What the encoder makes of them."""
        return self.encoder(*inputs)

    def decode(self, *codes: Any) -> Any:
        """What the decoder makes of them."""
        return self.decoder(*codes)
