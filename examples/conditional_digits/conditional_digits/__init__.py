"""A variational autoencoder of digits that is given the digit's class ([sohn2015])."""
