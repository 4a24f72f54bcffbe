"""The stages of the pipeline: what each takes, makes and records.

There is a module for each kind of artifact. Its `make_*` returns the published artifact, made now or found as
it was; its `open_*`, if any, reads one. Heavy libraries are imported inside the functions, so that finding an
artifact takes no time.
"""
