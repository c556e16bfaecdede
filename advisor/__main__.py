"""Where the `advise` command begins: from here on an interrupt ends it in silence, even while the rest is being loaded."""

# Nothing is loaded from a file before the first line of main(): an interrupt may break the loading of `signal` itself.
import _signal  # type: ignore[import-not-found]
import sys


def main() -> None:
    """Run the command and exit with its code. Until `ending` is loaded, the system ends the process by itself."""
    interrupts = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if interrupts:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from .ending import begin  # noqa: PLC0415

    begin(interrupts=interrupts)
    try:
        from .start import main as run  # noqa: PLC0415 - loading it takes a while

        run()
    except KeyboardInterrupt:
        sys.exit(128 + _signal.SIGINT)
    sys.exit(0)


if __name__ == "__main__":
    main()
