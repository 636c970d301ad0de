"""Calls spread over processes and machines by Dask, or made one after another in this process.

`map_calls` is the one interface for work that falls into independent parts: shards of a data set, seeds,
folds of a cross-validation, rows of a benchmark, volumes to be scanned. Scheduling, retries, lost
workers, queues of a cluster and the dashboard are Dask's.
"""

import contextlib
import functools
import importlib.util
import inspect
import logging
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lvae.errors import UserError

HERE = "here"
FORMS = "here, local:N, tcp://HOST:8786, slurm:FILE or kubernetes:FILE"
RETRIES = (
    2  # of a call that raised; a call whose worker was lost is made again as often as Dask says
)
CONNECT_SECONDS = 20  # until a scheduler answers that is said to run
WORKER_SECONDS = 60  # until it has a worker
_SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # of arguments: they are arrays at times
}
_now = threading.local()  # report: where what `tell` is told goes, per thread

Report = Callable[[int, Any], None]


class _Mistake(NamedTuple):
    """A UserError on its way home: no retry would mend it."""

    text: str


def check(cluster: str) -> str:
    """The same text, if it names a cluster that can be used here.

    Raises:
      UserError: it is none of the forms, its file is absent, or a package is not installed.
    """
    kind, _, value = cluster.partition(":")
    valid = {
        "here": cluster == HERE,
        "local": value.isdecimal() and int(value) > 0,
        "tcp": re.fullmatch(r"//[^/\s]+:\d+", value),
        "tls": re.fullmatch(r"//[^/\s]+:\d+", value),
        "slurm": value,
        "kubernetes": value,
    }
    if not valid.get(kind):
        raise UserError(f"--cluster={cluster}: no such cluster; write {FORMS}")
    if kind == "here":
        return cluster
    needed = {"slurm": "dask_jobqueue", "kubernetes": "dask_kubernetes"}.get(kind)
    for package in ("dask", "distributed", *([needed] if needed else [])):
        if importlib.util.find_spec(package) is None:
            extra = "kubernetes" if package == "dask_kubernetes" else "cluster"
            raise UserError(f"--cluster={cluster}: needs {package}; pip install 'lvae[{extra}]'")
    if needed:
        read_options(cluster)
    return cluster


def map_calls(
    function: Callable[[Any], Any],
    arguments: Iterable[Any],
    *,
    cluster: str = HERE,
    progress: Report | None = None,
) -> Iterator[tuple[int, Any]]:
    """Calls `function` with each of `arguments` and yields (index, result) as the calls complete.

    A call that raises is made again, at most twice; so is one whose worker was lost, so a call must
    do no harm when it is made twice. What remains an error ends the others.

    Args:
      function: of a module that workers can import too; `here` takes any.
      arguments: one a call; they are pickled.
      cluster: "here": this process, in order, without Dask. "local:N": N processes of this machine.
        "tcp://HOST:PORT" (or tls): a running Dask scheduler. "slurm:FILE": jobs of Slurm; FILE is
        YAML, `jobs` and the options of dask_jobqueue.SLURMCluster. "kubernetes:FILE": a DaskCluster of
        the Dask operator, its manifest.
      progress: called with (index, value) for what the calls pass to `tell`.

    Raises:
      UserError: `cluster` is no such cluster or does not answer, workers were lost again and again,
        or a call raised one.
    """
    check(cluster)
    if cluster == HERE:
        return _here(function, arguments, progress)
    return _on_dask(function, list(arguments), cluster, progress)


def tell(value: Any) -> None:
    """Says how far the call is that runs in this thread; goes to `progress` of `map_calls`. Nothing
    outside a call."""
    report = getattr(_now, "report", None)
    if report is not None:
        report(value)


def _here(
    function: Callable[[Any], Any], arguments: Iterable[Any], progress: Report | None
) -> Iterator[tuple[int, Any]]:
    for index, argument in enumerate(arguments):
        with _telling(lambda value, index=index: progress and progress(index, value)):
            result = function(argument)
        yield index, result


@contextlib.contextmanager
def _telling(report: Callable[[Any], Any]) -> Iterator[None]:
    before = getattr(_now, "report", None)
    _now.report = report
    try:
        yield
    finally:
        _now.report = before


def _on_worker(function: Callable[[Any], Any], index: int, argument: Any, topic: str) -> Any:
    """One call, in a worker's thread; what it tells goes to those who listen to `topic`."""
    from distributed import get_worker

    worker = get_worker()
    with _telling(lambda value: worker.log_event(topic, (index, value))):
        try:
            return function(argument)
        except UserError as error:
            return _Mistake(str(error))


def _on_dask(
    function: Callable[[Any], Any], arguments: list[Any], cluster: str, progress: Report | None
) -> Iterator[tuple[int, Any]]:
    import distributed

    topic = f"lvae {uuid.uuid4()}"  # a scheduler may serve others too
    with _connected(cluster) as client:
        if progress is not None:
            client.subscribe_topic(topic, lambda event: progress(*event[1]))  # (time, value)
        submit = functools.partial(client.submit, _on_worker, function, retries=RETRIES, pure=False)
        futures = {submit(index, each, topic): index for index, each in enumerate(arguments)}
        for future in distributed.as_completed(list(futures), loop=client.loop):
            index = futures.pop(future)  # the last reference: the scheduler forgets the result
            try:
                result = future.result()
            except distributed.KilledWorker as error:
                raise UserError(
                    f"--cluster={cluster}: call {index} lost {error.allowed_failures + 1} workers, "
                    f"the last at {getattr(error.last_worker, 'address', 'an unknown address')}; "
                    "look at their logs, and give them more memory"
                ) from error
            except distributed.client.FutureCancelledError as error:
                raise UserError(
                    f"--cluster={cluster}: the scheduler was lost; start it, and run the same again"
                ) from error
            if isinstance(result, _Mistake):
                raise UserError(result.text)
            yield index, result


@contextlib.contextmanager
def _connected(cluster: str) -> Iterator[Any]:
    """A client of a scheduler with workers; what was started for it ends with it."""
    import dask
    import distributed

    logging.getLogger("distributed").setLevel(logging.WARNING)  # each start and end is a line else
    kind, _, value = cluster.partition(":")
    with contextlib.ExitStack() as opened:
        opened.enter_context(dask.config.set(_SETTINGS))
        place: Any = cluster
        if kind == "local":
            place = opened.enter_context(
                distributed.LocalCluster(
                    n_workers=int(value),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    memory_limit=0,  # the system's own: a worker is not ended for what JAX holds
                    silence_logs=logging.WARNING,
                )
            )
        elif kind in ("slurm", "kubernetes"):
            place = opened.enter_context(_started(cluster, Path(value)))
        try:
            client = opened.enter_context(
                distributed.Client(place, timeout=CONNECT_SECONDS, set_as_default=False)
            )
            if kind in ("tcp", "tls"):
                client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise UserError(
                f"--cluster={cluster}: no scheduler with a worker answers there; start them by `dask "
                f"scheduler` and `dask worker {cluster}`"
            ) from error
        if client.dashboard_link:
            print(f"dashboard: {client.dashboard_link}", file=sys.stderr)
        yield client


def _started(cluster: str, file: Path) -> Any:
    """A scheduler here whose workers are jobs of Slurm, or both as pods of Kubernetes."""
    options = read_options(cluster)
    try:
        if cluster.startswith("kubernetes"):
            from dask_kubernetes.operator import KubeCluster

            return KubeCluster(custom_cluster_spec=options)
        from dask_jobqueue import SLURMCluster

        jobs = options.pop("jobs", 1)
        _refuse_unknown(options, file)
        # Any free port for the dashboard: others on a login node have theirs.
        scheduler = {"dashboard_address": ":0", **options.pop("scheduler_options", {})}
        started = SLURMCluster(scheduler_options=scheduler, **options)
        started.scale(jobs=jobs)
        return started
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise UserError(f"{file}: cannot be started ({' '.join(str(error).split())})") from error


def _refuse_unknown(options: Mapping[str, Any], file: Path) -> None:
    """Raises a UserError about an option that SLURMCluster does not know."""
    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

    known = {"jobs"}
    for kind in (JobQueueCluster, Job, SLURMJob):
        known |= set(inspect.signature(kind.__init__).parameters)
    for name in options:
        if name not in known:
            raise UserError(
                f"{file}: no such option {name}; those of dask_jobqueue.SLURMCluster are known, as "
                "cores, memory, queue, walltime"
            )


def read_options(cluster: str) -> dict[str, Any]:
    """The options by name in the file of "slurm:FILE" or "kubernetes:FILE".

    Raises:
      UserError: it is absent, or something else.
    """
    import yaml

    file = Path(cluster.partition(":")[2])
    try:
        options = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"--cluster={cluster}: cannot be read ({error.strerror}); check its name"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(options, dict):
        raise UserError(f"{file}: holds no options by name; see deploy/ for an example")
    return options
