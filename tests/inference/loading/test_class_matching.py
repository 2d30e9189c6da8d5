"""A class of the data finds its model output by WordNet id, by name, by position, or not at all."""

import csv
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Subset
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet18_Weights

from pytest_robustness.core import ClassLabel, ClassMatch
from pytest_robustness.core.dataset import has_own_labels
from pytest_robustness.core.errors import DataError
from pytest_robustness.data import open_source
from pytest_robustness.data.map_style.dataset import adapt
from pytest_robustness.inference.loading.class_matching import answer_naming, display_names, imagenet_classes, match

IMAGENET = Path(__file__).resolve().parents[3] / "../shared/data/imagenet-sample"
needs_imagenet = pytest.mark.skipif(not IMAGENET.is_dir(), reason="the ImageNet sample is not beside the checkout")

CATEGORIES = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
WNIDS = list(imagenet_classes())


def labels(*keys: str) -> list[ClassLabel]:
    return [ClassLabel(key, key) for key in keys]


def refusal(*arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        match(*arguments)
    return str(caught.value)


def test_the_table_is_torchvisions_categories_in_the_order_of_wordnet_ids():
    assert list(imagenet_classes().values()) == CATEGORIES
    assert sorted(set(WNIDS)) == WNIDS
    # Known pairs, from ImageNet's own documentation.
    assert WNIDS[0] == "n01440764"
    assert imagenet_classes()["n03126707"] == "crane"
    assert imagenet_classes()["n02012849"] == "crane bird"
    assert imagenet_classes()["n15075141"] == "toilet tissue"


@pytest.mark.real_data
@needs_imagenet
@pytest.mark.parametrize("model_classes", [CATEGORIES, WNIDS, None], ids=["names", "wordnet ids", "no list"])
def test_imagenets_folders_match_in_order(model_classes):
    source = open_source(f"folder:{IMAGENET}")
    assert match(source.classes, 1000, model_classes, "resnet18") == ClassMatch("wordnet id", tuple(range(1000)))


@pytest.mark.real_data
@needs_imagenet
def test_every_imagenet_file_is_called_as_the_table_names_its_class():
    # The files carry a synonym of their class; the crane that flies and the one that lifts must not be mixed up.
    agree = 0
    for wnid, name in imagenet_classes().items():
        file = next((IMAGENET / wnid).iterdir()).stem.partition("_")[2]
        agree += file.replace("_", " ").casefold() == name.casefold()
    assert agree >= 990


def test_a_subset_matches_by_wordnet_id_in_any_order():
    classes = labels("n03888257", "n01440764", "n02102040")
    expected = ClassMatch("wordnet id", (701, 0, 217))
    assert match(classes, 1000, CATEGORIES, "m") == expected
    assert match(classes, 1000, None, "m") == expected
    assert match(classes, 3, ["n01440764", "n02102040", "n03888257"], "m") == ClassMatch("wordnet id", (2, 0, 1))


def test_a_background_class_before_imagenets_moves_every_output_by_one():
    classes = labels("n01440764", "n15075141")
    assert match(classes, 1001, ["background", *CATEGORIES], "m").outputs == (1, 1000)
    assert match(classes, 1001, None, "m") == ClassMatch("wordnet id", (1, 1000))


def test_lists_that_call_two_classes_alike_are_still_imagenets():
    older = list(CATEGORIES)
    older[134], older[639] = "crane", "maillot"
    classes = labels("n02012849", "n03126707", "n03710637", "n03710721")
    assert match(classes, 1000, older, "m") == ClassMatch("wordnet id", (134, 517, 638, 639))


def test_a_list_in_another_order_is_matched_by_its_names():
    swapped = list(CATEGORIES)
    swapped[3], swapped[8] = swapped[8], swapped[3]
    assert match(labels(WNIDS[3], WNIDS[8], WNIDS[9]), 1000, swapped, "m") == ClassMatch("name", (8, 3, 9))


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(1000)))
def test_wordnet_ids_match_under_any_permutation(order):
    listed = [WNIDS[place] for place in order]
    found = match(labels(*WNIDS), 1000, listed, "m")
    assert [listed[output] for output in found.outputs] == WNIDS


def test_names_match_whatever_their_case_and_separators():
    classes = labels("Golden_Retriever", "great white-shark", " tabby ")
    found = match(classes, 4, ["tabby", "fox", "great_white_shark", "golden retriever"], "m")
    assert found == ClassMatch("name, case-folded", (3, 2, 0))


@pytest.mark.parametrize(
    ("data", "listed", "expected"),
    [
        (["Cat", "cat"], ["cat", "Cat"], ("name", (1, 0))),
        (["Cat", "cat", "dog"], ["dog", "cat", "Cat", "CAT"], ("name", (2, 1, 0))),
        (["Polish", "polish"], ["polish", "Polish"], ("name", (1, 0))),
        (["a b", "a_b"], ["a_b", "a b"], ("name", (1, 0))),
        (["caf\u00e9"], ["cafe\u0301"], ("name, Unicode-normalized", (0,))),
        (["cafe\u0301", "caf\u00e9"], ["caf\u00e9", "cafe\u0301"], ("name", (1, 0))),
        (["CAF\u00c9"], ["cafe\u0301"], ("name, case-folded", (0,))),
        (["STRASSE"], ["Stra\u00dfe"], ("name, case-folded", (0,))),
        (["tench"], ["tench, Tinca tinca"], ("first synonym", (0,))),
        (["Tench", "fox"], ["fox", "tench, Tinca tinca"], ("first synonym", (1, 0))),
        (["a", "B"], ["b", "a"], ("name, case-folded", (1, 0))),
        (["\u212b"], ["\u00c5"], ("name, Unicode-normalized", (0,))),
    ],
)
def test_names_are_compared_as_they_are_first_and_then_ever_more_loosely(data, listed, expected):
    assert match(labels(*data), len(listed), listed, "m") == ClassMatch(*expected)


def test_an_output_belongs_to_the_class_that_is_closest():
    message = refusal(labels("tench", "Tench"), 2, ["tench", "fox"], "m")
    assert message.startswith("1 of 2 classes of the data have no output of m to themselves: Tench. ")


WORDS = st.lists(
    st.text(st.sampled_from("aA\u00e4\u00c4 _,e\u0301\u00e9\u00df"), min_size=1, max_size=4), unique=True, min_size=1
)


@given(WORDS, st.randoms())
def test_classes_that_are_called_exactly_as_the_outputs_are_matched_exactly(words, random):
    listed = random.sample(words, len(words))
    found = match(labels(*words), len(words), listed, "m")
    assert [listed[output] for output in found.outputs] == words
    assert found.method == "name"


@given(WORDS, WORDS)
def test_a_match_gives_each_class_an_output_of_its_own_whose_name_folds_to_the_same(words, listed):
    try:
        found = match(labels(*words), len(listed), listed, "m")
    except DataError:
        return
    assert len(set(found.outputs)) == len(words)
    for word, output in zip(words, found.outputs, strict=True):
        assert folded(word) & folded(listed[output])


def folded(name: str) -> set[str]:
    """Return a name and its first synonym, without case, separators and the way its marks are encoded."""
    forms = (unicodedata.normalize("NFKD", each.casefold()) for each in (name, name.partition(",")[0]))
    return {" ".join(each.replace("_", " ").split()) for each in forms}


@pytest.mark.parametrize("count", [1, 3, 10, 11, 120])
@pytest.mark.parametrize("form", ["{}", "{:03}"])
def test_classes_that_are_called_by_numbers_are_matched_by_them(count, form):
    names = sorted(form.format(number) for number in range(count))
    assert match(labels(*names), count, None, "m") == ClassMatch("number", tuple(int(name) for name in names))


@pytest.mark.parametrize(
    "names", [["1", "2"], ["0", "2"], ["0", "1", "x"], ["0", "00"], ["-1", "0"], ["9" * 5000, "0"]]
)
def test_numbers_that_are_not_those_of_the_outputs_are_a_position(names):
    assert match(labels(*names), len(names), None, "m") == ClassMatch("position", tuple(range(len(names))))


def test_a_name_matches_where_the_key_does_not():
    classes = [ClassLabel("n01440764", "tench"), ClassLabel("01", "Fox")]
    assert match(classes, 2, ["fox", "tench, Tinca tinca"], "m") == ClassMatch("first synonym", (1, 0))


def test_a_wordnet_folder_matches_a_model_that_names_its_classes():
    assert match(labels("n01440764", "n01443537"), 2, ["goldfish", "tench"], "m") == ClassMatch("name", (1, 0))


def test_a_named_folder_matches_a_model_that_lists_wordnet_ids():
    assert match(labels("tench", "goldfish"), 1000, WNIDS, "m") == ClassMatch("name", (0, 1))


def test_the_whole_name_decides_before_its_first_synonym():
    assert match(labels("crane, bird", "crane"), 2, ["crane", "crane, bird"], "m") == ClassMatch("name", (1, 0))


def test_without_a_class_list_equal_counts_match_by_position():
    assert match(labels("b", "a", "c"), 3, None, "m") == ClassMatch("position", (0, 1, 2))
    assert match(labels("n01440764", "n01443537"), 2, None, "m") == ClassMatch("position", (0, 1))


def test_a_class_list_that_names_none_of_the_classes_is_an_error_and_not_a_position():
    assert refusal(labels("cat", "dog"), 2, ["tench", "goldfish"], "resnet18") == (
        "2 of 2 classes of the data have no output of resnet18 to themselves: cat, dog. Name their folders by WordNet "
        "id or as the model names its classes (it begins with tench; goldfish), or leave them out of the data."
    )


def test_classes_without_an_output_are_named_ten_at_most():
    strangers = [f"stranger {number}" for number in range(12)]
    assert refusal(labels("tench", *strangers), 1000, CATEGORIES, "resnet18") == (
        "12 of 13 classes of the data have no output of resnet18 to themselves: stranger 0, stranger 1, stranger 2, "
        "stranger 3, stranger 4, stranger 5, stranger 6, stranger 7, stranger 8, stranger 9, …. Name their folders by "
        "WordNet id or as the model names its classes (it begins with tench; goldfish; great white shark), or leave "
        "them out of the data."
    )


def test_a_stranger_among_imagenets_folders_is_named():
    message = refusal(labels("n01440764", "extra"), 1000, None, "m")
    assert message.startswith("1 of 2 classes of the data have no output of m to themselves: extra. ")


@pytest.mark.parametrize(
    ("classes", "listed"),
    [(("Tench", "TENCH"), ["tench", "fox"]), (("Tench", "fox"), ["tench", "TENCH", "fox"])],
    ids=["in the data", "in the model"],
)
def test_two_classes_of_the_same_name_are_not_matched_by_name(classes, listed):
    assert "have no output of m to themselves: " in refusal(labels(*classes), len(listed), listed, "m")


def test_a_class_list_of_another_length_than_the_outputs_is_an_error():
    assert refusal(labels("a"), 1001, CATEGORIES, "resnet18") == (
        "resnet18 has 1,001 outputs, but its class list has 1,000 entries. Give the model one class name or WordNet id "
        "for each output."
    )


ONE_LOGIT = (
    "Give the model an output for each of the two classes: where z [B, 1] is the logit of the second, let it return "
    "torch.cat([torch.zeros_like(z), z], 1)."
)


@pytest.mark.parametrize(
    ("classes", "outputs", "listed", "said"),
    [
        (2, 1, 2, f"m has 1 output, but its class list has 2 entries. {ONE_LOGIT}"),
        (
            2,
            1,
            None,
            (
                "m has 1 output and no class list, and the data has 2 classes, so that they cannot be matched by "
                f"position. {ONE_LOGIT}"
            ),
        ),
        (
            3,
            1,
            3,
            (
                "m has 1 output, but its class list has 3 entries. Give the model one class name or WordNet id for "
                "each output."
            ),
        ),
        (
            2,
            2,
            1,
            (
                "m has 2 outputs, but its class list has 1 entry. Give the model one class name or WordNet id for "
                "each output."
            ),
        ),
        (
            1,
            3,
            None,
            (
                "m has 3 outputs and no class list, and the data has 1 class, so that they cannot be matched by "
                "position. Give the model its class list (Model(..., classes=[...])), or data with 3 classes."
            ),
        ),
        (
            3,
            1,
            None,
            (
                "m has 1 output and no class list, and the data has 3 classes, so that they cannot be matched by "
                "position. Give the model its class list (Model(..., classes=[...])), or data with 1 class."
            ),
        ),
    ],
)
def test_one_output_for_two_classes_is_made_two(classes, outputs, listed, said):
    names = ["a", "b", "c"]
    assert refusal(labels(*names[:classes]), outputs, None if listed is None else names[:listed], "m") == said


@given(st.floats(-30, 30, width=32))
def test_the_two_outputs_that_are_proposed_have_the_probabilities_of_the_one(z):
    logit = torch.tensor([[z]], dtype=torch.float64)
    both = torch.cat([torch.zeros_like(logit), logit], 1).softmax(1)
    torch.testing.assert_close(both, torch.cat([1 - logit.sigmoid(), logit.sigmoid()], 1))


def test_without_a_class_list_different_counts_are_an_error():
    assert refusal(labels("a", "b", "c"), 10, None, "net") == (
        "net has 10 outputs and no class list, and the data has 3 classes, so that they cannot be matched by position. "
        "Give the model its class list (Model(..., classes=[...])), or data with 10 classes."
    )


def test_a_wordnet_id_without_a_name_is_shown_by_its_imagenet_name():
    classes = [*labels("n01440764", "cat", "n99999999"), ClassLabel("n01443537", "Goldie")]
    assert display_names(classes) == ["tench", "cat", "n99999999", "Goldie"]


def test_matching_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from pytest_robustness.inference.loading.class_matching import imagenet_classes; "
        "imagenet_classes(); sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_table_is_plain_csv_with_a_header():
    import pytest_robustness.inference.loading.class_matching as module

    with Path(module.__file__).with_name("imagenet_classes.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.reader(table))
    assert rows[0] == ["wnid", "name"]
    assert {len(row) for row in rows} == {2}
    assert len(rows) == 1001


@pytest.mark.parametrize("background", [0, 1])
def test_an_output_outside_of_the_data_is_called_what_imagenet_calls_it(background):
    wnids = [*imagenet_classes()]
    classes = [ClassLabel(wnids[i], wnids[i]) for i in (0, 217, 482)]
    naming = answer_naming(np.array([0, 217, 482]) + background, classes, ["tench", "springer", "player"])
    assert naming(217 + background) == "springer"
    assert naming(1 + background) == imagenet_classes()[wnids[1]]
    assert naming(1000 + background) == f"output {1000 + background}"


def test_an_output_of_no_known_place_is_called_by_its_number():
    wnids = [*imagenet_classes()]
    classes = [ClassLabel(wnids[0], "tench"), ClassLabel(wnids[217], "springer")]
    naming = answer_naming(np.array([0, 1]), classes, ["tench", "springer"])
    assert [naming(i) for i in range(3)] == ["tench", "springer", "output 2"]


TEXT_ORDER = sorted(map(str, range(11)))


@pytest.mark.parametrize(
    ("names", "own_labels", "method", "outputs"),
    [
        (TEXT_ORDER, False, "number", tuple(map(int, TEXT_ORDER))),
        (TEXT_ORDER, True, "position", tuple(range(11))),
        (["2", "0", "1"], False, "number", (2, 0, 1)),
        (["2", "0", "1"], True, "position", (0, 1, 2)),
        # Where both are the same, nothing is in doubt.
        (["0", "1", "2"], True, "number", (0, 1, 2)),
        (["00", "01", "02"], True, "number", (0, 1, 2)),
        (["b", "a"], True, "position", (0, 1)),
        (WNIDS, True, "wordnet id", tuple(range(1000))),
    ],
    ids=str,
)
def test_labels_that_a_dataset_gives_by_itself_come_before_the_numbers_of_its_names(names, own_labels, method, outputs):
    found = match(labels(*names), len(names), None, "m", own_labels=own_labels)
    assert found == ClassMatch(method, outputs)
    assert match(labels(*names), len(names), names, "m", own_labels=own_labels).outputs == tuple(range(len(names)))


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Folders called 0 to 10, with an image each that is as bright as its number says."""
    from PIL import Image

    root = tmp_path_factory.mktemp("numbered")
    for number in range(11):
        (root / str(number)).mkdir()
        Image.new("RGB", (8, 8), (20 * number,) * 3).save(root / str(number) / "a.png")
    return root


class Brightness(torch.nn.Module):
    """Has the outputs that training on the labels of ``dataset`` gives, or on the numbers of the folders."""

    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, images):
        number = (images.mean((1, 2, 3)) * 255 / 20)[:, None]
        return -(number - torch.tensor(self.order, dtype=torch.float32)).abs()


KINDS = {
    "folder": lambda root: open_source(f"folder:{root}"),
    "ImageFolder": lambda root: adapt("data", ImageFolder(root)),
    "Subset": lambda root: adapt("data", Subset(ImageFolder(root), range(11))),
    "a user's source": lambda root: adapt("data", Own(root)),
}


class Own:
    """A `DataSource` of a user's own, over an ImageFolder."""

    name, in_memory = "own", True

    def __init__(self, root):
        self._images = ImageFolder(root)
        self.classes = labels(*self._images.classes)
        self.labels = np.array(self._images.targets)

    def read(self, index):
        return torch.from_numpy(np.array(self._images[index][0])).permute(2, 0, 1)

    def describe(self, index):
        return f"own[{index}]"


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_was_trained_on_a_dataset_is_judged_by_the_labels_of_that(numbered, kind):
    source = KINDS[kind](numbered)
    # What a training loop on the same data would have made: the label is the output.
    order = range(11) if kind == "folder" else [int(name) for name in ImageFolder(numbered).classes]
    net = Brightness(list(order))
    images = torch.stack([source.read(index) for index in range(11)])
    answers = net(images / 255).argmax(1).numpy()
    found = match(source.classes, 11, None, "m", own_labels=has_own_labels(source))
    assert (answers == np.array(found.outputs)[source.labels]).all()


def test_a_factorys_dataset_has_its_own_labels_too(numbered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sets.py").write_text(
        f"from torchvision.datasets import ImageFolder\ndef photos():\n    return ImageFolder({str(numbered)!r})\n"
    )
    source = open_source("python:sets.py:photos")
    assert has_own_labels(source)
    assert match(source.classes, 11, None, "m", own_labels=has_own_labels(source)).outputs == tuple(range(11))
