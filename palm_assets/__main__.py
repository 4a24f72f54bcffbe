"""`python -m palm_assets`: the `palms` command."""

from palm_assets.cli.main import main

main(prog_name="palms")
