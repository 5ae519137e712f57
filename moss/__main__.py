"""`python -m moss` is the `moss` command."""

from moss.cli.main import run

if __name__ == "__main__":
    run()
