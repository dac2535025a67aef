"""Several computers: Dask for images, TF_CONFIG for training.

Imported only if the user asks for it.
"""
