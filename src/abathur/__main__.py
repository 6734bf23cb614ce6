"""Lets `python -m abathur` behave like the `abathur` command."""

from abathur.cli.main import main

if __name__ == "__main__":
    main()
