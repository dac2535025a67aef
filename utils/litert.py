"""A network in a LiteRT file, run on the processor."""

import os

import numpy as np

from utils.cli import without_chatter


class Network:
    """A LiteRT model in memory; call it with a batch of images.

    Not to be used by two threads at once: the interpreter keeps its tensors
    between setting and reading them.
    """

    def __init__(self, content: bytes, threads: int | None = None) -> None:
        """Prepare a model, given as the content of a .tflite file.

        threads: among which one call is divided; None: one a core.
        Raises ValueError where it is none.
        """
        with without_chatter():
            from ai_edge_litert.interpreter import Interpreter
            try:
                self._interpreter = Interpreter(
                    model_content=content,
                    num_threads=threads or os.cpu_count() or 1)
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"no LiteRT model: {error}") from None
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = self._interpreter.get_output_details()
        # LiteRT orders outputs as it likes; their names tell the order.
        self._outputs = [output["index"] for output in
                         sorted(outputs, key=lambda output: output["name"])]
        self._batch = 0

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        """Return each output, (N, ...), for float32 images (N, H, W, 3)."""
        if len(images) != self._batch:
            self._interpreter.resize_tensor_input(self._input, images.shape)
            with without_chatter():
                self._interpreter.allocate_tensors()
            self._batch = len(images)
        self._interpreter.set_tensor(self._input, images)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index)
                for index in self._outputs]
