"""What two or more of the five programs share, one topic a file."""
