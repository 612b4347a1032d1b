/*
 * SVM state in snapshots and migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "cpu.h"
#include "migration/cpu.h"
#include "migration/qemu-file-types.h"
#include "system/tcg.h"
#include "migration.h"
#include "world-switch.h"

/*
 * Without a guest the section is left out, so that unmodified QEMU takes the
 * machine.  It does not expect TR's busy bit, see docs/conformance.rst.
 */
static bool guest_is_running(void *opaque)
{
    X86CPU *cpu = opaque;

    return tcg_enabled() && ((cpu->env.hflags & HF_GUEST_MASK) ||
                             cpu->env.svm.waits_for_rsm);
}

static int pre_save(void *opaque)
{
    X86CPU *cpu = opaque;

    cpu->env.svm.saved_cpl = cpu->env.hflags & HF_CPL_MASK;
    return 0;
}

/**
 * svm_post_load: what remains to do when the processor's state is loaded
 *
 * Returns a negative number if the machine was saved inside a guest without
 * our section, by unmodified QEMU: what VMRUN read is not known then, nor
 * where the host's state is.
 */
int svm_post_load(CPUX86State *env)
{
    svm_forget_vmcb(env);
    /* Allowed at any time, and spares the line in every snapshot. */
    svm_disarm_monitor(env);
    x86_find_pdptes(env);
    if (!tcg_enabled()) {
        return 0;
    }
    env->svm.ignne_level = env->hflags2 & HF2_IGNNE_MASK;
    if (!(env->hflags & HF_GUEST_MASK)) {
        return 0;
    }
    if (!env->svm.host_save_pa) {
        error_report("svm: the machine was saved inside a guest by a QEMU "
                     "without the add-on; save it while the host runs");
        return -EINVAL;
    }
    /* QEMU takes it from SS.DPL, which it need not be (2: 15.5.1). */
    env->hflags = (env->hflags & ~HF_CPL_MASK) | env->svm.saved_cpl;
    return 0;
}

static int get_controls(QEMUFile *file, void *opaque, size_t size,
                        const VMStateField *description)
{
    SVMControls *controls = opaque;

#define SVM_CONTROL(field, offset, bits, text, ...) \
    controls->field = qemu_get_be64(file);
#include "svm-controls.h.inc"
    return 0;
}

static int put_controls(QEMUFile *file, void *opaque, size_t size,
                        const VMStateField *description,
                        JSONWriter *explanation)
{
    const SVMControls *controls = opaque;

#define SVM_CONTROL(field, offset, bits, text, ...) \
    qemu_put_be64(file, controls->field);
#include "svm-controls.h.inc"
    return 0;
}

/* Each control as 64 bits, in the table's order. */
static const VMStateInfo vmstate_info_svm_controls = {
    .name = "svm_controls",
    .get = get_controls,
    .put = put_controls,
};

const VMStateDescription vmstate_svm_world_switch = {
    .name = "cpu/svm_world_switch",
    .version_id = 4,
    .minimum_version_id = 4,
    .needed = guest_is_running,
    .pre_save = pre_save,
    .fields = (const VMStateField[]) {
        VMSTATE_SINGLE(env.svm.controls, X86CPU, 0,
                       vmstate_info_svm_controls, SVMControls),
        VMSTATE_UINT32(env.svm.delivering.info, X86CPU),
        VMSTATE_UINT32(env.svm.delivering.error_code, X86CPU),
        VMSTATE_UINT64(env.svm.host_save_pa, X86CPU),
        VMSTATE_UINT64(env.svm.host_pat, X86CPU),
        VMSTATE_UINT32(env.svm.saved_cpl, X86CPU),
        VMSTATE_UINT16(env.svm.pause_count, X86CPU),
        VMSTATE_BOOL(env.svm.guest_has_paused, X86CPU),
        VMSTATE_UINT64(env.svm.last_pause, X86CPU),
        /* QEMU sends these only where hflags2 says nested paging. */
        VMSTATE_UINT64(env.nested_cr3, X86CPU),
        VMSTATE_UINT32(env.nested_pg_mode, X86CPU),
        VMSTATE_BOOL(env.svm.waits_for_rsm, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_hflags2, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_int_ctl, X86CPU),
        VMSTATE_UINT32(env.svm.waiting_cpl, X86CPU),
        VMSTATE_END_OF_LIST()
    }
};

static bool branches_matter(void *opaque)
{
    X86CPU *cpu = opaque;
    const SVMState *svm = &cpu->env.svm;

    return tcg_enabled() && (!buffer_is_zero(&svm->last, sizeof(svm->last)) ||
                             !buffer_is_zero(&svm->host_last,
                                             sizeof(svm->host_last)));
}

static const VMStateDescription vmstate_last_branches = {
    .name = "svm_last_branches",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(debugctl, SVMLastBranches),
        VMSTATE_UINT64(branch_from, SVMLastBranches),
        VMSTATE_UINT64(branch_to, SVMLastBranches),
        VMSTATE_UINT64(exception_from, SVMLastBranches),
        VMSTATE_UINT64(exception_to, SVMLastBranches),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vmstate_svm_last_branches = {
    .name = "cpu/svm_last_branches",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = branches_matter,
    .fields = (const VMStateField[]) {
        VMSTATE_STRUCT(env.svm.last, X86CPU, 0, vmstate_last_branches,
                       SVMLastBranches),
        VMSTATE_STRUCT(env.svm.host_last, X86CPU, 0, vmstate_last_branches,
                       SVMLastBranches),
        VMSTATE_END_OF_LIST()
    }
};

static bool guest_has_spec_ctrl(void *opaque)
{
    X86CPU *cpu = opaque;

    return guest_is_running(opaque) && cpu->env.svm.guest_spec_ctrl;
}

const VMStateDescription vmstate_svm_guest_spec_ctrl = {
    .name = "cpu/svm_guest_spec_ctrl",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = guest_has_spec_ctrl,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(env.svm.guest_spec_ctrl, X86CPU),
        VMSTATE_END_OF_LIST()
    }
};

static bool vm_cr_or_key_was_written(void *opaque)
{
    X86CPU *cpu = opaque;

    return tcg_enabled() && (cpu->env.svm.vm_cr || cpu->env.svm.svm_key);
}

const VMStateDescription vmstate_svm_vm_cr = {
    .name = "cpu/svm_vm_cr",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = vm_cr_or_key_was_written,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(env.svm.vm_cr, X86CPU),
        VMSTATE_UINT64(env.svm.svm_key, X86CPU),
        VMSTATE_END_OF_LIST()
    }
};
