/*
 * MWAIT_CONDITIONAL: the exit of an MWAIT whose monitor is armed; MONITOR.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "target/i386/svm/vmcb.h"
#include "svm-machine.h"

#define FAULT_BP                3
#define FAULT_GP                13
#define FAULT_PF                14

#define RULE                    "2: 15.9 (row 73)"

/* monitor %eax, %ecx, %edx, and mwait %eax, %ecx */
#define MONITOR                 "\x0f\x01\xc8"
#define MWAIT                   "\x0f\x01\xc9"
#define NOP                     "\x90"
#define INT3                    "\xcc"

/* A line, and the guest's flag in another one. */
#define LINE                    (SCRATCH + 0x80)
#define LINE_SIZE               64
#define FLAG                    (SCRATCH + 0x400)
#define GUEST_TABLE             (SCRATCH + 0x800)

#define NOTHING                 0x100000000
#define APIC_PAGE               0xfee00000

typedef struct Wait {
    const char *bytes;
    size_t length;
    uint64_t address;
    uint64_t extensions;
    unsigned intercepts[3];
    unsigned exit_code;
    /* Of the exit, from GUEST_CODE. */
    unsigned rip;
    bool has_next_rip;
    uint64_t exit_info_2;
} Wait;

static void prepare(SVMMachine *machine, const char *bytes, size_t length)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, bytes, length);
    svm_set(machine, VMCB, "rax", LINE + 4);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDI, FLAG);
    svm_intercept(machine, SVM_EXIT_MWAIT_CONDITIONAL);
}

static void wait_in_guest(SVMMachine *machine, const SVMCase *test)
{
    const Wait *w = test->data;
    size_t i;

    prepare(machine, w->bytes, w->length);
    if (w->address) {
        svm_set(machine, VMCB, "rax", w->address);
    }
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, w->extensions);
    for (i = 0; i < ARRAY_SIZE(w->intercepts) && w->intercepts[i]; i++) {
        svm_intercept(machine, w->intercepts[i]);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, w->exit_code);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               GUEST_CODE + w->rip);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
               w->has_next_rip ? GUEST_CODE + w->rip + 3 : 0);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               w->exit_info_2);
}

/* Another processor stores there while the guest is between the two. */
typedef struct Store {
    uint64_t address;
    bool triggers;
} Store;

static void store(SVMMachine *machine, const SVMCase *test)
{
    const Store *s = test->data;
    static const char code[] = {
        "\x0f\x01\xc8"      /* monitor */
        "\xff\x07"          /* incl     (%rdi) */
        "\x83\x3f\x02"      /* 1: cmpl  $2, (%rdi) */
        "\x75\xfb"          /* jne      1b */
        "\x0f\x01\xc9"      /* mwait */
    };

    prepare(machine, code, sizeof(code) - 1);
    stl_le_p(svm_ram(machine, FLAG), 0);
    svm_start_processor(machine, 1);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    while (ldl_le_p(svm_ram(machine, FLAG)) != 1 && !svm_is_lost(machine)) {
        g_usleep(1000);
    }
    svm_step_begin(machine, 1, STEP_write_memory, s->address, 0x5555);
    svm_step_end(machine, 1, 10);
    svm_step_begin(machine, 1, STEP_write_memory, FLAG, 2);
    svm_step_end(machine, 1, 10);
    svm_step_end(machine, 0, 10);
    svm_expect_exit(machine, test, s->triggers ? SVM_EXIT_VMMCALL :
                    SVM_EXIT_MWAIT_CONDITIONAL);
}

/* The guest leaves between the two. */
static void exit_between(SVMMachine *machine, const SVMCase *test)
{
    static const char code[] = MONITOR "\x0f\x01\xd9" MWAIT;

    prepare(machine, code, sizeof(code) - 1);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_set(machine, VMCB, "rip", GUEST_CODE + 6);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE + 9);
}

/* An exception between the two, and back. */
static void exception_between(SVMMachine *machine, const SVMCase *test)
{
    static const char code[] = MONITOR INT3 MWAIT;
    static const uint8_t iretq[] = { 0x48, 0xcf };
    uint64_t handler = GUEST_CODE + 0x100;
    uint8_t *gate = svm_ram(machine, GUEST_TABLE + FAULT_BP * 16);

    prepare(machine, code, sizeof(code) - 1);
    memcpy(svm_ram(machine, handler), iretq, sizeof(iretq));
    memset(gate, 0, 16);
    stw_le_p(gate, handler);
    stw_le_p(gate + 2, SELECTOR_CODE_64);
    stw_le_p(gate + 4, 0x8e00);
    stw_le_p(gate + 6, handler >> 16);
    svm_set(machine, VMCB, "idtr.base", GUEST_TABLE);
    svm_set(machine, VMCB, "idtr.limit", 0xff);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE + 7);
}

#define WAIT(path_, bytes_, exit_code_, ...) \
    .path = "mwait-conditional/" path_, .rule = RULE, .run = wait_in_guest, \
    .data = &(const Wait) { .bytes = bytes_, .length = sizeof(bytes_) - 1, \
        .exit_code = exit_code_, __VA_ARGS__ }
#define EXITS(path_, bytes_, exit_code_, rip_, ...) \
    { WAIT(path_, bytes_, exit_code_, .rip = rip_, .has_next_rip = true, \
           __VA_ARGS__), \
      .fails_on_pristine = true }
#define RUNS(path_, bytes_, ...) \
    { WAIT(path_, bytes_, SVM_EXIT_VMMCALL, .has_next_rip = true, \
           .rip = sizeof(bytes_) - 1, __VA_ARGS__), .fails_on_pristine = true }
#define STORE(path_, address_, triggers_) \
    { .path = "mwait-conditional/store/" path_, .rule = RULE, .run = store, \
      .arguments = "-smp 2", \
      .fails_on_pristine = !(triggers_), \
      .data = &(const Store) { address_, triggers_ } }

static const SVMCase cases[] = {
    EXITS("armed", MONITOR MWAIT, SVM_EXIT_MWAIT_CONDITIONAL, 3),
    EXITS("armed-before-other-code", MONITOR NOP NOP MWAIT,
          SVM_EXIT_MWAIT_CONDITIONAL, 5),
    RUNS("not-armed", MWAIT),
    /* mov %ecx, (%rdi), which is not the line; mov %eax, (%rax) is. */
    EXITS("own-store-elsewhere", MONITOR "\x89\x0f" MWAIT,
          SVM_EXIT_MWAIT_CONDITIONAL, 5),
    RUNS("own-store", MONITOR "\x89\x00" MWAIT),
    RUNS("own-store-before-another-wait", MONITOR "\x89\x00" MWAIT MWAIT),
    EXITS("before-the-other-intercept", MONITOR MWAIT,
          SVM_EXIT_MWAIT_CONDITIONAL, 3, .intercepts = { SVM_EXIT_MWAIT }),
    EXITS("the-other-intercept", MWAIT, SVM_EXIT_MWAIT, 0,
          .intercepts = { SVM_EXIT_MWAIT }),
    {
        WAIT("fault-first", MONITOR "\xb1\x02" MWAIT,
             SVM_EXIT_EXCP_BASE + FAULT_GP, .rip = 5,
             .intercepts = { SVM_EXIT_EXCP_BASE + FAULT_GP }),
    },
    STORE("in-the-line", LINE + 8, true),
    STORE("at-its-start", LINE, true),
    STORE("at-its-end", LINE + LINE_SIZE - 4, true),
    STORE("before-it", LINE - 4, false),
    STORE("behind-it", LINE + LINE_SIZE, false),
    {
        .path = "mwait-conditional/exit-between",
        .rule = RULE,
        .run = exit_between,
        .fails_on_pristine = true,
    }, {
        .path = "mwait-conditional/exception-between",
        .rule = RULE,
        .run = exception_between,
        .fails_on_pristine = true,
    }, {
        WAIT("monitor-reads", MONITOR MWAIT, SVM_EXIT_EXCP_BASE + FAULT_PF,
             .address = NOTHING + 4, .exit_info_2 = NOTHING + 4,
             .intercepts = { SVM_EXIT_EXCP_BASE + FAULT_PF }),
        .fails_on_pristine = true,
    },
    /* Device registers are not cached: nothing can be monitored there. */
    RUNS("not-memory", MONITOR MWAIT, .address = APIC_PAGE),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
