/*
 * SPEC_CTRL and PRED_CMD (2: 3.2.9), and a guest's own SPEC_CTRL in the VMCB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13

#define MSR_SPEC_CTRL           0x48
#define MSR_PRED_CMD            0x49

#define IBRS                    0x1
#define STIBP                   0x2
#define SSBD                    0x4

static void expect_write(SVMMachine *machine, const SVMCase *test,
                         uint32_t msr, uint64_t value, bool legal)
{
    svm_step(machine, STEP_write_msr, msr, value);
    if (legal) {
        svm_expect_that(test, !svm_fault(machine), "WRMSR of 0x%" PRIx64
                        " to MSR 0x%x raised exception %u, has to raise none",
                        value, msr, svm_fault(machine) & 0xff);
    } else {
        svm_expect_fault(machine, test, FAULT_GP, 0);
    }
}

static void expect_spec_ctrl(SVMMachine *machine, const SVMCase *test,
                             const char *what, uint64_t value)
{
    svm_expect(test, what,
               svm_step(machine, STEP_read_msr, MSR_SPEC_CTRL, 0), value);
}

/* @data: the bits that the processor has */
static void spec_ctrl_bits(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *bits = test->data;
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        expect_write(machine, test, MSR_SPEC_CTRL, 1ULL << bit,
                     *bits & (1ULL << bit));
    }
    expect_write(machine, test, MSR_SPEC_CTRL, *bits, true);
    expect_spec_ctrl(machine, test, "SPEC_CTRL with all its bits", *bits);
}

static void pred_cmd(SVMMachine *machine, const SVMCase *test)
{
    unsigned bit;

    svm_step(machine, STEP_read_msr, MSR_PRED_CMD, 0);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    for (bit = 0; bit < 64; bit++) {
        expect_write(machine, test, MSR_PRED_CMD, 1ULL << bit, bit == 0);
    }
}

static void prepare_guest(SVMMachine *machine, const SVMCase *test,
                          SVMGuest guest, uint64_t guest_value)
{
    expect_write(machine, test, MSR_SPEC_CTRL, IBRS, true);
    svm_prepare_guest(machine, guest);
    svm_set(machine, VMCB, "spec_ctrl", guest_value);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_SPEC_CTRL);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0);
}

/* @data: what the guest finds, reserved bits are in the VMCB */
static void guest_reads(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *expected = test->data;

    prepare_guest(machine, test, GUEST_read_msr, 0xffffffffffffff00 | SSBD);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "the guest's SPEC_CTRL", svm_get(machine, VMCB, "rax"),
               *expected);
    svm_expect(test, "its upper half",
               svm_mailbox(machine, MAILBOX_GUEST_RDX), 0);
    expect_spec_ctrl(machine, test, "the host's SPEC_CTRL", IBRS);
}

static void guest_writes(SVMMachine *machine, const SVMCase *test)
{
    prepare_guest(machine, test, GUEST_write_msr, SSBD);
    svm_set(machine, VMCB, "rax", STIBP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "the VMCB's SPEC_CTRL",
               svm_get(machine, VMCB, "spec_ctrl"), STIBP);
    expect_spec_ctrl(machine, test, "the host's SPEC_CTRL", IBRS);

    /* The next guest has its own again. */
    svm_set(machine, VMCB, "spec_ctrl", SSBD);
    svm_set(machine, VMCB, "rip",
            svm_guest_address(machine, GUEST_read_msr));
    svm_run(machine);
    svm_expect(test, "the next guest's SPEC_CTRL",
               svm_get(machine, VMCB, "rax"), SSBD);
}

static void guest_writes_reserved_bit(SVMMachine *machine, const SVMCase *test)
{
    prepare_guest(machine, test, GUEST_write_msr, SSBD);
    svm_set(machine, VMCB, "rax", 0x100);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_expect(test, "the VMCB's SPEC_CTRL",
               svm_get(machine, VMCB, "spec_ctrl"), SSBD);
}

/* One register for both, and the VMCB's field is nobody's. */
static void shared(SVMMachine *machine, const SVMCase *test)
{
    prepare_guest(machine, test, GUEST_write_msr, 0x5555);
    svm_set(machine, VMCB, "rax", STIBP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "the VMCB's SPEC_CTRL",
               svm_get(machine, VMCB, "spec_ctrl"), 0x5555);
    expect_spec_ctrl(machine, test, "the host's SPEC_CTRL", STIBP);
}

#define CASE(path_, model_, run_, ...) \
    { .path = "speculation-control/" path_, \
      .rule = "CPUID 8000_000A EDX[20] (row 64)", \
      .run = run_, .arguments = "-cpu " model_, .fails_on_pristine = true, \
      __VA_ARGS__ }

static const SVMCase cases[] = {
    CASE("register/milan", "EPYC-Milan", spec_ctrl_bits,
         .data = &(const uint64_t) { IBRS | STIBP | SSBD }),
    CASE("register/rome", "EPYC-Rome-v1", spec_ctrl_bits,
         .data = &(const uint64_t) { STIBP }),
    CASE("prediction-command", "EPYC-Milan", pred_cmd),
    CASE("guest-reads", "max", guest_reads,
         .data = &(const uint64_t) { SSBD }),
    CASE("guest-writes", "max", guest_writes),
    CASE("guest-writes-reserved-bit", "max", guest_writes_reserved_bit),
    CASE("absent/guest-reads", "EPYC-Milan", guest_reads,
         .data = &(const uint64_t) { IBRS }),
    CASE("absent/guest-writes", "EPYC-Milan", shared),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
