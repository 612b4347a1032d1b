/*
 * Page faults, nested and ordinary ones: their error codes, and the reserved
 * bits of page-table entries.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13
#define FAULT_PF                14

#define CR4_PAE                 0x20
#define CR4_PGE                 0x80
#define CR4_SMEP                (1 << 20)
#define EFER_NXE                0x800
#define CR0_PAGING              0x80000011

/* Above the processor's physical address. */
#define BIT_45                  (1ULL << 45)
#define BIT_8                   (1ULL << 8)
#define BIT_2                   (1ULL << 2)

#define ENTRY                   0x67    /* P, RW, US, A, D */

/* The page that is reached through what a case changed. */
#define TARGET                  (GUEST_DATA + PAGE)
#define GUEST_CODE              GUEST_DATA
/* 32 bytes of a case's own. */
#define PDPTES                  SCRATCH

typedef enum Access { READ, WRITE, FETCH } Access;

static uint64_t *entry(SVMMachine *machine, uint64_t table, unsigned index)
{
    return (uint64_t *)svm_ram(machine, table + 8 * index);
}

static void set_bits(uint64_t *entry, uint64_t bits)
{
    *entry = cpu_to_le64(le64_to_cpu(*entry) | bits);
}

static void prepare_access(SVMMachine *machine, Access access,
                           uint64_t address)
{
    svm_prepare_guest(machine, access == WRITE ? GUEST_write_memory :
                                                 GUEST_read_memory);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, address);
    if (access == FETCH) {
        svm_set(machine, VMCB, "rip", address);
    }
}

/* An entry of the nested table, and what an access that needs it reports. */
typedef struct NestedFault {
    Access access;
    /* The entry is that of a page table of the guest's. */
    bool of_page_table;
    unsigned level;
    uint64_t bits;
    bool smep_without_nx;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
} NestedFault;

/* The host's pages stop being a user's, as SMEP demands. */
static void use_smep(SVMMachine *machine)
{
    *entry(machine, HOST_PML4, 0) &= cpu_to_le64(~4ULL);
    svm_step(machine, STEP_write_cr3, 0, HOST_PML4);
    svm_step(machine, STEP_write_cr4, 0, CR4_HOST | CR4_SMEP);
    svm_step(machine, STEP_write_msr, MSR_EFER, EFER_HOST & ~EFER_NXE);
}

static void nested_fault(SVMMachine *machine, const SVMCase *test)
{
    const NestedFault *fault = test->data;
    uint64_t page = fault->of_page_table ? HOST_PD : TARGET;

    prepare_access(machine, fault->access, TARGET);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    set_bits(entry(machine, NESTED_TABLES + (4 - fault->level) * PAGE,
                   fault->level == 1 ? page / PAGE : 0), fault->bits);
    if (fault->smep_without_nx) {
        use_smep(machine);
        svm_set(machine, VMCB, "efer", EFER_HOST & ~EFER_NXE);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               fault->exit_info_1);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               fault->exit_info_2);
}

/* An entry of the table that guest and host share. */
typedef struct PageFault {
    Access access;
    uint64_t table;
    unsigned index;
    uint64_t value;
    uint64_t address;
    /* 0: there is no fault. */
    uint64_t error_code;
} PageFault;

static void page_fault(SVMMachine *machine, const SVMCase *test)
{
    const PageFault *fault = test->data;

    prepare_access(machine, fault->access, fault->address);
    *entry(machine, fault->table, fault->index) = cpu_to_le64(fault->value);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_run(machine);
    if (!fault->error_code) {
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
        return;
    }
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), fault->error_code);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               fault->address);
}

/* PDPTEs of legacy PAE paging: a copy of the host's, the last one illegal. */
static void put_pdptes(SVMMachine *machine, uint64_t bits)
{
    memcpy(svm_ram(machine, PDPTES), svm_ram(machine, HOST_PAE_PDPT), 32);
    set_bits(entry(machine, PDPTES, 3), bits);
}

static void prepare_pae_guest(SVMMachine *machine, const void *code,
                              size_t length)
{
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr0", CR0_PAGING);
    svm_set(machine, VMCB, "cr4", CR4_PAE);
    svm_set(machine, VMCB, "cr3", PDPTES);
    svm_set(machine, VMCB, "rip", GUEST_CODE);
    memcpy(svm_ram(machine, GUEST_CODE), code, length);
}

#define VMMCALL                 "\x0f\x01\xd9"
/* movl $0, PDPTES + 16; movl $HOST_PD + 1, PDPTES + 16 */
#define CLEAR_PDPTE             "\xc7\x05\x10\x50\x02\x00\x00\x00\x00\x00"
#define SET_PDPTE               "\xc7\x05\x10\x50\x02\x00\x01\x20\x01\x00"
/* mov ALIAS + TARGET, %eax */
#define READ_ALIAS              "\xa1\x00\x10\x06\x80"
/* mov $..., %eax; mov %eax, %cr3; and to CR4 and CR0 */
#define WRITE_CR3               "\xb8\x00\x50\x02\x00\x0f\x22\xd8"
#define WRITE_CR4_PGE           "\xb8\xa0\x00\x00\x00\x0f\x22\xe0"
#define WRITE_CR0_CD            "\xb8\x11\x00\x00\xc0\x0f\x22\xc0"
#define WRITE_CR0_TS            "\xb8\x19\x00\x00\x80\x0f\x22\xc0"
/* ljmp $SELECTOR_OTHER_TASK, $0 */
#define JUMP_TO_TASK            "\xea\x00\x00\x00\x00\x48\x00"

static void vmrun_with_pdptes(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *bits = test->data;

    put_pdptes(machine, *bits);
    prepare_pae_guest(machine, VMMCALL, 3);
    svm_run(machine);
    svm_expect_exit(machine, test, *bits ? VMEXIT_INVALID : SVM_EXIT_VMMCALL);
    svm_expect(test, "the PDPTE that was used",
               le64_to_cpu(*entry(machine, PDPTES, 0)), HOST_PD + 1);
}

/* With nested paging they are judged when they are used. */
static void nested_paging_with_pdptes(SVMMachine *machine,
                                      const SVMCase *test)
{
    /* mov 0xc0000000, %eax */
    static const char code[] = "\xa1\x00\x00\x00\xc0" VMMCALL;

    put_pdptes(machine, BIT_2);
    prepare_pae_guest(machine, code, sizeof(code));
    svm_set_nested_paging(machine, SCRATCH, GUEST_STACK_TOP);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), 9);
}

/* A guest that makes its last PDPTE illegal, and then has it loaded. */
typedef struct PDPTELoad {
    const char *code;
    size_t length;
    bool starts_without_paging;
} PDPTELoad;

static void pdpte_load_in_guest(SVMMachine *machine, const SVMCase *test)
{
    const PDPTELoad *load = test->data;

    put_pdptes(machine, 0);
    prepare_pae_guest(machine, load->code, load->length);
    if (load->starts_without_paging) {
        svm_set(machine, VMCB, "cr0", 0x11);
    }
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), 0);
}

static void pdpte_load_in_host(SVMMachine *machine, const SVMCase *test)
{
    put_pdptes(machine, BIT_2);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "CR3", svm_step(machine, STEP_read_cr3, 0, 0),
               HOST_PAE_PDPT);
    put_pdptes(machine, 0);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    svm_expect(test, "exception at legal PDPTEs", svm_fault(machine), 0);
}

/*
 * The third PDPTE has the third GiB be the first one, until a program or
 * another processor makes it not present.
 */
#define ALIAS                   0x80000000
#define VALUE                   0x12345678

/* What reads TARGET there: after a change of the PDPTE in memory, if any. */
typedef struct KeptPDPTE {
    const char *code;
    size_t length;
    bool nested_paging;
    bool is_kept;
} KeptPDPTE;

static void put_alias(SVMMachine *machine)
{
    put_pdptes(machine, 0);
    *entry(machine, PDPTES, 2) = cpu_to_le64(HOST_PD | 1);
    stl_le_p(svm_ram(machine, TARGET), VALUE);
}

static void expect_alias(SVMMachine *machine, const SVMCase *test,
                         bool is_there)
{
    if (is_there) {
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
        svm_expect(test, "EAX", svm_get(machine, VMCB, "rax"), VALUE);
        return;
    }
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               ALIAS + TARGET);
}

static void kept_in_guest(SVMMachine *machine, const SVMCase *test)
{
    const KeptPDPTE *kept = test->data;

    put_alias(machine);
    prepare_pae_guest(machine, kept->code, kept->length);
    if (kept->nested_paging) {
        svm_set_nested_paging(machine, SCRATCH, GUEST_STACK_TOP);
    }
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_run(machine);
    expect_alias(machine, test, kept->is_kept);
}

static void expect_alias_in_host(SVMMachine *machine, const SVMCase *test,
                                 bool is_there)
{
    uint64_t value = svm_step(machine, STEP_read_memory, ALIAS + TARGET, 0);

    if (is_there) {
        svm_expect(test, "exception", svm_fault(machine), 0);
        svm_expect(test, "what was read", value, VALUE);
    } else {
        svm_expect_fault(machine, test, FAULT_PF, 0);
    }
}

static void kept_in_host(SVMMachine *machine, const SVMCase *test)
{
    put_alias(machine);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    *entry(machine, PDPTES, 2) = 0;
    expect_alias_in_host(machine, test, true);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    expect_alias_in_host(machine, test, false);
}

static void kept_over_snapshot(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *saved = NULL;
    g_autofree char *loaded = NULL;

    svm_add_snapshot_disk(machine);
    put_alias(machine);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    *entry(machine, PDPTES, 2) = 0;
    saved = qtest_hmp(svm_qtest(machine), "savevm kept");
    svm_expect_that(test, !*saved, "savevm: %s", saved);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    loaded = qtest_hmp(svm_qtest(machine), "loadvm kept");
    svm_expect_that(test, !*loaded, "loadvm: %s", loaded);
    expect_alias_in_host(machine, test, true);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    expect_alias_in_host(machine, test, false);
}

/* #VMEXIT loads the host's. */
static void kept_until_vmexit(SVMMachine *machine, const SVMCase *test)
{
    put_alias(machine);
    svm_step(machine, STEP_write_cr3, 0, PDPTES);
    *entry(machine, PDPTES, 2) = 0;
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_alias_in_host(machine, test, false);
}

/* A GDT of the guest's own with two tasks: the one it is in, and another. */
#define TABLE                   (GUEST_DATA + 0x800)
#define TASK                    (GUEST_DATA + 0x2000)
#define OTHER_TASK              (GUEST_DATA + 0x2100)
#define SELECTOR_TASK           0x40
#define SELECTOR_OTHER_TASK     0x48
#define OTHER_TASK_CODE         (GUEST_CODE + 0x100)

static void put_task(SVMMachine *machine, unsigned selector, uint32_t base,
                     uint8_t access)
{
    stl_le_p(svm_ram(machine, TABLE + selector), base << 16 | 0x67);
    stl_le_p(svm_ram(machine, TABLE + selector + 4),
             (base & 0xff000000) | access << 8 | (base >> 16 & 0xff));
}

static void kept_until_task_switch(SVMMachine *machine, const SVMCase *test)
{
    const KeptPDPTE *kept = test->data;
    uint8_t *other = svm_ram(machine, OTHER_TASK);

    put_alias(machine);
    prepare_pae_guest(machine, kept->code, kept->length);
    memcpy(svm_ram(machine, OTHER_TASK_CODE), READ_ALIAS VMMCALL, 8);
    memcpy(svm_ram(machine, TABLE), svm_ram(machine, GLOBAL_DESCRIPTORS),
           SELECTOR_TASK);
    put_task(machine, SELECTOR_TASK, TASK, 0x8b);
    put_task(machine, SELECTOR_OTHER_TASK, OTHER_TASK, 0x89);
    svm_set(machine, VMCB, "gdtr.base", TABLE);
    stl_le_p(other + 0x1c, PDPTES);
    stl_le_p(other + 0x20, OTHER_TASK_CODE);
    stl_le_p(other + 0x24, 2);
    stl_le_p(other + 0x38, GUEST_STACK_TOP);
    stl_le_p(other + 0x48, SELECTOR_DATA);
    stl_le_p(other + 0x4c, SELECTOR_CODE_32);
    stl_le_p(other + 0x50, SELECTOR_DATA);
    stl_le_p(other + 0x54, SELECTOR_DATA);

    svm_step(machine, STEP_vmsave, VMCB, 0);
    svm_set(machine, VMCB, "tr.selector", SELECTOR_TASK);
    svm_set(machine, VMCB, "tr.base", TASK);
    svm_set(machine, VMCB, "tr.limit", 0x67);
    svm_set(machine, VMCB, "tr.attributes", 0x8b);
    svm_step(machine, STEP_vmload, VMCB, 0);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_run(machine);
    expect_alias(machine, test, kept->is_kept);
}

#define NESTED_FAULT(path_, fails, ...) \
    { .path = "page-faults/nested/" path_, .rule = "2: 15.25.6 (row 32)", \
      .run = nested_fault, .fails_on_pristine = fails, \
      .data = &(const NestedFault) { __VA_ARGS__ } }
#define PAGE_FAULT(path_, fails, ...) \
    { .path = "page-faults/guest/" path_, .rule = "2: 8.4.2, 5.3 (row 32)", \
      .run = page_fault, .fails_on_pristine = fails, \
      .data = &(const PageFault) { __VA_ARGS__ } }
#define VMRUN_WITH_PDPTES(path_, bits, fails) \
    { .path = "page-faults/pdptes/vmrun-" path_, \
      .rule = "2: 15.25.10, 5.3.4 (row 48)", .run = vmrun_with_pdptes, \
      .fails_on_pristine = fails, .data = &(const uint64_t) { bits } }
#define PDPTE_LOAD(path_, code_, ...) \
    { .path = "page-faults/pdptes/" path_, .rule = "2: 5.3.4 (row 48)", \
      .run = pdpte_load_in_guest, .fails_on_pristine = true, \
      .data = &(const PDPTELoad) { code_, sizeof(code_) - 1, __VA_ARGS__ } }

#define KEPT_PDPTE(path_, code_, ...) \
    .path = "page-faults/pdptes/kept/" path_, .rule = "2: 5.3.4 (row 48)", \
    .data = &(const KeptPDPTE) { code_, sizeof(code_) - 1, __VA_ARGS__ }

/* 2 MiB, of which the last is used. */
#define LARGE_PAGE_AT           0xe00000
#define LARGE_PAGE              (LARGE_PAGE_AT | ENTRY | 0x80)
#define LARGE_PAGE_INDEX        (LARGE_PAGE_AT >> 21)

/* orb $4, PDPTES + 24 */
#define SPOIL_PDPTE             "\x80\x0d\x18\x50\x02\x00\x04"

static const SVMCase cases[] = {
    NESTED_FAULT("read", true, .access = READ, .level = 1, .bits = BIT_45,
                 .exit_info_1 = 0x10000000d, .exit_info_2 = TARGET),
    NESTED_FAULT("write", true, .access = WRITE, .level = 1, .bits = BIT_45,
                 .exit_info_1 = 0x10000000f, .exit_info_2 = TARGET),
    NESTED_FAULT("fetch", true, .access = FETCH, .level = 1, .bits = BIT_45,
                 .exit_info_1 = 0x10000001d, .exit_info_2 = TARGET),
    NESTED_FAULT("fetch-with-smep", true, .access = FETCH, .level = 1,
                 .bits = BIT_45, .smep_without_nx = true,
                 .exit_info_1 = 0x10000001d, .exit_info_2 = TARGET),
    NESTED_FAULT("page-table", true, .access = READ, .of_page_table = true,
                 .level = 1, .bits = BIT_45,
                 .exit_info_1 = 0x20000000f, .exit_info_2 = HOST_PD),
    NESTED_FAULT("bit-8-of-pml4e", true, .access = READ, .level = 4,
                 .bits = BIT_8,
                 .exit_info_1 = 0x20000000f, .exit_info_2 = HOST_PML4),

    PAGE_FAULT("read", true, READ, HOST_PD, LARGE_PAGE_INDEX,
               LARGE_PAGE | BIT_45, LARGE_PAGE_AT, 9),
    PAGE_FAULT("write", true, WRITE, HOST_PD, LARGE_PAGE_INDEX,
               LARGE_PAGE | BIT_45, LARGE_PAGE_AT, 0xb),
    PAGE_FAULT("fetch", true, FETCH, HOST_PD, LARGE_PAGE_INDEX,
               LARGE_PAGE | BIT_45, LARGE_PAGE_AT, 0x19),
    PAGE_FAULT("bit-8-of-pml4e", true, READ, HOST_PML4, 1,
               HOST_PDPT | ENTRY | BIT_8, (1ULL << 39) + TARGET, 9),
    PAGE_FAULT("bit-8-of-pdpe-is-ignored", false, READ, HOST_PDPT, 4,
               HOST_PD | ENTRY | BIT_8, (4ULL << 30) + TARGET, 0),

    VMRUN_WITH_PDPTES("legal", 0, true),
    VMRUN_WITH_PDPTES("bit-2", BIT_2, true),
    VMRUN_WITH_PDPTES("bit-45", BIT_45, true),
    {
        .path = "page-faults/pdptes/nested-paging",
        .rule = "2: 15.25.10 (row 48)",
        .run = nested_paging_with_pdptes,
        .fails_on_pristine = true,
    },
    /* mov $PDPTES, %eax; mov %eax, %cr3 */
    PDPTE_LOAD("cr3", SPOIL_PDPTE "\xb8\x00\x50\x02\x00\x0f\x22\xd8" VMMCALL),
    /* mov $CR4_PAE | CR4_PGE, %eax; mov %eax, %cr4 */
    PDPTE_LOAD("cr4", SPOIL_PDPTE "\xb8\xa0\x00\x00\x00\x0f\x22\xe0" VMMCALL),
    /* mov $CR0_PAGING, %eax; mov %eax, %cr0 */
    PDPTE_LOAD("cr0", SPOIL_PDPTE "\xb8\x11\x00\x00\x80\x0f\x22\xc0" VMMCALL,
               .starts_without_paging = true),
    {
        .path = "page-faults/pdptes/cr3-in-host",
        .rule = "2: 5.3.4 (row 48)",
        .run = pdpte_load_in_host,
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        KEPT_PDPTE("in-guest", CLEAR_PDPTE READ_ALIAS VMMCALL,
                   .is_kept = true),
        .run = kept_in_guest,
        .fails_on_pristine = true,
    }, {
        KEPT_PDPTE("until-cr3", CLEAR_PDPTE WRITE_CR3 READ_ALIAS VMMCALL),
        .run = kept_in_guest,
    }, {
        KEPT_PDPTE("until-cr4", CLEAR_PDPTE WRITE_CR4_PGE READ_ALIAS VMMCALL),
        .run = kept_in_guest,
    }, {
        KEPT_PDPTE("until-cr0", CLEAR_PDPTE WRITE_CR0_CD READ_ALIAS VMMCALL),
        .run = kept_in_guest,
    }, {
        KEPT_PDPTE("over-other-bits-of-cr0",
                   CLEAR_PDPTE WRITE_CR0_TS READ_ALIAS VMMCALL,
                   .is_kept = true),
        .run = kept_in_guest,
        .fails_on_pristine = true,
    }, {
        KEPT_PDPTE("not-with-nested-paging",
                   CLEAR_PDPTE WRITE_CR3 SET_PDPTE READ_ALIAS VMMCALL,
                   .nested_paging = true, .is_kept = true),
        .run = kept_in_guest,
    }, {
        KEPT_PDPTE("until-task-switch", CLEAR_PDPTE JUMP_TO_TASK),
        .run = kept_until_task_switch,
    }, {
        .path = "page-faults/pdptes/kept/in-host",
        .rule = "2: 5.3.4 (row 48)",
        .run = kept_in_host,
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        .path = "page-faults/pdptes/kept/over-snapshot",
        .rule = "2: 5.3.4 (row 48)",
        .run = kept_over_snapshot,
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    }, {
        .path = "page-faults/pdptes/kept/until-vmexit",
        .rule = "2: 5.3.4, 15.6 (row 48)",
        .run = kept_until_vmexit,
        .host_mode = HOST_PAE,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
