"""Step 1, Distribution.py: inspect images, find duplicates, draw charts."""
