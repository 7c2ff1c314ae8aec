"""`python -m kntls`."""

from kntls.cli.main import main

main()
