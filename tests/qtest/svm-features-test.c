/*
 * SVM features that CPUID offers (2: 15.1.2): nRIP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_DB                1
#define FAULT_BP                3
#define FAULT_OF                4
#define FAULT_BR                5
#define FAULT_UD                6
#define FAULT_GP                13

#define RFLAGS_OF               0x800

/* One instruction, and the exit that it has to take. */
typedef struct Instruction {
    const char *bytes;
    unsigned length;
    unsigned exit_code;
    /* Of a 32-bit guest without paging. */
    bool is_32_bit;
    /* The exit is one for which the manual has nRIP be zero. */
    bool has_no_next_rip;
    uint64_t rflags;
} Instruction;

static void prepare_instruction(SVMMachine *machine, const Instruction *i)
{
    if (i->is_32_bit) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    svm_put_code(machine, GUEST_CODE, i->bytes, i->length);
    svm_set(machine, VMCB, "rflags", i->rflags | 2);
    memset(svm_ram(machine, MSR_MAP), 0xff, 2 * PAGE);
    memset(svm_ram(machine, IO_MAP), 0xff, 3 * PAGE);
    if (i->exit_code == SVM_EXIT_NPF) {
        svm_set_nested_paging(machine, GUEST_CODE, GUEST_STACK_TOP);
    } else {
        svm_intercept(machine, i->exit_code);
    }
    svm_set(machine, VMCB, "next_rip", 0x5555);
}

static void next_rip(SVMMachine *machine, const SVMCase *test)
{
    const Instruction *i = test->data;

    prepare_instruction(machine, i);
    svm_run(machine);
    svm_expect_exit(machine, test, i->exit_code);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
               i->has_no_next_rip ? 0 : GUEST_CODE + i->length);
}

/* Without the feature nobody touches the field. */
static void no_next_rip(SVMMachine *machine, const SVMCase *test)
{
    static const Instruction cpuid = { "\x0f\xa2", 2, SVM_EXIT_CPUID };

    prepare_instruction(machine, &cpuid);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_CPUID);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"), 0x5555);
}

/* The end of the address space of code that is not 64-bit code. */
static void next_rip_wraps(SVMMachine *machine, const SVMCase *test)
{
    static const Instruction cpuid = {
        "\x0f\xa2", 2, SVM_EXIT_CPUID, .is_32_bit = true
    };

    prepare_instruction(machine, &cpuid);
    svm_set(machine, VMCB, "cs.base", GUEST_CODE + 2);
    svm_set(machine, VMCB, "rip", 0xfffffffe);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_CPUID);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"), 0);
}

/* An injected event, and what its handler finds as the return address. */
typedef struct InjectedEvent {
    uint32_t event;
    bool returns_to_next_rip;
} InjectedEvent;

static void return_address(SVMMachine *machine, const SVMCase *test)
{
    const InjectedEvent *injected = test->data;
    uint64_t rip;

    svm_prepare_guest(machine, GUEST_vmmcall);
    rip = svm_get(machine, VMCB, "rip");
    svm_set(machine, VMCB, "event_inj", injected->event);
    svm_set(machine, VMCB, "next_rip", rip + 7);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector", svm_mailbox(machine, MAILBOX_GUEST_RBX),
               injected->event & 0xff);
    svm_expect(test, "return address", svm_mailbox(machine, MAILBOX_GUEST_RCX),
               injected->returns_to_next_rip ? rip + 7 : rip);
}

/* CPUID 8000_000A EDX of a model's silicon: svm-features.c has the source. */
typedef struct Silicon {
    const char *model;
    uint32_t features;
} Silicon;

/* Bits that have a property; whether QEMU or the add-on emulates them. */
static const struct Feature {
    unsigned bit;
    const char *property;
    bool emulated;
} features[] = {
    { 0, "npt", true },
    { 1, "lbrv", true },
    { 2, "svm-lock", true },
    { 3, "nrip-save", true },
    { 4, "tsc-scale", true },
    { 5, "vmcb-clean", true },
    { 6, "flushbyasid", true },
    { 7, "decodeassists", true },
    { 10, "pause-filter", true },
    { 12, "pfthreshold", true },
    { 13, "avic" },
    { 15, "v-vmsave-vmload", true },
    { 16, "vgif", true },
    { 17, "gmet", true },
    { 20, "v-spec-ctrl", true },
    { 23, "host-mce-override", true },
    { 24, "tlbictl", true },
    { 25, "vnmi", true },
    { 28, "svme-addr-chk", true },
    { 29, "bus-lock-threshold", true },
    { 30, "idle-hlt", true },
};

static void silicon_has(SVMMachine *machine, const SVMCase *test)
{
    const Silicon *silicon = test->data;
    QDict *answer = qtest_qmp(svm_qtest(machine),
        "{ 'execute': 'query-cpu-model-expansion', 'arguments': {"
        "  'type': 'full', 'model': {"
        "    'name': %s, 'props': { 'svm-silicon': true } } } }",
        silicon->model);
    QDict *values = qdict_get_qdict(answer, "return");
    size_t i;

    svm_expect_that(test, values, "there is no svm-silicon");
    values = values ? qdict_get_qdict(values, "model") : NULL;
    values = values ? qdict_get_qdict(values, "props") : NULL;
    for (i = 0; values && i < ARRAY_SIZE(features); i++) {
        svm_expect(test, features[i].property,
                   qdict_get_try_bool(values, features[i].property, false),
                   features[i].emulated &&
                   (silicon->features & (1u << features[i].bit)));
    }
    qobject_unref(answer);
}

/* What a model asks for and does not get is a warning of QEMU's. */
static void nothing_is_missing(SVMMachine *machine, const SVMCase *test)
{
    const Silicon *silicon = test->data;
    g_autofree char *command = g_strdup_printf(
        "echo quit | %s -accel tcg -nodefaults -display none -S "
        "-monitor stdio -cpu %s 2>&1", getenv("QTEST_QEMU_BINARY"),
        silicon->model);
    FILE *output = popen(command, "r");
    char line[512];

    g_assert(output);
    while (fgets(line, sizeof(line), output)) {
        svm_expect_that(test, !strstr(line, "8000000AH") &&
                        !strstr(line, "svm-silicon"), "%s: %s", silicon->model,
                        g_strchomp(line));
    }
    svm_expect(test, "exit status of the emulator", pclose(output), 0);
}

/* A model whose silicon nobody has listed. */
static void unknown_silicon(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *command = g_strdup_printf(
        "echo quit | %s -accel tcg -nodefaults -display none -S "
        "-monitor stdio -cpu qemu64,svm-silicon=on 2>&1",
        getenv("QTEST_QEMU_BINARY"));
    FILE *output = popen(command, "r");
    char line[512];
    bool said = false;

    g_assert(output);
    while (fgets(line, sizeof(line), output)) {
        said |= strstr(line, "silicon are not listed") != NULL;
    }
    svm_expect_that(test, said, "no error that says so");
    svm_expect_that(test, pclose(output) != 0, "the emulator did not fail");
}

#define CODE(bytes_) .bytes = bytes_, .length = sizeof(bytes_) - 1
#define NEXT_RIP(path_, bytes_, exit_code_, ...) \
    { .path = "features/next-rip/" path_, .rule = "2: 15.7.1 (nRIP)", \
      .run = next_rip, .fails_on_pristine = true, \
      .data = &(const Instruction) { CODE(bytes_), \
          .exit_code = SVM_EXIT_##exit_code_, __VA_ARGS__ } }
#define RETURN_ADDRESS(path_, event_, next_rip_, fails) \
    { .path = "features/next-rip-injected/" path_, \
      .rule = "2: 15.20 (row 31)", .run = return_address, \
      .fails_on_pristine = fails, \
      .data = &(const InjectedEvent) { event_, next_rip_ } }

#define SILICON_HAS(path_, model_, features_) \
    { .path = "features/silicon/has/" path_, .rule = "CPUID 8000_000A", \
      .run = silicon_has, .fails_on_pristine = true, \
      .data = &(const Silicon) { model_, features_ } }
#define SILICON_MISSES_NOTHING(path_, model_) \
    { .path = "features/silicon/misses-nothing/" path_, \
      .rule = "CPUID 8000_000A", .run = nothing_is_missing, \
      .fails_on_pristine = true, \
      .data = &(const Silicon) { model_ ",svm-silicon=on" } }

static const SVMCase cases[] = {
    SILICON_HAS("naples", "EPYC", 0x0001bcff),
    SILICON_MISSES_NOTHING("naples", "EPYC"),
    SILICON_HAS("rome", "EPYC-Rome", 0x0013bcff),
    SILICON_MISSES_NOTHING("rome", "EPYC-Rome"),
    SILICON_HAS("milan", "EPYC-Milan", 0x119b9cff),
    SILICON_MISSES_NOTHING("milan", "EPYC-Milan"),
    SILICON_HAS("genoa", "EPYC-Genoa", 0x1fbfbcff),
    SILICON_MISSES_NOTHING("genoa", "EPYC-Genoa"),
    {
        .path = "features/silicon/unknown",
        .rule = "CPUID 8000_000A",
        .run = unknown_silicon,
        .fails_on_pristine = true,
    },
    NEXT_RIP("mov-from-cr0", "\x0f\x20\xc0", READ_CR0),
    NEXT_RIP("mov-to-cr0", "\x0f\x22\xc0", WRITE_CR0),
    NEXT_RIP("mov-to-cr8-prefixed", "\x2e\x44\x0f\x22\xc0", WRITE_CR8),
    NEXT_RIP("mov-from-dr7", "\x0f\x21\xf8", READ_DR7),
    NEXT_RIP("mov-to-dr3", "\x0f\x23\xd8", WRITE_DR3),
    NEXT_RIP("smsw-memory", "\x0f\x01\x64\x24\xf0", READ_CR0),
    NEXT_RIP("lmsw", "\x0f\x01\xf0", WRITE_CR0),
    NEXT_RIP("clts", "\x0f\x06", WRITE_CR0),
    NEXT_RIP("mov-to-cr0-selective", "\x0f\x22\xc0", CR0_SEL_WRITE),
    NEXT_RIP("sidt", "\x0f\x01\x4c\x24\xf0", IDTR_READ),
    NEXT_RIP("sgdt-rip-relative", "\x0f\x01\x05\x00\x10\x00\x00", GDTR_READ),
    NEXT_RIP("sldt", "\x0f\x00\xc0", LDTR_READ),
    NEXT_RIP("str", "\x0f\x00\xc8", TR_READ),
    NEXT_RIP("lidt", "\x0f\x01\x9c\x24\x00\xff\xff\xff", IDTR_WRITE),
    NEXT_RIP("lgdt", "\x0f\x01\x14\x24", GDTR_WRITE),
    NEXT_RIP("lldt", "\x0f\x00\xd0", LDTR_WRITE),
    NEXT_RIP("ltr-memory", "\x0f\x00\x5c\x24\xf0", TR_WRITE),
    NEXT_RIP("rdtsc", "\x0f\x31", RDTSC),
    NEXT_RIP("rdpmc", "\x0f\x33", RDPMC),
    NEXT_RIP("pushf", "\x9c", PUSHF),
    NEXT_RIP("popf", "\x9d", POPF),
    NEXT_RIP("cpuid", "\x0f\xa2", CPUID),
    NEXT_RIP("cpuid-15-bytes",
             "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2",
             CPUID),
    NEXT_RIP("cpuid-32-bit", "\x0f\xa2", CPUID, .is_32_bit = true),
    NEXT_RIP("iret", "\x48\xcf", IRET),
    NEXT_RIP("int-n", "\xcd\x40", SWINT),
    NEXT_RIP("invd", "\x0f\x08", INVD),
    NEXT_RIP("pause", "\xf3\x90", PAUSE),
    NEXT_RIP("hlt", "\xf4", HLT),
    NEXT_RIP("invlpg", "\x0f\x01\x3c\x25\x00\x00\x06\x00", INVLPG),
    NEXT_RIP("invlpga", "\x0f\x01\xdf", INVLPGA),
    NEXT_RIP("in", "\xe4\x80", IOIO),
    NEXT_RIP("out-prefixed", "\x66\xef", IOIO),
    NEXT_RIP("rep-outs", "\xf3\x6e", IOIO, .rflags = 0),
    NEXT_RIP("rdmsr", "\x0f\x32", MSR),
    NEXT_RIP("wrmsr", "\x0f\x30", MSR),
    NEXT_RIP("vmrun", "\x0f\x01\xd8", VMRUN),
    NEXT_RIP("vmmcall", "\x0f\x01\xd9", VMMCALL),
    NEXT_RIP("vmload", "\x0f\x01\xda", VMLOAD),
    NEXT_RIP("vmsave-prefixed", "\x67\x0f\x01\xdb", VMSAVE),
    NEXT_RIP("stgi", "\x0f\x01\xdc", STGI),
    NEXT_RIP("clgi", "\x0f\x01\xdd", CLGI),
    NEXT_RIP("icebp", "\xf1", ICEBP),
    NEXT_RIP("wbinvd", "\x0f\x09", WBINVD),
    NEXT_RIP("monitor", "\x0f\x01\xc8", MONITOR),
    NEXT_RIP("mwait", "\x0f\x01\xc9", MWAIT),
    NEXT_RIP("xsetbv", "\x0f\x01\xd1", XSETBV),
    NEXT_RIP("bound", "\x62\x05\x00\x00\x06\x00", EXCP_BASE + FAULT_BR,
             .is_32_bit = true),
    NEXT_RIP("int3", "\xcc", EXCP_BASE + FAULT_BP),
    NEXT_RIP("into", "\xce", EXCP_BASE + FAULT_OF, .is_32_bit = true,
             .rflags = RFLAGS_OF),
    NEXT_RIP("undefined-is-0", "\x0f\x0b", EXCP_BASE + FAULT_UD,
             .has_no_next_rip = true),
    NEXT_RIP("protection-is-0", "\x0f\x22\xe0", EXCP_BASE + FAULT_GP,
             .has_no_next_rip = true),
    NEXT_RIP("nested-page-fault-is-0",
             "\x8b\x04\x25\x00\x00\x08\x00", NPF, .has_no_next_rip = true),
    {
        .path = "features/next-rip/wraps",
        .rule = "2: 15.7.1 (nRIP)",
        .run = next_rip_wraps,
        .fails_on_pristine = true,
    }, {
        .path = "features/next-rip/absent",
        .rule = "2: 15.7.1 (nRIP)",
        .run = no_next_rip,
        .arguments = "-cpu EPYC,-nrip-save",
    },
    RETURN_ADDRESS("int-n", 0x80000440, true, true),
    RETURN_ADDRESS("breakpoint", 0x80000303, true, true),
    RETURN_ADDRESS("undefined", 0x80000306, false, false),
    RETURN_ADDRESS("interrupt", 0x80000040, false, false),
    {
        .path = "features/next-rip-injected/absent",
        .rule = "2: 15.20 (row 31)",
        .run = return_address,
        .arguments = "-cpu EPYC,-nrip-save",
        .data = &(const InjectedEvent) { 0x80000440, false },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
