"""`python -m bench [NAME ...]`: run the benchmarks, all or those named, and print a table."""

import os
import platform
import sys
import time

from bench import codecs, folders, journey, operator, peers, policy, syncml

BENCHMARKS = {
    **journey.BENCHMARKS,
    **codecs.BENCHMARKS,
    **syncml.BENCHMARKS,
    **operator.BENCHMARKS,
    **peers.BENCHMARKS,
    **folders.BENCHMARKS,
    **policy.BENCHMARKS,
}


def main(names: list[str]) -> int:
    """Run and print; an unknown name is an error."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"bench: no {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    chosen = names or list(BENCHMARKS)
    begun = time.monotonic()
    for number, name in enumerate(chosen, 1):
        passed = time.monotonic() - begun
        sys.stderr.write(f"bench: {name}, {number} of {len(chosen)}, after {passed:.0f} s\n")
        for measured in BENCHMARKS[name]():
            print(f"{name:12} {measured}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
