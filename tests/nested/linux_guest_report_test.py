# SPDX-License-Identifier: GPL-2.0-or-later
"""What `./svm run --guest linux` makes of the lines that L1 and a guest report."""

import argparse
import hashlib
import json
import sys
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import exit_codes  # noqa: E402
import run_command  # noqa: E402
from cost_model import CostModel  # noqa: E402
from errors import BadUsage  # noqa: E402
from guest_workloads import (  # noqa: E402
    WORKLOADS,
    numbers_digest,
    pattern_digest,
)
from linux_guest_report import (  # noqa: E402
    PATTERN_BYTES,
    SHARE_BYTES,
    Guest,
    LinuxGuestReport,
)
from meter_report import Counted  # noqa: E402
from workload_report import MeasuredPart  # noqa: E402

SEED = 123456789
FILE = bytes(range(256)) * (SHARE_BYTES // 256 + 1)


class LinuxGuestReportTest(unittest.TestCase):
    def setUp(self):
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        file.write(FILE)
        file.flush()
        self.shared_kernel = Path(file.name)

    def report(self, *changes: tuple[str, str], levels: int = 2) -> LinuxGuestReport:
        """Of a right run, in whose lines the first text is changed to the second."""
        guest = Guest(levels, vcpus=1, megabytes=512, machine="q35", seed=SEED)
        report = LinuxGuestReport(guest)
        report.shared_kernel = self.shared_kernel
        within = "".join(f"l{level} " for level in range(2, levels))
        inner = f"{within}l{levels} "
        lines = [
            "l1 kernel=6.1.0 cpus=1",
            f"{inner}guest kernel=6.1.0 cpus=1",
            f"{inner}guest memory=480000",
            f"{inner}guest hypervisor=KVM",
            f"{inner}timer cpu=0 slept=101",
            f"{inner}numbers cpu=0 digest={numbers_digest(SEED)}",
            f"{inner}pattern digest={pattern_digest(SEED, PATTERN_BYTES)}",
            f"{inner}copy same=1",
            f"{inner}share digest={hashlib.sha256(FILE[:SHARE_BYTES]).hexdigest()}",
            f"{inner}l1 end=done",
        ]
        for level in range(levels, 1, -1):
            outer = "".join(f"l{host} " for host in range(2, level))
            lines += [
                f"{outer}kvm-stat level={level} exits=30",
                f"{outer}kvm-stat level={level} io_exits=20",
                f"{outer}exit-code level={level} code=123 count=20",
                f"{outer}exit-code level={level} code=0 count=10",
                f"{outer}vmm level={level} end=SHUTDOWN reason=guest-shutdown status=0",
                f"{outer}l1 end=done",
            ]
        for line in lines:
            for old, new in changes:
                line = line.replace(old, new)
            report.take(line)
        return report

    def test_right(self):
        for levels in (2, 3):
            report = self.report(levels=levels)
            self.assertIsNone(report.problem())
            self.assertTrue(report.ended)
            self.assertEqual(report.kernel, "6.1.0")
            counts = {"IOIO": 20, "CR0_READ": 10}
            for level in range(2, levels + 1):
                self.assertEqual(report.exits(level), 30)
                self.assertEqual(report.reasons(level), counts)

    def test_each_wrong_answer(self):
        for old, new, problem in (
            (numbers_digest(SEED)[:9], "0", "digest of numbers on CPU 0 is 0"),
            (pattern_digest(SEED, PATTERN_BYTES)[:9], "0", "digest of its memory is 0"),
            ("share digest=", "share digest=0", "digest of a shared file is 0"),
            ("same=1", "same=0", "copy of its memory is 0"),
            ("slept=101", "slept=7", "sleep 1 took 7 hundredths"),
            ("hypervisor=KVM", "hypervisor=", "hypervisor is  instead of KVM"),
            ("memory=480000", "memory=1000", "1000 kB of memory"),
            ("6.1.0 cpus=1", "6.1.0 cpus=2", "number of CPUs is 2 instead of 1"),
            ("guest-shutdown", "guest-reset", "did not power off: SHUTDOWN, guest-res"),
            (" exits=30", " exits=0", "KVM counted no exits of L2"),
            ("l2 l1 end", "l2 x", "L2 did not come to its end"),
            ("l2 ", "x ", "L2 did not reach its init"),
        ):
            with self.subTest(problem=problem):
                self.assertIn(problem, self.report((old, new)).problem() or "none")

    def test_vmm_that_ends_at_once(self):
        report = self.report(("l2 ", "x "), ("end=SHUTDOWN", "end=none"))
        report.take("vmm-output level=2 Could not access KVM kernel module")
        self.assertIn("status 0: Could not access KVM", report.problem())

    def test_exit_names(self):
        names = exit_codes.names()
        self.assertEqual(names[0x14], "CR4_WRITE")
        self.assertEqual(names[0x4E], "EXCEPTION_14")
        self.assertEqual(names[0x94], "CR4_WRITE_TRAP")
        self.assertEqual(names[0x400], "NPF")


EVENTS = {"vmrun": 1000, "vmsave": 2000, "vmload": 2000, "stgi": 1000, "clgi": 1000}


def counted(exits: int = 1000) -> Counted:
    """What a meter counts: a million instructions, and MSRs in host and guest."""
    places = ("before-run", "in-run", "after-run", "in-guest")
    msr = {place: {"reads": 10, "writes": 20} for place in places}
    return Counted(
        {
            "processors": [
                {
                    "exits": [
                        {"code": 0x78, "name": "HLT", "count": exits - 400},
                        {"code": 0x60, "name": "INTR", "count": 400},
                    ],
                    "events": {
                        name: {"host": count, "guest": 0}
                        for name, count in EVENTS.items()
                    },
                    "msrs": [{"name": "STAR", "index": 0xC0000081, **msr}],
                    "host": {"instructions": 750_000},
                    "guest": {"instructions": 250_000},
                }
            ]
        }
    )


class WorkloadTest(unittest.TestCase):
    def model(self) -> CostModel:
        """Each event of a world switch costs 100 cycles, and MOV to CR3 as well."""
        names = ("vmrun", "vmexit", "vmsave", "vmload", "stgi", "clgi", "cr3-write")
        costs = dict.fromkeys((*names, "rdmsr", "wrmsr 0xc0000081"), 100)
        costs |= {"instruction": 1, "wrmsr": 5}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "mine.json")
            entries = {name: {"cycles": cycles} for name, cycles in costs.items()}
            path.write_text(json.dumps({"costs": entries}))
            return CostModel(path)

    def report(
        self,
        name: str,
        *changes: tuple[str, str],
        meter: bool = False,
        model: CostModel | None = None,
        exits: int = 1000,
    ) -> LinuxGuestReport:
        """Of a right run of a workload, in whose lines a text is changed."""
        guest = Guest(2, vcpus=1, megabytes=512, machine="q35", seed=SEED)
        workload = WORKLOADS[name]
        report = LinuxGuestReport(guest, MeasuredPart(workload, model), meter)
        in_l1 = {"written", "sent"}
        lines = [
            "l1 kernel=6.1.0 cpus=1",
            "measured-exits begin=500",
            "measured-code at=begin code=120 count=400",
            "measured begin=1700000010.000000",
            "measured end=1700000014.500000",
            "measured-exits end=1500",
            "measured-code at=end code=120 count=1000",
            "measured-code at=end code=96 count=400",
            "l2 time microseconds=4000000",
            *(
                ("" if key in in_l1 else "l2 ") + f"result {key}={value}"
                for key, value in workload.results_due(SEED).items()
            ),
            "l2 guest kernel=6.1.0 cpus=1",
            "l2 guest memory=480000",
            "l2 guest hypervisor=KVM",
            "l2 l1 end=done",
            "kvm-stat level=2 exits=2000",
            "vmm level=2 end=SHUTDOWN reason=guest-shutdown status=0",
            "l1 end=done",
        ]
        for line in lines:
            for old, new in changes:
                line = line.replace(old, new)
            report.take(line)
        if meter:
            report.part.counted = counted(exits)
        return report

    def test_each_workload_has_results_that_depend_on_the_seed(self):
        for name, workload in WORKLOADS.items():
            with self.subTest(name):
                self.assertIsNone(self.report(name).problem())
                due, other = workload.results_due(SEED), workload.results_due(SEED + 1)
                self.assertTrue(due)
                changed = [key for key in due if due[key] != other[key]]
                self.assertTrue(changed)
                for key, value in due.items():
                    wrong = self.report(name, (f"{key}={value}", f"{key}=other"))
                    self.assertEqual(
                        wrong.problem(), f"{name}: {key} is other instead of {value}"
                    )
                    missing = self.report(name, (f"result {key}=", f"x {key}="))
                    self.assertIn(f"{key} is None", missing.problem())

    def test_rates_are_those_of_the_measured_part(self):
        part = self.report("disk").part
        self.assertEqual(part.seconds, 4)
        self.assertEqual(part.kvm_exits(), 1000)
        self.assertEqual(part.exits(), {"HLT": 600, "INTR": 400})
        self.assertEqual(part.as_dict()["exits_per_second"], {"HLT": 150, "INTR": 100})
        # Before the kernel of a guest that boots has a clock, L1 has one.
        self.assertEqual(self.report("boot").part.seconds, 4.5)

    def test_clocks_that_do_not_agree_are_seen(self):
        for seconds in (10, 2):
            change = ("microseconds=4000000", f"microseconds={seconds}000000")
            problem = self.report("disk", change).problem() or ""
            self.assertIn(f"guest's clock disk took {seconds}.00 s", problem)

    def test_part_that_did_not_end_is_seen(self):
        report = self.report("disk", ("measured end", "x"))
        self.assertIn("did not begin and end", report.problem())

    def test_meter_and_kvm_have_to_agree(self):
        self.assertIsNone(self.report("disk", meter=True).problem())
        self.assertEqual(
            self.report("disk", meter=True, exits=1200).problem(),
            "the meter has counted 1200 exits, KVM 1000",
        )
        change = ("end=1500", "end=1700")
        report = self.report("disk", change, meter=True)
        self.assertIn("1000 exits, KVM 1200", report.problem())
        # 5.10 may have counted those that access MSRs twice.
        report.part.counted.exits["MSR"] = 100
        report.part.counted.exits["HLT"] -= 100
        self.assertIsNone(report.problem())
        report = self.report("disk", meter=True)
        report.part.counted = None
        self.assertEqual(report.problem(), "the meter has counted nothing")

    def test_share_of_world_switches_is_that_of_the_counts(self):
        part = self.report("disk", meter=True, model=self.model()).part
        # Of the MSRs only what the host accesses, three times 10 and 20.
        switches = 100 * (sum(EVENTS.values()) + 1000 + 30 + 60)
        total = 1_000_000 + switches + 100 * (10 + 20)
        found = part.as_dict()
        self.assertAlmostEqual(found["share_of_world_switches"], switches / total)
        self.assertAlmostEqual(found["shares"]["WRMSR"], 6000 / total)
        self.assertEqual(sum(found["modelled_cycles"].values()), total)
        self.assertEqual(found["instructions_of_host"], 750_000)
        text = self.report("disk", meter=True, model=self.model()).text()
        self.assertIn(f"{switches / total:.2%} of them: VMRUN", text)

    def test_without_a_model_there_is_no_share(self):
        part = self.report("disk", meter=True).part
        self.assertIsNone(part.as_dict()["share_of_world_switches"])
        self.assertNotIn("world switches", self.report("disk", meter=True).text())


class MisuseTest(unittest.TestCase):
    def test_each_misuse_has_its_message(self):
        for arguments, message in (
            ("--workload disk --levels 3", "--workload: L2 does it"),
            ("--icount --vcpus 2", "--icount counts the instructions of all CPUs"),
            ("--meter --cost-model zen2", "goes with --meter and --icount"),
            ("--meter --qemu pristine", "unmodified QEMU has no meter"),
            ("--exits 5", "--exits does not go with --guest linux"),
        ):
            parser = argparse.ArgumentParser()
            run_command.add_arguments(parser)
            options = parser.parse_args(["--guest", "linux", *arguments.split()])
            with self.subTest(arguments), self.assertRaises(BadUsage) as caught:
                run_command.run(options)
            self.assertIn(message, str(caught.exception))
        options = parser.parse_args(["--workload", "disk"])
        with self.assertRaises(BadUsage) as caught:
            run_command.run(options)
        message = "--workload does not go with --guest halt-loop"
        self.assertIn(message, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
