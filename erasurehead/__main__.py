"""The command ``erasurehead``, also as ``python -m erasurehead``."""


def main() -> None:
    """Run the command line. The package has checked by now that ``experiments`` is ours."""
    import atexit
    import gc
    import os

    # its own allocator keeps what a table took while the next one is made: a third of the peak
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # which would read the metadata of every installed package: a tenth of the start, too
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # tables are computed on one thread (sim/base/numerics.py); others would only wait
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(500_000, 50, 50)  # imports leave little garbage: a tenth of the start is saved
    atexit.register(gc.freeze)  # nor does what ends with the process: another tenth
    from erasurehead.experiments.commands.cli import main as command

    command()


if __name__ == "__main__":
    main()
