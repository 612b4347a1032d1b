/*
 * MSRs that the processor does not have, and reserved bits of those that it
 * has (3: RDMSR, WRMSR).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13

/* An access to an MSR, and what the manual or the processor demands of it. */
typedef struct Access {
    uint32_t msr;
    uint64_t value;
    bool is_illegal;
} Access;

static void expect(SVMMachine *machine, const SVMCase *test, SVMStep step,
                   const Access *access)
{
    svm_step(machine, step, access->msr, access->value);
    if (access->is_illegal) {
        svm_expect_fault(machine, test, FAULT_GP, 0);
    } else {
        svm_expect_that(test, !svm_fault(machine), "%s of MSR 0x%x raised "
                        "exception %u, has to raise none",
                        step == STEP_read_msr ? "RDMSR" : "WRMSR",
                        access->msr, svm_fault(machine) & 0xff);
    }
}

static void read_is_illegal(SVMMachine *machine, const SVMCase *test)
{
    const uint32_t *msr = test->data;

    expect(machine, test, STEP_read_msr, &(Access) { *msr, 0, true });
    expect(machine, test, STEP_write_msr, &(Access) { *msr, 0, true });
}

/* Silicon has it: it reads zero, whatever is written. */
static void reads_zero(SVMMachine *machine, const SVMCase *test)
{
    const uint32_t *msr = test->data;

    expect(machine, test, STEP_write_msr, &(Access) { *msr, 0x1234 });
    svm_expect(test, "the MSR", svm_step(machine, STEP_read_msr, *msr, 0), 0);
    svm_expect(test, "the exception of RDMSR", svm_fault(machine), 0);
}

static void write_access(SVMMachine *machine, const SVMCase *test)
{
    const Access *access = test->data;
    uint64_t before = svm_step(machine, STEP_read_msr, access->msr, 0);

    expect(machine, test, STEP_write_msr, access);
    svm_expect(test, "the MSR after the write",
               svm_step(machine, STEP_read_msr, access->msr, 0),
               access->is_illegal ? before : access->value);
}

static void unknown_in_guest(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_msr);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0xc0010fff);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
}

/* The intercept comes first. */
static void unknown_in_guest_intercepted(SVMMachine *machine,
                                         const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_msr);
    svm_intercept(machine, SVM_EXIT_MSR);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    memset(svm_ram(machine, MSR_MAP), 0xff, 2 * PAGE);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0xc0010fff);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_MSR);
}

/* @data: a model with properties that do not fit each other */
static void refused(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *command = g_strdup_printf(
        "echo quit | %s -accel tcg -nodefaults -display none -S "
        "-monitor stdio -cpu %s 2>&1", getenv("QTEST_QEMU_BINARY"),
        (const char *)test->data);
    FILE *output = popen(command, "r");
    char line[512];
    bool said = false;

    g_assert(output);
    while (fgets(line, sizeof(line), output)) {
        said |= strstr(line, "MSRs of this model's silicon are not listed")
                != NULL;
    }
    svm_expect_that(test, said, "no error that says so");
    svm_expect_that(test, pclose(output) != 0, "the emulator did not fail");
}

#define CASE(path_, run_, ...) \
    { .path = "unknown-msrs/" path_, .rule = "3: RDMSR, WRMSR (row 46)", \
      .run = run_, .own_arguments = true, \
      .arguments = "-cpu EPYC,svm-silicon=on", .fails_on_pristine = true, \
      __VA_ARGS__ }
#define FAULTS(path_, msr_, ...) \
    CASE("fault/" path_, read_is_illegal, \
         .data = &(const uint32_t) { msr_ }, __VA_ARGS__)
#define IS_THERE(path_, msr_, ...) \
    CASE("silicon/" path_, reads_zero, \
         .data = &(const uint32_t) { msr_ }, __VA_ARGS__)
#define WRITE(path_, msr_, value_, is_illegal_, ...) \
    CASE("bits/" path_, write_access, \
         .data = &(const Access) { msr_, value_, is_illegal_ }, __VA_ARGS__)

static const SVMCase cases[] = {
    FAULTS("lowest", 0x2),
    FAULTS("feature-control", 0x3a),
    FAULTS("smi-count", 0x34),
    FAULTS("misc-enable", 0x1a0),
    FAULTS("perf-status", 0x198),
    FAULTS("vmx-basic", 0x480),
    FAULTS("xss-without-xsaves", 0xda0),
    FAULTS("paravirtual", 0x4b564d00),
    FAULTS("unassigned-c0000", 0xc0000fff),
    FAULTS("unassigned-c0010", 0xc0010fff),
    FAULTS("end", 0xffffffff),
    FAULTS("x2apic-off", 0x802),
    FAULTS("named-model", 0xc0010fff, .arguments = "-cpu EPYC,ignore-msrs=off"),
    CASE("fault/in-guest", unknown_in_guest),
    CASE("fault/in-guest-intercepted", unknown_in_guest_intercepted),
    IS_THERE("sys-cfg", 0xc0010010),
    IS_THERE("hwcr", 0xc0010015),
    IS_THERE("perf-ctr", 0xc0010004),
    IS_THERE("de-cfg", 0xc0011029),
    IS_THERE("ls-cfg", 0xc0011020),
    IS_THERE("osvw", 0xc0010140),
    IS_THERE("named-model", 0xc0010fff, .own_arguments = false,
             .fails_on_pristine = false, .arguments = "-cpu EPYC"),
    IS_THERE("ignored", 0xc0010fff,
             .arguments = "-cpu EPYC,svm-silicon=on,ignore-msrs=on"),
    WRITE("pat", MSR_PAT, 0x0007040600070407, false),
    WRITE("pat-reserved-type", MSR_PAT, 0x0007040600070402, true),
    WRITE("mtrr-mask", 0x201, 0xff80000800, false),
    WRITE("mtrr-mask-reserved", 0x201, 0xff80000400, true),
    WRITE("mtrr-mask-above-limit", 0x201, 1ULL << 52, true),
    WRITE("mtrr-base-type", 0x200, 0x80000002, true),
    WRITE("mtrr-base", 0x200, 0x80000006, false),
    WRITE("mtrr-fixed", 0x250, 0x1e1e1e1e06050401, false),
    WRITE("mtrr-fixed-type", 0x250, 0x0000000000000002, true),
    WRITE("mtrr-default", 0x2ff, 0xc06, false),
    WRITE("mtrr-default-reserved", 0x2ff, 0x1c06, true),
    WRITE("pat-ignored", MSR_PAT, 0x0007040600070402, false,
          .arguments = "-cpu EPYC,svm-silicon=on,ignore-msrs=on"),
    CASE("refused", refused, .data = "qemu64,ignore-msrs=off"),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
