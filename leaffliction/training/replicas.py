"""Several replicas of a network that learn together, on machines or GPUs.

Each computes the gradient of its own rows of a batch; the sums of these
gradients move the weights, which so stay the same everywhere (synchronous
data parallelism; Dean et al. 2012).  A machine alone has one replica.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from leaffliction.scale.tf_config import lost_machine_as_error
from leaffliction.utils.parallel import prefetch

NAME_LENGTH = 64         # characters of the name that the chief tells


def local_strategy():
    """Return the strategy of a machine alone: all its GPUs, or its CPU."""
    import tensorflow as tf
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def broadcast(strategy, name: str = "") -> str:
    """Return the name that the chief gives, on all machines.

    name: ASCII, at most NAME_LENGTH characters; "" on the others, which wait
    here until the chief is so far.
    """
    import tensorflow as tf

    @tf.function
    def add(codes):
        return strategy.run(lambda codes: sum_replicas(codes), (codes,))

    codes = np.zeros(NAME_LENGTH, np.int32)
    codes[:len(name)] = list(name.encode("ascii"))
    # One replica a machine speaks.
    spoken = scatter(strategy, [codes, *[0 * codes] * (
        len(own_replicas(strategy)) - 1)])
    with lost_machine_as_error():
        codes = first_result(strategy, add(spoken))
    return bytes(codes[codes > 0].tolist()).decode("ascii")


def own_replicas(strategy) -> range:
    """Return the numbers of this machine's replicas, among those of all."""
    if strategy.num_replicas_in_sync == 1:
        return range(1)
    count = len(strategy.extended.worker_devices)
    first = getattr(strategy.extended, "_id_in_cluster", 0) * count
    return range(first, first + count)


def share_rows(rows: int, replicas: int) -> list[slice]:
    """Return which rows of a batch each replica takes: as many, in order."""
    bounds = [rows * number // replicas for number in range(replicas + 1)]
    return [slice(*pair) for pair in zip(bounds, bounds[1:])]


def scatter(strategy, values: list):
    """Return arrays as what `strategy.run` gives to this machine's replicas.

    values: one for each of own_replicas.
    """
    import tensorflow as tf
    first = own_replicas(strategy).start
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.convert_to_tensor(
            values[context.replica_id_in_sync_group - first]))


def flag(strategy, is_set: bool):
    """Return a number for each of this machine's replicas: 0, or not."""
    return scatter(strategy, [np.float32(is_set)] * len(
        own_replicas(strategy)))


def sum_replicas(value):
    """Return a tensor's sum over all replicas, inside one of them."""
    import tensorflow as tf
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tf.identity(value))


def first_result(strategy, value) -> np.ndarray:
    """Return what the first of this machine's replicas has returned."""
    return strategy.experimental_local_results(value)[0].numpy()


def build_steps(strategy, model, optimizer) -> tuple[Callable, Callable]:
    """Return the steps of learning and of testing, on all replicas.

    model: features at the cut to logits, its last layer the head; made, as
    the optimiser, in the strategy's scope.
    Each step takes what distributed_batches yields, and flag's; it returns the
    batch's mean loss, its accuracy, and the sum of the flags, float32 (3,),
    the same on each replica.
    """
    import tensorflow as tf
    head, weights = model.layers[-1], model.trainable_weights
    body = type(model)(model.input, model.layers[-2].output)

    def means(features, targets, kept, shares):
        # The head's own dropout would draw for each replica by itself.
        logits = head(body(features) * kept, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            targets, logits)
        right = tf.argmax(logits, 1, tf.int32) == targets
        return (tf.reduce_sum(losses * shares),
                tf.reduce_sum(tf.where(right, shares, 0)))

    def learn(*rows, flag):
        with tf.GradientTape() as tape:
            loss, accuracy = means(*rows)
        # The optimiser adds up the gradients of all replicas.
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return sum_replicas(tf.stack([loss, accuracy, flag]))

    def test(*rows, flag):
        return sum_replicas(tf.stack([*means(*rows), flag]))

    def on_all(step):
        return tf.function(lambda rows, flag: strategy.run(
            step, rows, {"flag": flag}))

    return on_all(learn), on_all(test)


def distributed_batches(strategy, features: np.ndarray, targets: np.ndarray,
                        size: int, drawn: Iterable) -> Iterator[tuple]:
    """Yield (number of rows, what a step takes) of batches, read ahead.

    drawn: the rows of each batch, at most `size`, int (n,), and the factors
    of their pooled features, float32 (n, 1280).
    A replica takes float32 features, int32 targets, factors, and the share
    of each row in the batch's mean.  All have the same number of rows, the
    last of which may be empty and have no share: no replica has none.
    """
    count, own = strategy.num_replicas_in_sync, own_replicas(strategy)
    longest = -(-min(size, len(targets)) // count)

    def padded(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, np.zeros(
            (longest - len(rows), *rows.shape[1:]), rows.dtype)])

    def load(batch: tuple) -> tuple[int, list]:
        rows, factors = batch
        shares = np.full(len(rows), 1 / len(rows), np.float32)
        return len(rows), [
            [padded(values) for values in (
                features[rows[part]].astype(np.float32),
                targets[rows[part]].astype(np.int32), factors[part],
                shares[part])]
            for part in (share_rows(len(rows), count)[replica]
                         for replica in own)]

    for rows, replicas in prefetch(load, drawn):
        yield rows, tuple(scatter(strategy, values)
                          for values in zip(*replicas))
