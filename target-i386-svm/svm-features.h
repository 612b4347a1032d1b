/*
 * The SVM features that CPUID offers (2: 15.1.2, CPUID 8000_000A).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_FEATURES_H
#define TARGET_I386_SVM_FEATURES_H

/* Bits of EDX that TCG emulates with the add-on and not without. */
#define SVM_ADDED_FEATURES  CPUID_SVM_NRIPSAVE

#endif
