/*
 * The PAUSE filter and its threshold (2: 15.14.4; row 60).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define PAUSES                  12

/* The guest's code: MOV ECX, 2000; LOOP to itself; PAUSE; or PAUSE alone. */
#define WAIT                    "\xb9\xd0\x07\x00\x00\xe2\xfe"
#define PAUSE                   "\xf3\x90"

typedef struct Filter {
    uint16_t count;
    uint16_t threshold;
    /* How many PAUSEs pass; all of them: VMMCALL follows. */
    unsigned passes;
    bool waits;
} Filter;

static unsigned prepare(SVMMachine *machine, const Filter *filter)
{
    g_autoptr(GString) code = g_string_new(NULL);
    const char *bytes = filter->waits ? WAIT PAUSE : PAUSE;
    unsigned i;

    for (i = 0; i < PAUSES; i++) {
        g_string_append_len(code, bytes,
                            filter->waits ? sizeof(WAIT PAUSE) - 1
                                          : sizeof(PAUSE) - 1);
    }
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code->str, code->len);
    svm_set(machine, VMCB, "pause_filter_count", filter->count);
    svm_set(machine, VMCB, "pause_filter_threshold", filter->threshold);
    svm_intercept(machine, SVM_EXIT_PAUSE);
    return code->len / PAUSES;
}

static void expect_passes(SVMMachine *machine, const SVMCase *test,
                          unsigned passes, unsigned length)
{
    uint64_t rip = svm_get(machine, VMCB, "rip");

    svm_expect_exit(machine, test, passes == PAUSES ? SVM_EXIT_VMMCALL
                                                    : SVM_EXIT_PAUSE);
    svm_expect(test, "number of PAUSEs that passed",
               (rip - GUEST_CODE) / length, passes);
}

static void filter_passes(SVMMachine *machine, const SVMCase *test)
{
    const Filter *filter = test->data;
    unsigned length = prepare(machine, filter);

    svm_run(machine);
    expect_passes(machine, test, filter->passes, length);
}

static void vmrun_starts_anew(SVMMachine *machine, const SVMCase *test)
{
    const Filter *filter = test->data;
    unsigned length = prepare(machine, filter);

    svm_run(machine);
    expect_passes(machine, test, filter->passes, length);
    svm_set(machine, VMCB, "rip",
            svm_get(machine, VMCB, "rip") + sizeof(PAUSE) - 1);
    svm_run(machine);
    expect_passes(machine, test, 2 * filter->passes + 1, length);
}

/* The filter makes no exit where there is no intercept. */
static void unintercepted(SVMMachine *machine, const SVMCase *test)
{
    static const Filter filter = { 1 };
    unsigned length = prepare(machine, &filter);

    svm_set(machine, VMCB, "intercept", svm_get(machine, VMCB, "intercept") &
            ~(1ULL << (SVM_EXIT_PAUSE - SVM_EXIT_INTR)));
    svm_run(machine);
    expect_passes(machine, test, PAUSES, length);
}

#define RULE        "2: 15.14.4 (row 60)"
#define COUNT       "-cpu EPYC,+pause-filter,-pfthreshold"
#define THRESHOLD   "-cpu EPYC,+pause-filter,+pfthreshold " \
                    "-icount shift=0,sleep=off"
#define FILTER(path_, arguments_, fails_, ...) \
    { .path = "pause-filter/" path_, .rule = RULE, .run = filter_passes, \
      .arguments = arguments_, .fails_on_pristine = fails_, \
      .data = &(const Filter) { __VA_ARGS__ } }

static const SVMCase cases[] = {
    FILTER("none", COUNT, false, 0, 0, 0),
    FILTER("one", COUNT, true, 1, 0, 1),
    FILTER("some", COUNT, true, 3, 0, 3),
    FILTER("all", COUNT, true, PAUSES, 0, PAUSES),
    FILTER("most", COUNT, true, 0xffff, 0, PAUSES),
    FILTER("absent", "-cpu EPYC,-pause-filter,-pfthreshold", false, 3, 0, 0),
    {
        .path = "pause-filter/vmrun-starts-anew",
        .rule = RULE,
        .run = vmrun_starts_anew,
        .arguments = COUNT,
        .data = &(const Filter) { 3, 0, 3 },
        .fails_on_pristine = true,
    }, {
        .path = "pause-filter/unintercepted",
        .rule = RULE,
        .run = unintercepted,
        .arguments = COUNT,
    },
    FILTER("threshold/in-time", THRESHOLD, true, 3, 1000, 3),
    FILTER("threshold/late", THRESHOLD, true, 3, 1000, PAUSES, true),
    FILTER("threshold/long", THRESHOLD, true, 3, 10000, 3, true),
    FILTER("threshold/zero", THRESHOLD, true, 3, 0, 3, true),
    FILTER("threshold/no-count", THRESHOLD, false, 0, 1000, 0, true),
    FILTER("threshold/absent", COUNT " -icount shift=0,sleep=off", true,
           3, 1000, 3, true),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
