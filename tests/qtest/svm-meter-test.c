/*
 * The meter: what it counts, its ports, its properties.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "target/i386/svm.h"
#include "hw/svm/svm-meter-ports.h"
#include "svm-machine.h"

#define METER       "-device svm-meter,id=meter"
#define STOPPED     METER ",running=off"
#define ICOUNT      " -icount shift=0,sleep=off"
#define MODELLED    STOPPED ",cost-model=" SVM_COSTS ICOUNT
#define PORT(register_) (SVM_METER_DEFAULT_PORT + SVM_METER_##register_)
#define OTHER_PAGE  OTHER_HOST_SAVE
#define MSR_STAR    0xc0000081
#define ROUNDS      50

static void meter_command(SVMMachine *machine, uint32_t command)
{
    svm_step(machine, STEP_write_port, PORT(COMMAND), command);
}

static void select_label(SVMMachine *machine, const char *label)
{
    for (; *label; label++) {
        svm_step(machine, STEP_write_port, PORT(LABEL), *label);
    }
    meter_command(machine, SVM_METER_SELECT);
}

static uint32_t meter_status(SVMMachine *machine)
{
    return svm_step(machine, STEP_read_port, PORT(STATUS), 0);
}

static QDict *report(SVMMachine *machine)
{
    return qtest_qmp_assert_success_ref(
        svm_qtest(machine), "{ 'execute': 'qom-get', 'arguments': {"
        " 'path': '/machine/peripheral/meter', 'property': 'counters' } }");
}

static const QDict *find(const QList *list, const char *key, const char *value)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        const QDict *dict = qobject_to(QDict, entry->value);

        if (g_str_equal(qdict_get_str(dict, key), value)) {
            return dict;
        }
    }
    return NULL;
}

/* What a processor counted under a label; empty lists where it did not. */
static const QDict *processor(const QDict *report, const char *label,
                              int64_t cpu)
{
    const QDict *measurement = find(qdict_get_qlist(report, "measurements"),
                                    "label", label);
    const QListEntry *entry;

    if (measurement) {
        QLIST_FOREACH_ENTRY(qdict_get_qlist(measurement, "processors"),
                            entry) {
            const QDict *dict = qobject_to(QDict, entry->value);

            if (qdict_get_int(dict, "cpu") == cpu) {
                return dict;
            }
        }
    }
    return NULL;
}

static uint64_t event_count(const QDict *processor, const char *event,
                            const char *world)
{
    const QDict *events = processor ? qdict_get_qdict(processor, "events")
                                    : NULL;

    return events ? qdict_get_int(qdict_get_qdict(events, event), world) : 0;
}

static uint64_t exit_count(const QDict *processor, const char *name)
{
    const QDict *exit = processor
                        ? find(qdict_get_qlist(processor, "exits"), "name",
                               name) : NULL;

    return exit ? qdict_get_int(exit, "count") : 0;
}

static uint64_t msr_count(const QDict *processor, const char *name,
                          const char *place, const char *accesses)
{
    const QDict *msr = processor
                       ? find(qdict_get_qlist(processor, "msrs"), "name", name)
                       : NULL;

    return msr ? qdict_get_int(qdict_get_qdict(msr, place), accesses) : 0;
}

static void expect_event(const SVMCase *test, const QDict *processor,
                         const char *event, uint64_t host, uint64_t guest)
{
    g_autofree char *in_host = g_strdup_printf("%s in the host", event);
    g_autofree char *in_guest = g_strdup_printf("%s in guests", event);

    svm_expect(test, in_host, event_count(processor, event, "host"), host);
    svm_expect(test, in_guest, event_count(processor, event, "guest"), guest);
}

static void host_instructions(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmsave, HOST_SAVE, 0);
    svm_step(machine, STEP_vmsave, OTHER_PAGE, 0);
    svm_step(machine, STEP_vmsave, OTHER_PAGE, 0);
    svm_step(machine, STEP_vmload, HOST_SAVE, 0);
    svm_step(machine, STEP_vmload, HOST_SAVE, 0);
    svm_step(machine, STEP_vmload, OTHER_PAGE, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_invlpga, 0, 0);
    svm_step(machine, STEP_write_cr4, 0, CR4_HOST);
    svm_step(machine, STEP_write_ldtr, 0, 0);
    meter_command(machine, SVM_METER_STOP);
    svm_step(machine, STEP_vmsave, HOST_SAVE, 0);

    counted = report(machine);
    cpu = processor(counted, "", 0);
    expect_event(test, cpu, "vmsave", 3, 0);
    expect_event(test, cpu, "vmsave-host-save-page", 1, 0);
    expect_event(test, cpu, "vmload", 3, 0);
    expect_event(test, cpu, "vmload-host-save-page", 2, 0);
    expect_event(test, cpu, "clgi", 1, 0);
    expect_event(test, cpu, "stgi", 2, 0);
    expect_event(test, cpu, "invlpga", 1, 0);
    expect_event(test, cpu, "tlb-flush-invlpga", 1, 0);
    expect_event(test, cpu, "tlb-flush-invlpg", 0, 0);
    expect_event(test, cpu, "cr4-write", 1, 0);
    expect_event(test, cpu, "segment-load", 1, 0);
    expect_event(test, cpu, "vmrun", 0, 0);
}

/* On the processor that executes INVLPGB, with or without others. */
static void broadcast_invalidation(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_invlpgb, 0, 0);
    svm_step(machine, STEP_invlpgb, 0, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    expect_event(test, processor(counted, "", 0), "tlb-flush-invlpgb", 2, 0);
    expect_event(test, processor(counted, "", 0), "tlb-flush-invlpga", 0, 0);
}

static void world_switches(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;

    svm_prepare_guest(machine, GUEST_vmmcall);
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmrun_loop, VMCB, ROUNDS);
    svm_set(machine, VMCB, "asid", 0);
    svm_run(machine);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    cpu = processor(counted, "", 0);
    expect_event(test, cpu, "vmrun", ROUNDS + 1, 0);
    /* A VMRUN that fails its checks enters no guest. */
    svm_expect(test, "flushes at VMRUN",
               event_count(cpu, "tlb-flush-vmrun", "guest"), ROUNDS);
    svm_expect(test, "flushes at #VMEXIT",
               event_count(cpu, "tlb-flush-vmexit", "host"), ROUNDS + 1);
    svm_expect(test, "exits for VMMCALL", exit_count(cpu, "VMMCALL"), ROUNDS);
    svm_expect(test, "exits with INVALID", exit_count(cpu, "INVALID"), 1);
}

static void msr_accesses(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;

    svm_prepare_guest_64(machine, GUEST_read_msr);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_STAR);
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    svm_step(machine, STEP_write_msr, MSR_STAR, 0);
    svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_write_msr, MSR_STAR, 0);
    svm_step(machine, STEP_write_msr, MSR_STAR, 0);
    svm_run(machine);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    cpu = processor(counted, "", 0);
    svm_expect(test, "RDMSR of STAR before the run",
               msr_count(cpu, "STAR", "before-run", "reads"), 2);
    svm_expect(test, "WRMSR of STAR before the run",
               msr_count(cpu, "STAR", "before-run", "writes"), 1);
    svm_expect(test, "RDMSR of STAR with GIF clear",
               msr_count(cpu, "STAR", "in-run", "reads"), 0);
    svm_expect(test, "WRMSR of STAR with GIF clear",
               msr_count(cpu, "STAR", "in-run", "writes"), 2);
    svm_expect(test, "RDMSR of STAR after the run",
               msr_count(cpu, "STAR", "after-run", "reads"), 1);
    svm_expect(test, "WRMSR of STAR after the run",
               msr_count(cpu, "STAR", "after-run", "writes"), 0);
    svm_expect(test, "the guest's RDMSR of STAR",
               msr_count(cpu, "STAR", "in-guest", "reads"), 1);
    svm_expect(test, "the guest's WRMSR of STAR",
               msr_count(cpu, "STAR", "in-guest", "writes"), 0);
    svm_expect(test, "RDMSR of VM_HSAVE_PA",
               msr_count(cpu, "VM_HSAVE_PA", "before-run", "reads"), 1);
}

/* What comes after a run ends when a program enters the host's kernel. */
static void msr_accesses_after_syscall(SVMMachine *machine,
                                       const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0);
    svm_step(machine, STEP_syscall, 0, 0);
    svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0);
    svm_step(machine, STEP_read_msr, MSR_VM_HSAVE_PA, 0);
    meter_command(machine, SVM_METER_STOP);

    svm_expect(test, "exception", svm_fault(machine), 0);
    counted = report(machine);
    cpu = processor(counted, "", 0);
    svm_expect(test, "RDMSR before SYSCALL",
               msr_count(cpu, "VM_HSAVE_PA", "after-run", "reads"), 1);
    svm_expect(test, "RDMSR after SYSCALL",
               msr_count(cpu, "VM_HSAVE_PA", "before-run", "reads"), 2);
}

/* More MSRs than have counters of their own; unknown ones read zero. */
static void many_msrs(SVMMachine *machine, const SVMCase *test)
{
    const unsigned msrs = 300;
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;
    uint64_t total = 0;
    const QListEntry *entry;
    unsigned i;

    meter_command(machine, SVM_METER_START);
    for (i = 0; i < msrs; i++) {
        svm_step(machine, STEP_read_msr, 0x12340000 + i, 0);
    }
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    cpu = processor(counted, "", 0);
    QLIST_FOREACH_ENTRY(qdict_get_qlist(cpu, "msrs"), entry) {
        const QDict *msr = qobject_to(QDict, entry->value);

        total += qdict_get_int(qdict_get_qdict(msr, "before-run"), "reads");
    }
    svm_expect(test, "all RDMSR", total, msrs);
    svm_expect_that(test, msr_count(cpu, "OTHER", "before-run", "reads") > 0,
                    "no RDMSR is counted as that of another MSR");
}

static void ports(SVMMachine *machine, const SVMCase *test)
{
    svm_expect(test, "signature", svm_step(machine, STEP_read_port,
                                           PORT(SIGNATURE), 0),
               SVM_METER_SIGNATURE_VALUE);
    svm_expect(test, "status", meter_status(machine), SVM_METER_VERSION);
    meter_command(machine, SVM_METER_START);
    svm_expect(test, "status after START", meter_status(machine),
               SVM_METER_VERSION | SVM_METER_STATUS_RUNNING);
    meter_command(machine, 99);
    svm_expect(test, "status after a command that there is not",
               meter_status(machine), SVM_METER_VERSION |
               SVM_METER_STATUS_RUNNING | SVM_METER_STATUS_REFUSED);
    meter_command(machine, SVM_METER_STOP);
    svm_expect(test, "status after STOP", meter_status(machine),
               SVM_METER_VERSION);
}

static void labels(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_clgi, 0, 0);
    select_label(machine, "loop");
    svm_step(machine, STEP_stgi, 0, 0);
    svm_step(machine, STEP_stgi, 0, 0);
    select_label(machine, "");
    svm_step(machine, STEP_clgi, 0, 0);
    select_label(machine, "loop");
    svm_step(machine, STEP_stgi, 0, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    expect_event(test, processor(counted, "", 0), "clgi", 2, 0);
    expect_event(test, processor(counted, "", 0), "stgi", 0, 0);
    expect_event(test, processor(counted, "loop", 0), "clgi", 0, 0);
    expect_event(test, processor(counted, "loop", 0), "stgi", 3, 0);
    svm_expect_that(test, g_str_equal(qdict_get_str(counted, "label"), "loop"),
                    "the label is '%s'", qdict_get_str(counted, "label"));
}

static void reset(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_clgi, 0, 0);
    select_label(machine, "loop");
    svm_step(machine, STEP_clgi, 0, 0);
    meter_command(machine, SVM_METER_RESET);
    svm_step(machine, STEP_stgi, 0, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    expect_event(test, processor(counted, "", 0), "clgi", 1, 0);
    expect_event(test, processor(counted, "loop", 0), "clgi", 0, 0);
    expect_event(test, processor(counted, "loop", 0), "stgi", 1, 0);
}

static void too_many_labels(SVMMachine *machine, const SVMCase *test)
{
    unsigned i;

    /* The first is there from the start. */
    for (i = 1; i < SVM_METER_LABELS; i++) {
        const char label[] = { 'a' + i, 0 };

        select_label(machine, label);
        svm_expect(test, "status", meter_status(machine), SVM_METER_VERSION);
    }
    select_label(machine, "one too many");
    svm_expect(test, "status after a label too many", meter_status(machine),
               SVM_METER_VERSION | SVM_METER_STATUS_REFUSED);
    select_label(machine, "b");
    svm_expect(test, "status after a label that is there",
               meter_status(machine), SVM_METER_VERSION);
}

static void rubbish(SVMMachine *machine, const SVMCase *test)
{
    static const uint32_t values[] = { 0, 4, 5, 0xff, 0x80000000, 0xffffffff };
    g_autoptr(QDict) counted = NULL;
    unsigned port, round;
    size_t i;

    for (round = 0; round < 4; round++) {
        for (port = 0; port < SVM_METER_PORTS; port++) {
            for (i = 0; i < ARRAY_SIZE(values); i++) {
                svm_step(machine, STEP_write_port,
                         SVM_METER_DEFAULT_PORT + port, values[i]);
                svm_step(machine, STEP_read_port,
                         SVM_METER_DEFAULT_PORT + port, 0);
            }
        }
    }
    for (i = 0; i < 100; i++) {
        svm_step(machine, STEP_write_port, PORT(LABEL), 0xfe);
    }
    meter_command(machine, SVM_METER_SELECT);

    meter_command(machine, SVM_METER_START);
    select_label(machine, "");
    meter_command(machine, SVM_METER_RESET);
    svm_step(machine, STEP_clgi, 0, 0);
    counted = report(machine);
    expect_event(test, processor(counted, "", 0), "clgi", 1, 0);
    /* The longest label that there can be, of what is no character. */
    svm_expect_that(test, find(qdict_get_qlist(counted, "measurements"),
                               "label", "???????????????????????????????"),
                    "a label of what is no character is not there");
}

static const QDict *spans(const QDict *processor, const char *world)
{
    return qdict_get_qdict(processor, world);
}

static void instructions(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) first = NULL;
    g_autoptr(QDict) second = NULL;
    const QDict *host, *guest;

    svm_prepare_guest(machine, GUEST_vmmcall);
    select_label(machine, "first");
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmrun_loop, VMCB, ROUNDS);
    meter_command(machine, SVM_METER_STOP);
    select_label(machine, "second");
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmrun_loop, VMCB, ROUNDS);
    meter_command(machine, SVM_METER_STOP);

    first = report(machine);
    host = spans(processor(first, "first", 0), "host");
    guest = spans(processor(first, "first", 0), "guest");
    /* The one before the first VMRUN is not whole. */
    svm_expect(test, "whole spans in the host", qdict_get_int(host, "spans"),
               ROUNDS - 1);
    svm_expect(test, "whole spans in the guest", qdict_get_int(guest, "spans"),
               ROUNDS);
    /* The eleven of the loop in host.S. */
    svm_expect(test, "least instructions in the host",
               qdict_get_int(host, "least"), 11);
    svm_expect(test, "most instructions in the host",
               qdict_get_int(host, "most"), 11);
    /* VMMCALL does not begin: the exit comes before it. */
    svm_expect(test, "least instructions in the guest",
               qdict_get_int(guest, "least"), 0);
    svm_expect(test, "most instructions in the guest",
               qdict_get_int(guest, "most"), 0);

    host = spans(processor(first, "second", 0), "host");
    svm_expect(test, "least instructions in the host, once more",
               qdict_get_int(host, "least"), 11);
    svm_expect(test, "most instructions in the host, once more",
               qdict_get_int(host, "most"), 11);
}

/* From an exit to the next VMRUN. */
static void handling(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *found;

    svm_prepare_guest(machine, GUEST_vmmcall);
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmrun_loop, VMCB, ROUNDS);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    found = find(qdict_get_qlist(processor(counted, "", 0), "exits"), "name",
                 "VMMCALL");
    svm_expect(test, "exits", qdict_get_int(found, "count"), ROUNDS);
    found = qdict_get_qdict(found, "handling");
    /* No VMRUN follows the last one. */
    svm_expect(test, "exits that were handled",
               qdict_get_int(found, "number"), ROUNDS - 1);
    svm_expect(test, "instructions of that",
               qdict_get_int(found, "instructions"), 11 * (ROUNDS - 1));
    svm_expect(test, "cycles of that", qdict_get_int(found, "cycles"),
               11 * (ROUNDS - 1));
    svm_expect(test, "least cycles of one",
               qdict_get_int(found, "least-cycles"), 11);
    svm_expect(test, "most cycles of one",
               qdict_get_int(found, "most-cycles"), 11);
}

static uint64_t sum(const QList *nodes, const char *kind, const char *key)
{
    const QListEntry *entry;
    uint64_t all = 0;

    QLIST_FOREACH_ENTRY(nodes, entry) {
        const QDict *node = qobject_to(QDict, entry->value);

        if (!kind || g_str_equal(qdict_get_str(node, "kind"), kind)) {
            all += qdict_get_int(node, key);
        }
    }
    return all;
}

/* Nodes of a kind whose parent is a call of the payload's first function. */
static int called_nodes(const QList *nodes, const char *kind, const char *key)
{
    const QListEntry *entry, *up;
    int found = 0;

    QLIST_FOREACH_ENTRY(nodes, entry) {
        const QDict *node = qobject_to(QDict, entry->value);
        int64_t parent = qdict_get_int(node, "parent");

        if (!g_str_equal(qdict_get_str(node, "kind"), kind) ||
            !qdict_get_int(node, key)) {
            continue;
        }
        for (up = qlist_first(nodes); parent; parent--) {
            up = qlist_next(up);
        }
        node = qobject_to(QDict, up->value);
        found += g_str_equal(qdict_get_str(node, "kind"), "call") &&
                 qdict_get_int(node, "address") &&
                 !qdict_get_int(node, "parent");
    }
    return found;
}

/* Whatever is counted is counted somewhere in the graph, once. */
static void call_graph(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;
    const QList *nodes;
    uint64_t in_guest;
    int i;

    svm_prepare_guest_64(machine, GUEST_read_tsc);
    select_label(machine, "graph");
    meter_command(machine, SVM_METER_START);
    for (i = 0; i < 3; i++) {
        svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    cpu = processor(counted, "graph", 0);
    nodes = qdict_get_qlist(cpu, "call-graph");
    in_guest = qdict_get_int(spans(cpu, "guest"), "instructions");
    svm_expect(test, "instructions of all nodes",
               sum(nodes, NULL, "instructions"),
               qdict_get_int(spans(cpu, "host"), "instructions") + in_guest);
    svm_expect_that(test, in_guest > 5, "the guest executed nothing");
    svm_expect(test, "instructions of the guest's node",
               sum(nodes, "guest", "instructions"), in_guest);
    svm_expect(test, "nodes of guests entered by a called function",
               called_nodes(nodes, "guest", "instructions"), 1);
    svm_expect(test, "RDMSR of blocks", sum(nodes, "block", "reads"), 3);
    svm_expect(test, "blocks with RDMSR in a called function",
               called_nodes(nodes, "block", "reads"), 1);
    svm_expect(test, "RDMSR of the guest's node", sum(nodes, "guest", "reads"),
               1);
}

/* Of a block with RDMSR, as the call graph knows it. */
static uint64_t address_of_block(const QDict *processor)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(processor, "call-graph"), entry) {
        const QDict *node = qobject_to(QDict, entry->value);

        if (g_str_equal(qdict_get_str(node, "kind"), "block") &&
            qdict_get_int(node, "reads")) {
            return qdict_get_int(node, "address");
        }
    }
    return 0;
}

static void watched_function(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) before = NULL;
    g_autoptr(QDict) counted = NULL;
    const QDict *calls;
    uint64_t address;
    int i;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    before = report(machine);
    address = address_of_block(processor(before, "", 0));
    svm_expect_that(test, address, "no block has RDMSR");
    for (i = 0; i < 8; i++) {
        svm_step(machine, STEP_write_port, PORT(FUNCTION), address >> 8 * i);
    }
    meter_command(machine, SVM_METER_WATCH);
    /* The first call tells where the function returns to. */
    for (i = 0; i < 4; i++) {
        svm_step(machine, STEP_read_msr, MSR_STAR, 0);
        svm_step(machine, STEP_clgi, 0, 0);
    }
    counted = report(machine);
    calls = spans(processor(counted, "", 0), "calls");
    svm_expect(test, "calls of the function", qdict_get_int(calls, "spans"),
               3);
    /* step_read_msr of host.S. */
    svm_expect(test, "least instructions of a call",
               qdict_get_int(calls, "least"), 5);
    svm_expect(test, "most instructions of a call",
               qdict_get_int(calls, "most"), 5);
}

static void saved_and_loaded(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    g_autofree char *saved = NULL;
    g_autofree char *loaded = NULL;

    svm_add_snapshot_disk(machine);
    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_clgi, 0, 0);
    select_label(machine, "loop");
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);

    saved = qtest_hmp(svm_qtest(machine), "savevm counted");
    svm_expect_that(test, !*saved, "savevm: %s", saved);
    svm_step(machine, STEP_clgi, 0, 0);
    select_label(machine, "later");
    svm_step(machine, STEP_clgi, 0, 0);
    loaded = qtest_hmp(svm_qtest(machine), "loadvm counted");
    svm_expect_that(test, !*loaded, "loadvm: %s", loaded);
    svm_step(machine, STEP_stgi, 0, 0);

    counted = report(machine);
    expect_event(test, processor(counted, "", 0), "clgi", 1, 0);
    expect_event(test, processor(counted, "loop", 0), "clgi", 1, 0);
    expect_event(test, processor(counted, "loop", 0), "stgi", 1, 0);
    svm_expect(test, "RDMSR of STAR with GIF clear",
               msr_count(processor(counted, "loop", 0), "STAR", "in-run",
                         "reads"), 1);
    svm_expect_that(test, !processor(counted, "later", 0),
                    "a label from after the snapshot is there");
}

static void hot_plugged_processor(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;

    meter_command(machine, SVM_METER_START);
    qtest_qmp_device_add(svm_qtest(machine), "EPYC-x86_64-cpu", "second",
                         "{'socket-id': 1, 'die-id': 0, 'module-id': 0,"
                         " 'core-id': 0, 'thread-id': 0}");
    svm_start_processor(machine, 1);
    svm_step_begin(machine, 1, STEP_read_msr, MSR_STAR, 0);
    svm_step_end(machine, 1, 20);

    counted = report(machine);
    svm_expect(test, "the first processor's RDMSR of STAR",
               msr_count(processor(counted, "", 0), "STAR", "before-run",
                         "reads"), 0);
    svm_expect(test, "the second processor's RDMSR of STAR",
               msr_count(processor(counted, "", 1), "STAR", "before-run",
                         "reads"), 1);
}

static void set_property(SVMMachine *machine, const char *name,
                         const char *value)
{
    g_autofree char *said = qtest_hmp(svm_qtest(machine),
                                      "qom-set /machine/peripheral/meter "
                                      "%s %s", name, value);

    g_assert_cmpstr(said, ==, "");
}

static void monitor(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    g_autofree char *table = NULL;

    svm_prepare_guest(machine, GUEST_vmmcall);
    set_property(machine, "running", "on");
    set_property(machine, "label", "monitor");
    svm_step(machine, STEP_clgi, 0, 0);
    set_property(machine, "reset", "on");
    svm_step(machine, STEP_stgi, 0, 0);
    svm_run(machine);
    set_property(machine, "running", "off");
    svm_step(machine, STEP_stgi, 0, 0);

    counted = report(machine);
    expect_event(test, processor(counted, "monitor", 0), "clgi", 0, 0);
    expect_event(test, processor(counted, "monitor", 0), "stgi", 1, 0);

    table = qtest_hmp(svm_qtest(machine), "info svm-meter");
    svm_expect_that(test, strstr(table, "label \"monitor\"") &&
                    strstr(table, "VMMCALL") && strstr(table, "STGI"),
                    "info svm-meter says: %s", table);
}

/* payload/costs.json: 3 cycles an instruction, 777 more RDMSR of the TSC. */
static void modelled_time(SVMMachine *machine, const SVMCase *test)
{
    uint64_t first, second, third;

    svm_prepare_guest_64(machine, GUEST_read_tsc);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    first = svm_mailbox(machine, MAILBOX_GUEST_RSI);
    second = svm_mailbox(machine, MAILBOX_GUEST_RBX);
    third = svm_mailbox(machine, MAILBOX_GUEST_RCX);
    /* Four instructions, and five; see guests.S. */
    svm_expect(test, "cycles from RDTSCP to RDTSC", second - first, 4 * 3);
    svm_expect(test, "cycles from RDTSC to RDMSR", third - second,
               5 * 3 + 777);
}

static void charged_cycles(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QDict *cpu;
    unsigned i;

    meter_command(machine, SVM_METER_START);
    for (i = 0; i < 3; i++) {
        svm_step(machine, STEP_vmsave, OTHER_PAGE, 0);
        svm_step(machine, STEP_vmload, OTHER_PAGE, 0);
    }
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    cpu = processor(counted, "", 0);
    expect_event(test, cpu, "vmsave", 3, 0);
    svm_expect(test, "cycles charged", qdict_get_int(cpu, "charged"),
               3 * 75 + 3 * 100000 + 100);
}

static void charged_blocks(SVMMachine *machine, const SVMCase *test)
{
    g_autoptr(QDict) counted = NULL;
    const QList *nodes;

    meter_command(machine, SVM_METER_START);
    svm_step(machine, STEP_vmsave, OTHER_PAGE, 0);
    svm_step(machine, STEP_vmload, OTHER_PAGE, 0);
    svm_step(machine, STEP_read_msr, MSR_STAR, 0);
    /* Instructions are paid for here, and belong to no event. */
    svm_step(machine, STEP_read_tsc, 0, 0);
    meter_command(machine, SVM_METER_STOP);

    counted = report(machine);
    nodes = qdict_get_qlist(processor(counted, "", 0), "call-graph");
    svm_expect(test, "cycles charged to blocks", sum(nodes, "block", "charged"),
               75 + 100000 + 100);
    svm_expect(test, "blocks in called functions that were charged",
               called_nodes(nodes, "block", "charged"), 3);
}

/* Of what the emulator says when it does not start. */
static void expect_refused(const SVMCase *test, const char *model,
                           const char *arguments, const char *message)
{
    g_autofree char *path = NULL;
    g_autofree char *command = NULL;
    g_autofree char *said = NULL;
    int fd = g_file_open_tmp("qtest-svm-XXXXXX", &path, NULL);
    int status;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, model, -1, NULL));
    command = g_strdup_printf("%s -nodefaults -display none -S %s "
                              "-device svm-meter,cost-model=%s",
                              getenv("QTEST_QEMU_BINARY"), arguments, path);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &said, &status,
                                            NULL));
    unlink(path);
    svm_expect_that(test, status && strstr(said, message),
                    "with %s and %s the emulator says: %s; it has to say: %s",
                    arguments, model, said, message);
}

static void wrong_models(SVMMachine *machine, const SVMCase *test)
{
    static const char icount[] = ICOUNT;
    static const char *const wrong[][2] = {
        { "", "cost-model" },
        { "{", "cost-model" },
        { "[]", "there is no dictionary 'costs'" },
        { "{'costs': 1}", "there is no dictionary 'costs'" },
        { "{'costs': {'vmrun': 1}}", "'vmrun' has to have 'cycles'" },
        { "{'costs': {'vmrun': {'cycles': 1}}}", "'source', a text" },
        { "{'costs': {'vmrun': {'cycles': -1, 'source': 's'}}}",
          "'vmrun' has to cost 0 to 1e+06 cycles" },
        { "{'costs': {'instruction': {'cycles': 0.5, 'source': 's'}}}",
          "'instruction' has to cost 1 to 1000 cycles" },
        { "{'costs': {'vmrum': {'cycles': 1, 'source': 's'}}}",
          "there is no event 'vmrum'" },
        { "{'costs': {'wrmsr STAR': {'cycles': 1, 'source': 's'}}}",
          "'wrmsr STAR' names no MSR by its number" },
        { "{'costs': {'wrmsr 0x10': {'cycles': 1, 'source': 's'},"
          " 'wrmsr 16': {'cycles': 1, 'source': 's'}}}", "stands there twice" },
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(wrong); i++) {
        expect_refused(test, wrong[i][0], icount, wrong[i][1]);
    }
    expect_refused(test, "{'costs': {}}", "", "a cost model needs -icount");
    expect_refused(test, "{'costs': {}}",
                   "-smp 2" ICOUNT, "of one processor");
}

static void expect_graph_refused(const SVMCase *test, const char *arguments,
                                 const char *message)
{
    g_autofree char *command = NULL;
    g_autofree char *said = NULL;
    int status;

    command = g_strdup_printf("%s -nodefaults -display none -S %s "
                              "-device svm-meter,call-graph=on",
                              getenv("QTEST_QEMU_BINARY"), arguments);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &said, &status,
                                            NULL));
    svm_expect_that(test, status && strstr(said, message),
                    "with %s the emulator says: %s; it has to say: %s",
                    arguments, said, message);
}

static void wrong_machine_for_call_graph(SVMMachine *machine,
                                         const SVMCase *test)
{
    expect_graph_refused(test, "", "a call graph needs -icount");
    expect_graph_refused(test, "-smp 2" ICOUNT, "of one processor");
}

static void stays_where_it_is(SVMMachine *machine, const SVMCase *test)
{
    g_autofree char *said = NULL;

    svm_add_snapshot_disk(machine);
    said = qtest_hmp(svm_qtest(machine), "savevm one");
    svm_expect_that(test, strstr(said, "stays where it is"), "savevm says: %s",
                    said);
}

#define CASE(path_, run_, arguments_) \
    { .path = "meter/" path_, .rule = "docs/meter.rst", .run = run_, \
      .arguments = arguments_, .own_arguments = true, \
      .fails_on_pristine = true }

static const SVMCase cases[] = {
    CASE("host-instructions", host_instructions, STOPPED),
    CASE("broadcast-invalidation", broadcast_invalidation,
         STOPPED " -cpu max"),
    CASE("world-switches", world_switches, STOPPED),
    CASE("msr-accesses", msr_accesses, STOPPED),
    CASE("msr-accesses-after-syscall", msr_accesses_after_syscall, STOPPED),
    CASE("many-msrs", many_msrs, STOPPED),
    CASE("ports", ports, STOPPED),
    CASE("labels", labels, STOPPED),
    CASE("reset", reset, STOPPED),
    CASE("too-many-labels", too_many_labels, STOPPED),
    CASE("rubbish", rubbish, STOPPED),
    CASE("instructions", instructions, STOPPED ICOUNT),
    CASE("handling", handling, STOPPED ICOUNT),
    CASE("call-graph", call_graph, STOPPED ",call-graph=on" ICOUNT),
    CASE("watched-function", watched_function,
         STOPPED ",call-graph=on" ICOUNT),
    CASE("call-graph/refused", wrong_machine_for_call_graph, STOPPED),
    CASE("call-graph/not-migrated", stays_where_it_is,
         STOPPED ",call-graph=on" ICOUNT),
    CASE("saved-and-loaded", saved_and_loaded, STOPPED),
    CASE("saved-and-loaded/icount", saved_and_loaded, STOPPED ICOUNT),
    CASE("hot-plugged-processor", hot_plugged_processor,
         STOPPED " -smp 1,maxcpus=2,sockets=2"),
    CASE("modelled-time", modelled_time, MODELLED),
    CASE("charged-cycles", charged_cycles, MODELLED),
    CASE("charged-cycles/call-graph", charged_blocks,
         STOPPED ",call-graph=on,cost-model=" SVM_COSTS ICOUNT),
    CASE("wrong-models", wrong_models, STOPPED),
    CASE("model-is-not-migrated", stays_where_it_is, MODELLED),
    CASE("monitor", monitor, STOPPED),
    CASE("monitor/icount", monitor, STOPPED ICOUNT),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
