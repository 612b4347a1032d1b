/*
 * The meter: what is counted for each processor, by labels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_SVM_METER_H
#define HW_SVM_METER_H

#include "cpu.h"
#include "hw/isa/isa.h"
#include "hw/qdev-core.h"
#include "migration/vmstate.h"
#include "qobject/qdict.h"
#include "qom/object.h"
#include "svm-meter-ports.h"

#define TYPE_SVM_METER "svm-meter"
OBJECT_DECLARE_SIMPLE_TYPE(SVMMeterState, SVM_METER)

/* What was counted under a label. */
typedef struct SVMMeasurement {
    char label[SVM_METER_LABEL_LENGTH + 1];
    /* SVMEventCounters by the processors' index, NULL where there is none. */
    GPtrArray *processors;
} SVMMeasurement;

/* A processor's counters in a saved machine. */
typedef struct SVMSavedCounters {
    uint32_t measurement;
    uint32_t cpu_index;
    SVMEventCounters counters;
} SVMSavedCounters;

struct SVMMeterState {
    ISADevice parent_obj;

    MemoryRegion ports;
    uint32_t iobase;
    DeviceListener listener;

    /* What events cost, and where a meter that does not run counts them. */
    char *cost_model;
    SVMCosts *costs;
    SVMMeasurement idle;
    /* Whether calls and blocks of code are counted as a tree. */
    bool call_graph;
    Error *why_not_migrated;

    /* Where the counters go when QEMU ends. */
    char *json;
    FILE *json_file;
    Notifier exit_notifier;

    bool running;
    SVMMeasurement measurements[SVM_METER_LABELS];
    uint32_t number_of_measurements;
    uint32_t current;

    char label[SVM_METER_LABEL_LENGTH + 1];
    uint32_t label_length;
    bool refused;
    /* The address that was written last, and the one that is watched. */
    uint64_t written_address;
    uint64_t watched_function;

    int32_t number_saved;
    SVMSavedCounters *saved;
};

extern const VMStateDescription vmstate_svm_meter;

/**
 * svm_meter_counters: a processor's counters, made if there are none yet
 */
SVMEventCounters *svm_meter_counters(SVMMeasurement *measurement,
                                     int cpu_index);

/**
 * svm_meter_attach: from now on all processors count under the current label,
 * or nowhere if the meter does not run
 */
void svm_meter_attach(SVMMeterState *meter);

/**
 * svm_meter_detach: from now on no processor counts
 */
void svm_meter_detach(SVMMeterState *meter);

/**
 * svm_meter_watch: all processors tell when the watched function is called
 */
void svm_meter_watch(SVMMeterState *meter);

/**
 * svm_meter_report: all that was counted, for programs; docs/meter.rst
 * describes it
 *
 * Returns a dictionary that the caller owns.
 */
QDict *svm_meter_report(SVMMeterState *meter);

/**
 * svm_meter_write_json: the report, into the file that was opened for it
 */
void svm_meter_write_json(SVMMeterState *meter);

#endif
