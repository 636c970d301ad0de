"""Draws from a trained run: sample.py --mode=MODE [--workdir=DIR] [--out=DIR].

The run directory, or the file of a model, holds everything that is needed. `--mode=MODE --help`
shows the mode's own options.
"""

import difflib
import importlib.metadata
import re
from pathlib import Path

from lvae import cluster
from lvae.commands import arguments, process
from lvae.errors import UserError


def main(words: list[str]) -> None:
    """Parses the flags and draws."""
    parser = _parser()
    chosen, rest = parser.parse_known_args(words)
    if chosen.help:
        parser.print_help()
        if chosen.mode:
            print(mode_help(chosen.mode, arguments.chosen_run(chosen, words)))
        return
    place = arguments.chosen_run(chosen, words)
    from lvae.storage import records

    if chosen.model is None:  # refused before JAX and the task are imported, which takes seconds
        task_name = records.read_config(place).get("task")
        refuse_misspelt(rest, chosen.mode, str(task_name))

    from lvae.runs import modes
    from lvae.tasks import restoring

    task, config = restoring.read_task(place)
    mode = modes.find_mode(task, chosen.mode, f"the task {config.task} of {place}")
    options = arguments.mode_options(chosen.mode, mode.options, rest, mode.help)
    shard = modes.parse_shard(chosen.shard)
    if cluster.check(chosen.cluster) != cluster.HERE and (shard[1] > 1 or chosen.coordinator):
        raise UserError(
            f"--cluster={chosen.cluster}: draws all shards; leave out --shard and --coordinator"
        )
    process.initialize_hosts(chosen)
    process.prepare_jax(chosen.device)

    from lvae.runs import spreading
    from lvae.runs.export.writer import Layout
    from lvae.tasks.task import Request

    request = Request(chosen.mode, chosen.seed, chosen.num_samples, chosen.data, options)
    folder = place.parent / f"{place.stem}-samples" if chosen.model else place / "samples"
    out = chosen.out or folder / chosen.mode
    loaded = restoring.Loaded(task, config, restoring.load_run(task, config, place))
    layout = Layout(chosen.format, shard, card=chosen.card)
    if chosen.cluster == cluster.HERE:
        modes.draw(loaded, request, out, layout)
    else:
        spreading.draw(loaded, place, request, out, layout, chosen.cluster, chosen.device)


OPTION = re.compile(r"^    (\w+):[^=\n]*= (?:\w+\.)?option\(", re.MULTILINE)


def refuse_misspelt(words: list[str], mode: str, task: str) -> None:
    """Refuses a word that is an option of no mode of any task here, which is read from their text: to
    import the task takes seconds. Of a task in another package all words pass.

    Raises:
      UserError: see above.
    """
    (point, *_) = [*importlib.metadata.entry_points(group="lvae.tasks", name=task), None]
    if not words or point is None or not point.value.startswith("lvae."):
        return
    files = (Path(__file__).parents[1] / "tasks").rglob("*.py")
    known = {name for file in files for name in OPTION.findall(file.read_text(encoding="utf-8"))}
    for word in words:
        name = word.partition("=")[0].removeprefix("--")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean --{near[0]}?" if near else "no mode has such an option"
            arguments.refuse_unknown([word], f"{hint} See --mode={mode} --help")


def mode_help(name: str, workdir: Path) -> str:
    """The own options of a mode: of the run's task; where there is no run, of every task that has
    such a mode.

    Raises:
      UserError: none has.
    """
    from lvae.runs import modes
    from lvae.storage import records
    from lvae.tasks import registry, restoring

    if workdir.is_file() or (workdir / records.CONFIG).exists():
        task, config = restoring.read_task(workdir)
        found = {config.task: modes.find_mode(task, name, f"the task {config.task} of {workdir}")}
    else:
        tasks = {task: registry.find(task).modes for task in registry.names()}
        found = {task: offered[name] for task, offered in tasks.items() if name in offered}
        if not found:
            known = sorted({mode for offered in tasks.values() for mode in offered})
            raise UserError(f"--mode={name}: no such mode; there are {', '.join(known)}")
    pages = []
    for task_name, mode in found.items():
        options = arguments.mode_parser(name, mode.options, mode.help).format_help()
        pages.append(f"\n--mode={name} of the task {task_name}: {options}")
    return "".join(pages)


def _parser() -> arguments.Parser:
    parser = arguments.Parser(description=__doc__, add_help=False)
    parser.add_argument("--help", "-h", action="store_true", help="Show this, and leave.")
    parser.add_argument(
        "--mode",
        default="",
        help="What to do; an unknown mode lists those that the run's task offers.",
    )
    arguments.add_run(parser, "Run to draw from.")
    parser.add_argument(
        "--out",
        type=arguments.path,
        help="Folder to write to; nothing else is touched. Default: WORKDIR/samples/MODE, or "
        "NAME-samples/MODE beside the file NAME of --model.",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="Seed of everything random. A sample depends on it and on its own number alone.",
    )
    parser.add_argument(
        "--num_samples",
        type=arguments.positive,
        help="Samples in all. Default: the mode's own number.",
    )
    parser.add_argument(
        "--data",
        type=arguments.path,
        help="Input: a folder or file of the task's own kind. Default: the mode's own.",
    )
    parser.add_argument(
        "--format",
        default="files",
        help="Layout of the data set: files (loose files), webdataset (tar shards) or parquet.",
    )
    parser.add_argument(
        "--card",
        type=arguments.boolean,
        default=True,
        help="Writes README.md and croissant.json once the set is complete: what it is, for whoever "
        "receives it.",
    )
    parser.add_argument(
        "--shard",
        default="0/1",
        help="Part i/n of the samples, i from 0: n processes share the work, in any order.",
    )
    arguments.add_cluster(parser, "Where all shards are drawn:")
    arguments.add_hosts(parser)
    arguments.add_device(parser)
    return parser
