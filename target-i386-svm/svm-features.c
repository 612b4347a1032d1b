/*
 * The SVM features that CPUID offers (2: 15.1.2, CPUID 8000_000A).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "cpu.h"
#include "svm-features.h"

/*
 * CPUID 8000_000A EDX of real processors: dumps in the tests of libcpuid
 * 0.7.1 (tests/amd/zen*), where no processor of a model lacks what another
 * one has.
 */
typedef struct SVMSilicon {
    uint8_t family;
    uint8_t first_model;
    uint8_t last_model;
    uint32_t features;
} SVMSilicon;

static const SVMSilicon svm_silicon[] = {
    { 0x17, 0x01, 0x01, 0x0001bcff },   /* EPYC: Naples */
    { 0x17, 0x31, 0x31, 0x0013bcff },   /* EPYC-Rome: 7742 */
    { 0x19, 0x01, 0x01, 0x119b9cff },   /* EPYC-Milan: 7713; no AVIC */
    { 0x19, 0x11, 0x11, 0x1fbfbcff },   /* EPYC-Genoa: 9124 */
    { 0x1a, 0x00, 0x02, 0xffbfbdff },   /* EPYC-Turin: 9655 */
};

static const SVMSilicon *silicon_of(const CPUX86State *env)
{
    uint32_t version = env->cpuid_version;
    uint32_t family = extract32(version, 8, 4) + extract32(version, 20, 8);
    uint32_t model = extract32(version, 4, 4) | extract32(version, 16, 4) << 4;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(svm_silicon); i++) {
        const SVMSilicon *silicon = &svm_silicon[i];

        if (silicon->family == family && silicon->first_model <= model &&
            model <= silicon->last_model) {
            return silicon;
        }
    }
    return NULL;
}

bool svm_add_features_of_silicon(X86CPU *cpu, Error **errp)
{
    CPUX86State *env = &cpu->env;
    const SVMSilicon *silicon = silicon_of(env);

    if (cpu->svm.ignore_msrs == ON_OFF_AUTO_OFF && !silicon) {
        error_setg(errp, "ignore-msrs=off: the MSRs of this model's silicon "
                   "are not listed; those of EPYC models are");
        return false;
    }
    if (!cpu->svm.silicon) {
        return true;
    }
    if (!silicon) {
        error_setg(errp, "svm-silicon: the SVM features of this model's "
                   "silicon are not listed; EPYC, EPYC-Rome, EPYC-Milan, "
                   "EPYC-Genoa and EPYC-Turin are, and max has every feature "
                   "without it");
        return false;
    }
    env->features[FEAT_SVM] |= silicon->features &
                               ~env->user_features[FEAT_SVM] &
                               x86_cpu_get_supported_feature_word(cpu,
                                                                  FEAT_SVM);
    return true;
}

uint32_t svm_number_of_asids(const CPUX86State *env)
{
    /* All silicon that can flush by ASID has 32768; QEMU's models have 16. */
    return env->features[FEAT_SVM] & CPUID_SVM_FLUSHASID ? 32768 : 16;
}

uint32_t svm_instruction_limits(const CPUX86State *env)
{
    uint32_t features = env->features[FEAT_8000_0008_EBX];

    return (features & CPUID_8000_0008_EBX_INVLPGB ? INVLPGB_COUNT_MAX : 0) |
           (features & CPUID_8000_0008_EBX_RDPRU ? RDPRU_MAX_REGISTER << 16
                                                 : 0);
}
