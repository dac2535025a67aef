"""The characters by which a path is a pattern."""

import re

WILDCARD = re.compile(r"[*?[]")
