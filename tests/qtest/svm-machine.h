/*
 * A machine whose processors do what a test says, one step at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_SVM_MACHINE_H
#define TESTS_QTEST_SVM_MACHINE_H

#include "libqtest.h"
#include "payload/layout.h"
#include "svm-fields.h"

#define PAGE                    0x1000

#define MSR_PAT                 0x277
#define MSR_SYSENTER_CS         0x174
#define MSR_EFER                0xc0000080
#define MSR_LSTAR               0xc0000082
#define MSR_CSTAR               0xc0000083
#define MSR_FS_BASE             0xc0000100
#define MSR_GS_BASE             0xc0000101
#define MSR_KERNEL_GS_BASE      0xc0000102
#define MSR_TSC_AUX             0xc0000103
#define MSR_VM_HSAVE_PA         0xc0010117

/* What the payload leaves in its control registers, in long mode. */
#define CR0_HOST                0x80010033
#define CR4_HOST                0x620
#define EFER_HOST               0x1d00  /* SVME, NXE, LMA, LME */
#define PAT_HOST                0x0007040600070406

#define VMEXIT_INVALID          UINT64_MAX

/* What a processor of the host can be asked to do. */
typedef enum SVMStep {
#define SVM_STEP(instruction, operand, value, result) STEP_##instruction,
#include "payload/steps.h.inc"
} SVMStep;

/* The guest programs. */
typedef enum SVMGuest {
#define SVM_GUEST(instructions, text) GUEST_##instructions,
#include "payload/guests.h.inc"
    NR_GUESTS
} SVMGuest;

typedef struct SVMMachine SVMMachine;

/* The hosts that a row of the table of cases stands for. */
typedef enum SVMHosts {
    IN_ONE_HOST,        /* the one with host_mode */
    IN_32_BIT_HOSTS,    /* with PAE, with legacy paging, without paging */
    IN_PAGING_HOSTS,    /* the first two: nested paging is possible there */
} SVMHosts;

/* A test case. */
typedef struct SVMCase SVMCase;
struct SVMCase {
    /* What follows "/x86_64/svm/" or "/i386/svm/". */
    const char *path;
    /* The manual's section, and the row of conformance.rst. */
    const char *rule;
    void (*run)(SVMMachine *machine, const SVMCase *test);
    /* What a case of several data is given. */
    const void *data;
    /* HOST_LONG_MODE if not said; set by svm_test_main() if `hosts` is. */
    unsigned host_mode;
    SVMHosts hosts;
    /* The guest is one of 64 bits all the same. */
    bool needs_long_mode;
    /* More of QEMU's command line. */
    const char *arguments;
    /* They are ones of the add-on's: unmodified QEMU does not start. */
    bool own_arguments;
    /* Unmodified QEMU departs from the rule: the case fails there. */
    bool fails_on_pristine;
    /* So it does, but on a processor without long mode alone. */
    bool fails_on_pristine_i386;
    /*
     * The add-on still does, too: the failure is TAP's "not ok ... # TODO"
     * and no error.  A case that passes in spite of the mark is one.
     */
    bool still_open;
};

/**
 * svm_test_main: the main function of a test program
 *
 * Knows GLib's options (--tap, -l, -p PATH, ...), and --fails-on-pristine
 * and --still-open: print the paths of the cases with that mark.
 *
 * A case is a machine of its own, so that no case can spoil another, and an
 * emulator that ends is a case that failed.
 */
int svm_test_main(int argc, char **argv, const SVMCase *rows, size_t nr);

/**
 * svm_step: let processor 0 do a step, wait for its end, return its result
 *
 * Without effect when the machine is lost: the case has failed by then.
 */
uint64_t svm_step(SVMMachine *machine, SVMStep step, uint64_t operand,
                  uint64_t value);

/**
 * svm_step_begin: let a processor do a step, and do not wait
 */
void svm_step_begin(SVMMachine *machine, unsigned processor, SVMStep step,
                    uint64_t operand, uint64_t value);

/**
 * svm_step_end: wait for the end of the step that svm_step_begin() began
 */
uint64_t svm_step_end(SVMMachine *machine, unsigned processor,
                      unsigned seconds);

/**
 * svm_start_processor: get one more processor to take steps
 */
void svm_start_processor(SVMMachine *machine, unsigned processor);

/**
 * svm_has_long_mode: does the emulated processor have 64-bit registers?
 */
bool svm_has_long_mode(void);

/**
 * svm_is_lost: has the emulator ended, or does a processor not answer?
 */
bool svm_is_lost(const SVMMachine *machine);

/**
 * svm_fault: FAULTED | vector if the last step of processor 0 faulted, or 0
 */
uint32_t svm_fault(SVMMachine *machine);

/* Of processor 0: see layout.h, MAILBOX_... */
uint64_t svm_mailbox(SVMMachine *machine, unsigned offset);
void svm_set_mailbox(SVMMachine *machine, unsigned offset, uint64_t value);

/* Its memory, as another processor would see it. */
uint8_t *svm_ram(SVMMachine *machine, uint64_t address);
QTestState *svm_qtest(SVMMachine *machine);

/**
 * svm_add_snapshot_disk: give the machine a disk for `savevm`
 */
void svm_add_snapshot_disk(SVMMachine *machine);

/* A field of a VMCB or of a host save area. */
uint64_t svm_get(SVMMachine *machine, uint64_t page, const char *field);
void svm_set(SVMMachine *machine, uint64_t page, const char *field,
             uint64_t value);

/**
 * svm_copy_page: a copy to compare with later; to be freed
 */
uint8_t *svm_copy_page(SVMMachine *machine, uint64_t page);

/**
 * svm_intercept: let the guest in VMCB exit with @exit_code
 *
 * What has a bit in the VMCB's first words: all codes below 400h.
 */
void svm_intercept(SVMMachine *machine, unsigned exit_code);

/**
 * svm_fill_vmload_set: give each register of set V a value of its own
 *
 * The values are ones that the emulated processor holds.
 */
void svm_fill_vmload_set(SVMMachine *machine, uint64_t page);

uint64_t svm_guest_address(SVMMachine *machine, SVMGuest guest);

/**
 * svm_prepare_guest_64: fill VMCB with a 64-bit guest that runs @guest
 *
 * It has the page tables of a host in long mode, intercepts VMRUN and
 * VMMCALL, and every reserved or unused byte of its VMCB is zero.
 */
void svm_prepare_guest_64(SVMMachine *machine, SVMGuest guest);

/**
 * svm_prepare_guest_32: the same with a 32-bit guest without paging
 */
void svm_prepare_guest_32(SVMMachine *machine, SVMGuest guest);

/**
 * svm_prepare_guest: the same with a guest as wide as the case's host
 */
void svm_prepare_guest(SVMMachine *machine, SVMGuest guest);

/**
 * svm_make_user: the guest in VMCB, of 64 or 32 bits, runs at CPL 3
 */
void svm_make_user(SVMMachine *machine);

/**
 * svm_put_code: let the guest in VMCB run @bytes, and VMMCALL after them
 */
void svm_put_code(SVMMachine *machine, uint64_t address, const void *bytes,
                  size_t length);

/**
 * svm_set_nested_paging: let the guest in VMCB run with nested paging
 * @first, @last: the guest-physical pages that it can reach, apart from those
 *   of its code, GDT and page tables; nothing above 2 MiB
 *
 * The nested table has the format of the case's host (2: 15.25.3).
 */
void svm_set_nested_paging(SVMMachine *machine, uint64_t first,
                           uint64_t last);

/**
 * svm_run: VMRUN on VMCB; the case fails if VMRUN faults
 */
void svm_run(SVMMachine *machine);

/* An exit that the test asked for, or the case fails. */
void svm_expect_exit(SVMMachine *machine, const SVMCase *test,
                     uint64_t exit_code);

/**
 * svm_expect: the case fails, but goes on, if @value is not @expected
 */
void svm_expect(const SVMCase *test, const char *what, uint64_t value,
                uint64_t expected);

/**
 * svm_expect_that: the case fails, but goes on, if @condition is false
 */
void svm_expect_that(const SVMCase *test, bool condition, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/**
 * svm_expect_fault: processor 0's last step had to raise an exception
 */
void svm_expect_fault(SVMMachine *machine, const SVMCase *test,
                      unsigned vector, uint32_t error_code);

/**
 * svm_expect_emulator_survives: processor 0 may do anything, the emulator not
 *
 * The case fails if the emulator dies within a second; a shutdown of the
 * machine is none.  No step can be asked for afterwards.
 */
void svm_expect_emulator_survives(SVMMachine *machine, const SVMCase *test);

/**
 * svm_expect_shutdown: the step that processor 0 does has to shut it down
 *
 * The machine ends with it: no step can be asked for afterwards.
 */
void svm_expect_shutdown(SVMMachine *machine, const SVMCase *test);

/**
 * svm_expect_unchanged: a page may differ only in some of its bytes
 * @may_differ: whether the byte at an offset may
 *
 * Says for each field, or run of bytes without a name, what differs.
 */
void svm_expect_unchanged(SVMMachine *machine, const SVMCase *test,
                          const char *what, uint64_t page,
                          const uint8_t *before,
                          bool (*may_differ)(unsigned offset));

#endif
