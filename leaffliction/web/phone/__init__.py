"""The page for a phone's browser: a folder of files that needs no program."""
