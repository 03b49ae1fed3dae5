"""Tables, pictures and the report of an experiment."""

from keras_nas.environment import environment
from keras_nas.report.atom_block import AtomBlock
from keras_nas.report.atoms_plot import plot_atoms
from keras_nas.report.comparison_plot import plot_comparison
from keras_nas.report.families_plot import plot_families
from keras_nas.report.kept_plot import plot_kept_channels
from keras_nas.report.pareto_plot import plot_pareto
from keras_nas.report.pareto_series import ParetoSeries
from keras_nas.report.search_plot import plot_search
from keras_nas.report.tables import NetworkRow
from keras_nas.report.tables import atoms_table
from keras_nas.report.tables import comparison_table
from keras_nas.report.tables import decisions_table
from keras_nas.report.tables import kept_table
from keras_nas.report.writing import Report
from keras_nas.report.writing import write_report

__all__ = [
    "AtomBlock",
    "NetworkRow",
    "ParetoSeries",
    "Report",
    "atoms_table",
    "comparison_table",
    "decisions_table",
    "environment",
    "kept_table",
    "plot_atoms",
    "plot_comparison",
    "plot_families",
    "plot_kept_channels",
    "plot_pareto",
    "plot_search",
    "write_report",
]
