"""``python -m forcegauge``: the same as the command ``forcegauge``."""

from forcegauge.cli.main import main

if __name__ == "__main__":
    main()
