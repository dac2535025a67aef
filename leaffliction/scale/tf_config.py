"""TF_CONFIG: which of several machines this one is.

Each machine is started with the same command and a TF_CONFIG of its own, as
TensorFlow documents it.  The chief does the whole run and writes its files;
the other machines, the workers, help it to fine-tune.
"""

import json
import os
from dataclasses import dataclass

from leaffliction.utils.errors import UserError

VARIABLE = "TF_CONFIG"
TASKS = ("chief", "worker")


@dataclass(frozen=True)
class Task:
    """The task of one machine in a cluster.

    cluster: for each of TASKS, "host:port" of its machines.  kind: one of
    TASKS.  index: of this machine among those of its kind.
    """

    cluster: dict[str, list[str]]
    kind: str
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this machine writes: the chief, or else worker 0."""
        return self.kind == "chief" or (
            "chief" not in self.cluster and self.index == 0)

    def __str__(self) -> str:
        return f"{self.kind} {self.index}"


def read_task() -> Task | None:
    """Return this machine's task from TF_CONFIG; None if it is alone.

    Raises UserError if TF_CONFIG is not valid.
    """
    task = _parse_task()
    if task is None:
        # TensorFlow reads the variable, too, and fails if it is empty.
        os.environ.pop(VARIABLE, None)
    return task


def _parse_task() -> Task | None:
    """Return the task in TF_CONFIG; None without it, or of one machine."""
    text = os.environ.get(VARIABLE, "").strip()
    try:
        config = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{VARIABLE}: is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise UserError(f"{VARIABLE}: is not a JSON object")
    cluster = config.get("cluster")
    if not cluster:
        return None
    check_cluster(cluster)
    task = config.get("task")
    kind, index = (task.get(name) if isinstance(task, dict) else None
                   for name in ("type", "index"))
    if kind not in list(cluster):
        raise UserError(f"{VARIABLE}: task.type is {kind!r}; it must be a "
                        f"type of the cluster: {', '.join(cluster)}")
    count = len(cluster[kind])
    if type(index) is not int or not 0 <= index < count:
        raise UserError(f"{VARIABLE}: task.index is {index!r}; for a {kind} "
                        f"it must be an integer from 0 to {count - 1}")
    return None if sum(map(len, cluster.values())) == 1 else Task(
        cluster, kind, index)


def check_cluster(cluster: object) -> None:
    """Raise UserError if a cluster does not name each machine once."""
    if not isinstance(cluster, dict) or not set(cluster) <= set(TASKS):
        raise UserError(f"{VARIABLE}: cluster must name machines of the types "
                        f"{' and '.join(TASKS)} only")
    for kind, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses or not all(
                map(is_address, addresses)):
            raise UserError(f"{VARIABLE}: cluster.{kind} must be a list of "
                            "\"host:port\"")
    if len(cluster.get("chief", [])) > 1:
        raise UserError(f"{VARIABLE}: there can be only one chief")
    machines = sum(cluster.values(), [])
    if len(set(machines)) < len(machines):
        raise UserError(f"{VARIABLE}: two machines have the same address")


def is_address(text: object) -> bool:
    """Return whether text is "host:port"."""
    host, _, port = str(text).rpartition(":")
    return (isinstance(text, str) and bool(host) and port.isascii()
            and port.isdigit() and 0 < int(port) < 2**16)
