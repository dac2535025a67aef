"""Run a network on the processor with LiteRT, without TensorFlow."""

from queue import Empty, SimpleQueue

import numpy as np

from leaffliction.utils.console import suppress_native_stderr


class Network:
    """A LiteRT model of one image, in memory; call it with some images.

    They run one after the other: LiteRT.js wants a fixed batch, and on a
    processor one image at a time is also the fastest
    (benchmarks/learning.py).
    Any number of threads may call it at once.  An interpreter holds its
    tensors between setting the input and reading the outputs, so each
    concurrent call uses an interpreter of its own, from a pool.
    Pickled, it is the model alone; the receiver builds new interpreters.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Load a model, given as the content of a .tflite file.

        threads: threads that LiteRT uses for one call.
        Raises ValueError where the content is no LiteRT model, and
        RuntimeError where LiteRT cannot run it.
        """
        self.content, self.threads = content, threads
        self._idle = SimpleQueue()
        self._idle.put(_Interpreter(content, threads))

    def __reduce__(self) -> tuple:
        return Network, (self.content, self.threads)

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, (N, ...), for float32 images (N, H, W, 3).

        Raises ValueError for images of another size than the model's.
        """
        try:
            interpreter = self._idle.get_nowait()
        except Empty:
            interpreter = _Interpreter(self.content, self.threads)
        try:
            outputs = [interpreter.run(images[row:row + 1])
                       for row in range(len(images))]
        finally:
            self._idle.put(interpreter)
        return [np.concatenate(parts) for parts in zip(*outputs)]


class _Interpreter:
    """A LiteRT interpreter, for one thread at a time."""

    def __init__(self, content: bytes, threads: int) -> None:
        with suppress_native_stderr():
            from ai_edge_litert.interpreter import Interpreter
            try:
                self._interpreter = Interpreter(
                    model_content=content, num_threads=threads)
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"no LiteRT model: {error}") from None
            # Networks of earlier versions declare any batch: unless told
            # otherwise, LiteRT prepares them for one image too.
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        # LiteRT lists the outputs in any order; their names (Identity,
        # Identity_1, ...) sort in the order of the Keras model's outputs.
        self._outputs = [output["index"] for output in sorted(
            self._interpreter.get_output_details(),
            key=lambda output: output["name"])]

    def run(self, image: np.ndarray) -> list[np.ndarray]:
        """Return each output, (1, ...), for a float32 image (1, H, W, 3)."""
        self._interpreter.set_tensor(self._input, image)
        self._interpreter.invoke()
        # get_tensor copies: the next call does not overwrite the result.
        return [self._interpreter.get_tensor(index)
                for index in self._outputs]
