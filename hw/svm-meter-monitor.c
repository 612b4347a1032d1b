/*
 * `info svm-meter` of the monitor: what was counted, for persons.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp-target.h"
#include "monitor/monitor.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "svm-meter.h"

static uint64_t number(const QDict *dict, const char *key)
{
    return qnum_get_uint(qobject_to(QNum, qdict_get(dict, key)));
}

/* Rows of a table: a name's sums over all processors. */
typedef struct Row {
    const char *name;
    uint64_t values[4];
} Row;

static Row *row_of(GArray *rows, const char *name)
{
    Row added = { .name = name };
    guint i;

    for (i = 0; i < rows->len; i++) {
        Row *row = &g_array_index(rows, Row, i);

        if (!strcmp(row->name, name)) {
            return row;
        }
    }
    g_array_append_val(rows, added);
    return &g_array_index(rows, Row, rows->len - 1);
}

static void add_exits(GArray *rows, const QDict *processor)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(processor, "exits"), entry) {
        const QDict *exit = qobject_to(QDict, entry->value);

        row_of(rows, qdict_get_str(exit, "name"))->values[0] +=
            number(exit, "count");
    }
}

static void add_accesses(uint64_t *values, const QDict *accesses)
{
    values[0] += number(accesses, "reads");
    values[1] += number(accesses, "writes");
}

static void add_msrs(GArray *rows, const QDict *processor)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(processor, "msrs"), entry) {
        const QDict *msr = qobject_to(QDict, entry->value);
        Row *row = row_of(rows, qdict_get_str(msr, "name"));

        add_accesses(row->values, qdict_get_qdict(msr, "before-run"));
        add_accesses(row->values, qdict_get_qdict(msr, "in-run"));
        add_accesses(row->values, qdict_get_qdict(msr, "after-run"));
        add_accesses(row->values + 2, qdict_get_qdict(msr, "in-guest"));
    }
}

static void add_event(GArray *rows, SVMCountedEvent event,
                      const QDict *worlds)
{
    Row *row = &g_array_index(rows, Row, event);

    row->values[SVM_HOST] += number(worlds, "host");
    row->values[SVM_GUEST] += number(worlds, "guest");
}

static void add_events(GArray *rows, const QDict *processor)
{
    const QDict *events = qdict_get_qdict(processor, "events");

#define SVM_COUNTED_EVENT(event, key, text) \
    add_event(rows, SVM_COUNT(event), qdict_get_qdict(events, key));
#include "svm/counted-events.h.inc"
}

/* Names need not differ: "of the host save page" stands below two. */
static GArray *event_rows(void)
{
    static const Row all[] = {
#define SVM_COUNTED_EVENT(event, key, text) { text },
#include "svm/counted-events.h.inc"
    };
    GArray *rows = g_array_new(false, true, sizeof(Row));

    g_array_append_vals(rows, all, ARRAY_SIZE(all));
    return rows;
}

static int compare_counts(const void *a, const void *b)
{
    const Row *first = a, *second = b;

    return first->values[0] < second->values[0] ? 1
           : -(first->values[0] > second->values[0]);
}

static void print_exits(Monitor *mon, GArray *rows)
{
    uint64_t all = 0;
    guint i;

    g_array_sort(rows, compare_counts);
    for (i = 0; i < rows->len; i++) {
        all += g_array_index(rows, Row, i).values[0];
    }
    monitor_printf(mon, "  %-32s %12s %8s\n", "#VMEXIT", "count", "share");
    for (i = 0; i < rows->len; i++) {
        const Row *row = &g_array_index(rows, Row, i);

        monitor_printf(mon, "  %-32s %12" PRIu64 " %6.1f %%\n", row->name,
                       row->values[0], 100.0 * row->values[0] / all);
    }
    monitor_printf(mon, "  %-32s %12" PRIu64 "\n", "all", all);
}

static void print_events(Monitor *mon, const GArray *rows)
{
    guint i;

    monitor_printf(mon, "  %-32s %12s %12s\n", "event", "host", "guest");
    for (i = 0; i < rows->len; i++) {
        const Row *row = &g_array_index(rows, Row, i);

        if (row->values[SVM_HOST] | row->values[SVM_GUEST]) {
            monitor_printf(mon, "  %-32s %12" PRIu64 " %12" PRIu64 "\n",
                           row->name, row->values[SVM_HOST],
                           row->values[SVM_GUEST]);
        }
    }
}

static void print_msrs(Monitor *mon, const GArray *rows)
{
    guint i;

    if (!rows->len) {
        return;
    }
    monitor_printf(mon, "  %-18s %12s %12s %12s %12s\n", "MSR", "host RDMSR",
                   "host WRMSR", "guest RDMSR", "guest WRMSR");
    for (i = 0; i < rows->len; i++) {
        const Row *row = &g_array_index(rows, Row, i);

        monitor_printf(mon, "  %-18s %12" PRIu64 " %12" PRIu64 " %12" PRIu64
                       " %12" PRIu64 "\n", row->name, row->values[0],
                       row->values[1], row->values[2], row->values[3]);
    }
}

static void print_spans(Monitor *mon, const QDict *processor,
                        const char *world)
{
    const QDict *spans = qdict_get_qdict(processor, world);

    monitor_printf(mon, "  CPU %-3" PRIu64 " in the %-5s %14" PRIu64 " %10"
                   PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
                   number(processor, "cpu"), world,
                   number(spans, "instructions"),
                   number(spans, "spans"),
                   number(spans, "least"),
                   number(spans, "most"));
}

static void print_instructions(Monitor *mon, const QList *processors)
{
    const QListEntry *entry;

    monitor_printf(mon, "  %-20s %14s %10s %12s %12s\n", "",
                   "instructions", "spans", "least", "most");
    QLIST_FOREACH_ENTRY(processors, entry) {
        const QDict *processor = qobject_to(QDict, entry->value);

        print_spans(mon, processor, "host");
        print_spans(mon, processor, "guest");
    }
}

static void print_measurement(Monitor *mon, const QDict *measurement,
                              bool has_instructions)
{
    const QList *processors = qdict_get_qlist(measurement, "processors");
    const QListEntry *entry;
    g_autoptr(GArray) exits = g_array_new(false, true, sizeof(Row));
    g_autoptr(GArray) msrs = g_array_new(false, true, sizeof(Row));
    g_autoptr(GArray) events = event_rows();

    QLIST_FOREACH_ENTRY(processors, entry) {
        const QDict *processor = qobject_to(QDict, entry->value);

        add_exits(exits, processor);
        add_events(events, processor);
        add_msrs(msrs, processor);
    }
    monitor_printf(mon, "label \"%s\", %zu CPUs\n",
                   qdict_get_str(measurement, "label"),
                   qlist_size(processors));
    if (exits->len) {
        print_exits(mon, exits);
    }
    print_events(mon, events);
    print_msrs(mon, msrs);
    if (has_instructions) {
        print_instructions(mon, processors);
    }
}

/**
 * hmp_info_svm_meter: `info svm-meter`
 */
void hmp_info_svm_meter(Monitor *mon, const QDict *qdict)
{
    Object *object = object_resolve_path_type("", TYPE_SVM_METER, NULL);
    g_autoptr(QDict) report = NULL;
    const QListEntry *entry;

    if (!object) {
        monitor_printf(mon, "no meter: start QEMU with -device svm-meter\n");
        return;
    }
    report = svm_meter_report(SVM_METER(object));
    monitor_printf(mon, "the meter %s%s\n",
                   qdict_get_bool(report, "running") ? "runs" : "is stopped",
                   qdict_get_bool(report, "icount")
                   ? "" : "; without -icount no instructions are counted");
    QLIST_FOREACH_ENTRY(qdict_get_qlist(report, "measurements"), entry) {
        print_measurement(mon, qobject_to(QDict, entry->value),
                          qdict_get_bool(report, "icount"));
    }
}
