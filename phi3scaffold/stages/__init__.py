"""One file a stage: the results of earlier stages come in; the stage's own folder goes out.

Each declares in one `Stage` what it reads, runs, takes and reports. graph.py lists them.
"""
