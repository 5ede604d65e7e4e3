"""A Dask cluster of two local workers checks a folder, and one of them is killed on the way.

    python benchmarks/speed/cluster.py FOLDER

Needs the extra `[dask]`. Prints whether the reports are those of a run in this process; exit 1 if not.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from torchmode_lint.config import Options
from torchmode_lint.deep import on_deep_stack
from torchmode_lint.discovery import find_files
from torchmode_lint.engine import check_paths
from torchmode_lint.parallel import workers


def main(folder: str) -> int:
    from distributed import LocalCluster

    files = list(find_files([Path(folder)]))
    alone = on_deep_stack(lambda: list(check_paths(files, Options())))
    reports = []
    cluster = LocalCluster(n_workers=2, threads_per_worker=1)
    with cluster, workers(f"dask:{cluster.scheduler_address}", 2) as pool:
        for report in check_paths(files, Options(), workers=pool):
            if not reports:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            reports.append(report)
    same = reports == alone
    print(f"{len(reports)} files, one of two workers killed: {'the same reports' if same else 'OTHER REPORTS'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
