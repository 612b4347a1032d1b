/*
 * Guest mode execute trap (2: 15.25.13; row 62).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

/* A page of code, one that it jumps to or accesses, and one that is not. */
#define GUEST_CODE              GUEST_DATA
#define OTHER_PAGE              (GUEST_CODE + PAGE)
#define NOT_MAPPED              0x80000

#define NP_ENABLE               1
#define GMET_ENABLE             8

#define ENTRY_WRITABLE          2
#define ENTRY_USER              4

#define PRESENT                 (1 << 0)
#define WRITE                   (1 << 1)
#define USER                    (1 << 2)
#define FETCH                   (1 << 4)
#define FINAL_ADDRESS           (1ULL << 32)
#define PAGE_TABLE              (1ULL << 33)

#define LOAD                    "\x8b\x03"          /* MOV EAX, [RBX] */
#define STORE                   "\x89\x03"          /* MOV [RBX], EAX */
#define JUMP                    "\xff\xe3"          /* JMP RBX */
#define LOAD_JUMP               LOAD JUMP

typedef struct ExecuteTrap {
    const char *code;
    unsigned length;
    /* RBX. */
    uint64_t address;
    /* Bits that the entries of GUEST_CODE and OTHER_PAGE do not have. */
    uint64_t code_lacks;
    uint64_t other_lacks;
    bool code_in_user_mode;
    /* EXITINFO1 of a nested page fault at @fault_at; else VMMCALL. */
    uint64_t exit_info_1;
    uint64_t fault_at;
    bool not_enabled;
} ExecuteTrap;

static void clear_in_entry(SVMMachine *machine, uint64_t page, uint64_t bits)
{
    uint64_t *table = (uint64_t *)svm_ram(machine, NESTED_TABLES + 3 * PAGE);

    table[page / PAGE] &= cpu_to_le64(~bits);
}

static void prepare(SVMMachine *machine, const ExecuteTrap *trap)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_CODE, OTHER_PAGE);
    svm_put_code(machine, OTHER_PAGE, "", 0);
    svm_put_code(machine, GUEST_CODE, trap->code, trap->length);
    clear_in_entry(machine, GUEST_CODE, trap->code_lacks);
    clear_in_entry(machine, OTHER_PAGE, trap->other_lacks);
    svm_set(machine, VMCB, "nested_ctl",
            NP_ENABLE | (trap->not_enabled ? 0 : GMET_ENABLE));
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, trap->address);
    if (trap->code_in_user_mode) {
        svm_make_user(machine);
    }
}

static void execute_trap(SVMMachine *machine, const SVMCase *test)
{
    const ExecuteTrap *trap = test->data;

    prepare(machine, trap);
    svm_run(machine);
    if (!trap->exit_info_1) {
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
        return;
    }
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               trap->exit_info_1);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               trap->fault_at);
}

/* One U/S bit of many is enough: here that of the page directory. */
static void directory_decides(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, test->data);
    *(uint64_t *)svm_ram(machine, NESTED_TABLES + 2 * PAGE) &=
        cpu_to_le64(~(uint64_t)ENTRY_USER);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/* The guest's page table is not mapped. */
static void page_table_access(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, test->data);
    svm_set(machine, VMCB, "cr3", NOT_MAPPED);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               PAGE_TABLE | USER | WRITE);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               NOT_MAPPED);
}

#define RULE    "2: 15.25.13 (row 62)"
/* Unmodified QEMU has no such property. */
#define WITH    .arguments = "-cpu EPYC,+gmet", .own_arguments = true, \
                .fails_on_pristine = true
#define WITHOUT .arguments = "-cpu EPYC"

#define CODE(bytes_) .code = bytes_, .length = sizeof(bytes_) - 1
#define TRAP_CASE(path_, cpu_, code_, ...) \
    { .path = "guest-mode-execute-trap/" path_, .rule = RULE, \
      .run = execute_trap, cpu_, \
      .data = &(const ExecuteTrap) { CODE(code_), __VA_ARGS__ } }

static const SVMCase cases[] = {
    TRAP_CASE("user-page", WITH, "",
              .exit_info_1 = FINAL_ADDRESS | FETCH | PRESENT,
              .fault_at = GUEST_CODE),
    TRAP_CASE("supervisor-page", WITH, "", .code_lacks = ENTRY_USER),
    TRAP_CASE("user-mode/user-page", WITH, "",
              .code_in_user_mode = true),
    TRAP_CASE("user-mode/supervisor-page", WITH, "",
              .code_in_user_mode = true, .code_lacks = ENTRY_USER),
    TRAP_CASE("jump-to-user-page", WITH, JUMP, .address = OTHER_PAGE,
              .code_lacks = ENTRY_USER,
              .exit_info_1 = FINAL_ADDRESS | FETCH | PRESENT,
              .fault_at = OTHER_PAGE),
    TRAP_CASE("jump-to-user-page-that-was-read", WITH, LOAD_JUMP,
              .address = OTHER_PAGE, .code_lacks = ENTRY_USER,
              .exit_info_1 = FINAL_ADDRESS | FETCH | PRESENT,
              .fault_at = OTHER_PAGE),
    TRAP_CASE("jump-to-supervisor-page", WITH, JUMP,
              .address = OTHER_PAGE, .code_lacks = ENTRY_USER,
              .other_lacks = ENTRY_USER),
    TRAP_CASE("data/user-page", WITH, STORE, .address = OTHER_PAGE,
              .code_lacks = ENTRY_USER),
    TRAP_CASE("data/supervisor-page", WITH, STORE, .address = OTHER_PAGE,
              .code_lacks = ENTRY_USER, .other_lacks = ENTRY_USER),
    TRAP_CASE("data/supervisor-page-in-user-mode", WITH, STORE,
              .address = OTHER_PAGE, .other_lacks = ENTRY_USER,
              .code_in_user_mode = true),
    TRAP_CASE("data/read-only", WITH, STORE, .address = OTHER_PAGE,
              .code_lacks = ENTRY_USER, .other_lacks = ENTRY_WRITABLE,
              .exit_info_1 = FINAL_ADDRESS | WRITE | PRESENT,
              .fault_at = OTHER_PAGE),
    TRAP_CASE("data/read-only-in-user-mode", WITH, STORE,
              .address = OTHER_PAGE, .code_in_user_mode = true,
              .other_lacks = ENTRY_WRITABLE,
              .exit_info_1 = FINAL_ADDRESS | USER | WRITE | PRESENT,
              .fault_at = OTHER_PAGE),
    TRAP_CASE("data/not-mapped", WITH, LOAD, .address = NOT_MAPPED,
              .code_lacks = ENTRY_USER, .exit_info_1 = FINAL_ADDRESS,
              .fault_at = NOT_MAPPED),
    TRAP_CASE("not-enabled/user-page", WITH, "", .not_enabled = true),
    TRAP_CASE("not-enabled/not-mapped", WITH, LOAD,
              .address = NOT_MAPPED, .exit_info_1 = FINAL_ADDRESS | USER,
              .fault_at = NOT_MAPPED, .not_enabled = true),
    TRAP_CASE("absent/user-page", WITHOUT, ""),
    TRAP_CASE("absent/supervisor-page", WITHOUT, LOAD,
              .address = OTHER_PAGE, .other_lacks = ENTRY_USER,
              .exit_info_1 = FINAL_ADDRESS | USER | PRESENT,
              .fault_at = OTHER_PAGE),
    {
        .path = "guest-mode-execute-trap/directory-decides",
        .rule = RULE,
        .run = directory_decides,
        WITH,
        .data = &(const ExecuteTrap) { CODE("") },
    }, {
        .path = "guest-mode-execute-trap/page-table",
        .rule = RULE,
        .run = page_table_access,
        WITH,
        .data = &(const ExecuteTrap) { CODE(""), .code_lacks = ENTRY_USER },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
