/*
 * What events cost on a modelled processor: a file in JSON, checked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qnum.h"
#include "svm-cost-model.h"

/* More than any event can take: a wrong file shall not stop the clock. */
#define MOST_CYCLES         1000000

/* The entry @name of @costs: its cycles; 0 if there is none. */
static bool read_cycles(const QDict *costs, const char *name, double least,
                        double most, double *cycles, Error **errp)
{
    QObject *found = qdict_get(costs, name);
    const QDict *entry = qobject_to(QDict, found);
    QNum *number = entry ? qobject_to(QNum, qdict_get(entry, "cycles")) : NULL;

    *cycles = 0;
    if (!found) {
        return true;
    }
    if (!number || !qdict_get_try_str(entry, "source")) {
        error_setg(errp, "'%s' has to have 'cycles', a number, and 'source', a "
                   "text", name);
        return false;
    }
    *cycles = qnum_get_double(number);
    if (!(*cycles >= least && *cycles <= most)) {
        error_setg(errp, "'%s' has to cost %g to %g cycles", name, least, most);
        return false;
    }
    return true;
}

static bool read_cost(const QDict *costs, const char *name, uint32_t *cost,
                      Error **errp)
{
    double cycles;

    if (!read_cycles(costs, name, 0, MOST_CYCLES, &cycles, errp)) {
        return false;
    }
    *cost = cycles;
    return true;
}

/* Accesses to single MSRs are named "rdmsr 0xc0000080", "wrmsr 0x174". */
static bool read_msr_cost(SVMCosts *costs, const QDict *dict, const char *name,
                          Error **errp)
{
    bool is_write = g_str_has_prefix(name, "wrmsr ");
    SVMCostOfMSR *msr;
    unsigned index;
    int i;

    if (!is_write && !g_str_has_prefix(name, "rdmsr ")) {
        error_setg(errp, "there is no event '%s'", name);
        return false;
    }
    if (qemu_strtoui(name + strlen("rdmsr "), NULL, 0, &index) < 0) {
        error_setg(errp, "'%s' names no MSR by its number", name);
        return false;
    }
    for (i = 0; i < costs->number_of_msrs; i++) {
        if (costs->msrs[i].index == index &&
            costs->msrs[i].is_write == is_write) {
            error_setg(errp, "'%s' stands there twice", name);
            return false;
        }
    }
    if (costs->number_of_msrs == ARRAY_SIZE(costs->msrs)) {
        error_setg(errp, "more than %zu MSRs have a cost of their own",
                   ARRAY_SIZE(costs->msrs));
        return false;
    }
    msr = &costs->msrs[costs->number_of_msrs++];
    msr->index = index;
    msr->is_write = is_write;
    return read_cost(dict, name, &msr->cost, errp);
}

static bool read_event(SVMCosts *costs, const QDict *dict, const char *name,
                       Error **errp)
{
    if (g_str_equal(name, "instruction")) {
        double cycles;

        if (!read_cycles(dict, name, 1, 1000, &cycles, errp)) {
            return false;
        }
        costs->per_mille_of_instruction = (cycles - 1) * 1000;
        return true;
    }
    if (g_str_equal(name, "vmexit")) {
        return read_cost(dict, name, &costs->vmexit, errp);
    }
    if (g_str_equal(name, "rdmsr")) {
        return read_cost(dict, name, &costs->rdmsr, errp);
    }
    if (g_str_equal(name, "wrmsr")) {
        return read_cost(dict, name, &costs->wrmsr, errp);
    }
#define SVM_COUNTED_EVENT(event, key, text) \
    if (g_str_equal(name, key)) { \
        return read_cost(dict, name, &costs->events[SVM_COUNT(event)], \
                         errp); \
    }
#include "svm/counted-events.h.inc"
    return read_msr_cost(costs, dict, name, errp);
}

SVMCosts *svm_read_cost_model(const char *path, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(QDict) model = NULL;
    g_autofree SVMCosts *costs = g_new0(SVMCosts, 1);
    const QDictEntry *entry;
    const QDict *dict;
    QObject *object;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        error_setg(errp, "cost-model: %s", error->message);
        return NULL;
    }
    object = qobject_from_json(text, errp);
    if (!object) {
        error_prepend(errp, "cost-model %s: ", path);
        return NULL;
    }
    model = qobject_to(QDict, object);
    dict = model ? qobject_to(QDict, qdict_get(model, "costs")) : NULL;
    if (!dict) {
        error_setg(errp, "cost-model %s: there is no dictionary 'costs'", path);
        if (!model) {
            qobject_unref(object);
        }
        return NULL;
    }
    for (entry = qdict_first(dict); entry; entry = qdict_next(dict, entry)) {
        if (!read_event(costs, dict, qdict_entry_key(entry), errp)) {
            error_prepend(errp, "cost-model %s: ", path);
            return NULL;
        }
    }
    return g_steal_pointer(&costs);
}
