/*
 * Virtual VMLOAD and VMSAVE: the operand is an address of the guest's
 * (2: 15.33.1; row 6).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

/* Guest-physical, and where the nested table leads: two other pages. */
#define OPERAND                 0x68000
#define OPERAND_IN_SYSTEM       SCRATCH
/* Guest-physical, and not in the nested table. */
#define NOT_MAPPED              0x80000
/* System-physical, and nothing is there. */
#define NOTHING                 0x50000000

#define VIRTUALIZED             2

#define ENTRY_PRESENT           1
#define ENTRY_WRITABLE          2
#define ENTRY_FLAGS             0x67

#define NPF_PRESENT             (1 << 0)
#define NPF_WRITE               (1 << 1)
#define NPF_USER                (1 << 2)
#define NPF_FINAL_ADDRESS       (1ULL << 32)

static void map(SVMMachine *machine, uint64_t guest_physical,
                uint64_t system_physical, unsigned flags)
{
    uint64_t *table = (uint64_t *)svm_ram(machine, NESTED_TABLES + 3 * PAGE);

    table[guest_physical / PAGE] = cpu_to_le64(system_physical + flags);
}

static void prepare(SVMMachine *machine, SVMGuest guest)
{
    svm_prepare_guest(machine, guest);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    map(machine, OPERAND, OPERAND_IN_SYSTEM, ENTRY_FLAGS);
    svm_set(machine, VMCB, "rax", OPERAND);
    svm_set(machine, VMCB, "lbr_ctl", VIRTUALIZED);
}

/* Set V of the processor, as the host's VMSAVE shows it. */
static uint8_t *live_set(SVMMachine *machine)
{
    memset(svm_ram(machine, OTHER_HOST_SAVE), 0, PAGE);
    svm_step(machine, STEP_vmsave, OTHER_HOST_SAVE, 0);
    return svm_copy_page(machine, OTHER_HOST_SAVE);
}

static void expect_live_set(SVMMachine *machine, const SVMCase *test,
                            const uint8_t *expected)
{
    g_autofree uint8_t *live = live_set(machine);

    svm_expect_that(test, !memcmp(live, expected, PAGE),
                    "the registers of VMLOAD changed");
}

static void expect_untouched(SVMMachine *machine, const SVMCase *test,
                             uint64_t page)
{
    static const uint8_t zeros[PAGE];

    svm_expect_that(test, !memcmp(svm_ram(machine, page), zeros, PAGE),
                    "the page at 0x%" PRIx64 " was written", page);
}

static void vmsave_is_translated(SVMMachine *machine, const SVMCase *test)
{
    g_autofree uint8_t *live = NULL;

    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    live = live_set(machine);
    prepare(machine, GUEST_vmsave);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect_that(test, !memcmp(svm_ram(machine, OPERAND_IN_SYSTEM), live,
                                  PAGE),
                    "the page that the nested table leads to does not have "
                    "the registers");
    expect_untouched(machine, test, OPERAND);
}

static void vmload_is_translated(SVMMachine *machine, const SVMCase *test)
{
    g_autofree uint8_t *live = NULL;

    svm_fill_vmload_set(machine, OPERAND_IN_SYSTEM);
    svm_step(machine, STEP_vmload, OPERAND_IN_SYSTEM, 0);
    live = live_set(machine);
    svm_step(machine, STEP_vmload, OPERAND, 0);     /* zeros */
    prepare(machine, GUEST_vmload);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_live_set(machine, test, live);
}

/* A page that the nested table does not let it reach. */
typedef struct NestedFault {
    SVMGuest guest;
    /* What the entry says of it. */
    unsigned flags;
    uint64_t exit_info_1;
} NestedFault;

static void nested_page_fault(SVMMachine *machine, const SVMCase *test)
{
    const NestedFault *fault = test->data;
    g_autofree uint8_t *live = live_set(machine);

    prepare(machine, fault->guest);
    svm_fill_vmload_set(machine, OTHER_VMCB);
    map(machine, OPERAND, fault->guest == GUEST_vmload ? OTHER_VMCB
                                                       : OPERAND_IN_SYSTEM,
        fault->flags);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               fault->exit_info_1);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               OPERAND);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               svm_guest_address(machine, fault->guest));
    expect_live_set(machine, test, live);
    expect_untouched(machine, test, OPERAND_IN_SYSTEM);
    expect_untouched(machine, test, OPERAND);
}

/* An exit in place of the instruction, which has no effect. */
typedef struct ForcedExit {
    SVMGuest guest;
    uint32_t exit_code;
} ForcedExit;

static void exits_without_nested_paging(SVMMachine *machine,
                                        const SVMCase *test)
{
    const ForcedExit *forced = test->data;
    g_autofree uint8_t *live = live_set(machine);

    prepare(machine, forced->guest);
    svm_set(machine, VMCB, "nested_ctl", 0);
    svm_run(machine);
    svm_expect_exit(machine, test, forced->exit_code);
    expect_live_set(machine, test, live);
    expect_untouched(machine, test, OPERAND);
}

static void exits_outside_long_mode(SVMMachine *machine, const SVMCase *test)
{
    const ForcedExit *forced = test->data;
    g_autofree uint8_t *live = live_set(machine);

    svm_prepare_guest_32(machine, forced->guest);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    svm_set(machine, VMCB, "rax", OPERAND);
    svm_set(machine, VMCB, "lbr_ctl", VIRTUALIZED);
    svm_run(machine);
    svm_expect_exit(machine, test, forced->exit_code);
    expect_live_set(machine, test, live);
    expect_untouched(machine, test, OPERAND);
}

static void intercept_comes_first(SVMMachine *machine, const SVMCase *test)
{
    const ForcedExit *forced = test->data;

    prepare(machine, forced->guest);
    svm_set(machine, VMCB, "rax", NOT_MAPPED);
    svm_intercept(machine, forced->exit_code);
    svm_run(machine);
    svm_expect_exit(machine, test, forced->exit_code);
}

static void operand_is_a_device(SVMMachine *machine, const SVMCase *test)
{
    const ForcedExit *forced = test->data;

    prepare(machine, forced->guest);
    map(machine, OPERAND, NOTHING, ENTRY_FLAGS);
    svm_run(machine);
    svm_expect_exit(machine, test, forced->exit_code);
}

/* The operand is system-physical where the bit is clear or has no meaning. */
static void not_virtualized(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *lbr_ctl = test->data;

    prepare(machine, GUEST_vmsave);
    svm_set(machine, VMCB, "lbr_ctl", *lbr_ctl);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_untouched(machine, test, OPERAND_IN_SYSTEM);
    svm_expect_that(test, svm_get(machine, OPERAND, "tr.attributes") != 0,
                    "the page at the system-physical address was not written");
}

#define RULE    "2: 15.33.1 (row 6)"
#define WITH    "-cpu EPYC,+v-vmsave-vmload"
#define WITHOUT "-cpu EPYC,-v-vmsave-vmload"

#define NESTED_FAULT(path_, guest_, flags_, exit_info_1_) \
    { .path = "virtual-vmload-vmsave/" path_, .rule = RULE, \
      .run = nested_page_fault, .arguments = WITH, .fails_on_pristine = true, \
      .data = &(const NestedFault) { guest_, flags_, \
          NPF_FINAL_ADDRESS | NPF_USER | (exit_info_1_) } }
#define EXIT(path_, run_, guest_, exit_code_, fails_) \
    { .path = "virtual-vmload-vmsave/" path_, .rule = RULE, .run = run_, \
      .arguments = WITH, .fails_on_pristine = fails_, \
      .data = &(const ForcedExit) { guest_, exit_code_ } }

static const SVMCase cases[] = {
    {
        .path = "virtual-vmload-vmsave/vmsave",
        .rule = RULE,
        .run = vmsave_is_translated,
        .arguments = WITH,
        .fails_on_pristine = true,
    }, {
        .path = "virtual-vmload-vmsave/vmload",
        .rule = RULE,
        .run = vmload_is_translated,
        .arguments = WITH,
        .fails_on_pristine = true,
    },
    NESTED_FAULT("nested-page-fault/vmsave", GUEST_vmsave, 0, NPF_WRITE),
    NESTED_FAULT("nested-page-fault/vmsave-to-read-only", GUEST_vmsave,
                 ENTRY_FLAGS & ~ENTRY_WRITABLE, NPF_WRITE | NPF_PRESENT),
    NESTED_FAULT("nested-page-fault/vmload", GUEST_vmload, 0, 0),
    EXIT("without-nested-paging/vmsave", exits_without_nested_paging,
         GUEST_vmsave, SVM_EXIT_VMSAVE, false),
    EXIT("without-nested-paging/vmload", exits_without_nested_paging,
         GUEST_vmload, SVM_EXIT_VMLOAD, false),
    EXIT("outside-long-mode/vmsave", exits_outside_long_mode, GUEST_vmsave,
         SVM_EXIT_VMSAVE, false),
    EXIT("outside-long-mode/vmload", exits_outside_long_mode, GUEST_vmload,
         SVM_EXIT_VMLOAD, false),
    EXIT("intercept-comes-first/vmsave", intercept_comes_first, GUEST_vmsave,
         SVM_EXIT_VMSAVE, false),
    EXIT("intercept-comes-first/vmload", intercept_comes_first, GUEST_vmload,
         SVM_EXIT_VMLOAD, false),
    EXIT("nothing-at-the-address/vmsave", operand_is_a_device, GUEST_vmsave,
         SVM_EXIT_VMMCALL, false),
    EXIT("nothing-at-the-address/vmload", operand_is_a_device, GUEST_vmload,
         SVM_EXIT_VMMCALL, false),
    {
        .path = "virtual-vmload-vmsave/absent",
        .rule = RULE,
        .run = not_virtualized,
        .arguments = WITHOUT,
        .data = &(const uint64_t) { VIRTUALIZED },
    }, {
        .path = "virtual-vmload-vmsave/not-enabled",
        .rule = RULE,
        .run = not_virtualized,
        .arguments = WITH,
        .data = &(const uint64_t) { 0 },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
