from matplotlib.colors import to_hex

from keras_nas.report import AtomBlock
from keras_nas.report import figure as figures
from keras_nas.report import plot_atoms

ATOMS = [
    AtomBlock("front", {3: 4, 7: 12}, {3: 16, 5: 16, 7: 32}, False),
    AtomBlock("dead", {}, {3: 10, 5: 10}),
    AtomBlock("whole", {5: 6}, {5: 6}),
]


def bars_by_color(axes):
    """Returns the (row, start, length) of the bars of each color."""
    bars = {}
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        line = row, bar.get_x(), bar.get_width()
        bars.setdefault(to_hex(bar.get_facecolor()).upper(), []).append(line)
    return bars


def test_atoms_lie_behind_each_other(drawn, tmp_path):
    plot_atoms(ATOMS, tmp_path / "atoms.png")
    left, right = drawn[0].axes
    assert bars_by_color(left) == {
        figures.BLUE: [(0, 0, 4), (1, 0, 0), (2, 0, 0)],
        figures.ORANGE: [(0, 4, 0), (1, 0, 0), (2, 0, 6)],
        figures.GREEN: [(0, 4, 12), (1, 0, 0), (2, 6, 0)],
    }
    assert bars_by_color(right) == {
        figures.BLUE: [(0, 0, 1 / 16), (1, 0, 0), (2, 0, 0)],
        figures.ORANGE: [(0, 1 / 16, 0), (1, 0, 0), (2, 0, 1)],
        figures.GREEN: [(0, 1 / 16, 3 / 16), (1, 0, 0), (2, 1, 0)],
        figures.LIGHT: [(0, 0.25, 0.75), (1, 0, 1), (2, 1, 0)],
    }
    texts = [text.get_text() for text in left.texts]
    assert texts == ["16 of 64", "0 of 20", "6 of 6"]
    texts = [text.get_text() for text in right.texts]
    assert texts == ["25%", "0%", "100%"]


def test_blocks_without_shortcut_are_bold(drawn, tmp_path):
    for blocks in (ATOMS, ATOMS[1:]):
        plot_atoms(blocks, tmp_path / "atoms.png")
    names = [
        (label.get_text(), label.get_fontweight() == "bold")
        for label in drawn[0].axes[0].get_yticklabels()
    ]
    assert names == [("front", True), ("dead", False), ("whole", False)]
    first, second = (
        [text.get_text() for text in figure.legends[0].get_texts()]
        for figure in drawn
    )
    assert first == ["3x3", "5x5", "7x7", "dead", "bold: no shortcut"]
    assert second == ["3x3", "5x5", "dead"]


def test_percent_of_atoms_is_not_rounded_to_none_or_all(drawn, tmp_path):
    kept = [1, 5, 6, 994, 995, 999]
    blocks = [AtomBlock("a", {3: count}, {3: 1000}) for count in kept]
    plot_atoms(blocks, tmp_path / "atoms.png")
    texts = [text.get_text() for text in drawn[0].axes[1].texts]
    assert texts == ["<1%", "<1%", "1%", "99%", ">99%", ">99%"]


def test_many_kernel_sizes_look_different(drawn, tmp_path):
    sizes = range(1, 26, 2)
    counts = dict.fromkeys(sizes, 4)
    plot_atoms([AtomBlock("a", counts, counts)], tmp_path / "atoms.png")
    looks = {
        (bar.get_facecolor(), bar.get_hatch())
        for bar in drawn[0].axes[0].patches
    }
    assert len(looks) == len(sizes)


def test_forty_blocks_with_long_names_stay_readable(
    drawn, text_boxes, tmp_path
):
    counts = {3: 6000, 5: 6000, 7: 6000}
    name = "STAGE_OF_A_$NESTED$_MODEL_BLOCK{}_DEPTHWISE"
    blocks = [
        AtomBlock(name.format(i), counts, counts, has_shortcut=False)
        for i in range(40)
    ]
    plot_atoms(blocks, tmp_path / "atoms.png")
    left, right = drawn[0].axes
    renderer = drawn[0].canvas.get_renderer()
    names = [
        label.get_window_extent(renderer) for label in left.get_yticklabels()
    ]
    for above, below in zip(names, names[1:], strict=False):
        assert below.y1 <= above.y0
    assert min(box.x0 for box in names) >= 0
    counts, shares = text_boxes(left), text_boxes(right)
    assert max(box.x1 for box in counts) < right.get_window_extent().x0
    assert max(box.x1 for box in shares) <= drawn[0].bbox.x1
