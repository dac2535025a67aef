"""Paths on a disk or in an object store, and one set of operations for both.

    paths          from the text of a command line to a path
    operations     questions about a path; read, link, copy, delete
    trees          the files below a folder
    writing        write a file completely or not at all; locks
    wildcards      paths with * ? [
    object_store   StorePath, on fsspec

A path on a disk is a pathlib.Path; one with a scheme, "s3://bucket/images",
is a StorePath, which has the same methods.  Callers never ask which of the
two they have, and annotate both as Path: what the methods of pathlib cannot
do for both is a function of this package.  These functions raise OSError;
utils/files.py turns that into messages.

Each function implements the disk's side itself and hands a StorePath to its
method of the same name, so that fsspec and the packages of the stores are
imported only for a path that has a scheme.
"""

from leaffliction.utils.storage.operations import (copy_within_store,
                                                   delete_if_permitted,
                                                   download, hard_link,
                                                   is_device, is_disk_file,
                                                   is_folder, is_special_file,
                                                   lexists, match_wildcards,
                                                   open_seekable, read_ends,
                                                   same_file, same_target)
from leaffliction.utils.storage.paths import (absolute_name, common_folder,
                                              is_inside, natural_key, path_of,
                                              require_disk, resolved,
                                              scratch_parent)
from leaffliction.utils.storage.trees import Tree, list_files, open_tree
from leaffliction.utils.storage.wildcards import has_wildcards
from leaffliction.utils.storage.writing import (FileLockedError, locked_folder,
                                                remove_partial, staged_write)

__all__ = ["FileLockedError", "Tree", "absolute_name", "common_folder",
           "copy_within_store", "delete_if_permitted", "download", "hard_link",
           "has_wildcards", "is_device", "is_disk_file", "is_folder",
           "is_inside", "is_special_file", "lexists", "list_files",
           "locked_folder", "match_wildcards", "natural_key", "open_seekable",
           "open_tree", "path_of", "read_ends", "remove_partial",
           "require_disk", "resolved", "same_file", "same_target",
           "scratch_parent", "staged_write"]
