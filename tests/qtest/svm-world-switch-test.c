/*
 * VMRUN and #VMEXIT: what a world switch may move, and what it may not lose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define CR0_PE_ET               0x11
#define EFER_LME_SVME           0x1100
#define PATTERN                 0xa5

static uint32_t read_msr_efer(SVMMachine *machine)
{
    return svm_step(machine, STEP_read_msr, MSR_EFER, 0);
}

/*
 * Host CR0.  The guest's EFER.LME with CR4.PAE = 0 is what every guest kernel
 * passes through on its way to long mode.
 */
static void host_cr0(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr0", CR0_PE_ET);
    svm_set(machine, VMCB, "efer", EFER_LME_SVME);
    svm_set(machine, VMCB, "cr4", 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "host CR0 after #VMEXIT",
               svm_step(machine, STEP_read_cr0, 0, 0), CR0_HOST);
    svm_expect(test, "host EFER after #VMEXIT", read_msr_efer(machine),
               EFER_HOST);
}

/* The same order in the other direction: a host about to enter long mode. */
static void guest_cr0(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_msr, MSR_EFER,
             read_msr_efer(machine) | 0x100);
    svm_prepare_guest_64(machine, GUEST_read_cr0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "CR0 that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), CR0_HOST);
    svm_expect(test, "CR0 that #VMEXIT stores", svm_get(machine, VMCB, "cr0"),
               CR0_HOST);
    svm_expect(test, "host CR0 after #VMEXIT",
               svm_step(machine, STEP_read_cr0, 0, 0), 0x33);
}

/* VMRUN that fails a check. */
typedef struct FailingField {
    const char *name;
    uint64_t value;
} FailingField;

static bool may_differ_after_failed_vmrun(unsigned offset)
{
    return svm_is_exit_field(offset, true);
}

static void failed_vmrun(SVMMachine *machine, const SVMCase *test)
{
    const FailingField *field = test->data;
    uint64_t host_cr0 = svm_step(machine, STEP_read_cr0, 0, 0);
    g_autofree uint8_t *before = NULL;
    uint64_t right;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr2", 0x1234567890);
    svm_set(machine, VMCB, "int_ctl", 5);
    right = svm_get(machine, VMCB, field->name);
    svm_set(machine, VMCB, field->name, field->value);
    svm_set(machine, VMCB, "exit_code", 0x55);
    svm_set(machine, VMCB, "exit_info_1", 0x55);
    svm_set(machine, VMCB, "exit_info_2", 0x55);
    before = svm_copy_page(machine, VMCB);

    svm_run(machine);
    svm_expect_exit(machine, test, VMEXIT_INVALID);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"), 0);
    svm_expect_unchanged(machine, test, "VMCB of a failed VMRUN", VMCB, before,
                         may_differ_after_failed_vmrun);
    svm_expect(test, "host CR0 after the failed VMRUN",
               svm_step(machine, STEP_read_cr0, 0, 0), host_cr0);

    /* What a host does then: correct the field and enter again. */
    svm_set(machine, VMCB, field->name, right);
    svm_run(machine);
    svm_expect(test, "EXITCODE once the field is right",
               svm_get(machine, VMCB, "exit_code"), SVM_EXIT_VMMCALL);
    svm_expect(test, "guest RIP once the field is right",
               svm_get(machine, VMCB, "rip"),
               svm_guest_address(machine, GUEST_vmmcall));
}

/* Pages that are not RAM. */
typedef struct NotRAM {
    SVMStep step;
    uint64_t address;
} NotRAM;

static void not_ram(SVMMachine *machine, const SVMCase *test)
{
    const NotRAM *what = test->data;
    const bool is_vmrun = what->step == STEP_vmrun;
    uint64_t host_cr0 = svm_step(machine, STEP_read_cr0, 0, 0);

    svm_step(machine, what->step, what->address, 0);
    if (svm_is_lost(machine)) {
        return;
    }
    svm_expect(test, "exception that the instruction raised",
               svm_fault(machine), 0);
    svm_expect(test, "times that VMRUN ended",
               svm_mailbox(machine, MAILBOX_VMRUN_RETURNS), is_vmrun);
    svm_expect(test, "host CR0 afterwards",
               svm_step(machine, STEP_read_cr0, 0, 0), host_cr0);

    /* The host goes on as a host. */
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/*
 * The host's state is gone then, and the manual leaves open what that host
 * does: but the machine can still be examined, or has shut down.
 */
static void host_save_not_ram(SVMMachine *machine, const SVMCase *test)
{
    const NotRAM *what = test->data;

    svm_step(machine, STEP_write_msr, MSR_VM_HSAVE_PA, what->address);
    svm_expect(test, "exception that WRMSR raised", svm_fault(machine), 0);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    svm_expect_emulator_survives(machine, test);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/* The sets, byte by byte. */
static bool is_in_vmsave_set(unsigned offset)
{
    return (svm_sets_at(offset) & SVM_SET_V) &&
           (svm_has_long_mode() || !svm_needs_long_mode(offset));
}

static bool is_not_in_vmsave_set(unsigned offset)
{
    return !is_in_vmsave_set(offset);
}

static bool is_in_host_set(unsigned offset)
{
    return svm_sets_at(offset) & SVM_SET_H;
}

static void vmsave_writes_only_its_set(SVMMachine *machine,
                                       const SVMCase *test)
{
    g_autofree uint8_t *before = NULL;

    memset(svm_ram(machine, HOST_SAVE), PATTERN, PAGE);
    before = svm_copy_page(machine, HOST_SAVE);
    svm_step(machine, STEP_vmsave, HOST_SAVE, 0);
    svm_expect_unchanged(machine, test, "page given to VMSAVE", HOST_SAVE,
                         before, is_in_vmsave_set);
}

static void vmsave_gives_back_what_vmload_took(SVMMachine *machine,
                                               const SVMCase *test)
{
    g_autofree uint8_t *loaded = NULL;

    svm_fill_vmload_set(machine, OTHER_VMCB);
    loaded = svm_copy_page(machine, OTHER_VMCB);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect_unchanged(machine, test, "page given to VMSAVE", SCRATCH,
                         loaded, is_not_in_vmsave_set);
    svm_expect_unchanged(machine, test, "page given to VMLOAD", OTHER_VMCB,
                         loaded, is_not_in_vmsave_set);
}

/* A guest that has set V for itself: its FS base is @value. */
static void run_guest_with_its_vmsave_set(SVMMachine *machine,
                                          const SVMCase *test, uint64_t value)
{
    if (test->host_mode == HOST_LONG_MODE) {
        svm_prepare_guest(machine, GUEST_write_vmsave_set);
        svm_set_mailbox(machine, MAILBOX_GUEST_RBX, value);
    } else {
        /* Its host loads them, as KVM does. */
        svm_prepare_guest(machine, GUEST_vmmcall);
        svm_fill_vmload_set(machine, VMCB);
        svm_set(machine, VMCB, "fs.base", value);
        svm_step(machine, STEP_vmload, VMCB, 0);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/* A host that keeps set V in the page that VMRUN keeps set H in. */
static void vmrun_writes_only_its_set(SVMMachine *machine,
                                      const SVMCase *test)
{
    g_autofree uint8_t *before = NULL;

    memset(svm_ram(machine, HOST_SAVE), PATTERN, PAGE);
    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    svm_step(machine, STEP_vmsave, HOST_SAVE, 0);
    before = svm_copy_page(machine, HOST_SAVE);

    run_guest_with_its_vmsave_set(machine, test, 0x2222);
    svm_expect_unchanged(machine, test, "host save area", HOST_SAVE, before,
                         is_in_host_set);
}

static void set_v_comes_back(SVMMachine *machine, const SVMCase *test)
{
    unsigned round;

    for (round = 0; round < 1000 && !g_test_failed(); round++) {
        g_autofree uint8_t *before = NULL;

        svm_fill_vmload_set(machine, OTHER_VMCB);
        svm_set(machine, OTHER_VMCB, "fs.base", 0x1000000 + round * 0x1001);
        svm_set(machine, OTHER_VMCB, "kernel_gs_base", round * 0x11111);
        svm_set(machine, OTHER_VMCB, "ldtr.limit", round);
        svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
        before = svm_copy_page(machine, OTHER_VMCB);

        svm_step(machine, STEP_vmsave, HOST_SAVE, 0);
        run_guest_with_its_vmsave_set(machine, test, 0x3333 + round);
        svm_step(machine, STEP_vmsave, SCRATCH, 0);
        svm_expect(test, "the guest's FS base, still there after #VMEXIT",
                   svm_get(machine, SCRATCH, "fs.base"), 0x3333 + round);

        svm_step(machine, STEP_vmload, HOST_SAVE, 0);
        if (svm_has_long_mode()) {
            svm_expect(test, "the host's FS base by its MSR",
                       svm_step(machine, STEP_read_msr, MSR_FS_BASE, 0),
                       0x1000000 + round * 0x1001);
        }
        svm_step(machine, STEP_vmsave, SCRATCH, 0);
        svm_expect_unchanged(machine, test, "set V", SCRATCH, before,
                             is_not_in_vmsave_set);
    }
}

static bool may_differ_after_vmexit(unsigned offset)
{
    return svm_is_exit_field(offset, false);
}

static bool may_differ_after_guest(unsigned offset)
{
    return svm_is_exit_field(offset, false) ||
           (svm_sets_at(offset) & SVM_SET_G);
}

/* Bytes that no field owns, apart from those of features not offered. */
static void fill_unused(SVMMachine *machine, uint64_t page)
{
    unsigned i;

    for (i = 0x130; i < PAGE; i++) {
        if (!svm_field_at(i)) {
            *svm_ram(machine, page + i) = PATTERN;
        }
    }
}

static void idle_guest_changes_nothing(SVMMachine *machine,
                                       const SVMCase *test)
{
    g_autofree uint8_t *before = NULL;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_fill_vmload_set(machine, VMCB);
    fill_unused(machine, VMCB);
    before = svm_copy_page(machine, VMCB);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect_unchanged(machine, test, "VMCB", VMCB, before,
                         may_differ_after_vmexit);
}

static void busy_guest_changes_its_set(SVMMachine *machine,
                                       const SVMCase *test)
{
    g_autofree uint8_t *before = NULL;

    svm_prepare_guest(machine, GUEST_write_drs);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    fill_unused(machine, VMCB);
    before = svm_copy_page(machine, VMCB);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0xffff0ff1);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 0x455);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect_unchanged(machine, test, "VMCB", VMCB, before,
                         may_differ_after_guest);
    svm_expect(test, "DR7 that #VMEXIT stores", svm_get(machine, VMCB, "dr7"),
               0x455);
}

/*
 * A guest that can write its own VMCB, and does.  What VMRUN read is what
 * counts until the next VMRUN.
 */
typedef struct FieldOfRunningGuest {
    const char *name;
    uint64_t value;
    SVMGuest guest;
} FieldOfRunningGuest;

static void field_of_running_guest(SVMMachine *machine, const SVMCase *test)
{
    const FieldOfRunningGuest *field = test->data;
    /* Nothing is intercepted by the maps at MSR_MAP and IO_MAP. */
    memset(svm_ram(machine, SCRATCH), 0xff, 3 * PAGE);
    svm_prepare_guest(machine, field->guest);
    svm_intercept(machine, SVM_EXIT_IOIO);
    svm_intercept(machine, SVM_EXIT_MSR);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX,
                    VMCB + svm_field(field->name)->offset);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, field->value);
    svm_set_mailbox(machine, MAILBOX_GUEST_RSI, MSR_FS_BASE);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               0);
}

/*
 * A VMCB in memory that can tell how it was read: the frame buffer of a VGA
 * in one of its planar modes, whose every byte is an access of its own.
 *
 * Unmodified QEMU cannot run it at all: it reads the intercepts at 00Ch with
 * an access of 8 bytes that the device refuses.  That it reads fields again
 * is what vmcb-changed-by-guest shows.
 */
#define FRAME_BUFFER            0xa0000

static void write_vga(QTestState *qts, uint16_t port, uint8_t index,
                      uint8_t value)
{
    qtest_outb(qts, port, index);
    qtest_outb(qts, port + 1, value);
}

static void make_frame_buffer_plain_memory(QTestState *qts)
{
    qtest_outb(qts, 0x3c2, 0x01);       /* CRTC at 3Dxh */
    write_vga(qts, 0x3c4, 0x02, 0x01);  /* write plane 0 */
    write_vga(qts, 0x3c4, 0x04, 0x06);  /* one byte after the other */
    write_vga(qts, 0x3ce, 0x00, 0x00);
    write_vga(qts, 0x3ce, 0x01, 0x00);
    write_vga(qts, 0x3ce, 0x03, 0x00);
    write_vga(qts, 0x3ce, 0x04, 0x00);  /* read plane 0 */
    write_vga(qts, 0x3ce, 0x05, 0x00);
    write_vga(qts, 0x3ce, 0x06, 0x05);  /* graphics, 64 KiB at A0000h */
    write_vga(qts, 0x3ce, 0x08, 0xff);
    write_vga(qts, 0x3d4, 0x14, 0x00);
}

/* Counts the reads by processor 0 of each byte of the page. */
static void count_reads(const char *log, unsigned *reads)
{
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    char **line;

    for (line = lines; *line; line++) {
        const char *text = strstr(*line, "memory_region_ops_read cpu 0 ");
        uint64_t address;
        unsigned size;

        text = text ? strstr(text, " addr 0x") : NULL;
        if (!text || sscanf(text, " addr 0x%" SCNx64 " value 0x%*x size %u",
                            &address, &size) != 2) {
            continue;
        }
        while (size--) {
            if (address - FRAME_BUFFER < PAGE) {
                reads[address - FRAME_BUFFER]++;
            }
            address++;
        }
    }
}

static void expect_reads(const SVMCase *test, const unsigned *reads)
{
    const SVMField *reported = NULL;
    unsigned total = 0;
    unsigned i;

    for (i = 0; i < PAGE; i++) {
        const SVMField *field = svm_field_at(i);

        total += reads[i];
        if (reads[i] > 1 && !(field && field == reported)) {
            svm_expect_that(test, false, "%s (0x%03x) was read %u times, has "
                            "to be once at most",
                            field ? field->name : "a byte", i, reads[i]);
        }
        reported = field;
    }
    /* If nothing was counted, nothing was proved. */
    svm_expect_that(test, total > 200, "only %u bytes of the VMCB were seen "
                    "to be read", total);
}

static void fields_are_read_once(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *path = NULL;
    g_autofree char *log = NULL;
    g_autofree char *command = NULL;
    g_autofree unsigned *reads = g_new0(unsigned, PAGE);
    QTestState *qts = svm_qtest(machine);
    uint64_t exit_code = 0;
    int fd = g_file_open_tmp("qtest-svm-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);

    make_frame_buffer_plain_memory(qts);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    /* An event to inject, into a guest that takes it at once. */
    svm_set(machine, VMCB, "event_inj", 0x80000b0d);
    svm_set(machine, VMCB, "event_inj_err", 0x18);
    qtest_memwrite(qts, FRAME_BUFFER, svm_ram(machine, VMCB), PAGE);

    command = g_strdup_printf("logfile %s", path);
    g_free(qtest_hmp(qts, "%s", command));
    g_free(qtest_hmp(qts, "trace-event memory_region_ops_read on"));
    svm_step(machine, STEP_vmrun, FRAME_BUFFER, 0);
    if (!svm_is_lost(machine)) {
        g_free(qtest_hmp(qts, "trace-event memory_region_ops_read off"));
        qtest_memread(qts, FRAME_BUFFER + svm_field("exit_code")->offset,
                      &exit_code, sizeof(exit_code));
        svm_expect(test, "EXITCODE", le64_to_cpu(exit_code), SVM_EXIT_VMMCALL);
        g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
        count_reads(log, reads);
        expect_reads(test, reads);
    }
    unlink(path);
}

/*
 * Another processor loads FPU state all the time: unmodified QEMU then writes
 * processor 0's flags from there.  On a machine with two cores it failed
 * after 17,000 world switches and 130,000 changes of GIF on average; that it
 * gets through all of these has a chance of about e^-11.
 */
#define WORLD_SWITCHES          200000
#define GIF_CHANGES             1500000
#define RACE_SECONDS            120

static void begin_race(SVMMachine *machine)
{
    svm_start_processor(machine, 1);
    svm_step_begin(machine, 1, STEP_load_fpu_loop, 0, 0);
}

static void nested_paging_against_fpu(SVMMachine *machine, const SVMCase *test)
{
    uint64_t rounds;

    begin_race(machine);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    svm_step_begin(machine, 0, STEP_vmrun_loop, VMCB, WORLD_SWITCHES);
    rounds = svm_step_end(machine, 0, RACE_SECONDS);
    if (!svm_is_lost(machine)) {
        svm_expect(test, "exception in the host", svm_fault(machine), 0);
        svm_expect(test, "world switches before the first wrong exit", rounds,
                   WORLD_SWITCHES);
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    }
}

static void gif_against_fpu(SVMMachine *machine, const SVMCase *test)
{
    uint64_t rounds;

    begin_race(machine);
    svm_step_begin(machine, 0, STEP_gif_loop, INTERRUPT_SELF_IPI, GIF_CHANGES);
    rounds = svm_step_end(machine, 0, RACE_SECONDS);
    if (!svm_is_lost(machine)) {
        svm_expect(test, "CLGI, STGI before the first wrong interrupt",
                   rounds, GIF_CHANGES);
    }
}

/* What unmodified QEMU does right. */
static void vmmcall_exits(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"), 0);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               0);
    svm_expect(test, "guest RIP", svm_get(machine, VMCB, "rip"),
               svm_guest_address(machine, GUEST_vmmcall));
    svm_expect(test, "rAX of the host",
               svm_mailbox(machine, MAILBOX_RESULT), VMCB);
}

static uint32_t interrupts_taken(SVMMachine *machine)
{
    return svm_mailbox(machine, MAILBOX_INTERRUPTS);
}

static void gif_holds_interrupts(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_sti, 0, 0);
    svm_step(machine, STEP_self_ipi, INTERRUPT_SELF_IPI, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken while GIF = 0",
               interrupts_taken(machine), 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken after STGI",
               interrupts_taken(machine), 1);
}

static void vmexit_clears_gif(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_sti, 0, 0);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_run(machine);
    svm_step(machine, STEP_self_ipi, INTERRUPT_SELF_IPI, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken after #VMEXIT",
               interrupts_taken(machine), 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken after STGI",
               interrupts_taken(machine), 1);
}

/* The guest runs with the host's interrupts on: one of them ends it. */
static void interrupt_of_host_exits(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_self_ipi, INTERRUPT_SELF_IPI, 0);
    svm_prepare_guest(machine, GUEST_jump_to_itself);
    svm_intercept(machine, SVM_EXIT_INTR);
    svm_set(machine, VMCB, "int_ctl", V_INTR_MASKING_MASK);
    svm_step(machine, STEP_sti_vmrun, VMCB, 0);
    svm_expect_exit(machine, test, SVM_EXIT_INTR);
    svm_expect(test, "interrupts taken by #VMEXIT", interrupts_taken(machine),
               0);
    svm_step(machine, STEP_sti, 0, 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken after STGI", interrupts_taken(machine),
               1);
}

typedef struct Event {
    uint32_t info;
    uint32_t error_code;
} Event;

/* Without the event the guest would never exit. */
static void event_is_injected(SVMMachine *machine, const SVMCase *test)
{
    const Event *event = test->data;

    svm_prepare_guest(machine, GUEST_jump_to_itself);
    svm_set(machine, VMCB, "event_inj", event->info);
    svm_set(machine, VMCB, "event_inj_err", event->error_code);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector that the guest saw",
               svm_mailbox(machine, MAILBOX_GUEST_RBX),
               extract32(event->info, 0, 8));
    svm_expect(test, "last word that was pushed",
               svm_mailbox(machine, MAILBOX_GUEST_RCX),
               extract32(event->info, 11, 1) ? event->error_code :
               svm_guest_address(machine, GUEST_jump_to_itself));
    svm_expect(test, "EVENTINJ.V",
               svm_get(machine, VMCB, "event_inj") >> 31, 0);
    svm_expect(test, "EXITINTINFO.V",
               svm_get(machine, VMCB, "exit_int_info") >> 31, 0);
}

/* An exit in the middle of the delivery reports the event. */
static void event_comes_back(SVMMachine *machine, const SVMCase *test)
{
    const Event *event = test->data;

    svm_prepare_guest(machine, GUEST_jump_to_itself);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    svm_set(machine, VMCB, "event_inj", event->info);
    svm_set(machine, VMCB, "event_inj_err", event->error_code);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO2, the page of the stack",
               svm_get(machine, VMCB, "exit_info_2") & -PAGE,
               GUEST_STACK_TOP - PAGE);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               event->info);
    if (event->info & SVM_EVTINJ_VALID_ERR) {
        svm_expect(test, "its error code",
                   svm_get(machine, VMCB, "exit_int_info_err"),
                   event->error_code);
    }
    svm_expect(test, "EVENTINJ.V",
               svm_get(machine, VMCB, "event_inj") >> 31, 0);
}

typedef struct NestedPageFault {
    SVMGuest guest;
    bool of_page_table;
    uint64_t exit_info_1;
} NestedPageFault;

static void nested_page_fault(SVMMachine *machine, const SVMCase *test)
{
    const NestedPageFault *fault = test->data;
    uint64_t address = fault->of_page_table ? SCRATCH : GUEST_DATA + 0x678;

    svm_prepare_guest(machine, fault->guest);
    svm_set_nested_paging(machine, GUEST_STACK_TOP - PAGE,
                          GUEST_STACK_TOP - 1);
    if (fault->of_page_table) {
        svm_set(machine, VMCB, "cr3", SCRATCH);
        address += svm_guest_address(machine, fault->guest) >> 39 << 3;
    }
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, address);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               fault->exit_info_1);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               address);
    svm_expect(test, "guest RIP", svm_get(machine, VMCB, "rip"),
               svm_guest_address(machine, fault->guest));
}

/* A virtual interrupt is pending; its intercept says when it is taken. */
static void prepare_virtual_interrupt(SVMMachine *machine)
{
    svm_prepare_guest(machine, GUEST_sti_nop);
    svm_intercept(machine, SVM_EXIT_VINTR);
    svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK | 5 << V_INTR_PRIO_SHIFT |
            V_INTR_MASKING_MASK);
    svm_set(machine, VMCB, "int_vector", 0x40);
}

static void interrupt_shadow_of_sti(SVMMachine *machine, const SVMCase *test)
{
    prepare_virtual_interrupt(machine);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VINTR);
    svm_expect(test, "guest RIP, after STI and NOP",
               svm_get(machine, VMCB, "rip"),
               svm_guest_address(machine, GUEST_sti_nop) + 2);
    svm_expect(test, "INTERRUPT_SHADOW",
               svm_get(machine, VMCB, "int_state") & 1, 0);
}

static void interrupt_shadow_by_vmcb(SVMMachine *machine, const SVMCase *test)
{
    unsigned shadow;

    for (shadow = 0; shadow < 2; shadow++) {
        uint64_t nop = svm_guest_address(machine, GUEST_sti_nop) + 1;

        prepare_virtual_interrupt(machine);
        svm_set(machine, VMCB, "rip", nop);
        svm_set(machine, VMCB, "rflags", 0x202);
        svm_set(machine, VMCB, "int_state", shadow);
        svm_run(machine);
        svm_expect_exit(machine, test, SVM_EXIT_VINTR);
        svm_expect(test, shadow ? "guest RIP, one instruction further" :
                   "guest RIP", svm_get(machine, VMCB, "rip"), nop + shadow);
    }
}

static void single_step_ends_after_exit(SVMMachine *machine,
                                        const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_step(machine, STEP_vmrun_single_stepped, VMCB, 0);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect_fault(machine, test, 1, 0);
}

#define FAILED_VMRUN_OF_32_BITS(field, wrong, path_) \
    { .path = "world-switch/failed-vmrun/" path_, \
      .hosts = IN_32_BIT_HOSTS, \
      .rule = "2: 15.5.1, 15.6 (row 2)", \
      .run = failed_vmrun, \
      .data = &(const FailingField) { field, wrong }, \
      .fails_on_pristine = true }
#define FAILED_VMRUN(field, wrong, path_) \
    { .path = "world-switch/failed-vmrun/" path_, \
      .rule = "2: 15.5.1, 15.6 (row 2)", .run = failed_vmrun, \
      .data = &(const FailingField) { field, wrong }, \
      .fails_on_pristine = true }

/* RAM ends at 16 MiB; the APIC and the HPET are devices. */
#define HOLE                    0xb0000000
#define ROM                     0xffff0000
#define APIC                    0xfee00000
#define HPET                    0xfed00000
#define ABOVE_RAM               0xff00000000

#define NOT_RAM(step, place, address, fails) \
    { .path = "world-switch/not-ram/" #step "-" place, \
      .rule = "3: VMSAVE, VMLOAD; 2: 15.5.1 (row 4)", .run = not_ram, \
      .data = &(const NotRAM) { STEP_##step, address }, \
      .fails_on_pristine = fails }
#define NOT_RAM_OF_32_BITS(step, place, address, fails) \
    { .path = "world-switch/not-ram/" #step "-" place, \
      .hosts = IN_32_BIT_HOSTS, \
      .rule = "3: VMSAVE, VMLOAD; 2: 15.5.1 (row 4)", \
      .run = not_ram, \
      .data = &(const NotRAM) { STEP_##step, address }, \
      .fails_on_pristine = fails }
#define HOST_SAVE_NOT_RAM(place, address) \
    { .path = "world-switch/not-ram/host-save-" place, \
      .rule = "2: 15.30.4 (row 11)", .run = host_save_not_ram, \
      .data = &(const NotRAM) { STEP_vmrun, address } }

#define EVENT_INJECTED(path_, info, error_code) \
    { .path = "world-switch/event-injected/" path_, .rule = "2: 15.20", \
      .run = event_is_injected, \
      .data = &(const Event) { info, error_code } }
#define EVENT_COMES_BACK(path_, info, error_code) \
    { .path = "world-switch/event-comes-back/" path_, \
      .rule = "2: 15.7.2", .run = event_comes_back, \
      .data = &(const Event) { info, error_code } }

static const SVMCase cases[] = {
    {
        .path = "world-switch/host-cr0-survives-guest-order",
        .rule = "2: 15.6 (row 1)",
        .run = host_cr0,
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/guest-cr0-survives-host-order",
        .rule = "2: 15.5.1 (row 1)",
        .run = guest_cr0,
        .host_mode = HOST_NO_PAGING,
        .needs_long_mode = true,
        .fails_on_pristine = true,
    },

    FAILED_VMRUN("cr0", 0x180010033, "cr0-63-32"),
    FAILED_VMRUN("cr0", 0xa0010033, "cr0-nw-without-cd"),
    FAILED_VMRUN("asid", 0, "asid-0"),
    FAILED_VMRUN("efer", 0xd00, "efer-svme"),
    FAILED_VMRUN("dr6", 0x1ffff0ff0, "dr6-63-32"),
    FAILED_VMRUN("dr7", 0x100000400, "dr7-63-32"),
    FAILED_VMRUN("cr4", 0x8620, "cr4-reserved"),
    FAILED_VMRUN("event_inj", 0x80000100, "event-inj-reserved-type"),
    FAILED_VMRUN("msrpm_base_pa", 0xfffffff000, "msrpm-past-limit"),
    FAILED_VMRUN("iopm_base_pa", 0xfffffff000, "iopm-past-limit"),
    FAILED_VMRUN("intercept", 2ULL << 32, "vmrun-intercept-clear"),
    FAILED_VMRUN_OF_32_BITS("cr0", 0x100000011, "cr0-63-32"),
    FAILED_VMRUN_OF_32_BITS("efer", 0, "efer-svme"),
    FAILED_VMRUN_OF_32_BITS("cr4", 0x8000, "cr4-reserved"),
    FAILED_VMRUN_OF_32_BITS("asid", 0, "asid-0"),

    NOT_RAM(vmsave, "hole", HOLE, true),
    NOT_RAM(vmload, "hole", HOLE, true),
    NOT_RAM(vmrun, "hole", HOLE, false),
    HOST_SAVE_NOT_RAM("hole", HOLE),
    NOT_RAM(vmsave, "rom", ROM, false),
    NOT_RAM(vmload, "rom", ROM, false),
    NOT_RAM(vmrun, "rom", ROM, false),
    HOST_SAVE_NOT_RAM("rom", ROM),
    NOT_RAM(vmsave, "apic", APIC, true),
    NOT_RAM(vmload, "apic", APIC, true),
    NOT_RAM(vmrun, "apic", APIC, false),
    HOST_SAVE_NOT_RAM("apic", APIC),
    NOT_RAM(vmsave, "hpet", HPET, true),
    NOT_RAM(vmload, "hpet", HPET, true),
    NOT_RAM(vmrun, "hpet", HPET, false),
    HOST_SAVE_NOT_RAM("hpet", HPET),
    NOT_RAM(vmsave, "above-ram", ABOVE_RAM, true),
    NOT_RAM(vmload, "above-ram", ABOVE_RAM, true),
    NOT_RAM(vmrun, "above-ram", ABOVE_RAM, false),
    HOST_SAVE_NOT_RAM("above-ram", ABOVE_RAM),
    NOT_RAM_OF_32_BITS(vmsave, "hole", HOLE, true),
    NOT_RAM_OF_32_BITS(vmload, "hole", HOLE, true),
    NOT_RAM_OF_32_BITS(vmrun, "hole", HOLE, false),
    NOT_RAM_OF_32_BITS(vmsave, "hpet", HPET, true),
    NOT_RAM_OF_32_BITS(vmload, "hpet", HPET, true),
    NOT_RAM_OF_32_BITS(vmrun, "hpet", HPET, false),

    {
        .path = "world-switch/vmsave-writes-only-its-set",
        .rule = "3: VMSAVE",
        .run = vmsave_writes_only_its_set,
    }, {
        .path = "world-switch/vmsave-gives-back-what-vmload-took",
        .rule = "3: VMLOAD, VMSAVE",
        .run = vmsave_gives_back_what_vmload_took,
    }, {
        .path = "world-switch/vmrun-writes-only-its-set",
        .rule = "2: 15.5.1 (rows 7, 8)",
        .run = vmrun_writes_only_its_set,
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/set-v-comes-back-1000-times",
        .rule = "2: 15.5.1, 15.6",
        .run = set_v_comes_back,
    }, {
        .path = "world-switch/idle-guest-changes-nothing",
        .rule = "2: 15.6, appendix B",
        .run = idle_guest_changes_nothing,
    }, {
        .path = "world-switch/busy-guest-changes-its-set",
        .rule = "2: 15.6, appendix B",
        .run = busy_guest_changes_its_set,
    }, {
        .path = "world-switch/vmcb-changed-by-guest/event-inj",
        .rule = "2: 15.5.1, 15.7.2 (row 30)",
        .run = field_of_running_guest,
        .data = &(const FieldOfRunningGuest) {
            "event_inj", 0x80000b0d, GUEST_write_memory
        },
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/vmcb-changed-by-guest/msrpm",
        .rule = "2: 15.5.1, 15.11 (row 28)",
        .run = field_of_running_guest,
        .data = &(const FieldOfRunningGuest) {
            "msrpm_base_pa", SCRATCH, GUEST_write_memory_read_msr
        },
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/vmcb-changed-by-guest/iopm",
        .rule = "2: 15.5.1, 15.10 (row 28)",
        .run = field_of_running_guest,
        .data = &(const FieldOfRunningGuest) {
            "iopm_base_pa", SCRATCH, GUEST_write_memory_read_port
        },
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/fields-are-read-once",
        .rule = "2: 15.5.1",
        .run = fields_are_read_once,
        .arguments = "-device VGA,romfile=",
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/nested-paging-against-fpu-of-another-processor",
        .rule = "2: 15.25.3 (lost update)",
        .run = nested_paging_against_fpu,
        .arguments = "-smp 2",
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/gif-against-fpu-of-another-processor",
        .rule = "2: 15.17 (lost update)",
        .run = gif_against_fpu,
        .arguments = "-smp 2",
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/vmmcall-exits",
        .rule = "2: 15.6, 15.9",
        .run = vmmcall_exits,
    }, {
        .path = "world-switch/gif-holds-interrupts",
        .rule = "2: 15.17",
        .run = gif_holds_interrupts,
    }, {
        .path = "world-switch/interrupt-of-host-exits",
        .rule = "2: 15.13.1, 15.21.1",
        .run = interrupt_of_host_exits,
    }, {
        .path = "world-switch/vmexit-clears-gif",
        .rule = "2: 15.6, 15.17",
        .run = vmexit_clears_gif,
    },

    /* What a host of 32 bits relies on, too. */
    {
        .path = "world-switch/vmsave-writes-only-its-set",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: VMSAVE (row 18)",
        .run = vmsave_writes_only_its_set,
    }, {
        .path = "world-switch/vmsave-gives-back-what-vmload-took",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: VMLOAD, VMSAVE (row 18)",
        .run = vmsave_gives_back_what_vmload_took,
    }, {
        .path = "world-switch/vmrun-writes-only-its-set",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1 (rows 7, 8)",
        .run = vmrun_writes_only_its_set,
        .fails_on_pristine = true,
    }, {
        .path = "world-switch/set-v-comes-back-1000-times",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1, 15.6",
        .run = set_v_comes_back,
    }, {
        .path = "world-switch/idle-guest-changes-nothing",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6, appendix B",
        .run = idle_guest_changes_nothing,
    }, {
        .path = "world-switch/busy-guest-changes-its-set",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.6, appendix B",
        .run = busy_guest_changes_its_set,
    }, {
        .path = "world-switch/vmmcall-exits",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6, 15.9",
        .run = vmmcall_exits,
    }, {
        .path = "world-switch/gif-holds-interrupts",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.17",
        .run = gif_holds_interrupts,
    }, {
        .path = "world-switch/interrupt-of-host-exits",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.13.1, 15.21.1",
        .run = interrupt_of_host_exits,
    }, {
        .path = "world-switch/single-step-ends-after-exit",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1",
        .run = single_step_ends_after_exit,
    }, {
        .path = "world-switch/nested-page-fault/host-of-32-bits/pae",
        .rule = "2: 15.25.3, 15.25.6",
        .run = nested_page_fault,
        .host_mode = HOST_PAE,
        .data = &(const NestedPageFault) {
            GUEST_write_32_bits_jump, false, 0x100000006
        },
    }, {
        .path = "world-switch/nested-page-fault/table-of-two-levels",
        .rule = "2: 15.25.3 (row 70)",
        .run = nested_page_fault,
        .host_mode = HOST_LEGACY_PAGING,
        .data = &(const NestedPageFault) {
            GUEST_write_32_bits_jump, false, 0x100000006
        },
        .fails_on_pristine = true,
    },

    EVENT_INJECTED("interrupt", 0x80000040, 0),
    EVENT_INJECTED("general-protection", 0x80000b0d, 0x18),
    EVENT_INJECTED("page-fault", 0x80000b0e, 2),
    EVENT_INJECTED("invalid-opcode", 0x80000306, 0),
    EVENT_COMES_BACK("interrupt", 0x80000040, 0),
    EVENT_COMES_BACK("general-protection", 0x80000b0d, 0x18),
    EVENT_COMES_BACK("page-fault", 0x80000b0e, 2),
    EVENT_COMES_BACK("invalid-opcode", 0x80000306, 0),

    {
        .path = "world-switch/nested-page-fault/read",
        .rule = "2: 15.25.6",
        .run = nested_page_fault,
        .data = &(const NestedPageFault) {
            GUEST_read_memory, false, 0x100000004
        },
    }, {
        .path = "world-switch/nested-page-fault/write",
        .rule = "2: 15.25.6",
        .run = nested_page_fault,
        .data = &(const NestedPageFault) {
            GUEST_write_memory, false, 0x100000006
        },
    }, {
        .path = "world-switch/nested-page-fault/page-table",
        .rule = "2: 15.25.5, 15.25.6",
        .run = nested_page_fault,
        .data = &(const NestedPageFault) {
            GUEST_read_memory, true, 0x200000006
        },
    }, {
        .path = "world-switch/interrupt-shadow-of-sti",
        .rule = "2: 15.21.5",
        .run = interrupt_shadow_of_sti,
    }, {
        .path = "world-switch/interrupt-shadow-by-vmcb",
        .rule = "2: 15.21.5",
        .run = interrupt_shadow_by_vmcb,
    }, {
        .path = "world-switch/single-step-ends-after-exit",
        .rule = "2: 15.5.1",
        .run = single_step_ends_after_exit,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
