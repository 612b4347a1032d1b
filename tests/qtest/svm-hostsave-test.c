/*
 * The host's state: what VMRUN saves, what #VMEXIT brings back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13
#define CR0_NE                  0x20

/* VM_HSAVE_PA as it is after reset. */
static void host_save_page_not_set(SVMMachine *machine, const SVMCase *test)
{
    g_autofree uint8_t *before = NULL;

    svm_step(machine, STEP_write_msr, MSR_VM_HSAVE_PA, 0);
    svm_prepare_guest(machine, GUEST_vmmcall);
    before = svm_copy_page(machine, 0);
    svm_step(machine, STEP_vmrun, VMCB, 0);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect_that(test, !memcmp(before, svm_ram(machine, 0), PAGE),
                    "memory at 0 was written");
}

static void refused_host_save_page(SVMMachine *machine, const SVMCase *test)
{
    static const uint64_t addresses[] = {
        HOST_SAVE + 8, HOST_SAVE + 0x800, 1ULL << 40, 1ULL << 63
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(addresses); i++) {
        svm_step(machine, STEP_write_msr, MSR_VM_HSAVE_PA, addresses[i]);
        svm_expect_fault(machine, test, FAULT_GP, 0);
    }
    svm_expect(test, "VM_HSAVE_PA",
               svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0),
               HOST_SAVE);
}

/* The guest can write the MSR if nobody intercepts that. */
static void host_save_page_changed_by_guest(SVMMachine *machine,
                                            const SVMCase *test)
{
    uint64_t cr3 = svm_step(machine, STEP_read_cr3, 0, 0);

    memset(svm_ram(machine, OTHER_HOST_SAVE), 0, PAGE);
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_VM_HSAVE_PA);
    svm_set(machine, VMCB, "rax", OTHER_HOST_SAVE);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "host CR3", svm_step(machine, STEP_read_cr3, 0, 0), cr3);
}

/* What is there at #VMEXIT is what the host gets. */
static void host_save_page_is_memory(SVMMachine *machine, const SVMCase *test)
{
    uint64_t other = svm_step(machine, STEP_read_cr0, 0, 0) ^ CR0_NE;

    svm_prepare_guest(machine, GUEST_write_32_bits_jump);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX,
                    HOST_SAVE + svm_field("cr0")->offset);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, other);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "host CR0", svm_step(machine, STEP_read_cr0, 0, 0),
               other);
}

/* A guest without paging writes 32 bits of what the host will get. */
static void run_guest_that_writes(SVMMachine *machine, uint64_t address,
                                  uint32_t value)
{
    svm_prepare_guest_32(machine, GUEST_write_32_bits_jump);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, address);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, value);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
}

typedef struct HostField {
    const char *field;
    /* Of the two halves of the field. */
    unsigned half;
    uint32_t value;
} HostField;

static void inconsistent_host(SVMMachine *machine, const SVMCase *test)
{
    const HostField *bad = test->data;

    run_guest_that_writes(machine, HOST_SAVE + svm_field(bad->field)->offset +
                          4 * bad->half, bad->value);
    svm_expect_shutdown(machine, test);
}

static void illegal_pdpte(SVMMachine *machine, const SVMCase *test)
{
    const uint32_t *entry = test->data;

    run_guest_that_writes(machine, HOST_PAE_PDPT + 8 * 3, *entry);
    svm_expect_shutdown(machine, test);
}

static void not_present_pdpte(SVMMachine *machine, const SVMCase *test)
{
    run_guest_that_writes(machine, HOST_PAE_PDPT + 8 * 3, -2);
    svm_step_end(machine, 0, 10);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

static void not_canonical_rip(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t rip = 0x0000800000000000;

    svm_prepare_guest(machine, GUEST_write_memory);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX,
                    HOST_SAVE + svm_field("rip")->offset);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, rip);
    svm_step(machine, STEP_vmrun, VMCB, 0);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "RIP of the exception",
               svm_mailbox(machine, MAILBOX_FAULT_RIP), rip);
}

static void rip_beyond_limit(SVMMachine *machine, const SVMCase *test)
{
    const uint32_t limit = 0xfff;

    run_guest_that_writes(machine, HOST_SAVE + svm_field("cs.limit")->offset,
                          limit);
    svm_step_end(machine, 0, 10);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "times that VMRUN's successor ran",
               svm_mailbox(machine, MAILBOX_VMRUN_RETURNS), 0);
}

/* Debug registers are not the host's afterwards. */
static void debug_registers(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_dr7, 0, 0x701);
    svm_step(machine, STEP_write_dr6, 0, 0xffff0ff0);
    svm_prepare_guest(machine, GUEST_write_drs);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0xffff4ff1);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0x400);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "DR7 after #VMEXIT",
               svm_step(machine, STEP_read_dr7, 0, 0), 0x400);
    svm_expect(test, "DR6 after #VMEXIT, the guest's",
               svm_step(machine, STEP_read_dr6, 0, 0), 0xffff4ff1);
}

/* Everything else is, whatever the guest had. */
static void registers_come_back(SVMMachine *machine, const SVMCase *test)
{
    static const struct {
        SVMStep step;
        const char *name;
    } registers[] = {
        { STEP_read_cr0, "CR0" },
        { STEP_read_cr3, "CR3" },
        { STEP_read_cr4, "CR4" },
        { STEP_read_rflags, "RFLAGS" },
        { STEP_read_gdtr, "GDTR base" },
        { STEP_read_idtr, "IDTR base" },
    };
    uint64_t before[ARRAY_SIZE(registers)];
    uint64_t efer = svm_step(machine, STEP_read_msr, MSR_EFER, 0);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(registers); i++) {
        before[i] = svm_step(machine, registers[i].step, 0, 0);
    }
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr0", 0x60000011);
    svm_set(machine, VMCB, "cr4", 0x10);
    svm_set(machine, VMCB, "rflags", 0x8d7);
    svm_set(machine, VMCB, "gdtr.base", 0x1234);
    svm_set(machine, VMCB, "idtr.base", 0x5678);
    svm_set(machine, VMCB, "ds.attributes", 0);
    svm_set(machine, VMCB, "es.base", 0x1000);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    for (i = 0; i < ARRAY_SIZE(registers); i++) {
        svm_expect(test, registers[i].name,
                   svm_step(machine, registers[i].step, 0, 0), before[i]);
    }
    svm_expect(test, "EFER", svm_step(machine, STEP_read_msr, MSR_EFER, 0),
               efer);
}

static void cr2_is_the_guests(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_cr2, 0, 0x1111);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr2", 0x2222);
    svm_run(machine);
    svm_expect(test, "CR2 after #VMEXIT",
               svm_step(machine, STEP_read_cr2, 0, 0), 0x2222);
    svm_expect(test, "CR2 that #VMEXIT stores",
               svm_get(machine, VMCB, "cr2"), 0x2222);
}

/* PAT: the guest's own with nested paging, the host's without. */
static void guest_reads_its_pat(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t pat = 0x0606060606060604;

    svm_prepare_guest(machine, GUEST_read_msr);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    svm_set(machine, VMCB, "g_pat", pat);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_PAT);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "PAT that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RDX) << 32 |
               (uint32_t)svm_get(machine, VMCB, "rax"), pat);
    svm_expect(test, "host PAT",
               svm_step(machine, STEP_read_msr, MSR_PAT, 0), PAT_HOST);
}

static void guest_writes_its_pat(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_PAT);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0x06060606);
    svm_set(machine, VMCB, "rax", 0x06060600);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "G_PAT that #VMEXIT stores",
               svm_get(machine, VMCB, "g_pat"), 0x0606060606060600);
    svm_expect(test, "host PAT",
               svm_step(machine, STEP_read_msr, MSR_PAT, 0), PAT_HOST);
}

static void pat_is_shared_without_nested_paging(SVMMachine *machine,
                                                const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_set(machine, VMCB, "g_pat", 0x1111111111111111);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_PAT);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0x06060606);
    svm_set(machine, VMCB, "rax", 0x06060600);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "G_PAT, not touched", svm_get(machine, VMCB, "g_pat"),
               0x1111111111111111);
    svm_expect(test, "PAT of both",
               svm_step(machine, STEP_read_msr, MSR_PAT, 0),
               0x0606060606060600);
}

static const SVMCase cases[] = {
    {
        .path = "hostsave/page-not-set",
        .rule = "2: 15.30.4, VMRUN (row 10)",
        .run = host_save_page_not_set,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/refused-page",
        .rule = "2: 15.30.4",
        .run = refused_host_save_page,
    }, {
        .path = "hostsave/page-changed-by-guest",
        .rule = "2: 15.30.4 (row 11)",
        .run = host_save_page_changed_by_guest,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/page-is-memory",
        .rule = "2: 15.5.1, 15.6",
        .run = host_save_page_is_memory,
    }, {
        .path = "hostsave/inconsistent/cr0-upper-half",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr0", 1, 1 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/inconsistent/cr0-nw-without-cd",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr0", 0, 0xa0010033 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/inconsistent/cr3-above-limit",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr3", 1, 0x100 },
    }, {
        .path = "hostsave/inconsistent/cr4-reserved",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr4", 1, 0x1 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/inconsistent/cr4-without-pae",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr4", 0, CR4_HOST & ~0x20 },
    }, {
        .path = "hostsave/inconsistent/efer-reserved",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "efer", 1, 1 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/inconsistent/code-of-32-and-64-bits",
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cs.selector", 0,
                               SELECTOR_CODE_64 | 0xe9b << 16 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/illegal-pdpte/writable",
        .rule = "2: 15.6 (row 11)",
        .run = illegal_pdpte,
        .data = &(uint32_t) { (HOST_PD + 3 * PAGE) | 3 },
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/illegal-pdpte/large",
        .rule = "2: 15.6 (row 11)",
        .run = illegal_pdpte,
        .data = &(uint32_t) { (HOST_PD + 3 * PAGE) | 0x81 },
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/not-present-pdpte",
        .rule = "2: 15.6, 5.2.3",
        .run = not_present_pdpte,
        .host_mode = HOST_PAE,
    }, {
        .path = "hostsave/rip/not-canonical",
        .rule = "2: 15.6 (row 11)",
        .run = not_canonical_rip,
    }, {
        .path = "hostsave/rip/beyond-limit",
        .rule = "2: 15.6 (row 11)",
        .run = rip_beyond_limit,
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/debug-registers",
        .rule = "2: 15.6 (row 7)",
        .run = debug_registers,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/registers-come-back",
        .rule = "2: 15.6",
        .run = registers_come_back,
    }, {
        .path = "hostsave/cr2-is-the-guests",
        .rule = "2: 15.6",
        .run = cr2_is_the_guests,
    }, {
        .path = "hostsave/guest-reads-its-pat",
        .rule = "2: 15.25.4 (row 12)",
        .run = guest_reads_its_pat,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/guest-writes-its-pat",
        .rule = "2: 15.25.4 (row 12)",
        .run = guest_writes_its_pat,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/pat-is-shared-without-nested-paging",
        .rule = "2: 15.25.4 (row 12)",
        .run = pat_is_shared_without_nested_paging,
    },

    {
        .path = "hostsave/page-not-set",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.30.4, VMRUN (row 10)",
        .run = host_save_page_not_set,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/refused-page",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.30.4",
        .run = refused_host_save_page,
    }, {
        .path = "hostsave/page-changed-by-guest",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.30.4 (row 11)",
        .run = host_save_page_changed_by_guest,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/page-is-memory",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1, 15.6",
        .run = host_save_page_is_memory,
    }, {
        .path = "hostsave/inconsistent/cr0-upper-half",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr0", 1, 1 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/inconsistent/cr4-reserved",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6 (row 11)",
        .run = inconsistent_host,
        .data = &(HostField) { "cr4", 1, 0x1 },
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/debug-registers",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6 (row 7)",
        .run = debug_registers,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/registers-come-back",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6",
        .run = registers_come_back,
    }, {
        .path = "hostsave/cr2-is-the-guests",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6",
        .run = cr2_is_the_guests,
    }, {
        .path = "hostsave/guest-reads-its-pat",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.25.4 (row 12)",
        .run = guest_reads_its_pat,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/guest-writes-its-pat",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.25.4 (row 12)",
        .run = guest_writes_its_pat,
        .fails_on_pristine = true,
    }, {
        .path = "hostsave/pat-is-shared-without-nested-paging",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.25.4 (row 12)",
        .run = pat_is_shared_without_nested_paging,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
