/*
 * A machine whose processors do what a test says, one step at a time.
 *
 * The payload (payload/) is the machine's firmware.  Its memory is a file
 * that is mapped here too, so that what it said last can be read even when
 * the emulator has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

/* The build says where it put it. */
#ifndef SVM_PAYLOAD
#error SVM_PAYLOAD is to name the image of the payload
#endif

/* For steps that do not loop; they take no time, but the machine may. */
#define STEP_SECONDS            20

#define EFER_SVME               0x1000

#define PAGE_TABLE_ENTRY        0x67    /* P, RW, US, A, D */

struct SVMMachine {
    const SVMCase *test;
    QTestState *qts;
    uint8_t *ram;
    uint32_t guests[NR_GUESTS];
    bool lost;
};

/* Of the case that runs. */
static unsigned failures;

static void G_GNUC_PRINTF(2, 3) fail(const SVMCase *test, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, fmt);
    text = g_strdup_vprintf(fmt, arguments);
    va_end(arguments);
    g_test_message("%s: %s", test->rule, text);
    failures++;
    if (test->still_open) {
        g_test_incomplete("still open");
    } else {
        g_test_fail();
    }
}

/* libqtest ends the program if the emulator ends: look before it does. */
static bool emulator_has_ended(SVMMachine *machine, char **how, bool *died)
{
    siginfo_t info = { };

    if (waitid(P_PID, qtest_pid(machine->qts), &info,
               WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
        return false;
    }
    *died = info.si_code != CLD_EXITED || info.si_status != 0;
    if (info.si_code == CLD_EXITED) {
        *how = g_strdup_printf("the machine shut down (status %d)",
                               info.si_status);
    } else {
        *how = g_strdup_printf("the emulator died of signal %d (%s)",
                               info.si_status, strsignal(info.si_status));
    }
    return true;
}

/* Without qtest_quit(), which insists on an emulator that ends well. */
static void end_emulator(SVMMachine *machine)
{
    machine->lost = true;
    kill(qtest_pid(machine->qts), SIGKILL);
    while (qtest_probe_child(machine->qts)) {
        g_usleep(1000);
    }
}

static void lose(SVMMachine *machine, const char *how)
{
    fail(machine->test, "%s; %u times VMRUN had ended by then, the last exit "
         "code was 0x%" PRIx64, how,
         (unsigned)svm_mailbox(machine, MAILBOX_VMRUN_RETURNS),
         svm_get(machine, VMCB, "exit_code"));
    end_emulator(machine);
}

static uint32_t *mailbox_word(SVMMachine *machine, unsigned processor,
                              unsigned offset)
{
    return (uint32_t *)svm_ram(machine, MAILBOXES + processor * PER_PROCESSOR +
                               offset);
}

static void wait_for(SVMMachine *machine, unsigned processor,
                     unsigned mailbox_offset, unsigned seconds)
{
    uint32_t *word = mailbox_word(machine, processor, mailbox_offset);
    int64_t end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    unsigned polls = 0;

    while (!machine->lost && !qatomic_load_acquire(word)) {
        g_autofree char *how = NULL;
        bool died;

        if (++polls % 100) {
            g_usleep(20);
            continue;
        }
        if (emulator_has_ended(machine, &how, &died)) {
            lose(machine, how);
        } else if (g_get_monotonic_time() > end) {
            how = g_strdup_printf("processor %u did not answer for %u s",
                                  processor, seconds);
            lose(machine, how);
        }
    }
}

void svm_step_begin(SVMMachine *machine, unsigned processor, SVMStep step,
                    uint64_t operand, uint64_t value)
{
    uint8_t *mailbox = (uint8_t *)mailbox_word(machine, processor, 0);

    if (machine->lost) {
        return;
    }
    stl_le_p(mailbox + MAILBOX_STEP, step);
    stq_le_p(mailbox + MAILBOX_OPERAND, operand);
    stq_le_p(mailbox + MAILBOX_VALUE, value);
    stq_le_p(mailbox + MAILBOX_RESULT, 0);
    stl_le_p(mailbox + MAILBOX_FAULT, 0);
    stq_le_p(mailbox + MAILBOX_FAULT_ERROR, 0);
    stl_le_p(mailbox + MAILBOX_DONE, 0);
    qatomic_store_release(mailbox_word(machine, processor, MAILBOX_GO),
                          cpu_to_le32(1));
}

uint64_t svm_step_end(SVMMachine *machine, unsigned processor,
                      unsigned seconds)
{
    wait_for(machine, processor, MAILBOX_DONE, seconds);
    return ldq_le_p(mailbox_word(machine, processor, MAILBOX_RESULT));
}

uint64_t svm_step(SVMMachine *machine, SVMStep step, uint64_t operand,
                  uint64_t value)
{
    svm_step_begin(machine, 0, step, operand, value);
    return svm_step_end(machine, 0, STEP_SECONDS);
}

void svm_start_processor(SVMMachine *machine, unsigned processor)
{
    svm_step(machine, STEP_start_processor, processor, 0);
    wait_for(machine, processor, MAILBOX_READY, STEP_SECONDS);
}

bool svm_has_long_mode(void)
{
    return g_str_equal(qtest_get_arch(), "x86_64");
}

bool svm_is_lost(const SVMMachine *machine)
{
    return machine->lost;
}

uint32_t svm_fault(SVMMachine *machine)
{
    return ldl_le_p(mailbox_word(machine, 0, MAILBOX_FAULT));
}

uint64_t svm_mailbox(SVMMachine *machine, unsigned offset)
{
    const void *word = mailbox_word(machine, 0, offset);

    return offset % 8 ? ldl_le_p(word) : ldq_le_p(word);
}

void svm_set_mailbox(SVMMachine *machine, unsigned offset, uint64_t value)
{
    stq_le_p(mailbox_word(machine, 0, offset), value);
}

uint8_t *svm_ram(SVMMachine *machine, uint64_t address)
{
    g_assert_cmphex(address, <, RAM_SIZE);
    return machine->ram + address;
}

QTestState *svm_qtest(SVMMachine *machine)
{
    return machine->qts;
}

void svm_add_snapshot_disk(SVMMachine *machine)
{
    const char *create = getenv("QTEST_QEMU_IMG");
    g_autofree char *image = NULL;
    g_autofree char *command = NULL;
    g_autofree char *drive = NULL;
    g_autofree char *added = NULL;
    int fd = g_file_open_tmp("qtest-svm-XXXXXX.qcow2", &image, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    command = g_strdup_printf("%s create -q -f qcow2 %s 1M",
                              create ?: "qemu-img", image);
    g_assert_cmpint(system(command), ==, 0);
    drive = g_strdup_printf("drive_add 0 if=none,format=qcow2,file=%s", image);
    added = qtest_hmp(machine->qts, "%s", drive);
    /* Open files stay open: nothing is left behind, whatever happens. */
    unlink(image);
}

uint64_t svm_get(SVMMachine *machine, uint64_t page, const char *name)
{
    const SVMField *field = svm_field(name);

    return ldn_le_p(svm_ram(machine, page + field->offset), field->bits / 8);
}

void svm_set(SVMMachine *machine, uint64_t page, const char *name,
             uint64_t value)
{
    const SVMField *field = svm_field(name);

    stn_le_p(svm_ram(machine, page + field->offset), field->bits / 8, value);
}

uint8_t *svm_copy_page(SVMMachine *machine, uint64_t page)
{
    return g_memdup2(svm_ram(machine, page), PAGE);
}

void svm_intercept(SVMMachine *machine, unsigned exit_code)
{
    *svm_ram(machine, VMCB + exit_code / 8) |= 1 << exit_code % 8;
}

void svm_fill_vmload_set(SVMMachine *machine, uint64_t page)
{
    const SVMField *field;
    uint64_t mask = svm_has_long_mode() ? 0x00007fffffffffff : 0x7fffffff;
    uint64_t value = 0x0000123456789000;

    for (field = svm_fields; field->name; field++) {
        if (field->sets & SVM_SET_V) {
            value += 0x0000010203040500;
            svm_set(machine, page, field->name, value & mask);
        }
    }
    svm_set(machine, page, "fs.attributes", 0xc93);
    svm_set(machine, page, "gs.attributes", 0x493);
    svm_set(machine, page, "ldtr.attributes", 0x82);
    svm_set(machine, page, "tr.attributes", 0x8b);
    svm_set(machine, page, "sfmask", 0x47700);
    svm_set(machine, page, "sysenter_cs", 0x10);
}

uint64_t svm_guest_address(SVMMachine *machine, SVMGuest guest)
{
    return machine->guests[guest];
}

static void set_segment(SVMMachine *machine, const char *name,
                        uint64_t selector, uint64_t attributes, uint64_t limit,
                        uint64_t base)
{
    g_autofree char *selector_name = g_strdup_printf("%s.selector", name);
    g_autofree char *attributes_name = g_strdup_printf("%s.attributes", name);
    g_autofree char *limit_name = g_strdup_printf("%s.limit", name);
    g_autofree char *base_name = g_strdup_printf("%s.base", name);

    svm_set(machine, VMCB, selector_name, selector);
    svm_set(machine, VMCB, attributes_name, attributes);
    svm_set(machine, VMCB, limit_name, limit);
    svm_set(machine, VMCB, base_name, base);
}

static void prepare_any_guest(SVMMachine *machine, SVMGuest guest)
{
    memset(svm_ram(machine, VMCB), 0, PAGE);
    svm_intercept(machine, SVM_EXIT_VMRUN);
    svm_intercept(machine, SVM_EXIT_VMMCALL);
    svm_set(machine, VMCB, "iopm_base_pa", IO_MAP);
    svm_set(machine, VMCB, "msrpm_base_pa", MSR_MAP);
    svm_set(machine, VMCB, "asid", 1);
    svm_set(machine, VMCB, "tlb_ctl", 1);

    set_segment(machine, "es", SELECTOR_DATA, 0xc93, 0xffffffff, 0);
    set_segment(machine, "ss", SELECTOR_DATA, 0xc93, 0xffffffff, 0);
    set_segment(machine, "ds", SELECTOR_DATA, 0xc93, 0xffffffff, 0);
    set_segment(machine, "gdtr", 0, 0, GLOBAL_DESCRIPTORS_SIZE - 1,
                GLOBAL_DESCRIPTORS);
    set_segment(machine, "idtr", 0, 0, GUEST_VECTORS * 16 - 1,
                svm_guest_address(machine, GUEST_interrupt_table));
    svm_set(machine, VMCB, "dr6", 0xffff0ff0);
    svm_set(machine, VMCB, "dr7", 0x400);
    svm_set(machine, VMCB, "rflags", 2);
    svm_set(machine, VMCB, "rip", svm_guest_address(machine, guest));
    svm_set(machine, VMCB, "rsp", GUEST_STACK_TOP);
    svm_set(machine, VMCB, "g_pat", PAT_HOST);
}

void svm_prepare_guest_64(SVMMachine *machine, SVMGuest guest)
{
    prepare_any_guest(machine, guest);
    set_segment(machine, "cs", SELECTOR_CODE_64, 0xa9b, 0xffffffff, 0);
    svm_set(machine, VMCB, "efer", EFER_HOST);
    svm_set(machine, VMCB, "cr0", CR0_HOST);
    svm_set(machine, VMCB, "cr3", HOST_PML4);
    svm_set(machine, VMCB, "cr4", CR4_HOST);
}

void svm_prepare_guest_32(SVMMachine *machine, SVMGuest guest)
{
    prepare_any_guest(machine, guest);
    set_segment(machine, "cs", SELECTOR_CODE_32, 0xc9b, 0xffffffff, 0);
    svm_set(machine, VMCB, "efer", EFER_SVME);
    svm_set(machine, VMCB, "cr0", 0x11);
}

void svm_prepare_guest(SVMMachine *machine, SVMGuest guest)
{
    if (machine->test->host_mode == HOST_LONG_MODE) {
        svm_prepare_guest_64(machine, guest);
    } else {
        svm_prepare_guest_32(machine, guest);
    }
}

static void set_bits(SVMMachine *machine, const char *field, uint64_t bits)
{
    svm_set(machine, VMCB, field, svm_get(machine, VMCB, field) | bits);
}

void svm_make_user(SVMMachine *machine)
{
    set_bits(machine, "cs.selector", 3);
    set_bits(machine, "cs.attributes", 0x60);
    set_bits(machine, "ss.selector", 3);
    set_bits(machine, "ss.attributes", 0x60);
    svm_set(machine, VMCB, "cpl", 3);
}

/* The levels of a nested table, a page each, by the host's mode. */
static unsigned nested_levels(const SVMMachine *machine)
{
    switch (machine->test->host_mode) {
    case HOST_PAE:
        return 3;
    case HOST_LEGACY_PAGING:
        return 2;
    default:
        return 4;
    }
}

static void set_nested_entry(SVMMachine *machine, unsigned level,
                             unsigned index, uint64_t entry)
{
    uint64_t table = NESTED_TABLES + level * PAGE;

    if (machine->test->host_mode == HOST_LEGACY_PAGING) {
        stl_le_p(svm_ram(machine, table + 4 * index), entry);
    } else {
        stq_le_p(svm_ram(machine, table + 8 * index), entry);
    }
}

static void map_nested(SVMMachine *machine, uint64_t first, uint64_t last)
{
    unsigned lowest = nested_levels(machine) - 1;
    uint64_t address;

    for (address = first & -PAGE; address <= last; address += PAGE) {
        set_nested_entry(machine, lowest, address / PAGE,
                         address + PAGE_TABLE_ENTRY);
    }
}

void svm_put_code(SVMMachine *machine, uint64_t address, const void *bytes,
                  size_t length)
{
    static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };
    uint8_t *code = svm_ram(machine, address);

    memcpy(code, bytes, length);
    memcpy(code + length, vmmcall, sizeof(vmmcall));
    svm_set(machine, VMCB, "rip", address);
}

void svm_set_nested_paging(SVMMachine *machine, uint64_t first, uint64_t last)
{
    unsigned levels = nested_levels(machine);
    unsigned level;

    memset(svm_ram(machine, NESTED_TABLES), 0, levels * PAGE);
    for (level = 0; level < levels - 1; level++) {
        /* The four entries of a PAE root have P and nothing else. */
        set_nested_entry(machine, level, 0, NESTED_TABLES +
                         (level + 1) * PAGE +
                         (levels == 3 && level == 0 ? 1 : PAGE_TABLE_ENTRY));
    }
    map_nested(machine, GLOBAL_DESCRIPTORS, GLOBAL_DESCRIPTORS);
    map_nested(machine, HOST_PML4, HOST_PD + 4 * PAGE - 1);
    map_nested(machine, PAYLOAD_BASE, PAYLOAD_BASE + PAYLOAD_SIZE - 1);
    map_nested(machine, first, last);
    svm_set(machine, VMCB, "nested_ctl", 1);
    svm_set(machine, VMCB, "nested_cr3", NESTED_TABLES);
}

void svm_run(SVMMachine *machine)
{
    svm_step(machine, STEP_vmrun, VMCB, 0);
    if (!machine->lost && svm_fault(machine)) {
        fail(machine->test, "VMRUN raised exception %u, error code 0x%"
             PRIx64, svm_fault(machine) & 0xff,
             svm_mailbox(machine, MAILBOX_FAULT_ERROR));
    }
}

void svm_expect_exit(SVMMachine *machine, const SVMCase *test,
                     uint64_t exit_code)
{
    svm_expect(test, "EXITCODE", svm_get(machine, VMCB, "exit_code"),
               exit_code);
}

void svm_expect(const SVMCase *test, const char *what, uint64_t value,
                uint64_t expected)
{
    if (value != expected) {
        fail(test, "%s is 0x%" PRIx64 ", has to be 0x%" PRIx64, what, value,
             expected);
    }
}

void svm_expect_that(const SVMCase *test, bool condition, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, fmt);
    text = g_strdup_vprintf(fmt, arguments);
    va_end(arguments);
    if (!condition) {
        fail(test, "%s", text);
    }
}

void svm_expect_fault(SVMMachine *machine, const SVMCase *test,
                      unsigned vector, uint32_t error_code)
{
    if (machine->lost) {
        return;
    }
    if (svm_fault(machine) != (FAULTED | vector)) {
        fail(test, "exception 0x%x was raised (0x1nn: vector 0xnn, 0: none), "
             "has to be 0x%x", svm_fault(machine), FAULTED | vector);
        return;
    }
    svm_expect(test, "the exception's error code",
               svm_mailbox(machine, MAILBOX_FAULT_ERROR), error_code);
}

void svm_expect_emulator_survives(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *how = NULL;
    bool died;

    if (machine->lost) {
        return;
    }
    g_usleep(G_USEC_PER_SEC);
    if (emulator_has_ended(machine, &how, &died) && died) {
        fail(test, "%s", how);
    }
    /* Whatever is left: a processor that runs wild, or nothing. */
    end_emulator(machine);
}

void svm_expect_shutdown(SVMMachine *machine, const SVMCase *test)
{
    int64_t end = g_get_monotonic_time() + STEP_SECONDS * G_TIME_SPAN_SECOND;
    uint32_t *done = mailbox_word(machine, 0, MAILBOX_DONE);
    g_autofree char *how = NULL;
    bool died;

    if (machine->lost) {
        return;
    }
    while (!emulator_has_ended(machine, &how, &died)) {
        if (qatomic_load_acquire(done) || g_get_monotonic_time() > end) {
            lose(machine, "the processor did not shut down");
            return;
        }
        g_usleep(100);
    }
    if (died) {
        fail(test, "%s", how);
    }
    end_emulator(machine);
}

void svm_expect_unchanged(SVMMachine *machine, const SVMCase *test,
                          const char *what, uint64_t page,
                          const uint8_t *before,
                          bool (*may_differ)(unsigned offset))
{
    const uint8_t *now = svm_ram(machine, page);
    const SVMField *reported = NULL;
    unsigned i;

    for (i = 0; i < PAGE; i++) {
        const SVMField *field = svm_field_at(i);

        if (now[i] == before[i] || may_differ(i) ||
            (field && field == reported)) {
            continue;
        }
        reported = field;
        if (field) {
            unsigned size = field->bits / 8;

            fail(test, "%s: %s (0x%03x) became 0x%" PRIx64 ", had to stay 0x%"
                 PRIx64, what, field->name, field->offset,
                 ldn_le_p(now + field->offset, size),
                 ldn_le_p(before + field->offset, size));
        } else {
            fail(test, "%s: byte 0x%03x became 0x%02x, had to stay 0x%02x",
                 what, i, now[i], before[i]);
        }
    }
}

static void read_guest_addresses(SVMMachine *machine)
{
    g_autofree char *image = NULL;
    gsize length;
    unsigned i;

    if (!g_file_get_contents(SVM_PAYLOAD, &image, &length, NULL)) {
        g_error("cannot read %s", SVM_PAYLOAD);
    }
    g_assert_cmpuint(length, ==, PAYLOAD_SIZE);
    for (i = 0; i < NR_GUESTS; i++) {
        machine->guests[i] = ldl_le_p(image + PAYLOAD_GUESTS + 4 * i);
    }
}

/* libqtest ends the program if the emulator does not start. */
static bool emulator_starts(const char *arguments)
{
    g_autofree char *command = g_strdup_printf(
        "echo quit | %s -accel tcg -nodefaults -display none -S "
        "-monitor stdio %s >/dev/null 2>&1", getenv("QTEST_QEMU_BINARY"),
        arguments);

    return system(command) == 0;
}

static void start(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("qtest-svm-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, RAM_SIZE), ==, 0);
    machine->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                        fd, 0);
    g_assert(machine->ram != MAP_FAILED);
    close(fd);

    machine->test = test;
    if (test->own_arguments && !emulator_starts(test->arguments)) {
        fail(test, "the emulator does not start with %s", test->arguments);
        unlink(path);
        machine->lost = true;
        return;
    }
    read_guest_addresses(machine);
    stl_le_p(svm_ram(machine, HOST_MODE_WORD), test->host_mode);

    machine->qts = qtest_initf(
        "-accel tcg -cpu EPYC -global apic.vapic=off "
        "-nodefaults -no-reboot "
        "-object memory-backend-file,id=ram,size=%d,mem-path=%s,share=on "
        "-machine pc,memory-backend=ram -m size=%db -bios %s %s",
        RAM_SIZE, path, RAM_SIZE, SVM_PAYLOAD, test->arguments ?: "");
    unlink(path);

    wait_for(machine, 0, MAILBOX_READY, STEP_SECONDS);
    svm_step(machine, STEP_write_msr, MSR_EFER,
             svm_step(machine, STEP_read_msr, MSR_EFER, 0) | EFER_SVME);
    svm_step(machine, STEP_write_msr, MSR_VM_HSAVE_PA, HOST_SAVE);
}

static void stop(SVMMachine *machine)
{
    /* One that is lost was ended; there is nobody to say good-bye to. */
    if (!machine->lost) {
        qtest_quit(machine->qts);
    }
    munmap(machine->ram, RAM_SIZE);
}

static void run_case(const void *data)
{
    const SVMCase *test = data;
    SVMMachine machine = { };

    failures = 0;
    start(&machine, test);
    if (!machine.lost) {
        test->run(&machine, test);
    }
    stop(&machine);
    if (test->still_open && !failures) {
        g_test_message("%s: open no more: take the mark away", test->rule);
        g_test_fail();
    }
}

static bool is_for_this_emulator(const SVMCase *test)
{
    return svm_has_long_mode() ||
           (test->host_mode != HOST_LONG_MODE && !test->needs_long_mode);
}

static bool has_mark(const SVMCase *test, const char *option)
{
    if (g_str_equal(option, "--still-open")) {
        return test->still_open;
    }
    return test->fails_on_pristine ||
           (test->fails_on_pristine_i386 && !svm_has_long_mode());
}

/* A row that stands for several hosts is a case for each of them. */
static GPtrArray *expanded(const SVMCase *rows, size_t nr)
{
    static const struct {
        unsigned host_mode;
        const char *name;
    } modes[] = {
        { HOST_PAE, "pae" },
        { HOST_LEGACY_PAGING, "legacy-paging" },
        { HOST_NO_PAGING, "no-paging" },
    };
    GPtrArray *cases = g_ptr_array_new();
    size_t row, mode;

    for (row = 0; row < nr; row++) {
        SVMCase *one;

        if (rows[row].hosts == IN_ONE_HOST) {
            g_ptr_array_add(cases, (void *)&rows[row]);
            continue;
        }
        for (mode = 0; mode < ARRAY_SIZE(modes); mode++) {
            if (rows[row].hosts == IN_PAGING_HOSTS &&
                modes[mode].host_mode == HOST_NO_PAGING) {
                continue;
            }
            one = g_new(SVMCase, 1);
            *one = rows[row];
            one->host_mode = modes[mode].host_mode;
            one->path = g_strdup_printf("%s/%s", rows[row].path,
                                        modes[mode].name);
            g_ptr_array_add(cases, one);
        }
    }
    return cases;
}

int svm_test_main(int argc, char **argv, const SVMCase *rows, size_t nr)
{
    const struct rlimit no_core_files = { };
    g_autofree char **arguments = g_new0(char *, argc + 2);
    /* To the program's end: what GLib is given stays. */
    GPtrArray *cases = expanded(rows, nr);
    const char *mark = NULL;
    size_t i;

    if (argc == 2 && (g_str_equal(argv[1], "--fails-on-pristine") ||
                      g_str_equal(argv[1], "--still-open"))) {
        mark = argv[1];
    } else {
        /* A case that fails is no reason to leave the others out. */
        memcpy(arguments, argv, argc * sizeof(*argv));
        arguments[argc++] = (char *)"-k";
        argv = arguments;
        g_test_init(&argc, &argv, NULL);
        setrlimit(RLIMIT_CORE, &no_core_files);
    }

    for (i = 0; i < cases->len; i++) {
        const SVMCase *test = g_ptr_array_index(cases, i);
        g_autofree char *path = g_strdup_printf("svm/%s", test->path);

        if (!is_for_this_emulator(test)) {
            continue;
        }
        if (!mark) {
            qtest_add_data_func(path, test, run_case);
        } else if (has_mark(test, mark)) {
            printf("/%s/%s\n", qtest_get_arch(), path);
        }
    }
    return mark ? 0 : g_test_run();
}
