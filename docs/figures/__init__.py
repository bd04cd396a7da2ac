"""The figures of the pages, from the files in ``benchmarks/results``.

A table stands in a page between two comments, ``<!-- table: name -->`` and
``<!-- end of table -->``, and is written by ``python docs/make_results.py``. A figure in a sentence
is typed by hand; :mod:`figures.statements` says what it has to be.
"""
