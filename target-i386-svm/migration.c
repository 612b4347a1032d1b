/*
 * SVM state in snapshots and migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "migration/cpu.h"
#include "system/tcg.h"
#include "migration.h"

#define CONTROL_OF_WIDTH(bits, field) \
    VMSTATE_UINT##bits(env.svm.controls.field, X86CPU)

/* Without a guest there is nothing that unmodified QEMU does not know. */
static bool guest_is_running(void *opaque)
{
    X86CPU *cpu = opaque;

    return tcg_enabled() && ((cpu->env.hflags & HF_GUEST_MASK) ||
                             cpu->env.svm.waits_for_rsm);
}

static int pre_load(void *opaque)
{
    X86CPU *cpu = opaque;

    /* A state with this section was saved between VMRUN and #VMEXIT. */
    cpu->env.svm.guest_loaded = true;
    return 0;
}

const VMStateDescription vmstate_svm_world_switch = {
    .name = "cpu/svm_world_switch",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = guest_is_running,
    .pre_load = pre_load,
    .fields = (const VMStateField[]) {
#define SVM_CONTROL(field, offset, bits, text) \
        CONTROL_OF_WIDTH(bits, field),
#include "svm-controls.h.inc"
        VMSTATE_UINT32(env.svm.delivering.info, X86CPU),
        VMSTATE_UINT32(env.svm.delivering.error_code, X86CPU),
        VMSTATE_UINT64(env.svm.host_save_pa, X86CPU),
        VMSTATE_UINT64(env.svm.host_pat, X86CPU),
        VMSTATE_BOOL(env.svm.waits_for_rsm, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_hflags2, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_int_ctl, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_cpl, X86CPU),
        VMSTATE_END_OF_LIST()
    }
};
