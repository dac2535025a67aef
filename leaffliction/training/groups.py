"""Which images show the same leaf: the groups by which a dataset is split.

Three sources say which images belong together: the CSV of --groups, their
file names (augmented copies) and their pixels (near-identical images).  What
any of them joins is one leaf, and the split puts a leaf into one set only.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leaffliction.utils.console import print_note
from leaffliction.utils.labels import Dataset


def join_groups(clusters: np.ndarray, leaves: Sequence[str | None],
                files: Sequence[Path]) -> list[str]:
    """Return the leaf of each image, (N,), from all sources together.

    clusters: int (N,), the same index for images of the same photograph.
    leaves: of each image by the CSV, or None.  A leaf that the CSV does not
    name gets the path of its first file as its name.
    Leaves of the CSV that share a photograph become one, and a note counts
    them.  (Union-find: Galler and Fischer 1964.)
    """
    # Nodes are clusters (int) and leaves (str); joined nodes have one root.
    parents: dict = {}

    def find_root(node):
        while parents.setdefault(node, node) != node:
            parents[node] = node = parents[parents[node]]
        return node

    joined = []
    for cluster, leaf in zip(clusters.tolist(), leaves):
        if leaf is not None and find_root(leaf) != find_root(cluster):
            # The root of a cluster is a leaf once the cluster has one.
            if isinstance(find_root(cluster), str):
                joined.append((find_root(cluster), leaf))
            parents[find_root(cluster)] = find_root(leaf)
    if joined:
        print_note(
            "pairs of leaves in the CSV that share a photograph (near-"
            "identical, turned, or an augmented copy), and so are one leaf: "
            "{} ({!r} and {!r})".format(len(joined), *joined[0]))
    roots = [find_root(cluster) for cluster in clusters.tolist()]
    return [files[root].as_posix() if isinstance(root, int) else root
            for root in roots]


def note_leaves_in_several_classes(leaves: Sequence[str | None],
                                   classes: Sequence[str]) -> None:
    """Print a note on the leaves of the CSV that are in several classes.

    leaves: of each image by the CSV, or None.  classes: of each image.
    """
    # Dictionaries, not sets: the classes in the order of the images.
    classes_of = defaultdict(dict)
    for leaf, class_name in zip(leaves, classes):
        if leaf is not None:
            classes_of[leaf][class_name] = True
    if shared := [leaf for leaf, names in classes_of.items()
                  if len(names) > 1]:
        print_note(
            f"leaves of the CSV that are in several classes: {len(shared)} "
            f"({shared[0]!r} in {', '.join(classes_of[shared[0]])}); each "
            "stays in one set of the split; if every class numbers its "
            "leaves anew, put the class in front of the number")


def find_contradictions(dataset: Dataset, clusters: np.ndarray) -> np.ndarray:
    """Return which images show a photograph of several classes, bool (N,).

    clusters: int (N,), the same index for images of the same photograph.
    A note counts the photographs and names two files.
    """
    contradictions = clusters_in_several_classes(clusters, dataset.labels)
    is_contradicting = np.zeros(len(dataset.files), bool)
    for images in contradictions:
        is_contradicting[images] = True
    if contradictions:
        images = contradictions[0]
        first, other = images[0], next(
            image for image in images
            if dataset.labels[image] != dataset.labels[images[0]])
        print_note(
            f"photographs in several classes: {len(contradictions)}, as "
            f"{is_contradicting.sum()} images ({str(dataset.files[first])!r} "
            f"and {str(dataset.files[other])!r}; Distribution.py lists all)")
    return is_contradicting


def clusters_in_several_classes(clusters: np.ndarray, labels: np.ndarray
                                ) -> list[np.ndarray]:
    """Return the images of each cluster whose images differ in their label.

    clusters, labels: int (N,).
    """
    order = np.argsort(clusters, kind="stable")
    _, starts = np.unique(clusters[order], return_index=True)
    return [images for images in np.split(order, starts[1:])
            if len(set(labels[images].tolist())) > 1]
