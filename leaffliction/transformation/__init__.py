"""Step 3, Transformation.py: find leaves and lesions, measure, draw views."""
