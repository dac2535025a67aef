"""A network in a LiteRT file, run on the processor."""

from queue import Empty, SimpleQueue

import numpy as np

from leaffliction.utils.console import suppress_native_stderr


class Network:
    """A LiteRT model in memory; call it with a batch of images.

    Any number of threads may call it at once: an interpreter keeps its
    tensors between setting and reading them, so each has one of its own.
    It travels to other processes as the model alone.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        """Prepare a model, given as the content of a .tflite file.

        threads: among which one call is divided.
        Raises ValueError where it is none.
        """
        self.content, self.threads = content, threads
        self._idle = SimpleQueue()
        self._idle.put(_Interpreter(content, threads))

    def __reduce__(self) -> tuple:
        return Network, (self.content, self.threads)

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, (N, ...), for float32 images (N, H, W, 3)."""
        try:
            interpreter = self._idle.get_nowait()
        except Empty:
            interpreter = _Interpreter(self.content, self.threads)
        try:
            return interpreter.run(images)
        finally:
            self._idle.put(interpreter)


class _Interpreter:
    """LiteRT's interpreter of a model, for one thread at a time."""

    def __init__(self, content: bytes, threads: int) -> None:
        with suppress_native_stderr():
            from ai_edge_litert.interpreter import Interpreter
            try:
                self._interpreter = Interpreter(
                    model_content=content, num_threads=threads)
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"no LiteRT model: {error}") from None
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        # LiteRT orders outputs as it likes; their names tell the order.
        self._outputs = [output["index"] for output in
                         sorted(outputs, key=lambda output: output["name"])]
        self._batch = 0

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        if len(images) != self._batch:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            with suppress_native_stderr():
                self._interpreter.allocate_tensors()
            self._batch = len(images)
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)
                for index in self._outputs]
