"""The command ``erasurehead``, also as ``python -m erasurehead``."""


def main() -> None:
    """Run the command line. The package has checked by now that ``experiments`` is ours."""
    from erasurehead.experiments.cli import main as command

    command()


if __name__ == "__main__":
    main()
