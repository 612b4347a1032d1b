/*
 * SPEC_CTRL and PRED_CMD (2: 3.2.9), and a guest's own SPEC_CTRL.
 *
 * Nothing is speculated upon here: the registers hold what is written, and
 * refuse what the processor does not have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "world-switch.h"
#include "model-specific-registers.h"

#define SPEC_CTRL_IBRS      (1 << 0)
#define SPEC_CTRL_STIBP     (1 << 1)
#define SPEC_CTRL_SSBD      (1 << 2)
#define SPEC_CTRL_PSFD      (1 << 7)

#define PRED_CMD_IBPB       (1 << 0)

uint64_t x86_spec_ctrl_bits(const CPUX86State *env)
{
    uint32_t features = env->features[FEAT_8000_0008_EBX];

    return (features & CPUID_8000_0008_EBX_IBRS ? SPEC_CTRL_IBRS : 0) |
           (features & CPUID_8000_0008_EBX_STIBP ? SPEC_CTRL_STIBP : 0) |
           (features & CPUID_8000_0008_EBX_AMD_SSBD ? SPEC_CTRL_SSBD : 0) |
           (features & CPUID_8000_0008_EBX_AMD_PSFD ? SPEC_CTRL_PSFD : 0);
}

bool x86_has_spec_ctrl(const CPUX86State *env)
{
    return x86_spec_ctrl_bits(env);
}

/*
 * A guest reads and writes its own register; what would count, where there
 * was speculation, is the union of both.
 */
static uint64_t *spec_ctrl(CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) && svm_spec_ctrl_virtualization(env)
           ? &env->svm.guest_spec_ctrl : &env->spec_ctrl;
}

uint64_t x86_read_spec_ctrl(CPUX86State *env)
{
    return *spec_ctrl(env);
}

bool x86_write_spec_ctrl(CPUX86State *env, uint64_t value)
{
    if (value & ~x86_spec_ctrl_bits(env)) {
        return false;
    }
    *spec_ctrl(env) = value;
    return true;
}

bool x86_has_pred_cmd(const CPUX86State *env)
{
    return env->features[FEAT_8000_0008_EBX] & CPUID_8000_0008_EBX_IBPB;
}

bool x86_write_pred_cmd(CPUX86State *env, uint64_t value)
{
    return !(value & ~(uint64_t)PRED_CMD_IBPB);
}
