"""Where the `advise` command begins: from here on an interrupt ends it in silence, even while the rest is being loaded."""

from __future__ import annotations

try:
    import sys
    from typing import NoReturn

    from .ending import begin
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> NoReturn:
    """Run the command and exit with its code."""
    try:
        begin()
        from .start import main as run  # noqa: PLC0415 - loading it takes a while

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    main()
