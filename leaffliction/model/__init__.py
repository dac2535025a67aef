"""The trained model: its bundle (learnings.zip), Classifier, OOD detector.

Training writes it, prediction reads it.  Also metrics, and downloaded files.
"""
