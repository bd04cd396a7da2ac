"""The TensorBoard plug-in "Rollouts": episode records in the browser, see docs/rollouts.md.

:mod:`~mmrl.tensorboard.index` finds records, :mod:`~mmrl.tensorboard.query` filters and sorts them,
:mod:`~mmrl.tensorboard.plugin` serves them, and ``static`` is the page.
"""
