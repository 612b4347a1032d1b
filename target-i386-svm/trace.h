#include "trace/trace-target_i386_svm.h"
