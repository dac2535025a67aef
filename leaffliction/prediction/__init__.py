"""Step 5, predict.py: predict many images; text, figure, CSV and JSON."""
