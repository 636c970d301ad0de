"""Every picture, from arrays: the one place that imports matplotlib."""
