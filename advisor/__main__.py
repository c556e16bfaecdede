"""Where the `advise` command begins: from here on an interrupt ends it in silence, even while the rest is being loaded."""

from __future__ import annotations

try:
    import signal
    import sys
    from typing import Final, NoReturn
except KeyboardInterrupt:
    raise SystemExit(130) from None

INTERRUPTED: Final = 128 + signal.SIGINT
"""Exit code of a command that was interrupted, as shells have it."""


def main() -> NoReturn:
    """Run the command and exit with its code. What asks it to end lets it take temporary files away first."""
    try:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        from .start import main as run  # noqa: PLC0415 - loading it takes a while

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


if __name__ == "__main__":
    main()
