/*
 * MWAIT: the extensions that CPUID offers, and those that it does not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "svm-machine.h"

#define FAULT_GP                (FAULTED | 13)

typedef struct Wait {
    uint32_t extensions;
    uint32_t fault;
} Wait;

static void wait_in_host(SVMMachine *machine, const SVMCase *test)
{
    const Wait *wait = test->data;

    svm_step(machine, STEP_mwait, wait->extensions, 0);
    svm_expect(test, "fault", svm_fault(machine), wait->fault);
}

#define WAIT(path_, fails, ...) \
    { .path = "mwait/" path_, .rule = "3: MWAIT", .run = wait_in_host, \
      .fails_on_pristine = fails, .data = &(const Wait) { __VA_ARGS__ } }

static const SVMCase cases[] = {
    /* Interrupts are masked: a wait that only they could end has no end. */
    WAIT("interrupts-break-the-wait", true, 1, 0),
    WAIT("unsupported-extension", false, 2, FAULT_GP),
    WAIT("unsupported-extension-too", false, 3, FAULT_GP),
    WAIT("highest-extension", false, 0x80000000, FAULT_GP),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
