"""What an audit for memory must know of a task's examples: `lvae.runs.audit` does the rest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Examples = Mapping[str, np.ndarray]  # field -> array, leading axis: example; as a split


class Auditor(NamedTuple):
    """How examples of a task are read and compared. `run` is a `lvae.tasks.task.Run`.

    group: the field of a split that says whose example it is. unit: what that is, as "recording".
    measure: what distances are in, as "px".
    real: the examples of a split that are real, with the fields that the functions below need.
    load: the splits of a folder laid out as the training data are. parse: a drawn sample, its file
    that ends in `kind` or its row of a table -> the fields of one example.
    distances: from every example of the first set to every one of the second.
    vectors, examples: examples as vectors whose Euclidean distance tells them apart, and back: for
    densities, coverage and principal components. texture: what a forest looks at to tell drawn from
    real.
    scores: of the model for examples, by name, higher for what it was trained on.
    noisy: examples with a little noise that everybody would call copies. simulated: examples of a
    simulator that saw no recording, as many as asked for, with their groups; None: there is none.
    """

    group: str
    unit: str
    measure: str
    real: Callable[[Any, Examples], Examples]
    load: Callable[[Any, Path], Mapping[str, Examples]]
    kind: str
    parse: Callable[[Any, Mapping[str, Any]], Examples]
    distances: Callable[[Any, Examples, Examples], Float[np.ndarray, "n m"]]
    vectors: Callable[[Any, Examples], Float[np.ndarray, "n numbers"]]
    examples: Callable[[Any, Float[np.ndarray, "n numbers"]], Examples]
    texture: Callable[[Any, Examples], Float[np.ndarray, "n features"]]
    scores: Callable[[Any, Examples], Mapping[str, Float[np.ndarray, " n"]]]
    noisy: Callable[[Any, Examples, int], Examples]
    simulated: Callable[[Any, int, int], tuple[Examples, np.ndarray]] | None = None
