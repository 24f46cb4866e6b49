"""Runs the command line: `python -m tastemaker`, also under torchrun."""

from tastemaker.cli.main import main

if __name__ == "__main__":
    main()
