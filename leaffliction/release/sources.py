"""Where the photographs of a released model come from, and their terms."""

from dataclasses import dataclass

from leaffliction.release.photographs import (LABORATORY, ORCHARD, STRANGERS,
                                              WEB)


@dataclass(frozen=True)
class Source:
    """A data set of which photographs are used.

    shows: what they show.  domain: that of the split whose photographs are
    learned from, "" where they only judge.  dataset: its identifier on
    Hugging Face, "" where it has none.
    """

    name: str
    shows: str
    domain: str
    citation: str
    licence: str
    dataset: str = ""


SOURCES = (
    Source("PlantVillage", "single leaves on a plain ground", LABORATORY,
           "Hughes and Salathé 2015, "
           "[arXiv:1511.08060](https://arxiv.org/abs/1511.08060)",
           "CC BY; the copy that one of its authors keeps on Hugging Face is "
           "labelled CC BY-SA 3.0", "mohanty/PlantVillage"),
    Source("Plant Pathology 2021 (FGVC8)",
           "apple leaves on the tree, one disease each", ORCHARD,
           "Thapa et al. 2020, [doi:10.1002/aps3.11390]"
           "(https://doi.org/10.1002/aps3.11390)",
           "competition data of Kaggle: see below",
           "timm/plant-pathology-2021"),
    Source("PlantDoc", "leaves of other plants, photographed outdoors",
           STRANGERS, "Singh et al. 2019, "
           "[arXiv:1911.10317](https://arxiv.org/abs/1911.10317)",
           "CC BY 4.0"),
    Source("PlantDoc", "apple and grape leaves from the web", WEB,
           "as above", "CC BY 4.0"),
    Source("Augmented PlantVillage", "everyday pictures without a leaf", "",
           "Geetharamani and Pandian 2019, "
           "[doi:10.1016/j.compeleceng.2019.04.011]"
           "(https://doi.org/10.1016/j.compeleceng.2019.04.011)",
           "CC BY 4.0"))

# The terms that follow for the weights.  Each is a paragraph.
TERMS = (
    "The program is under the MIT licence, and this project puts no terms of "
    "its own on the weights. Whether the terms of photographs bind a network "
    "that has learned from them is not settled; the archive holds none of "
    "the photographs. The strictest terms are these:",
    "- **Orchard photographs.** They come from a competition on Kaggle, and "
    "its rules come before all else. As others report them, the rules of its "
    "2020 edition name Apache 2.0 for the photographs, but only for those who "
    "have accepted the rules; a copy of the 2021 edition on Hugging "
    "Face is labelled Apache 2.0. Rules of such competitions often allow no "
    "use but the competition, research and education. This project has not "
    "read the rules of 2021 itself, and assumes that they do so too.",
    "- **First weights.** Training starts from MobileNetV2 as Keras "
    "distributes it (Apache 2.0), which has learned from ImageNet; "
    "photographs of ImageNet are for non-commercial research and education.",
    "So: use the weights for research, teaching and your own plants, and name "
    "the sources. Before you sell them, or a service that rests on them, "
    "read the competition's rules or ask its organisers.")
