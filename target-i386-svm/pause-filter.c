/*
 * The filter of PAUSE's intercept: of a guest that spins, one PAUSE of many
 * is an exit (2: 15.14.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "world-switch.h"

void svm_load_pause_filter(CPUX86State *env)
{
    env->svm.pause_count = env->svm.controls.pause_filter_count;
    env->svm.guest_has_paused = false;
}

/*
 * With a threshold, a PAUSE that comes later than that many cycles after the
 * one before it starts the count anew.
 */
static bool starts_anew(CPUX86State *env)
{
    uint16_t threshold = env->svm.controls.pause_filter_threshold;
    bool late;
    uint64_t now;

    if (!(env->features[FEAT_SVM] & CPUID_SVM_PFTHRESHOLD) || !threshold) {
        return false;
    }
    now = cpu_get_tsc(env);
    late = env->svm.guest_has_paused && now - env->svm.last_pause > threshold;
    env->svm.guest_has_paused = true;
    env->svm.last_pause = now;
    return late;
}

/*
 * As many PAUSEs as PAUSE_FILTER_COUNT says pass; the next one would take the
 * counter below zero, and is the exit.
 */
bool svm_pause_passes_filter(CPUX86State *env)
{
    uint16_t count = env->svm.controls.pause_filter_count;

    if (!(env->features[FEAT_SVM] & CPUID_SVM_PAUSEFILTER) || !count) {
        return false;
    }
    if (starts_anew(env)) {
        env->svm.pause_count = count;
        return true;
    }
    if (!env->svm.pause_count) {
        return false;
    }
    env->svm.pause_count--;
    return true;
}
