"""Two workers on a slow link: how long a step takes, predicted and measured, with and without messages on their way while
they compute, and with `--wires` in other formats.

    python3 Tools/slowlink/overlap.py .build/release/tessera --rates 1gbit 2gbit 10gbit

Every rate gets a network namespace of its own whose loopback interface carries so many bits a second in each direction
(tc, HTB: packets whose source port is odd one way, the others the other way; listening sockets get odd ports, connecting
ones even ones). Needs Linux with user namespaces or root, and iproute2. In the namespace, workers and links are
calibrated, each setting of `overlap` is planned with that profile, and `tessera bench step` measures it, in turns.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHAPE = """set -e
ip link set lo up
tc qdisc add dev lo root handle 1: htb default 12 r2q 1000
tc class add dev lo parent 1: classid 1:11 htb rate {rate} burst 128k cburst 128k
tc class add dev lo parent 1: classid 1:12 htb rate {rate} burst 128k cburst 128k
tc filter add dev lo parent 1: protocol ip u32 match ip sport 1 0x0001 flowid 1:11
"""


def cluster_file(options, mode, profile):
    """A cluster file of two workers that do not share memory."""
    lines = [
        "name: slow-link",
        f"model: {{preset: {options.preset}, dtype: {options.dtype}, weights: generated}}",
        f"mesh: {{{options.mesh}}}",
        "workers: {count: 2, threads: 1}",
        "control: {port: 0}",
        "data_plane: {carrier: zeromq}",
        f"overlap: {mode.split('/')[0]}",
    ]
    if not mode.endswith("/exact"):
        lines.append(f"wire: {mode.split('/')[1]}")
    return "\n".join(lines + options.set + ([f"profile: {profile}"] if profile else [])) + "\n"


def run(*command):
    """The output of a command; its errors go to the terminal."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=900).stdout


def predicted(tessera, file):
    """Seconds of a step as planned, with the blocks it is done in."""
    step = next(p for p in json.loads(run(tessera, "plan", file, "--json"))["programs"] if p["name"] == "step")
    return step["timing"], step.get("blocks"), step["sentBytes"]


def measured(tessera, file, runs):
    """Seconds of the best step, and the slowest worker's split of it."""
    report = json.loads(run(tessera, "bench", "step", "--config", file, "--runs", str(runs), "--json"))
    step = next(f for f in report["figures"] if f["subject"].endswith("step"))
    return step["seconds"], step.get("split", [])


def inside(options):
    """Measures in this namespace, and writes the results to the file."""
    with tempfile.TemporaryDirectory() as folder:
        profile = str(Path(folder, "profile.json"))
        plain = Path(folder, "plain.yaml")
        plain.write_text(cluster_file(options, "off/exact", None))
        run(options.tessera, "calibrate", str(plain), "--out", profile, *(["--quick"] if options.quick else []))
        modes = [f"{mode}/{wire}" for wire in options.wires for mode in options.modes]
        results = {mode: {"seconds": []} for mode in modes}
        for turn in range(options.rounds):
            for mode in modes:
                file = Path(folder, f"{mode.replace('/', '-')}.yaml")
                file.write_text(cluster_file(options, mode, profile))
                result = results[mode]
                if turn == 0:
                    result["timing"], result["blocks"], result["sent"] = predicted(options.tessera, str(file))
                seconds, result["split"] = measured(options.tessera, str(file), options.runs)
                result["seconds"].append(seconds)
        Path(options.results).write_text(json.dumps(results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tessera")
    parser.add_argument("--preset", default="muse-632m")
    parser.add_argument("--dtype", default="bf16")
    parser.add_argument("--mesh", default="model: 2")
    parser.add_argument("--rates", nargs="+", default=["1gbit", "10gbit"], help="as tc writes them")
    parser.add_argument("--modes", nargs="+", default=["off", "messages", "auto"])
    parser.add_argument("--wires", nargs="+", default=["exact"], help="exact, int8")
    parser.add_argument("--set", nargs="*", default=[], help="more lines of the cluster file")
    parser.add_argument("--runs", type=int, default=3, help="steps of a measurement")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each mode, in turns")
    parser.add_argument("--quick", action="store_true", help="a calibration of seconds")
    parser.add_argument("--results", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.results:
        return inside(options)
    options.tessera = str(Path(options.tessera).resolve())
    print("rate      overlap/wire     predicted  measured  ratio  times the first  blocks  MiB sent by a worker")
    for rate in options.rates:
        with tempfile.TemporaryDirectory() as folder:
            results = str(Path(folder, "results.json"))
            arguments = [options.tessera, *sys.argv[2:], "--results", results]
            script = SHAPE.format(rate=rate) + 'exec "$@"'
            user = [] if os.geteuid() == 0 else ["-r"]
            subprocess.run(
                ["unshare", "-n", *user, "bash", "-c", script, "bash", sys.executable, __file__, *arguments],
                check=True, timeout=3600)
            modes = json.loads(Path(results).read_text())
        first = None
        for mode, result in modes.items():
            best = min(s["best"] for s in result["seconds"])
            first = first or best
            seconds = result["timing"]["seconds"]
            blocks = result["blocks"]["count"] if result["blocks"] else 1
            print(
                f"{rate:9} {mode:15} {seconds:8.3f} s {best:7.3f} s {seconds / best:6.2f} {first / best:16.2f} {blocks:7}"
                f" {max(result['sent']) / 2**20:8.0f}")
            for part in result["split"]:
                shares = ", ".join(f"{name} {part[name]:.3f}" for name in ("compute", "wait", "transfer"))
                print(f"{'':12}{part['worker']}: {shares}")


if __name__ == "__main__":
    main()
