import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch):
    """Collects the figures that are written."""
    figures, save = [], Figure.savefig

    def savefig(figure, *args, **kwargs):
        figures.append(figure)
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


@pytest.fixture
def text_boxes():
    """Returns a function that measures the texts inside of axes."""

    def measure(axes):
        renderer = axes.figure.canvas.get_renderer()
        return [text.get_window_extent(renderer) for text in axes.texts]

    return measure
