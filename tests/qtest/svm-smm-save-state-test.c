/*
 * What the save state in SMRAM says of a guest that an SMI interrupts
 * (2: 10.2.3, 15.22).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

/* SMBASE is 30000h. */
#define SMM_HANDLER             0x38000
#define SMM_COUNTER             0x39000
#define SMM_SAVE_STATE          0x30000

#define FAULT_PF                14
#define CR0_PAGING              0x80000011
#define CR4_PAE                 0x20

#define APIC_COMMAND            0xfee00300
#define SMI                     0x4200
#define TO_ITSELF               0x40000

#define STATE_GUEST             0x2
#define STATE_ENABLE_NP         0x4

#define GUEST_PAT               0x0606060606060604

/* What the area holds before: 8 bytes of it. */
#define UNTOUCHED               0x5555555555555555

static void put_handler(SVMMachine *machine)
{
    static const uint8_t handler[] = {
        0x2e, 0xff, 0x06, 0x00, 0x90,   /* incw   %cs:0x9000 */
        0x0f, 0xaa,                     /* rsm */
    };

    memset(svm_ram(machine, SMM_SAVE_STATE + 0xfe00), 0x55, 0x200);
    memcpy(svm_ram(machine, SMM_HANDLER), handler, sizeof(handler));
    svm_step(machine, STEP_enable_apic, 0, 0);
}

static void expect_saved(SVMMachine *machine, const SVMCase *test,
                         const char *what, unsigned offset, uint64_t value)
{
    svm_expect(test, what,
               ldq_le_p(svm_ram(machine, SMM_SAVE_STATE + offset)), value);
}

static void expect_handled(SVMMachine *machine, const SVMCase *test)
{
    svm_expect_that(test, lduw_le_p(svm_ram(machine, SMM_COUNTER)) > 0,
                    "no SMI was handled");
}

/* The 2 MiB page of the APIC, in a page directory of the fourth GiB. */
static void map_nested_apic(SVMMachine *machine)
{
    memset(svm_ram(machine, SCRATCH), 0, PAGE);
    stq_le_p(svm_ram(machine, NESTED_TABLES + PAGE + 3 * 8), SCRATCH | 0x67);
    stq_le_p(svm_ram(machine, SCRATCH + (APIC_COMMAND >> 21) % 512 * 8),
             (APIC_COMMAND & ~0x1fffffULL) | 0xe7);
}

/* @data: with nested paging */
static void guest_interrupted(SVMMachine *machine, const SVMCase *test)
{
    const bool *nested_paging = test->data;

    put_handler(machine);
    svm_prepare_guest(machine, GUEST_write_32_bits_jump);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, APIC_COMMAND);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, SMI | TO_ITSELF);
    svm_set(machine, VMCB, "int_ctl", V_INTR_MASKING_MASK | 5);
    svm_set(machine, VMCB, "int_vector", 0x77);
    if (*nested_paging) {
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
        map_nested_apic(machine);
        svm_set(machine, VMCB, "g_pat", GUEST_PAT);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_handled(machine, test);
    expect_saved(machine, test, "SVM state", 0xfed8, STATE_GUEST |
                 (*nested_paging ? STATE_ENABLE_NP : 0));
    expect_saved(machine, test, "VMCB", 0xfee0, VMCB);
    expect_saved(machine, test, "virtual interrupt", 0xfee8,
                 (0x77ULL << 32) | V_INTR_MASKING_MASK | 5);
    expect_saved(machine, test, "guest PAT", 0xff20,
                 *nested_paging ? GUEST_PAT : UNTOUCHED);
    expect_saved(machine, test, "host EFER", 0xff28, EFER_HOST);
    expect_saved(machine, test, "host CR4", 0xff30, CR4_HOST);
    expect_saved(machine, test, "nested CR3", 0xff38,
                 *nested_paging ? NESTED_TABLES : UNTOUCHED);
    expect_saved(machine, test, "host CR0", 0xff40, CR0_HOST);
}

static void host_interrupted(SVMMachine *machine, const SVMCase *test)
{
    put_handler(machine);
    svm_step(machine, STEP_self_ipi, SMI, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    expect_handled(machine, test);
    expect_saved(machine, test, "SVM state", 0xfed8, 0);
}

/*
 * A guest in legacy PAE mode goes on with its own PDPTEs.  With nested paging
 * they are in another page of the system's than its address says.
 */
static void pae_guest_interrupted(SVMMachine *machine, const SVMCase *test)
{
    /* movl $SMI | TO_ITSELF, APIC_COMMAND; jmp over nothing */
    static const char code[] = "\xc7\x05\x00\x03\xe0\xfe\x00\x42\x04\x00"
                               "\xeb\x00";
    const bool *nested_paging = test->data;
    uint64_t pdptes = *nested_paging ? OTHER_VMCB : OTHER_HOST_SAVE;

    put_handler(machine);
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code) - 1);
    svm_set(machine, VMCB, "cr0", CR0_PAGING);
    svm_set(machine, VMCB, "cr4", CR4_PAE);
    svm_set(machine, VMCB, "cr3", OTHER_HOST_SAVE);
    memset(svm_ram(machine, OTHER_HOST_SAVE), 0, PAGE);
    memcpy(svm_ram(machine, pdptes), svm_ram(machine, HOST_PAE_PDPT), 32);
    if (*nested_paging) {
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
        map_nested_apic(machine);
        stq_le_p(svm_ram(machine, NESTED_TABLES + 3 * PAGE +
                         OTHER_HOST_SAVE / PAGE * 8), OTHER_VMCB | 0x67);
    }
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_handled(machine, test);
}

/* RSM loads the PDPTEs of legacy PAE paging with CR3 (2: 5.3.4). */
static void rsm_loads_pdptes(SVMMachine *machine, const SVMCase *test)
{
    uint8_t *pdpte = svm_ram(machine, SCRATCH + 16);

    put_handler(machine);
    memcpy(svm_ram(machine, SCRATCH), svm_ram(machine, HOST_PAE_PDPT), 32);
    stq_le_p(pdpte, HOST_PD | 1);
    svm_step(machine, STEP_write_cr3, 0, SCRATCH);
    stq_le_p(pdpte, 0);
    svm_step(machine, STEP_self_ipi, SMI, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    expect_handled(machine, test);
    svm_step(machine, STEP_read_memory, 2 * GiB, 0);
    svm_expect_fault(machine, test, FAULT_PF, 0);
}

static const SVMCase cases[] = {
    {
        .path = "smm-save-state/guest",
        .rule = "2: 10.2.3 (row 19)",
        .run = guest_interrupted,
        .fails_on_pristine = true,
        .data = &(const bool) { false },
    }, {
        .path = "smm-save-state/guest-with-nested-paging",
        .rule = "2: 10.2.3 (row 19)",
        .run = guest_interrupted,
        .fails_on_pristine = true,
        .data = &(const bool) { true },
    }, {
        .path = "smm-save-state/host",
        .rule = "2: 10.2.3 (row 19)",
        .run = host_interrupted,
        .fails_on_pristine = true,
    }, {
        .path = "smm-save-state/pdptes-of-guest",
        .rule = "2: 5.3.4, 15.22 (row 48)",
        .run = pae_guest_interrupted,
        .data = &(const bool) { false },
    }, {
        .path = "smm-save-state/pdptes-of-guest-with-nested-paging",
        .rule = "2: 15.25.10, 15.22 (row 48)",
        .run = pae_guest_interrupted,
        .fails_on_pristine = true,
        .data = &(const bool) { true },
    }, {
        .path = "smm-save-state/pdptes-after-rsm",
        .rule = "2: 5.3.4 (row 48)",
        .run = rsm_loads_pdptes,
        .host_mode = HOST_PAE,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
