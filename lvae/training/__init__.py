"""State, step, loop, checkpoints, records: knows no task by name."""
