/*
 * What events cost on a modelled processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_SVM_COST_MODEL_H
#define HW_SVM_COST_MODEL_H

#include "cpu.h"

/**
 * svm_read_cost_model: the costs that a file names; docs/meter.rst describes it
 *
 * Returns NULL with an error that names what is wrong with the file.
 */
SVMCosts *svm_read_cost_model(const char *path, Error **errp);

#endif
