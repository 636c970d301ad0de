"""What a drawn set, and the model behind it, give away about those it was trained on."""
