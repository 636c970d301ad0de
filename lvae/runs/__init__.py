"""Training, restoring, measuring and drawing of whatever task: the loop, the mode runner and its
exporter. Knows no task by name."""
