"""One system a file: data, model and loss meet here."""
