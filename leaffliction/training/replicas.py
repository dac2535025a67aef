"""Training steps on several replicas of a network, on machines or GPUs.

Each replica computes the gradient of its share of a batch.  The sum of these
gradients updates the weights, which therefore stay the same on all replicas
(synchronous data parallelism; Dean et al. 2012).  A single CPU or GPU is the
case of one replica.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from leaffliction.utils.parallel import prefetch


def local_strategy():
    """Return TensorFlow's strategy for this machine: all GPUs, or the CPU."""
    import tensorflow as tf
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def local_replicas(strategy) -> range:
    """Return the indices of this machine's replicas among all replicas."""
    if strategy.num_replicas_in_sync == 1:
        return range(1)
    count = len(strategy.extended.worker_devices)
    first = getattr(strategy.extended, "_id_in_cluster", 0) * count
    return range(first, first + count)


def share_rows(rows: int, replicas: int) -> list[slice]:
    """Return the rows of a batch for each replica: contiguous, equal shares.

    Their lengths differ by at most one row.
    """
    bounds = [rows * number // replicas for number in range(replicas + 1)]
    return [slice(*pair) for pair in zip(bounds, bounds[1:])]


def scatter(strategy, values: list):
    """Return arrays as the argument of `strategy.run`.

    values: one array for each of local_replicas.
    """
    import tensorflow as tf
    first = local_replicas(strategy).start
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.convert_to_tensor(
            values[context.replica_id_in_sync_group - first]))


def replicate_flag(strategy, is_set: bool):
    """Return 1.0 or 0.0 for each of this machine's replicas."""
    return scatter(strategy, [np.float32(is_set)] * len(
        local_replicas(strategy)))


def sum_replicas(value):
    """Return a tensor's sum over all replicas; called inside a replica."""
    import tensorflow as tf
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tf.identity(value))


def first_result(strategy, value) -> np.ndarray:
    """Return the result of the first of this machine's replicas."""
    return strategy.experimental_local_results(value)[0].numpy()


def build_steps(strategy, model, optimizer) -> tuple[Callable, Callable]:
    """Return the training step and the test step, for all replicas.

    model: features at the split layer to logits, its last layer the head;
    built, like the optimiser, in the scope of the strategy.
    A step takes what distributed_batches yields and a flag (replicate_flag).
    It returns the batch's mean loss, its accuracy and the sum of the flags,
    float32 (3,), the same on each replica.
    """
    import tensorflow as tf
    head, weights = model.layers[-1], model.trainable_weights
    body = type(model)(model.input, model.layers[-2].output)

    def mean_figures(features, targets, factors, shares):
        # training=False: the head's own dropout would sample other factors
        # on each replica.
        logits = head(body(features) * factors, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            targets, logits)
        is_right = tf.argmax(logits, 1, tf.int32) == targets
        return (tf.reduce_sum(losses * shares),
                tf.reduce_sum(tf.where(is_right, shares, 0)))

    def train(*rows, flag):
        with tf.GradientTape() as tape:
            loss, accuracy = mean_figures(*rows)
        # The optimiser sums the gradients of all replicas.
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return sum_replicas(tf.stack([loss, accuracy, flag]))

    def test(*rows, flag):
        return sum_replicas(tf.stack([*mean_figures(*rows), flag]))

    def on_replicas(step):
        return tf.function(lambda rows, flag: strategy.run(
            step, rows, {"flag": flag}))

    return on_replicas(train), on_replicas(test)


def distributed_batches(strategy, features: np.ndarray, targets: np.ndarray,
                        size: int, sampled: Iterable) -> Iterator[tuple]:
    """Yield (number of rows, argument of a step) for each batch, prefetched.

    sampled: the rows of each batch, at most `size`, int (n,), and the
    dropout factors of their pooled features, float32 (n, 1280).
    The argument holds, for each replica, float32 features, int32 targets,
    the factors, and the share of each row in the batch's mean.  All replicas
    get the same number of rows, at least one: they are padded with rows whose
    share is 0.
    """
    count, local = strategy.num_replicas_in_sync, local_replicas(strategy)
    longest = -(-min(size, len(targets)) // count)

    def pad(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, np.zeros(
            (longest - len(rows), *rows.shape[1:]), rows.dtype)])

    def load(batch: tuple) -> tuple[int, list]:
        rows, factors = batch
        shares = np.full(len(rows), 1 / len(rows), np.float32)
        return len(rows), [
            [pad(values) for values in (
                features[rows[part]].astype(np.float32),
                targets[rows[part]].astype(np.int32), factors[part],
                shares[part])]
            for part in (share_rows(len(rows), count)[replica]
                         for replica in local)]

    for rows, replicas in prefetch(load, sampled):
        yield rows, tuple(scatter(strategy, values)
                          for values in zip(*replicas))
