/*
 * The meter: a device that counts what processors with SVM do.  What it is
 * told to do comes through ports from a guest, or through properties from the
 * monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/acpi/acpi_aml_interface.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "migration/blocker.h"
#include "system/replay.h"
#include "system/system.h"
#include "system/tcg.h"
#include "svm/call-graph.h"
#include "svm-cost-model.h"
#include "svm-meter.h"

SVMEventCounters *svm_meter_counters(SVMMeasurement *measurement,
                                     int cpu_index)
{
    GPtrArray *processors = measurement->processors;

    if (processors->len <= cpu_index) {
        g_ptr_array_set_size(processors, cpu_index + 1);
    }
    if (!processors->pdata[cpu_index]) {
        processors->pdata[cpu_index] = g_new0(SVMEventCounters, 1);
    }
    return processors->pdata[cpu_index];
}

static void attach_processor(SVMMeterState *meter, CPUState *cs)
{
    SVMMeasurement *measurement = meter->running
                                  ? &meter->measurements[meter->current]
                                  : &meter->idle;
    SVMEventCounters *counters;

    if (!meter->running && !meter->costs) {
        return;
    }
    counters = svm_meter_counters(measurement, cs->cpu_index);
    counters->costs = meter->costs;
    if (meter->call_graph && meter->running && !counters->call_graph) {
        counters->call_graph = svm_new_call_graph();
    }
    svm_start_span(counters);
    qatomic_set(&X86_CPU(cs)->svm.counters, counters);
}

void svm_meter_attach(SVMMeterState *meter)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        attach_processor(meter, cs);
    }
}

void svm_meter_detach(SVMMeterState *meter)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        X86CPU *cpu = X86_CPU(cs);

        if (cpu->svm.counters) {
            svm_end_span(cpu->svm.counters, cpu->env.hflags & HF_GUEST_MASK
                                            ? SVM_GUEST : SVM_HOST);
            qatomic_set(&cpu->svm.counters, NULL);
        }
    }
}

static SVMMeasurement *add_measurement(SVMMeterState *meter, const char *label)
{
    SVMMeasurement *added =
        &meter->measurements[meter->number_of_measurements++];

    pstrcpy(added->label, sizeof(added->label), label);
    added->processors = g_ptr_array_new();
    return added;
}

static bool select_label(SVMMeterState *meter, const char *label)
{
    uint32_t i;

    for (i = 0; i < meter->number_of_measurements; i++) {
        if (!strcmp(meter->measurements[i].label, label)) {
            meter->current = i;
            return true;
        }
    }
    if (i == SVM_METER_LABELS) {
        return false;
    }
    add_measurement(meter, label);
    meter->current = i;
    return true;
}

static void free_counters(SVMEventCounters *counters)
{
    svm_free_call_graph(counters->call_graph);
    g_free(counters);
}

/* A processor may be about to count in them: they go after a grace period. */
static void forget_counters(SVMMeasurement *measurement)
{
    guint i;

    for (i = 0; i < measurement->processors->len; i++) {
        SVMEventCounters *counters = measurement->processors->pdata[i];

        if (counters) {
            measurement->processors->pdata[i] = NULL;
            call_rcu(counters, free_counters, rcu);
        }
    }
}

void svm_meter_watch(SVMMeterState *meter)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        svm_watch_function(cs, meter->watched_function);
    }
}

typedef struct MeterCommand {
    SVMMeterState *meter;
    uint32_t command;
    const char *label;
    bool refused;
} MeterCommand;

static void execute_command(CPUState *cs, run_on_cpu_data data)
{
    MeterCommand *todo = data.host_ptr;
    SVMMeterState *meter = todo->meter;

    svm_meter_detach(meter);
    switch (todo->command) {
    case SVM_METER_START:
        meter->running = true;
        break;
    case SVM_METER_STOP:
        meter->running = false;
        break;
    case SVM_METER_RESET:
        forget_counters(&meter->measurements[meter->current]);
        break;
    case SVM_METER_SELECT:
        todo->refused = !select_label(meter, todo->label);
        break;
    case SVM_METER_WATCH:
        meter->watched_function = meter->written_address;
        svm_meter_watch(meter);
        break;
    default:
        todo->refused = true;
        break;
    }
    svm_meter_attach(meter);
}

/*
 * With -icount all processors are one thread, and what it has counted of a
 * span is exact only there.
 */
static bool command(SVMMeterState *meter, uint32_t number, const char *label)
{
    MeterCommand todo = {
        .meter = meter, .command = number, .label = label
    };
    run_on_cpu_data data = RUN_ON_CPU_HOST_PTR(&todo);

    if (icount_enabled() && !current_cpu && first_cpu) {
        run_on_cpu(first_cpu, execute_command, data);
    } else {
        execute_command(first_cpu, data);
    }
    return !todo.refused;
}

static uint32_t status(const SVMMeterState *meter)
{
    return SVM_METER_VERSION |
           (meter->running ? SVM_METER_STATUS_RUNNING : 0) |
           (icount_enabled() ? SVM_METER_STATUS_ICOUNT : 0) |
           (meter->refused ? SVM_METER_STATUS_REFUSED : 0);
}

/* Linux' /dev/port reads and writes single bytes. */
static uint64_t read_port(void *opaque, hwaddr offset, unsigned size)
{
    SVMMeterState *meter = opaque;
    unsigned shift = 8 * (offset % 4);

    switch (offset - offset % 4) {
    case SVM_METER_SIGNATURE:
        return SVM_METER_SIGNATURE_VALUE >> shift;
    case SVM_METER_STATUS:
        return status(meter) >> shift;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "svm-meter: read of port 0x%" PRIx64
                      "\n", meter->iobase + offset);
        return 0;
    }
}

static void write_label(SVMMeterState *meter, char character)
{
    if (meter->label_length == SVM_METER_LABEL_LENGTH) {
        qemu_log_mask(LOG_GUEST_ERROR, "svm-meter: a label is too long\n");
        return;
    }
    meter->label[meter->label_length++] = g_ascii_isprint(character)
                                          ? character : '?';
}

static void write_command(SVMMeterState *meter, uint32_t number)
{
    meter->refused = !command(meter, number, meter->label);
    if (meter->refused) {
        qemu_log_mask(LOG_GUEST_ERROR, "svm-meter: command %" PRIu32
                      ", label '%s' refused\n", number, meter->label);
    }
    if (number == SVM_METER_SELECT) {
        memset(meter->label, 0, sizeof(meter->label));
        meter->label_length = 0;
    }
}

static void write_port(void *opaque, hwaddr offset, uint64_t value,
                       unsigned size)
{
    SVMMeterState *meter = opaque;

    switch (offset) {
    case SVM_METER_COMMAND:
        write_command(meter, value);
        break;
    case SVM_METER_LABEL:
        write_label(meter, value);
        break;
    case SVM_METER_FUNCTION:
        meter->written_address = meter->written_address >> 8 |
                                 (value & 0xff) << 56;
        break;
    default:
        qemu_log_mask(LOG_GUEST_ERROR, "svm-meter: write of port 0x%" PRIx64
                      "\n", meter->iobase + offset);
        break;
    }
}

static const MemoryRegionOps port_operations = {
    .read = read_port,
    .write = write_port,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 1, .max_access_size = 4 },
};

static void build_aml(AcpiDevAmlIf *adev, Aml *scope)
{
    SVMMeterState *meter = SVM_METER(adev);
    Aml *device = aml_device("SVMM");
    Aml *resources = aml_resource_template();

    aml_append(resources, aml_io(AML_DECODE16, meter->iobase, meter->iobase, 1,
                                 SVM_METER_PORTS));
    aml_append(device, aml_name_decl("_HID", aml_string("SVMM0001")));
    aml_append(device, aml_name_decl("_CRS", resources));
    aml_append(scope, device);
}

static void processor_realized(DeviceListener *listener, DeviceState *device)
{
    SVMMeterState *meter = container_of(listener, SVMMeterState, listener);

    if (object_dynamic_cast(OBJECT(device), TYPE_X86_CPU)) {
        attach_processor(meter, CPU(device));
    }
}

static void write_json_at_exit(Notifier *notifier, void *data)
{
    svm_meter_write_json(container_of(notifier, SVMMeterState,
                                      exit_notifier));
}

static bool open_json(SVMMeterState *meter, Error **errp)
{
    if (!meter->json) {
        return true;
    }
    meter->json_file = fopen(meter->json, "w");
    if (!meter->json_file) {
        error_setg_file_open(errp, errno, meter->json);
        return false;
    }
    meter->exit_notifier.notify = write_json_at_exit;
    qemu_add_exit_notifier(&meter->exit_notifier);
    return true;
}

/*
 * All clocks go on by what one processor does, and instructions count for the
 * one that is executing.
 */
static bool is_machine_for(const char *what, Error **errp)
{
    if (!icount_enabled() || replay_mode != REPLAY_MODE_NONE) {
        error_setg(errp, "%s needs -icount, without record and replay", what);
        return false;
    }
    if (current_machine->smp.max_cpus > 1) {
        error_setg(errp, "%s is for a machine of one processor", what);
        return false;
    }
    return true;
}

static bool open_cost_model(SVMMeterState *meter, Error **errp)
{
    if (!meter->cost_model) {
        return true;
    }
    if (!is_machine_for("a cost model", errp)) {
        return false;
    }
    meter->costs = svm_read_cost_model(meter->cost_model, errp);
    return meter->costs;
}

static bool open_call_graph(SVMMeterState *meter, Error **errp)
{
    CPUState *cs;

    if (!meter->call_graph) {
        return true;
    }
    if (!is_machine_for("a call graph", errp)) {
        return false;
    }
    /* Nothing has been translated yet. */
    CPU_FOREACH(cs) {
        X86_CPU(cs)->svm.has_call_graph = true;
    }
    return true;
}

static bool keep_where_it_is(SVMMeterState *meter, Error **errp)
{
    if (!meter->costs && !meter->call_graph) {
        return true;
    }
    error_setg(&meter->why_not_migrated, "a machine with a %s stays where it "
               "is", meter->costs ? "cost model" : "call graph");
    return migrate_add_blocker(&meter->why_not_migrated, errp) == 0;
}

static void realize(DeviceState *device, Error **errp)
{
    SVMMeterState *meter = SVM_METER(device);
    bool ambiguous = false;

    object_resolve_path_type("", TYPE_SVM_METER, &ambiguous);
    if (ambiguous) {
        error_setg(errp, "a machine has one svm-meter at most");
        return;
    }
    if (!tcg_enabled()) {
        error_setg(errp, "svm-meter needs TCG: what a real processor does "
                   "cannot be counted here");
        return;
    }
    if (meter->iobase > 0x10000 - SVM_METER_PORTS) {
        error_setg(errp, "iobase has to be below 0x%x",
                   0x10000 - SVM_METER_PORTS + 1);
        return;
    }
    if (!open_cost_model(meter, errp) || !open_call_graph(meter, errp) ||
        !keep_where_it_is(meter, errp) || !open_json(meter, errp)) {
        return;
    }
    memory_region_init_io(&meter->ports, OBJECT(device), &port_operations,
                          meter, TYPE_SVM_METER, SVM_METER_PORTS);
    isa_register_ioport(ISA_DEVICE(device), &meter->ports, meter->iobase);

    add_measurement(meter, "");
    meter->idle.processors = g_ptr_array_new();
    meter->listener.realize = processor_realized;
    device_listener_register(&meter->listener);
    svm_meter_attach(meter);
}

static bool get_running(Object *object, Error **errp)
{
    return SVM_METER(object)->running;
}

static void set_running(Object *object, bool value, Error **errp)
{
    SVMMeterState *meter = SVM_METER(object);

    if (DEVICE(object)->realized) {
        command(meter, value ? SVM_METER_START : SVM_METER_STOP, NULL);
    } else {
        meter->running = value;
    }
}

static char *get_label(Object *object, Error **errp)
{
    SVMMeterState *meter = SVM_METER(object);

    return g_strdup(meter->measurements[meter->current].label);
}

static void set_label(Object *object, const char *value, Error **errp)
{
    const char *character;

    if (!DEVICE(object)->realized) {
        error_setg(errp, "the label is set while the machine runs");
        return;
    }
    if (strlen(value) > SVM_METER_LABEL_LENGTH) {
        error_setg(errp, "a label has %d characters at most",
                   SVM_METER_LABEL_LENGTH);
        return;
    }
    for (character = value; *character; character++) {
        if (!g_ascii_isprint(*character)) {
            error_setg(errp, "a label has printable ASCII characters only");
            return;
        }
    }
    if (!command(SVM_METER(object), SVM_METER_SELECT, value)) {
        error_setg(errp, "there can be %d labels at most", SVM_METER_LABELS);
    }
}

static void set_reset(Object *object, bool value, Error **errp)
{
    if (value && DEVICE(object)->realized) {
        command(SVM_METER(object), SVM_METER_RESET, NULL);
    }
}

static void get_counters(Object *object, Visitor *visitor, const char *name,
                         void *opaque, Error **errp)
{
    QObject *report;

    if (!DEVICE(object)->realized) {
        error_setg(errp, "nothing is counted yet");
        return;
    }
    report = QOBJECT(svm_meter_report(SVM_METER(object)));
    visit_type_any(visitor, name, &report, errp);
    qobject_unref(report);
}

static const Property properties[] = {
    DEFINE_PROP_UINT32("iobase", SVMMeterState, iobase,
                       SVM_METER_DEFAULT_PORT),
    DEFINE_PROP_STRING("json", SVMMeterState, json),
    DEFINE_PROP_STRING("cost-model", SVMMeterState, cost_model),
    DEFINE_PROP_BOOL("call-graph", SVMMeterState, call_graph, false),
};

static void initialize(Object *object)
{
    SVM_METER(object)->running = true;
}

#if QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR == 0
typedef void *ClassData;
#else
typedef const void *ClassData;
#endif

static void initialize_class(ObjectClass *klass, ClassData data)
{
    DeviceClass *device = DEVICE_CLASS(klass);

    device->desc = "counts what processors with AMD SVM do";
    device->realize = realize;
    device->vmsd = &vmstate_svm_meter;
    device->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, device->categories);
    device_class_set_props(device, properties);
    ACPI_DEV_AML_IF_CLASS(klass)->build_dev_aml = build_aml;

    object_class_property_add_bool(klass, "running", get_running, set_running);
    object_class_property_set_description(klass, "running",
                                          "whether the meter counts");
    object_class_property_add_str(klass, "label", get_label, set_label);
    object_class_property_set_description(klass, "label",
                                          "what the counters belong to");
    object_class_property_add_bool(klass, "reset", NULL, set_reset);
    object_class_property_set_description(klass, "reset",
                                          "forget what has this label");
    object_class_property_add(klass, "counters", "SVMMeterReport",
                              get_counters, NULL, NULL, NULL);
    object_class_property_set_description(klass, "counters",
                                          "all that was counted");
}

static const TypeInfo svm_meter_type = {
    .name = TYPE_SVM_METER,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(SVMMeterState),
    .instance_init = initialize,
    .class_init = initialize_class,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_ACPI_DEV_AML_IF },
        { },
    },
};

static void register_types(void)
{
    type_register_static(&svm_meter_type);
}

type_init(register_types)
