"""Step 4, train.py: split the images, train the network, export, evaluate.

config.py has the settings, loop.py the training itself.
"""
