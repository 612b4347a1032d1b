/*
 * What the meter has counted, as JSON; docs/meter.rst describes it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "svm/call-graph.h"
#include "svm/exit-names.h"
#include "svm-meter.h"

static void put_number(QDict *dict, const char *key, uint64_t value)
{
    qdict_put(dict, key, qnum_from_uint(value));
}

static const char *msr_name(uint32_t index)
{
    switch (index) {
#define MSR_NAME(number, name) \
    case number: \
        return name;
#include "msr-names.h.inc"
    default:
        return NULL;
    }
}

static void put_event(QDict *events, const char *name, const uint64_t *count)
{
    QDict *worlds = qdict_new();

    put_number(worlds, "host", count[SVM_HOST]);
    put_number(worlds, "guest", count[SVM_GUEST]);
    qdict_put(events, name, worlds);
}

static QDict *events(const SVMEventCounters *counters)
{
    QDict *all = qdict_new();

#define SVM_COUNTED_EVENT(event, name, text) \
    put_event(all, name, counters->events[SVM_COUNT(event)]);
#include "svm/counted-events.h.inc"
    return all;
}

static void put_handling(QDict *exit, const SVMCountedHandling *handling)
{
    QDict *all = qdict_new();

    put_number(all, "number", handling->number);
    put_number(all, "instructions", handling->instructions);
    put_number(all, "cycles", handling->cycles);
    put_number(all, "least-cycles", handling->least_cycles);
    put_number(all, "most-cycles", handling->most_cycles);
    qdict_put(exit, "handling", all);
}

static QList *exits(const SVMEventCounters *counters)
{
    QList *all = qlist_new();
    unsigned entry;

    for (entry = 0; entry < SVM_COUNTED_CODES; entry++) {
        QDict *exit;

        if (!counters->exits[entry]) {
            continue;
        }
        exit = qdict_new();
        if (entry == SVM_COUNTED_OTHER_CODES) {
            qdict_put_str(exit, "name", "OTHER");
        } else {
            uint64_t code = svm_counted_exit_code(entry);
            g_autofree char *name = svm_exit_name(code);

            put_number(exit, "code", code);
            qdict_put_str(exit, "name", name);
        }
        put_number(exit, "count", counters->exits[entry]);
        if (icount_enabled()) {
            put_handling(exit, &counters->handling[entry]);
        }
        qlist_append(all, exit);
    }
    return all;
}

static const char *const places[SVM_PLACES] = {
    [SVM_BEFORE_RUN] = "before-run",
    [SVM_IN_RUN] = "in-run",
    [SVM_AFTER_RUN] = "after-run",
    [SVM_IN_GUEST] = "in-guest",
};

static void append_msr(QList *all, const SVMCountedMSR *msr, bool has_index)
{
    QDict *accesses;

    size_t i;

    if (svm_counted_msr_is_free(msr)) {
        return;
    }
    accesses = qdict_new();
    if (has_index) {
        g_autofree char *number = g_strdup_printf("0x%08x",
                                                  (uint32_t)msr->index);

        put_number(accesses, "index", msr->index);
        qdict_put_str(accesses, "name", msr_name(msr->index) ?: number);
    } else {
        qdict_put_str(accesses, "name", "OTHER");
    }
    for (i = 0; i < SVM_PLACES; i++) {
        QDict *at = qdict_new();

        put_number(at, "reads", msr->reads[i]);
        put_number(at, "writes", msr->writes[i]);
        qdict_put(accesses, places[i], at);
    }
    qlist_append(all, accesses);
}

static int compare_msrs(const void *a, const void *b)
{
    const SVMCountedMSR *first = a, *second = b;

    return first->index < second->index ? -1 : first->index > second->index;
}

static QList *msrs(const SVMEventCounters *counters)
{
    g_autofree SVMCountedMSR *sorted = g_memdup2(counters->msrs,
                                                 sizeof(counters->msrs));
    QList *all = qlist_new();
    unsigned i;

    qsort(sorted, SVM_COUNTED_MSRS, sizeof(*sorted), compare_msrs);
    for (i = 0; i < SVM_COUNTED_MSRS; i++) {
        append_msr(all, &sorted[i], true);
    }
    append_msr(all, &counters->other_msrs, false);
    return all;
}

static QDict *spans(const SVMCountedSpans *counted, uint64_t under_way)
{
    QDict *all = qdict_new();
    QList *histogram = qlist_new();
    unsigned bucket;

    put_number(all, "instructions", counted->instructions + under_way);
    put_number(all, "spans", counted->spans);
    put_number(all, "least", counted->least);
    put_number(all, "most", counted->most);
    for (bucket = 0; bucket < SVM_HISTOGRAM_BUCKETS; bucket++) {
        QDict *entry;

        if (!counted->histogram[bucket]) {
            continue;
        }
        entry = qdict_new();
        put_number(entry, "from", svm_histogram_bucket_start(bucket));
        put_number(entry, "to", bucket + 1 == SVM_HISTOGRAM_BUCKETS
                   ? UINT64_MAX : svm_histogram_bucket_start(bucket + 1) - 1);
        put_number(entry, "count", counted->histogram[bucket]);
        qlist_append(histogram, entry);
    }
    qdict_put(all, "histogram", histogram);
    return all;
}

static QList *call_graph(const SVMCallGraph *graph)
{
    static const char *const kinds[SVM_NODE_KINDS] = {
        [SVM_NODE_ROOT] = "root",
        [SVM_NODE_CALL] = "call",
        [SVM_NODE_BLOCK] = "block",
        [SVM_NODE_PROGRAM] = "program",
        [SVM_NODE_GUEST] = "guest",
    };
    QList *all = qlist_new();
    unsigned i, number;
    const SVMCallNode *nodes = svm_call_graph_nodes(graph, &number);

    for (i = 0; i < number; i++) {
        QDict *node = qdict_new();

        put_number(node, "parent", nodes[i].parent);
        qdict_put_str(node, "kind", kinds[nodes[i].kind]);
        put_number(node, "address", nodes[i].address);
        put_number(node, "instructions", nodes[i].instructions);
        put_number(node, "charged", nodes[i].charged);
        put_number(node, "reads", nodes[i].msr_reads);
        put_number(node, "writes", nodes[i].msr_writes);
        qlist_append(all, node);
    }
    return all;
}

/* The world that a processor is in, if it counts in these counters now. */
static bool counts_now(int cpu_index, const SVMEventCounters *counters,
                       SVMWorld *world)
{
    CPUState *cs = qemu_get_cpu(cpu_index);

    if (!cs || X86_CPU(cs)->svm.counters != counters) {
        return false;
    }
    *world = cpu_env(cs)->hflags & HF_GUEST_MASK ? SVM_GUEST : SVM_HOST;
    return true;
}

static QDict *processor(int cpu_index, const SVMEventCounters *counters)
{
    QDict *all = qdict_new();
    uint64_t under_way[SVM_WORLDS] = { };
    SVMWorld world;

    put_number(all, "cpu", cpu_index);
    qdict_put(all, "exits", exits(counters));
    qdict_put(all, "events", events(counters));
    qdict_put(all, "msrs", msrs(counters));
    if (counters->costs) {
        put_number(all, "charged", counters->charged);
    }
    if (counters->calls.spans) {
        qdict_put(all, "calls", spans(&counters->calls, 0));
        qdict_put(all, "call-cycles", spans(&counters->call_cycles, 0));
    }
    if (counters->call_graph) {
        qdict_put(all, "call-graph", call_graph(counters->call_graph));
    }
    if (icount_enabled()) {
        if (counts_now(cpu_index, counters, &world)) {
            under_way[world] = svm_instructions_in_span(counters);
        }
        qdict_put(all, "host", spans(&counters->spans[SVM_HOST],
                                     under_way[SVM_HOST]));
        qdict_put(all, "guest", spans(&counters->spans[SVM_GUEST],
                                      under_way[SVM_GUEST]));
    }
    return all;
}

static QDict *measurement(const SVMMeasurement *measured)
{
    QDict *all = qdict_new();
    QList *processors = qlist_new();
    guint i;

    for (i = 0; i < measured->processors->len; i++) {
        if (measured->processors->pdata[i]) {
            qlist_append(processors,
                         processor(i, measured->processors->pdata[i]));
        }
    }
    qdict_put_str(all, "label", measured->label);
    qdict_put(all, "processors", processors);
    return all;
}

static QDict *report_of(SVMMeterState *meter)
{
    QDict *report = qdict_new();
    QList *measurements = qlist_new();
    uint32_t i;

    for (i = 0; i < meter->number_of_measurements; i++) {
        qlist_append(measurements, measurement(&meter->measurements[i]));
    }
    put_number(report, "version", SVM_METER_VERSION);
    qdict_put_bool(report, "running", meter->running);
    qdict_put_bool(report, "icount", icount_enabled());
    qdict_put_str(report, "label", meter->measurements[meter->current].label);
    qdict_put(report, "measurements", measurements);
    return report;
}

typedef struct WantedReport {
    SVMMeterState *meter;
    QDict *report;
} WantedReport;

static void make_report(CPUState *cs, run_on_cpu_data data)
{
    WantedReport *wanted = data.host_ptr;

    wanted->report = report_of(wanted->meter);
}

QDict *svm_meter_report(SVMMeterState *meter)
{
    WantedReport wanted = { .meter = meter };

    /* A call graph grows, and moves, while its processor executes. */
    if (meter->call_graph && !current_cpu && first_cpu) {
        run_on_cpu(first_cpu, make_report, RUN_ON_CPU_HOST_PTR(&wanted));
    } else {
        make_report(current_cpu, RUN_ON_CPU_HOST_PTR(&wanted));
    }
    return wanted.report;
}

void svm_meter_write_json(SVMMeterState *meter)
{
    g_autoptr(QDict) report = report_of(meter);
    g_autoptr(GString) text = qobject_to_json_pretty(QOBJECT(report), true);

    if (fprintf(meter->json_file, "%s\n", text->str) < 0 ||
        fflush(meter->json_file)) {
        error_report("svm-meter: cannot write %s: %s", meter->json,
                     strerror(errno));
    }
}
