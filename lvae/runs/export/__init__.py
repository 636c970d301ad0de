"""One exporter for every mode of every task: samples in, files out, whole or not at all."""
