/*
 * The meter in snapshots and migration: what was counted goes with the
 * machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/boards.h"
#include "svm-meter.h"

static uint32_t number_of_counters(const SVMMeterState *meter)
{
    uint32_t number = 0;
    uint32_t i;
    guint cpu;

    for (i = 0; i < meter->number_of_measurements; i++) {
        GPtrArray *processors = meter->measurements[i].processors;

        for (cpu = 0; cpu < processors->len; cpu++) {
            number += processors->pdata[cpu] != NULL;
        }
    }
    return number;
}

static int pre_save(void *opaque)
{
    SVMMeterState *meter = opaque;
    SVMSavedCounters *saved;
    uint32_t i;
    guint cpu;

    meter->number_saved = number_of_counters(meter);
    meter->saved = g_renew(SVMSavedCounters, meter->saved,
                           meter->number_saved);
    saved = meter->saved;
    for (i = 0; i < meter->number_of_measurements; i++) {
        GPtrArray *processors = meter->measurements[i].processors;

        for (cpu = 0; cpu < processors->len; cpu++) {
            if (processors->pdata[cpu]) {
                saved->measurement = i;
                saved->cpu_index = cpu;
                saved->counters =
                    *(SVMEventCounters *)processors->pdata[cpu];
                saved++;
            }
        }
    }
    return 0;
}

static int post_save(void *opaque)
{
    SVMMeterState *meter = opaque;

    g_free(g_steal_pointer(&meter->saved));
    return 0;
}

static void free_counters(void *counters, void *unused)
{
    g_free(counters);
}

/* The processors that count stop: their counters are about to be replaced. */
static int pre_load(void *opaque)
{
    SVMMeterState *meter = opaque;
    CPUState *cs;
    uint32_t i;

    if (meter->why_not_migrated) {
        error_report("svm-meter: no machine is loaded into one with a cost "
                     "model or a call graph");
        return -EINVAL;
    }
    CPU_FOREACH(cs) {
        qatomic_set(&X86_CPU(cs)->svm.counters, NULL);
    }
    /* They do not run while a machine is loaded. */
    for (i = 0; i < meter->number_of_measurements; i++) {
        GPtrArray *processors = meter->measurements[i].processors;

        g_ptr_array_foreach(processors, free_counters, NULL);
        g_ptr_array_set_size(processors, 0);
    }
    return 0;
}

static bool is_sane(const SVMMeterState *meter)
{
    int32_t i;

    for (i = 0; i < meter->number_saved; i++) {
        const SVMSavedCounters *saved = &meter->saved[i];

        if (saved->measurement >= meter->number_of_measurements ||
            saved->cpu_index >= MACHINE(qdev_get_machine())->smp.max_cpus ||
            saved->counters.last_exit >= SVM_COUNTED_CODES) {
            return false;
        }
    }
    return meter->number_of_measurements >= 1 &&
           meter->number_of_measurements <= SVM_METER_LABELS &&
           meter->current < meter->number_of_measurements &&
           meter->label_length <= SVM_METER_LABEL_LENGTH;
}

static int post_load(void *opaque, int version)
{
    SVMMeterState *meter = opaque;
    CPUState *cs;
    int32_t i;

    if (!is_sane(meter)) {
        error_report("svm-meter: what was saved of it makes no sense");
        meter->number_of_measurements = 1;
        meter->current = 0;
        return -EINVAL;
    }
    meter->label[meter->label_length] = 0;
    for (i = 0; i < meter->number_of_measurements; i++) {
        SVMMeasurement *measurement = &meter->measurements[i];

        measurement->label[SVM_METER_LABEL_LENGTH] = 0;
        if (!measurement->processors) {
            measurement->processors = g_ptr_array_new();
        }
    }
    for (i = 0; i < meter->number_saved; i++) {
        const SVMSavedCounters *saved = &meter->saved[i];
        SVMEventCounters *counters =
            svm_meter_counters(&meter->measurements[saved->measurement],
                               saved->cpu_index);

        *counters = saved->counters;
    }
    g_free(g_steal_pointer(&meter->saved));
    svm_meter_watch(meter);

    CPU_FOREACH(cs) {
        SVMEventCounters *counters =
            svm_meter_counters(&meter->measurements[meter->current],
                               cs->cpu_index);

        if (meter->running) {
            qatomic_set(&X86_CPU(cs)->svm.counters, counters);
        }
    }
    return 0;
}

static const VMStateDescription vmstate_msr = {
    .name = "svm-meter/msr",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(index, SVMCountedMSR),
        VMSTATE_UINT64_ARRAY(reads, SVMCountedMSR, SVM_PLACES),
        VMSTATE_UINT64_ARRAY(writes, SVMCountedMSR, SVM_PLACES),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_handling = {
    .name = "svm-meter/handling",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(number, SVMCountedHandling),
        VMSTATE_UINT64(instructions, SVMCountedHandling),
        VMSTATE_UINT64(cycles, SVMCountedHandling),
        VMSTATE_UINT64(least_cycles, SVMCountedHandling),
        VMSTATE_UINT64(most_cycles, SVMCountedHandling),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_spans = {
    .name = "svm-meter/spans",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(instructions, SVMCountedSpans),
        VMSTATE_UINT64(spans, SVMCountedSpans),
        VMSTATE_UINT64(least, SVMCountedSpans),
        VMSTATE_UINT64(most, SVMCountedSpans),
        VMSTATE_UINT64_ARRAY(histogram, SVMCountedSpans,
                             SVM_HISTOGRAM_BUCKETS),
        VMSTATE_END_OF_LIST()
    }
};

/* What is not saved of them is zero: no cost model, call graph or call. */
static int clear_counters(void *opaque)
{
    memset(opaque, 0, sizeof(SVMSavedCounters));
    return 0;
}

static const VMStateDescription vmstate_counters = {
    .name = "svm-meter/counters",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = clear_counters,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(measurement, SVMSavedCounters),
        VMSTATE_UINT32(cpu_index, SVMSavedCounters),
        VMSTATE_UINT64_2DARRAY(counters.events, SVMSavedCounters,
                               SVM_COUNTED_EVENTS, SVM_WORLDS),
        VMSTATE_UINT64_ARRAY(counters.exits, SVMSavedCounters,
                             SVM_COUNTED_CODES),
        VMSTATE_STRUCT_ARRAY(counters.msrs, SVMSavedCounters,
                             SVM_COUNTED_MSRS, 1, vmstate_msr, SVMCountedMSR),
        VMSTATE_STRUCT(counters.other_msrs, SVMSavedCounters, 1, vmstate_msr,
                       SVMCountedMSR),
        VMSTATE_STRUCT_ARRAY(counters.spans, SVMSavedCounters, SVM_WORLDS, 1,
                             vmstate_spans, SVMCountedSpans),
        VMSTATE_STRUCT_ARRAY(counters.handling, SVMSavedCounters,
                             SVM_COUNTED_CODES, 1, vmstate_handling,
                             SVMCountedHandling),
        VMSTATE_UINT32(counters.last_exit, SVMSavedCounters),
        VMSTATE_INT64(counters.span_start, SVMSavedCounters),
        VMSTATE_BOOL(counters.span_is_whole, SVMSavedCounters),
        VMSTATE_BOOL(counters.after_run, SVMSavedCounters),
        VMSTATE_STRUCT(counters.calls, SVMSavedCounters, 1, vmstate_spans,
                       SVMCountedSpans),
        VMSTATE_STRUCT(counters.call_cycles, SVMSavedCounters, 1,
                       vmstate_spans, SVMCountedSpans),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_measurement = {
    .name = "svm-meter/measurement",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER_UNSAFE(label, SVMMeasurement, 0,
                              SVM_METER_LABEL_LENGTH + 1),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_svm_meter = {
    .name = TYPE_SVM_METER,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = pre_save,
    .post_save = post_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(running, SVMMeterState),
        VMSTATE_BOOL(refused, SVMMeterState),
        VMSTATE_BUFFER_UNSAFE(label, SVMMeterState, 0,
                              SVM_METER_LABEL_LENGTH + 1),
        VMSTATE_UINT32(label_length, SVMMeterState),
        VMSTATE_UINT64(written_address, SVMMeterState),
        VMSTATE_UINT64(watched_function, SVMMeterState),
        VMSTATE_STRUCT_ARRAY(measurements, SVMMeterState, SVM_METER_LABELS, 1,
                             vmstate_measurement, SVMMeasurement),
        VMSTATE_UINT32(number_of_measurements, SVMMeterState),
        VMSTATE_UINT32(current, SVMMeterState),
        VMSTATE_INT32(number_saved, SVMMeterState),
        VMSTATE_STRUCT_VARRAY_ALLOC(saved, SVMMeterState, number_saved, 1,
                                    vmstate_counters, SVMSavedCounters),
        VMSTATE_END_OF_LIST()
    }
};
