/*
 * TSC_RATIO (2: 15.30.5): a guest's time-stamp counter runs at a rate of its
 * own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13

#define MSR_TSC                 0x10
#define MSR_TSC_RATIO           0xc0000104

/* 1.0 as a fixed-point number, 8.32 */
#define ONE                     (1ULL << 32)

/* What no machine counts to while a case runs. */
#define A_LONG_TIME             (1ULL << 50)

static void write_msr(SVMMachine *machine, const SVMCase *test, uint32_t msr,
                      uint64_t value)
{
    svm_step(machine, STEP_write_msr, msr, value);
    svm_expect_that(test, !svm_fault(machine), "WRMSR of 0x%" PRIx64
                    " to MSR 0x%x raised exception %u, has to raise none",
                    value, msr, svm_fault(machine) & 0xff);
}

static void register_bits(SVMMachine *machine, const SVMCase *test)
{
    unsigned bit;

    svm_expect(test, "TSC_RATIO after reset",
               svm_step(machine, STEP_read_msr, MSR_TSC_RATIO, 0), ONE);
    write_msr(machine, test, MSR_TSC_RATIO, 0xfedcba9876);
    for (bit = 40; bit < 64; bit++) {
        svm_step(machine, STEP_write_msr, MSR_TSC_RATIO, 1ULL << bit);
        svm_expect_fault(machine, test, FAULT_GP, 0);
    }
    svm_expect(test, "TSC_RATIO",
               svm_step(machine, STEP_read_msr, MSR_TSC_RATIO, 0),
               0xfedcba9876);
}

/* A ratio, and what the host's counter and the guest's show with it. */
typedef struct Scaled {
    uint64_t ratio;
    uint64_t host;
    uint64_t offset;
    uint64_t guest;
} Scaled;

static void expect_shortly_after(const SVMCase *test, const char *what,
                                 uint64_t tsc, uint64_t from)
{
    svm_expect_that(test, tsc - from < A_LONG_TIME, "%s is 0x%" PRIx64
                    ", has to be 0x%" PRIx64 " or a little more", what, tsc,
                    from);
}

static void guest_reads(SVMMachine *machine, const SVMCase *test)
{
    const Scaled *scaled = test->data;

    write_msr(machine, test, MSR_TSC_RATIO, scaled->ratio);
    write_msr(machine, test, MSR_TSC, scaled->host);
    svm_prepare_guest(machine, GUEST_read_tsc);
    svm_set(machine, VMCB, "tsc_offset", scaled->offset);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_shortly_after(test, "RDTSCP in the guest",
                         svm_mailbox(machine, MAILBOX_GUEST_RSI),
                         scaled->guest);
    expect_shortly_after(test, "RDTSC in the guest",
                         svm_mailbox(machine, MAILBOX_GUEST_RBX),
                         scaled->guest);
    expect_shortly_after(test, "the MSR in the guest",
                         svm_mailbox(machine, MAILBOX_GUEST_RCX),
                         scaled->guest);
    expect_shortly_after(test, "RDTSC in the host",
                         svm_step(machine, STEP_read_tsc, 0, 0),
                         scaled->host);
    expect_shortly_after(test, "the MSR in the host",
                         svm_step(machine, STEP_read_msr, MSR_TSC, 0),
                         scaled->host);
}

/* Time stands still: what comes out is exact. */
static void ratio_of_zero(SVMMachine *machine, const SVMCase *test)
{
    write_msr(machine, test, MSR_TSC_RATIO, 0);
    svm_prepare_guest(machine, GUEST_read_tsc);
    svm_set(machine, VMCB, "tsc_offset", 0x123456789abcdef0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "RDTSCP in the guest",
               svm_mailbox(machine, MAILBOX_GUEST_RSI), 0x123456789abcdef0);
    svm_expect(test, "RDTSC in the guest",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), 0x123456789abcdef0);
    svm_expect(test, "the MSR in the guest",
               svm_mailbox(machine, MAILBOX_GUEST_RCX), 0x123456789abcdef0);
}

static void guest_writes(SVMMachine *machine, const SVMCase *test)
{
    write_msr(machine, test, MSR_TSC_RATIO, 3 * ONE);
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_set(machine, VMCB, "tsc_offset", 7 * A_LONG_TIME);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_TSC);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0x12345678);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_shortly_after(test, "RDTSC in the host",
                         svm_step(machine, STEP_read_tsc, 0, 0),
                         0x1234567800000000);
}

#define CASE(path_, run_, ...) \
    { .path = "tsc-ratio/" path_, .rule = "2: 15.30.5 (row 56)", \
      .run = run_, .arguments = "-cpu EPYC,tsc-scale=on", \
      .fails_on_pristine = true, __VA_ARGS__ }
#define READS(path_, ratio_, host_, offset_, guest_) \
    CASE("guest-reads/" path_, guest_reads, \
         .data = &(const Scaled) { ratio_, host_, offset_, guest_ })

static const SVMCase cases[] = {
    CASE("register", register_bits),
    READS("two-and-a-half", 2 * ONE + ONE / 2, 4 * A_LONG_TIME, 0,
          10 * A_LONG_TIME),
    READS("a-quarter-and-offset", ONE / 4, 80 * A_LONG_TIME,
          -5 * A_LONG_TIME, 15 * A_LONG_TIME),
    READS("upper-half", 3 * ONE, 0x5000000000000000, 0, 0xf000000000000000),
    READS("overflow", 255 * ONE, 0x1000000000000000, 0, 0xf000000000000000),
    CASE("zero", ratio_of_zero),
    CASE("guest-writes", guest_writes),
    {
        /* The MSR is not there, and a write of it without effect. */
        .path = "tsc-ratio/absent",
        .rule = "2: 15.30.5 (row 56)",
        .run = guest_reads,
        .fails_on_pristine = true,
        .data = &(const Scaled) { 3 * ONE, 4 * A_LONG_TIME, 0,
                                  4 * A_LONG_TIME },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
