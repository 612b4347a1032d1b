/*
 * VMCB clean bits (2: 15.15; row 57).
 *
 * A field changes although its clean bit is set.  With strict clean bits the
 * guest runs with what the processor kept, and the difference is reported;
 * without, and wherever the processor has nothing to keep, with the new value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define GUEST_CODE              GUEST_DATA
#define CPUID_INSTRUCTION       "\x0f\xa2"

#define ALL_CLEAN               0x1fff

typedef struct CleanField {
    unsigned bit;
    const char *clean_bit;
    const char *field;
    /* The value that the host changes it to. */
    uint64_t value;
    /* The exit that this leads to, if it is used. */
    uint64_t exit_code;
    bool nested_paging;
    /* #VMEXIT stores the field. */
    bool is_register;
} CleanField;

static void prepare(SVMMachine *machine, const CleanField *clean)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, CPUID_INSTRUCTION, 2);
    if (clean->nested_paging) {
        svm_set_nested_paging(machine, GUEST_CODE, GUEST_STACK_TOP);
    }
}

static void run_again(SVMMachine *machine, uint32_t clean_bits)
{
    svm_set(machine, VMCB, "rip", GUEST_CODE);
    svm_set(machine, VMCB, "clean", clean_bits);
    svm_run(machine);
}

static void expect_reports(SVMMachine *machine, const SVMCase *test,
                           unsigned number)
{
    g_autofree char *info = NULL;
    g_autofree char *line = g_strdup_printf(
        "strict; fields changed in spite of them: %u\r\n", number);

    if (!svm_is_lost(machine)) {
        info = qtest_hmp(svm_qtest(machine), "info svm");
        svm_expect_that(test, strstr(info, line), "`info svm` does not say "
                        "\"%s\"", g_strchomp(line));
    }
}

static void expect_report(SVMMachine *machine, const SVMCase *test,
                          const CleanField *clean, bool expected)
{
    g_autofree char *info = NULL;
    g_autofree char *line = g_strdup_printf(
        " clean bit %s, %s: 0x%" PRIx64 " in memory", clean->clean_bit,
        clean->field, clean->value);

    if (!svm_is_lost(machine)) {
        info = qtest_hmp(svm_qtest(machine), "info svm");
        svm_expect_that(test, !!strstr(info, line) == expected,
                        "`info svm` %s \"%s\"",
                        expected ? "does not say" : "says", line);
    }
}

static void kept(SVMMachine *machine, const SVMCase *test)
{
    const CleanField *clean = test->data;
    uint64_t before;

    prepare(machine, clean);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    before = svm_get(machine, VMCB, clean->field);

    svm_set(machine, VMCB, clean->field, clean->value);
    run_again(machine, 1 << clean->bit);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    if (clean->is_register) {
        svm_expect(test, clean->field, svm_get(machine, VMCB, clean->field),
                   before);
    }
    expect_report(machine, test, clean, true);

    /* A host that holds its promises is left alone. */
    svm_set(machine, VMCB, clean->field, before);
    run_again(machine, ALL_CLEAN);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_reports(machine, test, 1);

    /* The other bits promise nothing about this field. */
    svm_set(machine, VMCB, clean->field, clean->value);
    run_again(machine, ALL_CLEAN & ~(1 << clean->bit));
    svm_expect_exit(machine, test, clean->exit_code);
}

/* Something that all cases below change: an intercept. */
static const CleanField intercepts = {
    0, "I", "intercept",
    1ULL << (SVM_EXIT_VMRUN - SVM_EXIT_INTR) |
    1ULL << (SVM_EXIT_VMMCALL - SVM_EXIT_INTR) |
    1ULL << (SVM_EXIT_CPUID - SVM_EXIT_INTR), SVM_EXIT_CPUID
};

static void expect_reloaded(SVMMachine *machine, const SVMCase *test)
{
    svm_set(machine, VMCB, intercepts.field, intercepts.value);
    run_again(machine, ALL_CLEAN);
    svm_expect_exit(machine, test, SVM_EXIT_CPUID);
    expect_report(machine, test, &intercepts, false);
}

static void reloaded(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, &intercepts);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_reloaded(machine, test);
}

static void reloaded_at_first(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, &intercepts);
    expect_reloaded(machine, test);
}

/* The processor keeps one VMCB, and that by its address. */
static void reloaded_after_other_vmcb(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, &intercepts);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    memcpy(svm_ram(machine, OTHER_VMCB), svm_ram(machine, VMCB), PAGE);
    svm_set(machine, OTHER_VMCB, "rip", GUEST_CODE);
    svm_set(machine, OTHER_VMCB, "clean", ALL_CLEAN);
    svm_set(machine, OTHER_VMCB, intercepts.field, intercepts.value);
    svm_step(machine, STEP_vmrun, OTHER_VMCB, 0);
    svm_expect(test, "EXITCODE of the other VMCB",
               svm_get(machine, OTHER_VMCB, "exit_code"), SVM_EXIT_CPUID);
    expect_reloaded(machine, test);
}

static void reloaded_after_failed_vmrun(SVMMachine *machine,
                                        const SVMCase *test)
{
    prepare(machine, &intercepts);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_set(machine, VMCB, "asid", 0);
    run_again(machine, 0);
    svm_expect_exit(machine, test, VMEXIT_INVALID);
    svm_set(machine, VMCB, "asid", 1);
    expect_reloaded(machine, test);
}

/* A snapshot does not have what the processor kept. */
static void reloaded_after_snapshot(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *saved = NULL;
    g_autofree char *loaded = NULL;

    svm_add_snapshot_disk(machine);
    prepare(machine, &intercepts);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    if (svm_is_lost(machine)) {
        return;
    }
    saved = qtest_hmp(svm_qtest(machine), "savevm between");
    svm_expect_that(test, !*saved, "savevm: %s", saved);
    loaded = qtest_hmp(svm_qtest(machine), "loadvm between");
    svm_expect_that(test, !*loaded, "loadvm: %s", loaded);
    expect_reloaded(machine, test);
}

/* What the guest changed is no lie of the host's. */
static void guest_may_change(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_drs);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0xffff4ff1);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0x700);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_put_code(machine, GUEST_CODE, CPUID_INSTRUCTION, 2);
    run_again(machine, ALL_CLEAN);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "DR6", svm_get(machine, VMCB, "dr6"), 0xffff4ff1);
    svm_expect(test, "DR7", svm_get(machine, VMCB, "dr7"), 0x700);
    expect_reports(machine, test, 0);
}

/* A processor without clean bits cannot be strict about them. */
static void needs_clean_bits(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *command = g_strdup_printf(
        "echo quit | %s -accel tcg -nodefaults -display none -S "
        "-monitor stdio -cpu EPYC,vmcb-clean=off,svm-strict-clean-bits=on "
        "2>&1", getenv("QTEST_QEMU_BINARY"));
    FILE *output = popen(command, "r");
    char line[512];
    bool said = false;

    g_assert(output);
    while (fgets(line, sizeof(line), output)) {
        said |= strstr(line, "the processor has no clean bits") != NULL;
    }
    svm_expect_that(test, said, "no error that says so");
    svm_expect_that(test, pclose(output) != 0, "the emulator did not fail");
}

#define RULE    "2: 15.15 (row 57)"
#define STRICT  .arguments = "-cpu EPYC,vmcb-clean=on," \
                             "svm-strict-clean-bits=on", \
                .own_arguments = true, .fails_on_pristine = true
#define INVALID VMEXIT_INVALID
#define KEPT(bit_, clean_bit_, field_, value_, exit_code_, ...) \
    { .path = "clean-bits/kept/" field_, .rule = RULE, .run = kept, STRICT, \
      .data = &(const CleanField) { bit_, clean_bit_, field_, value_, \
          exit_code_, __VA_ARGS__ } }
#define STRICT_CASE(path_, run_) \
    { .path = "clean-bits/" path_, .rule = RULE, .run = run_, STRICT }

static const SVMCase cases[] = {
    {
        .path = "clean-bits/kept/intercept",
        .rule = RULE,
        .run = kept,
        STRICT,
        .data = &intercepts,
    },
    KEPT(1, "IOPM", "iopm_base_pa", 1ULL << 60, INVALID),
    KEPT(1, "IOPM", "msrpm_base_pa", 1ULL << 60, INVALID),
    KEPT(2, "ASID", "asid", 0, INVALID),
    KEPT(3, "TPR", "int_ctl", 0x000f0005, SVM_EXIT_VMMCALL,
         .is_register = true),
    KEPT(4, "NP", "nested_cr3", 1ULL << 60, INVALID, .nested_paging = true),
    KEPT(4, "NP", "nested_ctl", 0, SVM_EXIT_VMMCALL, .nested_paging = true),
    KEPT(4, "NP", "g_pat", 0x0202020202020202, INVALID, .nested_paging = true),
    KEPT(5, "CRx", "cr0", 1ULL << 32, INVALID, .is_register = true),
    KEPT(5, "CRx", "cr3", 1ULL << 60, INVALID, .is_register = true),
    KEPT(5, "CRx", "cr4", 1ULL << 40, INVALID, .is_register = true),
    KEPT(5, "CRx", "efer", 0x500, INVALID, .is_register = true),
    KEPT(6, "DRx", "dr6", 1ULL << 32, INVALID, .is_register = true),
    KEPT(6, "DRx", "dr7", 1ULL << 32, INVALID, .is_register = true),
    KEPT(7, "DT", "idtr.base", 0x1234, SVM_EXIT_VMMCALL, .is_register = true),
    KEPT(7, "DT", "gdtr.limit", 0x7, SVM_EXIT_VMMCALL, .is_register = true),
    KEPT(8, "SEG", "ds.base", 0x1234, SVM_EXIT_VMMCALL, .is_register = true),
    KEPT(8, "SEG", "ss.selector", 0x18, SVM_EXIT_VMMCALL,
         .is_register = true),
    KEPT(8, "SEG", "cpl", 3, SVM_EXIT_VMMCALL, .is_register = true),
    KEPT(9, "CR2", "cr2", 0x1234, SVM_EXIT_VMMCALL, .is_register = true),
    STRICT_CASE("guest-may-change", guest_may_change),
    STRICT_CASE("reloaded/at-first", reloaded_at_first),
    STRICT_CASE("reloaded/after-other-vmcb", reloaded_after_other_vmcb),
    STRICT_CASE("reloaded/after-failed-vmrun", reloaded_after_failed_vmrun),
    STRICT_CASE("reloaded/after-snapshot", reloaded_after_snapshot),
    {
        .path = "clean-bits/reloaded/not-strict",
        .rule = RULE,
        .run = reloaded,
        .arguments = "-cpu EPYC,vmcb-clean=on",
    }, {
        .path = "clean-bits/reloaded/absent",
        .rule = RULE,
        .run = reloaded,
        .arguments = "-cpu EPYC,vmcb-clean=off",
    }, {
        .path = "clean-bits/strict-needs-clean-bits",
        .rule = RULE,
        .run = needs_clean_bits,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
