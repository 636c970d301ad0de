"""The contract of a task, and one package per system: data, model and loss meet here."""
