/** Messages as a kernel sends them, to vary in tests; those in the browser use them too. */
import type {
  BaselineBasis,
  CellMessage,
  ChannelDescription,
  ChannelEnergy,
  ComparedModel,
  ComparisonSummary,
  EnergyRecord,
  HelloMessage,
  KnownNet,
  PowerMessage,
  StageTotals,
  TotalsMessage
} from '../src/messages';

export const SESSION = 'session-1';

export function channel(changes: Partial<ChannelDescription> = {}): ChannelDescription {
  return {
    id: 'gpu:0',
    component: 'gpu',
    label: 'NVIDIA H200',
    meter: 'nvml',
    provenance: 'measured',
    inside: null,
    fault: null,
    ...changes
  };
}

export function hello(changes: Partial<HelloMessage> = {}): HelloMessage {
  return {
    schema: 1,
    kind: 'hello',
    session_id: SESSION,
    seq: 1,
    at_ms: 1_000,
    version: '0.1.0',
    host: 'node-1',
    measuring: true,
    ready: true,
    channels: [channel()],
    unusable: [],
    intensity: null,
    warnings: [],
    ...changes
  };
}

export function power(changes: Partial<PowerMessage> = {}): PowerMessage {
  return {
    schema: 1,
    kind: 'power',
    session_id: SESSION,
    seq: 2,
    at_ms: 2_000,
    power_w: { 'gpu:0': 350 },
    total_w: 350,
    energy_j: 700,
    mass_gco2e: 0.01,
    running: ['cell-1'],
    ...changes
  };
}

export function cell(changes: Partial<CellMessage> = {}): CellMessage {
  return {
    schema: 1,
    kind: 'cell',
    session_id: SESSION,
    seq: 3,
    at_ms: 3_000,
    cell_id: 'cell-1',
    name: '[5] train(model)',
    stage: null,
    run_id: 'run-1',
    execution_count: 5,
    status: 'running',
    settled: false,
    runs: 1,
    duration_s: 2,
    energy_j: 700,
    interval_j: [660, 740],
    provenance: 'measured',
    unavailable: [],
    mass_gco2e: 0.01,
    interval_gco2e: [0.007, 0.016],
    last_energy_j: 700,
    last_interval_j: [660, 740],
    ...changes
  };
}

export function totals(changes: Partial<TotalsMessage> = {}): TotalsMessage {
  return {
    schema: 1,
    kind: 'totals',
    session_id: SESSION,
    seq: 4,
    at_ms: 4_000,
    cells: 1,
    runs: 1,
    duration_s: 2,
    energy_j: 700,
    interval_j: [660, 740],
    provenance: 'measured',
    by_provenance_j: { measured: 700, derived: 0, estimated: 0 },
    unavailable: [],
    mass_gco2e: 0.01,
    interval_gco2e: [0.007, 0.016],
    ...changes
  };
}

/** What the windows of a stage drew. */
export function stage(changes: Partial<StageTotals> = {}): StageTotals {
  return {
    stage: 'train',
    runs: 2,
    duration_s: 1.5,
    energy_j: 500,
    interval_j: [470, 530],
    provenance: 'measured',
    mass_gco2e: 0.007,
    interval_gco2e: [0.005, 0.012],
    ...changes
  };
}

/** A baseline of this day and local time. */
export function basis(at: string, changes: Partial<BaselineBasis> = {}): BaselineBasis {
  return { how: 'measured', at: new Date(at).toISOString(), duration_s: 9.8, ...changes };
}

/** Idle, net and share of an energy of 1200 J, as a message or a record's total has them. */
export function beside(at: string) {
  return {
    idle_j: 300,
    idle_interval_j: [277, 323] as [number, number],
    net_j: 900,
    net_interval_j: [860, 940] as [number, number],
    share_j: 852,
    baseline: basis(at)
  };
}

/** Idle and net of those channels that know theirs. */
export function knownNet(at: string, of: string[], without: string[]): KnownNet {
  const { idle_j, idle_interval_j, net_j, net_interval_j, baseline } = beside(at);
  return { idle_j, idle_interval_j, net_j, net_interval_j, baseline, of, without };
}

/** A channel of a record that knows its idle energy and this kernel's share. */
export function knownChannel(at: string, changes: Partial<ChannelEnergy> = {}): ChannelEnergy {
  const { idle_j, idle_interval_j, net_interval_j, share_j, baseline } = beside(at);
  return {
    id: 'gpu:0',
    component: 'gpu',
    label: 'NVIDIA H200',
    meter: 'nvml',
    energy_j: 1200,
    interval_j: [1150, 1250],
    repeatability_interval_j: [1195, 1205],
    provenance: 'measured',
    idle_j,
    idle_interval_j,
    net_interval_j,
    share_j,
    baseline: { ...baseline, power_w: 30, standard_uncertainty_w: 1 },
    coverage: 1,
    counted: true,
    fault: null,
    ...changes
  };
}

/** A record of one such channel. */
export function knownRecord(at: string, changes: Partial<EnergyRecord> = {}): EnergyRecord {
  return record({
    started_at: new Date(at).toISOString(),
    energy: {
      ...record().energy,
      gross_j: 1200,
      interval_j: [1150, 1250],
      unavailable: [],
      ...beside(at)
    },
    channels: [knownChannel(at)],
    ...changes
  });
}

export function record(changes: Partial<EnergyRecord> = {}): EnergyRecord {
  return {
    schema: 1,
    run_id: 'run-1',
    parent_run_id: null,
    session_id: SESSION,
    name: 'train',
    stage: null,
    cell_id: 'cell-1',
    execution_count: 5,
    status: 'ok',
    host: 'node-1',
    started_at: '2026-01-31T01:02:03.456Z',
    duration_s: 12.34,
    settled: true,
    energy: {
      gross_j: 1234,
      interval_j: [1180, 1288],
      repeatability_interval_j: [1230, 1238],
      idle_j: null,
      net_j: null,
      net_interval_j: null,
      share_j: null,
      provenance: 'measured',
      by_provenance_j: { measured: 1234, derived: 0, estimated: 0 },
      unavailable: ['dram']
    },
    channels: [
      {
        id: 'dram',
        component: 'dram',
        label: 'Memory',
        meter: 'rapl',
        energy_j: null,
        interval_j: null,
        repeatability_interval_j: null,
        provenance: 'unavailable',
        idle_j: null,
        share_j: null,
        coverage: 0,
        counted: true,
        fault: 'permission denied'
      }
    ],
    emissions: null,
    units: { token: { count: 512, energy_j_per_unit: 2.41, interval_j_per_unit: [2.3, 2.52] } },
    self: { overhead_s: 0.001, sampler_cpu_s: 0.002 },
    ...changes
  };
}

/** A model in a comparison: it draws half of what the baseline does. */
export function compared(changes: Partial<ComparedModel> = {}): ComparedModel {
  return {
    contender: 'small',
    runtime: 'eager',
    batch: 1,
    energy_j: 4,
    interval_j: [3.9, 4.1],
    provenance: 'measured',
    quality: 2.1,
    quality_interval: [2.09, 2.11],
    on_front: true,
    outcome: 'saves',
    change: -0.5,
    change_interval: [-0.6, -0.4],
    ...changes
  };
}

/** A comparison of two models at batch 1. */
export function comparison(changes: Partial<ComparisonSummary> = {}): ComparisonSummary {
  const baseline = compared({
    contender: 'model',
    energy_j: 8,
    interval_j: [7.8, 8.2],
    quality: 2,
    quality_interval: [1.99, 2.01],
    outcome: null,
    change: null,
    change_interval: null
  });
  return {
    comparison_id: 'run-7',
    session_id: SESSION,
    started_at: '2026-01-31T01:02:03.456Z',
    status: 'ok',
    unit: 'token',
    quality: 'bits per byte',
    prompt_tokens: 64,
    new_tokens: 32,
    rows: [baseline, compared()],
    omitted: 0,
    ...changes
  };
}
