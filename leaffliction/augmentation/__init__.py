"""Step 2, Augmentation.py: augment images, and balance classes with them."""
