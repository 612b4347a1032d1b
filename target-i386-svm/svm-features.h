/*
 * The SVM features that CPUID offers (2: 15.1.2, CPUID 8000_000A).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_FEATURES_H
#define TARGET_I386_SVM_FEATURES_H

/* What QEMU has no name for. */
#define CPUID_SVM_GMET                  (1U << 17)
#define CPUID_SVM_V_SPEC_CTRL           (1U << 20)
#define CPUID_SVM_HOST_MCE_OVERRIDE     (1U << 23)
#define CPUID_SVM_TLBICTL               (1U << 24)
#define CPUID_SVM_BUS_LOCK_THRESHOLD    (1U << 29)
#define CPUID_SVM_IDLE_HLT              (1U << 30)
#define CPUID_8000_0008_EBX_INVLPGB     (1U << 3)
#define CPUID_8000_0008_EBX_RDPRU       (1U << 4)
#define CPUID_8000_0008_EBX_MCOMMIT     (1U << 8)

/* Bits of EDX that TCG emulates with the add-on and not without. */
#define SVM_ADDED_FEATURES  (CPUID_SVM_LBRV | \
                             CPUID_SVM_SVMLOCK | \
                             CPUID_SVM_NRIPSAVE | \
                             CPUID_SVM_TSCSCALE | \
                             CPUID_SVM_VMCBCLEAN | \
                             CPUID_SVM_FLUSHASID | \
                             CPUID_SVM_DECODEASSIST | \
                             CPUID_SVM_PAUSEFILTER | \
                             CPUID_SVM_PFTHRESHOLD | \
                             CPUID_SVM_V_VMSAVE_VMLOAD | \
                             CPUID_SVM_GMET | \
                             CPUID_SVM_V_SPEC_CTRL | \
                             CPUID_SVM_HOST_MCE_OVERRIDE | \
                             CPUID_SVM_TLBICTL | \
                             CPUID_SVM_VNMI | \
                             CPUID_SVM_BUS_LOCK_THRESHOLD | \
                             CPUID_SVM_IDLE_HLT)

/* RDPRU knows MPERF (0) and APERF (1). */
#define RDPRU_MAX_REGISTER  1

/* INVLPGB names a page, and as many more: what EPYC processors have. */
#define INVLPGB_COUNT_MAX   7

/*
 * Bits of other leaves: instructions that SVM can intercept (2: 15.9), and
 * what SPEC_CTRL and PRED_CMD are there for.
 */
#define SVM_ADDED_7_0_EBX_FEATURES       CPUID_7_0_EBX_INVPCID
#define SVM_ADDED_8000_0008_EBX_FEATURES \
    (CPUID_8000_0008_EBX_INVLPGB | \
     CPUID_8000_0008_EBX_RDPRU | \
     CPUID_8000_0008_EBX_MCOMMIT | \
     CPUID_8000_0008_EBX_IBPB | \
     CPUID_8000_0008_EBX_IBRS | \
     CPUID_8000_0008_EBX_STIBP | \
     CPUID_8000_0008_EBX_STIBP_ALWAYS_ON | \
     CPUID_8000_0008_EBX_AMD_SSBD | \
     CPUID_8000_0008_EBX_AMD_PSFD)

/**
 * svm_add_features_of_silicon: what svm-silicon=on does
 *
 * To the features of the processor's model are added those of CPUID
 * 8000_000A EDX that silicon of this family and model has and that are
 * emulated; what the user said of a feature himself holds.
 *
 * Returns false with an error if nobody has listed that silicon's features,
 * or its MSRs where ignore-msrs=off is to make all others #GP.
 */
bool svm_add_features_of_silicon(X86CPU *cpu, Error **errp);

/**
 * svm_check_clean_bits_property: svm-strict-clean-bits needs clean bits
 *
 * Returns false with an error if there are none.
 */
bool svm_check_clean_bits_property(X86CPU *cpu, Error **errp);

/**
 * svm_number_of_asids: CPUID 8000_000A EBX
 */
uint32_t svm_number_of_asids(const CPUX86State *env);

/**
 * svm_instruction_limits: CPUID 8000_0008 EDX, the limits of operands
 */
uint32_t svm_instruction_limits(const CPUX86State *env);

#endif
