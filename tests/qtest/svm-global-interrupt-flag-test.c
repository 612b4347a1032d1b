/*
 * What waits while the global interrupt flag is 0, and what is lost: INIT,
 * NMI, matches with debug registers. INIT in a guest; VM_CR.R_INIT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_DB                1
#define FAULT_SX                30

#define CR4_DE                  8
#define MSR_VM_CR               0xc0010114
#define VM_CR_R_INIT            2

/* Messages for the first processor's APIC. */
#define APIC_MESSAGE            0xfee00000
#define NMI_MESSAGE             0x400
#define INIT_MESSAGE            0x500

#define GUEST_CODE              GUEST_DATA
#define GUEST_MARK              (GUEST_DATA + 0xff0)

/* [60FF0h] = 1 */
#define MARK                    "\xc7\x04\x25\xf0\x0f\x06\x00\x01\x00\x00\x00"
#define JUMP_TO_ITSELF          "\xeb\xfe"
#define HLT                     "\xf4"
/* mov $0x277, %ecx; mov $0x06060604, %eax; mov $0x06060606, %edx; wrmsr */
#define WRITE_PAT               "\xb9\x77\x02\x00\x00\xb8\x04\x06\x06\x06" \
                                "\xba\x06\x06\x06\x06\x0f\x30"
#define CLGI                    "\x0f\x01\xdd"
#define STGI                    "\x0f\x01\xdc"
#define NOP                     "\x90"
#define IN_80                   "\xe4\x80"
#define VMMCALL                 "\x0f\x01\xd9"

static void prepare_code(SVMMachine *machine, const char *code, size_t length)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    memcpy(svm_ram(machine, GUEST_CODE), code, length);
    svm_set(machine, VMCB, "rip", GUEST_CODE);
}

static bool word_becomes_1(SVMMachine *machine, uint64_t address)
{
    uint32_t *word = (uint32_t *)svm_ram(machine, address);
    int tries;

    for (tries = 0; tries < 1000 && !qatomic_read(word); tries++) {
        g_usleep(10 * 1000);
    }
    return qatomic_read(word);
}

/* A guest runs, and has come to the end of what it has to do. */
static void start_guest(SVMMachine *machine, const SVMCase *test)
{
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    svm_expect_that(test, word_becomes_1(machine, GUEST_MARK),
                    "the guest does not run");
    g_usleep(50 * 1000);
}

/* The payload starts anew when its processor was initialized. */
static void forget_start(SVMMachine *machine)
{
    *(uint32_t *)svm_ram(machine, MAILBOXES + MAILBOX_READY) = 0;
}

static void expect_start(SVMMachine *machine, const SVMCase *test)
{
    svm_expect_that(test, word_becomes_1(machine, MAILBOXES + MAILBOX_READY),
                    "the processor was not initialized");
}

static void expect_no_start(SVMMachine *machine, const SVMCase *test)
{
    g_usleep(100 * 1000);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect_that(test, !svm_mailbox(machine, MAILBOX_READY),
                    "the processor was initialized");
}

static void send_message(SVMMachine *machine, uint32_t message)
{
    qtest_writel(svm_qtest(machine), APIC_MESSAGE, message);
}

static void init_waits(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_clgi, 0, 0);
    forget_start(machine);
    send_message(machine, INIT_MESSAGE);
    expect_no_start(machine, test);
    svm_step_begin(machine, 0, STEP_stgi, 0, 0);
    expect_start(machine, test);
}

/* It ends HLT, too; afterwards it still waits. */
static void init_is_intercepted(SVMMachine *machine, const SVMCase *test)
{
    prepare_code(machine, MARK HLT VMMCALL, sizeof(MARK HLT VMMCALL));
    svm_intercept(machine, SVM_EXIT_INIT);
    start_guest(machine, test);
    forget_start(machine);
    send_message(machine, INIT_MESSAGE);
    svm_step_end(machine, 0, 20);
    svm_expect_exit(machine, test, SVM_EXIT_INIT);
    expect_no_start(machine, test);
    svm_step_begin(machine, 0, STEP_stgi, 0, 0);
    expect_start(machine, test);
}

static void init_leaves_guest(SVMMachine *machine, const SVMCase *test)
{
    static const char code[] = WRITE_PAT MARK JUMP_TO_ITSELF;

    prepare_code(machine, code, sizeof(code));
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    start_guest(machine, test);
    forget_start(machine);
    send_message(machine, INIT_MESSAGE);
    expect_start(machine, test);
    svm_expect(test, "PAT",
               svm_step(machine, STEP_read_msr, MSR_PAT, 0), PAT_HOST);
    svm_expect(test, "EFER, set anew by the payload",
               svm_step(machine, STEP_read_msr, MSR_EFER, 0),
               EFER_HOST & ~0x1000);
    svm_expect(test, "VM_HSAVE_PA",
               svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0),
               HOST_SAVE);
}

static void redirect_init(SVMMachine *machine)
{
    svm_step(machine, STEP_write_msr, MSR_VM_CR, VM_CR_R_INIT);
    forget_start(machine);
}

static void expect_security_exception(SVMMachine *machine,
                                      const SVMCase *test)
{
    svm_expect_that(test, word_becomes_1(machine, MAILBOXES + MAILBOX_FAULT),
                    "no exception was raised");
    g_usleep(10 * 1000);
    svm_expect_fault(machine, test, FAULT_SX, 1);
    expect_no_start(machine, test);
}

static void init_is_redirected(SVMMachine *machine, const SVMCase *test)
{
    redirect_init(machine);
    send_message(machine, INIT_MESSAGE);
    expect_security_exception(machine, test);
}

static void init_is_redirected_in_guest(SVMMachine *machine,
                                        const SVMCase *test)
{
    prepare_code(machine, MARK JUMP_TO_ITSELF, sizeof(MARK JUMP_TO_ITSELF));
    redirect_init(machine);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_SX);
    start_guest(machine, test);
    send_message(machine, INIT_MESSAGE);
    svm_step_end(machine, 0, 20);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_SX);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), 1);
    svm_step(machine, STEP_stgi, 0, 0);
    expect_no_start(machine, test);
}

/* The guest's intercept comes first, and leaves the INIT to the host. */
static void intercepted_init_is_redirected(SVMMachine *machine,
                                           const SVMCase *test)
{
    prepare_code(machine, MARK JUMP_TO_ITSELF, sizeof(MARK JUMP_TO_ITSELF));
    redirect_init(machine);
    svm_intercept(machine, SVM_EXIT_INIT);
    start_guest(machine, test);
    send_message(machine, INIT_MESSAGE);
    svm_step_end(machine, 0, 20);
    svm_expect_exit(machine, test, SVM_EXIT_INIT);
    svm_step_begin(machine, 0, STEP_stgi, 0, 0);
    expect_security_exception(machine, test);
}

static void nmi_waits(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_clgi, 0, 0);
    send_message(machine, NMI_MESSAGE);
    g_usleep(100 * 1000);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "NMIs taken while GIF was 0",
               (uint32_t)svm_mailbox(machine, MAILBOX_INTERRUPTS), 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "NMIs taken afterwards",
               (uint32_t)svm_mailbox(machine, MAILBOX_INTERRUPTS), 1);
}

#define DR7_LOCAL_0             1
#define DR7_WRITE_4_BYTES_0     0xd0000
#define DR7_PORT_1_BYTE_0       0x20000

static void data_breakpoint(SVMMachine *machine, const SVMCase *test)
{
    uint64_t dr6 = svm_step(machine, STEP_read_dr6, 0, 0);

    svm_step(machine, STEP_write_dr0, 0, SCRATCH);
    svm_step(machine, STEP_write_dr7, 0,
             0x400 | DR7_WRITE_4_BYTES_0 | DR7_LOCAL_0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_write_memory, SCRATCH, 0x1234);
    svm_expect(test, "exception while GIF is 0", svm_fault(machine), 0);
    svm_expect(test, "what was written",
               ldl_le_p(svm_ram(machine, SCRATCH)), 0x1234);
    svm_expect(test, "DR6", svm_step(machine, STEP_read_dr6, 0, 0), dr6);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_expect(test, "exception after STGI", svm_fault(machine), 0);
    svm_step(machine, STEP_write_memory, SCRATCH, 0x5678);
    svm_expect_fault(machine, test, FAULT_DB, 0);
}

/* In a guest whose CLGI and STGI act on the processor's flag. */
typedef struct GuestBreakpoint {
    const char *code;
    uint64_t dr0;
    uint32_t dr7;
    /* While GIF is 1. */
    bool hits;
} GuestBreakpoint;

static void guest_breakpoint(SVMMachine *machine, const SVMCase *test)
{
    const GuestBreakpoint *breakpoint = test->data;

    svm_step(machine, STEP_write_dr0, 0, breakpoint->dr0);
    prepare_code(machine, breakpoint->code, strlen(breakpoint->code));
    svm_set(machine, VMCB, "dr7", breakpoint->dr7);
    svm_set(machine, VMCB, "cr4", CR4_HOST | CR4_DE);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_DB);
    svm_run(machine);
    svm_expect_exit(machine, test, breakpoint->hits ?
                    SVM_EXIT_EXCP_BASE + FAULT_DB : SVM_EXIT_VMMCALL);
    svm_expect(test, "DR6", svm_get(machine, VMCB, "dr6"),
               breakpoint->hits ? 0xffff0ff1 : 0xffff0ff0);
}

#define GUEST_BREAKPOINT(path_, fails, ...) \
    { .path = "global-interrupt-flag/breakpoint/" path_, \
      .rule = "2: 15.17 (row 36)", .run = guest_breakpoint, \
      .fails_on_pristine = fails, \
      .data = &(const GuestBreakpoint) { __VA_ARGS__ } }

static const SVMCase cases[] = {
    {
        .path = "global-interrupt-flag/init-waits",
        .rule = "2: 15.17 (row 36)",
        .run = init_waits,
        .fails_on_pristine = true,
    }, {
        .path = "global-interrupt-flag/intercepted-init-waits",
        .rule = "2: 15.17, 15.13.4 (row 36)",
        .run = init_is_intercepted,
        .fails_on_pristine = true,
    }, {
        .path = "global-interrupt-flag/nmi-waits",
        .rule = "2: 15.17 (row 36)",
        .run = nmi_waits,
    }, {
        .path = "global-interrupt-flag/breakpoint/data",
        .rule = "2: 15.17 (row 36)",
        .run = data_breakpoint,
        .fails_on_pristine = true,
    },
    GUEST_BREAKPOINT("code", true, CLGI NOP STGI VMMCALL, GUEST_CODE + 3,
                     0x400 | DR7_LOCAL_0),
    GUEST_BREAKPOINT("code-after-stgi", false, CLGI STGI NOP VMMCALL,
                     GUEST_CODE + 6, 0x400 | DR7_LOCAL_0, true),
    GUEST_BREAKPOINT("port", true, CLGI IN_80 STGI VMMCALL, 0x80,
                     0x400 | DR7_PORT_1_BYTE_0 | DR7_LOCAL_0),
    GUEST_BREAKPOINT("port-after-stgi", false, CLGI STGI IN_80 VMMCALL, 0x80,
                     0x400 | DR7_PORT_1_BYTE_0 | DR7_LOCAL_0, true),
    {
        .path = "global-interrupt-flag/init-leaves-guest",
        .rule = "2: 14.1.3 (row 51)",
        .run = init_leaves_guest,
        .fails_on_pristine = true,
    }, {
        .path = "global-interrupt-flag/redirected-init/host",
        .rule = "2: 15.28, 15.30.1 (row 36)",
        .run = init_is_redirected,
        .fails_on_pristine = true,
    }, {
        .path = "global-interrupt-flag/redirected-init/guest",
        .rule = "2: 15.28, 15.30.1 (row 36)",
        .run = init_is_redirected_in_guest,
        .fails_on_pristine = true,
    }, {
        .path = "global-interrupt-flag/redirected-init/after-its-intercept",
        .rule = "2: 15.28, 15.30.1 (row 36)",
        .run = intercepted_init_is_redirected,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
