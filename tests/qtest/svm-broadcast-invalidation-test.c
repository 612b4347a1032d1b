/*
 * INVLPGB and TLBSYNC: their operands, what they do, and a guest's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "target/i386/svm/vmcb.h"
#include "svm-machine.h"

#define FAULT_UD                6
#define FAULT_GP                13

#define RULE                    "3: INVLPGB, TLBSYNC (row 75)"
/* EPYC has neither the instructions nor what lets guests have them. */
#define EVERYTHING              "-cpu max"

#define INVLPGB                 "\x0f\x01\xfe"
#define TLBSYNC                 "\x0f\x01\xff"

/* Of rAX. */
#define VALID_ADDRESS           0x01
#define VALID_PCID              0x02
#define VALID_ASID              0x04
#define INCLUDE_GLOBAL          0x08
#define FINAL_TRANSLATION_ONLY  0x10
#define INCLUDE_NESTED          0x20

/* CPUID 8000_0008 EDX, and 8000_000A EBX. */
#define MOST_MORE_PAGES         7
#define ASIDS                   32768

/* ECX and EDX of INVLPGB. */
typedef struct Operands {
    uint32_t rax;
    uint32_t ecx;
    uint32_t edx;
    unsigned fault;
} Operands;

static void in_host(SVMMachine *machine, const SVMCase *test)
{
    const Operands *o = test->data;
    uint64_t others = (uint64_t)o->edx << 32 | o->ecx;

    svm_step(machine, STEP_invlpgb, o->rax, others);
    svm_expect(test, "fault", svm_fault(machine),
               o->fault ? FAULTED | o->fault : 0);
    svm_step(machine, STEP_tlbsync, 0, 0);
    svm_expect(test, "fault of TLBSYNC", svm_fault(machine),
               o->fault == FAULT_UD ? FAULTED | FAULT_UD : 0);
}

/* The same instructions of a guest. */
typedef struct GuestInstruction {
    const char *bytes;
    Operands operands;
    bool is_disabled;
    bool is_user;
    unsigned intercepts[2];
    unsigned exit_code;
} GuestInstruction;

static void in_guest(SVMMachine *machine, const SVMCase *test)
{
    const GuestInstruction *g = test->data;
    size_t length = strlen(g->bytes);
    bool intercepted = false;
    size_t i;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, g->bytes, length);
    if (g->is_user) {
        svm_make_user(machine);
    }
    if (!g->is_disabled) {
        svm_set(machine, VMCB, "nested_ctl", VMCB_INVLPGB_TLBSYNC);
    }
    svm_set(machine, VMCB, "rax", g->operands.rax);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, g->operands.ecx);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, g->operands.edx);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_UD);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    for (i = 0; i < ARRAY_SIZE(g->intercepts) && g->intercepts[i]; i++) {
        svm_intercept(machine, g->intercepts[i]);
        intercepted |= g->intercepts[i] == g->exit_code;
    }
    svm_run(machine);
    svm_expect_exit(machine, test, g->exit_code);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"), 0);
    if (intercepted) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
        svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
                   GUEST_CODE + length);
    }
}

static void cpuid(SVMMachine *machine, const SVMCase *test)
{
    uint64_t value = svm_step(machine, STEP_cpuid, 0x80000008, 0);

    svm_expect(test, "CPUID 8000_0008 EBX[3]", value >> 3 & 1, 1);
    svm_expect(test, "CPUID 8000_0008 EBX[21]", value >> 21 & 1, 0);
    svm_expect(test, "CPUID 8000_0008 EDX[15:0]", value >> 32 & 0xffff,
               MOST_MORE_PAGES);
    value = svm_step(machine, STEP_cpuid, 0x8000000a, 0);
    svm_expect(test, "CPUID 8000_000A EBX", value & UINT32_MAX, ASIDS);
    svm_expect(test, "CPUID 8000_000A EDX[24]", value >> 56 & 1, 1);
}

/*
 * A processor reads through a translation, which then changes in memory; it
 * reads again when another processor has invalidated.
 */
#define LINEAR                  0x40000000
#define DIRECTORY_ENTRY         (HOST_PD + LINEAR / 0x200000 * 8)
#define LARGE_PAGE              0xe7    /* P, RW, US, A, D, PS */
#define OTHER_LARGE_PAGE        0x200000
#define PLACE                   (SCRATCH + 0x800)
#define BEFORE                  0x11111111
#define AFTER                   0x22222222

static void prepare_translation(SVMMachine *machine)
{
    stl_le_p(svm_ram(machine, PLACE), BEFORE);
    stl_le_p(svm_ram(machine, OTHER_LARGE_PAGE + PLACE), AFTER);
    stq_le_p(svm_ram(machine, DIRECTORY_ENTRY), LARGE_PAGE);
}

static void change_translation(SVMMachine *machine)
{
    stq_le_p(svm_ram(machine, DIRECTORY_ENTRY), OTHER_LARGE_PAGE | LARGE_PAGE);
}

static uint64_t read_on_other_processor(SVMMachine *machine)
{
    svm_step_begin(machine, 1, STEP_read_memory, LINEAR + PLACE, 0);
    return svm_step_end(machine, 1, 10);
}

static void for_other_processor(SVMMachine *machine, const SVMCase *test)
{
    const Operands *o = test->data;

    prepare_translation(machine);
    svm_start_processor(machine, 1);
    svm_expect(test, "what is read first", read_on_other_processor(machine),
               BEFORE);
    change_translation(machine);
    svm_step(machine, STEP_invlpgb, o->rax, (uint64_t)o->edx << 32 | o->ecx);
    svm_step(machine, STEP_tlbsync, 0, 0);
    svm_expect(test, "fault", svm_fault(machine), 0);
    svm_expect(test, "what is read after TLBSYNC",
               read_on_other_processor(machine), AFTER);
}

/* The processor's own translation: a guest's, that the guest changes. */
static void of_guest(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t code[] = {
        0x8b, 0x06,                     /* mov     (%rsi), %eax */
        0x89, 0xd0,                     /* mov     %edx, %eax */
        0x89, 0x07,                     /* mov     %eax, (%rdi) */
        0x89, 0xd8,                     /* mov     %ebx, %eax */
        0x31, 0xd2,                     /* xor     %edx, %edx */
        0x0f, 0x01, 0xfe,               /* invlpgb */
        0x0f, 0x01, 0xff,               /* tlbsync */
        0x8b, 0x06,                     /* mov     (%rsi), %eax */
    };

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code));
    prepare_translation(machine);
    svm_set(machine, VMCB, "nested_ctl", VMCB_INVLPGB_TLBSYNC);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX,
                    LINEAR + PLACE - PLACE % PAGE + VALID_ADDRESS);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, OTHER_LARGE_PAGE | LARGE_PAGE);
    svm_set_mailbox(machine, MAILBOX_GUEST_RSI, LINEAR + PLACE);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDI, DIRECTORY_ENTRY);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "what is read after TLBSYNC",
               svm_get(machine, VMCB, "rax"), AFTER);
}

#define INVLPGB_CASE(path_, fault_, rax_, ecx_, edx_) \
    .path = "broadcast-invalidation/" path_, .rule = RULE, .run = in_host, \
    .data = &(const Operands) { rax_, ecx_, edx_, fault_ }
#define LEGAL(path_, rax_, ecx_, edx_) \
    { INVLPGB_CASE("legal/" path_, 0, rax_, ecx_, edx_), \
      .arguments = EVERYTHING, .fails_on_pristine = true }
#define ILLEGAL(path_, rax_, ecx_, edx_) \
    { INVLPGB_CASE("illegal/" path_, FAULT_GP, rax_, ecx_, edx_), \
      .arguments = EVERYTHING, .fails_on_pristine = true }

#define GUEST_CASE(path_, bytes_, exit_code_, ...) \
    .path = "broadcast-invalidation/guest/" path_, .rule = RULE, \
    .run = in_guest, \
    .data = &(const GuestInstruction) { .bytes = bytes_, \
        .exit_code = exit_code_, __VA_ARGS__ }
#define GUEST(path_, bytes_, exit_code_, ...) \
    { GUEST_CASE(path_, bytes_, exit_code_, __VA_ARGS__), \
      .arguments = EVERYTHING, .fails_on_pristine = true }
/* As on a processor without the instructions. */
#define UNDEFINED(path_, bytes_, ...) \
    { GUEST_CASE(path_, bytes_, SVM_EXIT_EXCP_BASE + FAULT_UD, __VA_ARGS__), \
      .arguments = EVERYTHING }

#define RAX(value)              .operands.rax = value
#define ALL_INTERCEPTS          { SVM_EXIT_INVLPGB, SVM_EXIT_ILLEGAL_INVLPGB }

static const SVMCase cases[] = {
    {
        .path = "broadcast-invalidation/cpuid",
        .rule = "3: appendix E (row 75)",
        .run = cpuid,
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    },
    LEGAL("nothing", 0, 0, 0),
    LEGAL("address", 0xfffff000 + VALID_ADDRESS, 0, 0),
    LEGAL("many-pages", 0xfffff000 + VALID_ADDRESS, MOST_MORE_PAGES, 0),
    LEGAL("large-pages", VALID_ADDRESS, 1u << 31 | MOST_MORE_PAGES, 0),
    LEGAL("all-flags", VALID_ADDRESS | VALID_PCID | VALID_ASID |
          INCLUDE_GLOBAL | FINAL_TRANSLATION_ONLY, 0, 0),
    LEGAL("last-asid", VALID_ASID, 0, ASIDS - 1),
    LEGAL("asid-that-does-not-count", 0, 0, ASIDS),
    ILLEGAL("asid", VALID_ASID, 0, ASIDS),
    ILLEGAL("last-bit-of-asid", VALID_ASID, 0, 0xffff),
    ILLEGAL("pages", VALID_ADDRESS, MOST_MORE_PAGES + 1, 0),
    ILLEGAL("last-bit-of-pages", VALID_ADDRESS, 0x8000, 0),
    ILLEGAL("nested", INCLUDE_NESTED, 0, 0),
    ILLEGAL("first-reserved-bit-of-rax", 0x40, 0, 0),
    ILLEGAL("last-reserved-bit-of-rax", 0x800, 0, 0),
    ILLEGAL("first-reserved-bit-of-ecx", 0, 0x10000, 0),
    ILLEGAL("last-reserved-bit-of-ecx", 0, 0x40000000, 0),
    ILLEGAL("first-reserved-bit-of-edx", 0, 0, 0x10000000),
    ILLEGAL("last-reserved-bit-of-edx", 0, 0, 0x80000000),
    {
        INVLPGB_CASE("32-bit-hosts/legal", 0, 0xfffff000 + VALID_ADDRESS,
                     MOST_MORE_PAGES, 0),
        .arguments = EVERYTHING,
        .hosts = IN_32_BIT_HOSTS,
        .fails_on_pristine = true,
    }, {
        INVLPGB_CASE("32-bit-hosts/illegal", FAULT_GP, 0x40, 0, 0),
        .arguments = EVERYTHING,
        .hosts = IN_32_BIT_HOSTS,
        .fails_on_pristine = true,
    }, {
        INVLPGB_CASE("absent", FAULT_UD, 0, 0, 0),
    }, {
        .path = "broadcast-invalidation/other-processor/address",
        .rule = RULE,
        .run = for_other_processor,
        .arguments = EVERYTHING " -smp 2",
        .data = &(const Operands) {
            LINEAR + PLACE - PLACE % PAGE + VALID_ADDRESS + VALID_ASID
        },
        .fails_on_pristine = true,
    }, {
        .path = "broadcast-invalidation/other-processor/range",
        .rule = RULE,
        .run = for_other_processor,
        .arguments = EVERYTHING " -smp 2",
        .data = &(const Operands) {
            LINEAR + PLACE - PLACE % PAGE - 7 * PAGE + VALID_ADDRESS, 7
        },
        .fails_on_pristine = true,
    }, {
        .path = "broadcast-invalidation/other-processor/all",
        .rule = RULE,
        .run = for_other_processor,
        .arguments = EVERYTHING " -smp 2",
        .data = &(const Operands) { 0 },
        .fails_on_pristine = true,
    }, {
        .path = "broadcast-invalidation/other-processor/counted-instructions",
        .rule = RULE,
        .run = for_other_processor,
        .arguments = EVERYTHING " -smp 2 -icount shift=0",
        .data = &(const Operands) { 0 },
        .fails_on_pristine = true,
    }, {
        .path = "broadcast-invalidation/guest/invalidates",
        .rule = RULE,
        .run = of_guest,
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    },
    GUEST("invlpgb", INVLPGB, SVM_EXIT_VMMCALL, RAX(VALID_ADDRESS)),
    GUEST("tlbsync", TLBSYNC, SVM_EXIT_VMMCALL),
    /* Its ASID is the guest's, whatever it says. */
    GUEST("any-asid", INVLPGB, SVM_EXIT_VMMCALL,
          .operands = { VALID_ASID, 0, 0xffff }),
    GUEST("legal", INVLPGB, SVM_EXIT_VMMCALL, RAX(VALID_ADDRESS),
          .intercepts = { SVM_EXIT_ILLEGAL_INVLPGB, SVM_EXIT_TLBSYNC }),
    GUEST("illegal", INVLPGB, SVM_EXIT_EXCP_BASE + FAULT_GP, RAX(0x40)),
    GUEST("illegal-intercepted", INVLPGB, SVM_EXIT_ILLEGAL_INVLPGB, RAX(0x40),
          .intercepts = { SVM_EXIT_ILLEGAL_INVLPGB }),
    GUEST("illegal-pages-intercepted", INVLPGB, SVM_EXIT_ILLEGAL_INVLPGB,
          .operands = { 0, MOST_MORE_PAGES + 1 },
          .intercepts = { SVM_EXIT_ILLEGAL_INVLPGB }),
    GUEST("illegal-all-intercepted", INVLPGB, SVM_EXIT_INVLPGB, RAX(0x40),
          .intercepts = ALL_INTERCEPTS),
    GUEST("invlpgb-intercepted", INVLPGB, SVM_EXIT_INVLPGB,
          RAX(VALID_ADDRESS), .intercepts = { SVM_EXIT_INVLPGB }),
    GUEST("tlbsync-intercepted", TLBSYNC, SVM_EXIT_TLBSYNC,
          .intercepts = { SVM_EXIT_TLBSYNC }),
    GUEST("tlbsync-not-intercepted", TLBSYNC, SVM_EXIT_VMMCALL,
          .intercepts = ALL_INTERCEPTS),
    GUEST("of-user/invlpgb", INVLPGB, SVM_EXIT_EXCP_BASE + FAULT_GP,
          .is_user = true, .intercepts = ALL_INTERCEPTS),
    GUEST("of-user/tlbsync", TLBSYNC, SVM_EXIT_EXCP_BASE + FAULT_GP,
          .is_user = true, .intercepts = { SVM_EXIT_TLBSYNC }),
    UNDEFINED("disabled/invlpgb", INVLPGB, .is_disabled = true,
              .intercepts = ALL_INTERCEPTS),
    UNDEFINED("disabled/tlbsync", TLBSYNC, .is_disabled = true,
              .intercepts = { SVM_EXIT_TLBSYNC }),
    UNDEFINED("disabled/of-user", TLBSYNC, .is_disabled = true,
              .is_user = true),
    /* RMPADJUST and RMPUPDATE, PSMASH and PVALIDATE. */
    UNDEFINED("prefix/invlpgb-f3", "\xf3" INVLPGB,
              .intercepts = ALL_INTERCEPTS),
    UNDEFINED("prefix/invlpgb-f2", "\xf2" INVLPGB,
              .intercepts = ALL_INTERCEPTS),
    UNDEFINED("prefix/tlbsync-f3", "\xf3" TLBSYNC,
              .intercepts = { SVM_EXIT_TLBSYNC }),
    UNDEFINED("prefix/tlbsync-f2", "\xf2" TLBSYNC,
              .intercepts = { SVM_EXIT_TLBSYNC }),
    {
        GUEST_CASE("32-bit-hosts", INVLPGB, SVM_EXIT_ILLEGAL_INVLPGB,
                   RAX(0x40), .intercepts = { SVM_EXIT_ILLEGAL_INVLPGB }),
        .arguments = EVERYTHING,
        .hosts = IN_32_BIT_HOSTS,
        .fails_on_pristine = true,
    }, {
        /* Without TlbiCtl no guest has them. */
        GUEST_CASE("not-enabled-by-any-host", INVLPGB,
                   SVM_EXIT_EXCP_BASE + FAULT_UD,
                   .intercepts = { SVM_EXIT_INVLPGB }),
        .arguments = EVERYTHING ",tlbictl=off",
        .own_arguments = true,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
