/*
 * The bus-lock threshold (2: 15.14.5): a guest's locked accesses that cross a
 * cache line are counted, and the one after the last of them is an exit.
 *
 * Locked accesses to memory that is not cached lock the bus too; memory has
 * no types here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "svm-features.h"
#include "world-switch.h"

#define CACHE_LINE  64

bool svm_counts_bus_locks(CPUX86State *env)
{
    return (env->features[FEAT_SVM] & CPUID_SVM_BUS_LOCK_THRESHOLD) &&
           cpu_svm_has_intercept(env, SVM_EXIT_BUSLOCK);
}

/* A fault of the access comes first, and does not count. */
static void probe(CPUX86State *env, target_ulong address, unsigned size,
                  uintptr_t retaddr)
{
    int mmu_idx = cpu_mmu_index(env_cpu(env), false);
    unsigned left = MIN(size, -(address | TARGET_PAGE_MASK));

    probe_access(env, address, left, MMU_DATA_STORE, mmu_idx, retaddr);
    if (left < size) {
        probe_access(env, address + left, size - left, MMU_DATA_STORE, mmu_idx,
                     retaddr);
    }
}

/**
 * helper_svm_bus_lock: a guest's locked access is about to take place
 * @address: linear
 * @size: in bytes
 */
void helper_svm_bus_lock(CPUX86State *env, target_ulong address, uint32_t size)
{
    uint16_t *left = &env->svm.controls.bus_lock_threshold;
    uintptr_t retaddr = GETPC();

    if (address % CACHE_LINE + size <= CACHE_LINE ||
        !svm_counts_bus_locks(env)) {
        return;
    }
    probe(env, address, size, retaddr);
    if (*left == 0) {
        cpu_vmexit(env, SVM_EXIT_BUSLOCK, 0, retaddr);
    }
    --*left;
}
