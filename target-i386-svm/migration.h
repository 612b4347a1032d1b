/*
 * SVM state in snapshots and migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_MIGRATION_H
#define TARGET_I386_SVM_MIGRATION_H

#include "migration/vmstate.h"

/* Described where it is defined. */
int svm_post_load(CPUX86State *env);

extern const VMStateDescription vmstate_svm_world_switch;
extern const VMStateDescription vmstate_svm_vm_cr;
extern const VMStateDescription vmstate_svm_last_branches;
extern const VMStateDescription vmstate_svm_guest_spec_ctrl;

#endif
