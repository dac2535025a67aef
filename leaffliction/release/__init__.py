"""The released models: what they learn from, and how well they do.

`make release` runs it (__main__.py); nothing else imports this package.
"""
