"""Runs the unit tests of every room, plain, sanitized and with every instruction set, then the Python tests, and sums them up.

Programs run beside each other, the dearest first; Python files likewise (pytest-xdist). The last line is "N passed, N failed, N skipped";
the exit status is 0 when none failed and some passed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 1800
WORKERS = max(2, (os.cpu_count() or 1) // 2)
DEAREST = ["data_tests", "train_tests", "checkpoint_tests", "model_tests", "core_tests", "ops_tests"]  # measured, seconds

SYMBOLIZER = "/usr/bin/llvm-symbolizer-16"

# What the programs of a sanitized build need, by the name of its preset.
SANITIZERS = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1", "ASAN_SYMBOLIZER_PATH": SYMBOLIZER,
             "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", "UBSAN_SYMBOLIZER_PATH": SYMBOLIZER},
    # libgomp's own waits are unknown to it; some tests start threads in a child of a program with threads
    "tsan": {"TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0", "TSAN_SYMBOLIZER_PATH": SYMBOLIZER, "OMP_NUM_THREADS": "1"},
}
# Where threads work together; the rest of these programs takes ThreadSanitizer minutes and has none.
THREADED = {"data_tests": "OrderedPipeline.*:Preprocess.*:PreprocessSft.*:ByteSource.*"}
# Inputs of gigabytes and texts of many megabytes: a minute of the same few lines under AddressSanitizer. They run plain; and of kinds of model
# that differ in a switch, and stages of preparation that differ in what a row is, one of each.
VOLUMES = {"data_tests": "*-*OverTheLimit*:*LongTexts*:*PreprocessRanks*/pt:*LongLine*:OrderedPipeline.ResultsComeInTheOrder*:SftFuzz.TheLedgerAccountsForEveryRecord",
           "train_tests": "*-*LayoutRuns*/qwen2_tied*:*LayoutRuns*/llama:*LayoutRuns*/biased_rows:*LayoutRuns*/baichuan_13b"}


class Totals:
    """Counts and names of test results."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []
        self.lock = threading.Lock()

    def add(self, outcome, name, reason=""):
        with self.lock:
            if outcome == "passed":
                self.passed += 1
            elif outcome == "skipped":
                self.skipped.append(f"{name}: {reason}")
            else:
                self.failed.append(name)


def gtest_outcome(test):
    if test.get("failures"):
        return "failed", ""
    if test.get("result") == "SKIPPED":
        reasons = [entry.get("message", "") for entry in test.get("skipped", [])]
        return "skipped", " ".join(" ".join(reasons).split())
    return "passed", ""


def run_gtest(program, label, totals, environment, only="*"):
    """Runs one GoogleTest program; a crash counts as one failure beside what it had reported."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        command = [program, "--gtest_brief=1", f"--gtest_filter={only}", f"--gtest_output=json:{report}"]
        try:
            run = subprocess.run(command, cwd=ROOT, env=environment, timeout=TIMEOUT_SECONDS, check=False,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            status, output = run.returncode, run.stdout
        except subprocess.TimeoutExpired as slow:
            status, output = -1, slow.stdout or b""
        suites = json.loads(report.read_text())["testsuites"] if report.exists() else []
    for suite in suites:
        for test in suite["testsuite"]:
            totals.add(*[gtest_outcome(test)[0], f"{label} {suite['name']}.{test['name']}", gtest_outcome(test)[1]])
    if not suites or (status != 0 and not any(name.startswith(f"{label} ") for name in totals.failed)):
        totals.add("failed", f"{label}: ended with {status} before it could report")
    if status != 0:
        print(output.decode(errors="replace")[-20000:])
    print(f"{label}: {time.monotonic() - start:.0f} s", flush=True)


def cost_rank(program):
    return DEAREST.index(program.name) if program.name in DEAREST else len(DEAREST)


def run_gtests(jobs, totals):
    """Of each job a program, a label, what its environment has beside ours, and a filter of tests."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(run_gtest, program, label, totals, {**os.environ, **environment}, only)
                for program, label, environment, only in sorted(jobs, key=lambda job: cost_rank(job[0]))]
        for one in done:
            one.result()


def programs(build):
    return (ROOT / "build" / build / "bin").glob("*_tests")


def gtest_jobs(sanitizers):
    jobs = [(program, program.name, {}, "*") for program in programs("release")]
    jobs += [(ROOT / "build/release/bin/ops_tests", f"ops_tests ({name})", {"INGOT_ISA": name}, "*") for name in instruction_sets()]
    for build in sanitizers:
        only = THREADED if build == "tsan" else VOLUMES
        jobs += [(program, f"{program.name} ({build})", SANITIZERS[build], only.get(program.name, "*")) for program in programs(build)]
    return jobs


def instruction_sets():
    """Those that this machine has, but the one in use."""
    text = subprocess.run([ROOT / "build/release/bin/ingot", "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    return re.search(r"instruction sets of this CPU: (.*) \(", text).group(1).split(", ")[:-1]


def run_pytest(arguments, totals):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--durations=15",
                   f"--numprocesses={WORKERS}", "--dist=loadfile", f"--junitxml={report}", "tests/python", *arguments]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = list(xml.parse(report).getroot().iter("testcase")) if report.exists() else []
    if not cases:
        totals.add("failed", "pytest: ran nothing")
    for case in cases:
        name = f"pytest {case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            totals.add("failed", name)
        elif case.find("skipped") is not None:
            totals.add("skipped", name, case.find("skipped").get("message", ""))
        else:
            totals.add("passed", name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sanitize", nargs="*", default=[], choices=list(SANITIZERS))
    parser.add_argument("pytest_arguments", nargs="*")
    arguments = parser.parse_args()
    totals = Totals()
    os.environ["OMP_WAIT_POLICY"] = "passive"  # threads that spin beside other programs' threads take minutes for seconds
    run_gtests(gtest_jobs(arguments.sanitize), totals)
    run_pytest(arguments.pytest_arguments, totals)
    for name in totals.skipped:
        print("skipped", name)
    for name in totals.failed:
        print("FAILED ", name)
    print(f"{totals.passed} passed, {len(totals.failed)} failed, {len(totals.skipped)} skipped")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
