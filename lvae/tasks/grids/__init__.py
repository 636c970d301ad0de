"""Systems of laser grids: the VAE that draws them, the network that matches them."""
