"""Texts that go with what is shared: a card with every set, a card with every model."""
