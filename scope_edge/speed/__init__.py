"""How fast scope-edge is on this machine: what `scope-edge bench` measures; see `speed.measuring`.

Importing the package loads nothing: the processes whose start and memory are measured import a part of it.
"""
