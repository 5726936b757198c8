/* A stand-in for NVIDIA's management library: GPUs whose true power is known in closed form.
 *
 * It has the functions, structures and numbers of nvml.h that the tests need, no more. What the machine is like
 * stands in a text file named by NVML_STANDIN (written by nvml.py), read at nvmlInit and again when it changes:
 * one "key value" a line, "N.key value" for GPU N. Times are seconds of CLOCK_MONOTONIC after "epoch_ns".
 *
 * While the driver is reloaded (from "unloaded_from_s" to "unloaded_until_s") nothing answers; afterwards it answers who
 * has called nvmlInit since, and counters have begun anew.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4,
    NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15
};
enum { GPU_UTILIZATION_SAMPLES = 1 };
enum { FIELD_TOTAL_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };
enum { TYPE_UNSIGNED_INT = 1, TYPE_UNSIGNED_LONG_LONG = 3 };
enum { MOST_GPUS = 16, MOST_PROCESSES = 16, MOST_PARTS = 7, BUFFERED_SAMPLES = 100 };

typedef int nvmlReturn_t;

/* A process that holds a GPU from one instant to another, and how busy it keeps it; NVML may not show it. */
typedef struct {
    unsigned int pid;
    double percent, from_s, until_s, is_shown;
} Process;

typedef struct Gpu {
    int index;
    char name[160], uuid[160];
    double low_w, high_w, period_s, phase_s, duty, sine;
    double counter_period_s, counter_phase_s, counter_offset_j, gain;
    double power_period_s, power_phase_s, power_window_s;
    double has_counter, has_power, has_fields, mig, architecture, major, minor;
    double latency_s, lost_at_s, hang_at_s, hang_s, permitted, limit_w;
    double has_process_samples, sample_period_s, has_unwritten_samples;
    Process processes[MOST_PROCESSES];
    int process_count;
    struct Gpu *whole; /* of a part that MIG has made: the card; and the part's numbers on it */
    unsigned int gpu_instance, compute_instance;
    long hung;
} Gpu;

typedef Gpu *nvmlDevice_t;

typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned int valueType;
    nvmlReturn_t nvmlReturn;
    union { double d; unsigned int ui; unsigned long long ull; } value;
} nvmlFieldValue_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Gpu gpus[MOST_GPUS], parts[MOST_GPUS][MOST_PARTS];
static int gpu_count, init_error, initialised;
static long long epoch_ns;
static struct timespec read_of;
static double looked_at_s = -1e18;
static double unloaded_from_s, unloaded_until_s;
static long long initialised_ns;

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double now_s(void) { return (now_ns() - epoch_ns) * 1e-9; }

static void rest(double duration_s) {
    if (duration_s <= 0.0) return;
    struct timespec t = {(time_t)duration_s, (long)((duration_s - (time_t)duration_s) * 1e9)};
    nanosleep(&t, NULL);
}

/* ---- what the machine is like ---- */

static void set_number(Gpu *gpu, const char *key, double value) {
    static const struct { const char *key; size_t offset; } numbers[] = {
#define NUMBER(field) {#field, offsetof(Gpu, field)}
        NUMBER(low_w), NUMBER(high_w), NUMBER(period_s), NUMBER(phase_s), NUMBER(duty), NUMBER(sine),
        NUMBER(counter_period_s), NUMBER(counter_phase_s), NUMBER(counter_offset_j), NUMBER(gain),
        NUMBER(power_period_s), NUMBER(power_phase_s), NUMBER(power_window_s), NUMBER(has_counter),
        NUMBER(has_power), NUMBER(has_fields), NUMBER(mig), NUMBER(architecture), NUMBER(major), NUMBER(minor),
        NUMBER(latency_s), NUMBER(lost_at_s), NUMBER(hang_at_s), NUMBER(hang_s), NUMBER(permitted), NUMBER(limit_w),
        NUMBER(has_process_samples), NUMBER(sample_period_s), NUMBER(has_unwritten_samples),
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(key, numbers[i].key)) *(double *)((char *)gpu + numbers[i].offset) = value;
}

static void add_process(Gpu *gpu, const char *value) {
    if (gpu->process_count >= MOST_PROCESSES) return;
    Process *process = &gpu->processes[gpu->process_count];
    if (sscanf(value, "%u %lf %lf %lf %lf", &process->pid, &process->percent, &process->from_s, &process->until_s,
               &process->is_shown) == 5) gpu->process_count++;
}

static void set_part(Gpu *gpu, const char *value) {
    int place;
    Gpu part = {.whole = gpu};
    if (sscanf(value, "%d %159s %u %u", &place, part.uuid, &part.gpu_instance, &part.compute_instance) == 4)
        if (place >= 0 && place < MOST_PARTS) parts[gpu->index][place] = part;
}

static void read_machine(void) {
    const char *path = getenv("NVML_STANDIN");
    struct stat status;
    looked_at_s = now_ns() * 1e-9;
    if (!path || stat(path, &status)) return;
    if (status.st_mtim.tv_sec == read_of.tv_sec && status.st_mtim.tv_nsec == read_of.tv_nsec) return;
    FILE *file = fopen(path, "r");
    if (!file) return;
    read_of = status.st_mtim;
    memset(parts, 0, sizeof parts);
    for (int i = 0; i < MOST_GPUS; i++) gpus[i].process_count = 0;
    char line[256], key[64], value[160];
    int index, used;
    while (fgets(line, sizeof line, file)) {
        used = 0;
        if (sscanf(line, "%d.%63s %159[^\n]", &index, key, value) == 3 && index >= 0 && index < MOST_GPUS) {
            gpus[index].index = index;
            if (!strcmp(key, "name")) snprintf(gpus[index].name, sizeof gpus[index].name, "%s", value);
            else if (!strcmp(key, "uuid")) snprintf(gpus[index].uuid, sizeof gpus[index].uuid, "%s", value);
            else if (!strcmp(key, "process")) add_process(&gpus[index], value);
            else if (!strcmp(key, "part")) set_part(&gpus[index], value);
            else set_number(&gpus[index], key, strtod(value, NULL));
        } else if (sscanf(line, "%63s %159[^\n]%n", key, value, &used) == 2) {
            if (!strcmp(key, "count")) gpu_count = atoi(value);
            if (!strcmp(key, "init_error")) init_error = atoi(value);
            if (!strcmp(key, "epoch_ns")) epoch_ns = atoll(value);
            if (!strcmp(key, "unloaded_from_s")) unloaded_from_s = strtod(value, NULL);
            if (!strcmp(key, "unloaded_until_s")) unloaded_until_s = strtod(value, NULL);
        }
    }
    fclose(file);
}

static void look_again(void) {
    if (now_ns() * 1e-9 - looked_at_s < 0.05) return;
    pthread_mutex_lock(&lock);
    read_machine();
    pthread_mutex_unlock(&lock);
}

/* ---- its power and energy ---- */

static double high_s(const Gpu *gpu, double t_s) {
    double turns = (t_s - gpu->phase_s) / gpu->period_s, whole = floor(turns);
    return (whole * gpu->duty + fmin(turns - whole, gpu->duty)) * gpu->period_s;
}

static double energy_j(const Gpu *gpu, double t_s) {
    if (gpu->sine) {
        double mean_w = (gpu->low_w + gpu->high_w) / 2, swing_w = (gpu->high_w - gpu->low_w) / 2;
        double omega = 2 * M_PI / gpu->period_s;
        return mean_w * t_s + swing_w / omega * (cos(-omega * gpu->phase_s) - cos(omega * (t_s - gpu->phase_s)));
    }
    return gpu->low_w * t_s + (gpu->high_w - gpu->low_w) * (high_s(gpu, t_s) - high_s(gpu, 0.0));
}

static double last_tick_s(double t_s, double period_s, double phase_s) {
    return period_s > 0.0 ? phase_s + floor((t_s - phase_s) / period_s) * period_s : t_s;
}

static unsigned long long counter_mj(const Gpu *gpu, double t_s) {
    double tick_s = last_tick_s(t_s, gpu->counter_period_s, gpu->counter_phase_s);
    if (t_s >= unloaded_until_s && unloaded_until_s > 0.0) {
        double since_j = energy_j(gpu, fmax(tick_s, unloaded_until_s)) - energy_j(gpu, unloaded_until_s);
        return (unsigned long long)(gpu->gain * since_j * 1000.0);
    }
    return (unsigned long long)((gpu->counter_offset_j + gpu->gain * energy_j(gpu, tick_s)) * 1000.0);
}

static unsigned int power_mw(const Gpu *gpu, double t_s, double window_s) {
    double tick_s = last_tick_s(t_s, gpu->power_period_s, gpu->power_phase_s);
    return (unsigned int)(gpu->gain * (energy_j(gpu, tick_s) - energy_j(gpu, tick_s - window_s)) / window_s * 1000.0);
}

static int is_unloaded(double t_s) { return unloaded_from_s <= t_s && t_s < unloaded_until_s; }

static int is_reloaded_since_init(double t_s) {
    return unloaded_until_s > 0.0 && t_s >= unloaded_until_s && (initialised_ns - epoch_ns) * 1e-9 < unloaded_until_s;
}

/* Takes as long as a call takes; *t_s becomes the instant half-way through, at which the sensor is read. */
static nvmlReturn_t ask(Gpu *gpu, double *t_s) {
    if (!initialised) return UNINITIALIZED;
    if (gpu < gpus || gpu >= gpus + gpu_count) return INVALID_ARGUMENT;
    look_again();
    *t_s = now_s();
    if (is_unloaded(*t_s) || is_reloaded_since_init(*t_s)) return UNINITIALIZED;
    if (gpu->hang_s > 0.0 && *t_s >= gpu->hang_at_s && !__sync_lock_test_and_set(&gpu->hung, 1)) rest(gpu->hang_s);
    if (*t_s >= gpu->lost_at_s) return GPU_IS_LOST;
    *t_s += gpu->latency_s / 2;
    rest(gpu->latency_s);
    return SUCCESS;
}

/* ---- NVML ---- */

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    pthread_mutex_lock(&lock);
    memset(&read_of, 0, sizeof read_of);
    memset(gpus, 0, sizeof gpus);
    gpu_count = 0;
    init_error = SUCCESS;
    read_machine();
    nvmlReturn_t result = is_unloaded(now_s()) ? DRIVER_NOT_LOADED : init_error;
    if (result == SUCCESS) initialised++;
    initialised_ns = now_ns();
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

nvmlReturn_t nvmlShutdown(void) {
    if (!initialised) return UNINITIALIZED;
    initialised--;
    return SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result) {
    switch (result) {
        case SUCCESS: return "Success";
        case UNINITIALIZED: return "Uninitialized";
        case NOT_SUPPORTED: return "Not Supported";
        case NO_PERMISSION: return "Insufficient Permissions";
        case NOT_FOUND: return "Not Found";
        case GPU_IS_LOST: return "GPU is lost";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case 18: return "Driver/library version mismatch";
        default: return "Unknown Error";
    }
}

static nvmlReturn_t copy(char *to, unsigned int size, const char *from) {
    if (strlen(from) >= size) return INSUFFICIENT_SIZE;
    strcpy(to, from);
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int size) { return copy(version, size, "580.00.00"); }
nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int size) { return copy(version, size, "13.580.00"); }

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) {
    *version = 13000;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    if (!initialised) return UNINITIALIZED;
    *count = gpu_count;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    if (!initialised) return UNINITIALIZED;
    if (index >= (unsigned int)gpu_count) return INVALID_ARGUMENT;
    if (!gpus[index].permitted) return NO_PERMISSION;
    *device = &gpus[index];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    for (int i = 0; i < gpu_count; i++)
        if (!strcmp(uuid, gpus[i].uuid)) return nvmlDeviceGetHandleByIndex_v2(i, device);
    return NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) {
    *index = device->index;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int size) {
    return copy(name, size, device->name);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int size) {
    return copy(uuid, size, device->uuid);
}

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *architecture) {
    *architecture = (unsigned int)device->architecture;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    *major = (int)device->major;
    *minor = (int)device->minor;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    if (device->architecture < 7) return NOT_SUPPORTED;
    *current = *pending = device->mig != 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int *limit_mw) {
    *limit_mw = (unsigned int)(device->high_w * 1000.0);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit_mw) {
    look_again();
    if (device->limit_w <= 0) return NOT_SUPPORTED;
    *limit_mw = (unsigned int)(device->limit_w * 1000.0);
    return SUCCESS;
}

/* What other tools ask for before they measure; it never changes. */

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, unsigned long long bytes[3]) {
    (void)device;
    bytes[0] = bytes[1] = 141ULL << 30;
    bytes[2] = 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned int *celsius) {
    (void)device, (void)sensor;
    *celsius = 45;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *version) {
    (void)device, (void)link, (void)version;
    return NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *generation) {
    (void)device, (void)generation;
    return NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, unsigned int *mode) {
    (void)device;
    *mode = 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, void *processes) {
    (void)device, (void)processes;
    *count = 0;
    return SUCCESS;
}

/* Processes. */

typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_t;

typedef struct {
    unsigned int pid;
    unsigned long long timeStamp;
    unsigned int smUtil, memUtil, encUtil, decUtil;
} nvmlProcessUtilizationSample_t;

static int is_there(const Process *process, double t_s) { return process->from_s <= t_s && t_s < process->until_s; }

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, unsigned int percent[2]) {
    double sum = 0.0, t_s = now_s();
    look_again();
    for (int i = 0; i < device->process_count; i++)
        if (is_there(&device->processes[i], t_s)) sum += device->processes[i].percent;
    percent[0] = percent[1] = (unsigned int)fmin(sum, 100.0);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                     nvmlProcessInfo_t *processes) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    unsigned int found = 0, room = *count;
    for (int i = 0; i < device->process_count; i++) {
        const Process *process = &device->processes[i];
        if (!process->is_shown || !is_there(process, t_s)) continue;
        if (found < room) processes[found] = (nvmlProcessInfo_t){process->pid, 1ULL << 30, ~0u, ~0u};
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

/* The driver takes a sample each sample_period_s. A process that used the GPU since the last one seen has one entry:
 * its use on average over all samples since then, and the instant of the last of them in which it was active. */
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *entries,
                                             unsigned int *count, unsigned long long seen_us) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    if (device->mig || !device->has_process_samples) return NOT_SUPPORTED;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    double epoch_us = wall.tv_sec * 1e6 + wall.tv_nsec * 1e-3 - now_s() * 1e6;
    double period_s = device->sample_period_s;
    long last = (long)floor(t_s / period_s), first = (long)floor((seen_us - epoch_us) * 1e-6 / period_s) + 1;
    if (first < last - BUFFERED_SAMPLES) first = last - BUFFERED_SAMPLES;
    nvmlProcessUtilizationSample_t found[BUFFERED_SAMPLES];
    unsigned int number = 0;
    for (int i = 0; i < device->process_count; i++) {
        const Process *process = &device->processes[i];
        double sum = 0.0, active_s = 0.0;
        for (long k = first; k <= last; k++) {
            double part_s = fmin(k * period_s, process->until_s) - fmax((k - 1) * period_s, process->from_s);
            if (part_s <= 0.0 || process->percent <= 0.0) continue;
            sum += process->percent * part_s / period_s;
            active_s = k * period_s;
        }
        if (!process->is_shown || sum <= 0.0) continue;
        unsigned int percent = (unsigned int)lround(sum / (last - first + 1));
        found[number++] = (nvmlProcessUtilizationSample_t){
            process->pid, (unsigned long long)(epoch_us + active_s * 1e6), percent, 0, 0, 0};
    }
    if (number == 0) return NOT_FOUND;
    while (device->has_unwritten_samples && number < BUFFERED_SAMPLES) {
        found[number] = (nvmlProcessUtilizationSample_t){number * 77, number % 2 ? number : ~0ULL / 2, 30, 0, 0, 0};
        if (number % 3 == 0) found[number].smUtil = 4000000000u;
        number++;
    }
    if (!entries || *count < number) {
        *count = BUFFERED_SAMPLES;
        return INSUFFICIENT_SIZE;
    }
    memcpy(entries, found, number * sizeof *found);
    *count = number;
    return SUCCESS;
}

typedef struct {
    unsigned long long timeStamp;
    union { double d; unsigned int ui; unsigned long long ull; } value;
} nvmlSample_t;

/* How busy the whole card was in each of the driver's samples since the last one seen, whoever used it. */
nvmlReturn_t nvmlDeviceGetSamples(nvmlDevice_t device, int kind, unsigned long long seen_us, int *type,
                                  unsigned int *count, nvmlSample_t *samples) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    if (device->mig || kind != GPU_UTILIZATION_SAMPLES) return NOT_SUPPORTED;
    *type = TYPE_UNSIGNED_INT;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    double epoch_us = wall.tv_sec * 1e6 + wall.tv_nsec * 1e-3 - now_s() * 1e6;
    long last = (long)floor(t_s / device->sample_period_s);
    if (!samples) {
        *count = BUFFERED_SAMPLES;
        return SUCCESS;
    }
    unsigned int found = 0;
    for (long k = last - BUFFERED_SAMPLES + 1; k <= last && found < *count; k++) {
        double percent = 0.0, at_s = k * device->sample_period_s;
        if (epoch_us + at_s * 1e6 <= (double)seen_us) continue;
        for (int i = 0; i < device->process_count; i++)
            if (is_there(&device->processes[i], at_s)) percent += device->processes[i].percent;
        samples[found].timeStamp = (unsigned long long)(epoch_us + at_s * 1e6);
        samples[found++].value.ui = (unsigned int)fmin(percent, 100.0);
    }
    *count = found;
    return found ? SUCCESS : NOT_FOUND;
}

/* Parts that MIG has made. Their handles give no energy and no power. */

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
    *count = device->architecture >= 7 ? MOST_PARTS : 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int place, nvmlDevice_t *part) {
    if (place >= MOST_PARTS) return INVALID_ARGUMENT;
    *part = &parts[device->index][place];
    return (*part)->whole ? SUCCESS : NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t part, unsigned int *id) {
    *id = part->gpu_instance;
    return part->whole ? SUCCESS : NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t part, unsigned int *id) {
    *id = part->compute_instance;
    return part->whole ? SUCCESS : NOT_SUPPORTED;
}

/* Energy and power. */

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy_mj) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    if (!device->has_counter) return NOT_SUPPORTED;
    *energy_mj = counter_mj(device, t_s);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    if (!device->has_power) return NOT_SUPPORTED;
    int averages = device->architecture >= 7 && !(device->major == 8 && device->minor == 0);
    *power = power_mw(device, t_s, averages ? 1.0 : device->power_window_s);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values) {
    double t_s;
    nvmlReturn_t result = ask(device, &t_s);
    if (result != SUCCESS) return result;
    for (int i = 0; i < count; i++) {
        nvmlFieldValue_t *field = &values[i];
        field->nvmlReturn = SUCCESS;
        if (field->fieldId == FIELD_TOTAL_ENERGY && device->has_fields && device->has_counter) {
            field->valueType = TYPE_UNSIGNED_LONG_LONG;
            field->value.ull = counter_mj(device, t_s);
        } else if (field->fieldId == FIELD_POWER_INSTANT && device->has_fields && device->has_power) {
            field->valueType = TYPE_UNSIGNED_INT;
            field->value.ui = power_mw(device, t_s, device->power_window_s);
        } else if (field->fieldId == FIELD_POWER_AVERAGE && device->has_fields && device->has_power) {
            field->valueType = TYPE_UNSIGNED_INT;
            field->value.ui = power_mw(device, t_s, 1.0);
        } else {
            field->nvmlReturn = NOT_SUPPORTED;
        }
    }
    return SUCCESS;
}
