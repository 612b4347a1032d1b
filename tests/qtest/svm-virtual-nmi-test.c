/*
 * Virtual NMIs (2: 15.21.10; row 65).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define VECTOR_NMI              2

/* Guest-physical, and not in the nested table. */
#define NOT_MAPPED              0x80000

/* int_ctl; MASKED is V_NMI_MASK. */
#define PENDING                 (1u << 11)
#define MASKED                  (1u << 12)
#define ENABLED                 (1u << 26)
#define VIRTUAL_GIF             V_GIF_MASK
#define VIRTUAL_GIF_ENABLED     V_GIF_ENABLED_MASK

#define EVENT_NMI               0x80000202

/* The delivery mode of an interprocessor interrupt. */
#define APIC_NMI                0x400

#define NOP                     "\x90"
#define IRETQ                   "\x48\xcf"
#define STGI                    "\x0f\x01\xdc"

static void prepare(SVMMachine *machine, const char *code, size_t length,
                    uint32_t int_ctl)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, length);
    svm_intercept(machine, SVM_EXIT_NMI);
    svm_set(machine, VMCB, "int_ctl", int_ctl);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0);
}

static void expect_state(SVMMachine *machine, const SVMCase *test,
                         uint32_t int_ctl)
{
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "V_NMI, V_NMI_MASK, V_NMI_ENABLE",
               svm_get(machine, VMCB, "int_ctl") &
               (PENDING | MASKED | ENABLED), int_ctl);
}

/* The guest is in its NMI handler, and got there from @from. */
static void expect_taken(SVMMachine *machine, const SVMCase *test,
                         uint64_t from)
{
    svm_expect(test, "vector that the guest saw",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), VECTOR_NMI);
    svm_expect(test, "return address",
               svm_mailbox(machine, MAILBOX_GUEST_RCX), from);
}

static void expect_not_taken(SVMMachine *machine, const SVMCase *test)
{
    svm_expect(test, "vector that the guest saw",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), 0);
}

static void taken(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | ENABLED);
    svm_run(machine);
    expect_state(machine, test, MASKED | ENABLED);
    expect_taken(machine, test, GUEST_CODE);
}

static void masked(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | MASKED | ENABLED);
    svm_run(machine);
    expect_state(machine, test, PENDING | MASKED | ENABLED);
    expect_not_taken(machine, test);
}

/* From the handler of one, with IRET, into that of the next. */
static void taken_after_iret(SVMMachine *machine, const SVMCase *test)
{
    taken(machine, test);
    svm_put_code(machine, GUEST_CODE + PAGE, IRETQ, 2);
    svm_set(machine, VMCB, "int_ctl", PENDING | MASKED | ENABLED);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0);
    svm_run(machine);
    expect_state(machine, test, MASKED | ENABLED);
    expect_taken(machine, test, GUEST_CODE);
}

static void iret_unmasks(SVMMachine *machine, const SVMCase *test)
{
    taken(machine, test);
    svm_put_code(machine, GUEST_CODE + PAGE, IRETQ, 2);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0);
    svm_run(machine);
    expect_state(machine, test, ENABLED);
    expect_not_taken(machine, test);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE + 1);
}

static void waits_for_shadow(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP NOP, 2, PENDING | ENABLED);
    svm_set(machine, VMCB, "int_state", 1);
    svm_run(machine);
    expect_state(machine, test, MASKED | ENABLED);
    expect_taken(machine, test, GUEST_CODE + 1);
}

static void waits_for_virtual_gif(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | ENABLED | VIRTUAL_GIF_ENABLED);
    svm_run(machine);
    expect_state(machine, test, PENDING | ENABLED);
    expect_not_taken(machine, test);

    svm_put_code(machine, GUEST_CODE + PAGE, NOP STGI, 4);
    svm_run(machine);
    expect_state(machine, test, MASKED | ENABLED);
    expect_taken(machine, test, GUEST_CODE + PAGE + 4);
}

static void needs_intercept(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, ENABLED);
    svm_set(machine, VMCB, "intercept", svm_get(machine, VMCB, "intercept") &
            ~(1ULL << (SVM_EXIT_NMI - SVM_EXIT_INTR)));
    svm_run(machine);
    svm_expect_exit(machine, test, VMEXIT_INVALID);
}

/* An injected NMI masks the virtual one that is pending. */
static void injection_masks(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | ENABLED);
    svm_set(machine, VMCB, "event_inj", EVENT_NMI);
    svm_run(machine);
    expect_state(machine, test, PENDING | MASKED | ENABLED);
    expect_taken(machine, test, GUEST_CODE);
}

/* It cannot be pushed on the guest's stack. */
static void delivery_is_interrupted(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | ENABLED);
    svm_set_nested_paging(machine, GUEST_CODE, GUEST_CODE);
    svm_set(machine, VMCB, "rsp", NOT_MAPPED + 0x800);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               EVENT_NMI);
    svm_expect(test, "V_NMI, V_NMI_MASK, V_NMI_ENABLE",
               svm_get(machine, VMCB, "int_ctl"), ENABLED);
}

/* The host's NMI has nothing to do with the guest's. */
static void physical_is_an_exit(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | MASKED | ENABLED);
    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_self_ipi, APIC_NMI, 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NMI);
    svm_expect(test, "V_NMI, V_NMI_MASK, V_NMI_ENABLE",
               svm_get(machine, VMCB, "int_ctl"), PENDING | MASKED | ENABLED);
}

/* Bits without a meaning stay as they are. */
static void absent(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING | ENABLED);
    svm_set(machine, VMCB, "intercept", svm_get(machine, VMCB, "intercept") &
            ~(1ULL << (SVM_EXIT_NMI - SVM_EXIT_INTR)));
    svm_run(machine);
    expect_state(machine, test, PENDING | ENABLED);
    expect_not_taken(machine, test);
}

static void not_enabled(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, NOP, 1, PENDING);
    svm_run(machine);
    expect_state(machine, test, PENDING);
    expect_not_taken(machine, test);
}

#define NMI_CASE(path_, run_, fails_) \
    { .path = "virtual-nmi/" path_, .rule = "2: 15.21.10 (row 65)", \
      .run = run_, .arguments = "-cpu EPYC,+vnmi,+vgif", \
      .fails_on_pristine = fails_ }

static const SVMCase cases[] = {
    NMI_CASE("taken", taken, true),
    NMI_CASE("masked", masked, false),
    NMI_CASE("taken-after-iret", taken_after_iret, true),
    NMI_CASE("iret-unmasks", iret_unmasks, true),
    NMI_CASE("waits-for-interrupt-shadow", waits_for_shadow, true),
    NMI_CASE("waits-for-virtual-gif", waits_for_virtual_gif, true),
    NMI_CASE("needs-nmi-intercept", needs_intercept, true),
    NMI_CASE("injection-masks", injection_masks, true),
    NMI_CASE("delivery-is-interrupted", delivery_is_interrupted, true),
    NMI_CASE("physical-is-an-exit", physical_is_an_exit, false),
    NMI_CASE("not-enabled", not_enabled, false),
    {
        .path = "virtual-nmi/absent",
        .rule = "2: 15.21.10 (row 65)",
        .run = absent,
        .arguments = "-cpu EPYC,-vnmi",
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
