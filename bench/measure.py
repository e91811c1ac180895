"""Runs a program and reports what it used: python3 measure.py REPORT -- PROGRAM ARGUMENT…

Writes {"wall_s", "cpu_s", "peak_mib"} as JSON to REPORT. Everything counts, from the start of the program to its end,
processor time of all its threads included. Only the standard library is needed.
"""

import json
import os
import subprocess
import sys
import time


def main():
    report, separator, *command = sys.argv[1:]
    if separator != "--" or not command:
        sys.exit(__doc__)
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"{command[0]} ended with {code}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss * unit / 2**20,
    }
    with open(report, "w") as file:
        json.dump(figures, file)


if __name__ == "__main__":
    main()
