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
    """Run the command and exit with its code. What asks it to end lets it take temporary files away first.

    A library that is being loaded may take an interrupt for a fault of its own, as numpy does; that ends the command, too.
    """
    asked: list[int] = []

    def end(number: int, _frame: object) -> NoReturn:
        asked.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    try:
        signal.signal(signal.SIGTERM, end)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, end)
        from .start import main as run  # noqa: PLC0415 - loading it takes a while

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:
        if asked:
            sys.exit(128 + asked[0])
        raise
    sys.exit(0)


if __name__ == "__main__":
    main()
