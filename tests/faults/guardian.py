"""Ends the harness's processes when the harness is gone, however it went.

It holds the other end of a pipe: a harness that was killed has no other way to tell.
"""

import sys

from deploy.local import leftovers


def main() -> None:
    stack_id = sys.argv[1]
    # Ends with the last holder of the pipe, whatever killed it.
    sys.stdin.read()
    leftovers.stop(stack_id)


if __name__ == "__main__":
    main()
