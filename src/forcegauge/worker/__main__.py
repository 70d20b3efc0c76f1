"""``python -m forcegauge.worker``: started by the coordinator, never by hand."""

from forcegauge.worker.serve import main

if __name__ == "__main__":
    main()
